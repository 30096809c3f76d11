"""Runs that look at what comes before the actions: trained, evaluated and submitted by the same commands."""

import json
from pathlib import Path

import numpy as np
import pytest

from egoact.cli import main
from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.annotations.anticipation import Anticipation
from egoact.core.annotations.segments import read_segments
from egoact.core.metrics.protocol import MEASURE
from egoact.core.metrics.scores import load_scores
from egoact.runs.loading import load_run
from tests.makers.data.features import NOUNS, VERBS, write_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels whose clips end one second before them, and a store that holds those clips alone."""
    folder = tmp_path_factory.mktemp("anticipating")
    header = "narration_id,video_id,start_seconds,stop_seconds,verb,noun"
    labels, observed = [header], [header]
    for video in ("A_1", "B_1"):
        for i in range(13):  # the first begins with its recording
            words = f"{VERBS[i % 3]},{NOUNS[(i // 3) % 2]}"
            labels.append(f"{video}_{i},{video},{2 * i},{2 * i + 1},{words}")
            if i:
                observed.append(f"{video}_{i},{video},{max(2 * i - 3.5, 0)},{2 * i - 1},{words}")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    (folder / "observed.csv").write_text("\n".join(observed) + "\n")
    write_store(folder / "features", folder / "observed.csv")
    return folder


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main([*words])
    return int(stop.value.code or 0)


def test_what_comes_before_is_learned_and_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, features = ("--segments", str(folder / "labels.csv")), ("--features", str(folder / "features"))
    assert run("train", *labels, *features, "--run", str(folder / "run"), "--gap", "1", "--head", "difference") == 0
    config = load_run(folder / "run").config
    assert config.anticipation == Anticipation(1.0, 2.5)
    assert sum(config.training_counts["verb"]) == 24  # without the two that begin with their recordings
    out = folder / "results"
    paths = {"segments": (folder / "labels.csv",), "features": (folder / "features",)}
    assert evaluate(EvaluateSettings(**paths, run=folder / "run", out=out)) == 0
    assert "anticipation: verb" in capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["seen"]["trained_on"] == 24  # by what was looked at; the actions themselves share no time with it
    table = read_segments(folder / "labels.csv")
    assert [segment.narration_id for segment in config.looks_at(table)][:2] == ["A_1_1", "A_1_2"]
    assert metrics["num_segments"] == 26
    assert metrics["anticipation"]["verb"][MEASURE] == 100  # five answers, three verbs
    assert metrics["verb"]["top1"] > 80
    scores = load_scores(out / "scores.npz").align(read_segments(folder / "labels.csv"))
    assert scores.verb is not None
    counts = np.array(config.training_counts["verb"]) + 1
    for first in (0, 13):
        assert scores.verb[first] == pytest.approx(np.log(counts / counts.sum()), abs=1e-6)
    assert not np.allclose(scores.verb[1], scores.verb[0])


def test_a_run_is_submitted_to_its_own_challenge(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, features = ("--segments", str(folder / "labels.csv")), ("--features", str(folder / "features"))
    made = ("--run", str(folder / "other"), "--gap", "1", "--epochs", "1", "--head", "difference")
    assert run("train", *labels, *features, *made) == 0
    given = ("--run", str(folder / "other"), *labels, *features, "--out", str(folder / "a.zip"))
    assert run("submit", *given) == 2
    assert "looks at what comes before the actions, so it does not fit --task recognition" in capsys.readouterr().err
    assert run("submit", "--task", "anticipation", *given) == 2
    assert "the challenge needs 97 verbs and 300 nouns" in capsys.readouterr().err


def test_other_clips_than_the_store_has_are_one_clear_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, features = ("--segments", str(folder / "labels.csv")), ("--features", str(folder / "features"))
    assert run("train", *labels, *features, "--run", str(folder / "no"), "--gap", "0.5") == 2
    assert len(capsys.readouterr().err.strip().splitlines()) >= 1
    assert not (folder / "no" / "config.json").exists()
    assert run("train", *labels, *features, "--run", str(folder / "no"), "--observe", "2") == 2
    assert "--observe goes with --gap" in capsys.readouterr().err
