"""Frames in one by one, predictions out, in memory that never grows.

    frame ──► features of all streams, once a sampled frame ──► memory ──► prediction

Knows nothing about cameras.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from egoact.core import defaults
from egoact.core.errors import ArtifactError
from egoact.core.timelines.online_prediction import BACKGROUND_NAME, OnlinePrediction
from egoact.engines.streams import StreamEngine
from egoact.live.memories import GAP_SECONDS, GRID_TOLERANCE_SECONDS, Memory, RunningMemory, StepMemory, WindowMemory
from egoact.media.stills.pictures import resize_area
from egoact.runs.loading import Run
from egoact.runs.recognizer import Recognizer
from egoact.runs.segmenter import TrainedSegmenter

Mode = Literal["window", "running"]

FRAMES_PER_SECOND = defaults.LIVE_FRAMES_PER_SECOND
WINDOW_SECONDS = 2.0


class EarlierFrames:
    """The frames that later ones may be compared with: those of about the last `lag_seconds`, and no older ones."""

    def __init__(self, lag_seconds: float) -> None:
        self._lag = lag_seconds
        self._frames: deque[tuple[float, np.ndarray]] = deque()

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, frame: np.ndarray, seconds: float) -> None:
        """Keep a frame, later than all others."""
        self._frames.append((seconds, frame))
        while len(self._frames) > 1 and self._frames[1][0] <= seconds - self._lag:
            self._frames.popleft()

    def before(self, seconds: float) -> tuple[float, np.ndarray] | None:
        """The frame that was shown nearest to `lag_seconds` before, and when; None after a gap, and at the beginning.

        Where frames come steadily, that is the whole number of frames, at least one, that `media.pairs.frame_lag`
        finds for recordings.
        """
        if not self._frames or seconds - self._frames[-1][0] > GAP_SECONDS:
            return None
        return min(self._frames, key=lambda kept: abs(kept[0] - (seconds - self._lag)))

    def clear(self) -> None:
        """Forget all."""
        self._frames.clear()


class LiveFeatures:
    """The streams of one frame after the other.

    frames      |  f0  |  f1  |  f2  |  f3  |  f4  |  f5  |
    looked at      x                    x             x        f3 is compared with f1, f5 with f3: about a lag before
    """

    def __init__(self, engine: StreamEngine) -> None:
        self._engine = engine
        self._earlier = EarlierFrames(engine.lag_seconds)

    @property
    def needs_every_frame(self) -> bool:
        """Whether frames between those that are looked at should be given to `keep`."""
        return self._engine.needs_earlier

    def keep(self, frame: np.ndarray, seconds: float) -> None:
        """Take note of a frame, uint8 (H, W, 3) RGB, that a later one may be compared with."""
        if self._engine.needs_earlier:
            self._earlier.add(np.array(self._resize(frame)), seconds)

    def compute(self, frame: np.ndarray, seconds: float) -> np.ndarray:
        """The features of a frame, uint8 (H, W, 3) RGB of any size, of all streams side by side: float32 (F).

        Without an earlier frame it is compared with itself, as the first one of a recording is: nothing moves.
        """
        now = self._resize(frame)[None]
        if not self._engine.needs_earlier:
            return np.concatenate(self._engine.run(now), axis=1)[0]
        found = self._earlier.before(seconds)
        before, lag = (now, self._engine.lag_seconds) if found is None else (found[1][None], seconds - found[0])
        features = self._engine.run(now, before, lag_seconds=lag)
        self.keep(frame, seconds)
        return np.concatenate(features, axis=1)[0]

    def clear(self) -> None:
        """Forget all frames."""
        self._earlier.clear()

    def _resize(self, frame: np.ndarray) -> np.ndarray:
        return resize_area(frame, self._engine.input_size)


class Stream:
    """Looks at frames as they come; see `open_stream`.

    Args:
        names: Target -> names of its classes.
        features: Of the frames.
        memory: What is left of them.
        rate: Most frames to look at a second; others are passed over.
        ahead_seconds: How long after a frame the action begins that is named.
    """

    def __init__(
        self,
        names: Mapping[str, tuple[str, ...]],
        features: LiveFeatures,
        memory: Memory,
        *,
        rate: float,
        ahead_seconds: float = 0.0,
    ) -> None:
        self._names, self._features, self._memory, self._rate = names, features, memory, rate
        self._ahead_seconds = ahead_seconds
        self.clear()

    def clear(self) -> None:
        """Begin anew, as if no frame had come."""
        self._memory.clear()
        self._features.clear()
        self._newest_seconds = -float("inf")
        self._due_seconds = -float("inf")

    def wants(self, seconds: float) -> bool:
        """Whether a frame of this time would be looked at, or kept to compare a later one with."""
        return self._features.needs_every_frame or self._is_due(seconds)

    def push(self, frame: np.ndarray, seconds: float) -> OnlinePrediction | None:
        """Take in the next frame, uint8 (H, W, 3) RGB; its time is later than that of the frame before.

        Returns:
            What happens now, or what will; None where the frame is passed over, or not enough has been seen yet.

        Raises:
            ValueError: A frame from the past.
        """
        if not seconds > self._newest_seconds:
            raise ValueError(f"a frame of {seconds} s after one of {self._newest_seconds} s; clear the stream before")
        self._newest_seconds = seconds
        if not self._is_due(seconds):
            self._features.keep(frame, seconds)
            return None
        # On the grid of the first frame; after a gap a new grid begins.
        on_grid = self._due_seconds + 1 / self._rate
        self._due_seconds = on_grid if on_grid > seconds else seconds + 1 / self._rate
        self._memory.add(self._features.compute(frame, seconds), seconds)
        found = self._memory.predict()
        if found is None:
            return None
        covered_seconds, probabilities = found
        return OnlinePrediction(seconds, covered_seconds, probabilities, self._names, self._ahead_seconds)

    def _is_due(self, seconds: float) -> bool:
        return seconds >= self._due_seconds - GRID_TOLERANCE_SECONDS


def open_stream(
    recognizer: Recognizer,
    engine: StreamEngine,
    *,
    mode: Mode = "window",
    rate: float = FRAMES_PER_SECOND,
    window_seconds: tuple[float, ...] = (WINDOW_SECONDS,),
    temperature: Mapping[str, float] | None = None,
) -> Stream:
    """A stream of a run that names clips.

    Args:
        recognizer: The run.
        engine: Of the streams that it was trained on.
        mode: "window": the last seconds, any head; "running": all since the beginning, heads that step.
        rate: Most frames to look at a second.
        window_seconds: Lengths of the windows.
        temperature: Target -> what logits are divided by, so that probabilities are true; for windows.

    Raises:
        ValueError: A head that needs whole clips, or impossible numbers.
    """
    if not 0 < rate < float("inf"):
        raise ValueError(f"{rate} frames a second cannot be looked at; a number above 0 is needed")
    memory: Memory
    if mode == "running":
        memory = RunningMemory(recognizer)
    else:
        memory = WindowMemory(recognizer, rate=rate, window_seconds=window_seconds, temperature=temperature)
    names = {str(target): vocabulary.names for target, vocabulary in recognizer.config.vocabularies.items()}
    anticipation = recognizer.config.anticipation
    ahead = 0.0 if anticipation is None else anticipation.gap_seconds
    return Stream(names, LiveFeatures(engine), memory, rate=rate, ahead_seconds=ahead)


def open_run_stream(
    run: Run, *, mode: Mode = "window", rate: float | None = None, window_seconds: Sequence[float] = ()
) -> Stream:
    """A stream of a run, with its streams on an engine that is ready: the first frame is as fast as any.

    Args:
        run: One that finds actions in recordings goes step by step, whatever the mode.
        mode: As `open_stream`.
        rate: Most frames to look at a second; None: 15, or the steps a second of a run that has steps.
        window_seconds: Lengths of the windows; empty: what a run that anticipates has observed of each action, those
            that the run has chosen, or 2 s.

    Raises:
        ValueError: A head that needs whole clips, or impossible numbers.
        ArtifactError: The weights of the run's backbone are not here, or its segmenter looks ahead.
    """
    if isinstance(run.answers, TrainedSegmenter):
        stream = _open_steps(run, run.answers, rate, window_seconds)
    else:
        config = run.config
        chosen = config.window_seconds if config.anticipation is None else (config.anticipation.observed_seconds,)
        stream = open_stream(
            run.recognizer,
            run.engine,
            mode=mode,
            rate=FRAMES_PER_SECOND if rate is None else rate,
            window_seconds=tuple(window_seconds) or chosen or (WINDOW_SECONDS,),
            temperature=config.temperature,
        )
    stream.push(np.zeros((*run.engine.input_size, 3), dtype=np.uint8), 0.0)
    stream.clear()
    return stream


def _open_steps(run: Run, segmenter: TrainedSegmenter, rate: float | None, window_seconds: Sequence[float]) -> Stream:
    """At the steps a second that the run was trained on; background is one of its answers."""
    config = segmenter.config
    if segmenter.looks_ahead:
        reason = f"its segmenter, {config.segmenter}, looks into the future and cannot answer while things happen"
        raise ArtifactError(f"{reason}; train one that can: egoact train-timeline --segmenter causal", path=run.path)
    if rate not in (None, config.steps_per_second) or window_seconds:
        steps = f"this run looks at {config.steps_per_second} frames a second, one by one"
        raise ValueError(f"{steps}; leave --rate and --window-seconds away")
    names = {str(target): (*v.names, BACKGROUND_NAME) for target, v in config.vocabularies.items()}
    return Stream(names, LiveFeatures(run.engine), StepMemory(segmenter), rate=config.steps_per_second)
