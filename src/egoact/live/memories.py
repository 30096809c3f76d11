"""What is left of the frames so far, and what a run says of it.

    window: a ring of the last features, and the head over them; every head
    running: the head's own state, O(1) a frame; heads that step
    steps: the state of a segmenter that sees no future, O(1) a step

What a memory says of some frames is what the run says of the same frames of a recording.

Shapes: `T` frames per clip, `K` classes, `F` the shape of a frame's feature: (D,) or (C, h, w).
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from egoact.core.metrics.calibration import log_softmax, softmax
from egoact.core.sampling import resample_indices
from egoact.runs.recognizer import Recognizer
from egoact.runs.segmenter import TrainedSegmenter

Probabilities = dict[str, np.ndarray]

GAP_SECONDS = 2.0  # without a frame, after which what came before says nothing of what comes
GRID_TOLERANCE_SECONDS = 2e-3  # some containers round timestamps to milliseconds


class Memory(Protocol):
    """What is left of the frames so far."""

    def add(self, feature: np.ndarray, seconds: float) -> None:
        """Take in a frame's feature, float32 (F)."""

    def predict(self) -> tuple[float, Probabilities] | None:
        """How many seconds it looks back, and target -> (K,); None when there is too little to say."""

    def clear(self) -> None:
        """Forget everything."""


class FeatureRing:
    """The last features, each of shape (F), with their times, in one block of memory."""

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
        if min(covered) < min(self._lengths) / 2 - GRID_TOLERANCE_SECONDS:
            return None
        num_frames = self._recognizer.config.num_frames
        clips = np.stack([self._ring.clip(count, num_frames=num_frames) for count in dict.fromkeys(counts)])
        logits = self._recognizer.score(clips)
        found = {}
        for target, values in logits.items():
            found[target] = softmax(log_softmax(values / self._temperature.get(target, 1.0)).mean(0))
        return max(covered), found


class RunningMemory:
    """The state of a head that steps: a prediction for all frames since the beginning, in O(1) a frame.

    A `ValueError` for a head that needs whole clips.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        from egoact.models.heads import HEADS, SteppingHead

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
        import torch

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


class StepMemory:
    """The state of a segmenter that does not look ahead, at a cost that does not grow.

    Steps are as regular as in training: where frames come less often than that, the last one stands for the steps
    between, as it does in a recording. After `GAP_SECONDS` without a frame it begins anew.
    """

    def __init__(self, segmenter: TrainedSegmenter) -> None:
        self._segmenter = segmenter
        self._rate = segmenter.config.steps_per_second
        self.clear()

    def clear(self) -> None:  # noqa: D102
        self._state = self._segmenter.initial_state()
        self._num_steps = 0
        self._seconds = 0.0  # when the last step was due
        self._newest_seconds = 0.0
        self._feature = np.empty(0, np.float32)
        self._shares: Probabilities = {}

    def add(self, feature: np.ndarray, seconds: float) -> None:  # noqa: D102
        if self._num_steps and seconds - self._newest_seconds > GAP_SECONDS:
            self.clear()
        if self._num_steps:
            count = max(1, round((seconds - self._seconds) * self._rate))
            for _ in range(count - 1):
                self._step(self._feature)
            self._seconds += count / self._rate
        else:
            self._seconds = seconds
        self._feature, self._newest_seconds = feature, seconds
        self._step(feature)

    def predict(self) -> tuple[float, Probabilities] | None:  # noqa: D102
        if not self._num_steps:
            return None
        num_earlier, most = self._num_steps - 1, self._segmenter.num_earlier_steps
        return (num_earlier if most is None else min(num_earlier, most)) / self._rate, self._shares

    def _step(self, feature: np.ndarray) -> None:
        said, self._state = self._segmenter.step(feature, self._state)
        self._shares = {target: softmax(values) for target, values in said.items()}
        self._num_steps += 1
