"""`egoact explain filters`: what kernels of a backbone look for, block by block.

OUT/block_04/kernel_0017.png     the picture that this kernel responds to most
OUT/block_04/frame_0017.jpg      the real frame that moves it most
OUT/filters.json                 both responses of every kernel
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from egoact.core.errors import MediaError
from egoact.core.progress import Progress
from egoact.data.atomic import write_atomically
from egoact.data.frame_grid import lay_grid
from egoact.data.media import MediaRoot, read_frames
from egoact.explain.activation import maximise, respond_to_frames
from egoact.kitchen import make_kitchen
from egoact.models.backbones import Backbone, load_backbone

FILTERS_NAME = "filters.json"
_BATCH = 16
_NUM_KITCHEN_VIDEOS = 2


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """Paint what kernels of the image backbone look for, by activation maximisation.

    Prints for every block how strongly its kernels respond to their picture, and to the best of some real frames.
    """

    out: Path
    """Folder for the pictures and index.html."""
    backbone: str = "efficientnet_lite0"
    """As for egoact extract; the report looked into mobilenet_v2."""
    weights: Path | None = None
    """Weights of the backbone from a file (safetensors)."""
    blocks: tuple[int, ...] = (1, 4, 8, 12)
    """Which blocks, counted from 0 (which includes the stem)."""
    kernels: tuple[int, ...] = ()
    """Which kernels of each block; default: --num-kernels of them, spread evenly."""
    num_kernels: int = 16
    """How many kernels of each block."""
    size: int = 128
    """Of the pictures, pixels."""
    steps: int = 128
    """Of the gradient ascent."""
    media: tuple[Path, ...] = ()
    """Folder (or several) with recordings to compare with; default: films the built-in kitchen, OUT/kitchen."""
    num_frames: int = 128
    """Real frames to compare with."""
    seed: int = 0
    """Of all choices."""

    def __post_init__(self) -> None:
        if not self.blocks or min(self.num_kernels, self.steps, self.num_frames) < 1:
            raise ValueError("--blocks, --num-kernels, --steps and --num-frames need at least one")
        if self.size < 32:
            raise ValueError(f"--size must be at least 32 pixels, got {self.size}")


@dataclass(frozen=True)
class FilterResult:
    """One kernel.

    Args:
        block: Number of the block.
        kernel: Channel of its output.
        response: Mean of its map for the painted picture.
        best_frame_response: The same for the real frame that moves it most.
    """

    block: int
    kernel: int
    response: float
    best_frame_response: float


def explain_filters(settings: FilterSettings) -> int:
    """Paint kernels and write them down; 0, or an error.

    Raises:
        ValueError: A block or kernel that the backbone has not.
        ArtifactError: Weights that cannot be read.
        MediaError: No frames to compare with.
    """
    backbones = [_load(settings, block) for block in settings.blocks]
    chosen = [_choose_kernels(settings, backbone) for backbone in backbones]
    frames = _read_real_frames(settings)
    results: list[FilterResult] = []
    settings.out.mkdir(parents=True, exist_ok=True)
    with Progress("filters", total=settings.steps * len(backbones), unit="steps") as progress:
        for block, backbone, kernels in zip(settings.blocks, backbones, chosen, strict=True):
            pictures = maximise(
                backbone,
                kernels,
                size=settings.size,
                steps=settings.steps,
                seed=settings.seed,
                advance=progress.advance,
            )
            found = _compare(block, backbone, kernels, pictures, frames, settings.out / f"block_{block:02d}")
            progress.say(_describe(found))
            results += found
    described = {
        "backbone": settings.backbone,
        "frames": ", ".join(map(str, settings.media)) or "the built-in kitchen",
        "num_frames": len(frames),
        "kernels": [asdict(result) for result in results],
    }
    write_atomically(settings.out / FILTERS_NAME, (json.dumps(described, indent=2) + "\n").encode())
    print(_describe(results))
    return 0


def _load(settings: FilterSettings, block: int) -> Backbone:
    return load_backbone(
        settings.backbone, weights=settings.weights, cut=block, size=max(settings.size, 32), kind="maps"
    )


def _choose_kernels(settings: FilterSettings, backbone: Backbone) -> list[int]:
    num_channels = backbone.spec.feature_width
    if settings.kernels:
        wrong = [kernel for kernel in settings.kernels if not 0 <= kernel < num_channels]
        if wrong:
            raise ValueError(f"block {backbone.spec.cut} has kernels 0 to {num_channels - 1}, not {wrong[0]}")
        return list(settings.kernels)
    count = min(settings.num_kernels, num_channels)
    return np.linspace(0, num_channels - 1, count).round().astype(int).tolist()


def _read_real_frames(settings: FilterSettings) -> np.ndarray:
    """uint8 (N, S, S, 3), spread evenly over all recordings."""
    folders = settings.media
    if not folders:
        kitchen = settings.out / "kitchen"
        make_kitchen(kitchen, num_videos=_NUM_KITCHEN_VIDEOS, seed=settings.seed, workers=2)
        folders = (kitchen / "videos",)
    root = MediaRoot(folders)
    sources = [root.find(video_id) for video_id in root.video_ids]
    frames: list[np.ndarray] = []
    for number, source in enumerate(sources):
        share = settings.num_frames * (number + 1) // len(sources) - settings.num_frames * number // len(sources)
        grid = lay_grid(source)
        numbers = np.unique(np.linspace(1, grid.num_frames, max(share, 1)).round())
        found = read_frames(source, grid.middles_seconds(numbers), size=(settings.size, settings.size))
        frames += [frame for _, frame in found if isinstance(frame, np.ndarray)]
    if not frames:
        raise MediaError("no frame of any recording can be read", path=root.path)
    return np.stack(frames)


def _compare(
    block: int, backbone: Backbone, kernels: list[int], pictures: np.ndarray, frames: np.ndarray, folder: Path
) -> list[FilterResult]:
    """Measure both responses the same way, and write the pictures."""
    own = respond_to_frames(backbone, _batches(pictures))
    real = respond_to_frames(backbone, _batches(frames))
    folder.mkdir(exist_ok=True)
    results = []
    for i, kernel in enumerate(kernels):
        best = int(real[:, kernel].argmax())
        _write(folder / f"kernel_{kernel:04d}.png", pictures[i])
        _write(folder / f"frame_{kernel:04d}.jpg", frames[best])
        results.append(FilterResult(block, kernel, float(own[i, kernel]), float(real[best, kernel])))
    return results


def _batches(frames: np.ndarray) -> Iterator[np.ndarray]:
    return (frames[i : i + _BATCH] for i in range(0, len(frames), _BATCH))


def _write(path: Path, picture: np.ndarray) -> None:
    write_atomically(path, cv2.imencode(path.suffix, picture[..., ::-1])[1].tobytes())


def _describe(results: list[FilterResult]) -> str:
    """One line: how much stronger the painted pictures are, weakest and median."""
    blocks = sorted({result.block for result in results})
    name = f"block {blocks[0]}" if len(blocks) == 1 else f"{len(results)} kernels of blocks {blocks}"
    own = np.array([result.response for result in results])
    real = np.array([result.best_frame_response for result in results])
    num_beaten = int((own <= real).sum())
    closest = int((own - real).argmin())
    return (
        f"{name}: painted {np.median(own):.3f}, best real frame {np.median(real):.3f} (medians of {len(results)}); "
        f"closest: kernel {results[closest].kernel} of block {results[closest].block} with {own[closest]:.3f} against "
        f"{real[closest]:.3f}; not above: {num_beaten}"
    )
