"""The pieces of `egoact reproduce`, and the collapse that the report's test script caused."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import tyro

from egoact.cli import main
from egoact.commands.command_line import command_line
from egoact.commands.data.extract import ExtractSettings
from egoact.commands.learning.train import TrainSettings
from egoact.commands.measuring import reproduce as stage
from egoact.commands.measuring.bench import BenchSettings
from egoact.commands.measuring.reproduce import ReproduceSettings, reproduce
from egoact.core.errors import ArtifactError
from egoact.report.reproduction.files import STEP_NAMES
from egoact.report.reproduction.results import _has_collapsed, _say_collapse
from egoact.reproduction.layers import count_report_parameters, measure_reach
from egoact.reproduction.steps import STEPS, wanted_steps
from egoact.reproduction.work import QUICK_EFFORT, Memory, find_annotations
from tests.makers.films.kitchens import FilmKitchen
from tests.makers.films.media import write_video

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        (
            "extract",
            ExtractSettings(
                segments=(Path("a b.csv"), Path("b.csv")),
                media=(Path("m"), Path("n")),
                features=Path("f"),
                kind="maps",
                cut=3,
            ),
        ),
        (
            "train",
            TrainSettings(
                segments=(Path("s"),),
                features=(Path("f"),),
                run=Path("r"),
                validation_videos=("a", "b"),
                overwrite=True,
            ),
        ),
        ("bench", BenchSettings("storage", Path("o"), media=(Path("m"),), segments=Path("s"))),
        ("reproduce", ReproduceSettings(out=Path("o"), quick=True, only=("table_1", "table_2"))),
        ("reproduce", ReproduceSettings(out=Path("o"), annotations=Path("a"), media=(Path("m"), Path("n")))),
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


def test_steps_are_done_once(tmp_path: Path) -> None:
    calls = []

    def do() -> dict[str, int]:
        calls.append(1)
        memory.note("egoact stats")
        return {"found": 7}

    memory = Memory(tmp_path)
    assert not memory.is_done("a")
    assert memory.once("a", do, command="egoact reproduce --only a") == Memory(tmp_path).once("a", do) == {"found": 7}
    assert len(calls) == 1 and memory.is_done("a") and memory.result("a") == {"found": 7}
    commands = json.loads((tmp_path / "steps/a.json").read_text())["commands"]
    assert commands == ["egoact reproduce --only a", "egoact stats"]
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
        (["--only", "figure_99"], "there is no step 'figure_99'; there are figure_03"),
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


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """A recording in each of two folders, and CSVs that speak of them."""
    for number in (1, 2):
        write_video(tmp_path / f"disk_{number}/video_{number}.mp4", num_frames=40, rate=10)
        row = f"video_{number},0.5,3.5,take,cup"
        (tmp_path / f"{number}.csv").write_text(f"video_id,start_seconds,stop_seconds,verb,noun\n{row}\n")
    csvs = ["--segments", str(tmp_path / "1.csv"), "--validation", str(tmp_path / "2.csv")]
    return [*csvs, "--out", str(tmp_path / "out"), "--quick", "--only", "figure_03", "figure_18", "figures_14_15"]


def test_recordings_in_several_folders(tmp_path: Path, given: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", *given, "--media", str(tmp_path / "disk_1"), str(tmp_path / "disk_2")])
    assert stop.value.code == 0
    found = json.loads((tmp_path / "out/steps/figures_14_15.json").read_text())
    assert len(found["result"]["pictures"]) == 4
    assert found["commands"][0].startswith("egoact reproduce ") and "--only figures_14_15" in found["commands"][0]
    assert str(tmp_path / "disk_2") in found["commands"][0]
    counted = json.loads((tmp_path / "out/steps/figure_03.json").read_text())["result"]
    assert (counted["segments"], counted["is_real"]) == ("1.csv", False)


def test_figure_10_is_of_the_real_labels_where_they_are(tmp_path: Path, given: list[str]) -> None:
    annotations = tmp_path / "annotations" / "epic"
    annotations.mkdir(parents=True)
    rows = "P01_01,1,2,take,0\nP01_01,3,4,take,0\nP01_02,5,7,wash,1\n"
    (annotations / "EPIC_100_train_30fps.csv").write_text(
        f"video_id,start_seconds,stop_seconds,verb,verb_class\n{rows}"
    )
    classes = "id,key,instances,category\n0,take,['take'],retrieve\n1,wash,['wash'],clean\n2,open,['open'],access\n"
    (annotations / "EPIC_100_verb_classes.csv").write_text(classes.replace("['", "\"['").replace("']", "']\""))
    out = ["--media", str(tmp_path / "disk_1"), str(tmp_path / "disk_2"), "--annotations", str(annotations.parent)]
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", *given[:6], *out, "--quick", "--only", "figure_10"])
    assert stop.value.code == 0
    found = json.loads((tmp_path / "out/steps/figure_10.json").read_text())["result"]
    assert (found["segments"], found["is_real"]) == ("EPIC_100_train_30fps.csv", True)
    counted = (tmp_path / "out/figure_10/verb_categories.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in counted[1:]] == [["retrieve", "2"], ["clean", "1"], ["access", "0"]]


@pytest.mark.parametrize(
    ("folders", "words"),
    [(("disk_1", "disk_3"), "disk_3: the media folder"), (("disk_1",), "no recording called video_2")],
)
def test_a_missing_folder_is_one_line_before_any_work(
    tmp_path: Path, given: list[str], folders: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", *given, "--media", *(str(tmp_path / folder) for folder in folders)])
    err = capsys.readouterr().err
    assert (stop.value.code, err.count("\n")) == (2, 1)
    assert words in err
    assert not (tmp_path / "out").exists()


def test_steps_come_after_what_they_need_and_the_page_knows_them_all() -> None:
    names = list(STEPS)
    assert all(names.index(needed) < names.index(name) for name, step in STEPS.items() for needed in step.needs)
    assert set(names) == set(STEP_NAMES)
    assert wanted_steps(("figure_21",)) == ["features", "mistake_features", "figure_12", "figure_21"]
    assert wanted_steps(()) == names


def test_collapse_is_said_of_those_that_collapse() -> None:
    def found(right: int, wrong: int) -> dict:
        return {"normalised": {"num_predicted_classes": right}, "unnormalised": {"num_predicted_classes": wrong}}

    heads = {"lstm": found(7, 3), "convlstm": found(6, 2), "convnet1d": found(8, 6)}
    assert [_has_collapsed(head) for head in heads.values()] == [True, True, False]
    said = _say_collapse(heads)
    assert said.startswith("lets the answers of LSTM (7 to 3) and ConvLSTM (6 to 2) collapse")
    assert said.endswith("but not those of ConvNet1D (8 to 6)")
    assert _say_collapse({"lstm": found(4, 4)}).startswith("does not let the answers of LSTM (4 to 4) collapse")


def test_other_settings_are_refused(tmp_path: Path) -> None:
    stage._claim(ReproduceSettings(out=tmp_path / "out", quick=True))
    stage._claim(ReproduceSettings(out=tmp_path / "out", quick=True, only=("figure_09",)))
    with pytest.raises(ArtifactError, match="quick was True, now False"):
        stage._claim(ReproduceSettings(out=tmp_path / "out"))


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.usefixtures("measured_engines")
def test_without_normalisation_the_same_run_answers_fewer_classes(
    film_kitchen: FilmKitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film_kitchen(tmp_path / "kitchen", 4)
    few = replace(QUICK_EFFORT, videos=4, epochs=40, map_epochs=1)
    monkeypatch.setattr("egoact.reproduction.work.QUICK_EFFORT", few)
    monkeypatch.setattr("egoact.reproduction.tables._STORES", {"pooled": "features"})  # the LSTM reads no maps
    assert reproduce(ReproduceSettings(out=tmp_path, quick=True, only=("figure_21",))) == 0
    cosines = json.loads((tmp_path / "steps/mistake_features.json").read_text())["result"]["mean_cosine"]
    assert cosines["unnormalised"] > cosines["normalised"] + 0.1
    found = json.loads((tmp_path / "steps/figure_21.json").read_text())["result"]
    assert found["unnormalised"]["num_predicted_classes"] < found["normalised"]["num_predicted_classes"]
    assert found["unnormalised"]["top1"] < found["normalised"]["top1"]
