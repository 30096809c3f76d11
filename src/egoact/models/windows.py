"""What a run says of pieces of a recording whose features are there, a few steps a second.

Shapes: F steps, N windows, T frames, K classes.
"""

import numpy as np

from egoact.core.timeline_rules import log_softmax
from egoact.core.windows import Floats, frame_steps, step_times, windows_around
from egoact.models.recognizer import Recognizer

_WINDOWS_AT_ONCE = 128


def score_windows(
    recognizer: Recognizer, features: np.ndarray, starts: Floats, stops: Floats, *, rate: int
) -> dict[str, np.ndarray]:
    """Logits of some windows, each taken for a clip: target -> float32 (N, K).

    Args:
        recognizer: Of the features' backbone.
        features: float16 (F, *feature), may be mapped: windows are read as they are needed.
        starts: float64 (N,), seconds.
        stops: float64 (N,), seconds.
        rate: Steps per second.
    """
    steps = frame_steps(starts, stops, rate=rate, num_frames=recognizer.config.num_frames, num_steps=len(features))
    parts = [
        recognizer.score(features[steps[first : first + _WINDOWS_AT_ONCE]])
        for first in range(0, len(steps), _WINDOWS_AT_ONCE)
    ]
    return {target: np.concatenate([part[target] for part in parts]) for target in parts[0]}


def score_steps(
    recognizer: Recognizer, features: np.ndarray, *, rate: int, window_seconds: tuple[float, ...]
) -> dict[str, Floats]:
    """Log probability of every class at every step, target -> float64 (F, K): the mean over windows of some lengths."""
    times, end = step_times(len(features), rate=rate), len(features) / rate
    total: dict[str, Floats] = {}
    for length in window_seconds:
        starts, stops = windows_around(times, length_seconds=length, end_seconds=end)
        for target, logits in score_windows(recognizer, features, starts, stops, rate=rate).items():
            total[target] = total.get(target, 0.0) + log_softmax(logits) / len(window_seconds)
    return total
