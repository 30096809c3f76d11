"""Timelines of recordings whose features are in a store: nothing is decoded.

    store ──► every `stride`-th step ──► segmenter ──► decoder ──► actions

Shapes: `F` steps, `D` numbers of each.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import ArtifactError
from egoact.core.files import file_sha256
from egoact.core.metrics.detection import Detections
from egoact.core.timelines.files import class_names, timelines_of
from egoact.core.timelines.metrics import FRAMES_PER_SECOND
from egoact.core.timelines.prediction import Prediction
from egoact.core.timelines.proposals import Proposals, pair_targets, proposals_of_scores, suppress
from egoact.core.timelines.timeline import Timeline, shift
from egoact.media.recording import estimate_steps
from egoact.media.sources import MediaSource
from egoact.runs.features import open_features_for
from egoact.runs.loading import Run
from egoact.runs.segmenter import CONFIG_NAME, WEIGHTS_NAME, TrainedSegmenter
from egoact.store.reader import FeatureStore
from egoact.store.recordings import Recordings, Stretch
from egoact.timelines.segmenter import find_actions

_MOST_DETECTIONS = 1000  # of a recording


@dataclass(frozen=True, eq=False)
class Thinned:
    """Every `stride`-th step of a stretch, read when it is sliced: (F, D)."""

    stretch: Stretch
    stride: int

    def __len__(self) -> int:
        return -(-len(self.stretch) // self.stride)

    def __getitem__(self, rows: slice) -> np.ndarray:
        steps = np.arange(len(self.stretch))[:: self.stride][rows]
        return self.stretch[steps]


@dataclass(frozen=True, eq=False)
class StoredRecordings:
    """The recordings of a store that are there from beginning to end, as a run sees them."""

    path: Path  # of the run
    segmenter: TrainedSegmenter
    recordings: Recordings

    @classmethod
    def of(cls, run: Run, features: Path | Sequence[Path]) -> "StoredRecordings":
        """Open the streams that a run needs; an `ArtifactError` where features are missing, or do not fit the run."""
        segmenter = run.segmenter
        recordings, rate = Recordings(open_features_for(segmenter.config, features)), segmenter.config.rate
        if recordings.rate != rate:
            reason = f"has {recordings.rate} steps a second, those that the run was trained on have {rate}"
            raise ArtifactError(reason, path=recordings.path)
        return cls(run.path, segmenter, recordings)

    def __contains__(self, video_id: str) -> bool:
        return video_id in self.recordings

    @property
    def frames_per_second(self) -> float:
        """To measure at: every step of features that others made is a frame of their labels."""
        is_imported = any(spec.is_imported for spec in self.segmenter.config.backbones)
        return float(self.recordings.rate) if is_imported else FRAMES_PER_SECOND

    def seconds(self, video_id: str) -> float:
        """How long a recording is."""
        (stretch,) = self.recordings.whole(video_id)
        return len(stretch) / self.recordings.rate

    def features(self, video_id: str) -> Thinned:
        """Those that the run looks at, of a recording that is here."""
        (stretch,) = self.recordings.whole(video_id)
        return Thinned(stretch, self.segmenter.config.stride)

    def predict(self, video_id: str) -> Prediction:
        """As `predict_recording`, of a recording that is here."""
        timeline, top5 = find_actions(self.segmenter, self.features(video_id), video_id=video_id)
        return Prediction(timeline, tuple(self.segmenter.config.vocabularies), top5)

    def check_length(self, source: MediaSource) -> None:
        """Refuse a file of the name of a recording that is here, and of another length: an `ArtifactError`."""
        stated, here = estimate_steps(source, rate=self.recordings.rate), self.seconds(source.video_id)
        if stated is not None and abs(stated / self.recordings.rate - here) > 2 + 0.01 * here:  # containers are vague
            reason = f"has {here:.0f} s of {source.video_id}, and {source.path} {stated / self.recordings.rate:.0f} s"
            raise ArtifactError(f"{reason}: not the same recording; leave --features away", path=self.recordings.path)

    def check_there(self, video_ids: Sequence[str]) -> None:
        """Raise an `ArtifactError` unless these recordings are here from beginning to end."""
        if missing := [video for video in video_ids if video not in self]:
            count = f"{len(missing)} of {len(video_ids)}"
            reason = f"{count} recordings, such as {missing[0]}, are not in the feature store"
            raise ArtifactError(f"{reason} from beginning to end", path=self.recordings.path)

    def detect(self, video_ids: Sequence[str]) -> Detections:
        """All actions found in recordings, in one list by how sure the run is of each, for mean average precision.

        Other than in a timeline they may overlap, and what is hardly probable counts, too. A target that the run does
        not know has class -1. A recording that is not in the store from beginning to end is an `ArtifactError`.
        """
        self.check_there(video_ids)
        config = self.segmenter.config
        parts = [_detect(self.segmenter, self.features(video)) for video in video_ids]
        found = Proposals.join(parts)
        columns = dict(zip(config.vocabularies, found.classes.T, strict=True))
        unknown = np.full(len(found), -1)
        return Detections(
            tuple(video_ids),
            np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
            found.spans / config.steps_per_second,
            columns.get("verb", unknown),
            columns.get("noun", unknown),
            found.scores,
        )

    def answer(self, table: SegmentTable) -> tuple[dict[str, Timeline], dict[str, Timeline]]:
        """What was found in the recordings of a table, and what is labelled there, up to the end of the features.

        Raises:
            ArtifactError: Recordings that are not in the store from beginning to end.
            AnnotationError: Labels that contradict the classes of the run.
        """
        videos = table.video_ids
        self.check_there(videos)
        labelled = true_timelines(table, self.segmenter.config.vocabularies)
        found, truth = {}, {}
        for video in videos:
            seconds = self.seconds(video)
            found[video] = shift(self.predict(video).timeline, 0.0, duration=seconds)
            truth[video] = shift(labelled[video], 0.0, duration=seconds)
        return found, truth

    def describe(self, segments: Sequence[Path], videos: Iterable[str]) -> dict[str, Any]:
        """What answers come from, by content: the run, the features of these recordings, the labels."""
        run = {
            name: file_sha256(self.path / name) for name in (CONFIG_NAME, WEIGHTS_NAME) if (self.path / name).exists()
        }
        return {
            "run": {"path": str(self.path.resolve()), "sha256": run},
            "features": [_describe_store(store, videos) for store in self.recordings.stores],
            "labels": [{"path": str(path), "sha256": file_sha256(path)} for path in segments],
        }


def _detect(segmenter: TrainedSegmenter, features: Thinned) -> Proposals:
    """Of a recording: what a detector proposes, or stretches in which scores are high; times in steps."""
    shares = {target: np.exp(values) for target, values in segmenter.score(features).items()}
    proposed = segmenter.propose(features)
    if proposed is None:
        proposed = {target: proposals_of_scores(values) for target, values in shares.items()}
    found = suppress(pair_targets(proposed, shares))
    return found.select(np.argsort(-found.scores, kind="stable")[:_MOST_DETECTIONS])


def _describe_store(store: FeatureStore, videos: Iterable[str]) -> dict[str, Any]:
    shards = "".join(f"{video} {store.index.rows[video].shard_sha256}\n" for video in sorted(videos))
    digest = hashlib.sha256(shards.encode()).hexdigest()
    return {"path": str(store.path), "fingerprint": store.spec.fingerprint, "sha256": digest}


def true_timelines(table: SegmentTable, vocabularies: Mapping[Target, Vocabulary]) -> dict[str, Timeline]:
    """The labels of recordings by the names of a run's classes; a word that is none of its classes stays as it is.

    A class id that the run does not have, or that contradicts the word beside it, is an `AnnotationError`.
    """
    return timelines_of(table, names={t: _names(table, t, v) for t, v in vocabularies.items()})


def _names(table: SegmentTable, target: Target, vocabulary: Vocabulary) -> list[str | None]:
    words = [getattr(segment, target) for segment in table]
    known = {None, *vocabulary.names, *(word for words in vocabulary.instances for word in words)}
    is_known = [
        vocabulary.classes is not None or getattr(segment, f"{target}_class") is not None or word in known
        for word, segment in zip(words, table, strict=True)
    ]
    names = iter(class_names(table.select(is_known), vocabulary))
    return [next(names) if here else word for word, here in zip(words, is_known, strict=True)]
