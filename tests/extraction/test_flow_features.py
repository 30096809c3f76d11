"""Features of optical flow: of exactly the files that `egoact flow` wrote, and trained on beside those of frames."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from egoact.cli import main
from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.data.flow import FlowSettings, flow
from egoact.core.annotations.segments import read_segments
from egoact.core.epic.flow import flow_picture
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.sampling import ClipSampling, sample_uniform
from egoact.media.recording import lay_grid
from egoact.media.sources import find_media
from egoact.media.stills.flow import FlowRoot, find_flow, read_flow
from egoact.models.backbones.registry import load_backbone
from egoact.runs.loading import load_run
from egoact.runs.recognizer import Recognizer
from egoact.runs.streams import check_flow
from egoact.store.layout.manifest import read_manifest
from egoact.store.reader import FeatureStore
from egoact.store.recordings import Recordings
from tests.makers.data.recordings import write_labels, write_recording

pytestmark = pytest.mark.usefixtures("one_thread")
NUM_FRAMES, SIZE = 6, 32


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings with labels, and their flow in two folders."""
    folder = tmp_path_factory.mktemp("flow")
    names = ("kitchen_1", "kitchen_2")
    videos = {name: write_recording(folder / f"videos/{name}.mp4", seed=i) for i, name in enumerate(names)}
    write_labels(folder / "labels.csv", videos, nouns=True)
    for name in names:
        out = folder / f"flow_{name}"
        assert flow(FlowSettings(out=out, media=(folder / "videos",), videos=(name,), method="dis", size=32)) == 0
    return folder


def settings(home: Path, features: Path, **changes: object) -> ExtractSettings:
    chosen = ExtractSettings(
        segments=(home / "labels.csv",),
        media=(home / "flow_kitchen_1", home / "flow_kitchen_2"),
        features=features,
        backbone="tiny-random",
        exact=True,
        num_frames=NUM_FRAMES,
        size=SIZE,
        modality="flow",
        engine="torch",
        precision="f32",
    )
    return replace(chosen, **changes)  # type: ignore[arg-type]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def test_features_are_of_what_flow_wrote(home: Path, tmp_path: Path) -> None:
    """Against the files read one by one, and run through the backbone."""
    assert extract(settings(home, tmp_path)) == 0
    assert read_manifest(tmp_path).backbone.modality == "flow"
    assert json.loads((tmp_path / "manifest.json").read_text())["spec"]["modality"] == "flow"
    table, store = read_segments(home / "labels.csv"), FeatureStore.open(tmp_path)
    stored = store.gather(store.locate(table, ClipSampling(NUM_FRAMES)))
    backbone = load_backbone("tiny-random", size=SIZE).module
    for segment, features in zip(table, stored, strict=True):
        source = find_flow(home / f"flow_{segment.video_id}", segment.video_id)
        assert source.frame_rate == 10
        times = sample_uniform(segment.start_seconds, segment.stop_seconds, num_frames=NUM_FRAMES)
        expected = []
        for positions, packed in read_flow(source, times, size=(SIZE, SIZE)):
            picture = torch.tensor(flow_picture(np.asarray(packed))).permute(2, 0, 1)[None] / 255
            expected += [backbone((picture - 0.5) / 0.5)[0].numpy()] * len(times[positions])
        np.testing.assert_allclose(features, np.stack(expected), atol=2e-3, rtol=2e-3)


def test_frames_and_flow_do_not_mix_in_a_store(home: Path, tmp_path: Path) -> None:
    assert extract(settings(home, tmp_path, modality="rgb", media=(home / "videos",))) == 0
    assert "modality" not in json.loads((tmp_path / "manifest.json").read_text())["spec"]
    with pytest.raises(ArtifactError, match="modality rgb, not flow"):
        extract(settings(home, tmp_path))


