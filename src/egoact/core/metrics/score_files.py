"""The layouts in which scores travel: files in, ids and rows of numbers out. Nothing is ever unpickled.

.npz     narration_id (N,), verb_output (N, V), noun_output (N, M)
.json    {"narration_id": [...], "verb_output": [[...]], "noun_output": [[...]]}
         [{"narration_id": "...", "verb_output": [...], "noun_output": [...]}, ...]
         {"results": {narration_id: {"verb": {"0": 1.5, ...}, "noun": {"0": -0.2, ...}}, ...}}
.zip     one test.json of the last layout: a submission to the challenge
"""

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from egoact.core.errors import ArtifactError

ID_KEY = "narration_id"
OUTPUT_KEYS = {"verb": "verb_output", "noun": "noun_output"}
SUBMISSION_MEMBER = "test.json"

Rows = dict[str, npt.ArrayLike]

_LARGEST_JSON_BYTES = 2 * 2**30
# A compression that zipfile does not know is its NotImplementedError.
_DAMAGED = (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile, zlib.error, NotImplementedError)


@dataclass(frozen=True, eq=False)
class ClassScores:
    """A JSON object whose values are all numbers, kept small: 13,092 x 397 of them fit in memory."""

    keys: tuple[str, ...]
    values: npt.NDArray[np.float64]


def read_score_file(path: Path) -> tuple[tuple[str, ...], Rows]:
    """Narration ids, and the rows of numbers of "verb" and/or "noun".

    Raises:
        ArtifactError: No such file, an unknown layout, damaged or pickled content.
    """
    if path.is_dir() or not path.exists():
        reason = "this is a folder; a scores file is expected" if path.is_dir() else "no such file"
        raise ArtifactError(reason, path=path)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _split_columns(_read_npz(path), path)
    if suffix not in (".json", ".zip"):
        reason = f"'{suffix}' files are not read; scores come as .npz, .json or .zip, and nothing is unpickled"
        raise ArtifactError(reason, path=path)
    document = parse_json(read_submission_bytes(path) if suffix == ".zip" else _read_bytes(path), path)
    if isinstance(document, list):
        return _split_columns(_transpose(document, path), path)
    if isinstance(document, dict) and "results" in document:
        return split_results(document["results"], path)
    if isinstance(document, dict):
        return _split_columns(document, path)
    raise ArtifactError("neither a list of segments nor an object with 'results' or 'verb_output'", path=path)


