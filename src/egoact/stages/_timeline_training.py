"""The last part of `egoact train`: what a run has to know to look at whole recordings."""

from dataclasses import dataclass, replace
from pathlib import Path

from egoact.core.errors import ArtifactError
from egoact.data.stack import FeatureSource
from egoact.data.store import FeatureStore
from egoact.models.recipes import Recipe
from egoact.models.recognizer import Recognizer
from egoact.stages._action_finder import BACKGROUND_FOLDER
from egoact.stages._background import BackgroundTraining, train_background
from egoact.stages._clips import Split, score_rows
from egoact.stages._recordings import DEFAULT_RATE, Recordings
from egoact.stages._timeline_rules import calibrate, learn_rules


@dataclass(frozen=True)
class TimelineTraining:
    """Adds to a run that is trained on clips.

    Args:
        recognizer: The run.
        store: Features that it was trained on.
        recipe: Of that training.
        run: Its directory; a background model goes to a folder inside.
        seed: Of that training.
    """

    recognizer: Recognizer
    store: FeatureSource
    recipe: Recipe
    run: Path
    seed: int

    def learn(self, training: Split, validation: Split | None, *, background: bool) -> Recognizer:
        """The run with its rules for timelines.

        Raises:
            ArtifactError: Background is to be learned, and the whole recordings were not extracted.
            AnnotationError: The same, and there are no gaps.
        """
        config = self.recognizer.config
        if background:
            if not isinstance(self.store, FeatureStore):
                raise ArtifactError(
                    "--background learns from the recordings of one feature store", path=self.store.path
                )
            common = BackgroundTraining(config, self.recipe, Recordings(self.store), seed=self.seed)
            model, rules = train_background(common, training.table, None if validation is None else validation.table)
            model.save(self.run / BACKGROUND_FOLDER)
        else:
            rules = learn_rules(training.table, config.vocabularies, rate=DEFAULT_RATE)
            if validation is not None:
                rules = calibrate(rules, score_rows(self.recognizer, self.store, validation.rows), validation.labels)
        return Recognizer(replace(config, timeline=rules), self.recognizer.model)
