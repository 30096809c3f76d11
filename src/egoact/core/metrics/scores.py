"""What a model answers for each segment, and the layouts in which such scores travel. Nothing is ever unpickled.

.npz     narration_id (N,), verb_output (N, V), noun_output (N, M)
.json    {"narration_id": [...], "verb_output": [[...]], "noun_output": [[...]]}
         [{"narration_id": "...", "verb_output": [...], "noun_output": [...]}, ...]
         {"results": {narration_id: {"verb": {"0": 1.5, ...}, "noun": {"0": -0.2, ...}}, ...}}
.zip     one test.json of the last layout: a submission to the challenge

Shapes: `N` segments, `V` verbs, `M` nouns. Our own `scores.npz` has the challenge's key names: one reader takes both.
"""

import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.segments import SegmentTable
from egoact.core.bounds import DAMAGED_ARRAY
from egoact.core.errors import ArtifactError
from egoact.core.files import open_atomically

SUBMISSION_MEMBER = "test.json"

_ID_KEY = "narration_id"
_OUTPUT_KEYS = {"verb": "verb_output", "noun": "noun_output"}
_LARGEST_BYTES = 2 * 2**30
_SMALL_BYTES = 64 * 2**20
_MOST_COMPRESSED = 100  # of scores that differ, a third at most is saved
# zipfile raises a RuntimeError for encrypted members, and a kind of it for a compression that it does not know.
_DAMAGED = (*DAMAGED_ARRAY, KeyError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, eq=False)
class Scores:
    """Logits, or any scores of which higher is better, one row per segment; of verbs, nouns or both.

    Repeated ids, arrays that do not fit, and numbers that are not finite are a `ValueError`.
    """

    narration_ids: tuple[str, ...]
    verb: npt.NDArray[np.float32] | None = None  # (N, V)
    noun: npt.NDArray[np.float32] | None = None  # (N, M)

    def __post_init__(self) -> None:
        if not self.by_target():
            raise ValueError("neither verb nor noun scores; at least one is needed")
        if len(set(self.narration_ids)) != len(self.narration_ids):
            raise ValueError(f"narration id '{_first_repeated(self.narration_ids)}' occurs twice; each segment once")
        for target, scores in self.by_target().items():
            if scores.ndim != 2 or scores.dtype != np.float32 or not scores.shape[1]:
                raise ValueError(f"{target} scores are {scores.shape}, {scores.dtype}; (N, classes), float32 is needed")
            if len(scores) != len(self.narration_ids):
                raise ValueError(f"{len(scores)} rows of {target} scores for {len(self.narration_ids)} narration ids")
            if not (finite := np.isfinite(scores).all(axis=1)).all():
                first = self.narration_ids[int(np.argmin(finite))]
                count = int((~finite).sum())
                raise ValueError(f"{target} scores are not finite in {count} of {len(self)} segments, first '{first}'")

    def __len__(self) -> int:
        return len(self.narration_ids)

    def by_target(self) -> dict[str, npt.NDArray[np.float32]]:
        """Target -> scores, for the targets that there are, as `evaluate_scores` takes them."""
        return {name: array for name, array in (("verb", self.verb), ("noun", self.noun)) if array is not None}

    @classmethod
    def from_rows(cls, narration_ids: Sequence[str], **outputs: npt.ArrayLike) -> Self:
        """Scores of anything that numpy can make float32 matrices of; a `ValueError` for anything else."""
        arrays = {}
        for target, rows in outputs.items():
            try:
                with np.errstate(over="ignore"):
                    arrays[target] = np.asarray(rows).astype(np.float32, casting="same_kind", copy=False)
            except (TypeError, ValueError):
                raise ValueError(f"{target} scores are not rows of numbers of one length") from None
        return cls(tuple(narration_ids), **arrays)

    def align(self, table: SegmentTable) -> "Scores":
        """The same scores in the order of a table's segments; an `ArtifactError` where they are of other segments."""
        row_of = {narration_id: row for row, narration_id in enumerate(self.narration_ids)}
        wanted = [segment.narration_id for segment in table]
        if missing := [narration_id for narration_id in wanted if narration_id not in row_of]:
            raise ArtifactError(f"no scores for {_list_some(missing)} of the {len(wanted)} segments of {table.path}")
        known = set(wanted)
        if extra := [narration_id for narration_id in self.narration_ids if narration_id not in known]:
            raise ArtifactError(f"scores for {_list_some(extra)} that are not among the segments of {table.path}")
        rows = np.array([row_of[narration_id] for narration_id in wanted], dtype=np.int64)
        return Scores(tuple(wanted), **{target: array[rows] for target, array in self.by_target().items()})

    def save(self, path: str | Path) -> None:
        """Write an npz; the file appears under its name only when it is complete."""
        arrays: dict[str, Any] = {_OUTPUT_KEYS[target]: array for target, array in self.by_target().items()}
        arrays[_ID_KEY] = np.array(self.narration_ids, dtype=np.str_)
        with open_atomically(Path(path)) as file:
            np.savez(file, **arrays)


