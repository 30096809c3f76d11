import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from egoact.commands.measuring.submit import SubmitSettings, submit
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.errors import ArtifactError
from egoact.core.metrics.challenges.submission import check_submission, write_submission
from egoact.core.metrics.scores import Scores, load_scores

LEVELS = {"sls_pt": 1, "sls_tl": 3, "sls_td": 4}
IDS = ("P01_101_0", "P01_101_1", "P02_102_7")


@pytest.fixture
def segments(tmp_path: Path) -> Path:
    path = tmp_path / "test.csv"
    rows = "".join(f"{name},{name[:-2]},0,{i + 1}\n" for i, name in enumerate(IDS))
    path.write_text("narration_id,video_id,start_seconds,stop_seconds\n" + rows)
    return path


@pytest.fixture
def table(segments: Path) -> SegmentTable:
    return read_segments(segments)


def random_scores(ids: tuple[str, ...], num_verbs: int = 97, num_nouns: int = 300) -> Scores:
    rng = np.random.default_rng(0)
    verb, noun = (rng.normal(scale=8, size=(len(ids), n)).astype(np.float32) for n in (num_verbs, num_nouns))
    return Scores(ids, verb, noun)


def test_a_submission_comes_back_exactly(tmp_path: Path, table: SegmentTable) -> None:
    scores = random_scores(IDS)
    path = tmp_path / "out.zip"
    write_submission(scores, path, **LEVELS)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["test.json"]
        document = json.loads(archive.read("test.json"))
    assert {key: document[key] for key in document if key != "results"} == {
        "version": "0.2",
        "challenge": "action_recognition",
        **LEVELS,
    }
    assert list(document["results"]) == list(IDS)
    for row, name in enumerate(IDS):
        assert scores.verb is not None
        assert list(document["results"][name]) == ["verb", "noun"]
        assert list(document["results"][name]["verb"]) == [str(c) for c in range(97)]
        assert np.float32(list(document["results"][name]["verb"].values())).tolist() == scores.verb[row].tolist()
    submission = check_submission(path, table)
    assert submission.levels == LEVELS
    assert np.array_equal(submission.scores.noun, scores.noun)
    assert np.array_equal(load_scores(path).noun, scores.noun)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out.zip", "test.csv"]


def test_the_same_scores_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        write_submission(random_scores(IDS), tmp_path / name, **LEVELS)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_extreme_numbers_survive(tmp_path: Path) -> None:
    scores = random_scores(IDS)
    assert scores.verb is not None
    info = np.finfo(np.float32)
    scores.verb[0, :6] = [info.max, info.min, info.tiny, np.nextafter(np.float32(0), np.float32(1)), 0.1, 16777217]
    write_submission(scores, tmp_path / "out.zip", **LEVELS)
    assert np.array_equal(check_submission(tmp_path / "out.zip").scores.verb, scores.verb)


def test_a_failed_write_leaves_the_old_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.zip"
    write_submission(random_scores(IDS), path, **LEVELS)
    before = path.read_bytes()

    def fail(*_: object) -> Iterator[str]:
        yield "{"
        raise OSError("No space left on device")

    monkeypatch.setattr("egoact.core.metrics.challenges.submission._json_pieces", fail)
    with pytest.raises(OSError, match="No space"):
        write_submission(random_scores(IDS[:1]), path, **LEVELS)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["out.zip"]


