"""Recordings on disk: which file, frame folder or tar belongs to a video id, and its frames at given times.

root/PXX/rgb_frames/VIDEO/frame_0000000001.jpg     1st choice (or .png, here and below)
root/PXX/rgb_frames/VIDEO.tar                      2nd
root/PXX/videos/VIDEO.MP4                          3rd
root/**/VIDEO.mp4 | VIDEO/frame_*.jpg | VIDEO.tar  4th, up to three levels deep
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from egoact.core.annotations.parsing import VIDEO_SUFFIXES, normalise_video_id
from egoact.core.epic import facts as epic
from egoact.core.epic.flow import flow_picture
from egoact.core.errors import MediaError
from egoact.media.stills.flow import FlowSource, read_flow
from egoact.media.stills.frames import (
    FRAME_NAME,
    Folders,
    FrameFolder,
    Stills,
    TarFrames,
    list_folders,
    name_folders,
    read_still_frames,
)
from egoact.media.video.chapters import describe_chapters, name_recording, recording_of
from egoact.media.video.reader import read_video_frames

MAX_DEPTH = 3
_FLOW_FOLDERS = frozenset({"flow_frames", "u", "v"})  # their pictures have the same names as RGB frames

Kind = Literal["video", "folder", "tar"]


@dataclass(frozen=True, slots=True)
class MediaSource:
    """Where the pictures of one recording are."""

    video_id: str
    path: Path  # video file, frame folder or tar
    kind: Kind
    frame_rate: float | None = None  # of extracted frames, per second; None: by the id, or the folder's `fps.txt`

    def __post_init__(self) -> None:
        if self.frame_rate is not None and not self.frame_rate > 0:
            raise ValueError(f"frame_rate must be positive, got {self.frame_rate}")

    @classmethod
    def of_file(cls, path: Path) -> "MediaSource":
        """A video file, named after itself; where it is the first of several chapters, all of them."""
        return cls(normalise_video_id(name_recording(path)), path, "video")

    @property
    def is_stills(self) -> bool:
        """Whether frames were extracted by somebody."""
        return self.kind != "video"


class MediaRoot:
    """One listing of the folders of recordings, made once and asked for many videos.

    Several folders are searched as if they were one. `frame_rate` is that of extracted frames whose recording does not
    say it; it overrides the rule for EPIC-KITCHENS ids.

    Raises:
        MediaError: A folder does not exist or cannot be read.
        ValueError: No folder at all.
    """

    def __init__(self, folders: Folders, *, frame_rate: float | None = None) -> None:
        self.folders = list_folders(folders)
        self.frame_rate = frame_rate
        self._found: dict[str, list[tuple[int, MediaSource]]] = defaultdict(list)  # with ranks, of which 0 is best
        self._chapters: dict[str, Path] = {}  # name of a file that is part of a recording -> its first chapter
        try:
            for folder in self.folders:
                for kind, path, above in _walk(folder, ()):
                    self._add(kind, path, above)
        except OSError as error:
            raise MediaError(f"cannot list this folder: {error.strerror}", path=error.filename) from None

    def _add(self, kind: Kind, path: Path, above: tuple[str, ...]) -> None:
        video_id = normalise_video_id(path.name if kind == "folder" else path.stem)
        if kind == "video":
            first = recording_of(path) or path
            name = normalise_video_id(name_recording(first))
            if first != path or name != video_id:
                self._chapters[video_id] = first
            if first != path:
                return
            video_id = name
        source = MediaSource(video_id, path, kind, self.frame_rate)
        self._found[video_id].append((_rank(source, above), source))

    @property
    def chapters(self) -> list[str]:
        """What to say of recordings that consist of several files, a line each."""
        return [describe_chapters(first) for first in sorted(set(self._chapters.values()))]

    @property
    def path(self) -> Path:
        """What to call it in a complaint: its folders as one name."""
        return name_folders(self.folders)

    @property
    def video_ids(self) -> list[str]:
        """Names of all recordings, sorted."""
        return sorted(self._found)

    def find(self, video_id: str) -> MediaSource:
        """The recording of this name, by the order above; a `MediaError` for none, or two that are equally good."""
        video_id = normalise_video_id(video_id)
        ranked = self._found.get(video_id)
        if not ranked:
            raise MediaError(self._not_found(video_id), path=self.path)
        best = min(rank for rank, _ in ranked)
        equals = {source.path.resolve(): source for rank, source in ranked if rank == best}
        if len(equals) > 1:
            first, second, *_ = sorted(str(source.path) for source in equals.values())
            reason = f"two recordings are called {video_id}: {first} and {second}; remove or rename one"
            raise MediaError(reason, path=self.path)
        return next(iter(equals.values()))

    def _not_found(self, video_id: str) -> str:
        if video_id in self._chapters:
            return f"no recording called {video_id}: {describe_chapters(self._chapters[video_id])}"
        names = self.video_ids
        others = f"found {len(names)} others, such as {', '.join(names[:3])}" if names else "found no recording at all"
        endings = ", ".join(suffix[1:] for suffix in VIDEO_SUFFIXES[1:])
        return (
            f"no recording called {video_id}: no {video_id}.mp4 ({endings}), no folder {video_id}/ with "
            f"frame_0000000001.jpg and no {video_id}.tar, up to {MAX_DEPTH} levels deep; {others}"
        )


def find_media(root: Folders, video_id: str, *, frame_rate: float | None = None) -> MediaSource:
    """The recording of one video, as `MediaRoot.find`; for many videos make one `MediaRoot`."""
    return MediaRoot(root, frame_rate=frame_rate).find(video_id)


def read_frames(
    source: MediaSource | FlowSource,
    times_seconds: np.ndarray,
    *,
    size: tuple[int, int] | None = None,
    num_threads: int = 0,
) -> Iterator[tuple[slice, np.ndarray | MediaError]]:
    """The frames that a recording shows at some moments; each is decoded and given once.

        frames   |  f0  |  f1  |  f2  |  f3  |      the frame at t is the last that began at or before t
        times       x      x x             x        gives  [0:1] f0,  [1:3] f1,  [3:4] f3

    Args:
        source: From `find_media`; or from `find_flow`, whose motion is then given as pictures, see `flow_picture`.
        times_seconds: float64 (M,), ascending, seconds from the first frame.
        size: (height, width) in pixels to resize to, whatever the aspect ratio; None: as recorded.
        num_threads: For decoding one video; 0: as many as there are cores.

    Yields:
        The positions in `times_seconds` that a frame answers, and the frame, uint8 (H, W, 3) RGB; or a `MediaError`
        where there is none or it cannot be decoded. Every position once, in ascending order.

    Raises:
        MediaError: The recording as a whole cannot be read.
        ValueError: Times that are negative, not finite or not ascending.
    """
    times = np.asarray(times_seconds, dtype=np.float64)
    if times.ndim != 1 or not np.isfinite(times).all() or (times < 0).any() or (np.diff(times) < 0).any():
        raise ValueError("times_seconds must be one ascending row of finite times from 0 on")
    if isinstance(source, FlowSource):
        for positions, packed in read_flow(source, times, size=size):
            yield positions, packed if isinstance(packed, MediaError) else flow_picture(packed)
    elif source.is_stills:
        with open_stills(source) as stills:
            yield from read_still_frames(stills, times, rate=stills_rate(source, stills), size=size)
    else:
        yield from read_video_frames(source.path, times, size=size, num_threads=num_threads)


def read_clip(
    source: MediaSource | FlowSource, times_seconds: np.ndarray, *, size: tuple[int, int] | None = None
) -> np.ndarray:
    """As `read_frames`, but all frames at once, uint8 (M, H, W, 3) RGB; the first `MediaError` is raised."""
    frames: list[np.ndarray] = []
    for positions, frame in read_frames(source, times_seconds, size=size):
        if isinstance(frame, MediaError):
            raise frame
        frames += [frame] * (positions.stop - positions.start)
    return np.stack(frames)


@contextmanager
def open_stills(source: MediaSource) -> Iterator[Stills]:
    """The extracted frames of a recording, by number."""
    if source.kind == "folder":
        yield FrameFolder(source.path)
    else:
        with TarFrames(source.path) as tar:
            yield tar


def stills_rate(source: MediaSource, stills: Stills) -> float:
    """Extracted frames per second; a `MediaError` where nobody says it."""
    rate = stills.stated_rate() or source.frame_rate or epic.frame_rate(source.video_id)
    if rate is None:
        how = "Give --frame-rate, or write the number into a file fps.txt beside the frames"
        reason = f"how many frames per second are these? {how} (only ids of EPIC-KITCHENS have a known rate)"
        raise MediaError(reason, path=source.path)
    return rate


def _rank(source: MediaSource, above: tuple[str, ...]) -> int:
    """Its place in the order at the top of this module, by the folders between the root and it."""
    participant = source.video_id.partition("_")[0]
    if above == (participant, "rgb_frames") and source.is_stills:
        return 0 if source.kind == "folder" else 1
    return 2 if above == (participant, "videos") and source.path.suffix.lower() == ".mp4" else 3


def _walk(folder: Path, above: tuple[str, ...]) -> Iterator[tuple[Kind, Path, tuple[str, ...]]]:
    """Recordings in a folder and below it, each with the folders above it.

    A folder of frames is recognised by its first one and not listed.
    """
    below: list[os.DirEntry[str]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if FRAME_NAME.fullmatch(entry.name):
                if above:
                    yield "folder", folder, above[:-1]
                return
            suffix = os.path.splitext(entry.name)[1].lower()
            if entry.is_dir():
                below.append(entry)
            elif suffix in VIDEO_SUFFIXES:
                yield "video", Path(entry.path), above
            elif suffix == ".tar":
                yield "tar", Path(entry.path), above
    for entry in below:
        if len(above) < MAX_DEPTH and entry.name not in _FLOW_FOLDERS:
            yield from _walk(Path(entry.path), (*above, entry.name))
