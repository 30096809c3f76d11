"""Models that found actions in the same recordings: how sure their figures are, and whether two differ by chance.

Whole recordings are drawn, because what happens within one shares a person, a room and a day. All measures of a model
are sums or means over recordings, so that a draw needs nothing but how often it has each of them.

Shapes: `R` recordings, `B` draws. Measures are percentages, 0 to 100. Arrays in, numbers out.

Sources: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8, for the intervals; Noreen,
Computer-intensive Methods for Testing Hypotheses, 1989, section 2.3, for the exchange of answers (randomisation).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.metrics.comparison import adjust_holm, draw_counts, interval
from egoact.core.timelines.metrics import OVERLAPS, FrameCounts, frame_pair
from egoact.core.timelines.timeline import Timeline, TimelineTarget

Floats = npt.NDArray[np.float64]
MEASURES = ("frame_accuracy", "edit", *(f"f1_{overlap}" for overlap in OVERLAPS))

_MOST_EXACT = 12  # recordings of which all 4,096 ways to exchange answers are tried
_NUM_EXCHANGES = 10_000
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class RecordingCounts:
    """What the measures of a model are made of: name -> (R,)."""

    parts: Mapping[str, Floats]

    @classmethod
    def of(
        cls, predicted: Mapping[str, Timeline], truth: Mapping[str, Timeline], target: TimelineTarget, *, rate: float
    ) -> "RecordingCounts":
        """Count in timelines, in the order of the true ones."""
        rows: list[dict[str, float]] = []
        for video, wanted in truth.items():
            counts = FrameCounts.of(*frame_pair(predicted[video], wanted, target, rate))
            row = {"right": counts.num_right, "frames": counts.num_frames, "segments": counts.num_segments}
            row |= {f"hits_{o}": int(count) for o, count in zip(OVERLAPS, counts.hits, strict=True)}
            rows.append({"edit": counts.edit} | {name: float(count) for name, count in row.items()})
        return cls({name: np.array([row[name] for row in rows]) for name in rows[0]})

    @property
    def num_recordings(self) -> int:
        """R."""
        return len(self.parts["frames"])

    def measure(self, times: Floats) -> dict[str, Floats]:
        """Each measure where recordings count as often as `times` says, (B, R): name -> (B,)."""
        return _measures({name: times @ values for name, values in self.parts.items()}, times.sum(axis=1))


def _measures(sums: Mapping[str, Floats], num_recordings: Floats) -> dict[str, Floats]:
    """Of sums over recordings, (B,) each."""
    segments = sums["segments"]
    found = {"frame_accuracy": 100 * sums["right"] / sums["frames"], "edit": sums["edit"] / num_recordings}
    for overlap in OVERLAPS:
        hits = 200 * sums[f"hits_{overlap}"]
        found[f"f1_{overlap}"] = np.divide(hits, segments, out=np.full_like(hits, 100.0), where=segments > 0)
    return found


def compare_timeline_models(
    models: Mapping[str, Mapping[TimelineTarget, RecordingCounts]], *, reference: str, num_draws: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Measures with 95 % intervals over recordings, and each model against the reference.

        {model: {target: {measure: {"value", "low", "high",
                                    "against": {"difference", "low", "high", "p", "p_holm"}}}}}

    Intervals are absent where there is one recording only; "against" for the reference itself, and where it does not
    know the target. The draws are the same for all models. `p` is the share of ways to exchange the answers of the two
    models, recording by recording, that give a difference at least as large; `p_holm` is corrected for the number of
    other models of the same target and measure. `models` are name -> target -> counts; those of different recordings
    are a `ValueError`.
    """
    sizes = {counts.num_recordings for known in models.values() for counts in known.values()}
    if reference not in models or num_draws < 1 or len(sizes) != 1:
        raise ValueError(f"reference {reference!r} of {', '.join(models)}, {num_draws} draws, recordings {sizes}")
    (size,) = sizes
    random = np.random.default_rng(seed)
    draws = draw_counts(size, num_draws, random)
    exchanged = _exchanges(size, random)
    table = {
        name: {str(target): _describe(counts, draws) for target, counts in known.items()}
        for name, known in models.items()
    }
    for target, theirs in models[reference].items():
        others = [name for name, known in models.items() if target in known and name != reference]
        found = {name: _against(models[name][target], theirs, draws, exchanged) for name in others}
        for measure in MEASURES:
            adjusted = adjust_holm([found[name][measure]["p"] for name in others])
            for name, p_holm in zip(others, adjusted, strict=True):
                table[name][target][measure]["against"] = found[name][measure] | {"p_holm": p_holm}
    return table


def _describe(counts: RecordingCounts, draws: Floats) -> dict[str, dict[str, Any]]:
    values, drawn = counts.measure(np.ones((1, counts.num_recordings))), counts.measure(draws)
    is_sure = counts.num_recordings > 1
    return {m: {"value": float(values[m][0])} | (interval(drawn[m]) if is_sure else {}) for m in MEASURES}


def _against(
    ours: RecordingCounts, theirs: RecordingCounts, draws: Floats, exchanged: Floats
) -> dict[str, dict[str, float]]:
    once = np.ones((1, ours.num_recordings))
    mine, other = ours.measure(once), theirs.measure(once)
    drawn_mine, drawn_other = ours.measure(draws), theirs.measure(draws)
    sums = [
        {n: exchanged @ a.parts[n] + (1 - exchanged) @ b.parts[n] for n in a.parts}
        for a, b in ((theirs, ours), (ours, theirs))
    ]
    size = np.full(len(exchanged), float(ours.num_recordings))
    left, right = (_measures(one, size) for one in sums)
    found = {}
    for measure in MEASURES:
        difference = float(mine[measure][0] - other[measure][0])
        as_large = np.abs(left[measure] - right[measure]) >= abs(difference) - _TOLERANCE
        sure = interval(drawn_mine[measure] - drawn_other[measure]) if ours.num_recordings > 1 else {}
        found[measure] = {"difference": difference, **sure, "p": float(as_large.mean())}
    return found


def _exchanges(size: int, random: np.random.Generator) -> Floats:
    """Rows of zeros and ones: which recordings' answers are exchanged; the first row exchanges none."""
    if size <= _MOST_EXACT:
        return np.array(list(product((0.0, 1.0), repeat=size)))
    drawn = random.integers(0, 2, size=(_NUM_EXCHANGES, size)).astype(np.float64)
    drawn[0] = 0.0
    return drawn
