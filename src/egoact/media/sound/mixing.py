"""Speech over sound: what is heard otherwise is turned down meanwhile. Arrays in, arrays out.

gain of the sound  ‾‾‾‾╲▁▁▁▁╱‾‾‾‾
speech                  ├──┤

Shapes: N samples of C channels, float32 from -1 to 1.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

DUCKED_GAIN = 10 ** (-15 / 20)  # of the sound under speech: 15 dB less
FADE_SECONDS = 0.15
SPEECH_LEVEL = 10 ** (-20 / 20)  # root mean square
_MOST_SPEECH = 0.8  # with the sound under it that is less than 1: nothing is ever cut off
_SILENT = 10 ** (-50 / 20)  # of the peak: what is below at the ends of speech is cut


@dataclass(frozen=True, eq=False)
class PlacedSpeech:
    """Speech, and where it begins."""

    first: int  # the sample at which it begins
    samples: np.ndarray  # float32 (N,)

    @property
    def last(self) -> int:
        """The sample after it."""
        return self.first + len(self.samples)


class Mixer:
    """Mixes one block after another with speech, in order of time, never two at once; `rate` samples a second."""

    def __init__(self, speech: Sequence[PlacedSpeech], *, rate: int) -> None:
        self._speech = deque(speech)  # what is not over
        self._fade = max(round(FADE_SECONDS * rate), 1)
        self._position = 0

    def mix(self, block: np.ndarray) -> np.ndarray:
        """The next block of sound, float32 (N, C), with speech over it."""
        first = self._position
        self._position = last = first + len(block)
        while self._speech and self._speech[0].last + self._fade <= first:
            self._speech.popleft()
        near = list(takewhile(lambda speech: speech.first - self._fade < last, self._speech))
        if not near:
            return block
        places = np.arange(first, last)
        away = np.full(len(block), self._fade)
        for each in near:
            away = np.minimum(away, np.maximum(np.maximum(each.first - places, places - each.last + 1), 0))
        gains = DUCKED_GAIN + (1 - DUCKED_GAIN) * away / self._fade
        mixed = block * gains[:, None].astype(np.float32)
        for each in near:
            start, stop = max(each.first, first), min(each.last, last)
            if start < stop:
                mixed[start - first : stop - first] += each.samples[start - each.first : stop - each.first, None]
        return mixed


def even_out(samples: np.ndarray) -> np.ndarray:
    """Speech without silence at its ends, as loud as all speech is: float32 (N,) -> (M,); empty where it is silent."""
    peak = np.abs(samples).max(initial=0.0)
    loud = np.flatnonzero(np.abs(samples) > _SILENT * peak)
    if not len(loud):
        return samples[:0]
    spoken = samples[loud[0] : loud[-1] + 1]
    level = float(np.sqrt(np.mean(np.square(spoken, dtype=np.float64))))
    return (spoken * min(SPEECH_LEVEL / level, _MOST_SPEECH / peak)).astype(np.float32)
