"""Submissions to the anticipation and detection challenges: written, read back, and refused where they are broken."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from egoact.cli import main
from egoact.commands.measuring.submit import SubmitSettings
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.errors import ArtifactError
from egoact.core.metrics.action_ranking import ActionRanking, action_ranking
from egoact.core.metrics.challenges.detection_submission import check_detections, write_detections
from egoact.core.metrics.challenges.submission import check_submission, write_submission
from egoact.core.metrics.detection import Detections
from egoact.core.metrics.protocol import MEASURE
from egoact.core.metrics.scores import Scores
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from tests.makers.machines.places import SHARED

TEST_CSV = SHARED / "data" / "epic-kitchens-100" / "EPIC_100_test_timestamps.csv"
LEVELS = {"sls_pt": 3, "sls_tl": 3, "sls_td": 3}
IDS = ("P01_101_0", "P01_101_1", "P02_102_7")


@pytest.fixture
def table(tmp_path: Path) -> SegmentTable:
    path = tmp_path / "test.csv"
    rows = "".join(f"{name},{name[:-2]},0,{i + 1}\n" for i, name in enumerate(IDS))
    path.write_text("narration_id,video_id,start_seconds,stop_seconds\n" + rows)
    return read_segments(path)


def random_scores(ids: tuple[str, ...] = IDS) -> Scores:
    rng = np.random.default_rng(0)
    verb, noun = (rng.integers(-40, 40, (len(ids), size)).astype(np.float32) / 4 for size in (97, 300))
    return Scores(ids, verb, noun)


def ranked(scores: Scores) -> ActionRanking:
    assert scores.verb is not None and scores.noun is not None
    return action_ranking(scores.verb, scores.noun)


def some_detections() -> Detections:
    return Detections(
        ("P01_101", "P02_102"),
        np.array([0, 0, 0]),
        np.array([(0.25, 2.5), (1.0, 1.5), (7.0, 9.0)]),
        np.array([0, 96, 3]),
        np.array([299, 0, 10]),
        np.array([-3.5, 0.1, 7.0]),
    )


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    with zipfile.ZipFile(path) as archive:
        document = json.loads(archive.read("test.json"))
    edit(document)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("test.json", json.dumps(document))


def write_anticipation(scores: Scores, path: Path, actions: ActionRanking | None) -> None:
    write_submission(scores, path, **LEVELS, challenge="action_anticipation")
    if actions is not None:
        add_pairs(path, actions)


def add_pairs(path: Path, actions: ActionRanking) -> None:
    """Make a submission the anticipation that others write: with the best pairs of each segment."""
    with zipfile.ZipFile(path) as archive:
        first, *segments, last = archive.read("test.json").decode().splitlines()
    rows = zip(actions.verbs.tolist(), actions.nouns.tolist(), actions.scores.tolist(), strict=True)
    with zipfile.ZipFile(path, "w") as archive, archive.open("test.json", "w", force_zip64=True) as file:
        file.write(first.replace("action_recognition", "action_anticipation").encode())
        for segment, row in zip(segments, rows, strict=True):
            pairs = ", ".join(f'"{verb},{noun}": {score!r}' for verb, noun, score in zip(*row, strict=True))
            file.write(f'{segment.removesuffix("}")}, "action": {{{pairs}}}}}\n'.encode())
        file.write(last.encode())


def refused(check: Callable[[], object], path: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        check()
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


# --- anticipation ---


@pytest.mark.parametrize("with_pairs", [False, True])
def test_an_anticipation_comes_back_in_the_order_of_the_segments(
    tmp_path: Path, table: SegmentTable, with_pairs: bool
) -> None:
    scores = random_scores(IDS[::-1])
    actions = ranked(scores) if with_pairs else None
    write_anticipation(scores, tmp_path / "a.zip", actions)
    found = check_submission(tmp_path / "a.zip", table, challenge="action_anticipation")
    assert found.levels == LEVELS and found.scores.narration_ids == IDS
    assert scores.noun is not None and np.array_equal(found.scores.noun, scores.noun[::-1])
    if actions is None:
        assert found.actions is None
        return
    assert found.actions is not None
    assert np.array_equal(found.actions.verbs, actions.verbs[::-1])
    assert np.array_equal(found.actions.nouns, actions.nouns[::-1])
    assert np.array_equal(found.actions.scores, actions.scores[::-1])


def first_pairs(document: dict[str, Any]) -> dict[str, Any]:
    pairs: dict[str, Any] = document["results"][IDS[0]]["action"]
    return pairs


def rename_pair(document: dict[str, Any], name: str) -> None:
    pairs = first_pairs(document)
    pairs[name] = pairs.pop(next(iter(pairs)))


BROKEN_PAIRS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda d: d["results"][IDS[1]].pop("action"), f"segment {IDS[1]}: 'action' in 2 of 3 segments"),
    (lambda d: first_pairs(d).popitem(), f"segment {IDS[0]}, action: 99 pairs; exactly 100 are needed"),
    (lambda d: rename_pair(d, "97,0"), "'97,0' is no pair"),
    (lambda d: rename_pair(d, "3,300"), "'3,300' is no pair"),
    (lambda d: rename_pair(d, "3, 4"), "'3, 4' is no pair"),
    (lambda d: rename_pair(d, "take plate"), "'take plate' is no pair"),
    (lambda d: d["results"][IDS[0]].update(action=[1]), 'expected an object: "verb,noun" -> number'),
    (lambda d: first_pairs(d).update({next(iter(first_pairs(d))): 1e999}), "Infinity is not a finite number"),
    (lambda d: d.update(challenge="action_recognition"), "challenge is 'action_recognition'; expected"),
    (lambda d: d["results"].pop(IDS[2]), f"no scores for '{IDS[2]}' of the 3 segments"),
]


@pytest.mark.parametrize(("edit", "expected"), BROKEN_PAIRS)
def test_a_broken_anticipation_is_one_clear_line(
    tmp_path: Path, table: SegmentTable, edit: Callable[[dict[str, Any]], object], expected: str
) -> None:
    path, scores = tmp_path / "a.zip", random_scores()
    write_anticipation(scores, path, ranked(scores))
    change(path, edit)
    assert expected in refused(lambda: check_submission(path, table, challenge="action_anticipation"), path)


# --- detection ---


def test_detections_come_back_exactly(tmp_path: Path, table: SegmentTable) -> None:
    path, given = tmp_path / "d.zip", some_detections()
    write_detections(given, path, **LEVELS)
    found = check_detections(path, table)
    assert found.levels == LEVELS and found.detections.video_ids == given.video_ids
    for name in ("videos", "spans", "verbs", "nouns", "scores"):
        assert np.array_equal(getattr(found.detections, name), getattr(given, name)), name
    with zipfile.ZipFile(path) as archive:
        document = json.loads(archive.read("test.json"))
    assert document["challenge"] == "action_detection" and document["results"]["P02_102"] == []
    item = {"verb": 0, "noun": 299, "action": "0,299", "score": -3.5, "segment": [0.25, 2.5]}
    assert document["results"]["P01_101"][0] == item


def item_with(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["results"]["P01_101"][1].update(changes)


BROKEN_DETECTIONS: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda d: d["results"].pop("P02_102"), "no list for 'P02_102', one of 1 missing recordings"),
    (lambda d: d["results"].update(P03_01=[]), "a list for 'P03_01', one of 1 that are no recordings"),
    (lambda d: d["results"].update(P01_101={}), "recording P01_101: expected a list of actions"),
    (lambda d: d["results"]["P01_101"].append({"verb": 1, "noun": 2}), "recording P01_101, item 3: expected an object"),
    (item_with(verb=97), "recording P01_101, item 1: verb is 97; allowed are 0 to 96"),
    (item_with(noun=-1), "noun is -1; allowed are 0 to 299"),
    (item_with(verb="3"), "verb is '3'; allowed"),
    (item_with(verb=True), "verb is True; allowed"),
    (item_with(action="0,96"), "action is '0,96'; verb and noun make it \"96,0\""),
    (item_with(score=None), "score is None; a finite number is needed"),
    (item_with(score=float("nan")), "NaN is not a finite number"),
    (item_with(score=10**400), "score is 1000"),
    (item_with(segment=[1.5]), "segment is [1.5]; expected [start, stop] in seconds"),
    (item_with(segment=["0", "1"]), "expected [start, stop] in seconds"),
    (item_with(segment=[2.0, 2.0]), "segment is [2.0, 2.0]; it must begin at 0 or later, and end after that"),
    (item_with(segment=[-1.0, 2.0]), "it must begin at 0 or later"),
    (lambda d: d.update(challenge="action_recognition"), "challenge is 'action_recognition'; expected"),
    (lambda d: d.pop("sls_pt"), "no 'sls_pt'"),
    (lambda d: d.update(results=[]), "'results' must be an object"),
    (lambda d: d.update(version="0.1"), "version is '0.1'"),
]


@pytest.mark.parametrize(("edit", "expected"), BROKEN_DETECTIONS)
def test_broken_detections_are_one_clear_line(
    tmp_path: Path, table: SegmentTable, edit: Callable[[dict[str, Any]], object], expected: str
) -> None:
    path = tmp_path / "d.zip"
    write_detections(some_detections(), path, **LEVELS)
    change(path, edit)
    assert expected in refused(lambda: check_detections(path, table), path)


def test_detections_of_other_classes_are_not_written(tmp_path: Path) -> None:
    good = some_detections()
    bad = Detections(good.video_ids, good.videos, good.spans, good.verbs + 1, good.nouns, good.scores)
    with pytest.raises(ValueError, match="verbs from 1 to 97; the challenge has 0 to 96"):
        write_detections(bad, tmp_path / "d.zip", **LEVELS)


# --- the command ---


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["submit", *words])
    return int(stop.value.code or 0)


def levels() -> list[str]:
    return [word for name, level in LEVELS.items() for word in (f"--{name.replace('_', '-')}", str(level))]


def test_the_command_writes_and_checks_anticipation(
    tmp_path: Path, table: SegmentTable, capsys: pytest.CaptureFixture[str]
) -> None:
    random_scores().save(tmp_path / "scores.npz")
    out, task = str(tmp_path / "a.zip"), ("--task", "anticipation")
    given = ("--scores", str(tmp_path / "scores.npz"), "--segments", str(table.path))
    assert run(*task, *given, "--out", out, *levels()) == 0
    assert run(*task, "--check", out) == 0
    assert "valid, 3 segments (exactly those of test.csv), sls_pt 3" in capsys.readouterr().out
    assert run("--check", out) == 2
    assert "challenge is 'action_anticipation'" in capsys.readouterr().err


def test_pairs_of_a_zip_count_when_it_is_evaluated(tmp_path: Path) -> None:
    labels, scores = tmp_path / "labels.csv", random_scores()
    rows = [f"{name},{name[:-2]},0,{i + 1},{i},{i + 5}" for i, name in enumerate(IDS)]
    header = "narration_id,video_id,start_seconds,stop_seconds,verb_class,noun_class"
    labels.write_text("\n".join([header, *rows]) + "\n")
    order = np.arange(100)
    verbs = np.stack([(row + order) % 97 for row in range(3)])  # the true pair comes first
    nouns = np.stack([row + 5 + order for row in range(3)])
    actions = ActionRanking(verbs, nouns, np.tile(-order / 4, (3, 1)))
    measured = []
    for name, given in (("without", None), ("with", actions)):
        path, out = tmp_path / f"{name}.zip", tmp_path / name
        write_anticipation(scores, path, given)
        evaluate(EvaluateSettings(segments=(labels,), scores=path, out=out, task="anticipation"))
        measured.append(json.loads((out / "metrics.json").read_text())["anticipation"])
    assert measured[0]["action"][MEASURE] == 0 and measured[1]["action"][MEASURE] == 100
    assert measured[0]["verb"] == measured[1]["verb"]


def test_the_command_writes_timelines_as_detections(
    tmp_path: Path, table: SegmentTable, capsys: pytest.CaptureFixture[str]
) -> None:
    for target, size in (("verb", 97), ("noun", 300)):
        rows = [f"{i},{target} {i},['{target} {i}']" for i in range(size)]
        (tmp_path / f"{target}_classes.csv").write_text("\n".join(["id,key,instances", *rows]) + "\n")
    actions = (TimelineSegment(0, 2, "verb 3", "noun 10", 0.5), TimelineSegment(4, 5, "verb 96", "noun 299", 0.25))
    for video_id, found in (("P01_101", actions), ("P02_102", ())):
        (tmp_path / "found" / video_id).mkdir(parents=True)
        text = json.dumps(Timeline(video_id, found).to_dict())
        (tmp_path / "found" / video_id / "timeline.json").write_text(text)
    out, task = tmp_path / "d.zip", ("--task", "detection")
    given = ("--timeline", str(tmp_path / "found"), "--classes", str(tmp_path), "--segments", str(table.path))
    assert run(*task, *given, "--out", str(out), *levels()) == 0
    assert "valid, 2 actions in 2 recordings (exactly those of test.csv)" in capsys.readouterr().out
    found_back = check_detections(out).detections
    assert found_back.verbs.tolist() == [3, 96] and found_back.scores.tolist() == [0.5, 0.25]
    alone = Timeline("P02_102", (TimelineSegment(0, 1, "verb 1"),))
    (tmp_path / "found/P02_102/timeline.json").write_text(json.dumps(alone.to_dict()))
    assert run(*task, *given, "--out", str(out), *levels()) == 2
    assert "the action of 'P02_102' at 0 s has no noun" in capsys.readouterr().err
    (tmp_path / "found/P02_102/timeline.json").unlink()
    assert run(*task, *given, "--out", str(out), *levels()) == 2
    assert "there is no timeline of 'P02_102'" in capsys.readouterr().err


def test_flags_of_other_tasks_are_refused() -> None:
    files = {"segments": Path("t.csv"), "out": Path("o.zip")}
    with pytest.raises(ValueError, match="--task detection needs --classes and either --run"):
        SubmitSettings(**files, task="detection", scores=Path("s.npz"), **LEVELS)
    with pytest.raises(ValueError, match="--timeline and --classes are for --task detection"):
        SubmitSettings(**files, scores=Path("s.npz"), timeline=Path("t"), **LEVELS)
    with pytest.raises(ValueError, match="--sls-pt is needed with --timeline"):
        SubmitSettings(**files, task="detection", timeline=Path("t"), classes=Path("c"))


@pytest.mark.slow
def test_an_anticipation_of_many_segments_comes_back(tmp_path: Path) -> None:
    csv = tmp_path / "test.csv"
    rows = "".join(
        f"P01_101_{i},P01_101,0,1\n" for i in range(1000)
    )  # with nearly every pair, most of them several times
    csv.write_text("narration_id,video_id,start_seconds,stop_seconds\n" + rows)
    table = read_segments(csv)
    scores = random_scores(tuple(segment.narration_id for segment in table))
    actions = ranked(scores)
    write_anticipation(scores, tmp_path / "a.zip", actions)
    found = check_submission(tmp_path / "a.zip", table, challenge="action_anticipation")
    assert len(found.scores) == 1000 and found.actions is not None
    assert np.array_equal(found.scores.verb, scores.verb) and np.array_equal(found.scores.noun, scores.noun)  # type: ignore[arg-type]
    assert np.array_equal(found.actions.verbs, actions.verbs)
    assert np.array_equal(found.actions.nouns, actions.nouns)


@pytest.mark.slow
def test_complete_submissions_of_the_test_set(tmp_path: Path) -> None:
    if not TEST_CSV.exists():
        pytest.skip("needs the EPIC-KITCHENS-100 test segments in ../shared/data")
    table = read_segments(TEST_CSV)
    # Numbers of few digits keep the file, and this test, small; all 13,092 x 397 of them are written and read.
    scores = random_scores(tuple(segment.narration_id for segment in table))
    write_submission(scores, tmp_path / "a.zip", **LEVELS)
    recognition = check_submission(tmp_path / "a.zip", table).scores
    assert len(recognition) == 13092 and np.array_equal(recognition.noun, scores.noun)  # type: ignore[arg-type]
    assert np.array_equal(recognition.verb, scores.verb)  # type: ignore[arg-type]
    random, count = np.random.default_rng(0), 20 * len(table.video_ids)
    starts = random.uniform(0, 500, count)
    detections = Detections(
        table.video_ids,
        np.repeat(np.arange(len(table.video_ids)), 20),
        np.stack([starts, starts + 2], axis=1),
        random.integers(0, 97, count),
        random.integers(0, 300, count),
        random.normal(size=count),
    )
    write_detections(detections, tmp_path / "d.zip", **LEVELS)
    assert np.array_equal(check_detections(tmp_path / "d.zip", table).detections.scores, detections.scores)
