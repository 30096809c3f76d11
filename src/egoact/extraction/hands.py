"""The hands of a recording, from the pictures that are decoded for its features anyway."""

import numpy as np

from egoact.core.errors import MediaError
from egoact.core.timelines.hands.tracking import HandTracks, Palm, track_hands
from egoact.engines.hands import HandDetector
from egoact.media.sources import MediaSource, read_frames


class HandPass:
    """Looks for hands in one batch of pictures after another.

    Args:
        detector: Finds palms.
        aspect_ratio: Width through height of the recording, see `aspect_ratio_of`.
    """

    def __init__(self, detector: HandDetector, *, aspect_ratio: float) -> None:
        self._detector, self._aspect_ratio = detector, aspect_ratio
        self._palms: list[tuple[Palm, ...]] = []

    def __len__(self) -> int:
        """Steps so far."""
        return len(self._palms)

    def add(self, frames: np.ndarray, counts: np.ndarray) -> None:
        """Look at the next pictures, uint8 (B, H, W, 3) RGB; int (B,) says for how many steps each stands."""
        for palms, count in zip(self._detector.run(frames, aspect_ratio=self._aspect_ratio), counts, strict=True):
            self._palms += [palms] * int(count)

    def track(self, *, rate: float) -> HandTracks:
        """Both hands in all pictures so far, `rate` steps a second."""
        return track_hands(self._palms, rate=rate)


def aspect_ratio_of(source: MediaSource) -> float:
    """Width through height of the pictures of a recording, as a person sees them.

    Raises:
        MediaError: Its first picture cannot be read.
    """
    _, picture = next(iter(read_frames(source, np.zeros(1))))
    if isinstance(picture, MediaError):
        raise picture
    return float(picture.shape[1] / picture.shape[0])
