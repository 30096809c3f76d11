"""Hands as height maps: a skeleton of tapered capsules, seen from the back of the hand.

Hand axes: origin at the wrist, x towards the little finger of a right hand, y along the fingers, z towards
the eye; the unit is a hand's length.

       y ▲   | | | |
         |   | | | | /thumb is on the left (small x)
         |    palm
         +----wrist----► x
             forearm
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from egoact.kitchen.coats import Colour
from egoact.kitchen.paint import Sprite, make_sprite

HAND_METRES = 0.2
PIXELS_PER_HAND = 118
WIDTH_HANDS, ABOVE_HANDS, BELOW_HANDS = 1.35, 1.12, 3.3
SKIN, NAIL, SLEEVE, BAND = 0, 1, 2, 3


@dataclass(frozen=True)
class Pose:
    """Bends of the joints in degrees.

    Args:
        fingers: Bend at knuckle, middle and end joint, the same for four fingers.
        fan: How far the fingers spread, 1 is a relaxed hand.
        thumb_turn: Direction of the thumb, degrees from the fingers' direction towards its own side.
        thumb_bend: Bend of the thumb's two outer joints.
    """

    fingers: tuple[float, float, float]
    fan: float
    thumb_turn: float
    thumb_bend: float

    def towards(self, other: "Pose", amount: float) -> "Pose":
        """The pose that lies `amount` (0..1) of the way to another one."""
        mine, theirs = np.array(self._numbers()), np.array(other._numbers())
        first, second, third, fan, turn, bend = (float(x) for x in mine + (theirs - mine) * amount)
        return Pose((first, second, third), fan, turn, bend)

    def _numbers(self) -> tuple[float, ...]:
        return (*self.fingers, self.fan, self.thumb_turn, self.thumb_bend)


OPEN = Pose((12, 14, 8), 1.5, 48, 5)
POSES = {
    "open": OPEN,
    "relaxed": Pose((28, 34, 20), 0.9, 36, 12),
    "wrap": Pose((44, 52, 38), 1.0, 40, 22),
    "fist": Pose((66, 92, 55), 0.5, 12, 40),
    "rim": Pose((30, 46, 30), 0.7, 8, 10),
    "pinch": Pose((40, 62, 40), 0.5, 16, 22),
    "flat": Pose((4, 8, 5), 0.4, 22, 5),
}
KNUCKLES = {"index": (-0.155, 0.5), "middle": (-0.05, 0.53), "ring": (0.055, 0.505), "little": (0.15, 0.45)}
LENGTHS = {"index": 0.42, "middle": 0.46, "ring": 0.43, "little": 0.34}
RADII = {"index": 0.058, "middle": 0.06, "ring": 0.057, "little": 0.05}


@dataclass(frozen=True)
class Bone:
    """A tapered capsule: two balls and what lies between, in hand axes."""

    start: tuple[float, float, float]
    stop: tuple[float, float, float]
    start_radius: float
    stop_radius: float
    is_tip: bool = False


def _finger_bones(name: str, pose: Pose) -> list[Bone]:
    x, y = KNUCKLES[name]
    point = np.array([x, y, 0.02])
    side = x * pose.fan * 1.1
    bones, bend, radius = [], 0.0, RADII[name]
    for i, (share, joint) in enumerate(zip((0.45, 0.3, 0.25), pose.fingers, strict=True)):
        bend += np.radians(joint)
        step = np.array([np.sin(side) * np.cos(bend), np.cos(side) * np.cos(bend), -np.sin(bend)])
        stop = point + step * LENGTHS[name] * share
        bones.append(Bone(tuple(point), tuple(stop), radius, radius * 0.88, i == 2))
        point, radius = stop, radius * 0.88
    return bones


def _thumb_bones(pose: Pose) -> list[Bone]:
    point = np.array([-0.13, 0.13, -0.02])
    bones = []
    for i, (length, radius) in enumerate(((0.22, 0.085), (0.17, 0.062), (0.15, 0.055))):
        turn = np.radians(pose.thumb_turn - (pose.thumb_bend * i) + (12 if i == 0 else 0))
        stop = point + np.array([-np.sin(turn), np.cos(turn), -0.08]) * length
        bones.append(Bone(tuple(point), tuple(stop), radius, radius * 0.86, i == 2))
        point = stop
    return bones


PALM = tuple(Bone((x * 0.55, 0.04, -0.01), (x, y, 0.0), 0.1, 0.066) for x, y in KNUCKLES.values())
FOREARM = Bone((0, 0.06, -0.03), (0, -3.6, 0.0), 0.118, 0.31)


def _pixel_grid() -> tuple[np.ndarray, np.ndarray]:
    width = round(WIDTH_HANDS * PIXELS_PER_HAND)
    height = round((ABOVE_HANDS + BELOW_HANDS) * PIXELS_PER_HAND)
    x = (np.arange(width) + 0.5) / PIXELS_PER_HAND - WIDTH_HANDS / 2
    y = ABOVE_HANDS - (np.arange(height) + 0.5) / PIXELS_PER_HAND
    return tuple(np.meshgrid(x.astype(np.float32), y.astype(np.float32)))  # type: ignore[return-value]


def _window(bone: Bone, x: np.ndarray, y: np.ndarray, *, swell: float) -> tuple[slice, slice]:
    """The part of the grid that a bone can cover."""
    reach = max(bone.start_radius, bone.stop_radius) + swell + 2 / PIXELS_PER_HAND
    columns = np.searchsorted(
        x[0], [min(bone.start[0], bone.stop[0]) - reach, max(bone.start[0], bone.stop[0]) + reach]
    )
    rows = np.searchsorted(
        -y[:, 0], [-max(bone.start[1], bone.stop[1]) - reach, -min(bone.start[1], bone.stop[1]) + reach]
    )
    return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))


def _rise(bone: Bone, x: np.ndarray, y: np.ndarray, *, swell: float = 0.0) -> tuple[np.ndarray, ...]:
    """Height of a bone's front, its coverage, position along it (0..1) and across it (-1..1)."""
    (x0, y0, z0), (x1, y1, z1) = bone.start, bone.stop
    dx, dy = x1 - x0, y1 - y0
    squared = max(dx * dx + dy * dy, 1e-6)
    along = np.clip(((x - x0) * dx + (y - y0) * dy) / squared, 0, 1)
    radius = bone.start_radius + (bone.stop_radius - bone.start_radius) * along + swell
    distance = np.hypot(x - x0 - along * dx, y - y0 - along * dy)
    coverage = np.clip((radius - distance) * PIXELS_PER_HAND + 0.5, 0, 1)
    height = z0 + (z1 - z0) * along + np.sqrt(np.maximum(radius**2 - distance**2, 0))
    across = ((x - x0) * dy - (y - y0) * dx) / np.sqrt(squared) / radius
    return np.where(coverage > 0, height, -9.0), coverage, along, across


