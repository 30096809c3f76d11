"""Why order matters: how well heads tell apart verbs that are each other played backwards. Arrays in, numbers out.

Shapes: `N` segments, `V` verbs, `H` heads.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from egoact.core.annotations.segments import SegmentTable
from egoact.core.metrics.accuracy import Labels, ScoreArray
from egoact.report.demo.files import DemoResult
from egoact.report.demo.scenes import inline_strip, read_strip
from egoact.report.page import Bar, format_number

_FEW_SEGMENTS = 10


def explain_order(result: DemoResult, table: SegmentTable, scenes: list[int]) -> dict[str, Any]:
    """The same frames in another order: pairs of verbs, and clips played backwards."""
    assert result.blind is not None
    heads = (result.blind, result.shown)
    verbs = [head.evaluation.targets["verb"] for head in heads]
    names = verbs[0].names
    pairs = [(names.index(a), names.index(b)) for a, b in result.reversed_pairs if a in names and b in names]
    rows, all_counts = [], np.zeros((len(heads), 2), dtype=np.int64)
    for pair in pairs:
        counts = np.array([choose_of_two(verb.scores, verb.labels, pair=pair) for verb in verbs])
        all_counts += counts
        if counts[0, 0]:
            rows.append(_pair_row(" / ".join(names[i] for i in pair), counts))
    if rows:
        rows.append(_pair_row("all of them", all_counts) | {"css": "total"})
    backwards = []
    for head, verb in zip(heads, verbs, strict=True):
        found = compare_backwards(verb.predictions, head.backwards, verb.labels, pairs=pairs)
        share = 100 * found.num_reversed / max(1, found.num_segments)
        shown = Bar(head.name, share, format_number(share), "main" if head is result.shown else "")
        backwards.append({"name": head.name, "found": found, "bar": shown})
    return {
        "pairs": rows,
        "has_few": any(row["css"] == "few" for row in rows),
        "backwards": backwards,
        "heads": heads,
        "strips": _show_both_ways(result, table, scenes),
    }


def _pair_row(name: str, counts: np.ndarray) -> dict[str, Any]:
    """From (H, 2): how many segments there are, the same for all heads, and how many answers are right."""
    num_segments = int(counts[0, 0])
    shares = (100 * counts[:, 1] / num_segments).tolist()
    css = "few" if num_segments < _FEW_SEGMENTS else ""
    return {"name": name, "num_segments": num_segments, "shares": shares, "css": css}


def _show_both_ways(result: DemoResult, table: SegmentTable, scenes: list[int]) -> list[dict[str, Any]]:
    """The first scene whose verb has a reverse, as it is and backwards."""
    segment = next((table[i] for i in scenes if table[i].verb in result.reverse), None)
    if segment is None:
        return []
    frames = read_strip(result.videos, segment)
    ways = (
        (segment.verb, "as filmed", frames),
        (result.reverse[str(segment.verb)], "the same frames backwards", frames[::-1]),
    )
    return [{"title": f"{verb} {segment.noun}", "way": way, "image": inline_strip(shown)} for verb, way, shown in ways]


class Backwards(NamedTuple):
    """What becomes of answers to segments whose verb has a reverse, when the same clips are played backwards.

    Some stay the same; some turn into the reverse of what was answered before.
    """

    num_segments: int
    num_same: int
    num_reversed: int


def choose_of_two(scores: ScoreArray, labels: Labels, *, pair: tuple[int, int]) -> tuple[int, int]:
    """Asked only which of two verbs it was: how many segments there are, and how many answers are right.

    Of scores (N, V) and true verbs (N,). A guess is right in half of the cases. Equal scores count as wrong.
    """
    members = np.flatnonzero(np.isin(labels, pair))
    truth = labels[members]
    other = np.where(truth == pair[0], pair[1], pair[0])
    right = scores[members, truth] > scores[members, other]
    return len(members), int(right.sum())


def compare_backwards(
    forwards: Labels, backwards: Labels, labels: Labels, *, pairs: Sequence[tuple[int, int]]
) -> Backwards:
    """Compare answers to clips, (N,), with those to the same clips backwards; true verbs of no pair do not count."""
    reverse = dict(pairs) | {b: a for a, b in pairs}
    members = np.isin(labels, list(reverse))
    expected = np.array([reverse.get(int(verb), -1) for verb in forwards])
    return Backwards(
        num_segments=int(members.sum()),
        num_same=int((forwards == backwards)[members].sum()),
        num_reversed=int((backwards == expected)[members].sum()),
    )
