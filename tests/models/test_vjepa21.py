"""V-JEPA 2.1 against a forward pass of plain matrices, on checkpoints of random weights in the published layout."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from egoact.core.errors import ArtifactError
from egoact.engines.loading import load_engine
from egoact.models.backbones.video import WindowOptions, load_video_backbone
from egoact.models.backbones.vjepa21 import SHAPES, Shape, VJepa21, import_checkpoint
from egoact.models.published_probe import load_published_probe

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL, NAME = Shape(128, 2, 256), "vjepa2_1_small"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES, NAME, SMALL)


def published(shape: Shape) -> dict[str, Tensor]:
    """Random tensors of the names and shapes of a published encoder."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}

    def add(name: str, *size: int, scale: float = 0.05, around: float = 0.0) -> None:
        state[f"module.backbone.{name}"] = around + torch.randn(size, generator=generator) * scale

    width, inner = shape.width, shape.inner
    for name, pictures in (("patch_embed", 2), ("patch_embed_img", 1)):
        add(f"{name}.proj.weight", width, 3, pictures, 16, 16)
        add(f"{name}.proj.bias", width)
    add("img_mod_embed", 1, 1, width)
    add("video_mod_embed", 1, 1, width)
    norms = [f"norms_block.{i}" for i in range(4)]
    for number in range(shape.depth):
        block = f"blocks.{number}"
        norms += [f"{block}.norm1", f"{block}.norm2"]
        for name, *size in (
            ("attn.qkv", 3 * width, width),
            ("attn.proj", width, width),
            ("mlp.fc1", inner, width),
            ("mlp.fc2", width, inner),
        ):
            add(f"{block}.{name}.weight", *size, scale=0.2 / math.sqrt(size[1]) * 4)
            add(f"{block}.{name}.bias", size[0])
    for name in norms:
        add(f"{name}.weight", width, around=1.0)
        add(f"{name}.bias", width)
    return state


def write_checkpoint(path: Path, state: dict[str, Tensor], **others: Any) -> Path:
    torch.save({"ema_encoder": state, "predictor": {}, "epoch": 3, **others}, path)
    return path


