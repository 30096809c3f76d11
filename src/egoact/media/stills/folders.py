"""Where recordings are: one folder, or several that are searched as if they were one."""

from collections.abc import Sequence
from pathlib import Path

from egoact.core.errors import MediaError

Folders = str | Path | Sequence[str | Path]


def list_folders(folders: Folders) -> tuple[Path, ...]:
    """Each of them, all of which exist.

    Raises:
        MediaError: One does not exist, or is not a folder.
        ValueError: There is not one.
    """
    paths = tuple(Path(folder) for folder in ([folders] if isinstance(folders, str | Path) else folders))
    if not paths:
        raise ValueError("give at least one folder with recordings")
    for path in paths:
        if not path.is_dir():
            raise MediaError("the media folder does not exist (or is not a folder)", path=path)
    return paths


def name_folders(folders: Sequence[Path]) -> Path:
    """All of them as one name, for a complaint."""
    return Path(" + ".join(str(folder) for folder in folders))