def read_submission_bytes(path: Path) -> bytes:
    """The `test.json` of a submission.

    Raises:
        ArtifactError: Not a zip, damaged, or one that holds anything but one `test.json`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if [member.filename for member in members] != [SUBMISSION_MEMBER]:
                found = list_some([member.filename for member in members]) if members else "nothing"
                raise ArtifactError(f"holds {found}; one {SUBMISSION_MEMBER}, in no folder, is expected", path=path)
            if members[0].file_size > _LARGEST_JSON_BYTES:
                raise ArtifactError(f"{SUBMISSION_MEMBER} is larger than any submission", path=path)
            return archive.read(members[0])
    except zipfile.BadZipFile:
        raise ArtifactError("not a zip archive, or a damaged one", path=path) from None
    except (OSError, EOFError, zlib.error, NotImplementedError, RuntimeError) as error:
        raise ArtifactError(f"cannot be read: {error}", path=path) from None


def parse_json(content: bytes, path: Path) -> Any:
    """A JSON document in which objects of numbers are `ClassScores`.

    Raises:
        ArtifactError: Not JSON, NaN or Infinity, or a key that occurs twice in one object.
    """
    known_keys: dict[tuple[str, ...], tuple[str, ...]] = {}

    def compact(pairs: list[tuple[str, Any]]) -> Any:
        keys = tuple(key for key, _ in pairs)
        if len(set(keys)) != len(keys):
            raise ArtifactError(f"key '{_first_repeated(keys)}' occurs twice in one object", path=path)
        if pairs and all(type(value) in (float, int) for _, value in pairs):
            return ClassScores(known_keys.setdefault(keys, keys), np.array([float(value) for _, value in pairs]))
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ArtifactError(f"{constant} is not a finite number", path=path)

    try:
        return json.loads(content, object_pairs_hook=compact, parse_constant=refuse)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ArtifactError(f"not readable as JSON: {error.msg}", path=path, place=place) from None
    except (UnicodeDecodeError, RecursionError, OverflowError, ValueError) as error:
        raise ArtifactError(f"not readable as JSON: {error}", path=path) from None


def split_results(results: Any, path: Path) -> tuple[tuple[str, ...], Rows]:
    """Ids and rows of a submission's `results`; scores of whole actions, which some add, are not used.

    Raises:
        ArtifactError: Anything but numbers for the classes 0, 1, 2, ... of "verb" and/or "noun" per segment,
            or segments with different numbers of classes.
    """
    if not isinstance(results, dict) or not results:
        raise ArtifactError("'results' must be an object: narration id -> scores, one at least", path=path)
    first = next(iter(results.values()))
    targets = [target for target in OUTPUT_KEYS if isinstance(first, Mapping) and target in first]
    rows: dict[str, list[npt.NDArray[np.float64]]] = {target: [] for target in targets}
    for narration_id, segment in results.items():
        if not isinstance(segment, dict) or not targets or set(segment) - {"action"} != set(targets):
            expected = " and ".join(targets or OUTPUT_KEYS)
            raise ArtifactError(f"expected an object with {expected}", path=path, place=f"segment {narration_id}")
        for target in targets:
            place = f"segment {narration_id}, {target}"
            width = len(rows[target][0]) if rows[target] else None
            rows[target].append(_class_row(segment[target], width, path, place))
    return tuple(results), {target: np.stack(arrays) for target, arrays in rows.items()}


def _class_row(scores: Any, width: int | None, path: Path, place: str) -> npt.NDArray[np.float64]:
    if not isinstance(scores, ClassScores):
        raise ArtifactError("expected an object: class id -> number, all of them numbers", path=path, place=place)
    width = len(scores.keys) if width is None else width
    expected = tuple(map(str, range(width)))
    if scores.keys == expected:
        return scores.values
    if set(scores.keys) != set(expected):
        odd = sorted(set(scores.keys) ^ set(expected), key=lambda key: (len(key), key))[0]
        problem = f"class {odd} is missing" if odd in expected else f"'{odd}' is not a class"
        raise ArtifactError(f"{problem}; expected the ids 0 to {width - 1}", path=path, place=place)
    value_of = dict(zip(scores.keys, scores.values, strict=True))
    return np.array([value_of[key] for key in expected])


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot be read: {error.strerror}", path=path) from None


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with path.open("rb") as file:  # Left to itself, numpy forgets to close a damaged one.
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise ArtifactError("a single array; an npz with narration_id and verb_output is expected", path=path)
            return {key: loaded[key] for key in (ID_KEY, *OUTPUT_KEYS.values()) if key in loaded}
    except _DAMAGED as error:
        raise ArtifactError(f"not a readable npz without pickled objects: {error}", path=path) from None


def _transpose(records: Sequence[Any], path: Path) -> dict[str, list[Any]]:
    """A list of segments as one list per key."""
    if not records or not all(isinstance(record, dict) for record in records):
        raise ArtifactError("the list must hold objects with narration_id and verb_output, one at least", path=path)
    keys = set(records[0]) & {ID_KEY, *OUTPUT_KEYS.values()}
    for position, record in enumerate(records):
        if not keys <= set(record):
            raise ArtifactError(f"no {sorted(keys - set(record))[0]}", path=path, place=f"item {position}")
    return {key: [record[key] for record in records] for key in keys}


def _split_columns(columns: Mapping[str, Any], path: Path) -> tuple[tuple[str, ...], Rows]:
    outputs = {target: columns[key] for target, key in OUTPUT_KEYS.items() if key in columns}
    if ID_KEY not in columns or not outputs:
        reason = f"needs {ID_KEY} and {' and/or '.join(OUTPUT_KEYS.values())}; found {list_some(sorted(columns))}"
        raise ArtifactError(reason, path=path)
    ids = columns[ID_KEY].tolist() if isinstance(columns[ID_KEY], np.ndarray) else columns[ID_KEY]
    if not isinstance(ids, list) or not all(isinstance(name, (str, bytes, int)) for name in ids):
        raise ArtifactError(f"{ID_KEY} must be a list of texts or whole numbers", path=path)
    names = (name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in ids)
    return tuple(names), outputs


def list_some(names: Sequence[str], *, most: int = 3) -> str:
    """The first names, quoted, and how many more there are."""
    listed = ", ".join(f"'{name}'" for name in names[:most])
    return f"{listed} and {len(names) - most} more" if len(names) > most else listed


def _first_repeated(names: Sequence[str]) -> str:
    seen: dict[str, int] = {}
    return next(name for position, name in enumerate(names) if seen.setdefault(name, position) != position)
