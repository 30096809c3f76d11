"""Named systems: each is commands that egoact has, and one that needs flow runs from recordings to a run."""

from importlib import import_module
from pathlib import Path

import pytest

from egoact.cli import main
from egoact.commands import command_module
from egoact.core.errors import ArtifactError
from egoact.models.backbones.registry import load_backbone
from egoact.models.heads import HEADS
from egoact.report.reproduction.page import list_systems
from egoact.reproduction.systems import SYSTEMS
from egoact.runs.loading import load_run
from tests.makers.data.recordings import write_labels, write_recording


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


@pytest.mark.parametrize("name", SYSTEMS)
def test_commands_of_systems_have_flags_that_exist(name: str, tmp_path: Path) -> None:
    made = list(
        SYSTEMS[name].commands(segments=tmp_path / "labels.csv", media=tmp_path, out=tmp_path, run=tmp_path / name)
    )
    for command, flags in made:
        module = import_module(command_module(command))
        getattr(module, f"{command.title()}Settings")(**flags)  # refuses flags that do not go together
    for cut in {(flags["kind"], flags["cut"], flags["size"]) for _, flags in made if "cut" in flags}:
        asked = dict(zip(("kind", "cut", "size"), cut, strict=True))
        assert len(load_backbone("efficientnet_lite0", **asked).spec.feature_shape) == 3, "it can be cut there"
    stores = [flags["features"] for command, flags in made if command == "extract" and "weights" not in flags]
    training = next(flags for command, flags in made if command == "train")
    assert training["features"] == tuple(stores)
    kind = SYSTEMS[name].features.get("kind", "pooled")
    assert HEADS[training["head"]].kind == kind


def test_systems_are_listed_with_their_papers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("systems") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in SYSTEMS)
    assert "arXiv:1608.00859" in "".join(out.split())
    assert "85,137" in out[out.index("report-convnet1d") :]  # as in the report's Table 1


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("tsn",), "there is no system 'tsn'; there are tsn-rgb"),
        (("lsta",), "to run lsta, give --segments --media --out"),
        (("--segments", "labels.csv"), "which system?"),
    ],
)
def test_what_cannot_be_run_is_said(flags: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("systems", *flags) == 2
    assert reason in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("small_commands")
def test_a_system_that_looks_at_flow_runs_from_recordings_to_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "flow-attention"
    videos = {v: write_recording(tmp_path / "videos" / f"{v}.mp4", seed=n) for n, v in enumerate(("one", "two"))}
    labels = write_labels(tmp_path / "labels.csv", videos)
    common = ("--segments", labels, "--media", tmp_path / "videos", "--out", tmp_path / "out")
    assert run("systems", name, *common) == 0
    assert "$ egoact flow " in capsys.readouterr().out
    config = load_run(tmp_path / "out" / name).config
    assert [spec.modality for spec in config.backbones] == ["rgb", "flow"]
    assert run("systems", name, *common) == 0
    assert "is already trained" in capsys.readouterr().out


def test_the_page_of_the_report_shows_what_was_run(tmp_path: Path) -> None:
    run_folder = tmp_path / "systems" / "lsta"
    run_folder.mkdir(parents=True)
    (run_folder / "metrics.json").write_text('{"verb": {"top1": 51.25}, "noun": {"top1": 40}}')
    sections = list_systems(tmp_path)
    shown = {name: top1 for section in sections for name, _, top1 in section["rows"]}
    assert shown.pop("lsta") == "verb 51.2 %, noun 40.0 %"
    assert len(shown) == 4 and set(shown.values()) == {"not run"} and "flow-attention" in shown
    (run_folder / "metrics.json").write_text('{"verb": 3}')
    with pytest.raises(ArtifactError, match="metrics.json"):
        list_systems(tmp_path)


def test_validation_segments_get_features_too_and_are_measured_on(tmp_path: Path) -> None:
    labels, others = tmp_path / "labels.csv", tmp_path / "others.csv"
    made = list(
        SYSTEMS["tsn-two-stream"].commands(
            segments=labels, media=tmp_path, out=tmp_path / "out", run=tmp_path / "run", validation=others
        )
    )
    assert [flags["segments"] for command, flags in made if command == "extract"] == [(labels, others)] * 2
    assert made[-1][1]["segments"] == (labels,) and made[-1][1]["validation"] == others
