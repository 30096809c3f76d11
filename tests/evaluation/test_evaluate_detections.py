"""A zip of the detection challenge, measured by the command."""

import json
from pathlib import Path

import numpy as np
import pytest

from egoact.cli import main
from egoact.core.metrics.challenges.detection_submission import write_detections
from egoact.core.metrics.detection import Detections


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    rows = ["video_id,start_seconds,stop_seconds,verb_class,noun_class", "P01_11,0,4,3,10", "P01_11,6,8,5,10"]
    path.write_text("\n".join(rows) + "\n")
    found = Detections(
        ("P01_11",),
        np.array([0, 0]),
        np.array([(0.0, 4.0), (6.0, 8.0)]),
        np.array([3, 7]),
        np.array([10, 10]),
        np.array([0.5, 0.25]),
    )
    write_detections(found, tmp_path / "found.zip", sls_pt=1, sls_tl=3, sls_td=3)
    return path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", "--task", "detection", *words])
    return int(stop.value.code or 0)


def test_a_zip_is_measured(labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results"
    given = ("--scores", str(tmp_path / "found.zip"), "--segments", str(labels), "--out", str(out))
    assert run(*given) == 0
    assert "detection: verb 50.00, noun 100.00, action 50.00 (mAP %" in capsys.readouterr().out
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["task"] == "detection" and metrics["noun"]["0.5"] == 100


def test_what_cannot_be_measured_is_one_clear_line(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--scores", str(tmp_path / "found.zip"), "--segments", str(labels), "--out", str(tmp_path / "results"))
    labels.write_text(labels.read_text().replace("P01_11,6,8,5,10", "P01_12,6,8,5,10"))
    assert run(*given) == 2
    assert "no list for 'P01_12'" in capsys.readouterr().err
    labels.write_text("video_id,start_seconds,stop_seconds,verb,noun\nP01_11,0,1,take,cup\n")
    assert run(*given) == 2
    assert "not every row has a verb_class" in capsys.readouterr().err
    assert run("--timeline", str(tmp_path), "--segments", str(labels), "--out", str(tmp_path / "results")) == 2
    assert "--task detection measures --scores, a zip of the challenge, or --run" in capsys.readouterr().err
