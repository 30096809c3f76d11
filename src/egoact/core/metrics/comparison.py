"""Several models that answered the same segments: how sure accuracies are, and whether two models differ by chance.

Segments of one recording share a kitchen, a person and the light, so they are no independent witnesses: drawing single
segments would give intervals that are too narrow. So whole videos are drawn again and again.

Shapes: `N` segments, `V` videos, `C` classes, `B` draws. Accuracies are percentages, 0 to 100. Arrays in, numbers out.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.defaults import NUM_BOOTSTRAP_DRAWS
from egoact.core.metrics.accuracy import Labels
from egoact.core.metrics.protocol import Ranked

Draws = npt.NDArray[np.float64]

_CHUNK_DRAWS = 256


class VideoBootstrap:
    """The same draws of videos for every measure and every model, so that differences between models are paired.

        videos   a b c d      a draw   b d b c      every segment of b counts twice, none of a

    Of one video nothing tells how much videos differ: that is a `ValueError`.

    Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8: resampling of clusters.
    """

    def __init__(self, video_ids: Sequence[str], *, num_draws: int = NUM_BOOTSTRAP_DRAWS, seed: int = 0) -> None:
        names, members = np.unique(np.asarray(video_ids), return_inverse=True)
        if len(names) < 2:
            raise ValueError(f"{len(names)} videos; at least 2 are needed to draw from")
        self.num_videos = len(names)
        self._members = members
        self._times = draw_counts(len(names), num_draws, np.random.default_rng(seed))

    def accuracy(self, right: npt.NDArray[np.bool_]) -> Draws:
        """Share of right answers (N,) in every draw, (B,), in percent."""
        hits = np.bincount(self._members, weights=right, minlength=self.num_videos)
        totals = np.bincount(self._members, minlength=self.num_videos)
        shares: Draws = 100 * (self._times @ hits) / (self._times @ totals)
        return shares

    def mean_class_accuracy(self, right: npt.NDArray[np.bool_], labels: Labels) -> Draws:
        """Accuracy of each class that a draw holds, averaged over those classes, (B,), in percent; of (N,) and (N,)."""
        classes, positions = np.unique(labels, return_inverse=True)
        shape = (self.num_videos, len(classes))
        cells = self._members * len(classes) + positions
        hits = np.bincount(cells, weights=right, minlength=shape[0] * shape[1]).reshape(shape)
        totals = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
        chunks = [self._times[start : start + _CHUNK_DRAWS] for start in range(0, len(self._times), _CHUNK_DRAWS)]
        means = []
        for times in chunks:
            found, there = times @ hits, times @ totals
            shares = np.divide(found, there, out=np.zeros_like(found), where=there > 0)
            means.append(100 * shares.sum(axis=1) / (there > 0).sum(axis=1))
        return np.concatenate(means)


def draw_counts(num: int, num_draws: int, random: np.random.Generator) -> Draws:
    """How often each of `num` is drawn when as many are drawn with replacement, (B, num)."""
    if num_draws < 1:
        raise ValueError(f"num_draws is {num_draws}; at least 1 is needed")
    return random.multinomial(num, np.full(num, 1 / num), size=num_draws).astype(np.float64)


def percentile_interval(draws: Draws) -> tuple[float, float]:
    """The middle 95 % of some draws, from the lower to the upper end.

    >>> percentile_interval(np.arange(201.0))
    (5.0, 195.0)
    """
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def interval(draws: Draws) -> dict[str, float]:
    """The same as results hold it: {"low", "high"}."""
    return dict(zip(("low", "high"), percentile_interval(draws), strict=True))


def mcnemar_exact(num_only_first: int, num_only_second: int) -> float:
    """Probability of a difference at least as large between two equally good models that answered the same segments.

    Only the segments count that one model has right and the other wrong: of equally good models each would win such
    a segment with probability 1/2. Two-sided; whole numbers throughout, so it is exact for any count.

    Source: McNemar, Note on the sampling error of the difference between correlated proportions, 1947; exact form.

    >>> mcnemar_exact(0, 5)
    0.0625
    """
    if num_only_first < 0 or num_only_second < 0:
        raise ValueError(f"counts are {num_only_first} and {num_only_second}; they cannot be negative")
    num_trials, least = num_only_first + num_only_second, min(num_only_first, num_only_second)
    ways = accumulate(range(1, least + 1), lambda ways, k: ways * (num_trials - k + 1) // k, initial=1)
    return min(1.0, 2 * sum(ways) / (1 << num_trials))


def adjust_holm(probabilities: Sequence[float]) -> list[float]:
    """Probabilities of several tests, so that any of them below 0.05 is a false alarm in at most one of 20 such tables.

    Source: Holm, A simple sequentially rejective multiple test procedure, 1979.

    >>> adjust_holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    if odd := [p for p in probabilities if not 0 <= p <= 1]:
        raise ValueError(f"{odd[0]} is no probability")
    adjusted = [0.0] * len(probabilities)
    largest = 0.0
    for rank, position in enumerate(sorted(range(len(probabilities)), key=lambda i: probabilities[i])):
        largest = max(largest, min(1.0, (len(probabilities) - rank) * probabilities[position]))
        adjusted[position] = largest
    return adjusted


