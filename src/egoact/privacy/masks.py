"""What nobody else shall see of a recording: places over time, and whole stretches. Knows nothing about pictures.

A mask goes from place to place in straight lines. A little before and after, it covers both where it was and where it
would be if it came from there, or went on, as fast as it moved:

    ====|keyframe|~~~~~~~|keyframe|~~~|keyframe|====          = margin, ~ between two
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egoact.core.bounds import load_json
from egoact.core.errors import ArtifactError
from egoact.core.files import write_json

FORMAT_VERSION = 1
MARGIN_SECONDS = 0.4
Box = tuple[float, float, float, float]
Keyframe = tuple[float, Box]


@dataclass(frozen=True)
class Mask:
    """A place that is blurred for a while.

    Args:
        keyframes: Seconds, and left, top, right, bottom as shares of the picture; ascending.
        score: How sure a detector was; 1 where a person marked it.
        kind: "face", or what a person wrote.

    Raises:
        ValueError: No keyframe, times out of order, or boxes that are none.
    """

    keyframes: tuple[Keyframe, ...]
    score: float = 1.0
    kind: str = "face"

    def __post_init__(self) -> None:
        times = [seconds for seconds, _ in self.keyframes]
        if not times or times != sorted(times) or not all(math.isfinite(t) for t in times):
            raise ValueError("a mask needs keyframes in the order of time")
        for seconds, (left, top, right, bottom) in self.keyframes:
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(f"the box at {seconds:g} s is none: left, top, right, bottom as shares of the picture")

    @property
    def start_seconds(self) -> float:
        """From when on it is blurred."""
        return self.keyframes[0][0] - MARGIN_SECONDS

    @property
    def stop_seconds(self) -> float:
        """Until when, inclusive."""
        return self.keyframes[-1][0] + MARGIN_SECONDS

    def at(self, seconds: float) -> Box | None:
        """Where it is at a time; None where it is not.

        Between two keyframes that is the smallest box around both the box on the way and the nearer one.
        """
        if not self.start_seconds <= seconds <= self.stop_seconds:
            return None
        before = [key for key in self.keyframes if key[0] <= seconds]
        after = [key for key in self.keyframes if key[0] > seconds]
        if not before or not after:
            last, *others = after or reversed(before)
            return _beyond(last, others[0] if others else last, seconds)
        (begin, one), (end, other) = before[-1], after[0]
        share = (seconds - begin) / (end - begin)
        on_the_way = [a + (b - a) * share for a, b in zip(one, other, strict=True)]
        near = one if share < 0.5 else other
        return _around(on_the_way, near)


@dataclass(frozen=True)
class Masks:
    """All of a recording.

    Args:
        masks: Places.
        hidden: Stretches in which nothing is to be seen or heard: start and stop, seconds.
        unmarked: Places that were found, and that a person lets everybody see; they are only kept.

    Raises:
        ValueError: Stretches that are none.
    """

    masks: Sequence[Mask] = ()
    hidden: Sequence[tuple[float, float]] = ()
    unmarked: Sequence[Mask] = ()

    def __post_init__(self) -> None:
        for start, stop in self.hidden:
            if not 0 <= start < stop < math.inf:
                raise ValueError(f"{start:g} to {stop:g} s is no stretch of a recording")

    def is_hidden(self, seconds: float) -> bool:
        """Whether nothing is to be seen at this time."""
        return any(start <= seconds < stop for start, stop in self.hidden)

    def boxes(self, seconds: float) -> list[Box]:
        """What is blurred at this time."""
        return [box for mask in self.masks if (box := mask.at(seconds)) is not None]

    def without(self, kind: str) -> "Masks":
        """All but those of a kind."""
        masks, unmarked = ([mask for mask in some if mask.kind != kind] for some in (self.masks, self.unmarked))
        return Masks(masks, self.hidden, unmarked)

    def write(self, path: Path, *, recording: str) -> None:
        """As JSON, to be looked at and corrected."""
        masks, unmarked = (list(map(_values, some)) for some in (self.masks, self.unmarked))
        about = {"format_version": FORMAT_VERSION, "recording": recording, "hidden": self.hidden}
        write_json(path, about | {"masks": masks, "unmarked": unmarked})

    @classmethod
    def read(cls, path: Path) -> "Masks":
        """Back from JSON, whose start and stop of masks follow from keyframes; or an `ArtifactError`."""
        try:
            values = load_json(path)
            if values["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format_version is {values['format_version']}, this egoact reads {FORMAT_VERSION}")
            masks = list(map(_mask, values["masks"]))
            hidden = [(float(start), float(stop)) for start, stop in values.get("hidden", ())]
            return cls(masks, hidden, tuple(map(_mask, values.get("unmarked", ()))))
        except OSError as error:
            raise ArtifactError(f"cannot be read ({error.strerror})", path=path) from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"these are no masks ({type(error).__name__} {error})", path=path) from None


def _around(one: Sequence[float], other: Sequence[float]) -> Box:
    """The smallest box around two."""
    return min(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), max(one[3], other[3])


def _beyond(last: Keyframe, before: Keyframe, seconds: float) -> Box:
    """Around where it was at the end, and where its way would go on to, as far as that is in the picture."""
    if last[0] == before[0]:
        return last[1]
    steps = (seconds - last[0]) / (last[0] - before[0])
    moved = [min(max(a + (a - b) * steps, 0.0), 1.0) for a, b in zip(last[1], before[1], strict=True)]
    return _around(last[1], moved)


def _values(mask: Mask) -> dict[str, Any]:
    return {
        "kind": mask.kind,
        "score": round(mask.score, 3),
        "start_seconds": round(max(mask.start_seconds, 0.0), 3),
        "stop_seconds": round(mask.stop_seconds, 3),
        "keyframes": [[round(t, 3), *(round(side, 4) for side in box)] for t, box in mask.keyframes],
    }


def _mask(values: Mapping[str, Any]) -> Mask:
    keyframes = tuple((float(seconds), tuple(map(float, box))) for seconds, *box in values["keyframes"])
    return Mask(keyframes, float(values.get("score", 1.0)), str(values.get("kind", "face")))  # pyrefly: ignore[bad-argument-type]


def widen(box: Box, share: float) -> Box:
    """A box that is larger on each side by a share of its size, within the picture.

    >>> widen((0.4, 0.4, 0.6, 0.6), 0.5)
    (0.3, 0.3, 0.7, 0.7)
    """
    left, top, right, bottom = box
    across, down = share * (right - left), share * (bottom - top)
    sides = (max(left - across, 0.0), max(top - down, 0.0), min(right + across, 1.0), min(bottom + down, 1.0))
    return tuple(round(side, 6) for side in sides)  # pyrefly: ignore[bad-return]


def link(
    found: Iterable[tuple[float, Sequence[tuple[Box, float]]]], *, sure: float, most_gap_seconds: float
) -> list[Mask]:
    """Boxes of single pictures as masks.

    A box goes on with the mask whose last box is nearest, if that is not farther than the larger of both is wide, and
    not longer ago than `most_gap_seconds`. Masks of which no box is at least `sure` are left out. Seconds ascend.
    """
    growing: list[list[tuple[float, Box, float]]] = []
    done: list[list[tuple[float, Box, float]]] = []
    for seconds, boxes in found:
        done += [track for track in growing if seconds - track[-1][0] > most_gap_seconds]
        growing = [track for track in growing if seconds - track[-1][0] <= most_gap_seconds]
        free = growing.copy()
        for box, score in sorted(boxes, key=lambda each: -each[1]):
            near = [track for track in free if _is_near(track[-1][1], box)]
            if near:
                nearest = min(near, key=lambda track: _distance(track[-1][1], box))
                nearest.append((seconds, box, score))
                free = [track for track in free if track is not nearest]
            else:
                growing.append([(seconds, box, score)])
    masks = [
        Mask(tuple((seconds, box) for seconds, box, _ in track), max(score for *_, score in track))
        for track in (*done, *growing)
    ]
    return sorted((mask for mask in masks if mask.score >= sure), key=lambda mask: mask.start_seconds)


def _distance(one: Box, other: Box) -> float:
    (x, y), (u, v) = (((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (one, other))
    return math.hypot(x - u, y - v)


def _is_near(one: Box, other: Box) -> bool:
    widest = max(max(box[2] - box[0], box[3] - box[1]) for box in (one, other))
    return _distance(one, other) <= 1.5 * widest
