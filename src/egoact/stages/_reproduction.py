"""What every step of `egoact reproduce` works with: recordings and labels, how much is done, where it goes."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.labels import read_vocabulary
from egoact.core.segments import SegmentTable, read_segments
from egoact.data.folders import list_folders
from egoact.data.media import MediaRoot
from egoact.stages._reproduction_memory import Memory

NUM_FRAMES = 20


@dataclass(frozen=True)
class Effort:
    """How much is done: enough to show everything, within the promised time."""

    videos: int
    epochs: int
    map_epochs: int
    map_size: int
    painted_kernels: int
    painting_steps: int
    is_quick: bool


EFFORT = Effort(16, 100, 8, 256, 16, 96, is_quick=False)
QUICK_EFFORT = Effort(6, 30, 4, 128, 4, 48, is_quick=True)


@dataclass(frozen=True)
class ReproductionData:
    """What is trained on and looked at.

    Args:
        train: Segments CSV.
        validation: Segments CSV.
        media: Folders with the recordings.
        classes: Folder with the class files, or None.
    """

    train: Path
    validation: Path
    media: tuple[Path, ...]
    classes: Path | None

    def validation_table(self) -> SegmentTable:
        """The segments to measure on."""
        return read_segments(self.validation)

    def root(self) -> MediaRoot:
        """The recordings."""
        return MediaRoot(self.media)

    @property
    def has_categories(self) -> bool:
        """Whether the verb classes are grouped into categories."""
        return self.classes is not None and bool(read_vocabulary(self.classes, "verb").categories)


@dataclass(frozen=True)
class Reproduction:
    """What the steps share.

    Args:
        out: Folder for everything.
        backbone: Name of the image backbone.
        weights: File with its weights, or None.
        annotations: Folder with EPIC-KITCHENS' CSVs, or None.
        seed: Of everything.
        effort: How much is done.
        data: What is trained on.
        memory: What is done already.
    """

    out: Path
    backbone: str
    weights: Path | None
    annotations: Path | None
    seed: int
    effort: Effort
    data: ReproductionData
    memory: Memory


def check_data(data: ReproductionData) -> ReproductionData:
    """The data, after a look at what would only be missed after minutes of work.

    Raises:
        AnnotationError: A CSV cannot be read.
        MediaError: A folder does not exist, or not one recording of a CSV is there.
    """
    root = MediaRoot(list_folders(data.media))
    for segments in (data.train, data.validation):
        root.find(read_segments(segments)[0].video_id)
    return data


def find_annotations(folder: Path | None, *names: str) -> Path | None:
    """The first of some annotation files that a folder has, in itself or one level below."""
    if folder is None:
        return None
    if not folder.is_dir():
        raise ArtifactError("the annotations folder does not exist", path=folder)
    for name in names:
        found = sorted([*folder.glob(name), *folder.glob(f"*/{name}")])
        if found:
            return found[0]
    return None


def write_picture(path: Path, picture: np.ndarray) -> None:
    """uint8 (H, W, 3), RGB, as PNG or JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, picture[..., ::-1])[1].tobytes())
