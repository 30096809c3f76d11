"""The pages of `egoact explain`, and a grid of kernels a block, as in the report's Figure 5. Reads files only."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from egoact.core.files import read_json
from egoact.report.explain.explain_clip import write_clip_page
from egoact.report.figures import inline_picture, new_figure, read_picture, render_png, save_picture, set_title
from egoact.report.page import write_page, written_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GAP = 4


def write_report(settings: Any) -> None:
    """Write the page of `egoact explain filters` or, where the settings name a run, of `egoact explain clip`.

    Raises:
        ArtifactError: A file that is missing or damaged.
    """
    page = write_clip_page(settings.out) if hasattr(settings, "run") else _write_filter_page(settings.out)
    print(f"open {page.resolve()}")


def _write_filter_page(out: Path) -> Path:
    described = read_filters(out)
    painted, real = (read_grids(out, described, kind=kind) for kind in ("kernel.png", "frame.jpg"))
    return write_page(
        out / "index.html",
        "explain_filters",
        backbone=described["backbone"],
        frames=f"{described['num_frames']} frames of {described['frames']}",
        painted=save_picture(out / "filters.png", lambda: draw_grids(painted)),
        real=inline_picture(render_png(lambda: draw_grids(real))),
        kernels=described["kernels"],
        num_beaten=sum(kernel["response"] <= kernel["best_frame_response"] for kernel in described["kernels"]),
    )


def read_filters(out: Path) -> dict[str, Any]:
    """`filters.json`.

    Raises:
        ArtifactError: Missing or damaged.
    """
    path = out / "filters.json"
    described = read_json(path)
    with written_by("explain", path):
        for kernel in described["kernels"]:
            float(kernel["response"]), float(kernel["best_frame_response"]), int(kernel["block"]), int(kernel["kernel"])
        str(described["backbone"]), int(described["num_frames"]), str(described["frames"])
    return described


def read_grids(out: Path, described: dict[str, Any], *, kind: str) -> dict[int, np.ndarray]:
    """A picture a block, uint8 RGB: its kernels ("kernel.png"), or the frames that move them most ("frame.jpg")."""
    name, _, suffix = kind.partition(".")
    tiles: dict[int, list[np.ndarray]] = {}
    for kernel in described["kernels"]:
        block = kernel["block"]
        path = out / f"block_{block:02d}" / f"{name}_{kernel['kernel']:04d}.{suffix}"
        tiles.setdefault(block, []).append(read_picture(path))
    return {block: lay_tiles(parts) for block, parts in tiles.items()}


def lay_tiles(tiles: list[np.ndarray]) -> np.ndarray:
    """Square pictures of one size in a grid that is as square as possible, with white gaps."""
    size = tiles[0].shape[0]
    columns = int(np.ceil(np.sqrt(len(tiles))))
    rows = -(-len(tiles) // columns)
    grid = np.full((rows * (size + _GAP) - _GAP, columns * (size + _GAP) - _GAP, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (size + _GAP), i % columns * (size + _GAP)
        grid[top : top + size, left : left + size] = tile
    return grid


def draw_grids(grids: dict[int, np.ndarray]) -> "Figure":
    """The grids of all blocks, side by side."""
    columns = min(len(grids), 4)
    rows = -(-len(grids) // columns)
    figure = new_figure(4.2 * columns, 4.4 * rows)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    for axis, (block, grid) in zip(axes.ravel(), grids.items(), strict=False):
        axis.imshow(grid)
        set_title(axis, f"block {block}")
    return figure
