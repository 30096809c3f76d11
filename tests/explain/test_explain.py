"""Feature visualisation and saliency: against what can be computed by hand, and on real photos."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import timm
import torch

from egoact.cli import main
from egoact.commands.data.flow import FlowSettings, flow
from egoact.core.annotations.labels import Vocabulary
from egoact.core.sampling import sample_uniform
from egoact.engines.loading import load_engine
from egoact.engines.streams import StreamEngine, build_streams, stream_specs
from egoact.explain.activation import maximise, respond_to_frames
from egoact.explain.images import FourierPictures, view_anew
from egoact.explain.saliency import explain_clip_frames, map_correlation, shuffle_weights
from egoact.explain.stream_inputs import load_networks, read_stream_inputs
from egoact.media.pairs import read_pairs
from egoact.media.sources import MediaSource, read_frames
from egoact.media.stills.flow import FlowRoot
from egoact.models.backbones.registry import Backbone, load_backbone, packaged_lite
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.backbones.weights import load_in_file_order
from egoact.models.classifier import ActionClassifier
from egoact.models.heads import build_head
from egoact.report.explain import lay_tiles
from egoact.runs.loading import load_run
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from tests.makers.films.media import picture, write_video
from tests.makers.machines.places import SHARED

GTEA = SHARED / "data/gtea"
MOBILENET = SHARED / "data/weights/mobilenet_v2_imagenet_features.safetensors"
CATS = [281, 282, 285]  # classes of ImageNet-1k
NUM_FRAMES = 6

pytestmark = pytest.mark.usefixtures("one_thread")


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["explain", *arguments])
    return int(stop.value.code or 0)


def write_run(path: Path, head: str, *, kind: str = "pooled") -> Recognizer:
    """A run of the tiny backbone with weights as they come."""
    torch.manual_seed(1)
    backbone = load_backbone("tiny-random", size=64, kind=kind)  # type: ignore[arg-type]
    config = RecognizerConfig(
        head=head,
        vocabularies={"verb": Vocabulary("verb", ("take", "put", "cut")), "noun": Vocabulary("noun", ("cup", "tap"))},
        backbone=backbone.spec,
        num_frames=NUM_FRAMES,
        dropout=0.5,
    )
    recognizer = Recognizer(config, config.build())
    for parameter in recognizer.model.classifiers.parameters():
        torch.nn.init.normal_(parameter)
    recognizer.save(path)
    return recognizer


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "media/A_1.mp4", num_frames=40, rate=20)


# Filters


def test_pictures_and_views_stay_pictures() -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = FourierPictures(2, 48, generator=generator)
    with torch.no_grad():
        pictures.spectrum *= 300
    seen = pictures()
    assert seen.shape == (2, 3, 48, 48)
    assert 0 <= seen.min() < 0.1 and 0.9 < seen.max() <= 1
    moved = view_anew(seen.detach(), generator)
    assert moved.shape == seen.shape
    assert not torch.equal(moved[0], view_anew(seen.detach(), generator)[0])
    still = view_anew(seen.detach(), generator, shift_pixels=0, zoom=0, degrees=0)
    assert torch.allclose(still, seen, atol=1e-5)


def test_each_picture_pleases_its_own_kernel_most() -> None:
    backbone = load_backbone("tiny-random", cut=1, size=48, kind="maps")
    kernels = [0, 5, 9]
    painted = maximise(backbone, kernels, size=48, steps=150)
    responses = respond_to_frames(backbone, painted)[:, kernels]
    assert (responses.argmax(0) == np.arange(3)).all()
    frames = np.stack([picture(number, size=(48, 48)) for number in range(64)])
    assert (responses.diagonal() > 1.1 * respond_to_frames(backbone, frames)[:, kernels].max(0)).all()
    assert np.array_equal(painted, maximise(backbone, kernels, size=48, steps=150))


def test_filters_write_a_grid_a_block(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--num-kernels", "4", "--steps", "12", "--size", "48", "--num-frames", "8"]
    out = tmp_path / "out"
    arguments = ["--backbone", "tiny-random", "--blocks", "0", "2", "--media", str(video.parent), *few]
    assert call("filters", *arguments, "--out", str(out)) == 0
    described = json.loads((out / "filters.json").read_text())
    assert [k["kernel"] for k in described["kernels"]] == [0, 2, 5, 7, 0, 8, 15, 23]
    assert len(list(out.glob("block_0[02]/kernel_*.png"))) == len(list(out.glob("block_*/frame_*.jpg"))) == 8
    assert cv2.imread(str(out / "block_02/kernel_0023.png")).shape == (48, 48, 3)
    assert "best real frame" in capsys.readouterr().out
    assert "8 frames of" in (out / "index.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["filters", "--backbone", "tiny-random", "--blocks", "9"], "has blocks 0 to 3"),
        (["filters", "--backbone", "tiny-random", "--blocks", "0", "--kernels", "8"], "has kernels 0 to 7, not 8"),
        (["filters", "--size", "8"], "--size must be at least 32"),
        (["clip", "--run", "nowhere", "--media", "."], "nowhere: not a run directory"),
        (["clip", "--media", "."], "--run"),
    ],
)
def test_wrong_questions_are_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(*arguments, "--out", "out") == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert words in err


def test_grids_are_square() -> None:
    tiles = [np.full((8, 8, 3), i, np.uint8) for i in range(5)]
    grid = lay_tiles(tiles)
    assert grid.shape == (20, 32, 3)
    assert (grid[0, 0, 0], grid[0, 12, 0], grid[12, 12, 0], grid[12, 30, 0]) == (0, 1, 4, 255)


@pytest.mark.slow
@pytest.mark.skipif(not (GTEA.is_dir() and MOBILENET.is_file()), reason="needs ../shared/data")
@pytest.mark.parametrize("block", [1, 12])
def test_painted_pictures_move_mobilenet_more_than_any_real_frame(block: int, tmp_path: Path) -> None:
    few = ["--num-kernels", "4", "--steps", "24", "--size", "96", "--num-frames", "60", "--blocks", str(block)]
    source = ["--backbone", "mobilenet_v2", "--weights", str(MOBILENET), "--media", str(GTEA / "videos")]
    assert call("filters", *source, *few, "--out", str(tmp_path)) == 0
    for kernel in json.loads((tmp_path / "filters.json").read_text())["kernels"]:
        assert kernel["response"] > kernel["best_frame_response"] + 0.5 * abs(kernel["best_frame_response"]), kernel


# Clips


def test_grad_cam_of_a_linear_model_is_its_class_activation_map() -> None:
    backbone = load_backbone("tiny-random", size=64, kind="pooled")
    head = build_head("average", feature_shape=(32,), num_frames=NUM_FRAMES)
    model = ActionClassifier(head, num_classes={"verb": 3}).eval()
    torch.nn.init.normal_(model.classifiers["verb"].weight)
    frames = np.random.default_rng(0).integers(0, 256, (NUM_FRAMES, 64, 64, 3), dtype=np.uint8)
    found = explain_clip_frames(backbone, model, frames).targets["verb"]
    maps = load_backbone("tiny-random", size=64, kind="maps").module(
        torch.tensor(frames).permute(0, 3, 1, 2) / 127.5 - 1
    )
    weight = model.classifiers["verb"].weight[found.class_id]
    expected = torch.einsum("c,tchw->thw", weight, maps).clamp_min(0) / (NUM_FRAMES * maps[0, 0].numel())
    assert np.allclose(found.maps, expected.detach(), atol=1e-6)
    features = maps.mean((2, 3))
    with torch.no_grad():
        for t in range(NUM_FRAMES):
            without = features.clone()
            without[t] = features.mean(0)
            both = model(torch.stack([features, without]))["verb"].log_softmax(1)[:, found.class_id]
            assert found.importance[t] == pytest.approx(float(both[0] - both[1]), abs=1e-5)


def test_no_frame_of_a_still_clip_matters() -> None:
    backbone = load_backbone("tiny-random", size=64, kind="pooled")
    head = build_head("transformer", feature_shape=(32,), num_frames=NUM_FRAMES)
    frames = np.full((NUM_FRAMES, 64, 64, 3), 90, np.uint8)
    found = explain_clip_frames(backbone, ActionClassifier(head, num_classes={"verb": 3}).eval(), frames)
    assert found.targets["verb"].importance == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize(
    ("head", "kind", "shape"),
    [
        ("difference", "pooled", None),
        ("lstm", "pooled", None),
        ("attention", "pooled", (NUM_FRAMES,)),
        ("transformer", "pooled", (NUM_FRAMES,)),
        ("lsta", "maps", (NUM_FRAMES, 4, 4)),
    ],
)
def test_clips_of_all_kinds_of_heads(
    head: str, kind: str, shape: tuple[int, ...] | None, tmp_path: Path, video: Path
) -> None:
    write_run(tmp_path / "run", head, kind=kind)
    out = tmp_path / "out"
    assert call("clip", "--run", str(tmp_path / "run"), "--media", str(video), "--out", str(out)) == 0
    with np.load(out / "clip.npz") as arrays:
        assert arrays["frames"].shape == (NUM_FRAMES, 64, 64, 3)
        for target in ("verb", "noun"):
            assert arrays[f"{target}_maps"].shape == (NUM_FRAMES, 4, 4)
            assert (arrays[f"{target}_maps"] >= 0).all()
            assert arrays[f"{target}_importance"].shape == (NUM_FRAMES,)
        assert ("attention" in arrays) == (shape is not None)
        if shape is not None:
            attention = arrays["attention"]
            assert attention.shape == shape
            sums = attention.reshape(NUM_FRAMES, -1).sum(1) if head == "lsta" else attention.sum()
            assert (sums <= 1 + 1e-5).all() and (sums > 0).all()
    page = (out / "index.html").read_text()
    assert "data:video/mp4" in page
    assert ("own attention is shown" in page) == (shape is not None)
    assert (out / "strip.png").is_file() and (out / "clip.mp4").is_file()


def write_run_of_streams(path: Path, head: str, specs: list[BackboneSpec], *, std: float = 1.0) -> Recognizer:
    config = RecognizerConfig(
        head=head,
        vocabularies={"verb": Vocabulary("verb", ("take", "put", "cut"))},
        backbone=specs[0],
        stacked=tuple(specs[1:]),
        num_frames=NUM_FRAMES,
        dropout=0.5,
    )
    recognizer = Recognizer(config, config.build())
    torch.manual_seed(2)
    for parameter in recognizer.model.parameters():
        torch.nn.init.normal_(parameter, std=std)
    recognizer.save(path)
    return recognizer


def test_attention_that_the_flow_directs_is_drawn(
    tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backbone = load_backbone("tiny-random", size=64, kind="maps")
    flow_spec = replace(backbone.spec, modality="flow")
    recognizer = write_run_of_streams(tmp_path / "run", "flow_attention", [backbone.spec, flow_spec])
    common = ("clip", "--run", str(tmp_path / "run"), "--media", str(video), "--out", str(tmp_path / "out"))
    assert call(*common) == 2
    assert "this run looks at optical flow, too: give --flow FOLDER" in capsys.readouterr().err
    assert flow(FlowSettings(out=tmp_path / "flow", media=(video.parent,), method="dis", size=64)) == 0
    assert call(*common, "--flow", str(tmp_path / "flow")) == 0
    with np.load(tmp_path / "out/clip.npz") as arrays:
        attention = arrays["attention"]
    times = sample_uniform(0, 2, num_frames=NUM_FRAMES)
    maps = []
    for source in (MediaSource.of_file(video), FlowRoot((tmp_path / "flow",)).find("A_1")):
        pictures = np.stack([p for _, p in read_frames(source, times, size=(64, 64)) if isinstance(p, np.ndarray)])
        maps.append(backbone.module(torch.tensor(pictures).permute(0, 3, 1, 2) / 127.5 - 1))
    fusion: Any = recognizer.model.head
    expected = fusion.head.attend(fusion.fuse(torch.cat(maps, 1)[None]))[0].detach().numpy()
    np.testing.assert_allclose(attention, expected, rtol=0, atol=1e-5)
    assert np.ptp(attention[0]) > 1e-3
    assert "own attention is shown" in (tmp_path / "out/index.html").read_text()


def test_streams_beside_frames_have_their_say(tmp_path: Path, video: Path) -> None:
    backbones = {1: load_backbone("tiny-random", size=64)}
    specs = stream_specs(("rgb", "difference", "motion"), backbones, input_size=(64, 64))
    recognizer = write_run_of_streams(tmp_path / "run", "difference", specs, std=0.01)
    out = tmp_path / "out"
    assert call("clip", "--run", str(tmp_path / "run"), "--media", str(video), "--out", str(out)) == 0
    source, times = MediaSource.of_file(video), sample_uniform(0, 2, num_frames=NUM_FRAMES)
    run = load_run(tmp_path / "run")
    looks = read_stream_inputs(run, source, times, networks=load_networks(run), flow=None)
    engine = StreamEngine(build_streams(specs, backbones, lambda b: load_engine(b, engine="torch", precision="f32")))
    pairs = list(read_pairs(source, times, lag_seconds=1 / 20, size=(64, 64)))
    features = engine.run(np.stack([p[1] for p in pairs]), np.stack([p[2] for p in pairs]), lag_seconds=1 / 20)  # type: ignore[arg-type]
    for look, expected in zip(looks, features, strict=True):
        np.testing.assert_allclose(look.features.numpy(), expected, rtol=1e-4, atol=1e-5)
    scores = recognizer.model.eval()(torch.from_numpy(np.concatenate(features, axis=1))[None])["verb"][0].softmax(0)
    described = json.loads((out / "clip.json").read_text())["answers"]["verb"]
    assert described["probability"] == pytest.approx(float(scores.detach().max()), abs=1e-3)
    assert 0.34 < described["probability"] < 0.99


def test_a_segment_is_found_by_its_id(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "run", "difference")
    csv = tmp_path / "labels.csv"
    csv.write_text("narration_id,video_id,start_seconds,stop_seconds,verb\na,A_1,0,1,take\nb,A_1,1,2,cut\n")
    common = ["clip", "--run", str(tmp_path / "run"), "--segments", str(csv), "--media", str(video.parent)]
    assert call(*common, "--narration-id", "b", "--out", str(tmp_path / "out")) == 0
    described = json.loads((tmp_path / "out/clip.json").read_text())
    assert described["truth"] == {"narration_id": "b", "verb": "cut", "noun": None}
    assert all(1 <= t < 2 for t in described["times_seconds"])
    assert call(*common, "--narration-id", "z", "--out", str(tmp_path / "out")) == 2
    assert "no segment z" in capsys.readouterr().err


def test_correlation_is_of_ranks() -> None:
    maps = np.random.default_rng(0).random((2, 3, 3))
    assert map_correlation(maps, np.exp(5 * maps)) == pytest.approx(1)
    assert map_correlation(maps, -maps) == pytest.approx(-1)
    assert map_correlation(maps, np.zeros_like(maps)) == 0


@pytest.fixture(scope="module")
def imagenet() -> tuple[Backbone, ActionClassifier]:
    """EfficientNet-Lite0 with ImageNet's own classifier as a recognizer of 1000 "nouns"."""
    model = timm.create_model("tf_efficientnet_lite0")
    load_in_file_order(model, packaged_lite(0))
    head = build_head("average", feature_shape=(1280,), num_frames=2)
    classifier = ActionClassifier(head, num_classes={"noun": 1000}).eval()
    head.requires_grad_(False)
    classifier.classifiers["noun"].load_state_dict(model.classifier.state_dict())  # type: ignore[attr-defined]
    return load_backbone("efficientnet_lite0"), classifier


