import io
import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.errors import ArtifactError
from egoact.core.metrics.scores import SUBMISSION_MEMBER, Scores, load_scores

IDS = ("a", "b", "c")
VERB = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
NOUN = -np.arange(6, dtype=np.float32).reshape(3, 2) / 3


def table_of(*names: str) -> SegmentTable:
    return SegmentTable(Path("mine.csv"), tuple(Segment(name, "p", "v", i, i + 1) for i, name in enumerate(names)))


def same(scores: Scores, expected: Scores) -> bool:
    arrays, others = scores.by_target(), expected.by_target()
    return (
        scores.narration_ids == expected.narration_ids
        and set(arrays) == set(others)
        and all(np.array_equal(arrays[target], others[target]) for target in arrays)
    )


@pytest.mark.parametrize("fields", [{"verb": VERB, "noun": NOUN}, {"verb": VERB}, {"noun": NOUN}])
def test_saved_scores_come_back(tmp_path: Path, fields: dict[str, Any]) -> None:
    scores = Scores(IDS, **fields)
    path = tmp_path / "scores.npz"
    scores.save(path)
    assert same(load_scores(path), scores)
    assert [file.name for file in tmp_path.iterdir()] == ["scores.npz"]
    scores.save(path)
    assert same(load_scores(path), scores)


def published_layouts() -> dict[str, tuple[str, Any]]:
    results = {
        name: {
            "verb": {str(c): float(VERB[i, c]) for c in (3, 1, 0, 2)},
            "noun": {str(c): float(NOUN[i, c]) for c in range(2)},
            "action": {"0,1": 0.5},
        }
        for i, name in enumerate(IDS)
    }
    columns = {"narration_id": list(IDS), "verb_output": VERB.tolist(), "noun_output": NOUN.tolist()}
    rows = [
        {"narration_id": name, "verb_output": VERB[i].tolist(), "noun_output": NOUN[i].tolist(), "video": "v"}
        for i, name in enumerate(IDS)
    ]
    return {
        "results": ("scores.json", {"version": "0.2", "results": results}),
        "columns": ("scores.json", columns),
        "rows": ("scores.JSON", rows),
        "zip": ("scores.zip", {"results": results}),
    }


@pytest.mark.parametrize("layout", ["results", "columns", "rows", "zip"])
def test_published_json_layouts_are_read(tmp_path: Path, layout: str) -> None:
    name, document = published_layouts()[layout]
    path = tmp_path / name
    if layout == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("test.json", json.dumps(document))
    else:
        path.write_text(json.dumps(document))
    assert same(load_scores(path), Scores(IDS, VERB, NOUN))


@pytest.mark.parametrize("ids", [np.array(IDS), np.array([b"a", b"b", b"c"])])
def test_published_npz_is_read(tmp_path: Path, ids: Any) -> None:
    path = tmp_path / "theirs.npz"
    np.savez_compressed(
        path, narration_id=ids, verb_output=VERB.astype(np.float64), noun_output=NOUN, epoch=np.array(7)
    )
    assert same(load_scores(path), Scores(IDS, VERB, NOUN))
    np.savez(path, narration_id=np.array([7, 8, 9]), verb_output=VERB)
    assert load_scores(path).narration_ids == ("7", "8", "9")


def as_npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


