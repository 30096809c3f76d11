"""Numbers of timelines against counts by hand, and against a recount of milliseconds."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egoact.core.timelines.prediction import Prediction
from egoact.core.timelines.statistics import COLUMNS, check_hands, compute_statistics, statistics_rows
from egoact.core.timelines.timeline import Timeline, TimelineSegment

#        0    2  3    5 6   8      14   15   16  17        20  22      30
#        |stir|--|stir|-|stir|-----|take cup|-|take milk|---|stir|-----|
SEGMENTS = (
    TimelineSegment(0.0, 2.0, "stir", "pot"),
    TimelineSegment(3.0, 5.0, "stir", "pot"),
    TimelineSegment(6.0, 8.0, "stir", "pot"),
    TimelineSegment(14.0, 15.0, "take", "cup"),
    TimelineSegment(16.0, 17.0, "take", "milk"),
    TimelineSegment(20.0, 22.0, "stir", "pot"),
)
TIMELINE = Timeline("kitchen", SEGMENTS, 30.0)
HAND = {"share_of_time": 0.5, "mean_duration_seconds": 2.0, "interactions_per_hour": 600.0, "num_interactions": 5}
HANDS = {"left": HAND, "right": HAND | {"num_interactions": 9}, "hand_use_ratio": 0.7, "steps_without_hands_share": 0.1}


def entry(statistics: dict, kind: str, name: str) -> dict:
    return next(entry for entry in statistics[kind] if entry["name"] == name)


def test_an_action_by_hand() -> None:
    statistics = compute_statistics(TIMELINE)
    assert [e["name"] for e in statistics["actions"]] == ["stir pot", "take cup", "take milk"]
    assert entry(statistics, "actions", "stir pot") == {
        "name": "stir pot",
        "verb": "stir",
        "noun": "pot",
        "segments": [0, 1, 2, 5],
        "count": 4,
        "per_hour": 480.0,
        "total_seconds": 8.0,
        "mean_seconds": 2.0,
        "median_seconds": 2.0,
        "share_of_time": 0.2667,
        "gaps": {"count": 3, "mean_seconds": 4.6667, "median_seconds": 1.0, "longest_seconds": 12.0},
        "repetitions": {
            "runs": [[0, 1, 2]],
            "longest": 3,
            "median_period_seconds": 3.0,
            "period_iqr_seconds": 0.0,
        },
    }
    take = entry(statistics, "verbs", "take")
    assert (take["verb"], take["noun"], take["count"], take["repetitions"]["runs"]) == ("take", None, 2, [[3, 4]])
    assert take["repetitions"]["median_period_seconds"] == 2.0 and take["repetitions"]["period_iqr_seconds"] is None
    assert entry(statistics, "actions", "take cup")["repetitions"] == {
        "runs": [], "longest": 1, "median_period_seconds": None, "period_iqr_seconds": None,
    }  # fmt: skip


def test_a_recording_by_hand() -> None:
    statistics = compute_statistics(TIMELINE)
    assert (statistics["busy_seconds"], statistics["hands_busy_share"]) == (10.0, 0.3333)
    assert statistics["gaps"] == {
        "count": 5,
        "total_seconds": 12.0,
        "median_seconds": 1.0,
        "stretches": [[2.0, 3.0], [5.0, 6.0], [8.0, 14.0], [15.0, 16.0], [17.0, 20.0]],
    }
    assert (statistics["before_first_seconds"], statistics["after_last_seconds"]) == (0.0, 8.0)
    assert statistics["transitions"] == [
        {"from": "stir pot", "to": "stir pot", "count": 2, "segments": [0, 1]},
        {"from": "stir pot", "to": "take cup", "count": 1, "segments": [2]},
        {"from": "take cup", "to": "take milk", "count": 1, "segments": [3]},
        {"from": "take milk", "to": "stir pot", "count": 1, "segments": [4]},
    ]


def test_repetitions_need_short_gaps_and_nothing_between() -> None:
    stir = "stir pot"
    runs = [
        entry(compute_statistics(TIMELINE, repetition_gap_seconds=gap), "actions", stir)["repetitions"]["runs"]
        for gap in (0.9, 1.0, 100.0)
    ]
    assert runs == [[], [[0, 1, 2]], [[0, 1, 2]]], "the fourth one comes after other actions, however long a gap may be"
    for gap in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="between repetitions"):
            compute_statistics(TIMELINE, repetition_gap_seconds=gap)


def test_what_is_not_known_is_none() -> None:
    unknown = compute_statistics(Timeline("kitchen", SEGMENTS))
    known = compute_statistics(TIMELINE)
    assert unknown["hands_busy_share"] is unknown["after_last_seconds"] is unknown["duration_seconds"] is None
    for kind in ("actions", "verbs", "nouns"):
        for one, other in zip(unknown[kind], known[kind], strict=True):
            assert one["share_of_time"] is one["per_hour"] is None
            assert one | {"share_of_time": other["share_of_time"], "per_hour": other["per_hour"]} == other
    for duration in (None, 0.0, 12.0):
        empty = compute_statistics(Timeline("kitchen", (), duration))
        assert (empty["num_actions"], empty["busy_seconds"], empty["actions"], empty["transitions"]) == (0, 0.0, [], [])
        assert empty["hands_busy_share"] == (0.0 if duration else None)
        assert empty["gaps"] == {"count": 0, "total_seconds": 0.0, "median_seconds": None, "stretches": []}
        assert empty["before_first_seconds"] is empty["after_last_seconds"] is None
        assert [row[1] for row in statistics_rows("kitchen", empty)] == ["recording"]


def test_overlapping_actions_make_no_share_above_one() -> None:
    segments = (TimelineSegment(0, 10, "hold", "cup"), TimelineSegment(2, 8, "hold", "cup"))
    statistics = compute_statistics(Timeline("v", segments, 10.0))
    hold = statistics["actions"][0]
    assert (hold["total_seconds"], hold["share_of_time"], hold["gaps"]["longest_seconds"]) == (16.0, 1.0, 0.0)
    assert (statistics["busy_seconds"], statistics["hands_busy_share"]) == (10.0, 1.0)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Of whole tenths of a second, so that a recount by steps is exact."""
    spans = draw(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=25))
    labels = st.tuples(st.sampled_from([None, "take", "put"]), st.sampled_from([None, "cup", "lid"])).filter(any)
    segments = [TimelineSegment(start / 10, (start + long) / 10, *draw(labels)) for start, long in sorted(spans)]
    return Timeline("v", tuple(segments), 40.0)


