"""Puts textured planes and sprites on a picture, with anti-aliased edges; knows nothing about kitchens.

Pictures are uint8 RGB, (H, W, 3), changed in place. What is warped has four channels, which is twice as fast.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from egoact.kitchen.drawing.camera import NEAR_METRES, Camera

SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Panel:
    """A textured parallelogram in the world.

        corner ──── across ───►
          │  texture row 0
        along
          ▼

    Args:
        corner: World position of the texture's top left corner, metres.
        across: Edge along texture rows, metres.
        along: Edge along texture columns, metres.
        texture: uint8 RGB, (H, W, 3).
        two_sided: Whether it is seen from behind too.
    """

    corner: tuple[float, float, float]
    across: tuple[float, float, float]
    along: tuple[float, float, float]
    texture: np.ndarray
    two_sided: bool = False

    def __post_init__(self) -> None:
        if self.texture.ndim != 3 or self.texture.shape[2] != 3 or self.texture.dtype != np.uint8:
            raise ValueError(f"texture must be uint8 (H, W, 3), got {self.texture.dtype} {self.texture.shape}")

    @cached_property
    def corners(self) -> np.ndarray:
        """Float64, shape (4, 3), around the edge."""
        corner, across, along = (np.asarray(v, float) for v in (self.corner, self.across, self.along))
        return np.stack([corner, corner + across, corner + across + along, corner + along])

    @cached_property
    def normal(self) -> tuple[float, float, float, float]:
        """The plane's normal and its distance along it."""
        (a, b, c), (d, e, f) = self.across, self.along
        x, y, z = b * f - c * e, c * d - a * f, a * e - b * d
        return x, y, z, x * self.corner[0] + y * self.corner[1] + z * self.corner[2]

    @cached_property
    def four_channels(self) -> np.ndarray:
        """The texture, with a channel that nobody looks at."""
        return cv2.cvtColor(self.texture, cv2.COLOR_RGB2RGBA)

    @cached_property
    def pixel_edges(self) -> np.ndarray:
        """Columns: one texture pixel across, one along, the middle of the first one; float64, shape (3, 3)."""
        rows, columns = self.texture.shape[:2]
        across, along = np.asarray(self.across, float) / columns, np.asarray(self.along, float) / rows
        return np.stack([across, along, np.asarray(self.corner, float) + (across + along) / 2], axis=1)

    def faces(self, eye: tuple[float, float, float]) -> bool:
        """Whether the eye is on the painted side."""
        if self.two_sided:
            return True
        x, y, z, distance = self.normal
        return x * eye[0] + y * eye[1] + z * eye[2] > distance


def draw_panel(picture: np.ndarray, panel: Panel, camera: Camera, *, shade: float = 1.0) -> None:
    """Draw the part of a panel that the camera sees.

    Args:
        picture: Changed in place; its size is the camera's.
        panel: What to draw.
        camera: Who looks.
        shade: Factor on the panel's brightness, at most 1.
    """
    if not panel.faces(camera.eye):
        return
    corners = camera.to_camera(panel.corners)
    if camera.misses(corners):
        return
    outline = camera.pixels(_clip_near(corners))
    left, top, right, bottom = _bounds(outline, picture)
    if right <= left or bottom <= top:
        return
    edges = panel.pixel_edges.copy()
    edges[:, 2] -= camera.eye
    matrix = camera.projection @ edges
    matrix[0] -= (left + 0.5) * matrix[2]
    matrix[1] -= (top + 0.5) * matrix[2]
    size = (right - left, bottom - top)
    warped = warp(panel.four_channels, matrix, size, border=cv2.BORDER_REPLICATE)
    if shade < 1.0:
        warped = cv2.convertScaleAbs(warped, alpha=shade)
    mask = np.zeros((size[1], size[0]), np.uint8)
    fixed = np.round((outline - (left, top)) * 2**SUBPIXEL_BITS).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, 255, cv2.LINE_AA, SUBPIXEL_BITS)
    blend(picture[top:bottom, left:right], warped, mask)


class Panels:
    """Panels that never move, most of which are out of sight most of the time: what is told of all of them at once."""

    def __init__(self, panels: Sequence[Panel]) -> None:
        self._panels = panels
        self._corners = np.stack([panel.corners for panel in panels])
        self._normals = np.array([panel.normal for panel in panels])

    def draw(self, picture: np.ndarray, camera: Camera) -> None:
        """Draw them in their order."""
        faces = self._normals[:, :3] @ camera.eye > self._normals[:, 3]
        x, y, z = np.moveaxis(camera.to_camera(self._corners), 2, 0)
        right, down = camera.width / 2 / camera.focal * z, camera.height / 2 / camera.focal * z
        beyond = np.stack([z <= NEAR_METRES, x > right, x < -right, y > down, y < -down]).all(axis=2).any(axis=0)
        for index in np.flatnonzero(faces & ~beyond).tolist():
            draw_panel(picture, self._panels[index], camera)


def warp(
    picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int], *, border: int = cv2.BORDER_CONSTANT
) -> np.ndarray:
    """The first three of four channels, seen through a homography; `size` is width and height."""
    warped = cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
    return cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB)


def blend(region: np.ndarray, colours: np.ndarray, mask: np.ndarray) -> None:
    """Region = colours where mask is 255, unchanged where 0, mixed between; all uint8, in place."""
    weights = cv2.merge([mask, mask, mask])
    kept = cv2.multiply(region, cv2.bitwise_not(weights), scale=1 / 255)
    cv2.add(kept, cv2.multiply(colours, weights, scale=1 / 255), dst=kept)
    region[...] = kept


