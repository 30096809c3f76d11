"""Answers for actions of which nothing can be observed, because they begin with their recording: frequencies alone."""

from collections.abc import Mapping

import numpy as np

from egoact.core.annotations.labels import Target
from egoact.core.annotations.segments import SegmentTable
from egoact.core.metrics.scores import Scores


def fill_unobserved(scores: Scores, table: SegmentTable, counts: Mapping[Target, tuple[int, ...]]) -> Scores:
    """Scores of all segments of a table, in its order.

    Args:
        scores: Of those that were observed.
        table: All of them.
        counts: Target -> training segments of each class. Their logarithms, with one added to each, are the scores
            where nothing was observed; without counts all classes are equal.
    """
    row_of = {narration_id: row for row, narration_id in enumerate(scores.narration_ids)}
    rows = np.array([row_of.get(segment.narration_id, len(scores)) for segment in table], dtype=np.int64)
    filled = {}
    for target, array in scores.by_target().items():
        frequent = np.array(counts.get(target, (0,) * array.shape[1]), dtype=np.float64) + 1  # type: ignore[call-overload]
        filled[target] = np.vstack([array, np.log(frequent / frequent.sum()).astype(np.float32)])[rows]
    return Scores(tuple(segment.narration_id for segment in table), **filled)
