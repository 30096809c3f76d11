"""The frames of labelled clips, or stacks at their times, decoded once into a memory-mapped file, each frame once.

Shapes: N segments, V views, T frames a clip, M different frames, H x W pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from egoact.adaptation.disk_arrays import new_array, read_facts
from egoact.core.annotations.segments import Segment, group_by_recording
from egoact.core.errors import MediaError
from egoact.core.files import make_folder, open_atomically, write_json
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
    """Decode the frames of clips, going on after the last recording that is decoded already.

    Raises:
        MediaError: A recording that is missing, or not one frame can be read.
    """
    times = sampling.times(segments)
    size, stack = spec.input_size, spec.stack
    facts: dict[str, Any] = {
        "folders": [str(f.resolve()) for f in root.folders],
        "size": list(size),
        "modality": spec.modality,
        "stack": stack,
        "clips": [[s.video_id, s.start_seconds, s.stop_seconds] for s in segments],
        "views": sampling.num_views,
        "num_frames": sampling.num_frames,
    }
    make_folder(folder)
    wanted = {v: np.unique(times[_numbers(segments, v)]) for v in group_by_recording(segments)}
    jobs = {
        v: VideoJob(root.find(v), lambda t=each: t, lag_seconds=spec.lag_seconds, stack=stack)
        for v, each in wanted.items()
    }
    known = read_facts(folder / NAMES[1]) if all((folder / name).is_file() for name in NAMES) else {}
    is_known = known.get("facts") == facts
    finished, num_frames = (known["finished"], known["num_frames"]) if is_known else ([], 0)
    todo = {v: job for v, job in jobs.items() if v not in finished}
    if todo:
        shape = (sum(map(len, wanted.values())), *size, spec.num_channels)
        print(f"at most {shape[0]:,} frames, {np.prod(shape) / 1e6:,.0f} MB on disk at {folder / NAMES[0]}", flush=True)
        if not finished:
            (folder / NAMES[1]).unlink(missing_ok=True)
            new_array(folder / NAMES[0], dtype=np.uint8, shape=shape)
            _write_rows(folder, np.full(times.shape, -1, dtype=np.int64))
    with Progress("decode", total=sum(len(wanted[v]) for v in todo), unit="frames") as progress:
        for v, job in todo.items():
            numbers = _numbers(segments, v)
            num_frames = _add(folder, job, times[numbers], numbers, first=num_frames, advance=progress.advance)
            finished.append(v)
            write_json(folder / NAMES[1], {"facts": facts, "finished": finished, "num_frames": num_frames})
    if not num_frames:
        raise MediaError("not one frame of these recordings can be read", path=root.path)
    return ClipFrames(np.load(folder / NAMES[0], mmap_mode="r"), np.load(folder / NAMES[2]))


def _add(
    folder: Path, job: VideoJob, times: np.ndarray, numbers: np.ndarray, *, first: int, advance: Callable[[int], None]
) -> int:
    """Decode the clips of a recording, whose frames are put at `first`; gives how many frames there are then."""
    frames, rows = np.load(folder / NAMES[0], mmap_mode="r+"), np.load(folder / NAMES[2])
    own = np.full(times.shape, -1, dtype=np.int64)
    for event in decode([job], size=frames.shape[1:3], batch_size=16, num_workers=1):
        if not isinstance(event, FrameBatch):
            continue
        frames[first : first + len(event.frames)] = event.frames
        for time, frame in zip(event.times, event.frame_of_time, strict=True):
            own[times == time] = first + frame
        first += len(event.frames)
        advance(len(event.times))
    frames.flush()
    rows[numbers] = own
    _write_rows(folder, rows)
    return first


def _write_rows(folder: Path, rows: np.ndarray) -> None:
    with open_atomically(folder / NAMES[2]) as file:
        np.save(file, rows)


def _numbers(segments: Sequence[Segment], video_id: str) -> np.ndarray:
    return np.flatnonzero([segment.video_id == video_id for segment in segments])
