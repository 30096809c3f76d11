"""Sphere-traced solids: distance functions in, a map of surface points and normals out.

Distances are functions of points (N, 3) -> (N,), metres, object axes: x right, y up from the base, z away.

Source: J. C. Hart, "Sphere tracing", The Visual Computer 12, 1996.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


def _length(vectors: np.ndarray) -> np.ndarray:
    """Euclidean length along the last axis; faster than `np.linalg.norm`."""
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors))


def _nearest(solids: Sequence["Distance"], points: np.ndarray) -> np.ndarray:
    """Distance to the union of solids."""
    nearest = solids[0](points)
    for solid in solids[1:]:
        np.minimum(nearest, solid(points), out=nearest)
    return nearest


Distance = Callable[[np.ndarray], np.ndarray]
Vector = tuple[float, float, float]
MAX_STEPS = 48
HIT_METRES = 6e-4
BLOCK = 6  # pixels each way, whose rays are tried as a thick one first


def ball(centre: Vector, radius: float, *, stretch: Vector = (1, 1, 1)) -> Distance:
    """An ellipsoid; its distance is a lower bound when stretched."""
    axes = np.asarray(stretch, float)
    return lambda p: (_length((p - centre) / axes) - radius) * axes.min()


def block(centre: Vector, half: Vector, *, rounding: float = 0.0) -> Distance:
    """A box with rounded edges."""

    def distance(p: np.ndarray) -> np.ndarray:
        q = np.abs(p - centre) - (np.asarray(half, float) - rounding)
        inside = np.maximum(np.maximum(q[:, 0], q[:, 1]), q[:, 2])
        return _length(np.maximum(q, 0)) + np.minimum(inside, 0) - rounding

    return distance


def rod(start: Vector, stop: Vector, radius: float) -> Distance:
    """A capsule."""
    a, ab = np.asarray(start, float), np.subtract(stop, start)

    def distance(p: np.ndarray) -> np.ndarray:
        away = p - a
        t = away @ ab / (ab @ ab)
        np.minimum(np.maximum(t, 0, out=t), 1, out=t)
        away -= (ab[:, None] * t).T
        return _length(away) - radius

    return distance


def ring(centre: Vector, major: float, minor: float, *, axis: int = 1) -> Distance:
    """A torus around one of the axes."""
    flat = [i for i in range(3) if i != axis]

    def distance(p: np.ndarray) -> np.ndarray:
        q = p - centre
        around = np.sqrt(q[:, flat[0]] ** 2 + q[:, flat[1]] ** 2) - major
        return np.sqrt(around**2 + q[:, axis] ** 2) - minor

    return distance


def lathe(profile: Sequence[tuple[float, float]], *, rounding: float = 0.0) -> Distance:
    """A solid of revolution around y; `profile` is a closed outline of (radius, height) points."""
    corners = np.asarray(profile, float).tolist()
    edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))

    def distance(p: np.ndarray) -> np.ndarray:
        radius, height = np.sqrt(p[:, 0] ** 2 + p[:, 2] ** 2), p[:, 1]
        nearest = np.full(len(p), np.inf)
        inside = np.zeros(len(p), bool)
        for (r0, y0), (r1, y1) in edges:
            dr, dy = r1 - r0, y1 - y0
            out, up = radius - r0, height - y0
            if y0 != y1:
                crosses = (up < 0) != (height < y1)
                if r0 or r1:  # else it is the axis, on whose other side nothing is
                    inside ^= crosses & (radius < r0 + dr * up / dy)
            t = out * dr
            t += up * dy
            t /= dr * dr + dy * dy + 1e-12
            np.minimum(np.maximum(t, 0, out=t), 1, out=t)
            out -= t * dr
            up -= t * dy
            out *= out
            up *= up
            out += up
            np.minimum(nearest, out, out=nearest)
        np.sqrt(nearest, out=nearest)
        np.negative(nearest, out=nearest, where=inside)
        nearest -= rounding
        return nearest

    return distance


def tube(radius: float, low: float, high: float, *, rounding: float = 0.004) -> Distance:
    """A closed upright cylinder."""
    r, a, b = radius - rounding, low + rounding, high - rounding
    return lathe([(0, a), (r, a), (r, b), (0, b)], rounding=rounding)


def cut(solid: Distance, hole: Distance) -> Distance:
    """One solid without another."""
    return lambda p: np.maximum(solid(p), -hole(p))


def both(*solids: Distance) -> Distance:
    """The union of solids."""
    return lambda p: _nearest(solids, p)


def vessel(profile_out: list[tuple[float, float]], thickness: float) -> Distance:
    """An open vessel: an outline from the bottom centre outwards and up, hollow inside."""
    inside = [(max(r - thickness, 0.0), y + (thickness if i < 2 else 0.0)) for i, (r, y) in enumerate(profile_out)]
    return lathe([*profile_out, *reversed(inside)], rounding=0.0015)


@dataclass(frozen=True)
class Shape:
    """Parts of a thing inside a box.

    Args:
        parts: Distance functions, one a material.
        low: Lower corner of the box.
        high: Upper corner.
        footprint: Half width and half depth of what touches the worktop, for its shadow.
        yaw_degrees: How it stands, seen from the cook.
    """

    parts: tuple[Distance, ...]
    low: Vector
    high: Vector
    footprint: tuple[float, float]
    yaw_degrees: float = 0.0


@dataclass(frozen=True)
class Surface:
    """What an orthographic eye sees of some solids; K pixels are hit.

    Args:
        mask: bool, (H, W): hit or not.
        part: int64, (K,): which solid.
        points: float64, (K, 3).
        normals: float64, (K, 3), unit length, in the eye's axes: right, up, towards the eye.
        anchor: Pixel (x, y) of the origin.
    """

    mask: np.ndarray
    part: np.ndarray
    points: np.ndarray
    normals: np.ndarray
    anchor: tuple[float, float]


def trace(
    solids: Sequence[Distance],
    *,
    low: Vector,
    high: Vector,
    elevation: float,
    yaw: float,
    pixels_per_metre: float,
) -> Surface:
    """KitchenStyle at solids from `elevation` radians above the horizon, from the side of small z.

    Args:
        solids: Distance functions.
        low: Lower corner of a box around them, metres.
        high: Upper corner.
        elevation: 0 is from the side, pi/2 from above.
        yaw: Turn of the eye around the solids, radians.
        pixels_per_metre: Resolution.
    """
    sin, cos = np.sin(elevation), np.cos(elevation)
    sin_yaw, cos_yaw = np.sin(yaw), np.cos(yaw)
    right = np.array([cos_yaw, 0, -sin_yaw])
    forward, up = np.array([cos * sin_yaw, -sin, cos * cos_yaw]), np.array([sin * sin_yaw, cos, sin * cos_yaw])
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    heights, sides = corners @ up, corners @ right
    margin = 2 / pixels_per_metre
    left, top = sides.min() - margin, heights.max() + margin
    width = int(np.ceil((sides.max() + margin - left) * pixels_per_metre))
    height = int(np.ceil((top - heights.min() + margin) * pixels_per_metre))
    start = (corners @ forward).min() - 0.01
    reach = (corners @ forward).max() + 0.01 - start

    def rays(columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        xs, ys = left + (columns + 0.5) / pixels_per_metre, top - (rows + 0.5) / pixels_per_metre
        grid = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
        return np.asfortranarray(grid[:, :1] * right + grid[:, 1:] * up + start * forward)

    columns, rows = (np.arange(BLOCK / 2 - 0.5, size + BLOCK, BLOCK) for size in (width, height))
    _, near = _march(solids, rays(columns, rows), forward, reach, thickness=BLOCK / pixels_per_metre * 0.71)
    near = near.reshape(len(rows), -1).repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)[:height, :width].ravel()
    origins = _rows(rays(np.arange(width), np.arange(height)), near)
    travelled, met = _march(solids, origins, forward, reach)
    points = _rows(origins, met) + (forward[:, None] * travelled[met]).T
    hit = np.zeros(len(near), bool)
    hit[near] = met
    values = np.stack([s(points) for s in solids])
    normals = _normals(lambda p: _nearest(solids, p), points)
    facing = normals @ np.stack([right, up, -forward], axis=1)
    return Surface(
        hit.reshape(height, width),
        values.argmin(axis=0),
        points,
        facing,
        (-left * pixels_per_metre, top * pixels_per_metre),
    )


def _rows(points: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Points where `chosen`, column by column in memory, which is how distances are computed fastest."""
    return points.T[:, chosen].T


def _march(
    solids: Sequence[Distance], origins: np.ndarray, forward: np.ndarray, reach: float, *, thickness: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """How far rays go, and whether they hit. A thick one hits unless no thin one inside it does."""
    travelled, hit = np.zeros(len(origins)), np.zeros(len(origins), bool)
    active = np.arange(len(origins))
    for _ in range(MAX_STEPS):
        step = _nearest(solids, origins + (forward[:, None] * travelled[active]).T) - thickness
        travelled[active] += step
        done = step < HIT_METRES
        hit[active[done]] = True
        going = ~done & (travelled[active] < reach)
        active, origins = active[going], _rows(origins, going)
        if not len(active):
            break
    hit[active] = thickness > 0
    return travelled, hit


def _normals(distance: Distance, points: np.ndarray) -> np.ndarray:
    """Central differences on a tetrahedron."""
    signs = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], float)
    gradient = sum((distance(points + 4e-4 * s)[:, None] * s for s in signs), np.zeros(3))
    return gradient / np.maximum(_length(gradient)[:, None], 1e-9)
