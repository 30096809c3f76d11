"""What the camera saw: which scenes the demo's page shows, and their frames side by side in one JPEG."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.sampling import sample_uniform
from egoact.media.sources import MediaRoot, read_clip
from egoact.report.demo.files import DemoResult, HeadResult
from egoact.report.figures import inline_picture

_NUM_SCENES = 6
_NUM_FRAMES = 6
_FRAME_SIZE = (180, 240)
_GAP = 4
_QUALITY = 82


def choose_scenes(table: SegmentTable, *, reverse: Mapping[str, str]) -> list[int]:
    """Which segments to show: two reversed pairs, of one noun each, then other verbs; of each kind the first one."""
    chosen = [*_first_pair(table, "open", "close"), *_first_pair(table, "take", "put")]
    seen = {*reverse, *(table[i].verb for i in chosen)}
    for i, segment in enumerate(table):
        if len(chosen) < _NUM_SCENES and segment.verb not in seen:
            seen.add(segment.verb)
            chosen.append(i)
    return chosen


def _first_pair(table: SegmentTable, first: str, second: str) -> list[int]:
    """The first two segments of one video that do and undo something with the same noun."""
    for i, segment in enumerate(table):
        if segment.verb == first:
            for j in range(i + 1, len(table)):
                later = table[j]
                if (later.verb, later.noun, later.video_id) == (second, segment.noun, segment.video_id):
                    return [i, j]
    return []


def first_mistake(scenes: list[int], wrong: np.ndarray) -> int | None:
    """The first segment with a wrong answer; None if there is none, or one is among the scenes already."""
    mistakes = np.flatnonzero(wrong)
    return int(mistakes[0]) if len(mistakes) and not wrong[scenes].any() else None


def show_scenes(result: DemoResult, table: SegmentTable, scenes: list[int]) -> list[dict[str, Any]]:
    """Each scene with its frames, and the answers of the heads, of the shown one first."""
    heads = [head for head in (result.shown, result.blind) if head is not None]
    return [
        {
            "segment": table[i],
            "image": inline_strip(read_strip(result.videos, table[i])),
            "answers": [_answer(head, i) for head in heads],
        }
        for i in scenes
    ]


def wrong_answers(head: HeadResult) -> np.ndarray:
    """(N,) bool: whether the verb or the noun of a segment is wrong."""
    targets = head.evaluation.targets.values()
    return np.any([target.predictions != target.labels for target in targets], axis=0)


def _answer(head: HeadResult, position: int) -> dict[str, Any]:
    verb, noun = (head.evaluation.targets[target] for target in ("verb", "noun"))
    text = f"{verb.names[verb.predictions[position]]} {noun.names[noun.predictions[position]]}"
    return {"head": head.name, "text": text, "is_right": not wrong_answers(head)[position]}


def read_strip(videos: MediaRoot, segment: Segment) -> np.ndarray:
    """Six frames of a segment at the middles of equal bins: uint8 (T, H, W, 3), RGB."""
    times = sample_uniform(segment.start_seconds, segment.stop_seconds, num_frames=_NUM_FRAMES)
    return read_clip(videos.find(segment.video_id), times, size=_FRAME_SIZE)


def inline_strip(frames: np.ndarray) -> str:
    """Frames, uint8 (T, H, W, 3) RGB, from left to right in one JPEG with white gaps, as the `src` of an image."""
    gap = np.full((frames.shape[1], _GAP, 3), 255, dtype=np.uint8)
    parts = [part for frame in frames for part in (frame, gap)][:-1]
    picture = cv2.cvtColor(np.concatenate(parts, axis=1), cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return inline_picture(content.tobytes(), kind="image/jpeg")
