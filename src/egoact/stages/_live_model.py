"""A run with its backbone on a fast engine, ready for frames one by one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egoact.core.timeline_rules import TimelineRules
from egoact.data.frames import resize_area
from egoact.engines import Engine
from egoact.models.recognizer import Recognizer
from egoact.models.streaming import FRAMES_PER_SECOND, WINDOW_SECONDS, Mode, Stream, open_stream
from egoact.stages._action_finder import BACKGROUND_FOLDER
from egoact.stages._run_engine import EngineSettings, load_run_engine


@dataclass(frozen=True)
class LiveModel:
    """Introduces a run to the engine of its backbone.

    Args:
        recognizer: The run; where it was trained with background, its background model.
        engine: Of its backbone.
        rules: What the run learned about whole recordings: lengths of windows, temperatures; or None.
    """

    recognizer: Recognizer
    engine: Engine
    rules: TimelineRules | None = None

    @classmethod
    def load(cls, run: str | Path, settings: EngineSettings | None = None) -> "LiveModel":
        """Load a run and prepare its backbone, so that the first frame is as fast as any.

        Args:
            run: Run directory.
            settings: What computes; None: whatever is best here.

        Raises:
            ArtifactError: Not a run, or other weights of its backbone.
        """
        recognizer = Recognizer.load(run)
        rules = recognizer.config.timeline
        prepared = load_run_engine(recognizer.config, run=Path(run), settings=settings)
        if rules is not None and rules.has_background:
            recognizer = Recognizer.load(Path(run) / BACKGROUND_FOLDER)
        prepared.run(np.zeros((1, *recognizer.config.backbone.input_size, 3), dtype=np.uint8))
        return cls(recognizer, prepared, rules)

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the frames that the backbone takes."""
        return self.recognizer.config.backbone.input_size

    def stream(
        self, *, mode: Mode = "window", rate: float = FRAMES_PER_SECOND, window_seconds: tuple[float, ...] = ()
    ) -> Stream:
        """Frames of any size in, answers out; see `open_stream`.

        Args:
            mode: "window" or "running".
            rate: Most frames to look at a second.
            window_seconds: Lengths of the windows; empty: those that the run learned, or 2 s.

        Raises:
            ValueError: A head that needs whole clips, or impossible numbers.
        """
        learned = (WINDOW_SECONDS,) if self.rules is None else self.rules.window_seconds
        return open_stream(
            self.recognizer,
            self._embed,
            mode=mode,
            rate=rate,
            window_seconds=window_seconds or learned,
            temperature=None if self.rules is None else self.rules.temperature,
        )

    def _embed(self, frame: np.ndarray) -> np.ndarray:
        return self.engine.run(resize_area(frame, self.input_size)[None])[0]
