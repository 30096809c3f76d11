"""The published measures of temporal action segmentation, once more and plainly: lists of words in, percentages out.

Written from the definitions in MS-TCN (arXiv:1903.01945, section 4.1), Lea et al. (arXiv:1611.05267, section 4) and
Lea et al. (Segmental Spatiotemporal CNNs, 2016), to check the measures of `egoact.core.timelines.metrics` against.
Frames of "background" count for accuracy, and are no segments.
"""

from collections.abc import Sequence
from fractions import Fraction

Words = Sequence[str]
BACKGROUND = "background"


def published_metrics(pairs: Sequence[tuple[Words, Words]]) -> dict[str, float]:
    """Of recordings, each as the word found and the true word of every frame."""
    right = sum(a == b for found, truth in pairs for a, b in zip(found, truth, strict=True))
    measured = {"accuracy": 100 * right / sum(len(truth) for _, truth in pairs)}
    measured["edit"] = sum(edit_score(found, truth) for found, truth in pairs) / len(pairs)
    for percent in (10, 25, 50):
        counts = [count_hits(found, truth, percent) for found, truth in pairs]
        true_positives, false_positives, false_negatives = (sum(column) for column in zip(*counts, strict=True))
        precision = true_positives / (true_positives + false_positives) if true_positives else 0.0
        recall = true_positives / (true_positives + false_negatives) if true_positives else 0.0
        measured[f"f1@{percent}"] = 200 * precision * recall / (precision + recall) if true_positives else 0.0
    return measured


def segments_of(words: Words) -> list[tuple[str, set[int]]]:
    """Word and frames of each run of a word that is not background."""
    segments: list[tuple[str, set[int]]] = []
    for frame, word in enumerate(words):
        if frame and word == words[frame - 1]:
            if word != BACKGROUND:
                segments[-1][1].add(frame)
        elif word != BACKGROUND:
            segments.append((word, {frame}))
    return segments


def edit_score(found: Words, truth: Words) -> float:
    """One minus the edit distance between the orders of segments, divided by the longer one's length."""
    a, b = ([word for word, _ in segments_of(words)] for words in (found, truth))
    known: dict[tuple[int, int], int] = {}
    for i in range(len(a) + 1):
        for j in range(len(b) + 1):
            if not i or not j:
                known[i, j] = i + j
                continue
            replaced = known[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            known[i, j] = min(replaced, known[i - 1, j] + 1, known[i, j - 1] + 1)
    return 100 * (1 - known[len(a), len(b)] / max(len(a), len(b)))


def count_hits(found: Words, truth: Words, percent: int) -> tuple[int, int, int]:
    """True positives, false positives, false negatives: at most one hit for each true segment."""
    wanted = segments_of(truth)
    hit: set[int] = set()
    false_positives = 0
    for word, frames in segments_of(found):
        overlaps = [
            Fraction(len(frames & theirs), len(frames | theirs)) if word == name else Fraction(0)
            for name, theirs in wanted
        ]
        best = max(range(len(wanted)), key=lambda number: overlaps[number])  # noqa: B023 - used at once
        if overlaps[best] >= Fraction(percent, 100) and best not in hit:
            hit.add(best)
        else:
            false_positives += 1
    return len(hit), false_positives, len(wanted) - len(hit)
