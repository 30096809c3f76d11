"""Annotation files of other programs."""

from egoact.studio.schemas.messages import Answer


class Format(Answer):
    """A format of annotation files."""

    name: str
    title: str
    suffixes: list[str]
    can_read: bool
    can_write: bool


class Imported(Answer):
    """What came of an annotation file."""

    format: str
    num_added: int
    num_known: int
    """Segments that were there already, exactly so."""
    revision: int
    notes: list[str]
    """What the file said that labels cannot hold, and recordings that are not here."""


class ExportNotes(Answer):
    """What an export would be."""

    file_name: str
    num_segments: int
    notes: list[str]
    """What the format cannot hold."""
