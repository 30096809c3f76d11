"""The three ways an input can be wrong; knows nothing about where messages are shown.

Bad *arguments* are `ValueError`. Bad *inputs* (something on disk or on the wire) are one of these three;
each carries the path and the place inside it, and prints as one line.
"""

from functools import partial
from pathlib import Path
from typing import Any

from egoact.core.bounds import clear_line


class InputError(Exception):
    """Something that was handed to egoact is wrong; `str()` is one clear line.

    Args:
        reason: What is wrong, what is allowed, what to do; no line breaks.
        path: The file or folder it is about.
        place: Where inside it: "row 12, column start_timestamp", "at 3.25 s".
    """

    def __init__(self, reason: str, *, path: str | Path | None = None, place: str | None = None) -> None:
        super().__init__(reason, path, place)
        self.reason = clear_line(reason)
        self.path = None if path is None else Path(path)
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        """As another process gives it on; exceptions by themselves lose keyword arguments."""
        return partial(type(self), path=self.path, place=self.place), (self.reason,)

    def __str__(self) -> str:
        where = ", ".join(str(part) for part in (self.path, self.place) if part is not None)
        return f"{clear_line(where)}: {self.reason}" if where else self.reason


class AnnotationError(InputError):
    """A segments CSV or class file is wrong."""


class MediaError(InputError):
    """A video, a frame folder or an archive is missing or cannot be decoded."""


class EndOfRecordingError(MediaError):
    """A moment after the last picture of a recording that is whole."""


class ArtifactError(InputError):
    """A run directory, feature store or scores file is missing, damaged or does not fit."""
