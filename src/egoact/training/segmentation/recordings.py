"""Whole recordings, or parts of them, as a segmenter learns from them: features and labels of every step."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable, group_by_recording
from egoact.core.errors import ArtifactError
from egoact.models.segmenters import LinearDesign, LinearSegmenter, NarrowInput
from egoact.store.recordings import Recordings, Stretch
from egoact.training.segmentation.fit import UNKNOWN, Example, Labels

_MOST_STEPS_TO_FIT = 24_000
_STEPS_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class LabelledStretch:
    """A recording from beginning to end, or a part of one.

    Args:
        stretch: Its features.
        labels: int64 (targets, F): the class of every step, the last one being background; `UNKNOWN` where nothing
            is said.
    """

    stretch: Stretch
    labels: Labels

    @property
    def video_id(self) -> str:
        """The recording."""
        return self.stretch.video_id

    def examples(self, narrow: NarrowInput, *, stride: int) -> Iterator[Example]:
        """Every `stride`-th step, beginning with each of the first ones in turn."""
        features = narrow_features(narrow, self.stretch)
        for phase in range(min(stride, len(features))):
            yield Example(np.ascontiguousarray(features[phase::stride]), self.labels[:, phase::stride])


def read_recordings(
    recordings: Recordings,
    table: SegmentTable,
    vocabularies: Mapping[Target, Vocabulary],
    *,
    labelled_only: bool,
) -> list[LabelledStretch]:
    """The recordings of a table with their labels; a segment without a label says that something unknown happens.

    Where `labelled_only`, what lies outside the segments is unknown, and not background; parts of recordings will do.

    Raises:
        ArtifactError: A recording of which there are no features, or, where gaps count, not all.
    """
    ids = {target: vocabulary.encode(table) for target, vocabulary in vocabularies.items()}
    positions = {id(segment): position for position, segment in enumerate(table)}
    found, missing = [], []
    for video_id, segments in group_by_recording(table).items():
        stretches = recordings.stretches(video_id) if labelled_only else recordings.whole(video_id)
        if not stretches:
            missing.append(video_id)
        for stretch in stretches:
            labels = np.empty((len(vocabularies), len(stretch)), dtype=np.int64)
            for row, (target, vocabulary) in enumerate(vocabularies.items()):
                labels[row] = UNKNOWN if labelled_only else vocabulary.size
                for segment in sorted(segments, key=lambda segment: segment.start_seconds):
                    inside = stretch.steps_between(segment.start_seconds, segment.stop_seconds)
                    labels[row, inside] = ids[target][positions[id(segment)]]
            found.append(LabelledStretch(stretch, labels))
    if missing:
        what = "have no features here" if labelled_only else "are not in the feature store from beginning to end"
        reason = f"{len(missing)} of {len(missing) + len(found)} recordings, such as {missing[0]}, {what}"
        raise ArtifactError(f"{reason}; run egoact extract without --segments", path=recordings.path)
    return found


def fit_narrow(narrow: NarrowInput, stretches: Sequence[LabelledStretch], *, seed: int) -> None:
    """Fit the narrow input to steps that are spread over all recordings.

    Raises:
        ArtifactError: Features that are not finite.
    """
    total = sum(len(each.stretch) for each in stretches)
    share = min(1.0, _MOST_STEPS_TO_FIT / total)
    rng = np.random.default_rng(seed)
    parts = []
    for each in stretches:
        count = len(each.stretch)
        rows = np.sort(rng.choice(count, max(1, round(share * count)), replace=False))
        parts.append(torch.from_numpy(_finite(each, rows).astype(np.float32)))
    narrow.fit(torch.cat(parts))


def design_linear(
    model: LinearSegmenter, stretches: Sequence[LabelledStretch], *, stride: int, seed: int
) -> LinearDesign:
    """What a linear segmenter learns from, one recording a stretch; of many hours it sees a piece of each.

    Raises:
        ArtifactError: Features that are not finite.
    """
    share = min(1.0, _MOST_STEPS_TO_FIT / sum(len(each.stretch) for each in stretches))
    rng = np.random.default_rng(seed)
    recordings, labels = [], []
    for each in stretches:
        count = max(1, round(share * len(each.stretch)))
        first = int(rng.integers(len(each.stretch) - count + 1))
        steps = np.arange(first, first + count, stride)
        recordings.append(_finite(each, steps))
        labels.append(each.labels[:, steps])
    return LinearDesign(model, recordings, labels)


def _finite(each: LabelledStretch, rows: np.ndarray) -> np.ndarray:
    features = np.array(each.stretch[rows])  # a view would hold the file of each of many recordings open
    if not np.isfinite(features).all():
        raise ArtifactError(f"features of {each.video_id} are not finite; run egoact verify", path=each.stretch.path)
    return features


@torch.inference_mode()
def narrow_features(narrow: NarrowInput, stretch: Stretch) -> np.ndarray:
    """The narrow features of every step, float32 (F, C)."""
    parts = [stretch[first : first + _STEPS_AT_ONCE] for first in range(0, len(stretch), _STEPS_AT_ONCE)]
    return np.concatenate([narrow(torch.from_numpy(np.array(part, np.float32))).numpy() for part in parts])
