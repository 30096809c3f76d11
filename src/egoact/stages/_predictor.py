"""A run with everything that it needs to look at recordings.

video ──► steps ──► engine ──► features ──► `ActionFinder` ──► timeline
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from egoact.core.errors import MediaError
from egoact.core.prediction import Prediction
from egoact.data.media import MediaSource
from egoact.data.spool import FeatureSpool
from egoact.engines import Engine
from egoact.stages._action_finder import ActionFinder
from egoact.stages._recordings import spool_features
from egoact.stages._run_engine import EngineSettings, load_run_engine


@dataclass(frozen=True)
class Predictor:
    """Looks at whole recordings.

    Args:
        finder: Of the run.
        engine: Of its backbone.
    """

    finder: ActionFinder
    engine: Engine

    @classmethod
    def load(cls, run: str | Path, settings: EngineSettings | None = None) -> "Predictor":
        """Load a run and prepare its backbone.

        Args:
            run: Run directory, or a folder that `egoact export` made of one.
            settings: What computes; None: whatever is best here.

        Raises:
            ArtifactError: Not a run, one that knows nothing of timelines, or other weights of the backbone.
        """
        finder = ActionFinder.load(run)
        prepared = load_run_engine(finder.config, run=Path(run), settings=settings)
        return cls(finder, prepared)

    def predict(
        self, source: MediaSource, *, folder: Path | None = None, advance: Callable[[int], None] = lambda _: None
    ) -> Prediction:
        """The timeline of a recording, up to where it breaks if it does.

        Args:
            source: The recording.
            folder: Where features are kept meanwhile; None: the system's place for temporary files.
            advance: Called with numbers of steps as they are done.

        Raises:
            MediaError: Not one step can be read.
        """
        with FeatureSpool(self.finder.config.backbone.feature_shape, folder=folder) as spool:
            size = self.finder.config.backbone.input_size
            broken = spool_features(source, self.engine, spool, rate=self.finder.rules.rate, size=size, advance=advance)
            timeline, top5 = self.finder.answer(spool.read(), video_id=source.video_id)
        return Prediction(timeline, self.finder.targets, top5, None if broken is None else _said(broken))


def _said(broken: MediaError) -> str:
    return ": ".join(part for part in (broken.place, broken.reason) if part)
