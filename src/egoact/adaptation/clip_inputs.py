"""What the blocks that are trained are given of clips: what frozen blocks make of frames, kept or computed anew.

    frames uint8 ──► (augmentation) ──► frozen blocks ──► maps ──► blocks that are trained

Without augmentation, or with mirroring alone, the maps of every frame are computed once and kept on disk.

Shapes: M frames, B clips, T frames a clip.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from egoact.adaptation.disk_arrays import new_array, read_facts
from egoact.adaptation.distillation import normalise
from egoact.core.files import part_path, rename, write_json
from egoact.core.progress import Progress
from egoact.engines.loading import load_engine
from egoact.models.backbones.registry import Backbone, hash_weights
from egoact.models.backbones.spec import BackboneSpec

Augment = Literal["none", "flip", "full"]
NAMES = ("maps.npy", "maps.json")
_BATCH = 16


class ClipInputs(Protocol):
    """Gives what the trained blocks are given: float32 (B * T, C, h, w) of some clips."""

    def get(self, rows: np.ndarray, mirrored: np.ndarray) -> Tensor:
        """Of clips whose frames are `rows`, int64 (B, T); `mirrored`, bool (B,), left and right exchanged."""


class KeptMaps:
    """Maps that were computed before: float16 (K, M, C, h, w) on disk, the mirrored ones second."""

    def __init__(self, maps: np.ndarray) -> None:
        self._maps = maps

    def get(self, rows: np.ndarray, mirrored: np.ndarray) -> Tensor:
        """See `ClipInputs`."""
        found = [self._maps[int(turned), own] for own, turned in zip(rows, mirrored, strict=True)]
        return torch.from_numpy(np.concatenate(found)).float()


class FreshFrames:
    """Frames through the frozen blocks, anew each time; for all frames of a clip the same random crops and colours.

    Args:
        frames: uint8 (M, H, W, C).
        frozen: Blocks; none where all are trained.
        spec: Of the whole backbone; stacks have no colours to change.
    """

    def __init__(
        self, frames: np.ndarray, frozen: nn.Module, spec: BackboneSpec, *, device: torch.device, is_changed: bool
    ) -> None:
        from torchvision.transforms import v2

        self._frames, self._frozen, self._spec, self._device = frames, frozen.to(device), spec, device
        crop = v2.RandomResizedCrop(spec.input_size, scale=(0.6, 1.0), ratio=(0.8, 1.25), antialias=True)
        colours = v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3)
        chosen = [crop, *([colours] if spec.stack == 1 else [])]
        self._change = v2.Compose(chosen) if is_changed else v2.Identity()

    def get(self, rows: np.ndarray, mirrored: np.ndarray) -> Tensor:
        """See `ClipInputs`."""
        clips = []
        for own, turned in zip(rows, mirrored, strict=True):
            pictures = mirror(self._frames[own], self._spec) if turned else self._frames[own]
            clips.append(self._change(torch.from_numpy(pictures).permute(0, 3, 1, 2)))
        batch = torch.cat(clips).permute(0, 2, 3, 1).numpy()
        with torch.no_grad():
            parts = np.array_split(batch, max(1, len(batch) // _BATCH))
            return torch.cat([self._frozen(normalise(part, self._spec).to(self._device)) for part in parts])


def keep_maps(
    frames: np.ndarray, frozen: Sequence[nn.Module], spec: BackboneSpec, folder: Path, *, is_mirrored: bool
) -> KeptMaps:
    """Compute the maps that frozen blocks make of all frames, uint8 (M, H, W, C), or find them computed.

    The spec is that of the whole backbone; where `is_mirrored`, mirrored frames get maps, too.
    """
    network = nn.Sequential(*frozen).eval()
    with torch.no_grad():
        shape = tuple(network(torch.zeros(1, spec.num_channels, *spec.input_size)).shape[1:])
    digest, num_sides = hash_weights(network), 2 if is_mirrored else 1
    facts: dict[str, Any] = {"weights": digest, "frames": list(frames.shape), "sides": num_sides}
    path = folder / NAMES[0]
    if path.is_file() and read_facts(folder / NAMES[1]) == facts:
        return KeptMaps(np.load(path, mmap_mode="r"))
    (folder / NAMES[1]).unlink(missing_ok=True)
    whole = (num_sides, len(frames), *shape)
    print(f"maps after the frozen blocks: {2 * np.prod(whole) / 1e6:,.0f} MB on disk at {path}", flush=True)
    as_maps = replace(spec, kind="maps", feature_shape=shape, grid=1, weights_hash=digest)
    engine = load_engine(Backbone(as_maps, network), precision="f32", device="cpu")
    maps = new_array(part_path(path), dtype=np.float16, shape=whole)
    with Progress("frozen blocks", total=num_sides * len(frames), unit="frames") as progress:
        for side in range(num_sides):
            for start in range(0, len(frames), _BATCH):
                batch = frames[start : start + _BATCH]
                maps[side, start : start + len(batch)] = engine.run(mirror(batch, spec) if side else batch)
                progress.advance(len(batch))
    maps.flush()
    rename(part_path(path), path)
    write_json(folder / NAMES[1], facts)
    return KeptMaps(np.load(path, mmap_mode="r"))


def mirror(pictures: np.ndarray, spec: BackboneSpec) -> np.ndarray:
    """Left and right exchanged, uint8 (M, H, W, C); what moved to the right, u of flow, moves to the left then."""
    turned = pictures[:, :, ::-1].copy()
    if spec.modality == "flow":
        turned[..., ::2] = 255 - turned[..., ::2]
    return turned