@pytest.mark.parametrize(
    ("scores", "levels", "expected"),
    [
        (random_scores(IDS), {"sls_pt": 6}, "sls_pt is 6; allowed are 0 no pre-training, 1 public images"),
        (random_scores(IDS), {"sls_td": -1}, "sls_td is -1"),
        (random_scores(IDS, 96), {}, "scores for 96 verbs and 300 nouns; the challenge needs 97 verbs and 300 nouns"),
        (Scores(IDS, random_scores(IDS).verb), {}, "scores for 97 verbs; the challenge needs"),
    ],
)
def test_what_the_challenge_does_not_have_is_not_written(
    tmp_path: Path, scores: Scores, levels: dict[str, int], expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        write_submission(scores, tmp_path / "out.zip", **(LEVELS | levels))
    assert not list(tmp_path.iterdir())


def first(document: dict[str, Any]) -> dict[str, Any]:
    results: dict[str, Any] = document["results"]
    return results[IDS[0]]  # type: ignore[no-any-return]


def drop_segment(document: dict[str, Any]) -> None:
    del document["results"][IDS[1]]


def add_segment(document: dict[str, Any]) -> None:
    document["results"]["P09_999_0"] = first(document)


def drop_class(document: dict[str, Any]) -> None:
    del first(document)["noun"]["299"]


def drop_class_everywhere(document: dict[str, Any]) -> None:
    for segment in document["results"].values():
        del segment["verb"]["96"]


def rename_class(document: dict[str, Any]) -> None:
    first(document)["verb"]["take"] = first(document)["verb"].pop("0")


def add_target(document: dict[str, Any]) -> None:
    first(document)["adverb"] = {"0": 1.0}


def setter(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update(changes)


def in_first(target: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: first(document)[target].update({"5": value})


BREAKS: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("segment missing", drop_segment, "no scores for 'P01_101_1' of the 3 segments"),
    ("segment too many", add_segment, "scores for 'P09_999_0' that are not among the segments"),
    ("class missing", drop_class, "segment P01_101_1, noun"),
    ("class missing everywhere", drop_class_everywhere, "scores for 96 verbs and 300 nouns"),
    ("class renamed", rename_class, "segment P01_101_0, verb: class 0 is missing; expected the ids 0 to 96"),
    ("not finite", in_first("verb", float("nan")), "NaN is not a finite number"),
    ("infinite", in_first("noun", float("inf")), "Infinity is not a finite number"),
    ("too large", in_first("noun", 1e39), "noun scores are not finite in 1 of 3 segments, first 'P01_101_0'"),
    ("text", in_first("noun", "0.5"), "segment P01_101_0, noun: expected an object: class id -> number"),
    ("null", in_first("noun", None), "segment P01_101_0, noun"),
    ("target missing", lambda document: first(document).pop("noun"), "segment P01_101_1"),
    ("target too many", add_target, "segment P01_101_0: expected an object with verb and noun"),
    ("wrong version", setter(version="0.1"), "version is '0.1'; expected \"0.2\""),
    ("version as a number", setter(version=0.2), 'version is 0.2; expected "0.2"'),
    ("wrong challenge", setter(challenge="action_detection"), "challenge is 'action_detection'"),
    ("level missing", lambda document: document.pop("sls_tl"), "no 'sls_tl'; expected version, challenge"),
    ("level too large", setter(sls_td=6), "sls_td is 6; allowed are 0 zero-shot"),
    ("level as text", setter(sls_pt="1"), "sls_pt is '1'"),
    ("level as a fraction", setter(sls_pt=1.5), "sls_pt is 1.5"),
    ("level true", setter(sls_pt=True), "sls_pt is True"),
    ("no results", lambda document: document.pop("results"), "no 'results'"),
    ("results in a list", setter(results=[1]), "'results' must be an object"),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in BREAKS], ids=[case[0] for case in BREAKS])
def test_a_broken_submission_is_one_clear_line(
    tmp_path: Path, table: SegmentTable, change: Callable[[dict[str, Any]], None], expected: str
) -> None:
    path = tmp_path / "out.zip"
    write_submission(random_scores(IDS), path, **LEVELS)
    with zipfile.ZipFile(path) as archive:
        document = json.loads(archive.read("test.json"))
    change(document)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("test.json", json.dumps(document))
    refuse(path, table, expected)


def refuse(path: Path, table: SegmentTable | None, expected: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        check_submission(path, table)
    message = str(caught.value)
    assert expected in message
    assert message.startswith(str(path))
    assert "\n" not in message


def zip_of(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_json", ".json"), content)
    return path


def test_broken_archives_are_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "out.zip"
    refuse(path, None, "no such file")
    refuse(tmp_path, None, "this is a folder")
    path.write_bytes(b"")
    refuse(path, None, "not a zip archive")
    refuse(zip_of(path), None, "holds nothing; one test.json")
    refuse(zip_of(path, results_json="{}"), None, "holds 'results.json'; one test.json, in no folder")
    refuse(zip_of(path, out__test_json="{}"), None, "holds 'out/test.json'")
    refuse(zip_of(path, test_json="{}", other_json="{}"), None, "holds 'test.json', 'other.json'")
    refuse(zip_of(path, test_json=""), None, "not readable as JSON")
    refuse(zip_of(path, test_json="[1]"), None, "expected an object with version")
    refuse(zip_of(path, test_json="{}"), None, "no 'version'")
    twice = json.dumps({"version": "0.2", "challenge": "action_recognition", **LEVELS})[:-1]
    one = '"a": {"verb": {"0": 1}, "noun": {"0": 1}}'
    refuse(zip_of(path, test_json=f'{twice}, "results": {{{one}, {one}}}}}'), None, "key 'a' occurs twice")
    write_submission(random_scores(IDS), path, **LEVELS)
    path.write_bytes(path.read_bytes()[:-200])
    refuse(path, None, "not a zip archive, or a damaged one")
    write_submission(random_scores(IDS), path, **LEVELS)
    damaged = bytearray(path.read_bytes())
    damaged[200:240] = bytes(40)
    path.write_bytes(damaged)
    with pytest.raises(ArtifactError):
        check_submission(path)


def test_the_command_writes_and_checks(tmp_path: Path, segments: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random_scores(IDS[::-1]).save(tmp_path / "scores.npz")
    out = tmp_path / "deep" / "out.zip"
    settings = SubmitSettings(segments=segments, scores=tmp_path / "scores.npz", out=out, **LEVELS)
    assert submit(settings) == 0
    assert "valid, 3 segments (exactly those of test.csv), sls_pt 1, sls_tl 3, sls_td 4" in capsys.readouterr().out
    assert check_submission(out).scores.narration_ids == IDS
    assert submit(SubmitSettings(check=out)) == 0
    assert "not compared with a list of segments" in capsys.readouterr().out
    assert submit(SubmitSettings(check=out, segments=segments)) == 0
    with pytest.raises(ArtifactError, match="this is a folder; name the zip"):
        submit(SubmitSettings(segments=segments, scores=tmp_path / "scores.npz", out=tmp_path, **LEVELS))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "--segments and --out are needed"),
        ({"out": "o.zip", "scores": "s.npz", **LEVELS}, "--segments and --out are needed"),
        ({"out": "o.zip", "segments": "t.csv"}, "give either --run with --features, or --scores"),
        ({"out": "o.zip", "segments": "t.csv", "run": "r", "scores": "s.npz"}, "give either --run"),
        ({"out": "o.zip", "segments": "t.csv", "run": "r"}, "--run and --features belong together"),
        ({"out": "o.zip", "segments": "t.csv", "scores": "s.npz", "sls_pt": 1}, "--sls-tl is needed with --scores"),
        ({"check": "o.zip", "out": "o.zip"}, "--check reads a zip that exists"),
    ],
)
def test_flags_that_do_not_go_together(fields: dict[str, Any], expected: str) -> None:
    paths = {name: Path(value) if isinstance(value, str) else value for name, value in fields.items()}
    with pytest.raises(ValueError, match=expected):
        SubmitSettings(**paths)


def test_a_run_has_levels_of_its_own() -> None:
    settings = SubmitSettings(segments=Path("t"), out=Path("o"), run=Path("r"), features=Path("f"), sls_td=4)
    assert settings.levels == {"sls_pt": 1, "sls_tl": 3, "sls_td": 4}
