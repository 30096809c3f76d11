"""A cook's arms: hands in skin and sleeves, lit, and put where they hold something."""

from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np

from egoact.kitchen.cook.hands import ABOVE_HANDS, NAIL, PIXELS_PER_HAND, SLEEVE, WIDTH_HANDS, hand_shape, pixel_grid
from egoact.kitchen.cook.skeleton import POSES, Pose
from egoact.kitchen.drawing.camera import Camera
from egoact.kitchen.drawing.paint import Sprite, draw_sprite, make_sprite
from egoact.kitchen.drawing.reflectance import Colour

HAND_METRES = 0.2
POSE_STEPS = 4
GRIP_HANDS = {
    "wrap": (0.0, 0.62),
    "fist": (0.02, 0.52),
    "rim": (-0.1, 0.72),
    "pinch": (-0.08, 0.68),
    "flat": (0.0, 0.7),
}


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


@lru_cache(maxsize=256)
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
    x, y = pixel_grid()
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


@dataclass(frozen=True)
class HandAt:
    """A hand at one moment.

    Args:
        place: Of its grip, camera axes, metres.
        pose: Of `GRIP_HANDS`.
        closed: How far it is closed into the pose, 0 is open, 1 is closed.
        twist: Turn at the wrist, radians, clockwise.
        thumb_over: Whether only the thumb is before what it holds.
    """

    place: np.ndarray
    pose: str
    closed: float
    twist: float
    thumb_over: bool


def draw_hand(
    picture: np.ndarray,
    camera: Camera,
    arm: Arm,
    side: str,
    hand: HandAt,
    *,
    key: Colour,
    fill: Colour,
    only_thumb: bool = False,
) -> None:
    """Draw a hand with its forearm, which comes from below the picture."""
    at = camera.pixels(hand.place)
    pixels_per_metre = camera.focal / max(float(hand.place[2]), 0.2)
    size = HAND_METRES * arm.size * pixels_per_metre
    if at[1] - size > camera.height:
        return
    sign = 1.0 if side == "right" else -1.0
    reach = at - (camera.width * (0.5 + sign * 0.4), camera.height * 1.6)
    angle = float(np.arctan2(reach[0], -reach[1])) * 0.85 + hand.twist
    grip_x, grip_y = GRIP_HANDS[hand.pose]
    along = np.array([np.sin(angle), -np.cos(angle)])
    across = np.array([np.cos(angle), np.sin(angle)]) * sign
    pose = POSES["open"].towards(POSES[hand.pose], round(hand.closed * POSE_STEPS) / POSE_STEPS)
    draw_sprite(
        picture,
        hand_sprite(arm, pose, key=key, fill=fill, only_thumb=only_thumb),
        at - (along * grip_y + across * grip_x) * size,
        pixels_per_metre=pixels_per_metre,
        angle=angle,
        mirrored=side == "left",
    )
