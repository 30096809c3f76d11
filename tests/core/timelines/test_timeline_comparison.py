"""Changes that are there are found, those that are not mostly are not, and intervals are those of other code."""

import json

import numpy as np
import pytest
from scipy import stats

from egoact.core.timelines.comparing.comparison import are_enough, compare_timelines
from egoact.core.timelines.comparing.resampling import Side, permutation_probability, rate_probability
from egoact.core.timelines.timeline import Timeline, TimelineSegment

HAND = {"share_of_time": 0.5, "mean_duration_seconds": 2.0, "interactions_per_hour": 60.0, "num_interactions": 10}


def make(
    random: np.random.Generator,
    *,
    count: int,
    seconds: float,
    verb: str = "pour",
    video: str = "v",
    spread: float = 0.2,
) -> Timeline:
    """Some occurrences of a verb in ten minutes, and one of another, so that each side has both."""
    starts = np.sort(random.uniform(10, 580, size=count))
    lengths = random.normal(seconds, spread, size=count).clip(0.1)
    made = [TimelineSegment(a, a + long, verb, "milk") for a, long in zip(starts, lengths, strict=True)]
    return Timeline(video, (TimelineSegment(0, 5, "take", "cup"), *made), 700.0)


def row_of(compared: dict, name: str, kind: str = "actions") -> dict:
    return next(row for row in compared[kind] if row["name"] == name)


def test_slower_and_rarer_in_two_recordings() -> None:
    random = np.random.default_rng(0)
    first, second = make(random, count=40, seconds=2.0), make(random, count=12, seconds=3.0)
    compared = compare_timelines(Side([first]), Side([second]))
    json.dumps(compared, allow_nan=False)
    assert [side["resampled"] for side in compared["sides"]] == ["occurrences"] * 2
    row = row_of(compared, "pour milk")
    assert row["changes"] == ["slower", "rarer"] and compared["actions"][0] is row, "changes come first"
    assert [side["count"] for side in row["sides"]] == [40, 12]
    assert row["sides"][1]["per_hour"] == pytest.approx(12 / 700 * 3600)
    assert row["sides"][1]["clips"][0][1:] == (second[1].start_seconds, second[1].stop_seconds)
    back = row_of(compare_timelines(Side([second]), Side([first])), "pour milk")
    assert back["changes"] == ["faster", "more frequent"]
    assert back["difference"]["mean_seconds"]["value"] == pytest.approx(-row["difference"]["mean_seconds"]["value"])
    take = row_of(compared, "take cup")
    assert take["changes"] == [] and "low" not in take["difference"]["mean_seconds"], "once on each side tells nothing"
    assert row_of(compared, "pour", "verbs")["difference"] != {} and compared["all"]["sides"][0]["count"] == 41


def test_intervals_of_one_recording_are_those_of_theory() -> None:
    random = np.random.default_rng(1)
    first, second = make(random, count=60, seconds=2.0, spread=0.5), make(random, count=50, seconds=2.1, spread=0.5)
    part = row_of(compare_timelines(Side([first]), Side([second]), num_draws=20_000), "pour milk")["difference"]
    # Counts are Poisson, means are about normal: the standard errors are known.
    sizes = [len(side) - 1 for side in (first, second)]
    rate = 1.96 * np.sqrt(sum(sizes)) * 3600 / 700
    assert part["per_hour"]["low"] == pytest.approx(part["per_hour"]["value"] - rate, rel=0.1)
    assert part["per_hour"]["high"] == pytest.approx(part["per_hour"]["value"] + rate, rel=0.1)
    lengths = [[s.duration_seconds for s in side][1:] for side in (first, second)]
    error = 1.96 * np.sqrt(sum(np.var(long) / len(long) for long in lengths))
    for key, sign in (("low", -1), ("high", 1)):
        assert part["mean_seconds"][key] == pytest.approx(part["mean_seconds"]["value"] + sign * error, abs=0.02)


