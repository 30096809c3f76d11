"""What a run is asked: clips of labelled segments as it looks at them, on disk, and which answers are right.

Shapes: N clips, T frames, H x W pixels.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from egoact.core.annotations.labels import UNLABELLED
from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import MediaError
from egoact.core.metrics.protocol import rank_answers
from egoact.core.progress import Progress
from egoact.extraction.engine_choice import RealFrames
from egoact.media.sources import MediaRoot
from egoact.runs.loading import load_run

NUM_SEGMENTS = 200


class Questions:
    """Of one run, about segments of recordings; the clips, which are large, go into the folder `place`.

    Raises:
        ArtifactError: Not a run that names clips of frames.
        AnnotationError: Labels that the run does not know.
    """

    def __init__(self, run: Path, root: MediaRoot, table: SegmentTable, place: Path) -> None:
        self.run, self._root, self._table, self._place = run, root, table, place
        self._config = load_run(run).config
        self.spec = self._config.only_backbone(run)
        found = {str(target): v.encode(table) for target, v in self._config.vocabularies.items()}
        self.labels = {target: ids for target, ids in found.items() if (ids != UNLABELLED).any()}
        self.targets = tuple(found)
        self._expected: dict[str, np.ndarray] | None = None

    @property
    def criterion(self) -> str:
        """What `accuracy` counts."""
        return f"{' and '.join(self.labels)} right in" if self.labels else "the answer that f32 gives in"

    @cached_property
    def clips(self) -> tuple[Path, list[int]]:
        """A file of uint8 (N, T, H, W, 3), and which segments of the table they are: those that can be read.

        Raises:
            MediaError: There is not one; says why the first cannot be read.
        """
        config, size = self._config, self.spec.input_size
        row_of = {segment.narration_id: row for row, segment in enumerate(self._table)}
        looked_at = config.looks_at(self._table)
        rows: list[int] = []
        frames, refusal = RealFrames(self._root, looked_at.segments, size), None
        shape = (len(looked_at), config.num_frames, *size, 3)
        path = self._place / f"clips-{'-'.join(map(str, shape))}-{config.anticipation}.npy"
        out = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        with Progress(f"edge: reading clips of {size[0]} pixels", total=len(looked_at), unit="clips") as progress:
            for segment in looked_at:
                try:
                    out[len(rows)] = frames.clip(segment, num_frames=config.num_frames)
                except MediaError as error:
                    refusal = refusal or error
                else:
                    rows.append(row_of[segment.narration_id])
                progress.advance(1)
        if refusal is not None and not rows:
            raise refusal
        return path, rows

    def accuracy(
        self, scores: Mapping[str, np.ndarray], rows: Sequence[int], *, is_reference: bool
    ) -> tuple[float, int]:
        """Percent that are right by the labels, in all targets, and of how many segments: those with labels.

        Without labels: percent of all that are what a reference says.

        Args:
            scores: Target -> (N, classes).
            rows: The segments of the table that they are of.
            is_reference: Whether, without labels, what this says is right.

        Raises:
            ValueError: Neither labels nor a reference that went before.
        """
        if self.labels:
            labels = {target: ids[list(rows)] for target, ids in self.labels.items()}
            known = np.logical_and.reduce([ids != UNLABELLED for ids in labels.values()])
            ranked = rank_answers({t: scores[t][known] for t in labels}, {t: labels[t][known] for t in labels})
            return ranked[list(ranked)[-1]].summary()["top1"], int(known.sum())
        said = {target: values.argmax(1) for target, values in scores.items()}
        if is_reference and self._expected is None:
            self._expected = said
        if self._expected is None:
            raise ValueError("without labels it is compared with f32, which cannot be had; give segments with labels")
        same = np.logical_and.reduce([said[target] == ids for target, ids in self._expected.items()])
        return float(100 * same.mean()), len(same)


def spread(table: SegmentTable, count: int = NUM_SEGMENTS) -> SegmentTable:
    """At most so many segments, spread over all."""
    chosen = np.zeros(len(table), bool)
    chosen[np.linspace(0, len(table) - 1, min(count, len(table))).round().astype(int)] = True
    return table.select(chosen)
