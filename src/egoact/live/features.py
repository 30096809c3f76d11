"""Features of frames that come one by one, of all streams of a run.

frames      |  f0  |  f1  |  f2  |  f3  |  f4  |  f5  |
looked at      x                    x             x        f3 is compared with f1, f5 with f3: about a lag before

Knows nothing about cameras, nor about what is done with the features.
"""

from collections import deque

import numpy as np

from egoact.engines.streams import StreamEngine
from egoact.live.memories import GAP_SECONDS
from egoact.media.stills.pictures import resize_area


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

    Args:
        engine: Of the streams.
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