@dataclass(frozen=True)
class Sprite:
    """A cut-out picture with a scale and a point that it hangs on.

    Args:
        colours: uint8 RGB multiplied by coverage, (H, W, 3).
        holes: uint8, 255 minus coverage, (H, W).
        anchor: Pixel (x, y) that is put on the target point.
        pixels_per_metre: Its resolution.
    """

    colours: np.ndarray
    holes: np.ndarray
    anchor: tuple[float, float]
    pixels_per_metre: float

    def __post_init__(self) -> None:
        if self.colours.shape != (*self.holes.shape, 3) or self.colours.dtype != np.uint8:
            raise ValueError(f"colours (H, W, 3) and holes (H, W) differ: {self.colours.shape}, {self.holes.shape}")

    @cached_property
    def four_channels(self) -> np.ndarray:
        """Colours and holes, uint8, (H, W, 4)."""
        return np.dstack([self.colours, self.holes])


def make_sprite(
    colours: np.ndarray, coverage: np.ndarray, *, anchor: tuple[float, float], pixels_per_metre: float
) -> Sprite:
    """A sprite from float colours (H, W, 3) in 0..1 and float coverage (H, W) in 0..1."""
    premultiplied = np.clip(colours, 0, 1) * coverage[..., None]
    holes = np.round(255 * (1 - coverage)).astype(np.uint8)
    return Sprite(np.round(255 * premultiplied).astype(np.uint8), holes, anchor, pixels_per_metre)


def draw_sprite(
    picture: np.ndarray,
    sprite: Sprite,
    at: np.ndarray,
    *,
    pixels_per_metre: float,
    angle: float = 0.0,
    squeeze: tuple[float, float] = (1.0, 1.0),
    mirrored: bool = False,
) -> None:
    """Draw a sprite with its anchor on a pixel.

    Args:
        picture: Changed in place.
        sprite: What to draw.
        at: Pixel (x, y) of the anchor.
        pixels_per_metre: Scale in the picture.
        angle: Turn clockwise in the picture, radians.
        squeeze: Extra factors on the sprite's own width and height.
        mirrored: Flip left and right.
    """
    scale = pixels_per_metre / sprite.pixels_per_metre
    sin, cos = math.sin(angle) * scale, math.cos(angle) * scale
    wide, tall = -squeeze[0] if mirrored else squeeze[0], squeeze[1]
    a, b, c, d = cos * wide, -sin * tall, sin * wide, cos * tall
    (x, y), (anchor_x, anchor_y) = at.tolist(), sprite.anchor
    x, y = x - (a * anchor_x + b * anchor_y), y - (c * anchor_x + d * anchor_y)
    rows, columns = sprite.holes.shape
    xs, ys = (
        (x, x + columns * a, x + columns * a + rows * b, x + rows * b),
        (y, y + columns * c, y + columns * c + rows * d, y + rows * d),
    )
    left, top, right, bottom = _inside(xs, ys, picture)
    if right <= left or bottom <= top:
        return
    matrix = np.array([[a, b, x - left], [c, d, y - top]])
    warped = cv2.warpAffine(
        sprite.four_channels,
        matrix,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR,
        borderValue=(0, 0, 0, 255),
    )
    colours, holes = cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB), cv2.extractChannel(warped, 3)
    holes = cv2.merge([holes, holes, holes])
    region = picture[top:bottom, left:right]
    cv2.add(colours, cv2.multiply(region, holes, scale=1 / 255), dst=colours)
    region[...] = colours


def draw_polygon(
    picture: np.ndarray, outline: np.ndarray, colour: tuple[float, float, float], *, opacity: float
) -> None:
    """Fill a convex outline (N, 2) in pixels with one translucent colour (0..255)."""
    left, top, right, bottom = _bounds(outline, picture)
    if right <= left or bottom <= top:
        return
    mask = np.zeros((bottom - top, right - left), np.uint8)
    fixed = np.round((outline - (left, top)) * 2**SUBPIXEL_BITS).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, round(255 * opacity), cv2.LINE_AA, SUBPIXEL_BITS)
    colours = np.empty((*mask.shape, 3), np.uint8)
    colours[:] = colour
    blend(picture[top:bottom, left:right], colours, mask)


def _clip_near(points: np.ndarray) -> np.ndarray:
    """The part of a convex polygon (N, 3), camera axes, that lies in front of the eye (Sutherland-Hodgman)."""
    if (points[:, 2] > NEAR_METRES).all():
        return points
    kept = []
    for here, there in zip(points, np.roll(points, -1, axis=0), strict=True):
        inside, next_inside = here[2] > NEAR_METRES, there[2] > NEAR_METRES
        if inside:
            kept.append(here)
        if inside != next_inside:
            kept.append(here + (there - here) * (NEAR_METRES - here[2]) / (there[2] - here[2]))
    return np.array(kept).reshape(-1, 3)


def _bounds(outline: np.ndarray, picture: np.ndarray) -> tuple[int, int, int, int]:
    return _inside(outline[:, 0].tolist(), outline[:, 1].tolist(), picture)


def _inside(xs: Sequence[float], ys: Sequence[float], picture: np.ndarray) -> tuple[int, int, int, int]:
    """The pixels that an outline can touch: left, top, right and bottom."""
    height, width = picture.shape[:2]
    left, top = max(math.floor(min(xs)) - 1, 0), max(math.floor(min(ys)) - 1, 0)
    return left, top, min(math.ceil(max(xs)) + 2, width), min(math.ceil(max(ys)) + 2, height)
