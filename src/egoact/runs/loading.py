"""Loading a run: its model, and its backbone on a fast engine.

The one way for whoever answers with a run: `evaluate`, `predict`, `live`, `export`, `explain`, `egoact.Recognizer`.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from egoact.core.annotations.segments import SegmentTable
from egoact.core.errors import ArtifactError
from egoact.core.files import read_json
from egoact.core.metrics.scores import Scores
from egoact.engines.interface import EngineChoice
from egoact.engines.streams import StreamEngine, one_stream
from egoact.models.backbones.spec import BackboneSpec
from egoact.runs.exported import LABELS_NAME, ExportedFrames, is_export
from egoact.runs.exported_segmenter import exported_streams
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from egoact.runs.segmenter import SegmenterConfig, TrainedSegmenter, is_segmenter
from egoact.runs.streams import load_spec, load_stream_engine

if TYPE_CHECKING:
    from egoact.models.backbones.registry import Backbone

__all__ = ["EngineChoice", "Run", "load_run"]

PACKAGED_RUN = Path(__file__).parent / "kitchen_run"
"""Comes with egoact: finds actions in recordings. Its README.md says on what it was trained and how good it is."""


@dataclass(frozen=True)
class Run:
    """A run directory, or a folder that `egoact export` made of one; what is heavy is loaded when it is first used.

    It answers by naming clips, or by finding actions in recordings.
    """

    path: Path
    answers: Recognizer | TrainedSegmenter
    choice: EngineChoice = field(default=EngineChoice())

    @property
    def recognizer(self) -> Recognizer:
        """What names clips.

        Raises:
            ArtifactError: The run finds actions in recordings instead.
        """
        if isinstance(self.answers, Recognizer):
            return self.answers
        reason = "this run finds actions in recordings, and does not name clips; give a run of egoact train"
        raise ArtifactError(reason, path=self.path)

    @property
    def segmenter(self) -> TrainedSegmenter:
        """What finds actions in recordings.

        Raises:
            ArtifactError: The run names clips instead.
        """
        if isinstance(self.answers, TrainedSegmenter):
            return self.answers
        reason = "this run names clips, and does not find actions in recordings; make one that does with"
        raise ArtifactError(
            f"{reason} egoact train-timeline --segments LABELS.csv --features FEATURES --run RUN", path=self.path
        )

    @property
    def config(self) -> RecognizerConfig:
        """Classes, backbone and head of what names clips; errors as `recognizer`."""
        return self.recognizer.config

    @property
    def backbones(self) -> tuple[BackboneSpec, ...]:
        """Of all streams that the run looks at, in order."""
        return self.answers.config.backbones

    @property
    def title(self) -> str:
        """Of the head or the segmenter."""
        config = self.answers.config
        return config.segmenter if isinstance(config, SegmenterConfig) else config.head

    @cached_property
    def backbone(self) -> "Backbone":
        """The backbone that the run was trained on, as a torch module.

        Raises:
            ArtifactError: The run has several streams, none of frames, or the weights that are here are others.
        """
        return load_spec(self.config.only_backbone(self.path), self.choice, run=self.path)

    @cached_property
    def engine(self) -> StreamEngine:
        """The streams that the run needs, in its order, on a fast engine; of an export its own frame graph.

        Raises:
            ArtifactError: The run has several backbones, looks at optical flow, or the weights that are here are
                others; or the export is damaged.
            ValueError: Another engine, precision or device than the export's.
        """
        if is_export(self.path):
            return self._exported_streams()
        precision = self.answers.config.precision
        return load_stream_engine(self.backbones, self.choice, precision=precision, run=self.path)

    def score(self, table: SegmentTable, features: Path | Sequence[Path]) -> Scores:
        """What the run answers for the segments of a table; of a run that anticipates, by what came before them.

        Raises:
            ArtifactError: Features that are missing or of another backbone.
        """
        from egoact.runs.features import fill_unobserved, open_features_for, score_rows

        store, looked_at = open_features_for(self.config, features), self.config.looks_at(table)
        logits = score_rows(self.recognizer, store, store.locate(looked_at, self.config.sampling))
        scores = Scores.from_rows([segment.narration_id for segment in looked_at], **logits)
        return scores if looked_at is table else fill_unobserved(scores, table, self.config.training_counts)

    def _exported_streams(self) -> StreamEngine:
        device = "cpu" if self.choice.device == "auto" else self.choice.device
        if isinstance(self.answers, TrainedSegmenter):
            engine = exported_streams(self.path, self.backbones, device=device)
        else:
            engine = one_stream(self.config.backbone, ExportedFrames(self.path, device=device))
        for flag, wanted, has in (
            ("engine", self.choice.engine, engine.name),
            ("precision", self.choice.precision, engine.precision),
        ):
            if wanted not in ("auto", has):
                reason = f"the export {self.path} has {has}; leave it away, or give the run itself"
                raise ValueError(f"--{flag} {wanted}: {reason}")
        return engine


def load_run(path: str | Path, choice: EngineChoice | None = None) -> Run:
    """Load what `egoact train`, `egoact train-timeline` or `egoact export` wrote.

    The choice is what computes the backbone, for whoever looks at frames; None: whatever is best here.

    Raises:
        ArtifactError: Not a run, no weights, or weights that do not fit its configuration.
    """
    path = Path(path)
    answers = TrainedSegmenter.load(path) if is_segmenter(path) else Recognizer.load(path)
    return Run(path, answers, choice or EngineChoice())


def run_or_packaged(run: Path | None) -> Path:
    """The run that was asked for; or else the packaged one, and a line on standard error that says what it knows."""
    if run is not None:
        return run
    labels = read_json(PACKAGED_RUN / LABELS_NAME)
    known = " and ".join(f"{len(names)} {target}s ({', '.join(names)})" for target, names in labels.items())
    print(
        f"without --run, the model that comes with egoact answers, for a first look: it was trained on rendered "
        f"kitchens and knows {known}; see {PACKAGED_RUN / 'README.md'}",
        file=sys.stderr,
    )
    return PACKAGED_RUN
