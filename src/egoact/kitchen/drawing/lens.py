"""What a small head-worn camera adds: exposure drift, vignetting, motion blur, sensor noise."""

from functools import cache

import cv2
import numpy as np

NUM_NOISE_PICTURES = 7


class Lens:
    """A camera's optics and sensor.

    Args:
        width: Pixels.
        height: Pixels.
        tint: Colour cast.
        rng: Of the noise and the drift.
    """

    def __init__(self, width: int, height: int, *, tint: tuple[float, float, float], rng: np.random.Generator) -> None:
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        falloff = 1 - 0.2 * np.clip(x**2 + y**2, 0, 2) ** 1.4 / 2
        cast = np.asarray(tint) * rng.normal(1.0, 0.012, 3)
        self._gain = falloff[..., None] * cast
        self._noise = _noise(width, height)
        self._drifts = [(rng.uniform(0.03, 0.25), rng.uniform(0, 6.3)) for _ in range(3)]
        self._exposure = rng.normal(1.0, 0.05)
        self._rng = rng
        self._applied: tuple[int, np.ndarray] | None = None

    def expose(self, picture: np.ndarray, *, seconds: float, light: float, drift: float) -> np.ndarray:
        """The picture as the camera records it.

        Args:
            picture: uint8 RGB.
            seconds: Time, for the drift of the exposure.
            light: Whether the kitchen's lamp is on, 0..1.
            drift: How far the picture moved to the side since the last one, pixels.
        """
        wave = sum(np.sin(2 * np.pi * f * seconds + p) for f, p in self._drifts)
        level = (0.98 + 0.12 * light) * self._exposure * (1 + 0.025 * wave)
        step = round(level * 64)
        if self._applied is None or self._applied[0] != step:
            gain = np.clip(self._gain * (step / 64) * 128, 0, 255)
            self._applied = (step, np.round(gain).astype(np.uint8))
        if abs(drift) > 2.5:
            reach = min(round(abs(drift) * 0.45), 9)
            picture = cv2.blur(picture, (reach | 1, 1))
        lit = cv2.multiply(picture, self._applied[1], scale=1 / 128)
        noise = self._noise[int(self._rng.integers(NUM_NOISE_PICTURES))]
        return cv2.addWeighted(lit, 1.0, noise, 1.0, -128)


@cache
def _noise(width: int, height: int) -> list[np.ndarray]:
    """Pictures of sensor noise around 128, grey and coloured, uint8 (height, width, 3)."""
    rng = np.random.default_rng(0)
    shape = (NUM_NOISE_PICTURES, height, width)
    noise = rng.normal(128, 1.7, (*shape, 1)) + rng.normal(0, 0.7, (*shape, 3))
    return [np.ascontiguousarray(np.round(n).astype(np.uint8)) for n in noise]