@given(timelines(), st.integers(0, 40))
def test_against_a_recount_in_steps(timeline: Timeline, gap: int) -> None:
    statistics = compute_statistics(timeline, repetition_gap_seconds=gap / 10)
    json.dumps(statistics, allow_nan=False)
    steps = np.zeros((len(timeline), 400), dtype=bool)
    for row, s in zip(steps, timeline, strict=True):
        row[round(10 * s.start_seconds) : round(10 * s.stop_seconds)] = True
    busy = steps.any(axis=0)
    assert statistics["busy_seconds"] == pytest.approx(busy.sum() / 10)
    parts = (statistics["before_first_seconds"] or 0, statistics["after_last_seconds"] or 0)
    if len(timeline):
        whole = statistics["busy_seconds"] + statistics["gaps"]["total_seconds"] + sum(parts)
        assert whole == pytest.approx(40.0)
        assert statistics["gaps"]["count"] == (np.diff(np.flatnonzero(busy)) > 1).sum()
    assert sum(e["count"] for e in statistics["actions"]) == len(timeline)
    assert sum(e["count"] for e in statistics["transitions"]) == max(len(timeline) - 1, 0)
    for kind, label in (("actions", lambda s: (s.verb, s.noun)), ("verbs", lambda s: (s.verb, None))):
        for e in statistics[kind]:
            mine = [n for n, s in enumerate(timeline) if label(s) == (e["verb"], e["noun"])]
            assert e["segments"] == mine
            assert e["share_of_time"] == pytest.approx(steps[mine].any(axis=0).mean(), abs=1e-4)
            assert e["median_seconds"] == pytest.approx(np.median(steps[mine].sum(axis=1)) / 10)
            runs = e["repetitions"]["runs"]
            assert sorted(n for run in runs for n in run) == sorted({n for run in runs for n in run}), "none in two"
            in_a_row = {n for n in mine if n + 1 in mine and _is_soon(timeline, n, gap)}
            assert all(any({n, n + 1} <= set(run) for run in runs) for n in in_a_row)
            for run in runs:
                assert len(run) > 1 and run == list(range(run[0], run[-1] + 1)) and set(run) <= set(mine)
                stops = np.maximum.accumulate([timeline[n].stop_seconds for n in run])
                assert all(
                    timeline[n].start_seconds - stop < (gap + 0.1) / 10 for n, stop in zip(run[1:], stops, strict=False)
                )


