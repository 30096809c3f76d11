"""The training of a run's head, once more: on the features of a backbone that has changed."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

from egoact.core.annotations.segments import SegmentTable
from egoact.core.bounds import load_json
from egoact.core.errors import ArtifactError
from egoact.runs.loading import Run
from egoact.runs.recognizer import RecognizerConfig
from egoact.store.concatenation import open_features
from egoact.training.data import TrainingData, load_split
from egoact.training.machine import Machine
from egoact.training.recipes import Recipe
from egoact.training.run_folder import SETTINGS_NAME
from egoact.training.train import Training


@dataclass(frozen=True)
class HeadTraining:
    """What a head learned from, and how.

    Args:
        config: Of its run.
        recipe: Hyperparameters.
        table: Labelled segments, where the run looks at them.
        seed: Of initial weights, shuffling and dropout.
        fusion_folds: As in `Training`.
    """

    config: RecognizerConfig
    recipe: Recipe
    table: SegmentTable
    seed: int
    fusion_folds: int

    @classmethod
    def of(cls, run: Run, table: SegmentTable) -> "HeadTraining":
        """Of a run of clips, with labels that are given.

        Raises:
            AnnotationError: Labels that the run does not know.
            ArtifactError: A run of timelines, or one that does not say how it was trained.
        """
        config, path = run.recognizer.config, run.path / SETTINGS_NAME
        observed = config.looks_at(table)
        for vocabulary in config.vocabularies.values():
            vocabulary.encode(observed, allow_unlabelled=False)
        if not path.exists():
            raise ArtifactError("this run does not say how its head was trained: leave --segments away", path=path)
        try:
            known = load_json(path)
            # Nothing is kept for validation here.
            found = {field.name: known["recipe"][field.name] for field in fields(Recipe)} | {"patience": 0}
            settings = known["settings"]
            return cls(config, Recipe(**found), observed, settings["seed"], settings.get("fusion_folds", 0))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"cannot be read ({error})", path=path) from None

    def go(self, features: Path, *, work: Path, out: Path) -> None:
        """Train on the features of a store, and write the run, which takes over the store's own backbone.

        Args:
            features: Of the segments.
            work: Folder for checkpoints.
            out: Folder of the new run.

        Raises:
            ArtifactError: Features that are missing, or a training that fails.
        """
        store, vocabularies = open_features(features), dict(self.config.vocabularies)
        split = load_split(self.table, store, vocabularies, self.config.sampling)
        data = TrainingData(store, split, None, vocabularies)
        first, *others = store.specs
        config = replace(
            self.config,
            backbone=first.backbone_spec,
            stacked=tuple(other.backbone_spec for other in others),
            precision=first.precision,
            temperature={},
            training_counts=data.class_counts,
            window_seconds=data.window_seconds,
            pairs=data.pairs if self.config.pairs else (),
        )
        training = Training(config, self.recipe, data, work, Machine(), "last", self.seed, self.fusion_folds)
        fitted = training.fit(training.build())
        replace(training, run=out).save(fitted)
