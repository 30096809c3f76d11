"""Optical flow of EPIC-KITCHENS: 8-bit JPEGs of x and y motion in folders `u/` and `v/`, or in a tar with both.

    root/PXX/flow_frames/VIDEO/u/frame_0000000001.jpg     1st choice
    root/PXX/flow_frames/VIDEO.tar                        2nd
    root/**/VIDEO/u/, root/**/flow_frames/VIDEO.tar       3rd, up to three levels deep

Flow frames are sparser than RGB frames: stride 2 for videos of 2018, 1 for 2020.
"""

import glob
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egoact.core.annotations.parsing import normalise_video_id
from egoact.core.bounds import load_json
from egoact.core.epic import facts as epic
from egoact.core.errors import MediaError
from egoact.media.stills.frames import (
    Folders,
    FrameFolder,
    Stills,
    TarFrames,
    each_frame_once,
    list_folders,
    name_folders,
)
from egoact.media.stills.pictures import decode_still

FLOW_FOLDER = "flow_frames"
FLOW_NAME = "flow.json"  # beside u/ and v/: how `egoact flow` made them; the published flow has none


@dataclass(frozen=True, slots=True)
class FlowSource:
    """Where the flow of one recording is."""

    video_id: str
    path: Path  # folder with `u/` and `v/`, or tar
    frame_rate: float  # RGB frames per second
    stride: int  # RGB frames per flow frame
    without_camera: bool = False  # the camera's own motion was taken off

    def __post_init__(self) -> None:
        if not (self.frame_rate > 0 and self.stride >= 1):
            raise ValueError(f"frame rate {self.frame_rate} and stride {self.stride} must be positive")


class FlowRoot:
    """Folders of optical flow, which must exist, asked for many videos as a `MediaRoot` is for RGB."""

    def __init__(self, folders: Folders) -> None:
        self.folders = list_folders(folders)

    @property
    def path(self) -> Path:
        """What to call it in a complaint: its folders as one name."""
        return name_folders(self.folders)

    def find(self, video_id: str) -> FlowSource:
        """As `find_flow`; that nobody says its rate and stride is a `MediaError`, too."""
        try:
            return find_flow(self.folders, video_id)
        except ValueError as error:
            raise MediaError(str(error), path=self.path) from None

    def is_without_camera(self, video_ids: Iterable[str]) -> bool:
        """Whether the flow of recordings is without the camera's motion; a `MediaError` where that differs."""
        examples: dict[bool, str] = {}
        for video_id in video_ids:
            with suppress(MediaError):
                examples.setdefault(self.find(video_id).without_camera, video_id)
        if len(examples) > 1:
            reason = f"{examples[True]} has flow without the camera's motion, {examples[False]} with it"
            raise MediaError(f"{reason}; compute one of them anew (egoact flow)", path=self.path)
        return True in examples


def find_flow(
    root: Folders, video_id: str, *, frame_rate: float | None = None, stride: int | None = None
) -> FlowSource:
    """The flow of one video in a folder, or several.

    RGB frames per second and per flow frame are as the file flow.json beside the flow says, or the rule for the ids of
    EPIC-KITCHENS, unless they are given.

    Raises:
        MediaError: There is none, or two are equally good.
        ValueError: Another id without frame rate or stride.
    """
    folders, video_id = list_folders(root), normalise_video_id(video_id)
    taken_apart = unicodedata.normalize("NFD", video_id)  # as macOS may have written it
    found = _find_named(folders, video_id) or _find_named(folders, taken_apart)
    if len(found) != 1:
        reason = f"no optical flow of {video_id}: no {video_id}/u/ and no {FLOW_FOLDER}/{video_id}.tar"
        if found:
            reason = f"two sets of flow of {video_id}: {found[0]} and {found[1]}; remove or rename one"
        raise MediaError(reason, path=name_folders(folders))
    stated_rate, stated_stride, without_camera = _read_stated(found[0])
    frame_rate = frame_rate or stated_rate or epic.frame_rate(video_id)
    stride = stride or stated_stride or epic.flow_stride(video_id)
    if frame_rate is None or stride is None:
        raise ValueError(f"{video_id} is not an id of EPIC-KITCHENS: its frame_rate and stride must be given")
    return FlowSource(video_id, found[0], frame_rate, stride, without_camera)


def _find_named(folders: Sequence[Path], video_id: str) -> list[Path]:
    """Folders and tars of this very name, at the first place that has any."""
    homes, name = [folder / video_id.partition("_")[0] / FLOW_FOLDER for folder in folders], glob.escape(video_id)
    return (
        [home / video_id for home in homes if (home / video_id / "u").is_dir()]
        or [home / f"{video_id}.tar" for home in homes if (home / f"{video_id}.tar").is_file()]
        or [p.parent for p in _search(folders, f"{name}/u") if p.is_dir()]
        + _search(folders, f"{FLOW_FOLDER}/{name}.tar")
    )


def _search(folders: Sequence[Path], pattern: str) -> list[Path]:
    """What fits a pattern, up to three levels deep."""
    return [path for folder in folders for depth in range(3) for path in folder.glob(f"{'*/' * depth}{pattern}")]


def _read_stated(path: Path) -> tuple[float | None, int | None, bool]:
    """Frame rate, stride, and whether it is without the camera's motion, out of flow.json, if there is one."""
    path = path / FLOW_NAME
    if not path.is_file():
        return None, None, False
    try:
        values = load_json(path)
        return float(values["frame_rate"]), int(values["stride"]), bool(values.get("without_camera", False))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MediaError(f"not what egoact flow writes ({error!r})", path=path) from None


def read_flow(
    source: FlowSource, times_seconds: np.ndarray, *, size: tuple[int, int] | None = None
) -> Iterator[tuple[slice, np.ndarray | MediaError]]:
    """The motion at some moments, as `media.read_frames` gives RGB frames.

    Times are float64 (M,), ascending; size is (height, width) in pixels, None: as recorded. Resizing leaves the values
    alone: they stay pixels of the size that flow was computed at.

    Yields:
        Positions, and uint8 (H, W, 2), x and y motion around 127.5 (`core.epic.flow` makes pixels of it); or a
        `MediaError`.

    Raises:
        MediaError: The archive as a whole cannot be read.
    """

    def number_at(seconds: float) -> int:
        return epic.flow_index(epic.frame_index(seconds, rate=source.frame_rate), stride=source.stride)

    with ExitStack() as stack:
        parts: list[Stills] = []
        for component in ("u", "v"):
            folder = source.path / component
            if not source.path.is_dir():
                parts.append(stack.enter_context(TarFrames(source.path, component=component)))
            elif folder.is_dir():
                parts.append(FrameFolder(folder))
            else:
                raise MediaError(f"the folder {component}/ of the optical flow is missing", path=source.path)

        def decode(number: int) -> np.ndarray:
            return np.stack([decode_still(part.read(number), size=size, is_grey=True) for part in parts], axis=-1)

        yield from each_frame_once(times_seconds, number_at, decode, path=parts[0].path, name="flow frame")
