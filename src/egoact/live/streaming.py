"""Frames in one by one, predictions out, in memory that never grows.

    frame ──► features of all streams, once a sampled frame ──► memory ──► prediction

Knows nothing about cameras.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from egoact.core import defaults
from egoact.core.errors import ArtifactError
from egoact.core.timelines.online_prediction import BACKGROUND_NAME, OnlinePrediction
from egoact.engines.streams import StreamEngine
from egoact.live.features import LiveFeatures
from egoact.live.memories import Memory, RunningMemory, StepMemory, WindowMemory
from egoact.runs.loading import Run
from egoact.runs.recognizer import Recognizer
from egoact.runs.segmenter import TrainedSegmenter

Mode = Literal["window", "running"]

FRAMES_PER_SECOND = defaults.LIVE_FRAMES_PER_SECOND
WINDOW_SECONDS = 2.0
_GRID_TOLERANCE_SECONDS = 2e-3  # some containers round timestamps to milliseconds


class Stream:
    """Looks at frames as they come; see `open_stream`.

    Args:
        names: Target -> names of its classes.
        features: Of the frames.
        memory: What it remembers.
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
        """Take in the next frame.

        Args:
            frame: uint8 (H, W, 3), RGB.
            seconds: Its time; later than that of the frame before.

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
        return seconds >= self._due_seconds - _GRID_TOLERANCE_SECONDS


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
