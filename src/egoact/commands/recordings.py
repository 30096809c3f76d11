"""`--media`, for the commands that take it: the folders are listed, and what was taken for one recording is told."""

import sys

from egoact.media.sources import MediaRoot
from egoact.media.stills.frames import Folders


def open_recordings(folders: Folders, *, frame_rate: float | None = None) -> MediaRoot:
    """As `MediaRoot`, with a line on standard error for each recording that consists of chapters."""
    root = MediaRoot(folders, frame_rate=frame_rate)
    for told in root.chapters:
        print(told, file=sys.stderr)
    return root
