"""A smaller backbone gives nearly the same features, and a run with it is a run like any other."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from egoact.adaptation.channels import (
    HiddenChannels,
    Surgery,
    choose_channels,
    count_multiply_adds,
    find_hidden,
    measure_importance,
)
from egoact.adaptation.refitting import refit_blocks
from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.compress import CompressSettings, compress
from egoact.core.annotations.labels import Vocabulary
from egoact.core.errors import ArtifactError
from egoact.engines.streams import stream_specs
from egoact.models.backbones.own_files import FILE_NAME, describe_own_file
from egoact.models.backbones.registry import load_backbone, load_trunk
from egoact.runs.loading import EngineChoice, load_run
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from egoact.store.reader import FeatureStore
from tests.makers.data.extraction import make_video

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = 64


class Block(nn.Module):
    """A block with hidden channels and a way around them, as MobileNetV2 has it."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, hidden, 1)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.last = nn.Conv2d(hidden, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.norm(self.last(self.depthwise(self.first(x).relu()).relu()))


@pytest.fixture
def blocks() -> list[nn.Module]:
    torch.manual_seed(0)
    made = [nn.Conv2d(3, 8, 3, stride=2, padding=1), Block(8, 16), Block(8, 24)]
    for block in made[1:]:
        nn.init.uniform_(block.norm.running_var, 0.5, 2)  # type: ignore[union-attr, arg-type]
        nn.init.uniform_(block.norm.weight, 0.5, 2)  # type: ignore[union-attr, arg-type]
    return [block.eval().requires_grad_(False) for block in made]