def test_intervals_of_recordings_are_those_of_scipy() -> None:
    random = np.random.default_rng(2)
    sides = [
        [make(random, count=int(random.integers(5, 40)), seconds=random.uniform(1, 4), video=str(n)) for n in range(12)]
        for _ in range(2)
    ]
    compared = compare_timelines(*(Side(side) for side in sides), num_draws=20_000)
    assert [side["resampled"] for side in compared["sides"]] == ["recordings"] * 2 and compared["can_tell_changes"]
    part = row_of(compared, "pour milk")["difference"]

    def ratio(above: np.ndarray, below: np.ndarray, axis: int) -> np.ndarray:
        return above.sum(axis=axis) / below.sum(axis=axis)

    for measure in ("mean_seconds", "per_hour"):
        samples = []
        for side in sides:
            pours = [[s.duration_seconds for s in timeline if s.verb == "pour"] for timeline in side]
            counts = np.array([len(p) for p in pours], dtype=float)
            totals = np.array([sum(p) for p in pours])
            samples.append((totals, counts) if measure == "mean_seconds" else (counts, np.full(12, 700 / 3600)))
        drawn = [
            stats.bootstrap(
                sample, ratio, paired=True, n_resamples=20_000, method="percentile", vectorized=True, rng=seed
            ).bootstrap_distribution
            for seed, sample in enumerate(samples)
        ]
        low, high = np.percentile(drawn[1] - drawn[0], [2.5, 97.5])
        assert (part[measure]["low"], part[measure]["high"]) == pytest.approx((low, high), abs=0.04 * (high - low))


@pytest.mark.parametrize("num_recordings", [1, 4, 8])
def test_without_a_change_few_are_named(num_recordings: int) -> None:
    random = np.random.default_rng(3)
    num_named, num_comparisons = 0, 100
    for seed in range(num_comparisons):
        sides = [
            Side(
                [make(random, count=int(random.poisson(25)), seconds=2.0, video=str(n)) for n in range(num_recordings)]
            )
            for _ in range(2)
        ]
        num_named += len(row_of(compare_timelines(*sides, num_draws=300, seed=seed), "pour milk")["changes"])
    # Two tests a comparison, each a false alarm in at most 5 %: more than 18 of 200 come up in one of 170 such counts.
    assert num_named <= stats.binom.ppf(0.994, 2 * num_comparisons, 0.05)


def test_holm_counts_the_actions_of_a_table() -> None:
    random = np.random.default_rng(8)
    num_actions, num_comparisons, num_named, num_confirmed = 12, 60, 0, 0

    def day() -> Timeline:
        starts = np.sort(random.uniform(0, 3500, size=num_actions * 10))
        made = [TimelineSegment(t, t + random.uniform(1, 5), f"v{random.integers(num_actions)}") for t in starts]
        return Timeline("v", tuple(made), 3600.0)

    for seed in range(num_comparisons):
        rows = compare_timelines(Side([day()]), Side([day()]), num_draws=200, seed=seed)["actions"]
        num_named += sum(len(row["changes"]) for row in rows)
        num_confirmed += sum(any(m in row["confirmed"] for row in rows) for m in ("slower", "faster"))
        num_confirmed += sum(any(m in row["confirmed"] for row in rows) for m in ("rarer", "more frequent"))
    # Nothing changed: of a table, any confirmed change of a measure is a false alarm, in at most 5 % of the tables.
    assert num_confirmed <= stats.binom.ppf(0.994, 2 * num_comparisons, 0.05) < num_named


