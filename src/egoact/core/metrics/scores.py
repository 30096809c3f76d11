"""What a model answers for each segment, and the files it comes in; knows nothing about models.

Shapes: `N` segments, `V` verbs, `M` nouns. Files: our own `scores.npz` uses the challenge's key names, so that one
reader takes both (`score_files` lists all layouts).
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import ArtifactError
from egoact.core.metrics.score_files import ID_KEY, OUTPUT_KEYS, list_some, read_score_file

ScoreMatrix = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Scores:
    """Logits, or any scores of which higher is better, one row per segment.

    Args:
        narration_ids: N distinct ids.
        verb: float32, (N, V), or None.
        noun: float32, (N, M), or None; at least one of both.

    Raises:
        ValueError: Repeated ids, arrays that do not fit, numbers that are not finite.
    """

    narration_ids: tuple[str, ...]
    verb: ScoreMatrix | None = None
    noun: ScoreMatrix | None = None

    def __post_init__(self) -> None:
        if not self.by_target():
            raise ValueError("neither verb nor noun scores; at least one is needed")
        if len(set(self.narration_ids)) != len(self.narration_ids):
            raise ValueError(f"narration id '{_first_repeated(self.narration_ids)}' occurs twice; each segment once")
        for target, scores in self.by_target().items():
            if scores.ndim != 2 or scores.dtype != np.float32 or not scores.shape[1]:
                raise ValueError(f"{target} scores are {scores.shape}, {scores.dtype}; (N, classes), float32 is needed")
            if len(scores) != len(self.narration_ids):
                raise ValueError(f"{len(scores)} rows of {target} scores for {len(self.narration_ids)} narration ids")
            if not (finite := np.isfinite(scores).all(axis=1)).all():
                first = self.narration_ids[int(np.argmin(finite))]
                count = int((~finite).sum())
                raise ValueError(f"{target} scores are not finite in {count} of {len(self)} segments, first '{first}'")

    def __len__(self) -> int:
        return len(self.narration_ids)

    def by_target(self) -> dict[str, ScoreMatrix]:
        """Target -> scores, for the targets that there are, as `metrics.evaluate_scores` takes them."""
        return {name: array for name, array in (("verb", self.verb), ("noun", self.noun)) if array is not None}

    @classmethod
    def from_rows(cls, narration_ids: Sequence[str], **outputs: npt.ArrayLike) -> Self:
        """Scores of anything that numpy can make float32 matrices of.

        Raises:
            ValueError: Rows of unequal length, text, or as the class.
        """
        arrays = {}
        for target, rows in outputs.items():
            try:
                with np.errstate(over="ignore"):
                    arrays[target] = np.asarray(rows).astype(np.float32, casting="same_kind", copy=False)
            except (TypeError, ValueError):
                raise ValueError(f"{target} scores are not rows of numbers of one length") from None
        return cls(tuple(narration_ids), **arrays)

    def align(self, table: SegmentTable) -> "Scores":
        """The same scores in the order of a table's segments.

        Raises:
            ArtifactError: A segment without scores, or scores without a segment.
        """
        row_of = {narration_id: row for row, narration_id in enumerate(self.narration_ids)}
        wanted = [segment.narration_id for segment in table]
        if missing := [narration_id for narration_id in wanted if narration_id not in row_of]:
            raise ArtifactError(f"no scores for {list_some(missing)} of the {len(wanted)} segments of {table.path}")
        known = set(wanted)
        if extra := [narration_id for narration_id in self.narration_ids if narration_id not in known]:
            raise ArtifactError(f"scores for {list_some(extra)} that are not among the segments of {table.path}")
        rows = np.array([row_of[narration_id] for narration_id in wanted], dtype=np.int64)
        return Scores(tuple(wanted), **{target: array[rows] for target, array in self.by_target().items()})

    def save(self, path: str | Path) -> None:
        """Write an npz; the file appears under its name only when it is complete."""
        path = Path(path)
        arrays: dict[str, Any] = {OUTPUT_KEYS[target]: array for target, array in self.by_target().items()}
        arrays[ID_KEY] = np.array(self.narration_ids, dtype=np.str_)
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                np.savez(file, **arrays)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def load_scores(path: str | Path) -> Scores:
    """Read scores from any of the layouts that `score_files` describes.

    Raises:
        ArtifactError: No such file, an unknown or damaged one, pickled content, repeated narration ids,
            missing keys, rows of unequal length, numbers that are not finite.
    """
    narration_ids, outputs = read_score_file(Path(path))
    try:
        return Scores.from_rows(narration_ids, **outputs)
    except ValueError as error:
        raise ArtifactError(str(error), path=path) from None


def _first_repeated(names: Sequence[str]) -> str:
    return next(name for name, count in Counter(names).items() if count > 1)