def load_scores(path: str | Path) -> Scores:
    """Scores from any of the layouts above; an `ArtifactError` for another one, a damaged file or pickled content."""
    path = Path(path)
    if path.is_dir() or not path.exists():
        reason = "this is a folder; a scores file is expected" if path.is_dir() else "no such file"
        raise ArtifactError(reason, path=path)
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _from_columns(_read_npz(path), path)
    if suffix not in (".json", ".zip"):
        reason = f"'{suffix}' files are not read; scores come as .npz, .json or .zip, and nothing is unpickled"
        raise ArtifactError(reason, path=path)
    try:
        document = read_submission(path) if suffix == ".zip" else _parse_json(path.read_bytes(), path)
    except OSError as error:
        raise ArtifactError(f"cannot be read: {error.strerror}", path=path) from None
    if isinstance(document, list):
        return _from_columns(_transpose(document, path), path)
    if isinstance(document, dict) and "results" in document:
        return scores_from_results(document["results"], path)
    if isinstance(document, dict):
        return _from_columns(document, path)
    raise ArtifactError("neither a list of segments nor an object with 'results' or 'verb_output'", path=path)


def read_submission(path: Path) -> Any:
    """The one file of a submission, `test.json`; an `ArtifactError` where it holds anything else, or is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if [member.filename for member in members] != [SUBMISSION_MEMBER]:
                found = _list_some([member.filename for member in members]) if members else "nothing"
                raise ArtifactError(f"holds {found}; one {SUBMISSION_MEMBER}, in no folder, is expected", path=path)
            _check_sizes(members, path)
            content = archive.read(members[0])
    except zipfile.BadZipFile:
        raise ArtifactError("not a zip archive, or a damaged one", path=path) from None
    except (OSError, EOFError, zlib.error, RuntimeError) as error:
        raise ArtifactError(f"cannot be read: {error}", path=path) from None
    return _parse_json(content, path)


def _check_sizes(members: Sequence[zipfile.ZipInfo], path: Path) -> None:
    """Refuse an archive whose content would not fit in memory, or is nothing but repetition."""
    size, packed = (sum(getattr(member, name) for member in members) for name in ("file_size", "compress_size"))
    if size > _LARGEST_BYTES or (size > _SMALL_BYTES and size > _MOST_COMPRESSED * packed):
        reason = f"{size / 2**20:,.0f} MiB in {packed / 2**20:,.0f} MiB of archive, which no scores are"
        raise ArtifactError(reason, path=path)


@dataclass(frozen=True, eq=False)
class ClassScores:
    """A JSON object whose values are all numbers, kept small: 13,092 x 397 of them fit in memory."""

    keys: tuple[str, ...]
    values: npt.NDArray[np.float64]


def _parse_json(content: bytes, path: Path) -> Any:
    """A JSON document in which objects of numbers are `ClassScores`; refuses NaN, Infinity, and keys that repeat."""
    known_keys: dict[tuple[str, ...], tuple[str, ...]] = {}

    def compact(pairs: list[tuple[str, Any]]) -> Any:
        keys, values = zip(*pairs, strict=True) if pairs else ((), ())
        if keys not in known_keys and len(set(keys)) != len(keys):
            raise ArtifactError(f"key '{_first_repeated(keys)}' occurs twice in one object", path=path)
        if pairs and set(map(type, values)) <= {float, int}:
            return ClassScores(known_keys.setdefault(keys, keys), np.array(values, dtype=np.float64))
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


def scores_from_results(results: Any, path: Path) -> Scores:
    """The scores in a submission's `results`; those of whole actions, which some add, are not used."""
    if not isinstance(results, dict) or not results:
        raise ArtifactError("'results' must be an object: narration id -> scores, one at least", path=path)
    first = next(iter(results.values()))
    targets = [target for target in _OUTPUT_KEYS if isinstance(first, Mapping) and target in first]
    rows: dict[str, list[npt.NDArray[np.float64]]] = {target: [] for target in targets}
    for narration_id, segment in results.items():
        if not isinstance(segment, dict) or not targets or set(segment) - {"action"} != set(targets):
            expected = " and ".join(targets or _OUTPUT_KEYS)
            raise ArtifactError(f"expected an object with {expected}", path=path, place=f"segment {narration_id}")
        for target in targets:
            place = f"segment {narration_id}, {target}"
            width = len(rows[target][0]) if rows[target] else None
            rows[target].append(_class_row(segment[target], width, path, place))
    return _checked(list(results), {target: np.stack(arrays) for target, arrays in rows.items()}, path)


