"""`egoact import-dataset`: the annotation files of a data set of the field to segments CSVs, by its own splits."""

import math
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
    """Write the CSVs, and links where recordings have other names; gives how many rows and files cannot be used."""
    from egoact.commands.recordings import open_recordings
    from egoact.core.annotations.datasets.catalogue import RECIPES, Options
    from egoact.core.annotations.datasets.dataset import write_labels
    from egoact.core.errors import AnnotationError

    recipe = RECIPES[settings.name]
    root = open_recordings(settings.media) if settings.media else None
    rate_of = partial(_frame_rate, root)
    dataset = recipe.read(settings.folder, Options(views=settings.views, rate_of=rate_of))
    if root is not None:
        _find_recordings(dataset, root, settings.out / "videos")
    if not dataset.segments:
        if dataset.problems:
            raise dataset.problems[0]
        raise AnnotationError(f"no action of {recipe.title} in it", path=settings.folder)
    _tell_problems(dataset)
    for path in write_labels(dataset, settings.out, overwrite=settings.overwrite):
        print(f"wrote {path}")
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


def _find_recordings(dataset: "Dataset", root: "MediaRoot", links: Path) -> None:
    """Link those with other names, note those that are missing, and leave out what lies beyond the end of one."""
    from egoact.core.errors import MediaError
    from egoact.core.progress import Progress
    from egoact.media.links import link_recordings
    from egoact.media.video.file import VideoFile

    linked = link_recordings(root.folders, dataset.media, links)
    if linked:
        dataset.notes.append(f"{len(linked)} links to recordings in {links}; give it as --media to other commands")
    videos, known = dataset.video_ids, set(root.video_ids)
    if missing := [video for video in videos if video not in known and video not in linked]:
        dataset.notes.append(f"{len(missing)} of {len(videos)} recordings are not in {root.path}, such as {missing[0]}")
    sources = {video: root.find(video) for video in videos if video in known and video not in linked}
    paths = linked | {video: source.path for video, source in sources.items() if not source.is_stills}
    lengths = {}
    with Progress("import-dataset", total=len(paths), unit="recordings") as progress:
        for video, path in paths.items():
            try:
                with VideoFile(path) as file:
                    lengths[video] = file.stated_seconds or math.inf
            except MediaError as error:
                dataset.notes.append(str(error))
            progress.advance(1)
    dataset.leave_out_beyond(lengths)


def _tell_problems(dataset: "Dataset") -> None:
    told: Counter[Path | None] = Counter()
    for problem in dataset.problems:
        told[problem.path] += 1
        if told[problem.path] <= _MOST_TOLD:
            print(f"import-dataset: {problem}; left out", file=sys.stderr)
    for path, count in told.items():
        if count > _MOST_TOLD:
            print(f"import-dataset: {path}: {count - _MOST_TOLD} more left out", file=sys.stderr)
