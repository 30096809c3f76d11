"""What kernels of a backbone look for, block by block.

OUT/block_04/kernel_0017.png     the picture that this kernel responds to most
OUT/block_04/frame_0017.jpg      the real frame that moves it most
OUT/filters.json                 both responses of every kernel
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.errors import MediaError
from egoact.core.files import make_folder, write_json
from egoact.core.progress import Progress
from egoact.explain.activation import maximise, respond_to_frames
from egoact.media.recording import lay_grid
from egoact.media.sources import MediaRoot, read_frames
from egoact.media.stills.pictures import write_picture
from egoact.models.backbones.registry import Backbone


def explain_filters(
    backbones: Sequence[tuple[Backbone, list[int]]],
    frames: np.ndarray,
    out: Path,
    *,
    size: int,
    steps: int,
    seed: int,
    described: dict[str, Any],
) -> None:
    """Paint kernels, compare their pictures with real frames, uint8 (N, S, S, 3) RGB, and write them into a folder.

    Each backbone is cut after a block, and comes with the kernels of that block. `size`, `steps` and `seed` are those
    of `maximise`; what is `described` goes into filters.json, too.
    """
    results: list[dict[str, Any]] = []
    make_folder(out)
    with Progress("filters", total=steps * len(backbones), unit="steps") as progress:
        for backbone, kernels in backbones:
            painted = maximise(backbone, kernels, size=size, steps=steps, seed=seed, advance=progress.advance)
            found = _compare(backbone, kernels, painted, frames, out)
            progress.say(_describe(found))
            results += found
    write_json(out / "filters.json", described | {"num_frames": len(frames), "kernels": results})
    print(_describe(results))


def _compare(
    backbone: Backbone, kernels: list[int], painted: np.ndarray, frames: np.ndarray, out: Path
) -> list[dict[str, Any]]:
    """Measure the mean of each kernel's map for its picture and the frame that moves it most, and write both."""
    block = backbone.spec.cut or 0
    folder = out / f"block_{block:02d}"
    own, real = (respond_to_frames(backbone, pictures) for pictures in (painted, frames))
    results = []
    for i, kernel in enumerate(kernels):
        best = int(real[:, kernel].argmax())
        write_picture(folder / f"kernel_{kernel:04d}.png", painted[i])
        write_picture(folder / f"frame_{kernel:04d}.jpg", frames[best])
        responses = {"response": float(own[i, kernel]), "best_frame_response": float(real[best, kernel])}
        results.append({"block": block, "kernel": kernel, **responses})
    return results


def _describe(results: list[dict[str, Any]]) -> str:
    """One line: how much stronger the painted pictures are, weakest and median."""
    blocks = sorted({result["block"] for result in results})
    name = f"block {blocks[0]}" if len(blocks) == 1 else f"{len(results)} kernels of blocks {blocks}"
    own, real = (np.array([row[key] for row in results]) for key in ("response", "best_frame_response"))
    closest = int((own - real).argmin())
    return (
        f"{name}: painted {np.median(own):.3f}, best real frame {np.median(real):.3f} (medians of {len(results)}); "
        f"closest: kernel {results[closest]['kernel']} of block {results[closest]['block']} with {own[closest]:.3f} "
        f"against {real[closest]:.3f}; not above: {(own <= real).sum()}"
    )


def choose_kernels(backbone: Backbone, *, kernels: Sequence[int], count: int) -> list[int]:
    """The kernels of a cut backbone's last block that were asked for, or so many of them, spread evenly.

    Raises:
        ValueError: A kernel that the block has not.
    """
    num_channels = backbone.spec.feature_width
    wrong = [kernel for kernel in kernels if not 0 <= kernel < num_channels]
    if wrong:
        raise ValueError(f"block {backbone.spec.cut} has kernels 0 to {num_channels - 1}, not {wrong[0]}")
    spread = np.linspace(0, num_channels - 1, min(count, num_channels)).round().astype(int)
    return list(kernels) or spread.tolist()


def read_real_frames(root: MediaRoot, *, count: int, size: int) -> np.ndarray:
    """uint8 (N, S, S, 3), spread evenly over all recordings.

    Raises:
        MediaError: Not one frame can be read.
    """
    sources = [root.find(video_id) for video_id in root.video_ids]
    frames: list[np.ndarray] = []
    for number, source in enumerate(sources):
        share = count * (number + 1) // len(sources) - count * number // len(sources)
        grid = lay_grid(source)
        numbers = np.unique(np.linspace(1, grid.num_frames, max(share, 1)).round())
        found = read_frames(source, grid.middles_seconds(numbers), size=(size, size))
        frames += [frame for _, frame in found if isinstance(frame, np.ndarray)]
    if not frames:
        raise MediaError("no frame of any recording can be read", path=root.path)
    return np.stack(frames)