ID_ARRAY = np.array(IDS)
GOOD_NPZ = as_npz(narration_id=ID_ARRAY, verb_output=VERB)
ENCRYPTED_NPZ = re.sub(rb"(PK\x01\x02.{4}).", b"\\1\x01", GOOD_NPZ, flags=re.DOTALL)  # so says its directory


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("something was unpickled",))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.npz", b"", "not a readable npz"),
        ("a.npz", b"hello", "not a readable npz"),
        ("a.npz", GOOD_NPZ[: len(GOOD_NPZ) // 2], "not a readable npz"),
        ("a.npz", ENCRYPTED_NPZ, "encrypted, password required"),
        ("a.npz", GOOD_NPZ.replace(VERB.tobytes(), bytes(VERB.nbytes)), "not a readable npz"),
        ("a.npz", pickle.dumps({"verb_output": VERB}), "not a readable npz without pickled objects"),
        ("a.npz", as_npz(narration_id=ID_ARRAY, verb_output=np.array([Bomb()] * 3)), "without pickled objects"),
        ("a.npz", npy(VERB), "a single array"),
        ("a.npz", as_npz(verb_output=VERB), "needs narration_id and verb_output"),
        ("a.npz", as_npz(narration_id=ID_ARRAY), "needs narration_id and verb_output"),
        ("a.npz", as_npz(narration_id=ID_ARRAY, verb_output=VERB[:2]), "2 rows of verb scores for 3 narration ids"),
        ("a.npz", as_npz(narration_id=ID_ARRAY, verb_output=VERB[0]), "(N, classes)"),
        ("a.npz", as_npz(narration_id=ID_ARRAY, verb_output=VERB.astype(str)), "not rows of numbers"),
        ("a.npz", as_npz(narration_id=np.array(["a", "b", "b"]), verb_output=VERB), "'b' occurs twice"),
        ("a.npz", as_npz(narration_id=np.array(0.5), verb_output=VERB), "narration_id must be a list"),
        ("a.npz", as_npz(narration_id=VERB[:, 0], verb_output=VERB), "narration_id must be a list"),
        (
            "a.npz",
            as_npz(narration_id=ID_ARRAY, verb_output=np.where(VERB > 1, np.nan, VERB)),
            "in 1 of 3 segments, first 'c'",
        ),
        (
            "a.npz",
            as_npz(narration_id=ID_ARRAY, verb_output=np.full((3, 2), 1e300)),
            "not finite in 3 of 3 segments, first 'a'",
        ),
        ("a.pkl", pickle.dumps(Bomb()), "'.pkl' files are not read"),
        ("a.pt", b"", "nothing is unpickled"),
        ("a.json", b"", "not readable as JSON"),
        ("a.json", b"{", "line 1, column 2: not readable as JSON"),
        ("a.json", b"\xff\xfe\xff", "not readable as JSON"),
        ("a.json", b"[" * 100_000, "not readable as JSON"),
        ("a.json", b"3", "neither a list of segments nor an object"),
        ("a.json", b"[]", "the list must hold objects"),
        ("a.json", b"[3]", "the list must hold objects"),
        ("a.json", b"{}", "needs narration_id and verb_output"),
        ("a.json", b'{"results": {}}', "'results' must be an object"),
        ("a.json", b'{"results": {"a": 3}}', "'results' must be an object"),
        ("a.json", b'{"results": {"a": {}}}', "segment a: expected an object with verb and noun"),
        ("a.json", b'{"results": {"a": {"verb": {"0": "x"}}}}', "segment a, verb: expected an object: class id"),
        ("a.json", b'{"results": {"a": {"verb": {"0": true}}}}', "all of them numbers"),
        ("a.json", b'{"results": {"a": {"verb": {"0": NaN}}}}', "NaN is not a finite number"),
        ("a.json", b'{"results": {"a": {"verb": {"0": 1e999}}}}', "not finite"),
        ("a.json", b'{"results": {"a": {"verb": {"0": 1' + b"0" * 400 + b"}}}}", "not readable as JSON"),
        ("a.json", b'{"results": {"a": {"verb": {"0": 1, "2": 1}}}}', "class 1 is missing"),
        ("a.json", b'{"results": {"a": {"verb": {"0": 1, "x": 1}}}}', "expected the ids 0 to 1"),
        (
            "a.json",
            b'{"results": {"a": {"verb": {"0": 1, "1": 1}}, "b": {"verb": {"0": 1}}}}',
            "segment b, verb: class 1 is missing",
        ),
        ("a.json", b'{"results": {"a": {"verb": {"0": 1}}, "b": {"noun": {"0": 1}}}}', "segment b: expected an object"),
        ("a.json", b'{"results": {"a": {"verb": {"0": 1}}, "a": {"verb": {"0": 1}}}}', "key 'a' occurs twice"),
        ("a.json", b'[{"narration_id": "a", "verb_output": [1]}, {"narration_id": "b"}]', "item 1: no verb_output"),
        ("a.json", b'{"narration_id": ["a", "b"], "verb_output": [[1, 2], [3]]}', "not rows of numbers of one length"),
        ("a.json", b'{"narration_id": ["a"], "verb_output": {"0": 3}}', "verb scores"),
        ("a.json", b'{"narration_id": "a", "verb_output": [[3]]}', "narration_id must be a list"),
        ("a.zip", b"not a zip", "not a zip archive"),
    ],
)
def test_damaged_or_foreign_files_are_one_clear_line(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ArtifactError) as caught:
        load_scores(path)
    message = str(caught.value)
    assert expected in message
    assert str(path) in message
    assert "\n" not in message


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    for name, expected in (("none.npz", "no such file"), ("folder.npz", "this is a folder")):
        with pytest.raises(ArtifactError, match=expected):
            load_scores(tmp_path / name)


