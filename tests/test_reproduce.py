"""The pieces of `egoact reproduce`, and the collapse that the report's test script caused."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tyro

from egoact.cli import main
from egoact.core.errors import ArtifactError
from egoact.stages import reproduce as stage
from egoact.stages._array_storage import measure_arrays
from egoact.stages._command_line import command_line
from egoact.stages._layer_measures import count_report_parameters, measure_reach
from egoact.stages._reproduction import Memory, find_annotations
from egoact.stages.extract import ExtractSettings
from egoact.stages.reproduce import ReproduceSettings, reproduce
from egoact.stages.train import TrainSettings

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("extract", ExtractSettings(segments=Path("a b.csv"), media=Path("m"), features=Path("f"), kind="maps", cut=3)),
        (
            "train",
            TrainSettings(
                segments=Path("s"), features=(Path("f"),), run=Path("r"), validation_videos=("a", "b"), overwrite=True
            ),
        ),
        ("reproduce", ReproduceSettings(out=Path("o"), quick=True, only=("table_1", "table_2"))),
    ],
)
def test_a_command_line_means_its_settings(name: str, settings: object) -> None:
    words = shlex.split(command_line(name, settings))
    assert words[:2] == ["egoact", name]
    assert tyro.cli(type(settings), args=words[2:]) == settings


def test_parameters_are_those_of_the_report() -> None:
    assert count_report_parameters() == {"lstm": 266_963, "convlstm": 446_909, "convnet1d": 85_137}


def test_reach_grows_level_by_level_to_all_frames() -> None:
    found = measure_reach()
    assert [level["reach"] for level in found["deep"]] == [3, 5, 7, 9, 11, 13, 15, 17, 20]
    assert [level["length"] for level in found["deep"]] == [18, 16, 14, 12, 10, 8, 6, 4, 1]


def test_floats_take_four_times_the_space(tmp_path: Path) -> None:
    clips = np.random.default_rng(0).integers(0, 40, (4, 2, 16, 16, 3), dtype=np.uint8)
    rows = measure_arrays(clips, tmp_path, (2, 4))
    assert len(rows) == 8
    by_kind = {(row["type"], row["compressed"], row["clips"]): row for row in rows}
    assert (
        by_kind["float32", False, 4]["memory_bytes"]
        == 4 * by_kind["uint8", False, 4]["memory_bytes"]
        == 4 * clips.nbytes
    )
    assert by_kind["uint8", True, 4]["disk_bytes"] < by_kind["uint8", False, 4]["disk_bytes"]
    assert not any(tmp_path.iterdir())


def test_steps_are_done_once(tmp_path: Path) -> None:
    calls = []

    def do() -> dict[str, int]:
        calls.append(1)
        memory.note("egoact stats")
        return {"found": 7}

    memory = Memory(tmp_path)
    assert memory.once("a", do) == Memory(tmp_path).once("a", do) == {"found": 7}
    assert len(calls) == 1
    assert json.loads((tmp_path / "steps/a.json").read_text())["commands"] == ["egoact stats"]
    (tmp_path / "steps/a.json").write_text("{")
    with pytest.raises(ArtifactError, match="delete it"):
        memory.once("a", do)


def test_a_step_that_fails_is_not_done(tmp_path: Path) -> None:
    def fail() -> dict[str, int]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Memory(tmp_path).once("a", fail)
    assert not (tmp_path / "steps/a.json").exists()
    with pytest.raises(ArtifactError, match="failed with exit code 2"):
        Memory(tmp_path).run("stats", "--segments", "nowhere.csv", "--out", str(tmp_path))


def test_annotations_are_found_one_level_below(tmp_path: Path) -> None:
    (tmp_path / "epic").mkdir()
    (tmp_path / "epic/b.csv").touch()
    assert find_annotations(tmp_path, "a.csv", "b.csv") == tmp_path / "epic/b.csv"
    assert find_annotations(tmp_path, "c.csv") is None
    with pytest.raises(ArtifactError, match="does not exist"):
        find_annotations(tmp_path / "nowhere", "a.csv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--segments", "a.csv"], "belong together"),
        (["--media", "m"], "needs --segments"),
        (["--backbone", "tiny-random"], "--backbone must be one of"),
        (["--annotations", "nowhere", "--media", "m"], "does not exist"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", "--out", str(tmp_path / "out"), *arguments])
    err = capsys.readouterr().err
    assert (stop.value.code, err.count("\n")) == (2, 1)
    assert words in err


def test_other_settings_are_refused(tmp_path: Path) -> None:
    stage._claim(ReproduceSettings(out=tmp_path / "out", quick=True))
    stage._claim(ReproduceSettings(out=tmp_path / "out", quick=True, only=("figure_09",)))
    with pytest.raises(ArtifactError, match="quick was True, now False"):
        stage._claim(ReproduceSettings(out=tmp_path / "out"))


@pytest.mark.slow
def test_without_normalisation_the_same_run_answers_fewer_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(stage._QUICK_EFFORT, videos=4, epochs=40, map_epochs=1)
    monkeypatch.setattr(stage, "_QUICK_EFFORT", few)
    assert reproduce(ReproduceSettings(out=tmp_path, quick=True, only=("table_1",))) == 0
    cosines = json.loads((tmp_path / "steps/mistake_features.json").read_text())["result"]["mean_cosine"]
    assert cosines["unnormalised"] > cosines["normalised"] + 0.1
    found = json.loads((tmp_path / "steps/table_1.json").read_text())["result"]["heads"]["lstm"]
    assert found["unnormalised"]["num_predicted_classes"] < found["normalised"]["num_predicted_classes"]
    assert found["unnormalised"]["top1"] < found["normalised"]["top1"]
