"""`egoact flow`: optical flow of whole recordings in EPIC-KITCHENS' layout, or between two pictures."""

import csv
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from egoact.core import epic
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.flow import BOUND_PIXELS, flow_magnitude, pack_flow
from egoact.core.progress import Progress
from egoact.data.atomic import write_atomically
from egoact.data.flow_methods import FLOW_METHODS, load_flow_method
from egoact.data.flow_writer import FlowSpec, FlowWriter, encode_grey
from egoact.data.frame_grid import lay_grid
from egoact.data.media import MediaRoot, MediaSource, read_frames

FAILURES_NAME = "flow_failures.csv"
PAIR_FRAMES = ("first.png", "second.png")
MAX_WORKERS = 8


@dataclass(frozen=True, kw_only=True)
class FlowSettings:
    """Compute optical flow: how far each pixel moved from one picture to the next.

    Of recordings: 8-bit u/ and v/ JPEGs, +-20 pixels, as EPIC-KITCHENS publishes them. What is there already is not
    computed again. Of two pictures, with --pair: every method, as pictures side by side.
    """

    out: Path
    """Folder for the flow."""
    media: tuple[Path, ...] = ()
    """Folder (or several) with the recordings, as for egoact extract."""
    videos: tuple[str, ...] = ()
    """Which recordings, by id; default: all of them."""
    pair: tuple[Path, Path] | None = None
    """Two pictures of one size, instead of --media."""
    method: Literal["tvl1", "farneback", "dis"] = "tvl1"
    """TV-L1 is what EPIC-KITCHENS used; DIS takes a fraction of its time."""
    stride: int | None = None
    """RGB frames per flow frame; default: 2 for ids of EPIC-KITCHENS recorded in 2018, else 1."""
    dilation: int | None = None
    """RGB frames between the two pictures; default: as many as the stride."""
    size: int = 256
    """Of the shorter side, pixels; 0: as recorded. Motion is measured in pixels of this size."""
    frame_rate: float | None = None
    """Frames per second of extracted frames that no id or fps.txt says."""
    workers: int = 0
    """Threads; 0: one a core."""

    def __post_init__(self) -> None:
        if bool(self.media) == bool(self.pair):
            raise ValueError("give either --media, or --pair with two pictures")
        if self.size and self.size < 32:
            raise ValueError(f"--size must be at least 32 pixels (or 0), got {self.size}")
        if self.workers < 0:
            raise ValueError(f"--workers cannot be negative, got {self.workers}")


def flow(settings: FlowSettings) -> int:
    """Compute flow.

    Returns:
        Number of flow frames that failed, and of recordings; they are listed in flow_failures.csv (frame 0: all).

    Raises:
        MediaError: A recording or picture that is missing or cannot be read.
        ArtifactError: `out` holds flow made otherwise.
        ValueError: Impossible settings.
    """
    cv2.setNumThreads(1)  # pairs run side by side: more threads for each would only get into each other's way
    if settings.out.exists() and not settings.out.is_dir():
        raise ArtifactError("this is a file; a folder to write into is expected", path=settings.out)
    if settings.pair is not None:
        _pair(settings.pair, settings)
        return 0
    return _recordings(settings)


def _recordings(settings: FlowSettings) -> int:
    root = MediaRoot(settings.media, frame_rate=settings.frame_rate)
    video_ids = settings.videos or tuple(root.video_ids)
    if not video_ids:
        raise MediaError("found no recording at all", path=root.path)
    failures: list[tuple[str, int, str]] = []
    todo: list[tuple[FlowWriter, list[int]]] = []
    for video_id in video_ids:
        try:
            source = root.find(video_id)
            writer = FlowWriter(settings.out, source, _spec(source, settings))
            todo.append((writer, writer.missing()))
        except MediaError as error:
            if len(video_ids) == 1:
                raise
            failures.append((video_id, 0, str(error)))
    num_workers = settings.workers or min(os.cpu_count() or 1, MAX_WORKERS)
    total = sum(len(numbers) for _, numbers in todo)
    with Progress("flow", total=total, unit="flow frames") as progress:
        for writer, numbers in todo:
            failed = writer.write(numbers, num_workers=num_workers, done=progress.advance)
            failures += [(writer.source.video_id, number, reason) for number, reason in failed]
    _write_failures(settings.out / FAILURES_NAME, failures)
    print(
        f"flow: {total - sum(number > 0 for _, number, _ in failures)} flow frames of {len(todo)} recordings "
        f"({settings.method}) in {settings.out}; "
        f"{sum(w.spec.num_flow_frames - len(n) for w, n in todo)} were there already, {len(failures)} failed"
    )
    return len(failures)


