"""Frames in one by one, predictions out, in memory that never grows.

    frame ──► embed, once a sampled frame ──► memory ──► classifiers ──► prediction
                                              │
                                              ├ window: a ring of the last features, the head over them; every head
                                              └ running: the head's own state, O(1) a frame; heads that step

What a stream says of some frames is what the clip path, `Recognizer.score`, says of the same frames.
Knows nothing about cameras.

Shapes: `T` frames per clip, `K` classes, `F` the shape of a frame's feature: (D,) or (C, h, w).
"""

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import numpy as np
import torch

from egoact.core import defaults
from egoact.core.errors import ArtifactError
from egoact.core.metrics.calibration import log_softmax, softmax
from egoact.core.sampling import resample_indices
from egoact.core.timelines.online_prediction import OnlinePrediction
from egoact.media.stills.frames import resize_area
from egoact.models.heads import HEADS, SteppingHead
from egoact.runs.loading import Run
from egoact.runs.recognizer import Recognizer

Mode = Literal["window", "running"]
Embed = Callable[[np.ndarray], np.ndarray]
Probabilities = dict[str, np.ndarray]

FRAMES_PER_SECOND = defaults.LIVE_FRAMES_PER_SECOND
WINDOW_SECONDS = 2.0
_GRID_TOLERANCE_SECONDS = 2e-3  # some containers round timestamps to milliseconds


class Memory(Protocol):
    """What is left of the frames so far."""

    def add(self, feature: np.ndarray, seconds: float) -> None:
        """Take in a frame's feature, float32 (F)."""

    def predict(self) -> tuple[float, Probabilities] | None:
        """How many seconds it looks back, and target -> (K,); None when there is too little to say."""

    def clear(self) -> None:
        """Forget everything."""


class FeatureRing:
    """The last features with their times, in one block of memory.

    Args:
        capacity: How many.
        shape: (F) of one.
    """

    def __init__(self, capacity: int, shape: tuple[int, ...]) -> None:
        self._features = np.zeros((capacity, *shape), dtype=np.float32)
        self._seconds = np.full(capacity, -np.inf)
        self._num_added = 0

    def __len__(self) -> int:
        return min(self._num_added, len(self._seconds))

    def add(self, feature: np.ndarray, seconds: float) -> None:
        """Put in a feature in place of the oldest one."""
        slot = self._num_added % len(self._seconds)
        self._features[slot], self._seconds[slot] = feature, seconds
        self._num_added += 1

    def clear(self) -> None:
        """Forget everything."""
        self._num_added = 0

    @property
    def seconds(self) -> np.ndarray:
        """Times of what is there, oldest first."""
        return self._seconds[self._slots()]

    def clip(self, num_steps: int, *, num_frames: int) -> np.ndarray:
        """T of the newest `num_steps` features as a clip, float32 (T, F)."""
        steps = self._slots()[-num_steps:]
        return self._features[steps[resample_indices(num_steps, num_frames=num_frames)]]

    def _slots(self) -> np.ndarray:
        return np.arange(self._num_added - len(self), self._num_added) % len(self._seconds)


class WindowMemory:
    """The head over the last seconds; with windows of several lengths, the mean of their log probabilities.

    A window is told apart by time, so a gap in the stream shortens it instead of stretching it, and its T frames are
    those at the middles of equal bins of what it has. It predicts as soon as half of the shortest window is there.

    Args:
        recognizer: Any.
        rate: Frames that are added a second, at most.
        window_seconds: Lengths.
        temperature: Target -> what logits are divided by.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        *,
        rate: float,
        window_seconds: tuple[float, ...],
        temperature: Mapping[str, float] | None = None,
    ) -> None:
        if not window_seconds or not all(1 / rate < length < float("inf") for length in window_seconds):
            raise ValueError(f"windows of {window_seconds} s; at least one, longer than a frame (1/{rate:g} s)")
        self._recognizer, self._rate, self._lengths = recognizer, rate, window_seconds
        self._temperature = temperature or {}
        self._ring = FeatureRing(round(max(window_seconds) * rate) + 1, recognizer.config.feature_shape)

    def add(self, feature: np.ndarray, seconds: float) -> None:  # noqa: D102
        self._ring.add(feature, seconds)

    def clear(self) -> None:  # noqa: D102
        self._ring.clear()

    def predict(self) -> tuple[float, Probabilities] | None:  # noqa: D102
        if not len(self._ring):
            return None
        ages = self._ring.seconds[-1] - self._ring.seconds
        counts = [int((ages < length - 0.5 / self._rate).sum()) for length in self._lengths]
        covered = [float(ages[-count]) + 1 / self._rate for count in counts]
        if min(covered) < min(self._lengths) / 2 - _GRID_TOLERANCE_SECONDS:
            return None
        num_frames = self._recognizer.config.num_frames
        clips = np.stack([self._ring.clip(count, num_frames=num_frames) for count in dict.fromkeys(counts)])
        logits = self._recognizer.score(clips)
        return max(covered), {target: self._mean(target, values) for target, values in logits.items()}

    def _mean(self, target: str, logits: np.ndarray) -> np.ndarray:
        """Over the windows: (W, K) -> (K,)."""
        return softmax(log_softmax(logits / self._temperature.get(target, 1.0)).mean(0))


class RunningMemory:
    """The state of a head that steps: a prediction for all frames since the beginning, in O(1) a frame.

    Raises:
        ValueError: The head needs whole clips.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        head = recognizer.model.head
        if not isinstance(head, SteppingHead):
            able = ", ".join(name for name, made in HEADS.items() if issubclass(made, SteppingHead))
            raise ValueError(f"head {recognizer.config.head!r} needs whole clips; these go frame by frame: {able}")
        self._model, self._head = recognizer.model, head
        self.clear()

    def clear(self) -> None:  # noqa: D102
        self._state = self._head.initial_state(1)
        self._since: float | None = None
        self._prediction: tuple[float, Probabilities] | None = None

    def add(self, feature: np.ndarray, seconds: float) -> None:  # noqa: D102
        self._since = seconds if self._since is None else self._since
        device = next(self._model.classifiers.parameters()).device
        with torch.inference_mode():
            frame = torch.from_numpy(np.array(feature[None], np.float32)).to(device)
            embedding, self._state = self._head.step(frame, self._state)
            logits = self._model.classify(embedding)
        found = {target: softmax(values[0].cpu().numpy()) for target, values in logits.items()}
        self._prediction = seconds - self._since, found

    def predict(self) -> tuple[float, Probabilities] | None:  # noqa: D102
        return self._prediction