@given(st.permutations(IDS))
@settings(deadline=None)
def test_align_follows_the_table(order: list[str]) -> None:
    aligned = Scores(IDS, VERB, NOUN).align(table_of(*order))
    assert aligned.narration_ids == tuple(order)
    for row, name in enumerate(order):
        assert aligned.verb is not None
        assert aligned.verb[row].tolist() == VERB[IDS.index(name)].tolist()


def test_align_refuses_missing_and_extra_segments() -> None:
    scores = Scores(IDS, VERB, NOUN)
    with pytest.raises(ArtifactError, match="no scores for 'd' of the 4 segments of mine.csv"):
        scores.align(table_of("a", "b", "c", "d"))
    with pytest.raises(ArtifactError, match="scores for 'b', 'c' that are not among the segments"):
        scores.align(table_of("a"))
    with pytest.raises(ArtifactError, match=r"'0', '1', '2' and 7 more"):
        scores.align(table_of(*map(str, range(10))))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "neither verb nor noun"),
        ({"verb": VERB.astype(np.float64)}, "float32"),
        ({"verb": VERB[:, :0]}, "classes"),
        ({"verb": VERB[:2]}, "2 rows of verb scores for 3"),
        ({"noun": np.full((3, 1), np.inf, dtype=np.float32)}, "noun scores are not finite in 3 of 3 segments"),
    ],
)
def test_scores_check_themselves(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Scores(IDS, **fields)


@pytest.mark.parametrize("suffix", ["npz", "zip"])
def test_archives_that_are_nothing_but_repetition_are_not_unpacked(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"scores.{suffix}"
    name = "verb_output.npy" if suffix == "npz" else SUBMISSION_MEMBER
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(65 * 2**20))
    with pytest.raises(ArtifactError, match="65 MiB in 0 MiB"):
        load_scores(path)


@pytest.mark.parametrize("header", ["{'descr': '<f4', (", "{'descr'\n  :\n '<f4'", "((" * 400, "\x00"])
def test_arrays_whose_headers_are_no_python_are_refused(header: str, tmp_path: Path) -> None:
    path, text = tmp_path / "scores.npz", header.encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("narration_id.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    with pytest.raises(ArtifactError, match="not a readable npz"):
        load_scores(path)


def test_ids_of_numbers_that_are_no_characters_are_refused(tmp_path: Path) -> None:
    ids = np.array([0x7FFFFFFF, 97], np.uint32).view("<U1")
    np.savez(tmp_path / "scores.npz", narration_id=ids, verb_output=np.zeros((2, 2), np.float32))
    with pytest.raises(ArtifactError, match="narration_id cannot be read"):
        load_scores(tmp_path / "scores.npz")