def compare_models(
    models: Mapping[str, Mapping[str, Ranked]],
    video_ids: Sequence[str],
    *,
    reference: str,
    num_draws: int = NUM_BOOTSTRAP_DRAWS,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Accuracies with 95 % intervals over videos, and each model against the reference.

        {model: {target: {"top1": {"value", "low", "high"}, "top5": {...}, "mean_class": {...},
                          "against": {"difference", "low", "high", "num_only_this", "num_only_reference",
                                      "p", "p_holm"}}}}

    The intervals are absent where there is one video only; "against" is absent for the reference itself, and where
    it has not learned the target. `p_holm` corrects for the other models of the same target.

    `models` are name -> target -> ranks of the true answers, as from `rank_answers`, of N segments; `video_ids` are the
    recordings of these. Another number of segments is a `ValueError`, and so is a reference that there is not.
    """
    if reference not in models:
        raise ValueError(f"the reference {reference!r} is none of {', '.join(models)}")
    if wrong := [name for name, ranks in models.items() for r in ranks.values() if len(r.better) != len(video_ids)]:
        raise ValueError(f"{wrong[0]} has other than {len(video_ids)} segments")
    bootstrap = VideoBootstrap(video_ids, num_draws=num_draws, seed=seed) if len(set(video_ids)) > 1 else None
    table = {
        name: {target: _measure(ranked, bootstrap) for target, ranked in ranks.items()}
        for name, ranks in models.items()
    }
    for target, of_reference in models[reference].items():
        others = [name for name, ranks in models.items() if target in ranks and name != reference]
        found = {name: _set_against(models[name][target], of_reference, bootstrap) for name in others}
        adjusted = adjust_holm([part["p"] for part in found.values()])
        for (name, part), p_holm in zip(found.items(), adjusted, strict=True):
            table[name][target]["against"] = part | {"p_holm": p_holm}
    return table


def _measure(ranked: Ranked, bootstrap: VideoBootstrap | None) -> dict[str, dict[str, float]]:
    summary = ranked.summary()
    measures = {measure: {"value": summary[measure]} for measure in ("top1", "top5", "mean_class")}
    if bootstrap is not None:
        right = ranked.better < 1
        measures["top1"] |= interval(bootstrap.accuracy(right))
        measures["top5"] |= interval(bootstrap.accuracy(ranked.better < 5))
        measures["mean_class"] |= interval(bootstrap.mean_class_accuracy(right, ranked.labels))
    return measures


def _set_against(this: Ranked, reference: Ranked, bootstrap: VideoBootstrap | None) -> dict[str, float]:
    """Top-1 of one model minus that of another; the interval is of the same draws of videos for both."""
    ours, theirs = this.better < 1, reference.better < 1
    num_only_this, num_only_reference = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    part = {
        "difference": float(100 * (ours.mean() - theirs.mean())),
        "num_only_this": num_only_this,
        "num_only_reference": num_only_reference,
        "p": mcnemar_exact(num_only_this, num_only_reference),
    }
    return part if bootstrap is None else part | interval(bootstrap.accuracy(ours) - bootstrap.accuracy(theirs))
