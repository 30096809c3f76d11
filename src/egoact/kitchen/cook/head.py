"""Where the head-worn camera is and looks: at what is handled, in between at this and that, and never still."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from egoact.kitchen.cook.motion import Stance, ease
from egoact.kitchen.drawing.camera import Camera, look_at

WIDTH, HEIGHT = 384, 288
FOCAL_PIXELS = 292.0
GLANCE_RADIANS = (0.16, 0.07)
SWAY_RADIANS = (0.011, 0.009, 0.009)


class Head:
    """The camera's path through a recording.

    Args:
        stances: Where the cook stands in each action.
        spans: Start and stop of each action, seconds.
        rng: Of glances and sway.
    """

    def __init__(
        self, stances: Sequence[Stance], spans: Sequence[tuple[float, float]], rng: np.random.Generator
    ) -> None:
        self._stances, self._spans = stances, spans
        self._waves = [(rng.uniform(0.12, 1.1), rng.uniform(0, 6.3), rng.normal(0, 1, 3)) for _ in range(7)]
        self._glances = [rng.normal(0, GLANCE_RADIANS) for _ in stances]

    def camera(self, index: int, seconds: float) -> Camera:
        """The view at a time in action `index` or in the gap before it."""
        steady = self._steady(index, seconds)
        waves = [np.sin(2 * np.pi * f * seconds + phase) * size / (1 + 2.5 * f) for f, phase, size in self._waves]
        yaw, pitch, roll = (float(v) for v in np.sum(waves, axis=0) * SWAY_RADIANS)
        return replace(steady, yaw=steady.yaw + yaw, pitch=steady.pitch + pitch, roll=roll)

    def settled(self, index: int, camera: Camera) -> bool:
        """Whether the eye is where it stays during action `index`."""
        return camera.eye == self._stances[index].eye

    def _steady(self, index: int, seconds: float) -> Camera:
        here, start = _camera(self._stances[index]), self._spans[index][0]
        if seconds >= start or index == 0:
            return here
        last, stop = _camera(self._stances[index - 1]), self._spans[index - 1][1]
        raw = min(max((seconds - stop) / (start - stop), 0.0), 1.0)
        part = ease(raw)
        glance = np.sin(np.pi * raw) ** 2 * self._glances[index]
        x, y, z = (a if a == b else a + (b - a) * part for a, b in zip(last.eye, here.eye, strict=True))
        return replace(
            here,
            eye=(x, y, z),
            yaw=last.yaw + (here.yaw - last.yaw) * part + float(glance[0]),
            pitch=last.pitch + (here.pitch - last.pitch) * part + float(glance[1]),
            focal=last.focal + (here.focal - last.focal) * part,
        )


def _camera(stance: Stance) -> Camera:
    yaw, pitch = look_at(stance.eye, stance.target)
    return Camera(stance.eye, yaw, pitch, 0.0, FOCAL_PIXELS * stance.zoom, WIDTH, HEIGHT)