def test_flow_with_and_without_the_cameras_motion_do_not_mix(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steady, store, labels = tmp_path / "steady", tmp_path / "store", home / "labels.csv"
    whole = FlowSettings(out=steady, media=(home / "videos",), method="dis", size=32, without_camera=True)
    assert flow(replace(whole, videos=("kitchen_2",))) == 0
    mixed = (home / "flow_kitchen_1", steady)
    with pytest.raises(MediaError, match="kitchen_2 has flow without the camera's motion, kitchen_1 with it"):
        extract(settings(home, store, media=mixed))
    assert flow(whole) == 0
    assert extract(settings(home, store, media=(steady,))) == 0
    assert read_manifest(store).backbone.without_camera
    assert extract(settings(home, store, media=(steady,))) == 0 and "nothing is missing" in capsys.readouterr().out
    with pytest.raises(ArtifactError, match="without_camera True, not False"):
        extract(settings(home, store))
    asked = ("--run", tmp_path / "run", "--segments", labels)
    trained = (*asked, "--features", store, "--head", "average", "--epochs", "1", "--num-frames", "6")
    assert run("train", *trained) == 0
    assert extract(settings(home, tmp_path / "other")) == 0
    assert run("evaluate", *asked, "--features", tmp_path / "other", "--out", tmp_path / "no") == 2
    assert "its features have without_camera False, the run needs True" in capsys.readouterr().err
    with pytest.raises(ArtifactError, match="this run looks at flow without the camera's motion"):
        check_flow(FlowRoot(mixed[0]), ["kitchen_1"], read_manifest(store).backbone, run=tmp_path / "run")
    with pytest.raises(ArtifactError, match=r"looks at flow with the camera's motion \(egoact flow\), the flow in"):
        check_flow(FlowRoot(steady), ["kitchen_1"], read_manifest(tmp_path / "other").backbone, run=tmp_path)


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_a_run_on_frames_and_flow(home: Path, tmp_path: Path, fusion: str, capsys: pytest.CaptureFixture[str]) -> None:
    frames, moving, both = tmp_path / "frames", tmp_path / "moving", tmp_path / "run"
    assert extract(settings(home, frames, modality="rgb", media=(home / "videos",))) == 0
    assert extract(settings(home, moving)) == 0
    labelled = ("--segments", home / "labels.csv", "--features", frames, moving)
    training = (
        "--validation-videos",
        "kitchen_2",
        "--head",
        "average",
        "--epochs",
        "2",
        "--fusion",
        fusion,
        "--num-frames",
        "6",
    )
    assert run("train", *labelled, "--run", both, *training) == 0
    config = Recognizer.load(both).config
    assert [spec.modality for spec in config.backbones] == ["rgb", "flow"]
    assert run("evaluate", "--run", both, *labelled, "--out", tmp_path / "results") == 0
    assert 0 <= json.loads((tmp_path / "results/metrics.json").read_text())["verb"]["top1"] <= 100
    capsys.readouterr()
    swapped = ("--segments", home / "labels.csv", "--features", moving, frames, "--out", tmp_path / "swapped")
    assert run("evaluate", "--run", both, *swapped) == 0
    results = [json.loads((tmp_path / name / "metrics.json").read_text())["verb"] for name in ("results", "swapped")]
    assert results[0] == results[1]
    alone = ("--segments", home / "labels.csv", "--features", moving, "--out", tmp_path / "no")
    assert run("evaluate", "--run", both, *alone) == 2
    assert "there is no stream rgb here, only flow" in capsys.readouterr().err


def test_a_run_on_flow_does_not_look_at_frames(home: Path, tmp_path: Path) -> None:
    assert extract(settings(home, tmp_path / "flow")) == 0
    arguments = ("--segments", home / "labels.csv", "--features", tmp_path / "flow", "--run", tmp_path / "run")
    assert run("train", *arguments, "--head", "average", "--epochs", "1", "--num-frames", "6") == 0
    with pytest.raises(ArtifactError, match="looks at optical flow"):
        load_run(tmp_path / "run").engine  # noqa: B018


def test_flow_that_is_missing_fails_its_segments(home: Path, tmp_path: Path) -> None:
    some = settings(home, tmp_path, media=(home / "flow_kitchen_1",))
    assert extract(some) == sum(segment.video_id == "kitchen_2" for segment in read_segments(some.segments[0]))
    assert "no optical flow of kitchen_2" in (tmp_path / "failures.csv").read_text()
    assert extract(settings(home, tmp_path)) == 0  # and is added when it is there


def test_frames_are_no_flow(home: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no optical flow of kitchen_1"):
        extract(settings(home, tmp_path, media=(home / "videos",)))
    with pytest.raises(MediaError, match="does not exist"):
        FlowRoot(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="without --frame-rate"):
        settings(home, tmp_path, frame_rate=10.0)


def test_flow_of_whole_recordings(home: Path, tmp_path: Path) -> None:
    """Steps up to the end of the flow, which a clip of any segment then finds."""
    whole = settings(home, tmp_path, exact=False, recordings=True)
    assert extract(whole) == 0
    store = FeatureStore.open(tmp_path)
    found = Recordings(store)
    assert set(found) == {"kitchen_1", "kitchen_2"}
    assert all(abs(len(steps) / 8 - read_length(home, video)) < 0.5 for video, steps in found.items())
    store.locate(read_segments(home / "labels.csv"), ClipSampling(NUM_FRAMES))


def read_length(home: Path, video: str) -> float:
    """Seconds of a recording."""
    grid = lay_grid(find_media(home / "videos", video))
    return grid.num_frames / grid.frame_rate