def frames(number: int = 6) -> torch.Tensor:
    return torch.randn(number, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def run_all(blocks: list[nn.Module]) -> torch.Tensor:
    with torch.no_grad():
        return nn.Sequential(*blocks)(frames())


def test_only_what_is_inside_of_a_block_can_go(blocks: list[nn.Module]) -> None:
    found = find_hidden(blocks, size=SIZE)
    assert [(each.number, each.num_channels) for each in found] == [(1, 16), (2, 24)]
    assert found[0].cost == (8 + 9 + 8) * (SIZE // 2) ** 2
    lite0 = load_trunk("efficientnet_lite0", weights=None, size=SIZE)
    found = find_hidden(lite0.layers(None), size=SIZE)
    assert [each.number for each in found] == list(range(16)), "every block but the last convolution"
    counts = count_multiply_adds(lite0.layers(None), size=224)
    assert sum(counts.values()) == pytest.approx(384e6, rel=0.02), "as the paper's authors count"


def test_channels_that_say_nothing_are_found_and_go_without_a_trace(blocks: list[nn.Module]) -> None:
    dead = {1: [0, 5, 9, 15], 2: [1, 2, 3, 20, 21, 22, 23, 7]}
    for number, channels in dead.items():
        blocks[number].last.weight[:, channels] = 0  # type: ignore[union-attr, index]
    before = run_all(blocks)
    hidden = find_hidden(blocks, size=SIZE)
    pooled = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    importance = measure_importance(pooled, hidden, [frames()], seed=0)
    surgery = Surgery(nn.Sequential(*blocks), size=SIZE)
    for each, values in zip(hidden, importance, strict=True):
        channels = dead[each.number]
        assert set(channels) <= set(np.flatnonzero(values == 0))  # as is what a ReLU never lets through
        surgery.remove(each.last, sorted(channels))
    assert [m.last.in_channels for m in blocks[1:]] == [12, 16]  # type: ignore[union-attr]
    torch.testing.assert_close(run_all(blocks), before)


def test_importance_is_what_the_features_lose(blocks: list[nn.Module]) -> None:
    """The gate's gradient against the channel scaled down by a thousandth, for every channel."""
    hidden = find_hidden(blocks, size=SIZE)
    pooled = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = measure_importance(pooled, hidden[1:], [frames(64)], seed=0)[0]
    weight = hidden[1].last.weight
    lost = []
    with torch.no_grad():
        whole = pooled(frames(64))
        for channel in range(hidden[1].num_channels):
            kept = weight[:, channel].clone()
            weight[:, channel] *= 0.999
            lost.append(float((pooled(frames(64)) - whole).square().sum()))
            weight[:, channel] = kept
    assert np.corrcoef(np.argsort(np.argsort(found)), np.argsort(np.argsort(lost)))[0, 1] > 0.8


def test_what_other_channels_can_say_is_refitted_without_loss(blocks: list[nn.Module]) -> None:
    """Twins: without one of them the block is another, until the other takes over its weights."""
    teacher = blocks
    for name in ("first", "depthwise"):
        conv = getattr(teacher[1], name)
        conv.weight[8:], conv.bias[8:] = conv.weight[:8].clone(), conv.bias[:8].clone()
    before = run_all(teacher)
    student = [teacher[0], Block(8, 16).eval(), teacher[2]]
    student[1].load_state_dict(teacher[1].state_dict())
    last = student[1].last
    Surgery(nn.Sequential(*student), size=SIZE).remove(last, list(range(8, 16)))  # type: ignore[arg-type]
    lost = (run_all(student) - before).abs().mean()
    left = refit_blocks(teacher, student, {1: last}, frames(24).half())  # type: ignore[dict-item]
    assert left[0] < 0.01
    assert (run_all(student) - before).abs().mean() < 0.2 * lost


def test_the_convolution_that_makes_the_features_makes_good_what_reaches_it_changed() -> None:
    """The student's maps are the teacher's, turned: the last convolution turns them back."""
    torch.manual_seed(0)
    turn, _ = torch.linalg.qr(torch.randn(8, 8))
    first = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    turned = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    with torch.no_grad():
        turned.weight.copy_(torch.einsum("ab,bcij->acij", turn, first.weight))
        turned.bias.copy_(turn @ first.bias)  # type: ignore[union-attr]
    last = nn.Sequential(nn.Conv2d(8, 24, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU6()).eval()
    copied = copy.deepcopy(last)
    teacher, student = [first, last], [turned, copied]
    before = run_all(teacher)
    assert not torch.allclose(run_all(student), before, atol=0.5)
    refit_blocks(teacher, student, {}, frames(24).half())
    torch.testing.assert_close(run_all(student), before, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("keep", [0.3, 0.5, 0.8])
def test_the_budget_is_kept_and_used(keep: float) -> None:
    random = np.random.default_rng(0)
    convs = [nn.Conv2d(width, 8, 1) for width in (64, 160, 240)]
    hidden = [HiddenChannels(i, conv, conv, 1000 / (i + 1)) for i, conv in enumerate(convs)]
    total = 1.1 * sum(each.cost * each.num_channels for each in hidden)
    chosen = choose_channels(hidden, [random.random(e.num_channels) for e in hidden], total=total, keep=keep)
    left = total - sum(e.cost * (e.num_channels - len(c)) for e, c in zip(hidden, chosen, strict=True))
    assert keep * total - 2 * 8000 < left <= keep * total
    assert all(len(c) % 8 == 0 and len(c) >= 8 and (np.diff(c) > 0).all() for c in chosen)


# From one run to another.


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    for number in range(2):
        make_video(folder / f"A_{number}.mp4", number)
    return folder


@pytest.fixture(scope="module")
def made(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A run on frames and differences, and what was made of it."""
    folder = tmp_path_factory.mktemp("runs")
    backbone = load_backbone("efficientnet_lite0", size=SIZE)
    rgb, difference = stream_specs(("rgb", "difference"), {1: backbone}, input_size=(SIZE, SIZE))
    config = RecognizerConfig(
        head="average",
        vocabularies={"verb": Vocabulary("verb", ("open", "close"))},
        backbone=rgb,
        stacked=(difference,),
        num_frames=4,
        dropout=0.0,
    )
    Recognizer(config, config.build()).save(folder / "run")
    asked = CompressSettings(run=folder / "run", media=(media,), out=folder / "small", pictures=32, epochs=1)
    with pytest.MonkeyPatch.context() as patch:  # how fast they are is printed, and no more
        patch.setattr("egoact.engines.loading.MIN_SECONDS", 0.02)
        patch.setattr("egoact.engines.loading.BATCHES", {"cpu": (32,)})
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr("egoact.engines.loading.available_engines", lambda: ["openvino"])
            assert compress(asked) == 0
        yield folder / "run", folder / "small"


@pytest.mark.slow
def test_a_smaller_run_answers_on_its_own_backbone(made: tuple[Path, Path], media: Path) -> None:
    before, after = (load_run(path, EngineChoice(engine="torch", precision="f32")) for path in made)
    facts = json.loads((made[1] / "compress.json").read_text())
    assert 0.4 * facts["multiply_adds"][0] < facts["multiply_adds"][1] <= 0.5 * facts["multiply_adds"][0]
    assert not (made[1] / "pictures.npy").exists()
    assert [spec.stream for spec in after.backbones] == ["rgb", "difference"]
    assert after.backbones[0].weights_hash == after.backbones[1].weights_hash != before.backbones[0].weights_hash
    pictures = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    features = after.engine.run(pictures, pictures[::-1].copy())
    assert [part.shape for part in features] == [(2, 1280)] * 2
    clip = np.concatenate(features, axis=1)[None].repeat(2, axis=1)
    assert np.isfinite(after.recognizer.score(clip)["verb"]).all()


@pytest.mark.slow
def test_the_file_of_the_backbone_makes_the_features_that_the_run_asks_for(
    made: tuple[Path, Path], media: Path, tmp_path: Path
) -> None:
    weights = made[1] / FILE_NAME
    own = describe_own_file(weights)
    assert own is not None and (own.backbone, own.size) == ("efficientnet_lite0", SIZE)
    features = tmp_path / "features"
    asked = ExtractSettings(
        media=(media,), features=features, weights=weights, streams=("rgb", "difference"), engine="torch", rate=2
    )
    assert extract(asked) == 0
    assert FeatureStore.open(features).spec.backbone == load_run(made[1]).backbones[0]


@pytest.mark.slow
def test_what_cannot_be_is_refused(made: tuple[Path, Path], media: Path, tmp_path: Path) -> None:
    run, small = made
    with pytest.raises(ArtifactError, match="holds something already"):
        compress(CompressSettings(run=run, media=(media,), out=small))
    asked = CompressSettings(run=run, media=(media,), out=tmp_path / "out", distill_into="nonsense")
    with pytest.raises(ValueError, match="unknown backbone 'nonsense'"):
        compress(asked)
    assert not asked.out.exists(), "pictures are not decoded for nothing"
    for options, told in (
        ({"keep": 0.01}, "only what is inside of blocks can go"),
        ({"distill_into": "tiny-random"}, r"maps of shape \(32, 4, 4\), the run's backbone \(1280, 2, 2\)"),
    ):
        with pytest.raises(ValueError, match=told):
            compress(CompressSettings(run=run, media=(media,), out=tmp_path / "out", pictures=32, **options))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between 0 and 1"):
        CompressSettings(run=run, media=(media,), out=tmp_path, keep=1.5)


@pytest.mark.slow
def test_another_backbone_can_be_taught(
    made: tuple[Path, Path], media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egoact.engines.loading.available_engines", lambda: ["torch"])  # which begins at once
    asked = CompressSettings(
        run=made[0], media=(media,), out=tmp_path / "out", pictures=32, epochs=1, distill_into="efficientnet_lite1"
    )
    assert compress(asked) == 0
    spec = load_run(tmp_path / "out").backbones[0]
    assert (spec.name, spec.input_size) == ("efficientnet_lite1", (SIZE, SIZE))
