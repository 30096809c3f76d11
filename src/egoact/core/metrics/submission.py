"""The EPIC-KITCHENS action recognition challenge's zip: writing one, and checking anybody's.

It holds one `test.json`: version, challenge, three supervision levels, and for each test segment 97 + 300 numbers.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egoact.core.annotations.segments import SegmentTable
from egoact.core.epic.facts import NUM_NOUNS, NUM_VERBS, SUPERVISION_LEVELS
from egoact.core.errors import ArtifactError
from egoact.core.files import open_atomically
from egoact.core.metrics.scores import SUBMISSION_MEMBER, Scores, read_submission, scores_from_results

VERSION = "0.2"
CHALLENGE = "action_recognition"

_NUM_CLASSES = {"verb": NUM_VERBS, "noun": NUM_NOUNS}


@dataclass(frozen=True, eq=False)
class Submission:
    """A complete, well-formed submission: supervision levels by name, and scores (N, 97) and (N, 300)."""

    levels: dict[str, int]
    scores: Scores


def write_submission(scores: Scores, path: str | Path, *, sls_pt: int, sls_tl: int, sls_td: int) -> None:
    """Write the zip; it appears under its name only when it is complete.

    Args:
        scores: Of all test segments, 97 verbs and 300 nouns.
        path: The zip to write; an old one is replaced.
        sls_pt: Supervision level of pre-training, 0 to 5; `epic.SUPERVISION_LEVELS` says what they mean.
        sls_tl: Level of training labels.
        sls_td: Level of training data.

    Raises:
        ValueError: A level outside 0 to 5, or other numbers of classes.
    """
    levels = {"sls_pt": sls_pt, "sls_tl": sls_tl, "sls_td": sls_td}
    for name, level in levels.items():
        _check_level(name, level)
    _check_classes(scores)
    with open_atomically(Path(path)) as whole:
        archive = zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        with archive, archive.open(SUBMISSION_MEMBER, "w") as file:  # Dated 1980: same scores, same bytes.
            for piece in _json_pieces(scores, levels):
                file.write(piece.encode())


def check_submission(path: str | Path, table: SegmentTable | None = None) -> Submission:
    """Read anybody's zip and refuse what the challenge would refuse.

    Args:
        path: The zip.
        table: The test segments; each must have scores, and no other. None leaves that unchecked.

    Raises:
        ArtifactError: The first thing that is wrong, in one line.
    """
    path = Path(path)
    if path.is_dir() or not path.exists():
        raise ArtifactError("this is a folder; a zip is expected" if path.is_dir() else "no such file", path=path)
    document = read_submission(path)
    try:
        levels = _check_header(document)
        scores = scores_from_results(document["results"], path)
        _check_classes(scores)
    except ValueError as error:
        raise ArtifactError(str(error), path=path) from None
    if table is not None:
        try:
            scores = scores.align(table)
        except ArtifactError as error:
            raise ArtifactError(error.reason, path=path) from None
    return Submission(levels, scores)


def _check_header(document: Any) -> dict[str, int]:
    expected = ("version", "challenge", *SUPERVISION_LEVELS, "results")
    if not isinstance(document, Mapping):
        raise ValueError(f"expected an object with {', '.join(expected)}")
    if missing := [key for key in expected if key not in document]:
        raise ValueError(f"no '{missing[0]}'; expected {', '.join(expected)}")
    for key, value in (("version", VERSION), ("challenge", CHALLENGE)):
        if document[key] != value:
            raise ValueError(f'{key} is {_show(document[key])}; expected "{value}"')
    for name in SUPERVISION_LEVELS:
        _check_level(name, document[name])
    return {name: document[name] for name in SUPERVISION_LEVELS}


def _check_level(name: str, level: Any) -> None:
    meanings = SUPERVISION_LEVELS[name]
    if type(level) is not int or not 0 <= level < len(meanings):
        listed = ", ".join(f"{number} {meaning}" for number, meaning in enumerate(meanings))
        raise ValueError(f"{name} is {_show(level)}; allowed are {listed}")


def _check_classes(scores: Scores) -> None:
    found = {target: array.shape[1] for target, array in scores.by_target().items()}
    if found != _NUM_CLASSES:
        listed = " and ".join(f"{count} {target}s" for target, count in found.items())
        raise ValueError(f"scores for {listed}; the challenge needs {NUM_VERBS} verbs and {NUM_NOUNS} nouns")


def _json_pieces(scores: Scores, levels: Mapping[str, int]) -> Iterator[str]:
    header = json.dumps({"version": VERSION, "challenge": CHALLENGE, **levels})
    yield header[:-1] + ', "results": {\n'
    templates = {target: _template(count) for target, count in _NUM_CLASSES.items()}
    for row, narration_id in enumerate(scores.narration_ids):
        parts = (f'"{t}": {templates[t] % tuple(array[row].tolist())}' for t, array in scores.by_target().items())
        yield f"{',' if row else ''}{json.dumps(narration_id)}: {{{', '.join(parts)}}}\n"
    yield "}}"


def _template(num_classes: int) -> str:
    # Nine digits read back as the same float32.
    return "{" + ", ".join(f'"{class_id}": %.9g' for class_id in range(num_classes)) + "}"


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
