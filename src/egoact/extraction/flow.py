"""Optical flow of whole recordings in EPIC-KITCHENS' layout, or between two pictures."""

import sys
import timeit
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from egoact.core.epic import facts as epic
from egoact.core.epic.flow import BOUND_PIXELS, flow_magnitude, pack_flow
from egoact.core.errors import MediaError
from egoact.core.files import check_folder, locked, make_folder, open_atomically, write_atomically, write_csv
from egoact.core.progress import Progress, format_seconds
from egoact.media.flow.methods import FLOW_METHODS, load_flow_method
from egoact.media.flow.writer import FlowSpec, FlowWriter, encode_grey
from egoact.media.recording import lay_grid
from egoact.media.sources import MediaRoot, MediaSource, read_clip, read_frames
from egoact.media.stills.pictures import resize_area, write_picture

FAILURES_NAME = "flow_failures.csv"
PAIR_FRAMES = ("first.png", "second.png")
FAST_METHOD = "dis"
LEAST_TO_ESTIMATE, SECONDS_WORTH_A_WORD = 200, 60


@dataclass(frozen=True)
class FlowPlan:
    """How flow is computed."""

    method: str  # one of `FLOW_METHODS`
    stride: int | None  # RGB frames per flow frame; None: as EPIC-KITCHENS has it for the id, else 1
    dilation: int | None  # RGB frames between the two pictures; None: as many as the stride
    size: int  # of the shorter side, pixels; 0: as recorded
    without_camera: bool = False  # the camera's own motion is taken off

    def spec(self, source: MediaSource) -> FlowSpec:
        """The flow of one recording; a `MediaError` where it cannot be read, or has no flow of this kind."""
        grid = lay_grid(source)
        height, width = read_clip(source, np.zeros(1))[0].shape[:2]
        scale = self.size / min(height, width) if self.size else 1.0
        stride = self.stride or epic.flow_stride(source.video_id) or 1
        try:
            return FlowSpec(
                method=self.method,
                frame_rate=grid.frame_rate,
                stride=stride,
                dilation=self.dilation or stride,
                size=(round(height * scale), round(width * scale)),
                num_rgb_frames=grid.num_frames,
                without_camera=self.without_camera,
            )
        except ValueError as error:
            raise MediaError(str(error), path=source.path) from None


def compute_flow(root: MediaRoot, video_ids: Sequence[str], out: Path, plan: FlowPlan, *, num_workers: int) -> int:
    """Flow of recordings; what is there already is not computed again.

    Returns:
        Number of flow frames that failed, and of recordings; they are listed in flow_failures.csv (frame 0: all).

    Raises:
        MediaError: The only recording cannot be read.
        ArtifactError: `out` is a file.
    """
    check_folder(out)
    failures: list[tuple[str, int, str]] = []
    todo: list[tuple[FlowWriter, list[int]]] = []
    for video_id in video_ids:
        try:
            source = root.find(video_id)
            writer = FlowWriter(out, source, plan.spec(source))
            todo.append((writer, writer.missing()))
        except MediaError as error:
            if len(video_ids) == 1:
                raise
            failures.append((video_id, 0, str(error)))
    total = sum(len(numbers) for _, numbers in todo)
    if todo and (estimate := _estimate(todo[0][0], plan.method, total, num_workers)):
        print(f"flow: {estimate}", file=sys.stderr, flush=True)
    with locked(out, command="flow"), Progress("flow", total=total, unit="flow frames") as progress:
        for writer, numbers in todo:
            failed = writer.write(numbers, num_workers=num_workers, done=progress.advance)
            failures += [(writer.source.video_id, number, reason) for number, reason in failed]
    if failures:
        write_csv(out / FAILURES_NAME, [("video_id", "flow_frame", "reason"), *failures])
    else:
        (out / FAILURES_NAME).unlink(missing_ok=True)
    print(
        f"flow: {total - sum(number > 0 for _, number, _ in failures)} flow frames of {len(todo)} recordings "
        f"({plan.method}) in {out}; "
        f"{sum(w.spec.num_flow_frames - len(n) for w, n in todo)} were there already, {len(failures)} failed"
    )
    return len(failures)


def _estimate(writer: FlowWriter, method: str, total: int, num_workers: int) -> str | None:
    """How long it will take, and the fast method, where both are worth a word: from one pair of pictures."""
    if method == FAST_METHOD or total < LEAST_TO_ESTIMATE:
        return None
    times = np.array(writer.spec.pair(1)) / writer.spec.frame_rate
    pair = [f for _, f in read_frames(writer.source, times, size=writer.spec.size) if isinstance(f, np.ndarray)]
    if len(pair) < 2:
        return None
    once = {name: timeit.timeit(partial(load_flow_method(name), *pair), number=1) for name in (method, FAST_METHOD)}
    seconds = {name: total * each / num_workers for name, each in once.items()}
    if seconds[method] < SECONDS_WORTH_A_WORD:
        return None
    return (
        f"{total:,} flow frames by {method} take about {format_seconds(seconds[method])} here; "
        f"--method {FAST_METHOD} takes about {format_seconds(seconds[FAST_METHOD])}"
    )


def compute_pair_flow(paths: tuple[Path, Path], out: Path, *, size: int) -> None:
    """OUT/METHOD/flow.npy, float32 (H, W, 2) in pixels, and u.jpg and v.jpg, in bytes, for every method."""
    first, second = (_read_picture(path, size) for path in paths)
    if first.shape != second.shape:
        raise MediaError(f"is {second.shape[1::-1]} pixels, the first is {first.shape[1::-1]}", path=paths[1])
    make_folder(out)
    for name, picture in zip(PAIR_FRAMES, (first, second), strict=True):
        write_picture(out / name, picture)
    for method in FLOW_METHODS:
        found = load_flow_method(method)(first, second)
        folder = out / method
        folder.mkdir(exist_ok=True)
        with open_atomically(folder / "flow.npy") as file:
            np.save(file, found.astype(np.float32), allow_pickle=False)
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
    height, width = (round(side * scale) for side in picture.shape[:2])
    return cv2.cvtColor(resize_area(picture, (height, width)), cv2.COLOR_BGR2RGB)
