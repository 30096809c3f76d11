"""Figures of models on recordings: as `evaluate_timelines`, with intervals and tests by hand."""

import numpy as np
import pytest

from egoact.core.timelines.comparing.model_comparison import MEASURES, RecordingCounts, compare_timeline_models
from egoact.core.timelines.metrics import evaluate_timelines
from egoact.core.timelines.timeline import Timeline, TimelineSegment


def timeline(video: str, *spans: tuple[float, float, str], seconds: float = 10.0) -> Timeline:
    return Timeline(video, tuple(TimelineSegment(*span) for span in spans), seconds)


def answers(seed: int, *, share_wrong: float) -> tuple[dict[str, Timeline], dict[str, Timeline]]:
    """Eight recordings of four actions each."""
    random = np.random.default_rng(seed)
    truth, found = {}, {}
    for number in range(8):
        spans = [(2.5 * i, 2.5 * i + 1.5, "ab"[i % 2]) for i in range(4)]
        shifts = random.normal(0, share_wrong, 4)
        moved = [(max(a + d, 0.0), max(b + d, 0.1), v) for (a, b, v), d in zip(spans, shifts, strict=True)]
        kept = [span for span in moved if random.random() >= share_wrong and span[1] < 10]
        truth[str(number)] = timeline(str(number), *spans)
        found[str(number)] = timeline(str(number), *sorted(kept))
    return found, truth


def test_values_are_those_of_the_evaluation() -> None:
    found, truth = answers(0, share_wrong=0.4)
    counts = RecordingCounts.of(found, truth, "verb", rate=15)
    measured = evaluate_timelines(found, truth, targets=["verb"], rate=15)["verb"]
    once = {name: values[0] for name, values in counts.measure(np.ones((1, 8))).items()}
    assert list(once) == list(MEASURES)
    assert once == pytest.approx(
        {"frame_accuracy": measured["frame_accuracy"], "edit": measured["edit"]}
        | {f"f1_{overlap}": value for overlap, value in measured["f1"].items()}
    )


def test_a_draw_is_an_evaluation_of_the_recordings_that_it_holds() -> None:
    found, truth = answers(1, share_wrong=0.4)
    counts = RecordingCounts.of(found, truth, "verb", rate=15)
    drawn = ["0", "0", "3", "5", "5", "5", "6", "7"]
    again = [{f"{n}": side[video] for n, video in enumerate(drawn)} for side in (found, truth)]
    measured = evaluate_timelines(*again, targets=["verb"], rate=15)["verb"]  # type: ignore[misc]
    times = np.array([[float(drawn.count(str(n))) for n in range(8)]])
    assert counts.measure(times)["f1_25"][0] == pytest.approx(measured["f1"]["25"])
    assert counts.measure(times)["edit"][0] == pytest.approx(measured["edit"])


def test_a_better_model_is_told_from_a_worse_one_and_from_none_that_is_its_equal() -> None:
    counts = {
        name: {"verb": RecordingCounts.of(*answers(seed, share_wrong=wrong), "verb", rate=15)}
        for name, seed, wrong in (("bad", 0, 0.6), ("good", 1, 0.02), ("as bad", 2, 0.6))
    }
    table = compare_timeline_models(counts, reference="bad", num_draws=500, seed=0)  # type: ignore[arg-type]
    assert "against" not in table["bad"]["verb"]["edit"]
    good, equal = (table[name]["verb"]["f1_25"]["against"] for name in ("good", "as bad"))
    assert good["low"] > 0 and good["p_holm"] <= 2 * good["p"] < 0.05
    assert equal["low"] < 0 < equal["high"] and equal["p"] > 0.05
    value = table["good"]["verb"]["frame_accuracy"]
    assert value["low"] <= value["value"] <= value["high"]


def test_all_ways_to_exchange_answers_are_counted() -> None:
    """Of three recordings, of each of which one model has all frames right and the other none: two ways of eight."""
    truth = {str(n): timeline(str(n), (0.0, 10.0, "a")) for n in range(3)}
    right, wrong = truth, {str(n): timeline(str(n), (0.0, 10.0, "b")) for n in range(3)}
    counts = {
        name: {"verb": RecordingCounts.of(found, truth, "verb", rate=1)}
        for name, found in (("right", right), ("wrong", wrong))
    }
    table = compare_timeline_models(counts, reference="wrong", num_draws=10, seed=0)  # type: ignore[arg-type]
    against = table["right"]["verb"]["frame_accuracy"]["against"]
    assert (against["difference"], against["p"]) == (100.0, 0.25)
    alone = {
        name: {"verb": RecordingCounts({k: v[:1] for k, v in c["verb"].parts.items()})} for name, c in counts.items()
    }
    single = compare_timeline_models(alone, reference="wrong", num_draws=10, seed=0)  # type: ignore[arg-type]
    assert "low" not in single["right"]["verb"]["edit"] and single["right"]["verb"]["edit"]["against"]["p"] == 1.0


def test_no_segments_at_all_are_perfect_as_in_the_evaluation() -> None:
    nothing = {"v": timeline("v")}
    counts = RecordingCounts.of(nothing, nothing, "verb", rate=5)
    assert {name: values[0] for name, values in counts.measure(np.ones((1, 1))).items()} == dict.fromkeys(
        MEASURES, 100.0
    )
