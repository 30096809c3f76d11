"""How fast and how late a live source is answered, in memory that does not grow."""

import time
from collections import deque

import numpy as np

_MOST_MILLISECONDS = 60_000
_NUM_RECENT = 64


class LiveClock:
    """Takes note of pictures and predictions.

    The delay of a prediction is its age when it is given: from when its newest picture was taken until now. While it
    is shown it grows older, until the next one takes its place: that is its greatest age.
    """

    def __init__(self) -> None:
        self.num_predictions = 0
        self.num_passed = 0  # pictures that nobody looked at: a newer one was there, or they were not due
        self._num_looked_at = 0
        self._taken: float | None = None
        self._pictures: deque[tuple[float, int]] = deque(maxlen=_NUM_RECENT)
        self._predictions: deque[tuple[float, int]] = deque(maxlen=_NUM_RECENT)
        self._delays = np.zeros(_MOST_MILLISECONDS + 1, dtype=np.int64)
        self._ages = np.zeros(_MOST_MILLISECONDS + 1, dtype=np.int64)

    def note_pictures(self, num_taken: int, *, is_looked_at: bool) -> None:
        """So many pictures were taken until now, and one was given to whoever looks."""
        self._num_looked_at += is_looked_at
        self.num_passed = num_taken - self._num_looked_at
        self._pictures.append((time.monotonic(), num_taken))

    def note_prediction(self, taken: float) -> float:
        """A prediction about a picture of that time is there; gives its delay in seconds."""
        now = time.monotonic()
        if self._taken is not None:
            _count(self._ages, now - self._taken)
        self._taken = taken
        _count(self._delays, now - taken)
        self.num_predictions += 1
        self._predictions.append((now, self.num_predictions))
        return now - taken

    @property
    def age_seconds(self) -> float:
        """Of the newest prediction, now; 0 before the first one."""
        return 0.0 if self._taken is None else time.monotonic() - self._taken

    @property
    def frames_per_second(self) -> float:
        """Pictures that the source takes, lately."""
        return _rate(self._pictures)

    @property
    def predictions_per_second(self) -> float:
        """Lately."""
        return _rate(self._predictions)

    def delay(self, percent: float) -> float:
        """So many percent of the predictions had at most this delay, seconds."""
        return _percentile(self._delays, percent)

    def greatest_age(self, percent: float) -> float:
        """So many percent of the predictions were at most this old when the next one came, seconds."""
        return _percentile(self._ages, percent)


def _count(histogram: np.ndarray, seconds: float) -> None:
    histogram[min(int(np.ceil(1000 * max(seconds, 0.0))), _MOST_MILLISECONDS)] += 1


def _percentile(histogram: np.ndarray, percent: float) -> float:
    total = int(histogram.sum())
    if not total:
        return 0.0
    return float(np.searchsorted(np.cumsum(histogram), percent / 100 * total)) / 1000


def _rate(recent: deque[tuple[float, int]]) -> float:
    if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
        return 0.0
    return (recent[-1][1] - recent[0][1]) / (recent[-1][0] - recent[0][0])
