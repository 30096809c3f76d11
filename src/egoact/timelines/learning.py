"""The last part of `egoact train`: what a run has to know to look at whole recordings."""

from pathlib import Path

from egoact.core.errors import ArtifactError
from egoact.core.progress import working
from egoact.core.timelines.rules import TimelineRules
from egoact.runs.features import score_rows
from egoact.runs.loading import BACKGROUND_FOLDER
from egoact.runs.recognizer import Recognizer
from egoact.store.reader import FeatureStore
from egoact.timelines.background import BackgroundTraining, train_background
from egoact.timelines.rules import calibrate, learn_rules
from egoact.training.data import TrainingData
from egoact.training.recipes import Recipe


def learn_timeline_rules(
    recognizer: Recognizer, data: TrainingData, recipe: Recipe, *, run: Path, seed: int, background: bool
) -> TimelineRules:
    """How the run's scores become actions.

    Args:
        recognizer: The run, trained on clips.
        data: What it was trained on.
        recipe: Of that training.
        run: Its directory; a background model goes to a folder inside.
        seed: Of that training.
        background: Also learn what nothing looks like.

    Raises:
        ArtifactError: Background is to be learned, and recordings were not extracted as a whole.
        AnnotationError: The same, and there are no gaps.
    """
    training, validation, store = data.training, data.validation, data.store
    if background:
        if not isinstance(store, FeatureStore):
            raise ArtifactError("--background learns from the recordings of one feature store", path=store.path)
        common = BackgroundTraining(recognizer.config, recipe, store, seed=seed)
        with working("train: learning what it looks like when nothing happens"):
            model, rules = train_background(common, training.table, None if validation is None else validation.table)
        model.save(run / BACKGROUND_FOLDER)
        return rules
    rules = learn_rules(training.table, data.vocabularies, rate=store.specs[0].rate)
    if validation is None:
        return rules
    return calibrate(rules, score_rows(recognizer, store, validation.rows), validation.labels)