class Stream:
    """Looks at frames as they come; see `open_stream`.

    Args:
        recognizer: For the names of its classes.
        embed: A frame, uint8 (H, W, 3) RGB, to its feature, float32 (F).
        memory: What it remembers.
        rate: Most frames to look at a second; others are passed over.
    """

    def __init__(self, recognizer: Recognizer, embed: Embed, memory: Memory, *, rate: float) -> None:
        self._names = {str(target): v.names for target, v in recognizer.config.vocabularies.items()}
        self._embed, self._memory, self._rate = embed, memory, rate
        self.clear()

    def clear(self) -> None:
        """Begin anew, as if no frame had come."""
        self._memory.clear()
        self._newest_seconds = -float("inf")
        self._due_seconds = -float("inf")

    def wants(self, seconds: float) -> bool:
        """Whether a frame of this time would be looked at."""
        return seconds >= self._due_seconds - _GRID_TOLERANCE_SECONDS

    def push(self, frame: np.ndarray, seconds: float) -> OnlinePrediction | None:
        """Take in the next frame.

        Args:
            frame: uint8 (H, W, 3), RGB.
            seconds: Its time; later than that of the frame before.

        Returns:
            What happens now; None where the frame is passed over, or not enough has been seen yet.

        Raises:
            ValueError: A frame from the past.
        """
        if not seconds > self._newest_seconds:
            raise ValueError(f"a frame of {seconds} s after one of {self._newest_seconds} s; clear the stream before")
        self._newest_seconds = seconds
        if not self.wants(seconds):
            return None
        # On the grid of the first frame; after a gap a new grid begins.
        on_grid = self._due_seconds + 1 / self._rate
        self._due_seconds = on_grid if on_grid > seconds else seconds + 1 / self._rate
        self._memory.add(self._embed(frame), seconds)
        found = self._memory.predict()
        if found is None:
            return None
        covered_seconds, probabilities = found
        return OnlinePrediction(seconds, covered_seconds, probabilities, self._names)


def open_stream(
    recognizer: Recognizer,
    embed: Embed,
    *,
    mode: Mode = "window",
    rate: float = FRAMES_PER_SECOND,
    window_seconds: tuple[float, ...] = (WINDOW_SECONDS,),
    temperature: Mapping[str, float] | None = None,
) -> Stream:
    """A stream of a run.

    Args:
        recognizer: The run.
        embed: The run's backbone: a frame, uint8 (H, W, 3) RGB of any size, to its feature, float32 (F).
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
    return Stream(recognizer, embed, memory, rate=rate)


def open_run_stream(
    run: Run, *, mode: Mode = "window", rate: float = FRAMES_PER_SECOND, window_seconds: tuple[float, ...] = ()
) -> Stream:
    """A stream of a run, with its backbone on an engine that is ready: the first frame is as fast as any.

    Args:
        run: With background, its background model predicts.
        mode: As `open_stream`.
        rate: As `open_stream`.
        window_seconds: Lengths of the windows; empty: those that the run learned, or 2 s.

    Raises:
        ValueError: A head that needs whole clips, or impossible numbers.
        ArtifactError: The weights of the run's backbone are not here, or it needs more than single frames.
    """
    recognizer, engine, rules = run.window_recognizer, run.engine, run.rules
    if engine.needs_earlier:
        names = ", ".join(spec.stream for spec in engine.specs if spec.needs_earlier)
        raise ArtifactError(f"this run needs {names}; a stream gives it single frames", path=run.path)

    def embed(frame: np.ndarray) -> np.ndarray:
        return np.concatenate(engine.run(resize_area(frame, engine.input_size)[None]), axis=1)[0]

    embed(np.zeros((*engine.input_size, 3), dtype=np.uint8))
    return open_stream(
        recognizer,
        embed,
        mode=mode,
        rate=rate,
        window_seconds=window_seconds or ((WINDOW_SECONDS,) if rules is None else rules.window_seconds),
        temperature=None if rules is None else rules.temperature,
    )
