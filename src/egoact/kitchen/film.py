"""Turns the acts of a story into pictures: the head's movement, hands and things, frame by frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from egoact.kitchen.camera import Camera, look_at
from egoact.kitchen.choreography import idle
from egoact.kitchen.hands import HAND_METRES, POSES, Pose, hand_sprite
from egoact.kitchen.lens import Lens
from egoact.kitchen.motion import Move, ease, spot_at, value_at
from egoact.kitchen.paint import Sprite, draw_polygon, draw_sprite
from egoact.kitchen.scene import FIXTURES, Scene, State, Thing
from egoact.kitchen.story import Act

WIDTH, HEIGHT, FRAMES_PER_SECOND = 384, 288, 12
FOCAL = 292.0
BACKDROP_FACTOR = 1.42
WALKING_SCALE = 0.667
POSE_STEPS = 4
GRIP_HANDS = {
    "wrap": (0.0, 0.62),
    "fist": (0.02, 0.52),
    "rim": (-0.1, 0.72),
    "pinch": (-0.08, 0.68),
    "flat": (0.0, 0.7),
}


@dataclass(frozen=True)
class HandAt:
    """A hand at one moment, in camera axes."""

    place: np.ndarray
    pose: str
    closed: float
    twist: float
    thumb_over: bool


@dataclass(frozen=True)
class Moment:
    """Everything that moves, at one moment; things are in camera axes."""

    hands: dict[str, HandAt]
    things: dict[str, tuple[np.ndarray, Thing]]
    openings: dict[str, float]
    running: dict[str, float]


@dataclass
class Film:
    """Renders one recording.

    Args:
        scene: The kitchen.
        acts: What happens.
        rng: Of the head's sway and the camera.
    """

    scene: Scene
    acts: Sequence[Act]
    rng: np.random.Generator
    spans: list[tuple[float, float]] = field(init=False)
    num_frames: int = field(init=False)

    def __post_init__(self) -> None:
        stop, self.spans = 0.0, []
        for act in self.acts:
            start = round(stop + act.gap_seconds, 2)
            stop = round(start + act.seconds, 2)
            self.spans.append((start, stop))
        self.num_frames = int(np.ceil((stop + 0.6) * FRAMES_PER_SECOND))
        self._sway = [
            (self.rng.uniform(0.12, 1.1), self.rng.uniform(0, 6.3), self.rng.normal(0, 1, 3)) for _ in range(7)
        ]
        self._glances = [self.rng.normal(0, (0.16, 0.07)) for _ in self.acts]
        self._idle = {side: idle(side, self.rng) for side in ("left", "right")}
        self._backdrop: tuple[tuple[object, ...], Camera, np.ndarray] | None = None
        self._hand_sprites: dict[tuple[str, int, bool], Sprite] = {}
        self._lens = Lens(WIDTH, HEIGHT, tint=self.scene.look.tint, rng=self.rng)

    def frames(self) -> Iterator[np.ndarray]:
        """All pictures, uint8 RGB, shape (HEIGHT, WIDTH, 3)."""
        before: Camera | None = None
        for index in range(self.num_frames):
            seconds = (index + 0.5) / FRAMES_PER_SECOND
            camera, picture = self._picture(seconds)
            drift = 0.0 if before is None else _drift(before, camera)
            before = camera
            yield self._lens.expose(picture, seconds=seconds, light=self._light, drift=drift)

    def _picture(self, seconds: float) -> tuple[Camera, np.ndarray]:
        index = int(np.searchsorted([stop for _, stop in self.spans], seconds, side="right"))
        if index == len(self.acts):
            index, u = len(self.acts) - 1, 1.0
        else:
            start, stop = self.spans[index]
            u = (seconds - start) / (stop - start)
        act = self.acts[index]
        camera = self._camera(index, u, seconds)
        active = {*act.move.openings, *act.move.running, *act.move.things}
        if u >= 0:
            moment = self._moment(act.move, u, camera)
            self._light = moment.running.get("light", act.before.running["light"])
            return camera, self._compose(camera, act, moment, active, seconds)
        begin = self._moment(act.move, 0.0, camera)
        if index == 0:
            moment = begin
        else:
            part = ease((seconds - self.spans[index - 1][1]) / act.gap_seconds)
            moment = _between(
                self._moment(self.acts[index - 1].move, 1.0, camera), begin, part, self._resting_hands(camera)
            )
        self._light = act.before.running["light"]
        return camera, self._compose(camera, act, moment, active, seconds)

    def _camera(self, index: int, u: float, seconds: float) -> Camera:
        stance = self.acts[index].move.stance
        eye, (yaw, pitch), zoom = np.array(stance.eye), look_at(stance.eye, stance.target), stance.zoom
        if u < 0 and index > 0:
            last = self.acts[index - 1].move.stance
            raw = (seconds - self.spans[index - 1][1]) / self.acts[index].gap_seconds
            part = ease(raw)
            last_yaw, last_pitch = look_at(last.eye, last.target)
            if last.eye != stance.eye:
                eye = np.array(last.eye) + (eye - last.eye) * part
            glance = np.sin(np.pi * np.clip(raw, 0, 1)) ** 2 * self._glances[index]
            yaw = last_yaw + (yaw - last_yaw) * part + glance[0]
            pitch = last_pitch + (pitch - last_pitch) * part + glance[1]
            zoom = last.zoom + (zoom - last.zoom) * part
        sway = sum(np.sin(2 * np.pi * f * seconds + p) * v / (1 + 2.5 * f) for f, p, v in self._sway)
        x, y, z = (float(v) for v in eye)
        return Camera(
            (x, y, z), yaw + 0.011 * sway[0], pitch + 0.009 * sway[1], 0.009 * sway[2], FOCAL * zoom, WIDTH, HEIGHT
        )

    def _moment(self, move: Move, u: float, camera: Camera) -> Moment:
        t = move.time(u)
        openings = {name: value_at(keys, t) for name, keys in move.openings.items()}
        running = {name: value_at(keys, t) for name, keys in move.running.items()}

        def handle(name: str) -> tuple[float, float, float]:
            return self.scene.handle(name, openings[name])

        hands, things = {}, {}
        for side, hand in move.hands.items():
            place = spot_at(hand.places, t, camera, handle)
            place = place if hand.wiggle is None else place + hand.wiggle.at(t)
            hands[side] = HandAt(place, hand.pose, value_at(hand.closed, t), value_at(hand.twist, t), hand.thumb_over)
        for name, thing in move.things.items():
            place = spot_at(thing.places, t, camera, handle)
            place = place if thing.wiggle is None else place + thing.wiggle.at(t)
            drawn = Thing(
                name,
                (0.0, 0.0, 0.0),
                angle=value_at(thing.angle, t),
                mirrored=thing.mirrored,
                sunk=value_at(thing.sunk, t),
                cut=value_at(thing.cut, t),
                shadow=value_at(thing.shadow, t),
            )
            things[name] = (place, drawn)
        return Moment(hands, things, openings, running)

    def _resting_hands(self, camera: Camera) -> dict[str, HandAt]:
        return {
            side: HandAt(spot.seen(camera, lambda _: (0.0, 0.0, 0.0)), "wrap", 0.2, 0.0, False)
            for side, spot in self._idle.items()
        }

    def _compose(self, camera: Camera, act: Act, moment: Moment, active: set[str], seconds: float) -> np.ndarray:
        state = State(
            {**act.before.openings, **moment.openings}, {**act.before.running, **moment.running}, act.before.things
        )
        picture = self._background(camera, act, active)
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
        for hand_side, hand in hands.items():
            if hand.thumb_over:
                self._draw_hand(picture, camera, hand_side, hand)
        placed = {
            name: replace(thing, at=tuple(camera.to_world(place))) for name, (place, thing) in moment.things.items()
        }
        for thing in sorted(placed.values(), key=lambda t: -float(camera.to_camera(np.array(t.at))[2])):
            self.scene.draw_thing(picture, camera, thing)
        self._draw_stream(picture, camera, act, moment, seconds)
        for hand_side, hand in hands.items():
            self._draw_hand(picture, camera, hand_side, hand, only_thumb=hand.thumb_over)
        return picture

    def _background(self, camera: Camera, act: Act, active: set[str]) -> np.ndarray:
        """What stands still, from a picture that is wider than the view, as long as the eye stays."""
        key = (camera.eye, id(act.before), frozenset(active))
        if self._backdrop is not None and self._backdrop[0] == key:
            _, wide, backdrop = self._backdrop
            warp = wide.homography_to(camera)
            corners = np.array([[0, 0, 1], [WIDTH, 0, 1], [WIDTH, HEIGHT, 1], [0, HEIGHT, 1]]) @ np.linalg.inv(warp).T
            corners = corners[:, :2] / corners[:, 2:]
            if (corners >= 0).all() and (corners <= (wide.width - 1, wide.height - 1)).all():
                return _warp(backdrop, warp)
        settled = camera.eye == act.move.stance.eye
        if not settled:
            coarse = self.scene.draw(camera.scaled(WALKING_SCALE), act.before, skip=active)
            return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        wide = camera.widened(BACKDROP_FACTOR)
        picture = self.scene.draw(wide, act.before, skip=active)
        self._backdrop = (key, wide, picture)
        return _warp(picture, wide.homography_to(camera))

    def _draw_hand(
        self, picture: np.ndarray, camera: Camera, side: str, hand: HandAt, *, only_thumb: bool = False
    ) -> None:
        at = camera.pixels(hand.place)
        size = HAND_METRES * self.scene.look.arm.size * camera.focal / max(float(hand.place[2]), 0.2)
        if at[1] - size > HEIGHT:
            return
        sign = 1.0 if side == "right" else -1.0
        elbow = np.array([WIDTH * (0.5 + sign * 0.4), HEIGHT * 1.6])
        reach = at - elbow
        angle = float(np.arctan2(reach[0], -reach[1])) * 0.85 + hand.twist
        grip_x, grip_y = GRIP_HANDS[hand.pose]
        along = np.array([np.sin(angle), -np.cos(angle)])
        across = np.array([np.cos(angle), np.sin(angle)]) * sign
        wrist = at - (along * grip_y + across * grip_x) * size
        draw_sprite(
            picture,
            self._sprite(hand.pose, hand.closed, only_thumb),
            wrist,
            pixels_per_metre=camera.focal / max(float(hand.place[2]), 0.2),
            angle=angle,
            mirrored=side == "left",
        )

    def _sprite(self, pose: str, closed: float, only_thumb: bool) -> Sprite:
        step = round(closed * POSE_STEPS)
        key = (pose, step, only_thumb)
        if key not in self._hand_sprites:
            look = self.scene.look
            shape: Pose = POSES["open"].towards(POSES[pose], step / POSE_STEPS)
            self._hand_sprites[key] = hand_sprite(
                look.arm, shape, key=look.light.key, fill=look.light.fill, only_thumb=only_thumb
            )
        return self._hand_sprites[key]

    def _draw_stream(self, picture: np.ndarray, camera: Camera, act: Act, moment: Moment, seconds: float) -> None:
        stream = act.move.stream
        if stream is None or stream.source not in moment.things:
            return
        start, stop = self.spans[self.acts.index(act)]
        level = value_at(stream.level, act.move.time((seconds - start) / (stop - start)))
        if level < 0.05:
            return
        place, thing = moment.things[stream.source]
        lip = place + np.array([np.sin(thing.angle), -np.cos(thing.angle), 0.0]) * stream.lip_metres
        into = camera.to_camera(np.array(stream.into))
        ends = camera.pixels(np.stack([lip, lip * 0.4 + into * 0.6 + (0, -0.01, 0), into]))
        half = camera.focal / float(into[2]) * 0.009 * level
        for a, b in ((0, 1), (1, 2)):
            quad = np.stack([ends[a] - (half, 0), ends[a] + (half, 0), ends[b] + (half, 0), ends[b] - (half, 0)])
            draw_polygon(picture, quad, stream.colour, opacity=0.85)


def _between(first: Moment, second: Moment, part: float, rest: dict[str, HandAt]) -> Moment:
    hands = {}
    for side in ("left", "right"):
        a, b = first.hands.get(side, rest[side]), second.hands.get(side, rest[side])
        near = a if part < 0.5 else b
        hands[side] = HandAt(
            a.place + (b.place - a.place) * part,
            near.pose,
            a.closed + (b.closed - a.closed) * part,
            a.twist + (b.twist - a.twist) * part,
            near.thumb_over,
        )
    things = {}
    for name, (place, thing) in second.things.items():
        if name in first.things:
            old_place, old = first.things[name]
            angle = old.angle + (thing.angle - old.angle) * part
            things[name] = (old_place + (place - old_place) * part, replace(thing, angle=angle))
        else:
            things[name] = (place, thing)
    return Moment(hands, things, {}, {})


def _drift(before: Camera, after: Camera) -> float:
    """How far the picture moved to the side since the last one, pixels."""
    moved = before.homography_to(after) @ np.array([before.width / 2, before.height / 2, 1.0])
    return float(moved[0] / moved[2] - before.width / 2)


def _warp(backdrop: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return cv2.warpPerspective(backdrop, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