def _is_soon(timeline: Timeline, number: int, gap: int) -> bool:
    return timeline[number + 1].start_seconds - timeline[number].stop_seconds < (gap + 0.1) / 10


def test_hands_are_checked() -> None:
    assert check_hands(HANDS) is HANDS
    assert check_hands(HANDS | {"hand_use_ratio": None, "detector": "palm"})["detector"] == "palm"
    for wrong, words in (
        ({"left": None}, "the left one"),
        ({"right": {"share_of_time": 0.5}}, "mean_duration_seconds"),
        ({"hand_use_ratio": "much"}, "hand_use_ratio of hands is 'much'"),
        ({"steps_without_hands_share": math.nan}, "steps_without_hands_share"),
        ({"left": HAND | {"num_interactions": -1}}, "num_interactions of hands is -1"),
        ({"left": HAND | {"interactions": 3}}, "interactions of the left hand"),
        ({"right": HAND | {"interactions": [[1.0, 2.0], [4.0, 3.0]]}}, "interactions of the right hand"),
        ({"right": HAND | {"interactions": [[1.0, "2"]]}}, "interactions of the right hand"),
    ):
        with pytest.raises(ValueError, match=words):
            check_hands(HANDS | wrong)
        with pytest.raises(ValueError, match=words):
            Prediction(TIMELINE, ("verb", "noun"), ({},) * 6, hands=HANDS | wrong)


def test_a_prediction_writes_them() -> None:
    prediction = Prediction(TIMELINE, ("verb", "noun"), ({},) * 6, hands=HANDS)
    values = json.loads(prediction.to_json(video_path="v.mp4", origin={}))
    assert values["statistics"] == compute_statistics(TIMELINE) and values["hands"] == HANDS
    assert Timeline.from_dict(values) == TIMELINE
    heading, *rows = [line.split(",") for line in prediction.to_statistics_csv().splitlines()]
    assert tuple(heading) == COLUMNS and {len(row) for row in rows} == {len(COLUMNS)}
    table = [dict(zip(heading, row, strict=True)) for row in rows]
    assert [row["kind"] for row in table] == ["recording", *["action"] * 3, *["verb"] * 2, *["noun"] * 3, *["hand"] * 2]
    stir = table[1]
    assert (stir["name"], stir["count"], stir["median_gap_seconds"], stir["longest_run"]) == (
        "stir pot",
        "4",
        "1.0",
        "3",
    )
    assert (table[-1]["name"], table[-1]["count"], table[-1]["mean_gap_seconds"]) == ("right", "9", "")
    assert [(row["hand_use_ratio"], row["steps_without_hands_share"]) for row in table] == [("0.7", "0.1")] + [
        ("", "")
    ] * 10
    assert (table[0]["share_of_time"], table[0]["mean_gap_seconds"], table[0]["longest_gap_seconds"]) == (
        "0.3333", "2.4", "6.0",
    )  # fmt: skip
    without = json.loads(Prediction(TIMELINE, ("verb",), ({},) * 6).to_json(video_path="v.mp4", origin={}))
    assert "hands" not in without
