"""Writes optical flow in EPIC-KITCHENS' layout, for `stills.flow` to read; computes on several threads.

    OUT/PXX/flow_frames/VIDEO/u/frame_0000000001.jpg     x motion, 8-bit grey (ids of EPIC-KITCHENS)
                             /v/frame_0000000001.jpg     y motion
                             /flow.json                  how it was made
    OUT/VIDEO/u/...                                      other ids

Flow frame k is the motion from RGB frame (k-1) stride + 1 to the frame `dilation` later. The last flow frames, whose
partner lies beyond the end, are the motion that led up to the last RGB frame, so that every RGB frame has its flow.
"""

import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from egoact.core.bounds import load_json
from egoact.core.epic import facts as epic
from egoact.core.epic.flow import BOUND_PIXELS, pack_flow
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.files import make_folder, part_path, write_atomically
from egoact.media.flow.descriptors import remove_camera_motion
from egoact.media.flow.methods import load_flow_method
from egoact.media.recording import FrameGrid
from egoact.media.sources import MediaSource, read_frames
from egoact.media.stills.flow import FLOW_FOLDER, FLOW_NAME

JPEG_QUALITY = 95


@dataclass(frozen=True)
class FlowSpec:
    """How the flow of one recording is made; `flow.json`."""

    method: str  # key of `FLOW_METHODS`
    frame_rate: float  # RGB frames per second
    stride: int  # RGB frames per flow frame
    dilation: int  # RGB frames between the two pictures
    size: tuple[int, int]  # (height, width) in pixels that flow is computed at, and measured in
    num_rgb_frames: int  # of the recording
    bound_pixels: float = BOUND_PIXELS  # what bytes 0 and 255 mean
    without_camera: bool = False  # its own motion is taken off

    def __post_init__(self) -> None:
        if self.stride < 1 or self.dilation < 1:
            raise ValueError(f"stride {self.stride} and dilation {self.dilation} must be at least 1")
        if self.num_rgb_frames <= self.dilation:
            raise ValueError(f"{self.num_rgb_frames} frames are too few for flow over {self.dilation} frames")

    @property
    def num_flow_frames(self) -> int:
        """The number of the last flow frame."""
        return epic.flow_index(self.num_rgb_frames, stride=self.stride)

    def pair(self, number: int) -> tuple[int, int]:
        """The 1-based RGB frames that flow frame `number` is between."""
        first = min((number - 1) * self.stride + 1, self.num_rgb_frames - self.dilation)
        return first, first + self.dilation


class FlowWriter:
    """The flow of one recording below the folder `out` of all; an `ArtifactError` where it is there, made otherwise."""

    def __init__(self, out: Path, source: MediaSource, spec: FlowSpec) -> None:
        self.source, self.spec = source, spec
        is_epic = epic.frame_rate(source.video_id) is not None
        home = out / source.video_id.partition("_")[0] / FLOW_FOLDER if is_epic else out
        self.path = home / source.video_id
        for component in ("u", "v"):
            make_folder(self.path / component)
        _claim(self.path / FLOW_NAME, spec)
        self._local = threading.local()

    def missing(self) -> list[int]:
        """Numbers of the flow frames that are not there yet; v is written last, so both are there or none counts."""
        present = {entry.name for entry in os.scandir(self.path / "v")}
        return [n for n in range(1, self.spec.num_flow_frames + 1) if _frame_name(n) not in present]

    def write(self, numbers: list[int], *, num_workers: int, done: Callable[[int], None]) -> list[tuple[int, str]]:
        """Compute and write flow frames, by ascending numbers, in threads; gives those that failed, and why.

        `done` is called with how many more are finished.
        """
        failures: list[tuple[int, str]] = []
        if not numbers:
            return failures
        waiting: deque[Future[None]] = deque()
        with ThreadPoolExecutor(num_workers) as pool:
            try:
                for number, first, second in self._pairs(numbers):
                    if isinstance(first, MediaError) or isinstance(second, MediaError):
                        failures.append((number, str(first if isinstance(first, MediaError) else second)))
                        done(1)
                        continue
                    waiting.append(pool.submit(self._compute, number, first, second))
                    while len(waiting) > 2 * num_workers:  # pictures in memory are bounded
                        waiting.popleft().result()
                        done(1)
                while waiting:
                    waiting.popleft().result()
                    done(1)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return failures

    def _pairs(self, numbers: list[int]) -> Iterator[tuple[int, np.ndarray | MediaError, np.ndarray | MediaError]]:
        """Flow frame numbers with their two pictures; every RGB frame is decoded once."""
        needed = sorted({rgb for number in numbers for rgb in self.spec.pair(number)})
        times = FrameGrid(self.spec.num_rgb_frames, self.spec.frame_rate).middles_seconds(needed)
        pictures: dict[int, np.ndarray | MediaError] = {}
        todo = deque(numbers)
        for positions, picture in self._read(times):
            pictures |= dict.fromkeys(needed[positions], picture)
            while todo and self.spec.pair(todo[0])[1] in pictures:
                number = todo.popleft()
                first, second = self.spec.pair(number)
                yield number, pictures[first], pictures[second]
                for old in [rgb for rgb in pictures if todo and rgb < self.spec.pair(todo[0])[0]]:
                    del pictures[old]

    def _read(self, times: np.ndarray) -> Iterator[tuple[slice, np.ndarray | MediaError]]:
        """As `read_frames`; a recording that breaks off is an error at all times that are left."""
        num_answered = 0
        try:
            for positions, picture in read_frames(self.source, times, size=self.spec.size, num_threads=1):
                num_answered = positions.stop
                yield positions, picture
        except MediaError as error:
            yield slice(num_answered, len(times)), error

    def _compute(self, number: int, first: np.ndarray, second: np.ndarray) -> None:
        if not hasattr(self._local, "method"):
            self._local.method = load_flow_method(self.spec.method)
        flow = self._local.method(first, second)
        packed = pack_flow(remove_camera_motion(flow) if self.spec.without_camera else flow)
        for i, component in enumerate(("u", "v")):
            path = self.path / component / _frame_name(number)
            part = part_path(path)  # `write_atomically` waits for the medium, longer than flow takes to compute
            part.write_bytes(encode_grey(packed[..., i]))
            os.replace(part, path)


def encode_grey(picture: np.ndarray) -> bytes:
    """uint8 (H, W) as JPEG."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _frame_name(number: int) -> str:
    return f"frame_{number:010d}.jpg"


def _claim(path: Path, spec: FlowSpec) -> None:
    """Write flow.json, or check that it says the same."""
    ours = json.loads(json.dumps(asdict(spec)))
    if not path.is_file():
        if any((path.parent / "u").iterdir()):
            raise ArtifactError("holds flow that egoact did not make; give another --out", path=path.parent)
        write_atomically(path, (json.dumps(ours, indent=2) + "\n").encode())
        return
    try:
        known = load_json(path)
        changed = [f"{n} was {known.get(n)!r}, now {ours[n]!r}" for n in ours if known.get(n, False) != ours[n]]
    except (OSError, ValueError, AttributeError) as error:
        raise ArtifactError(f"cannot be read ({error}); delete it and its flow", path=path) from None
    if changed:
        raise ArtifactError(f"holds flow made otherwise ({'; '.join(changed[:2])}); give another --out", path=path)
