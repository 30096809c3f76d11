"""What lies in a folder of features that others made, in the layout of MS-TCN's data sets (arXiv:1903.01945).

DIR/features/VIDEO.npy  (or DIR/VIDEO.npy)    numbers of every frame
DIR/groundTruth/VIDEO.txt                     a word for every frame
DIR/mapping.txt                               the classes
DIR/splits/NAME.bundle                        the recordings of one side of a split
"""

from dataclasses import dataclass
from pathlib import Path

from egoact.core.annotations.frame_labels import files_of_recordings, list_files, read_mapping
from egoact.core.errors import ArtifactError


@dataclass(frozen=True)
class ForeignFolder:
    """The files of such a folder.

    Args:
        path: The folder.
        features: video_id -> its `.npy`.
        labels: video_id -> its file in `groundTruth`; may be empty.
        names: The classes of `mapping.txt`, or None.
        bundles: The files of `splits`.
    """

    path: Path
    features: dict[str, Path]
    labels: dict[str, Path]
    names: tuple[str, ...] | None
    bundles: tuple[Path, ...]

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
        mapping = path / "mapping.txt"
        names = read_mapping(mapping) if mapping.exists() else None
        return cls(
            path,
            features,
            files_of_recordings(path / "groundTruth", ".txt"),
            names,
            list_files(path / "splits", ".bundle"),
        )
