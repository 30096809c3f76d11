"""A run as Python code uses it: clips, recordings, frames as they come. Everything is done by the floors below."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.prediction import Prediction
from egoact.data.media import MediaSource
from egoact.models.recognizer import Recognizer as ClipRecognizer
from egoact.models.recognizer import RecognizerConfig
from egoact.models.streaming import FRAMES_PER_SECOND, Mode, Stream
from egoact.stages._live_model import LiveModel
from egoact.stages._predictor import Predictor
from egoact.stages._run_engine import EngineSettings


class Recognizer:
    """A trained run; use `Recognizer.load`.

    Args:
        run: Run directory.
        clips: Its model.
        options: Fields of `EngineSettings`.

    Attributes:
        run: Run directory.
    """

    def __init__(self, run: Path, clips: ClipRecognizer, **options: Any) -> None:
        self.run = run
        self._clips = clips
        self._engine = EngineSettings(**options)

    @classmethod
    def load(cls, run: str | Path, **options: Any) -> "Recognizer":
        """Load a run directory.

        Args:
            run: Of `egoact train`.
            **options: For recordings: `weights`, `engine`, `precision` and `device`, as the flags of `egoact predict`.

        Raises:
            ArtifactError: Not a run, or one that is damaged.
        """
        return cls(Path(run), ClipRecognizer.load(run), **options)

    @property
    def config(self) -> RecognizerConfig:
        """What the run is: classes, backbone, head."""
        return self._clips.config

    def score(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Logits of clips: float16 or float32 (N, T, ...) -> target -> float32 (N, classes)."""
        return self._clips.score(features)

    def predict(self, video: str | Path) -> Prediction:
        """The actions of a recording, up to where it breaks if it does.

        Args:
            video: Video file.

        Returns:
            Its `timeline` is a sequence of segments with `start_seconds`, `stop_seconds`, `verb`, `noun`, `confidence`.

        Raises:
            MediaError: Not one picture can be read.
            ArtifactError: The run knows nothing of whole recordings, or its backbone's weights are not here.
        """
        path = Path(video)
        return self._predictor.predict(MediaSource(path.stem, path, "video"))

    def stream(
        self, *, mode: Mode = "window", rate: float = FRAMES_PER_SECOND, window_seconds: tuple[float, ...] = ()
    ) -> Stream:
        """Frames in one by one, answers out, in memory that does not grow.

            stream = recognizer.stream()
            answer = stream.push(frame, seconds)        uint8 (H, W, 3) RGB of any size, and its time
            if answer is not None:                      passed over, or not enough seen yet
                print(answer.name, answer.top("verb"))

        Args:
            mode: "window": the last seconds, any head; "running": all frames since the beginning, at a cost that does
                not grow, for heads that go frame by frame.
            rate: Most frames to look at a second; others are passed over.
            window_seconds: Lengths of the windows; empty: those that the run learned, or 2 s.

        Raises:
            ValueError: A head that needs whole clips, or impossible numbers.
            ArtifactError: The weights of the run's backbone are not here.
        """
        return self._live_model.stream(mode=mode, rate=rate, window_seconds=window_seconds)

    @cached_property
    def _live_model(self) -> LiveModel:
        """Made once, when the first stream is opened."""
        return LiveModel.load(self.run, self._engine)

    @cached_property
    def _predictor(self) -> Predictor:
        """Made once, when the first recording comes: preparing an engine takes seconds."""
        return Predictor.load(self.run, self._engine)