def _class_row(scores: Any, width: int | None, path: Path, place: str) -> npt.NDArray[np.float64]:
    if not isinstance(scores, ClassScores):
        raise ArtifactError("expected an object: class id -> number, all of them numbers", path=path, place=place)
    width = len(scores.keys) if width is None else width
    expected = _class_ids(width)
    if scores.keys == expected:
        return scores.values
    if set(scores.keys) != set(expected):
        odd = sorted(set(scores.keys) ^ set(expected), key=lambda key: (len(key), key))[0]
        problem = f"class {odd} is missing" if odd in expected else f"'{odd}' is not a class"
        raise ArtifactError(f"{problem}; expected the ids 0 to {width - 1}", path=path, place=place)
    value_of = dict(zip(scores.keys, scores.values, strict=True))
    return np.array([value_of[key] for key in expected])


@lru_cache(maxsize=4)
def _class_ids(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                _check_sizes(archive.infolist(), path)
        with path.open("rb") as file:  # Left to itself, numpy forgets to close a damaged one.
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise ArtifactError("a single array; an npz with narration_id and verb_output is expected", path=path)
            return {key: loaded[key] for key in (_ID_KEY, *_OUTPUT_KEYS.values()) if key in loaded}
    except _DAMAGED as error:
        raise ArtifactError(f"not a readable npz without pickled objects: {error}", path=path) from None


def _transpose(records: Sequence[Any], path: Path) -> dict[str, list[Any]]:
    """A list of segments as one list per key."""
    if not records or not all(isinstance(record, dict) for record in records):
        raise ArtifactError("the list must hold objects with narration_id and verb_output, one at least", path=path)
    keys = set(records[0]) & {_ID_KEY, *_OUTPUT_KEYS.values()}
    for position, record in enumerate(records):
        if not keys <= set(record):
            raise ArtifactError(f"no {sorted(keys - set(record))[0]}", path=path, place=f"item {position}")
    return {key: [record[key] for record in records] for key in keys}


def _from_columns(columns: Mapping[str, Any], path: Path) -> Scores:
    outputs = {target: columns[key] for target, key in _OUTPUT_KEYS.items() if key in columns}
    if _ID_KEY not in columns or not outputs:
        reason = f"needs {_ID_KEY} and {' and/or '.join(_OUTPUT_KEYS.values())}; found {_list_some(sorted(columns))}"
        raise ArtifactError(reason, path=path)
    try:
        ids = columns[_ID_KEY].tolist() if isinstance(columns[_ID_KEY], np.ndarray) else columns[_ID_KEY]
    except SystemError as error:  # numpy's texts may have numbers that are no characters
        raise ArtifactError(f"{_ID_KEY} cannot be read: {error}", path=path) from None
    if not isinstance(ids, list) or not all(isinstance(name, (str, bytes, int)) for name in ids):
        raise ArtifactError(f"{_ID_KEY} must be a list of texts or whole numbers", path=path)
    names = [name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in ids]
    return _checked(names, outputs, path)


def _checked(narration_ids: Sequence[str], outputs: dict[str, Any], path: Path) -> Scores:
    try:
        return Scores.from_rows(narration_ids, **outputs)
    except ValueError as error:
        raise ArtifactError(str(error), path=path) from None


def _list_some(names: Sequence[str]) -> str:
    """The first three names, quoted, and how many more there are."""
    listed = ", ".join(f"'{name}'" for name in names[:3])
    return f"{listed} and {len(names) - 3} more" if len(names) > 3 else listed


def _first_repeated(names: Sequence[str]) -> str:
    return next(name for name, count in Counter(names).items() if count > 1)
