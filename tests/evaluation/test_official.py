"""A run through the official protocol: 97 verbs and 300 nouns, tail and unseen parts, and the challenge's zip."""

import json
from pathlib import Path

import pytest

from egoact.cli import main
from egoact.commands.learning.train import TrainSettings, train
from egoact.commands.measuring.submit import SubmitSettings, submit
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import ArtifactError
from egoact.core.metrics.challenges.submission import check_submission
from tests.makers.data.features import write_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Annotations in EPIC-KITCHENS-100's shape, features and a run of one epoch."""
    folder = tmp_path_factory.mktemp("official")
    for target, count in (("verb", 97), ("noun", 300)):
        rows = [f"{i},{target} word {i},['{target} word {i}'],group {i % 13}" for i in range(count)]
        path = folder / f"EPIC_100_{target}_classes.csv"
        path.write_text("\n".join(["id,key,instances,category", *rows]) + "\n")
        tail = [str(i) for i in range(count // 2, count)]
        (folder / f"EPIC_100_tail_{target}s.csv").write_text("\n".join([target, *tail]) + "\n")
    (folder / "EPIC_100_unseen_participant_ids_validation.csv").write_text("participant_id\nP18\n")
    lines = ["narration_id,participant_id,video_id,start_timestamp,stop_timestamp,verb_class,noun_class"]
    for person in ("P01", "P18"):
        for i in range(20):
            times = f"00:00:{2 * i:02d}.00,00:00:{2 * i + 1:02d}.00"
            lines.append(f"{person}_01_{i},{person},{person}_01,{times},{5 * i % 97},{15 * i % 300}")
    (folder / "segments.csv").write_text("\n".join(lines) + "\n")
    (folder / "test.csv").write_text("\n".join(line.rsplit(",", 2)[0] for line in lines) + "\n")
    write_store(folder / "features", folder / "segments.csv")
    train(
        TrainSettings(
            segments=(folder / "segments.csv",),
            features=folder / "features",
            run=folder / "run",
            classes=folder,
            head="average",
            epochs=1,
            device="cpu",
        )
    )
    return folder


def test_unseen_and_tail_parts(folder: Path) -> None:
    out = folder / "results"
    evaluate(
        EvaluateSettings(
            segments=(folder / "segments.csv",),
            run=folder / "run",
            features=folder / "features",
            annotations=folder,
            out=out,
        )
    )
    metrics = json.loads((out / "metrics.json").read_text())
    table = read_segments(folder / "segments.csv")
    assert metrics["unseen"]["num_segments"] == 20
    tail_verbs = sum((segment.verb_class or 0) >= 48 for segment in table)
    tail_nouns = sum((segment.noun_class or 0) >= 150 for segment in table)
    assert metrics["tail"]["verb"]["num_segments"] == tail_verbs
    assert metrics["tail"]["noun"]["num_segments"] == tail_nouns
    assert metrics["tail"]["action"]["num_segments"] >= max(tail_verbs, tail_nouns)


def test_anticipation_is_measured_beside_recognition(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "anticipated"
    arguments = ["--segments", str(folder / "segments.csv"), "--annotations", str(folder), "--out", str(out)]
    answers = ["--run", str(folder / "run"), "--features", str(folder / "features")]
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "--task", "anticipation", *answers, *arguments])
    assert not stop.value.code
    assert "class-mean top-5 recall %, 40 segments" in capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    # Every class occurs in two segments, so the mean over classes is that over segments.
    assert metrics["anticipation"]["verb"]["class_mean_top5_recall"] == pytest.approx(metrics["verb"]["top5"])
    assert metrics["anticipation"]["unseen"]["action"]["num_segments"] == 20
    with pytest.raises(ValueError, match="--task anticipation measures --run or --scores"):
        EvaluateSettings(segments=(out,), out=out, timeline=out, task="anticipation")


def test_a_submission_from_a_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "submission.zip"
    settings = SubmitSettings(segments=folder / "test.csv", run=folder / "run", features=folder / "features", out=out)
    assert submit(settings) == 0
    found = check_submission(out, read_segments(folder / "test.csv"))
    assert len(found.scores) == 40
    with pytest.raises(SystemExit) as stop:
        main(["submit", "--check", str(out), "--segments", str(folder / "test.csv")])
    assert not stop.value.code
    short = folder / "short.csv"
    short.write_text("\n".join((folder / "test.csv").read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(ArtifactError):
        check_submission(out, read_segments(short))


def test_categories_of_the_same_classes(folder: Path) -> None:
    train(
        TrainSettings(
            segments=(folder / "segments.csv",),
            features=folder / "features",
            run=folder / "categories",
            classes=folder,
            labels="categories",
            head="average",
            epochs=1,
            device="cpu",
        )
    )
    evaluate(
        EvaluateSettings(
            segments=(folder / "segments.csv",),
            run=folder / "categories",
            features=folder / "features",
            annotations=folder,
            out=folder / "by-category",
        )
    )
    names = json.loads((folder / "by-category" / "evaluation.json").read_text())["names"]
    assert len(names["verb"]) == 13
    assert "tail" not in json.loads((folder / "by-category" / "metrics.json").read_text())