@dataclass(frozen=True)
class HandShape:
    """A posed hand's height map.

    Args:
        coverage: Float, (H, W), 0..1.
        normals: Float, (H, W, 3).
        material: int, (H, W): SKIN, NAIL, SLEEVE or BAND.
        redness: Float, (H, W): joints and finger tips are redder.
        crease: Float, (H, W): 1 in the open, less between fingers.
    """

    coverage: np.ndarray
    normals: np.ndarray
    material: np.ndarray
    redness: np.ndarray
    crease: np.ndarray


@cache
def hand_shape(pose: Pose, *, cuff: float, only_thumb: bool = False) -> HandShape:
    """The height map of a right hand with its forearm; `cuff` is where the sleeve ends, in hand lengths."""
    x, y = _pixel_grid()
    height, coverage = np.full_like(x, -9.0), np.zeros_like(x)
    material, redness = np.zeros(x.shape, np.int8), np.zeros_like(x)
    bones = [b for name in KNUCKLES for b in _finger_bones(name, pose)]
    layers = [*([] if only_thumb else [FOREARM, *PALM, *bones]), *_thumb_bones(pose)]
    for bone in layers:
        where = _window(bone, x, y, swell=0.0)
        rise, cover, along, across = _rise(bone, x[where], y[where])
        height[where] = _smooth_max(height[where], rise, 0.05 if bone in PALM else 0.012)
        coverage[where] = np.maximum(coverage[where], cover)
        near = (rise >= height[where] - 0.03) & (cover > 0)
        if bone is not FOREARM and bone not in PALM:
            red = 0.55 * np.exp(-((along / 0.22) ** 2)) + 0.4 * bone.is_tip * along
            redness[where] = np.where(near, red, redness[where])
        if bone.is_tip:
            nail = near & (along > 0.5) & (((along - 0.82) / 0.34) ** 2 + (across / 0.62) ** 2 < 1)
            material[where] = np.where(nail, NAIL, np.where(near, SKIN, material[where]))
    if not only_thumb:
        height, coverage, material = _dress(height, coverage, material, x, y, cuff)
    gradient_y, gradient_x = np.gradient(np.maximum(cv2.GaussianBlur(height, (0, 0), 0.8), -0.3), 1 / PIXELS_PER_HAND)
    normals = np.stack([-gradient_x, gradient_y, np.ones_like(x)], axis=-1).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    open_height = cv2.GaussianBlur(np.maximum(height, -0.25), (0, 0), 5)
    crease = np.clip(1 - np.maximum(open_height - height, 0) * 5, 0.45, 1)
    return HandShape(coverage, normals, material, redness, crease)