@pytest.mark.slow
def test_the_map_lies_on_the_cat_and_is_gone_without_what_was_learned(
    imagenet: tuple[Backbone, ActionClassifier], photos: dict[str, np.ndarray]
) -> None:
    backbone, model = imagenet
    half = photos["chelsea"].copy()
    half[:, 160:] = 128  # her face is at the left
    frames = np.stack([half, np.full_like(half, 128)])
    found = explain_clip_frames(backbone, model, frames).targets["noun"]
    assert found.class_id in CATS
    assert found.maps[0][:, :5].sum() > 2 * found.maps[0][:, 5:].sum()
    assert found.maps[0].sum() > 2 * found.maps[1].sum()
    assert found.importance[0] > 1 > found.importance[1]
    again = explain_clip_frames(backbone, model, frames).targets["noun"]
    assert map_correlation(found.maps, again.maps) == pytest.approx(1)
    two = np.stack([photos["chelsea"], photos["coffee"]])
    espresso = explain_clip_frames(backbone, model, two).targets["noun"]
    for seed in range(3):
        head = shuffle_weights(model, seed=seed)
        shuffled = Backbone(backbone.spec, shuffle_weights(backbone.module, seed=seed))
        other = explain_clip_frames(shuffled, head, frames).targets["noun"]  # type: ignore[arg-type]
        assert abs(map_correlation(found.maps, other.maps)) < 0.5
        other = explain_clip_frames(backbone, head, two).targets["noun"]  # type: ignore[arg-type]
        assert abs(map_correlation(espresso.maps, other.maps)) < 0.5
