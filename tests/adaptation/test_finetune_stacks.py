"""Networks of stacks: from recordings to features, to a run, and on with all of their blocks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from egoact.adaptation.clip_inputs import mirror
from egoact.adaptation.finetuning import TrainedPart
from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.data.flow import FlowSettings, flow
from egoact.commands.learning.finetune import FinetuneSettings, finetune
from egoact.commands.learning.train import TrainSettings, train
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import ArtifactError
from egoact.core.sampling import ClipSampling
from egoact.media.pairs import read_stacks
from egoact.media.sources import MediaRoot
from egoact.media.stills.flow import FlowRoot
from egoact.models.backbones.own_files import FILE_NAME
from egoact.models.backbones.registry import load_backbone
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.classifier import ActionClassifier
from egoact.models.heads import build_head
from egoact.runs.loading import EngineChoice, load_run
from egoact.store.reader import FeatureStore
from tests.makers.data.recordings import write_labels, write_recording

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE, NUM_FRAMES = 32, 3


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stacks")
    videos = {f"kitchen_{n}": write_recording(folder / "videos" / f"kitchen_{n}.mp4", seed=n) for n in (1, 2)}
    write_labels(folder / "labels.csv", videos)
    assert flow(FlowSettings(out=folder / "flow", media=(folder / "videos",), method="dis", size=32)) == 0
    return folder


def extracting(world: Path, features: Path, modality: str, weights: Path | None = None) -> ExtractSettings:
    return ExtractSettings(
        segments=(world / "labels.csv",),
        media=(world / ("flow" if modality == "flow" else "videos"),),
        features=features,
        modality=modality,  # type: ignore[arg-type]
        stack=5,
        backbone="tiny-random",
        weights=weights,
        size=SIZE,
        exact=True,
        num_frames=NUM_FRAMES,
        engine="torch",
        precision="f32",
    )


@pytest.mark.parametrize("modality", ["flow", "difference"])
def test_a_run_on_stacks_is_trained_fine_tuned_and_used(
    modality: str, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features, run, out = tmp_path / "features", tmp_path / "run", tmp_path / "tuned"
    assert extract(extracting(world, features, modality)) == 0
    table = read_segments(world / "labels.csv")
    spec = FeatureStore.open(features).spec.backbone
    assert (spec.stack, spec.num_channels) == (5, 10 if modality == "flow" else 15)
    root = FlowRoot(world / "flow") if modality == "flow" else MediaRoot(world / "videos")
    times = ClipSampling(NUM_FRAMES).times([table[3]])[0, 0]
    lag = spec.lag_seconds
    stacks = [
        s for _, s in read_stacks(root.find(table[3].video_id), times, count=5, lag_seconds=lag, size=(SIZE,) * 2)
    ]
    network = load_backbone("tiny-random", size=SIZE, channels=spec.num_channels).module
    pictures = torch.from_numpy(np.stack(stacks)).permute(0, 3, 1, 2).float()  # type: ignore[arg-type]
    stored = FeatureStore.open(features)
    found = stored.gather(stored.locate([table[3]], ClipSampling(NUM_FRAMES)))[0]
    np.testing.assert_allclose(found, network((pictures / 255 - 0.5) / 0.5).numpy(), rtol=0, atol=2e-3)

    training = TrainSettings((world / "labels.csv",), (features,), run, head="average", num_frames=NUM_FRAMES, epochs=2)
    assert train(training) == 0
    media = (world / ("flow" if modality == "flow" else "videos"),)
    chosen = FinetuneSettings(run=run, segments=(world / "labels.csv",), media=media, out=out, augment="flip", epochs=1)
    assert finetune(chosen) == 0
    first = load_file(out / FILE_NAME)["0.0.weight"]
    assert first.shape[1] == spec.num_channels and not torch.equal(first, network[0][0].weight)  # type: ignore[index]
    assert extract(extracting(world, tmp_path / "own", modality, out / FILE_NAME)) == 0
    scores = load_run(out, EngineChoice()).score(table, tmp_path / "own").verb
    assert scores is not None and np.isfinite(scores).all()
    with pytest.raises(ArtifactError, match="this run looks at (optical flow|stacks of differences)"):
        _ = load_run(out, EngineChoice()).engine


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"modality": "difference", "stack": 1}, "--modality difference needs --stack"),
        ({"modality": "rgb"}, "a stack is of two or more of flow or difference, not of 5 of rgb"),
        ({"stack": 0}, "a stack is of two or more"),
        ({"streams": ("rgb", "grid")}, "--streams grid: of frames; --modality flow looks at none"),
    ],
)
def test_impossible_stacks_are_refused(changes: dict[str, object], told: str, world: Path, tmp_path: Path) -> None:
    good = extracting(world, tmp_path, "flow")
    with pytest.raises(ValueError, match=told):
        ExtractSettings(**({f: getattr(good, f) for f in good.__dataclass_fields__} | changes))  # type: ignore[arg-type]


def test_a_mirror_turns_what_moves_to_the_right_around() -> None:
    plain = load_backbone("tiny-random", size=SIZE, channels=4).spec
    spec = BackboneSpec.from_dict(plain.to_dict() | {"modality": "flow", "stack": 2})
    pictures = np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4)
    turned = mirror(pictures, spec)
    np.testing.assert_array_equal(turned[..., ::2], 255 - pictures[:, :, ::-1, ::2])
    np.testing.assert_array_equal(turned[..., 1::2], pictures[:, :, ::-1, 1::2])


@pytest.mark.parametrize("follows", [False, True])
def test_the_first_batch_norm_alone_may_follow(follows: bool) -> None:
    blocks = [nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)) for _ in range(2)]
    head = build_head("average", feature_shape=(4,), num_frames=2)
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    part = TrainedPart(list(blocks), pool, ActionClassifier(head, num_classes={"verb": 3}), follows=follows).train()
    part(torch.randn(4, 4, 5, 5) + 3, 2)
    changed = [bool((block[1].running_mean != 0).any()) for block in blocks]
    assert changed == [follows, False]
    before = blocks[0][1].running_mean.clone()  # type: ignore[union-attr]
    part.eval()(torch.randn(4, 4, 5, 5) + 3, 2)
    assert torch.equal(blocks[0][1].running_mean, before)  # type: ignore[arg-type]


def test_computing_blocks_again_changes_no_gradient() -> None:
    head = build_head("average", feature_shape=(4,), num_frames=2)
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    torch.manual_seed(0)
    blocks: list[nn.Module] = [nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU()) for _ in range(3)]
    maps, found, calls = torch.randn(4, 4, 9, 9), [], []
    blocks[2].register_forward_pre_hook(lambda *_: calls.append(1))
    for recomputes in (False, True):
        classifier = ActionClassifier(head, num_classes={"verb": 3}, dropout=0.0)
        nn.init.ones_(classifier.classifiers["verb"].weight)  # type: ignore[arg-type]
        part = TrainedPart(blocks, pool, classifier, follows=True, recomputes=recomputes).train()
        blocks[0][1].reset_running_stats()  # type: ignore[index, operator]
        part.zero_grad()
        part(maps, 2)[0][1].square().sum().backward()
        found.append([parameter.grad.clone() for parameter in part.blocks.parameters()])  # type: ignore[union-attr]
        assert int(blocks[0][1].num_batches_tracked) == 1, "statistics are counted once"  # type: ignore[index, arg-type]
    assert len(calls) == 1 + 2
    for kept, again in zip(*found, strict=True):
        torch.testing.assert_close(again, kept)
