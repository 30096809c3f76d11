"""The frames of labelled clips, or stacks at their times, decoded once into a memory-mapped file, each frame once.

Shapes: N segments, V views, T frames a clip, M different frames, H x W pixels.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from egoact.adaptation.disk_arrays import new_array
from egoact.core.annotations.segments import Segment, group_by_recording
from egoact.core.errors import MediaError
from egoact.core.files import make_folder, open_atomically, part_path, read_json, rename, write_json
from egoact.core.progress import Progress
from egoact.core.sampling import ClipSampling
from egoact.extraction.decoding import FrameBatch, VideoJob, decode
from egoact.media.sources import MediaRoot
from egoact.media.stills.flow import FlowRoot
from egoact.models.backbones.spec import BackboneSpec

NAMES = ("frames.npy", "frames.json", "frames_of_clips.npy")


@dataclass(frozen=True, eq=False)
class ClipFrames:
    """What was decoded.

    Args:
        frames: uint8 (M, H, W, C), on disk.
        rows: int64 (N, V, T), which frame a clip shows when; -1 where it cannot be decoded.
    """

    frames: np.ndarray
    rows: np.ndarray

    @property
    def is_whole(self) -> np.ndarray:
        """Segments all of whose frames are there, bool (N,)."""
        return np.all(self.rows >= 0, axis=(1, 2))


def load_clip_frames(
    root: MediaRoot | FlowRoot, folder: Path, segments: Sequence[Segment], sampling: ClipSampling, *, spec: BackboneSpec
) -> ClipFrames:
    """Decode the frames of clips, or find that they are decoded already.

    Args:
        root: Where the recordings are, or the flow of them.
        folder: For the files; made if need be.
        segments: Which.
        sampling: How they become clips.
        spec: What looks at them.

    Raises:
        MediaError: A recording that is missing, or not one frame can be read.
    """
    times = sampling.times(segments)
    size, stack = spec.input_size, spec.stack
    facts: dict[str, Any] = {"folders": [str(f.resolve()) for f in root.folders], "size": list(size)}
    facts |= {"modality": spec.modality, "stack": stack}
    facts |= {"clips": [[s.video_id, s.start_seconds, s.stop_seconds] for s in segments], "views": sampling.num_views}
    facts |= {"num_frames": sampling.num_frames}
    if _is_there(folder, json.loads(json.dumps(facts))):
        return _open(folder)
    make_folder(folder)
    (folder / NAMES[1]).unlink(missing_ok=True)
    wanted = {v: np.unique(times[_numbers(segments, v)]) for v in group_by_recording(segments)}
    jobs = {
        v: VideoJob(root.find(v), lambda t=each: t, lag_seconds=spec.lag_seconds, stack=stack)  # type: ignore[misc]
        for v, each in wanted.items()
    }
    shape = (sum(map(len, wanted.values())), *size, spec.num_channels)
    print(f"at most {shape[0]:,} frames, {np.prod(shape) / 1e6:,.0f} MB on disk at {folder / NAMES[0]}", flush=True)
    rows = np.full(times.shape, -1, dtype=np.int64)
    frames = new_array(part_path(folder / NAMES[0]), dtype=np.uint8, shape=shape)
    done = 0
    by_source = {job.source.path: v for v, job in jobs.items()}
    with Progress("decode", total=len(frames), unit="frames") as progress:
        for event in decode(list(jobs.values()), size=size, batch_size=16, num_workers=1):
            if not isinstance(event, FrameBatch):
                continue
            frames[done : done + len(event.frames)] = event.frames
            numbers = _numbers(segments, by_source[event.job.source.path])
            own = rows[numbers]
            for time, frame in zip(event.times, event.frame_of_time, strict=True):
                own[times[numbers] == time] = done + frame
            rows[numbers] = own
            done += len(event.frames)
            progress.advance(len(event.times))
    frames.flush()
    if not done:
        raise MediaError("not one frame of these recordings can be read", path=root.path)
    rename(part_path(folder / NAMES[0]), folder / NAMES[0])
    with open_atomically(folder / NAMES[2]) as file:
        np.save(file, rows)
    write_json(folder / NAMES[1], facts)
    return _open(folder)


def _numbers(segments: Sequence[Segment], video_id: str) -> np.ndarray:
    return np.flatnonzero([segment.video_id == video_id for segment in segments])


def _is_there(folder: Path, facts: Any) -> bool:
    return all((folder / name).is_file() for name in NAMES) and read_json(folder / NAMES[1]) == facts


def _open(folder: Path) -> ClipFrames:
    return ClipFrames(np.load(folder / NAMES[0], mmap_mode="r"), np.load(folder / NAMES[2]))
