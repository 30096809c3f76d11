"""Why order matters: what the demo's page shows about verbs that are each other played backwards.

Verbs that are each other played backwards: how well heads tell them apart. Arrays in, numbers out.

Shapes: `N` segments, `V` verbs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.metrics.accuracy import Labels, ScoreArray
from egoact.report.demo.files import DemoResult
from egoact.report.evaluation.page import bar
from egoact.report.film_strip import inline_strip, open_videos, read_strip

_FEW_SEGMENTS = 10


def explain_order(result: DemoResult, table: SegmentTable, scenes: list[int]) -> dict[str, Any]:
    """The same frames in another order: pairs of verbs, and clips played backwards."""
    assert result.blind is not None
    heads = (result.blind, result.shown)
    names = result.shown.evaluation.targets["verb"].names
    pairs = [(names.index(a), names.index(b)) for a, b in result.reversed_pairs if a in names and b in names]
    verbs = [head.evaluation.targets["verb"] for head in heads]
    rows, all_right, all_segments = [], np.zeros(len(heads), dtype=np.int64), 0
    for pair in pairs:
        counts = [choose_of_two(verb.scores, verb.labels, pair=pair) for verb in verbs]
        num_segments, right = counts[0][0], np.array([count for _, count in counts])
        if num_segments:
            rows.append(_pair_row(" / ".join(names[i] for i in pair), num_segments, right))
            all_right, all_segments = all_right + right, all_segments + num_segments
    if all_segments:
        rows.append(_pair_row("all of them", all_segments, all_right) | {"css": "total"})
    backwards = []
    for head, verb in zip(heads, verbs, strict=True):
        found = compare_backwards(verb.predictions, head.backwards, verb.labels, pairs=pairs)
        share = 100 * found.num_reversed / max(1, found.num_segments)
        backwards.append(
            {"name": head.name, "found": found, "bar": bar(head.name, share, "main" if head is result.shown else "")}
        )
    few = any(row["css"] == "few" for row in rows)
    return {
        "pairs": rows,
        "has_few": few,
        "backwards": backwards,
        "heads": heads,
        **_show_both_ways(result, table, scenes),
    }


def _pair_row(name: str, num_segments: int, right: np.ndarray) -> dict[str, Any]:
    css = "few" if num_segments < _FEW_SEGMENTS else ""
    return {"name": name, "num_segments": num_segments, "shares": (100 * right / num_segments).tolist(), "css": css}


def _show_both_ways(result: DemoResult, table: SegmentTable, scenes: list[int]) -> dict[str, Any]:
    """The first scene whose verb has a reverse, as it is and backwards."""
    usable = [i for i in scenes if table[i].verb in result.reverse]
    if not usable:
        return {"strips": []}
    segment: Segment = table[usable[0]]
    frames = read_strip(open_videos(result.out / "kitchen"), segment)
    return {
        "strips": [
            {"title": f"{segment.verb} {segment.noun}", "way": "as filmed", "image": inline_strip(frames)},
            {
                "title": f"{result.reverse[str(segment.verb)]} {segment.noun}",
                "way": "the same frames backwards",
                "image": inline_strip(frames[::-1]),
            },
        ]
    }


@dataclass(frozen=True)
class Backwards:
    """What becomes of answers when the same clips are played backwards.

    Args:
        num_segments: Segments whose verb has a reverse.
        num_same: Answers that stay as they are.
        num_reversed: Answers that turn into the reverse of what was answered before.
    """

    num_segments: int
    num_same: int
    num_reversed: int


def choose_of_two(scores: ScoreArray, labels: Labels, *, pair: tuple[int, int]) -> tuple[int, int]:
    """Asked only which of two verbs it was: how many segments there are, and how many answers are right.

    A guess is right in half of the cases. Equal scores count as wrong.

    Args:
        scores: (N, V).
        labels: (N,) true verbs.
        pair: Ids of the two verbs.
    """
    first, second = pair
    members = (labels == first) | (labels == second)
    other = np.where(labels == first, second, first)[members]
    chosen = scores[members]
    rows = np.arange(len(chosen))
    right = chosen[rows, labels[members]] > chosen[rows, other]
    return int(members.sum()), int(right.sum())


def compare_backwards(
    forwards: Labels, backwards: Labels, labels: Labels, *, pairs: Sequence[tuple[int, int]]
) -> Backwards:
    """Compare answers to clips with answers to the same clips played backwards.

    Args:
        forwards: (N,) answers.
        backwards: (N,) answers when the frames come in reverse.
        labels: (N,) true verbs; only those of a pair count.
        pairs: Ids of verbs that are each other's reverse.
    """
    reverse = {a: b for a, b in pairs} | {b: a for a, b in pairs}
    members: npt.NDArray[np.bool_] = np.isin(labels, list(reverse))
    expected = np.array([reverse.get(int(verb), -1) for verb in forwards], dtype=np.int64)
    return Backwards(
        num_segments=int(members.sum()),
        num_same=int((forwards == backwards)[members].sum()),
        num_reversed=int((backwards == expected)[members].sum()),
    )
