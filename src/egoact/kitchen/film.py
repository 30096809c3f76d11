"""Turns the acts of a story into pictures, frame by frame: background, fixtures, things, hands, lens."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from egoact.kitchen.cook.arms import HandAt, draw_hand
from egoact.kitchen.cook.grips import resting_place
from egoact.kitchen.cook.head import HEIGHT, WIDTH, Head
from egoact.kitchen.cook.motion import ease
from egoact.kitchen.drawing.camera import Camera
from egoact.kitchen.drawing.lens import Lens
from egoact.kitchen.drawing.paint import draw_polygon, warp
from egoact.kitchen.rooms.scene import FIXTURES, Scene, State
from egoact.kitchen.script.actions import ScriptedAction
from egoact.kitchen.script.keyframes import PoseFrame, between, pose_at

FRAMES_PER_SECOND = 12
AFTER_SECONDS = 0.6
BACKDROP_FACTOR = 1.42
WALKING_SCALE = 0.667


@dataclass(frozen=True)
class Backdrop:
    """What stands still, seen wider than the view; good as long as `key` is the same."""

    key: tuple[object, ...]
    camera: Camera
    four_channels: np.ndarray

    def seen_by(self, camera: Camera) -> np.ndarray | None:
        """The camera's view, or None if it looks beyond the edge."""
        seen = self.camera.homography_to(camera)
        width, height = camera.width, camera.height
        corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]) @ np.linalg.inv(seen).T
        corners = corners[:, :2] / corners[:, 2:]
        if (corners < 0).any() or (corners > (self.camera.width - 1, self.camera.height - 1)).any():
            return None
        return warp(self.four_channels, seen, (width, height))


