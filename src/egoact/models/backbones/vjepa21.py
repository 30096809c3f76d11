"""The video encoders of V-JEPA 2.1: vision transformers whose attention knows time, height and width by rotation.

    pictures (B, N, 3, H, W) ──► tubelets of 2 x 16 x 16 ──► + "this is video" ──► blocks ──► norm ──► (B, t * h * w, D)

They differ from V-JEPA 2, which `transformers` has, in how angles are shared among channels, in heights and widths that
are stretched to those of 256 pixels, in the token that says video or image, and in the norm behind the last block. Of
the channels of a head 20 turn with time, 20 with height, 20 with width, 4 not at all.

Sources: V-JEPA 2.1 and its published code (github.com/facebookresearch/vjepa2, app/vjepa_2_1), whose parameters are
called so; rotations: RoFormer, arXiv:2104.09864.

Shapes: B windows, N pictures, t x h x w tokens, n of them, D channels, k heads.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from egoact.core.errors import ArtifactError
from egoact.core.files import write_atomically
from egoact.models.attention import SelfAttentionBlock

TUBELET, PATCH = 2, 16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NUM_PICTURES, PIXELS = 64, 384  # trained with
_HEAD_WIDTH, _AXIS_WIDTH = 64, 20  # channels of a head, and of them those that turn with an axis
_TRAINED_SIDE = 256 // PATCH  # of the grid that heights and widths are stretched to
_EPSILON = 1e-6
_CHECKPOINT_KEYS = ("ema_encoder", "target_encoder")  # of the distilled and of the other models
_LEFT_OUT = ("patch_embed_img.", "img_mod_embed", "norms_block.", "pos_embed")  # for single pictures, and inner norms


@dataclass(frozen=True)
class Shape:
    """Of an encoder: D, blocks, channels inside of the feed-forward layers."""

    width: int
    depth: int
    inner: int


SHAPES = {  # by their names for torch hub
    "vjepa2_1_vit_base_384": Shape(768, 12, 3072),
    "vjepa2_1_vit_large_384": Shape(1024, 24, 4096),
    "vjepa2_1_vit_giant_384": Shape(1408, 40, 6144),
    "vjepa2_1_vit_gigantic_384": Shape(1664, 48, 8192),
}


class VJepa21(nn.Module):
    """An encoder without weights, for `num_pictures`, N, of `pixels`, H and W: a `ValueError` for parts of tubelets."""

    cosines: Tensor
    sines: Tensor

    def __init__(self, shape: Shape, *, num_pictures: int = NUM_PICTURES, pixels: int = PIXELS) -> None:
        super().__init__()
        if num_pictures % TUBELET or pixels % PATCH or min(num_pictures, pixels) < 1:
            raise ValueError(f"V-JEPA 2.1 takes multiples of {TUBELET} pictures and of {PATCH} pixels")
        self.pixels = pixels
        self.grid = (num_pictures // TUBELET, pixels // PATCH, pixels // PATCH)
        size = (TUBELET, PATCH, PATCH)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(3, shape.width, size, size)})
        self.video_mod_embed = nn.Parameter(torch.zeros(1, 1, shape.width))
        self.blocks = nn.ModuleList(
            SelfAttentionBlock(shape.width, _RotaryAttention(shape.width), inner=shape.inner, epsilon=_EPSILON)
            for _ in range(shape.depth)
        )
        self.norm = nn.LayerNorm(shape.width, _EPSILON)
        angles = rotation_angles(self.grid)
        self.register_buffer("cosines", angles.cos().float(), persistent=False)
        self.register_buffer("sines", angles.sin().float(), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalised (B, N, 3, H, W) -> (B, n, D)."""
        tokens = self.patch_embed["proj"](pictures.transpose(1, 2)).flatten(2).transpose(1, 2) + self.video_mod_embed
        for block in self.blocks:
            tokens = block(tokens, self.cosines, self.sines)
        return self.norm(tokens)


class _RotaryAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        split = self.qkv(tokens).unflatten(2, (3, -1, _HEAD_WIDTH)).permute(2, 0, 3, 1, 4)
        query, key = (_rotate(part, cosines, sines).to(split.dtype) for part in split[:2])
        seen = nn.functional.scaled_dot_product_attention(query, key, split[2])
        return self.proj(seen.transpose(1, 2).flatten(2))


def _rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn neighbouring channels (B, k, n, 64) by angles (n, 32)."""
    first, second = x[..., 0::2], x[..., 1::2]
    return torch.stack([first * cosines - second * sines, first * sines + second * cosines], -1).flatten(3)


def rotation_angles(grid: tuple[int, int, int]) -> Tensor:
    """Of each token and each pair of channels, radians, float64 (n, 32)."""
    time, height, width = (torch.arange(number, dtype=torch.float64) for number in grid)
    stretched = [side * (_TRAINED_SIDE - 1) / max(len(side) - 1, 1) for side in (height, width)]
    places = torch.stack(torch.meshgrid(time, *stretched, indexing="ij"), -1).flatten(0, 2)
    pairs = _AXIS_WIDTH // 2
    speeds = 10_000.0 ** -(torch.arange(pairs, dtype=torch.float64) / pairs)
    turning = (places[:, :, None] * speeds).flatten(1)
    return nn.functional.pad(turning, (0, _HEAD_WIDTH // 2 - turning.shape[1]))


def import_checkpoint(checkpoint: Path, out: Path) -> str:
    """Take an encoder out of a published checkpoint, a `.pt`, as safetensors; gives its name.

    Nothing but tensors and plain values is read from it; an `ArtifactError` where it is none, or of another encoder.
    """
    from safetensors.torch import save

    try:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
        part = next(found[key] for key in _CHECKPOINT_KEYS if key in found)
        every = {name: tensor for name, tensor in part.items() if isinstance(tensor, Tensor)}
        named = {name.removeprefix("module.").removeprefix("backbone."): tensor for name, tensor in every.items()}
        inner, width = named["blocks.0.mlp.fc1.weight"].shape
        depth = len({name.split(".")[1] for name in named if name.startswith("blocks.")})
        last = max(int(name.split(".")[1]) for name in named if name.startswith("norms_block."))
    except OSError as error:
        raise ArtifactError(f"cannot be read ({error.strerror or error})", path=checkpoint) from None
    except Exception as error:  # the unpickler raises what it likes
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ArtifactError(f"no checkpoint of V-JEPA 2.1 ({reason})", path=checkpoint) from None
    name = next((name for name, shape in SHAPES.items() if shape == Shape(width, depth, inner)), None)
    if name is None:
        raise ArtifactError(f"{depth} blocks of width {width} are no encoder of V-JEPA 2.1", path=checkpoint)
    kept = {name: tensor for name, tensor in named.items() if not name.startswith(_LEFT_OUT)}
    last_norm = f"norms_block.{last}."
    kept |= {"norm." + n.removeprefix(last_norm): each for n, each in named.items() if n.startswith(last_norm)}
    with torch.device("meta"):
        wanted = {name: each.shape for name, each in VJepa21(SHAPES[name]).state_dict().items()}
    if wrong := sorted(set(wanted) ^ set(kept)) or sorted(n for n in wanted if wanted[n] != kept[n].shape):
        raise ArtifactError(
            f"no checkpoint of {name}: {wrong[0]} is missing, left over or of another shape", path=checkpoint
        )
    state = {name: tensor.float().contiguous() for name, tensor in kept.items()}
    write_atomically(out, save(state, metadata={"format": "pt", "encoder": name}))
    return name
