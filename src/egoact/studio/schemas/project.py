"""The project that is open: its classes and annotators."""

from typing import Annotated

from pydantic import StringConstraints

from egoact.studio.schemas.messages import Answer, Name, Request


class ClassEntry(Answer):
    """A verb or noun that can be chosen."""

    name: str
    category: str | None = None
    num_segments: int = 0


class ClassSets(Answer):
    """All verbs and nouns, the most used first."""

    verbs: list[ClassEntry]
    nouns: list[ClassEntry]


class NewClass(Request):
    """A word that labels may use from now on."""

    name: Name


class NewAnnotator(Request):
    """Somebody who labels; the name of a file, so letters, digits, blanks, dots, hyphens and underscores."""

    name: Annotated[str, StringConstraints(pattern=r"^[\w][\w .-]{0,63}$", strip_whitespace=True)]


class Annotator(Answer):
    """Somebody who labels."""

    name: str
    path: str
    num_segments: int
    num_recordings: int


class Project(Answer):
    """The folder that is open."""

    name: str
    folder: str
    version: str
    annotators: list[Annotator]
    num_recordings: int
    classes: ClassSets
    problems: list[str]
    """One line each: labels that cannot be read, recordings of one name, ..."""
    max_upload_bytes: int
    heavy_job: int | None
    """The job that runs now."""
