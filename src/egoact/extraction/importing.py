"""A folder of features that others made, in the layout of MS-TCN's data sets (arXiv:1903.01945), into a store and CSVs.

DIR/features/VIDEO.npy  (or DIR/VIDEO.npy)    numbers of every frame                  ──► OUT/, the store
DIR/groundTruth/VIDEO.txt                     a word for every frame                  ──► LABELS/segments.csv
DIR/mapping.txt                               the classes, background among them      ──► LABELS/verb_classes.csv
DIR/splits/NAME.bundle                        the recordings of one side of a split   ──► LABELS/NAME.csv
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from egoact.core.annotations.datasets.dataset import Dataset, write_labels
from egoact.core.annotations.datasets.ms_tcn import Stretches, collect_stretches
from egoact.core.annotations.frame_labels import (
    files_of_recordings,
    find_stretches,
    list_files,
    read_frame_labels,
    read_mapping,
)
from egoact.core.errors import AnnotationError, ArtifactError
from egoact.store.imported import (
    Layout,
    Reading,
    add_recording,
    check_frames,
    choose_reading,
    imported_spec,
    open_array,
)
from egoact.store.writer import StoreWriter


@dataclass(frozen=True)
class ForeignFolder:
    """The files of such a folder."""

    path: Path
    features: dict[str, Path]  # video_id -> its `.npy`
    labels: dict[str, Path]  # video_id -> its file in `groundTruth`; may be empty
    names: tuple[str, ...] | None  # the classes of `mapping.txt`
    bundles: tuple[Path, ...]  # the files of `splits`

    @classmethod
    def find(cls, path: Path) -> "ForeignFolder":
        """Look into a folder.

        Raises:
            ArtifactError: There are no features.
            AnnotationError: Two files of one recording, or a `mapping.txt` that cannot be used.
        """
        if not path.is_dir():
            raise ArtifactError("a folder of features is expected" if path.exists() else "no such folder", path=path)
        features = files_of_recordings(path / "features", ".npy") or files_of_recordings(path, ".npy")
        if not features:
            raise ArtifactError("there are no .npy files here or in features/", path=path)
        labels, mapping = files_of_recordings(path / "groundTruth", ".txt"), path / "mapping.txt"
        names = read_mapping(mapping) if mapping.exists() else None
        return cls(path, features, labels, names, list_files(path / "splits", ".bundle"))


@dataclass
class Imported:
    """What came of it."""

    reading: Reading | None = None  # how the files were read
    num_added: int = 0  # recordings that are new in the store
    num_known: int = 0  # that were there before, with the same features
    num_frames: int = 0  # of both
    trimmed: list[str] = field(default_factory=list)  # "VIDEO (features, labels)", where these differed in length
    num_unlabelled: int = 0  # recordings without labels, where others have some
    problems: list[str] = field(default_factory=list)  # a line for each recording or bundle that is wrong
    notes: list[str] = field(default_factory=list)  # what else there is to say
    files: list[Path] = field(default_factory=list)  # CSV files that were written


def import_folder(
    found: ForeignFolder,
    out: Path,
    labels_out: Path,
    *,
    rate: int,
    name: str,
    layout: Layout | None = None,
    background: Collection[str] = (),
    overwrite: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Imported:
    """Write the store, and the CSVs where there are labels.

    `rate` is that of features and labels, frames a second, `name` what the features are called, and `layout` which axis
    of the files is time; None: what fits. Of the words in `background` nothing is said in the CSVs. With `overwrite`
    other CSVs in `labels_out` are replaced; `advance` is called with numbers of recordings as they are done.

    Raises:
        ArtifactError: Not one file can be used, or the store is of other features.
        AnnotationError: Other labels are in `labels_out`.
        ValueError: It cannot be told which axis is time, or no word of the labels is a class.
    """
    result = Imported()
    shapes = _read_shapes(found, result)
    labels = _read_labels(found, shapes, result)
    if not shapes:
        raise ArtifactError(f"no file can be used; {result.problems[0]}", path=found.path)
    counts = {video: len(words) for video, words in labels.items()}
    slack = max(rate, 2)  # a second: networks that look at several frames leave out the first or last ones
    result.reading = reading = choose_reading(shapes, counts, slack=slack, layout=layout)
    stretches: dict[str, Stretches] = {}
    with StoreWriter(out, imported_spec(name, num_channels=reading.num_channels, rate=rate)) as writer:
        for video in shapes:
            words = labels.get(video)
            try:
                frames = reading.frames(open_array(found.features[video]))
                num_frames = _common_length(video, len(frames), words, slack, found, result)
                check_frames(frames, num_channels=reading.num_channels, path=found.features[video])
                is_new = add_recording(writer, video, frames[:num_frames])
            except (AnnotationError, ArtifactError) as error:
                result.problems.append(str(error))
            else:
                result.num_added, result.num_known = result.num_added + is_new, result.num_known + (not is_new)
                result.num_frames += num_frames
                if words is not None:
                    stretches[video] = find_stretches(words[:num_frames], rate=rate, background=background)
            advance(1)
    if labels:
        result.num_unlabelled = len(shapes) - len(labels)
        dataset = Dataset(found.path)
        collect_stretches(dataset, stretches, names=found.names, bundles=found.bundles, background=background)
        result.problems += map(str, dataset.problems)
        result.notes += dataset.notes
        result.files = write_labels(dataset, labels_out, overwrite=overwrite, flag="--labels")
    return result


def _read_shapes(found: ForeignFolder, result: Imported) -> dict[str, tuple[int, int]]:
    shapes: dict[str, tuple[int, int]] = {}
    for video, path in found.features.items():
        try:
            shapes[video] = open_array(path).shape  # which has two axes
        except ArtifactError as error:
            result.problems.append(str(error))
    return shapes


def _read_labels(
    found: ForeignFolder, shapes: dict[str, tuple[int, int]], result: Imported
) -> dict[str, tuple[str, ...]]:
    """Of the recordings that have features; one whose labels are wrong is taken out of `shapes`."""
    labels = {}
    for video in sorted(shapes.keys() & found.labels.keys()):
        try:
            labels[video] = read_frame_labels(found.labels[video], known=found.names)
        except AnnotationError as error:
            result.problems.append(str(error))
            del shapes[video]
    if lost := sorted(found.labels.keys() - found.features.keys()):
        result.notes.append(f"{len(lost)} files of groundTruth are of recordings without features, such as {lost[0]}")
    return labels


def _common_length(
    video: str, num_frames: int, words: Sequence[str] | None, slack: int, found: ForeignFolder, result: Imported
) -> int:
    """Frames of which there are features and a label; both are cut to the shorter."""
    if words is None or len(words) == num_frames:
        return num_frames
    if abs(len(words) - num_frames) > slack:
        reason = f"{len(words)} labels for {num_frames} frames of features; they may differ by a second"
        raise AnnotationError(reason, path=found.labels[video])
    result.trimmed.append(f"{video} ({num_frames}, {len(words)})")
    return min(len(words), num_frames)
