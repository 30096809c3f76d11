"""A run as Python code uses it: clips, recordings, frames as they come. Everything is done by the floors below."""

from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.timelines.prediction import Prediction
from egoact.live.streaming import Mode, Stream, open_run_stream
from egoact.media.sources import MediaSource
from egoact.runs.loading import EngineChoice, Run, load_run
from egoact.runs.recognizer import RecognizerConfig
from egoact.timelines.segmenter import predict_recording


class Recognizer:
    """A trained run; use `Recognizer.load`."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @classmethod
    def load(cls, run: str | Path, **options: Any) -> "Recognizer":
        """Load a run directory.

        Args:
            run: Of `egoact train` or `egoact train-timeline`.
            **options: For recordings: `weights`, `engine`, `precision` and `device`, as the flags of `egoact predict`.

        Raises:
            ArtifactError: Not a run, or one that is damaged.
        """
        return cls(load_run(run, EngineChoice(**options)))

    @property
    def run(self) -> Path:
        """Run directory."""
        return self._run.path

    @property
    def config(self) -> RecognizerConfig:
        """What a run of `egoact train` is: classes, backbone, head."""
        return self._run.config

    def score(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Logits of clips: float16 or float32 (N, T, ...) -> target -> float32 (N, classes)."""
        return self._run.recognizer.score(features)

    def predict(self, video: str | Path) -> Prediction:
        """The actions of a recording, up to where it breaks if it does.

        Args:
            video: Video file.

        Returns:
            Its `timeline` is a sequence of segments with `start_seconds`, `stop_seconds`, `verb`, `noun`, `confidence`.

        Raises:
            MediaError: Not one picture can be read.
            ArtifactError: A run of `egoact train`, which names clips, or its backbone's weights are not here.
        """
        return predict_recording(self._run, MediaSource.of_file(Path(video)))

    def stream(
        self, *, mode: Mode = "window", rate: float | None = None, window_seconds: tuple[float, ...] = ()
    ) -> Stream:
        """Frames in one by one, answers out, in memory that does not grow.

            stream = recognizer.stream()
            answer = stream.push(frame, seconds)        uint8 (H, W, 3) RGB of any size, and its time
            if answer is not None:                      passed over, or not enough seen yet
                print(answer.name, answer.top("verb"))

        Args:
            mode: "window": the last seconds, any head; "running": all frames since the beginning, at a cost that does
                not grow, for heads that go frame by frame. A run of `egoact train-timeline` goes step by step anyway.
            rate: Most frames to look at a second; others are passed over. None: 15, or the steps a second of a run that
                has steps.
            window_seconds: Lengths of the windows; empty: half, once and twice that of the median training segment.

        Raises:
            ValueError: A head that needs whole clips, or impossible numbers.
            ArtifactError: The weights of the run's backbone are not here, or its segmenter looks into the future.
        """
        return open_run_stream(self._run, mode=mode, rate=rate, window_seconds=window_seconds)