@dataclass
class Film:
    """Renders one recording.

    Args:
        scene: The kitchen.
        acts: What happens.
        rng: Of the head's sway and the camera.
    """

    scene: Scene
    acts: Sequence[ScriptedAction]
    rng: np.random.Generator
    spans: list[tuple[float, float]] = field(init=False)
    num_frames: int = field(init=False)

    def __post_init__(self) -> None:
        stop, self.spans = 0.0, []
        for act in self.acts:
            start = round(stop + act.gap_seconds, 2)
            stop = round(start + act.seconds, 2)
            self.spans.append((start, stop))
        self.num_frames = int(np.ceil((stop + AFTER_SECONDS) * FRAMES_PER_SECOND))
        self._head = Head([act.move.stance for act in self.acts], self.spans, self.rng)
        self._rest = {side: resting_place(side, self.rng) for side in ("left", "right")}
        self._backdrop: Backdrop | None = None

    def frames(self) -> Iterator[np.ndarray]:
        """All pictures, uint8 RGB, shape (HEIGHT, WIDTH, 3)."""
        lens = Lens(WIDTH, HEIGHT, tint=self.scene.style.tint, rng=self.rng)
        before: Camera | None = None
        stops = [stop for _, stop in self.spans]
        for number in range(self.num_frames):
            seconds = (number + 0.5) / FRAMES_PER_SECOND
            index = min(bisect_right(stops, seconds), len(self.acts) - 1)
            camera = self._head.camera(index, seconds)
            moment = self._moment(index, seconds, camera)
            picture = self._compose(index, moment, camera, seconds)
            drift = 0.0 if before is None else _drift(before, camera)
            before = camera
            lamp = moment.running.get("light", self.acts[index].before.running["light"])
            yield lens.expose(picture, seconds=seconds, light=lamp, drift=drift)

    def _moment(self, index: int, seconds: float, camera: Camera) -> PoseFrame:
        act, (start, stop) = self.acts[index], self.spans[index]
        if seconds >= start or index == 0:
            u = min(max((seconds - start) / (stop - start), 0.0), 1.0)
            return pose_at(act.move, u, camera, self.scene.handle)
        begin = pose_at(act.move, 0.0, camera, self.scene.handle)
        end = pose_at(self.acts[index - 1].move, 1.0, camera, self.scene.handle)
        last = self.spans[index - 1][1]
        return between(end, begin, ease((seconds - last) / (start - last)), self._resting_hands(camera))

    def _resting_hands(self, camera: Camera) -> dict[str, HandAt]:
        return {
            side: HandAt(spot.seen(camera, lambda _: (0.0, 0.0, 0.0)), "wrap", 0.2, 0.0, False)
            for side, spot in self._rest.items()
        }

    def _compose(self, index: int, moment: PoseFrame, camera: Camera, seconds: float) -> np.ndarray:
        act = self.acts[index]
        active = frozenset((*act.move.openings, *act.move.running, *act.move.things))
        state = State(
            {**act.before.openings, **moment.openings}, {**act.before.running, **moment.running}, act.before.things
        )
        picture = self._background(index, camera, active)
        for fixture in FIXTURES:
            if fixture in active:
                self.scene.draw_fixture(picture, camera, fixture, state, skip=active)
        if "light" in active:
            self.scene.draw_lamp(picture, camera, state.running["light"])
        self.scene.draw_running(picture, camera, state, seconds=seconds, rng=self.rng)
        hands = {**self._resting_hands(camera), **moment.hands}
        for hand in hands.values():
            x, y, z = (float(v) for v in camera.to_world(hand.place))
            self.scene.draw_hand_shadow(picture, camera, (x, y, z))
        for side, hand in hands.items():
            if hand.thumb_over:
                self._draw_hand(picture, camera, side, hand, only_thumb=False)
        for place, thing in sorted(moment.things.values(), key=lambda t: -float(t[0][2])):
            x, y, z = (float(v) for v in camera.to_world(place))
            self.scene.things.draw(picture, camera, replace(thing, at=(x, y, z)))
        self._draw_stream(picture, camera, act, moment)
        for side, hand in hands.items():
            self._draw_hand(picture, camera, side, hand, only_thumb=hand.thumb_over)
        return picture

    def _background(self, index: int, camera: Camera, active: frozenset[str]) -> np.ndarray:
        """What stands still: drawn anew at every step of a walk, else cut out of a wider picture."""
        before, key = self.acts[index].before, (camera.eye, index, active)
        if not self._head.settled(index, camera):
            coarse = self.scene.draw(camera.scaled(WALKING_SCALE), before, skip=active)
            return cv2.resize(coarse, (camera.width, camera.height), interpolation=cv2.INTER_LINEAR)
        seen = None
        if self._backdrop is not None and self._backdrop.key == key:
            seen = self._backdrop.seen_by(camera)
        if seen is None:
            wide = camera.widened(BACKDROP_FACTOR)
            picture = self.scene.draw(wide, before, skip=active)
            self._backdrop = Backdrop(key, wide, cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA))
            seen = self._backdrop.seen_by(camera)
            assert seen is not None
        return seen

    def _draw_hand(self, picture: np.ndarray, camera: Camera, side: str, hand: HandAt, *, only_thumb: bool) -> None:
        style = self.scene.style
        light = style.light
        draw_hand(picture, camera, style.arm, side, hand, key=light.key, fill=light.fill, only_thumb=only_thumb)

    def _draw_stream(self, picture: np.ndarray, camera: Camera, act: ScriptedAction, moment: PoseFrame) -> None:
        stream = act.move.stream
        if stream is None or moment.pouring < 0.05:
            return
        place, thing = moment.things[stream.source]
        lip = place + np.array([np.sin(thing.angle), -np.cos(thing.angle), 0.0]) * stream.lip_metres
        into = camera.to_camera(np.array(stream.into))
        ends = camera.pixels(np.stack([lip, lip * 0.4 + into * 0.6 + (0, -0.01, 0), into]))
        half = camera.focal / float(into[2]) * 0.009 * moment.pouring
        for a, b in ((0, 1), (1, 2)):
            quad = np.stack([ends[a] - (half, 0), ends[a] + (half, 0), ends[b] + (half, 0), ends[b] - (half, 0)])
            draw_polygon(picture, quad, stream.colour, opacity=0.85)


def _drift(before: Camera, after: Camera) -> float:
    """How far the picture moved to the side since the last one, pixels."""
    moved = before.homography_to(after) @ np.array([before.width / 2, before.height / 2, 1.0])
    return float(moved[0] / moved[2] - before.width / 2)
