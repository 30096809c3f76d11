"""GTEA, 50Salads and Breakfast in the layout of MS-TCN, which `frame_labels.py` reads.

Breakfast's own folders of videos:

P03/cam01/P03_cereals.avi          is P03_cam01_P03_cereals
P03/stereo/P03_cereals_ch0.avi     is P03_stereo01_P03_cereals
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from egoact.core.annotations.datasets.dataset import Dataset, locate
from egoact.core.annotations.frame_labels import (
    BACKGROUND,
    files_of_recordings,
    find_stretches,
    list_files,
    read_bundle,
    read_frame_labels,
    read_mapping,
)
from egoact.core.annotations.segments import Segment
from egoact.core.errors import AnnotationError

Stretches = Sequence[tuple[float, float, str]]
_PERSON = re.compile(r"rgb-\d+|[^_]+", re.ASCII)  # rgb-01-1 is the first recording of a person in 50Salads
_BREAKFAST = re.compile(r"(?P<person>P\d+)_(?P<camera>[a-z]+\d*)_(?P<file>.+)", re.ASCII)


def read_ms_tcn(folder: Path, *, rate: int) -> Dataset:
    """The stretches of equal labels of all recordings, which have `rate` frames a second, without background."""
    truth = locate(folder, "groundTruth")
    dataset = Dataset(truth.parent)
    mapping = truth.parent / "mapping.txt"
    names = read_mapping(mapping) if mapping.exists() else None
    stretches: dict[str, Stretches] = {}
    for video, path in files_of_recordings(truth, ".txt").items():
        try:
            stretches[video] = find_stretches(read_frame_labels(path, known=names), rate=rate)
        except AnnotationError as error:
            dataset.problems.append(error)
    bundles = list_files(truth.parent / "splits", ".bundle")
    if not bundles:
        dataset.notes.append("no splits/*.bundle, so there is segments.csv alone")
    collect_stretches(dataset, stretches, names=names, bundles=bundles)
    return dataset


def read_breakfast(folder: Path) -> Dataset:
    """The same of Breakfast, with the places of its videos."""
    dataset = read_ms_tcn(folder, rate=15)
    for video in dataset.video_ids:
        if parts := _BREAKFAST.fullmatch(video):
            person, camera, file = parts["person"], parts["camera"], parts["file"]
            is_stereo = camera.startswith("stereo")
            place = f"{person}/stereo/{file}_ch" if is_stereo else f"{person}/{camera}/{file}"
            dataset.media[video] = (f"{place}0.avi", f"{place}1.avi") if is_stereo else (f"{place}.avi",)
    return dataset


def collect_stretches(
    dataset: Dataset,
    stretches: Mapping[str, Stretches],
    *,
    names: Sequence[str] | None,
    bundles: Sequence[Path] = (),
    background: Collection[str] = BACKGROUND,
) -> None:
    """Make segments, splits and classes of the stretches of recordings.

    Args:
        dataset: What gets them.
        stretches: Recording -> its stretches, without background.
        names: All classes, with background; None: those that occur.
        bundles: Files that name the recordings of a side of a split.
        background: Words of which nothing is said: nothing happens.

    Raises:
        AnnotationError: A name that no class can have.
        ValueError: No stretch at all.
    """
    used = sorted({name for each in stretches.values() for _, _, name in each})
    if not used:
        raise ValueError(f"{dataset.path}: nothing but {', '.join(background) or 'empty files'} in the labels")
    classes = tuple(used) if names is None else tuple(name for name in names if name not in background)
    dataset.name_classes("verb", classes)
    ids: dict[str, list[Segment]] = {}
    for video, each in stretches.items():
        person = match[0] if (match := _PERSON.match(video)) else video
        for number, (start, stop, name) in enumerate(each):
            with dataset.row(dataset.path, video):
                segment = Segment(f"{video}_{number}", person, video, start, stop, verb=name)
                dataset.add(segment)
                ids.setdefault(video, []).append(segment)
    for path in bundles:
        try:
            videos = read_bundle(path)
        except AnnotationError as error:
            dataset.problems.append(error)
            continue
        if lost := [video for video in videos if video not in stretches]:
            reason = f"{len(lost)} of its {len(videos)} recordings are not here, such as {lost[0]}"
            dataset.problems.append(AnnotationError(reason, path=path))
        for video in videos:
            for segment in ids.get(video, ()):
                dataset.add(segment, split=path.stem)
    if silent := [video for video, each in stretches.items() if not each]:
        what = "is in no CSV" if len(silent) == 1 else "are in no CSV"
        dataset.notes.append(f"{len(silent)} recordings without any action, such as {silent[0]}, {what}")