def test_tables_and_measures_are_corrected_apart() -> None:
    def side(*lengths: float) -> Side:
        actions = [("stir", "cup", lengths), ("put", "jar", (1, 2, 3, 4)), ("put", "lid", (2, 3, 4, 5))]
        starts = iter(range(0, 600, 20))
        made = [(next(starts), x, verb, noun) for verb, noun, found in actions for x in found]
        return Side([Timeline("v", tuple(TimelineSegment(t, t + x, *words) for t, x, *words in made), 600.0)])

    compared = compare_timelines(side(1, 1.1, 1, 1.1, 1), side(5, 5.1, 5, 5.1, 5), num_draws=500)
    action, verb = row_of(compared, "stir cup"), row_of(compared, "stir", "verbs")
    assert action["difference"]["mean_seconds"]["p"] == pytest.approx(2 / 252)
    assert action["difference"]["mean_seconds"]["p_holm"] == pytest.approx(3 * 2 / 252), "of three actions"
    assert verb["difference"]["mean_seconds"]["p_holm"] == pytest.approx(2 * 2 / 252), "of two verbs"
    assert action["changes"] == action["confirmed"] == ["slower"]
    four = row_of(compare_timelines(side(1, 1.1, 1, 1.1), side(5, 5.1, 5, 5.1), num_draws=500), "stir cup")
    assert (four["changes"], four["confirmed"]) == (["slower"], []), "2/70 for one action, 6/70 for three"
    everything = compared["all"]["difference"]["per_hour"]
    assert everything["p_holm"] == everything["p"], "one test"


def test_probabilities_are_those_of_scipy() -> None:
    random = np.random.default_rng(6)
    for sizes in ((3, 4), (5, 5), (30, 20)):
        groups = [random.gamma(2, size=size) for size in sizes]
        ours = permutation_probability(np.concatenate(groups), np.ones(sum(sizes)), num_first=sizes[0])
        theirs = stats.permutation_test(
            groups, lambda a, b, axis: np.abs(b.mean(axis=axis) - a.mean(axis=axis)),
            vectorized=True, alternative="greater", n_resamples=5000, rng=0,
        )  # fmt: skip
        assert ours == pytest.approx(theirs.pvalue, abs=1e-9 if sum(sizes) < 12 else 0.03)
    for first, second, share in ((0, 6, 0.5), (3, 14, 0.4), (200, 260, 0.5), (5, 0, 0.9)):
        tails = [stats.binom.cdf(first, first + second, share), stats.binom.sf(first - 1, first + second, share)]
        assert rate_probability(first, second, share_first=share) == pytest.approx(min(1, 2 * min(tails)))
    assert rate_probability(0, 0, share_first=0.5) == permutation_probability(np.ones(3), np.ones(3), num_first=3) == 1


def test_few_recordings_tell_no_change() -> None:
    random = np.random.default_rng(4)
    slow, quick = ([make(random, count=30, seconds=seconds, video=str(n)) for n in range(4)] for seconds in (6.0, 2.0))
    few = compare_timelines(Side(quick[:3]), Side(slow[:3]))
    assert not few["can_tell_changes"] and all(row["changes"] == [] for row in few["actions"])
    assert row_of(few, "pour milk")["difference"]["mean_seconds"]["low"] > 3
    enough = compare_timelines(Side(quick), Side(slow))
    assert row_of(enough, "pour milk")["changes"] == ["slower"]
    assert [are_enough(a, b) for a, b in ((3, 3), (3, 4), (2, 4), (0, 9))] == [False, True, False, False]
    only = [*quick[:2], *(Timeline(str(n), (TimelineSegment(0, 5, "take", "cup"),), 700.0) for n in (3, 4))]
    assert "slower" not in row_of(compare_timelines(Side(only), Side(slow)), "pour milk")["changes"], "two have it"


def test_a_handful_of_occurrences_tells_no_change() -> None:
    def side(*lengths: float) -> Side:
        segments = (TimelineSegment(20 * n, 20 * n + x, "stir") for n, x in enumerate(lengths))
        return Side([Timeline("v", tuple(segments), 600.0)])

    few = compare_timelines(side(1, 1.1, 1), side(5, 5.1, 5), num_draws=500)["actions"][0]
    assert few["difference"]["mean_seconds"]["low"] > 3 and few["changes"] == []
    assert few["difference"]["mean_seconds"]["p"] == 0.1
    four = compare_timelines(side(1, 1.1, 1, 1.1), side(5, 5.1, 5, 5.1), num_draws=500)["actions"][0]
    assert four["changes"] == ["slower"]


