"""Movement over an action: values that pass through keys, places that are fixed to the room or to the head."""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from egoact.kitchen.drawing.camera import Camera

Point = tuple[float, float, float]
Keys = Sequence[tuple[float, float]]
Handles = Callable[[str, float], Point]


@dataclass(frozen=True)
class Spot:
    """A place.

    Args:
        point: Metres, in world axes, or camera axes if `on_head`.
        on_head: Whether it moves with the head.
        offset: Added in camera axes.
        handle: Name of a fixture whose handle it is; then `point` is not used.
    """

    point: Point = (0.0, 0.0, 0.0)
    on_head: bool = False
    offset: Point = (0.0, 0.0, 0.0)
    handle: str | None = None

    def plus(self, offset: Point) -> "Spot":
        """This place, moved in camera axes."""
        x, y, z = (float(a + b) for a, b in zip(self.offset, offset, strict=True))
        return Spot(self.point, self.on_head, (x, y, z), self.handle)

    def seen(self, camera: Camera, handle: Callable[[str], Point]) -> np.ndarray:
        """Where it is in camera axes, float64, shape (3,)."""
        point = self.point if self.handle is None else handle(self.handle)
        place = np.asarray(point, float) if self.on_head else camera.to_camera(np.asarray(point))
        return place + self.offset


def ease(x: float) -> float:
    """Minimum-jerk rise from 0 to 1.

    Source: T. Flash and N. Hogan, "The coordination of arm movements", J. Neuroscience 5, 1985.
    """
    x = min(max(x, 0.0), 1.0)
    return x * x * x * (10 - 15 * x + 6 * x * x)


def value_at(keys: Keys, u: float) -> float:
    """A number that passes through (time, value) keys with eased steps between them."""
    before, after, part = _around([k for k, _ in keys], u)
    return keys[before][1] + (keys[after][1] - keys[before][1]) * part


def spot_at(keys: Sequence[tuple[float, Spot]], u: float, camera: Camera, handle: Callable[[str], Point]) -> np.ndarray:
    """A place in camera axes that passes through (time, spot) keys."""
    before, after, part = _around([k for k, _ in keys], u)
    start = keys[before][1].seen(camera, handle)
    if part == 0.0:
        return start
    return start + (keys[after][1].seen(camera, handle) - start) * part


def _around(times: Sequence[float], u: float) -> tuple[int, int, float]:
    after = bisect_right(times, u)
    if after == 0:
        return 0, 0, 0.0
    if after == len(times):
        return len(times) - 1, len(times) - 1, 0.0
    return after - 1, after, ease((u - times[after - 1]) / (times[after] - times[after - 1]))


@dataclass(frozen=True)
class HandMove:
    """One hand over an action: its grip's place, how far it is closed into a pose, its turn at the wrist."""

    places: Sequence[tuple[float, Spot]]
    pose: str
    closed: Keys
    twist: Keys = ((0.0, 0.0),)
    thumb_over: bool = False
    wiggle: "Wiggle | None" = None


@dataclass(frozen=True)
class ThingMove:
    """One thing over an action: its base's place, turn, and the states of `scene.Thing`."""

    places: Sequence[tuple[float, Spot]]
    angle: Keys = ((0.0, 0.0),)
    sunk: Keys = ((0.0, 0.0),)
    cut: Keys = ((0.0, 0.0),)
    shadow: Keys = ((0.0, 0.0),)
    mirrored: bool = False
    wiggle: "Wiggle | None" = None


@dataclass(frozen=True)
class Wiggle:
    """A repeated movement added in camera axes while `level` is above 0.

    Args:
        size: Amplitude along each camera axis, metres.
        turns: Repetitions over the action.
        phase: Of the three axes, radians.
        level: Keys of the strength, 0..1.
    """

    size: Point
    turns: float
    phase: Point
    level: Keys

    def at(self, u: float) -> np.ndarray:
        """Offset in camera axes, float64, shape (3,)."""
        angles = 2 * np.pi * self.turns * u + np.asarray(self.phase)
        return np.asarray(self.size) * np.sin(angles) * value_at(self.level, u)


@dataclass(frozen=True)
class Stance:
    """Where the cook stands and looks; `zoom` stands for leaning in."""

    eye: Point
    target: Point
    zoom: float


@dataclass(frozen=True)
class Stream:
    """Something that is poured from a moving thing into a place."""

    source: str
    into: Point
    lip_metres: float
    side: float
    colour: tuple[float, float, float]
    level: Keys


@dataclass(frozen=True)
class Move:
    """Everything that moves in one action; `backwards` plays it in reversed time.

    Args:
        stance: Where the cook stands.
        hands: By side, "left" or "right".
        things: By identity.
        openings: By fixture.
        running: By device.
        stream: What is poured.
        backwards: Whether time runs from 1 to 0.
    """

    stance: Stance
    hands: Mapping[str, HandMove] = field(default_factory=dict)
    things: Mapping[str, ThingMove] = field(default_factory=dict)
    openings: Mapping[str, Keys] = field(default_factory=dict)
    running: Mapping[str, Keys] = field(default_factory=dict)
    stream: Stream | None = None
    backwards: bool = False

    def time(self, u: float) -> float:
        """Time inside the keys for a moment `u` (0..1) of the action."""
        return 1 - u if self.backwards else u