def _dress(
    height: np.ndarray, coverage: np.ndarray, material: np.ndarray, x: np.ndarray, y: np.ndarray, cuff: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    folds = 0.018 * np.sin(y * 9 + 2.5 * np.sin(x * 4)) + 0.012 * np.sin(y * 23 + x * 11)
    rise, cover, _, _ = _rise(FOREARM, x, y, swell=0.055)
    edge = np.clip((-cuff - y + 0.03 * x**2) * PIXELS_PER_HAND, 0, 1)
    hem = 0.02 * (y > -cuff - 0.09)
    worn = edge > 0.5
    height = np.where(worn & (cover > 0), rise + folds * (y < -cuff - 0.12) + hem, height)
    coverage = np.maximum(coverage * (1 - edge), cover * edge)
    return height, coverage, np.where(worn & (cover > 0), SLEEVE, material)


def _smooth_max(first: np.ndarray, second: np.ndarray, width: float) -> np.ndarray:
    overlap = np.clip(0.5 + 0.5 * (second - first) / width, 0, 1)
    return first + (second - first) * overlap + width * overlap * (1 - overlap)


@dataclass(frozen=True)
class Arm:
    """How a cook's arms look.

    Args:
        skin: Reflectance of the skin.
        sleeve: Reflectance of the sleeve.
        stripe: Reflectance of the sleeve's pattern.
        pattern: "plain", "stripes" or "checks".
        cuff: Where the sleeve ends: hand lengths below the wrist.
        size: Factor on the size of the hands.
    """

    skin: Colour
    sleeve: Colour
    stripe: Colour
    pattern: str
    cuff: float
    size: float

    def __post_init__(self) -> None:
        if self.pattern not in ("plain", "stripes", "checks"):
            raise ValueError(f"pattern must be plain, stripes or checks, got {self.pattern!r}")


def hand_sprite(arm: Arm, pose: Pose, *, key: Colour, fill: Colour, only_thumb: bool = False) -> Sprite:
    """A right hand with its forearm; the anchor is the wrist."""
    seen = hand_shape(pose, cuff=arm.cuff, only_thumb=only_thumb)
    colours = np.empty((*seen.coverage.shape, 3), np.float32)
    skin = np.asarray(arm.skin, np.float32)
    pink = skin * np.array([1.06, 0.82, 0.78], np.float32)
    noise = _skin_noise(seen.coverage.shape)
    colours[:] = (skin + (pink - skin) * seen.redness[..., None]) * (1 + noise[..., None])
    nail = np.minimum(skin * 0.6 + np.array([0.42, 0.32, 0.3], np.float32), 0.98)
    colours[seen.material == NAIL] = nail
    worn = seen.material == SLEEVE
    colours[worn] = _sleeve(arm)[worn]
    light = np.array([-0.45, 0.6, 0.66], np.float32)
    diffuse = np.clip(seen.normals @ light * 0.85 + 0.15, 0, 1)[..., None]
    under = np.clip(1 - diffuse, 0, 1) * ~worn[..., None] * np.array([0.07, 0.015, 0.0], np.float32)
    sky = (0.7 + 0.3 * seen.normals[..., 1:2]) * np.asarray(fill, np.float32)
    shine = np.clip(seen.normals @ np.array([-0.26, 0.35, 0.9], np.float32), 0, 1) ** 22 * ~worn * np.float32(0.07)
    picture = colours * (diffuse * np.asarray(key, np.float32) + sky) * seen.crease[..., None] + under * colours
    picture = picture + shine[..., None]
    centre = (WIDTH_HANDS / 2 * PIXELS_PER_HAND, ABOVE_HANDS * PIXELS_PER_HAND)
    return make_sprite(picture, seen.coverage, anchor=centre, pixels_per_metre=PIXELS_PER_HAND / HAND_METRES / arm.size)


@cache
def _sleeve(arm: Arm) -> np.ndarray:
    x, y = _pixel_grid()
    weave = 1 + 0.05 * np.sin(x * 160) * np.sin(y * 160)
    stripe = (np.mod(y * 4.5, 1) < 0.32) * (arm.pattern != "plain")
    if arm.pattern == "checks":
        stripe = 0.5 * stripe + 0.5 * (np.mod(np.arcsin(np.clip(x * 3, -1, 1)) * 1.6, 1) < 0.32)
    base, second = np.asarray(arm.sleeve), np.asarray(arm.stripe)
    hem = np.where((y > -arm.cuff - 0.09)[..., None], 0.85, 1.0)
    cloth = (base + (second - base) * np.asarray(stripe, float)[..., None]) * weave[..., None] * hem
    return cloth.astype(np.float32)


@cache
def _skin_noise(shape: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(5)
    fine = cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), 1.2) * 0.05
    return (fine + cv2.GaussianBlur(rng.standard_normal(shape), (0, 0), 7) * 0.25).astype(np.float32)