def answer_by_matrices(state: dict[str, Tensor], pictures: Tensor, shape: Shape) -> Tensor:
    """What such an encoder says of normalised pictures (B, N, 3, H, W), token by token and in float64."""
    own = {name.removeprefix("module.backbone."): tensor.double() for name, tensor in state.items()}
    batch, number, _, height, width = pictures.shape
    times, rows, columns = number // 2, height // 16, width // 16

    def norm(x: Tensor, name: str) -> Tensor:
        scaled = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()
        return scaled * own[f"{name}.weight"] + own[f"{name}.bias"]

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ own[f"{name}.weight"].T + own[f"{name}.bias"]

    cubes = pictures.double().reshape(batch, times, 2, 3, rows, 16, columns, 16).permute(0, 1, 4, 6, 3, 2, 5, 7)
    tokens = cubes.reshape(batch, times * rows * columns, -1) @ own["patch_embed.proj.weight"].flatten(1).T
    tokens = tokens + own["patch_embed.proj.bias"] + own["video_mod_embed"]
    turns = torch.ones(times * rows * columns, 32, dtype=torch.complex128)
    for place in range(len(turns)):
        t, h, w = place // (rows * columns), place // columns % rows, place % columns
        for axis, position in enumerate((t, h * 15 / (rows - 1), w * 15 / (columns - 1))):
            for pair in range(10):
                angle = position * 10_000 ** (-2 * pair / 20)
                turns[place, 10 * axis + pair] = complex(math.cos(angle), math.sin(angle))

    def turn(x: Tensor) -> Tensor:
        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], 32, 2).contiguous())
        return torch.view_as_real(pairs * turns).flatten(-2)

    for block in (f"blocks.{i}" for i in range(shape.depth)):
        query, key, value = linear(norm(tokens, f"{block}.norm1"), f"{block}.attn.qkv").chunk(3, -1)
        seen = []
        for head in range(shape.width // 64):
            q, k, v = (part[..., 64 * head : 64 * head + 64] for part in (query, key, value))
            seen.append((turn(q) @ turn(k).transpose(1, 2) / 8).softmax(-1) @ v)
        tokens = tokens + linear(torch.cat(seen, -1), f"{block}.attn.proj")
        inner = linear(norm(tokens, f"{block}.norm2"), f"{block}.mlp.fc1")
        tokens = tokens + linear(inner * (1 + torch.erf(inner / math.sqrt(2))) / 2, f"{block}.mlp.fc2")
    return norm(tokens, "norms_block.3")


@pytest.mark.parametrize("pixels", [64, 256])
def test_an_imported_encoder_answers_as_plain_matrices_do(small: None, pixels: int, tmp_path: Path) -> None:
    state = published(SMALL)
    file = tmp_path / "small.safetensors"
    assert import_checkpoint(write_checkpoint(tmp_path / "small.pt", state), file) == NAME
    backbone = load_video_backbone(
        NAME, weights=file, size=pixels, windows=WindowOptions(num_pictures=4, tokens=(2, 2, 1))
    )
    pictures = torch.randint(0, 256, (2, 4, pixels, pixels, 3), dtype=torch.uint8)
    normal = (pictures / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    tokens = answer_by_matrices(state, normal.permute(0, 1, 4, 2, 3), SMALL)
    side = pixels // 16
    wanted = tokens.reshape(2, 2, 2, side // 2, side, 128).mean((3, 4)).flatten(2).float()
    found = load_engine(backbone, precision="f32", device="cpu").run(pictures.numpy())
    torch.testing.assert_close(torch.from_numpy(found), wanted, rtol=1e-5, atol=1e-5)
    assert backbone.spec.modality == "video" and backbone.spec.feature_shape == (256,)


def test_the_published_sizes_have_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        sizes = {
            name: sum(p.numel() for p in VJepa21(shape, pixels=256).parameters()) for name, shape in SHAPES.items()
        }
    rounded = {name.split("_")[3]: round(size / 1e6, -1) for name, size in sizes.items()}
    assert rounded == {"base": 90, "large": 300, "giant": 1010, "gigantic": 1840}


def test_what_is_no_checkpoint_is_refused_in_one_line(small: None, tmp_path: Path) -> None:
    def refused(path: Path, reason: str) -> None:
        with pytest.raises(ArtifactError, match=reason) as caught:
            import_checkpoint(path, tmp_path / "out.safetensors")
        assert "\n" not in str(caught.value) and not (tmp_path / "out.safetensors").exists()

    state = published(SMALL)
    refused(tmp_path / "nothing.pt", "cannot be read")
    refused(write_checkpoint(tmp_path / "code.pt", state, strange=Path("/")), "no checkpoint of V-JEPA 2.1")
    (tmp_path / "text.pt").write_text("text")
    refused(tmp_path / "text.pt", "no checkpoint of V-JEPA 2.1")
    lacking = {name: tensor for name, tensor in state.items() if not name.endswith("blocks.1.attn.proj.bias")}
    refused(write_checkpoint(tmp_path / "lacking.pt", lacking), "blocks.1.attn.proj.bias is missing")
    refused(
        write_checkpoint(tmp_path / "other.pt", published(Shape(64, 1, 128))), "1 blocks of width 64 are no encoder"
    )
    with pytest.raises(ArtifactError, match="needs --weights FILE"):
        load_video_backbone(NAME)
    with pytest.raises(ValueError, match="multiples of 2 pictures and of 16 pixels"):
        VJepa21(SMALL, num_pictures=3)


def test_published_probes_of_its_width_load() -> None:
    generator = torch.Generator().manual_seed(0)
    width = SHAPES["vjepa2_1_vit_base_384"].width

    def layer(name: str, rows: int, columns: int | None = None) -> dict[str, Tensor]:
        size = (rows,) if columns is None else (rows, columns)
        return {f"{name}.weight": torch.randn(size, generator=generator) * 0.02, f"{name}.bias": torch.zeros(rows)}

    state = {"pooler.query_tokens": torch.randn(1, 3, width, generator=generator)}
    block = "pooler.cross_attention_block"
    state |= layer(f"{block}.norm1", width) | layer(f"{block}.norm2", width)
    state |= layer(f"{block}.xattn.q", width, width) | layer(f"{block}.xattn.kv", 2 * width, width)
    state |= layer(f"{block}.mlp.fc1", 4 * width, width) | layer(f"{block}.mlp.fc2", width, 4 * width)
    for target, number in (("verb", 97), ("noun", 300), ("action", 5)):
        state |= layer(f"{target}_classifier", number, width)
    pairs = [(verb, 2 * verb) for verb in range(5)]
    model = load_published_probe([state], num_frames=4, num_parts=2, num_heads=16, actions=pairs)
    found = model(torch.randn(1, 4, 2 * width, generator=generator))
    assert found["verb"].shape == (1, 97) and found["noun"].shape == (1, 300)
