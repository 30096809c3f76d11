"""`egoact import-dataset`: the annotation files of a data set of the field to segments CSVs, by its own splits."""

import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

if TYPE_CHECKING:
    from egoact.core.annotations.datasets.dataset import Dataset
    from egoact.media.sources import MediaRoot

_MOST_TOLD = 5


@dataclass(frozen=True)
class ImportDatasetSettings:
    """Take over the labels of a data set: egoact import-dataset NAME FOLDER --out LABELS.

    NAME is epic-kitchens-55, epic-kitchens-100, egtea, gtea, 50salads, breakfast, ego4d-narrations, ego4d-moments,
    assembly101, actionsense or hd-epic. FOLDER has the annotation files as they were published. Writes segments.csv
    with all labelled actions, a CSV for each side of each split, and the classes; no recording is copied.
    """

    name: Positional[str]
    """The data set."""
    folder: Positional[Path]
    """Folder with its annotation files."""
    out: Path
    """Folder for the CSVs."""
    media: tuple[Path, ...] = ()
    """Folder (or several) with the recordings: tells which of them are missing, and the frame rates of ActionSense's.
    Where their files have other names than the labels say (Breakfast, Assembly101), links with those names are made in
    videos/ in --out."""
    views: tuple[str, ...] = ("e3",)
    """Of Assembly101: cameras, of e1 to e4 (worn) and v1 to v8; each gives recordings of its own."""
    overwrite: bool = False
    """Replace other labels that are in --out."""

    def __post_init__(self) -> None:
        from egoact.core.annotations.datasets.assembly101 import VIEWS
        from egoact.core.annotations.datasets.catalogue import RECIPES

        if self.name not in RECIPES:
            raise ValueError(f"NAME must be one of {', '.join(RECIPES)}, got {self.name!r}")
        if unknown := [view for view in self.views if view not in VIEWS]:
            raise ValueError(f"--views must be of {', '.join(VIEWS)}, got {unknown[0]!r}")


def import_dataset(settings: ImportDatasetSettings) -> int:
    """Write the CSVs, and links where recordings have other names.

    Returns:
        Number of rows and files of annotations that cannot be used.

    Raises:
        AnnotationError: Annotations that cannot be used at all, or other labels in --out.
        MediaError: --media cannot be listed.
    """
    from egoact.commands.recordings import open_recordings
    from egoact.core.annotations.datasets.catalogue import RECIPES, Options
    from egoact.core.annotations.datasets.dataset import write_labels
    from egoact.core.errors import AnnotationError

    recipe = RECIPES[settings.name]
    root = open_recordings(settings.media) if settings.media else None
    rate_of = partial(_frame_rate, root)
    dataset = recipe.read(settings.folder, Options(views=settings.views, rate_of=rate_of))
    if not dataset.segments:
        if dataset.problems:
            raise dataset.problems[0]
        raise AnnotationError(f"no action of {recipe.title} in it", path=settings.folder)
    _tell_problems(dataset)
    for path in write_labels(dataset, settings.out, overwrite=settings.overwrite):
        print(f"wrote {path}")
    if root is not None:
        dataset.notes += _find_recordings(dataset, root, settings.out / "videos")
    for note in dataset.notes:
        print(note)
    print(f"{recipe.title}: {len(dataset.segments):,} actions in {len(dataset.video_ids):,} recordings")
    return len(dataset.problems)


def _frame_rate(root: "MediaRoot | None", recording: str) -> float | None:
    """Frames a second of a recording's video file; None where there is none."""
    from egoact.media.video.file import VideoFile

    if root is None or recording not in root.video_ids or (source := root.find(recording)).is_stills:
        return None
    with VideoFile(source.path) as file:
        rate = file.stream.average_rate
        return float(rate) if rate else None


def _find_recordings(dataset: "Dataset", root: "MediaRoot", links: Path) -> list[str]:
    """Notes on which recordings there are."""
    from egoact.media.links import link_recordings

    linked = link_recordings(root.folders, dataset.media, links)
    found = linked | set(root.video_ids)
    notes = [f"{len(linked)} links to recordings in {links}; give it as --media to other commands"] if linked else []
    if missing := [video for video in dataset.video_ids if video not in found]:
        notes.append(
            f"{len(missing)} of {len(dataset.video_ids)} recordings are not in {root.path}, such as {missing[0]}"
        )
    return notes


def _tell_problems(dataset: "Dataset") -> None:
    told: Counter[Path | None] = Counter()
    for problem in dataset.problems:
        told[problem.path] += 1
        if told[problem.path] <= _MOST_TOLD:
            print(f"import-dataset: {problem}; left out", file=sys.stderr)
    for path, count in told.items():
        if count > _MOST_TOLD:
            print(f"import-dataset: {path}: {count - _MOST_TOLD} more left out", file=sys.stderr)
