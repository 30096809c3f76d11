"""What the files of EPIC-KITCHENS' three challenges have in common: a zip, its header, its supervision levels."""

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from egoact.core.epic.facts import SUPERVISION_LEVELS
from egoact.core.errors import ArtifactError
from egoact.core.files import open_atomically
from egoact.core.metrics.scores import SUBMISSION_MEMBER, read_submission

VERSION = "0.2"

Challenge = Literal["action_recognition", "action_anticipation", "action_detection"]


def write_document(path: Path, pieces: Iterable[str], *, challenge: Challenge, levels: Mapping[str, int]) -> None:
    """Write the zip; it appears under its name only when it is complete. A level outside 0 to 5 is a `ValueError`.

    `pieces` are the text of `results`, a JSON object; `levels` are the supervision levels by name.
    """
    for name, level in levels.items():
        _check_level(name, level)
    header = json.dumps({"version": VERSION, "challenge": challenge, **levels})
    with open_atomically(path) as whole:
        archive = zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        with archive, archive.open(SUBMISSION_MEMBER, "w") as file:  # Dated 1980: same answers, same bytes.
            file.write(f'{header[:-1]}, "results": '.encode())
            for piece in pieces:
                file.write(piece.encode())
            file.write(b"}")


def read_document(path: Path, *, challenge: Challenge) -> tuple[Any, dict[str, int]]:
    """The results that anybody's zip holds, and its supervision levels; an `ArtifactError` where one is wrong."""
    if path.is_dir() or not path.exists():
        raise ArtifactError("this is a folder; a zip is expected" if path.is_dir() else "no such file", path=path)
    document = read_submission(path)
    try:
        levels = _check_header(document, challenge=challenge)
    except ValueError as error:
        raise ArtifactError(str(error), path=path) from None
    return document["results"], levels


def _check_header(document: Any, *, challenge: Challenge) -> dict[str, int]:
    """The supervision levels; a `ValueError` for the first thing that is wrong with what precedes the results."""
    expected = ("version", "challenge", *SUPERVISION_LEVELS, "results")
    if not isinstance(document, Mapping):
        raise ValueError(f"expected an object with {', '.join(expected)}")
    if missing := [key for key in expected if key not in document]:
        raise ValueError(f"no '{missing[0]}'; expected {', '.join(expected)}")
    for key, value in (("version", VERSION), ("challenge", challenge)):
        if document[key] != value:
            raise ValueError(f'{key} is {show(document[key])}; expected "{value}"')
    for name in SUPERVISION_LEVELS:
        _check_level(name, document[name])
    return {name: document[name] for name in SUPERVISION_LEVELS}


def show(value: Any) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _check_level(name: str, level: Any) -> None:
    meanings = SUPERVISION_LEVELS[name]
    if type(level) is not int or not 0 <= level < len(meanings):
        listed = ", ".join(f"{number} {meaning}" for number, meaning in enumerate(meanings))
        raise ValueError(f"{name} is {show(level)}; allowed are {listed}")
