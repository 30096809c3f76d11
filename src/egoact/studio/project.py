"""The folder of a project: what lies where, and which paths belong to it.

recordings/          media files                    labels/ANNOTATOR.csv     segments CSVs
classes/             verb_classes.csv, noun_...     features/                a feature store
runs/NAME/           of train-timeline              timelines/NAME/VIDEO/    of predict
studio/              the studio's own: state.sqlite, logs, thumbnails, copies for browsers, ...
"""

from dataclasses import dataclass
from pathlib import Path

from egoact.core.errors import ArtifactError
from egoact.core.files import make_folder

_FOLDERS = ("recordings", "labels", "studio")


@dataclass(frozen=True)
class Project:
    """A folder, resolved; and other folders with recordings, which are only read."""

    folder: Path
    media: tuple[Path, ...] = ()

    @classmethod
    def open(cls, folder: Path, media: tuple[Path, ...] = ()) -> "Project":
        """Make what is missing of its folders; an `ArtifactError` where that, or a folder of recordings, cannot be."""
        for other in media:
            if not other.is_dir():
                raise ArtifactError("there is no such folder of recordings", path=other)
        try:
            for name in _FOLDERS:
                make_folder(folder / name)
        except OSError as error:
            raise ArtifactError(f"cannot make a project here ({error.strerror})", path=folder) from None
        project = cls(folder.resolve(), tuple(other.resolve() for other in media))
        for name in _FOLDERS:
            if not project.owns(project.folder / name):
                raise ArtifactError("leads out of the project; give such a folder by --media", path=folder / name)
        return project

    @property
    def recordings(self) -> Path:
        """Where recordings are uploaded to."""
        return self.folder / "recordings"

    @property
    def media_folders(self) -> tuple[Path, ...]:
        """Where recordings are."""
        return (self.recordings, *self.media)

    @property
    def runs(self) -> Path:
        """Runs, a folder each."""
        return self.folder / "runs"

    @property
    def timelines(self) -> Path:
        """What runs found, a folder each."""
        return self.folder / "timelines"

    @property
    def own(self) -> Path:
        """The studio's own files."""
        return self.folder / "studio"

    def owns(self, path: Path) -> bool:
        """Whether a path, with its links followed, lies in the project or in its other folders of recordings."""
        resolved = path.resolve()
        return any(resolved.is_relative_to(root) for root in (self.folder, *self.media))

    def words(self, path: Path) -> str:
        """A path for a command line that is typed in the project's folder."""
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else str(path)
