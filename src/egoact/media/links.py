"""Recordings under the names that labels have for them: links, where a data set's files are called otherwise."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path


def link_recordings(folders: Sequence[Path], places: Mapping[str, Sequence[str]], links: Path) -> dict[str, Path]:
    """Make a link for each recording that is there; one of a former call is replaced where it leads elsewhere.

    `places`: recording -> its file below one of the folders, or several, of which the first one that is there counts.

    Returns:
        Recording -> its link, of those that have one.
    """
    made = {}
    for recording, files in places.items():
        paths = (folder / file for file in files for folder in folders)
        target = next((path for path in paths if path.is_file()), None)
        if target is None:
            continue
        link = links / f"{recording}{target.suffix}"
        if not (link.exists() and link.samefile(target)):
            links.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            try:
                link.symlink_to(target.resolve())
            except OSError:  # the system does not let people make those (Windows)
                os.link(target.resolve(), link)
        made[recording] = link
    return made