def test_one_day_against_a_few_tells_no_change() -> None:
    random = np.random.default_rng(7)
    many = [make(random, count=30, seconds=2.0, video=str(n)) for n in range(5)]
    compared = compare_timelines(Side(many), Side([make(random, count=30, seconds=6.0)]))
    assert [side["resampled"] for side in compared["sides"]] == ["recordings", "occurrences"]
    assert not compared["can_tell_changes"] and row_of(compared, "pour milk")["changes"] == []


def test_the_same_seed_gives_the_same_intervals() -> None:
    random = np.random.default_rng(5)
    sides = [Side([make(random, count=20, seconds=2.0)]) for _ in range(2)]
    assert compare_timelines(*sides, seed=3) == compare_timelines(*sides, seed=3)
    assert compare_timelines(*sides, seed=3) != compare_timelines(*sides, seed=4)


def test_unknown_durations_end_with_the_last_action() -> None:
    first = Timeline("a", (TimelineSegment(0, 10, "stir"),))
    second = Timeline("b", (TimelineSegment(0, 10, "stir"),), 20.0)
    compared = compare_timelines(Side([first]), Side([second]))
    assert [side["num_unknown_durations"] for side in compared["sides"]] == [1, 0]
    assert [side["share_of_time"] for side in compared["actions"][0]["sides"]] == [1.0, 0.5]


def test_what_cannot_be_compared() -> None:
    stir, take = (Timeline("v", (TimelineSegment(0, 1, verb),), 9.0) for verb in ("stir", "take"))
    with pytest.raises(ValueError, match="share no action"):
        compare_timelines(Side([stir]), Side([take]))
    with pytest.raises(ValueError, match="no actions"):
        Side([Timeline("v", (), 9.0)])
    with pytest.raises(ValueError, match="num_draws"):
        compare_timelines(Side([stir]), Side([stir]), num_draws=0)
    with pytest.raises(ValueError, match="hands of 2 recordings for 1"):
        Side([stir], [None, None])


def test_hands_are_pooled_over_recordings() -> None:
    def hands(share: float, count: int, mean: float, ratio: float | None) -> dict:
        left = HAND | {"share_of_time": share, "num_interactions": count, "mean_duration_seconds": mean}
        return {"left": left, "right": HAND, "hand_use_ratio": ratio, "steps_without_hands_share": 0.1}

    def timeline(seconds: float) -> Timeline:
        return Timeline("v", (TimelineSegment(0, 1, "stir"),), seconds)

    first = Side(
        [timeline(100.0), timeline(300.0), timeline(50.0)], [hands(0.2, 10, 1.0, 0.5), hands(0.6, 30, 3.0, None), None]
    )
    known = [hands(0.9, 5, 2.0, 0.8), hands(0.7, 5, 4.0, 1.0)]
    known[0]["left"]["interactions"], known[1]["left"]["interactions"] = [[0.0, 2.0]], [[1.5, 3.0], [4.0, 5.0]]
    second = Side([timeline(100.0), timeline(100.0)], known)
    rows = {(row["hand"], row["measure"]): row for row in compare_timelines(first, second)["hands"]}
    assert rows["left", "share_of_time"]["sides"] == pytest.approx([0.5, 0.8]), "weighted by time"
    assert rows["left", "mean_duration_seconds"]["sides"] == pytest.approx([2.5, 3.0]), "weighted by interactions"
    assert rows["left", "num_interactions"]["sides"] == [40, 10]
    assert rows[None, "hand_use_ratio"]["sides"] == pytest.approx([0.5, 0.9]), "over the recordings that have one"
    assert (
        "low" not in rows[None, "hand_use_ratio"]["difference"] and "low" in rows["left", "share_of_time"]["difference"]
    )
    assert rows["right", "share_of_time"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert rows[None, "steps_without_hands_share"]["sides"] == pytest.approx([0.1, 0.1])
    assert rows["left", "share_of_time"]["clips"] == [[], [(0, 0.0, 2.0), (1, 1.5, 3.0), (1, 4.0, 5.0)]]
    assert rows["right", "share_of_time"]["clips"] == rows[None, "hand_use_ratio"]["clips"] == [[], []]
    assert compare_timelines(Side(first.timelines), second)["hands"] == []
