"""What a linear segmenter says of a recording, in numpy: `predict` and `evaluate` need no torch for it.

Means and changes of windows are linear, and so is what the segmenter makes of them: channels become answers first, and
answers are averaged. Deviations alone are computed channel by channel.

Shapes: F steps, D channels of all streams, W kinds of windows, K outputs of all targets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Kind = Literal["mean", "spread", "change"]

# Kind, and seconds that a window reaches to either side.
WINDOWS: tuple[tuple[Kind, float], ...] = (
    ("mean", 0.5),
    ("mean", 1.5),
    ("mean", 3.0),
    ("spread", 0.5),
    ("spread", 1.5),
    ("change", 0.5),
    ("change", 1.5),
    ("change", 3.0),
)
CHUNK_STEPS = 512
SHARPNESS = 8.0  # regression says 0 to 1; as probabilities that would be hardly an answer
LEAST_VARIANCE = 1e-4
_CHUNK_CHANNELS = 512  # of a recording's features at a time: larger pieces leave holes in memory that add up


def windows_in_steps(rate: int) -> list[tuple[Kind, int]]:
    """Kind, and steps that a window reaches to either side."""
    return [(kind, max(1, round(seconds * rate))) for kind, seconds in WINDOWS]


@dataclass(frozen=True, eq=False)
class LinearScorer:
    """A trained `LinearSegmenter` that only answers: `rate` steps a second, windows around a step, or causal ones.

    `center` is what is taken off every channel, (D,); `weight` is (W, D, K), `bias` (K,). `sizes` are the classes of
    each target, background included, together K.
    """

    center: Floats
    weight: Floats
    bias: Floats
    sizes: Sequence[int]
    rate: int
    is_causal: bool

    @property
    def reach(self) -> tuple[int, int]:
        """Steps before and after a step that its scores depend on."""
        longest = max(half for _, half in windows_in_steps(self.rate))
        return 2 * longest, 0 if self.is_causal else 2 * longest

    def score(self, features: np.ndarray, *, chunk_steps: int = CHUNK_STEPS) -> Floats:
        """Log-probabilities of a recording, (F, D), may be mapped -> float32 (F, K); see `chunks`."""
        parts = [self._answer(features[read])[kept] for read, kept in chunks(len(features), chunk_steps, self.reach)]
        return np.concatenate([self._log_shares(part) for part in parts])

    def _answer(self, features: np.ndarray) -> Floats:
        windows = windows_in_steps(self.rate)
        linear = [number for number, (kind, _) in enumerate(windows) if kind != "spread"]
        said: Floats = np.repeat(self.bias[None], len(features), axis=0)
        shares = np.zeros((len(features), len(linear) * len(self.bias)), np.float32)
        for start in range(0, len(self.center), _CHUNK_CHANNELS):
            channels = slice(start, start + _CHUNK_CHANNELS)
            x = features[:, channels].astype(np.float32) - self.center[channels]
            shares += x @ np.concatenate([self.weight[number, channels] for number in linear], axis=1)
            squares = np.square(x)
            for weight, (kind, half) in zip(self.weight, windows, strict=True):
                if kind == "spread":
                    mean = self._mean(x, half)
                    variance = np.maximum(self._mean(squares, half) - mean * mean, 0) + np.float32(LEAST_VARIANCE)
                    said += np.sqrt(variance) @ weight[channels]
        for number, part in zip(linear, np.split(shares, len(linear), axis=1), strict=True):
            kind, half = windows[number]
            said += self._mean(part, half) if kind == "mean" else self._change(part, half)
        return said

    def _mean(self, x: Floats, half: int) -> Floats:
        return window_mean(x, 2 * half, 0) if self.is_causal else window_mean(x, half, half)

    def _change(self, x: Floats, half: int) -> Floats:
        """Second half of a window minus its first half."""
        if self.is_causal:
            late = window_mean(x, half - 1, 0)
            late[half:] -= late[:-half].copy()
            late[:half] = 0
            return late
        mean, places = window_mean(x, half, half), np.arange(len(x))
        return mean[np.minimum(places + half, len(x) - 1)] - mean[np.maximum(places - half, 0)]

    def _log_shares(self, said: Floats) -> Floats:
        parts: list[Floats] = []
        for part in np.split(said * np.float32(SHARPNESS), np.cumsum(self.sizes)[:-1], axis=1):
            rest = part - part.max(axis=1, keepdims=True)
            parts.append(rest - np.log(np.exp(rest).sum(axis=1, keepdims=True)))
        return np.concatenate(parts, axis=1)


def chunks(num_steps: int, chunk_steps: int, reach: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """What to read of a recording at a time, and which steps of that to keep.

    Chunks overlap by the steps before and after a step that its scores depend on, so that they say what the whole would
    say, in memory that does not grow with the features.

    >>> list(chunks(5, 3, (1, 9)))
    [(slice(0, 5, None), slice(0, 3, None)), (slice(2, 5, None), slice(1, 3, None))]
    """
    before, after = reach
    for start in range(0, num_steps, chunk_steps):
        stop = min(start + chunk_steps, num_steps)
        first = max(start - before, 0)
        yield slice(first, min(stop + after, num_steps)), slice(start - first, stop - first)


def window_mean(x: Floats, before: int, after: int) -> Floats:
    """Mean of every step with those `before` and `after` it, as far as there are any: (F, D) -> (F, D)."""
    places = np.arange(len(x))
    counts = np.minimum(places + after, len(x) - 1) - np.maximum(places - before, 0) + 1
    mean: Floats = _sums(np.pad(x, ((before, after), (0, 0))), before + after + 1)
    mean /= counts[:, None]
    return mean


def _sums(x: Floats, length: int) -> Floats:
    """Of every `length` rows in a row, from sums of 1, 2, 4, ... rows: (F + length - 1, D) -> (F, D).

    Not from differences of running sums, by which a step would say something of all that come after it.
    """
    num_rows, size, start = len(x) - length + 1, 1, 0
    total = np.zeros((num_rows, x.shape[1]), np.float32)
    while True:
        if length & size:
            total += x[start : start + num_rows]
            start += size
        if 2 * size > length:
            return total
        x = np.add(x[:-size], x[size:])
        size *= 2
