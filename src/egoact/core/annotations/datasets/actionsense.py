"""ActionSense: activities in a kitchen, in the HDF5 files of worn sensors, and the video of the worn eye tracker.

    DATE_streamLog_actionNet-wearables_S04.hdf5
        experiment-activities/activities/data, time_s    rows of activity, Start or Stop, rating, notes; and when
        eye-tracking-video-world/frame_timestamp/time_s  when each frame of the video was taken
    DATE_S04_eye-tracking-video-world_frame.mp4          the video

Sources: the data set's own example of how to read its files (DelPreto et al., NeurIPS 2022), and readers of its
video by others. What the experimenter rated Bad or Maybe is left out, as in that example.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.datasets.dataset import Dataset
from egoact.core.annotations.parsing import show
from egoact.core.annotations.segments import Segment
from egoact.core.bounds import MOST_STEPS
from egoact.core.errors import AnnotationError

_NAME = re.compile(r"(?P<date>[\d-]+_[\d-]+)_streamLog_actionNet-wearables_(?P<person>S\d+)\.hdf5", re.ASCII)
_VIDEOS = ("eye-tracking-video-world", "eye-tracking-video-worldGaze")
_LEFT_OUT = ("Bad", "Maybe")
_SLACK_SECONDS = 2.0


def read_actionsense(folder: Path, *, rate_of: Callable[[str], float | None]) -> Dataset:
    """The activities of all HDF5 files of a folder, at any depth.

    `rate_of` tells the frames a second of the video of a recording; None: as many as were taken, on average.
    """
    try:
        import h5py
    except ImportError:
        raise AnnotationError("HDF5 files take h5py: pip install 'egoact[hdf5]'", path=folder) from None
    if not folder.is_dir():
        raise AnnotationError("a folder of HDF5 files is expected", path=folder)
    dataset = Dataset(folder)
    files = [(path, parts) for path in sorted(folder.rglob("*.hdf5")) if (parts := _NAME.fullmatch(path.name))]
    if not files:
        raise AnnotationError("no DATE_streamLog_actionNet-wearables_S00.hdf5 in it", path=folder)
    for path, parts in files:
        recording = f"{parts['date']}_{parts['person']}_{_VIDEOS[0]}_frame"
        try:
            with h5py.File(path, "r") as file:
                moments, rows = _read_stream(file, "experiment-activities", "activities")
                frames, _ = _read_stream(file, next((v for v in _VIDEOS if v in file), _VIDEOS[0]), "frame_timestamp")
            clock = _Clock(frames, rate_of(recording))
            _add_activities(rows, map(float, moments), clock, path, (parts["person"], recording), dataset)
        except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
            dataset.problems.append(AnnotationError(f"cannot be read: {error}", path=path))
    dataset.name_verbs()
    dataset.notes.append("no splits are published: keep persons for validation, or use --folds")
    return dataset


class _Clock:
    """Times of the sensors, as seconds of the video."""

    def __init__(self, frames: npt.NDArray[np.float64], rate: float | None) -> None:
        is_ordered = np.isfinite(frames).all() and (np.diff(frames) >= 0).all()
        if len(frames) < 2 or not is_ordered or frames[0] == frames[-1]:
            raise ValueError("the times of the video's frames are not in order")
        self._frames = frames
        self._rate = rate or (len(frames) - 1) / float(frames[-1] - frames[0])

    def seconds(self, moment: float) -> float:
        """Where the frame that was taken then is in the video."""
        first, last = self._frames[0], self._frames[-1]
        if not first - _SLACK_SECONDS <= moment <= last + _SLACK_SECONDS:
            raise ValueError(f"it is {moment - first:.1f} s after the first frame of a video of {last - first:.1f} s")
        index = np.interp(moment, self._frames, np.arange(len(self._frames)))
        return float(np.rint(index)) / self._rate


def _add_activities(
    rows: list[list[str]],
    moments: Iterable[float],
    clock: _Clock,
    path: Path,
    who: tuple[str, str],
    dataset: Dataset,
) -> None:
    begun: tuple[str, float, int] | None = None
    for number, (row, moment) in enumerate(zip(rows, moments, strict=True), 1):
        with dataset.row(path, f"activity row {number}"):
            name, edge, rating = row[0].strip(), row[1].strip(), row[2].strip()
            if rating in _LEFT_OUT:
                continue
            if edge == "Start":
                previous, begun = begun, (name, moment, number)
                if previous is not None:
                    raise ValueError(f"{show(name)} starts, and {show(previous[0])} of row {previous[2]} has no stop")
            elif begun is None or edge != "Stop" or begun[0] != name:
                raise ValueError(f"{show(edge)} of {show(name)} belongs to no start")
            else:
                (_, started, first), begun = begun, None
                identity = f"{who[1]}_{first}"
                times = clock.seconds(started), clock.seconds(moment)
                dataset.add(Segment(identity, *who, *times, verb=name, narration=" ".join(row[3].split())))


def _read_stream(file: Any, device: str, stream: str) -> tuple[npt.NDArray[np.float64], list[list[str]]]:
    """Times, shape (N,), and rows of texts, where it has some; nothing that leads out of the file is followed."""
    group = _child(_child(file, device), stream)
    times = np.asarray(_array(_child(group, "time_s"))[()], dtype=np.float64).reshape(-1)
    if stream != "activities":
        return times, []
    texts = _array(_child(group, "data"))[()]
    return times, [[cell.decode() if isinstance(cell, bytes) else str(cell) for cell in row] for row in texts]


def _child(group: Any, name: str) -> Any:
    import h5py

    if not isinstance(group, h5py.Group) or not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"there is no {name}")
    return group[name]


def _array(found: Any) -> Any:
    import h5py

    is_here = isinstance(found, h5py.Dataset) and not (found.is_virtual or found.external)
    if not is_here or found.size is None or found.size > MOST_STEPS:
        raise ValueError(f"{found.name} is not an array of at most {MOST_STEPS:,} values")
    return found