def _spec(source: MediaSource, settings: FlowSettings) -> FlowSpec:
    grid = lay_grid(source)
    stride = settings.stride or epic.flow_stride(source.video_id) or 1
    try:
        return FlowSpec(
            method=settings.method,
            frame_rate=grid.frame_rate,
            stride=stride,
            dilation=settings.dilation or stride,
            size=_size(source, settings.size),
            num_rgb_frames=grid.num_frames,
        )
    except ValueError as error:
        raise MediaError(str(error), path=source.path) from None


def _size(source: MediaSource, shorter: int) -> tuple[int, int]:
    _, first = next(iter(read_frames(source, np.zeros(1))))
    if isinstance(first, MediaError):
        raise first
    height, width = first.shape[:2]
    scale = shorter / min(height, width) if shorter else 1.0
    return round(height * scale), round(width * scale)


def _write_failures(path: Path, failures: list[tuple[str, int, str]]) -> None:
    if not failures:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("video_id", "flow_frame", "reason"), *failures])
    write_atomically(path, text.getvalue().encode())


def _pair(paths: tuple[Path, Path], settings: FlowSettings) -> None:
    """OUT/METHOD/flow.npy, float32 (H, W, 2) in pixels, and u.jpg and v.jpg, in bytes, for every method."""
    first, second = (_read_picture(path, settings.size) for path in paths)
    if first.shape != second.shape:
        raise MediaError(f"is {second.shape[1::-1]} pixels, the first is {first.shape[1::-1]}", path=paths[1])
    settings.out.mkdir(parents=True, exist_ok=True)
    for name, picture in zip(PAIR_FRAMES, (first, second), strict=True):
        _write_png(settings.out / name, picture)
    for method in FLOW_METHODS:
        found = load_flow_method(method)(first, second)
        folder = settings.out / method
        folder.mkdir(exist_ok=True)
        content = io.BytesIO()
        np.save(content, found.astype(np.float32), allow_pickle=False)
        write_atomically(folder / "flow.npy", content.getvalue())
        packed = pack_flow(found)
        for i, component in enumerate(("u", "v")):
            write_atomically(folder / f"{component}.jpg", encode_grey(packed[..., i]))
        magnitude = flow_magnitude(found)
        beyond = (np.abs(found) > BOUND_PIXELS).any(axis=-1).mean()
        print(
            f"{method}: median u {np.median(found[..., 0]):.2f}, v {np.median(found[..., 1]):.2f}, magnitude "
            f"{np.median(magnitude):.2f}, at most {magnitude.max():.2f} pixels; {beyond:.1%} beyond +-20"
        )


def _read_picture(path: Path, shorter: int) -> np.ndarray:
    try:
        picture = cv2.imdecode(np.frombuffer(path.read_bytes() or b"?", np.uint8), cv2.IMREAD_COLOR)
    except OSError as error:
        raise MediaError(f"cannot be read: {error.strerror}", path=path) from None
    if picture is None:
        raise MediaError("this is not a picture that can be read", path=path)
    scale = shorter / min(picture.shape[:2]) if shorter else 1.0
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    if size != picture.shape[1::-1]:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _write_png(path: Path, picture: np.ndarray) -> None:
    content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    write_atomically(path, content)
