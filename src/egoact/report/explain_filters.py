"""The page of `egoact explain filters`: a grid of kernels a block, as in the report's Figure 5. Reads files only.

The pages of `egoact explain`. Reads files only.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from egoact.core.errors import ArtifactError
from egoact.core.files import read_json
from egoact.report.explain_clip import write_clip_page
from egoact.report.page import fill_template, inline_picture, new_figure, render_png, set_title, write_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_GAP = 4


def write_filter_page(out: Path) -> Path:
    """Write `filters.png` and `index.html`; gives the page.

    Raises:
        ArtifactError: A file that is missing or damaged.
    """
    described = read_filters(out)
    grids = read_grids(out, described, kind="kernel")
    picture = render_png(lambda: draw_grids(grids))
    (out / "filters.png").write_bytes(picture)
    rows = [
        {"block": k["block"], "kernel": k["kernel"], "own": k["response"], "real": k["best_frame_response"]}
        for k in described["kernels"]
    ]
    page = fill_template(
        "explain_filters",
        backbone=described["backbone"],
        frames=f"{described['num_frames']} frames of {described['frames']}",
        painted=inline_picture(picture),
        real=inline_picture(render_png(lambda: draw_grids(read_grids(out, described, kind="frame")))),
        rows=rows,
        num_beaten=sum(row["own"] <= row["real"] for row in rows),
    )
    write_page(out / "index.html", page)
    return out / "index.html"


def read_filters(out: Path) -> dict[str, Any]:
    """`filters.json`.

    Raises:
        ArtifactError: Missing or damaged.
    """
    described = read_json(out / "filters.json")
    try:
        for kernel in described["kernels"]:
            float(kernel["response"]), float(kernel["best_frame_response"]), int(kernel["block"]), int(kernel["kernel"])
        str(described["backbone"]), int(described["num_frames"]), str(described["frames"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"not what egoact explain writes ({error!r})", path=out / "filters.json") from None
    return described


def read_grids(out: Path, described: dict[str, Any], *, kind: str) -> dict[int, np.ndarray]:
    """A picture a block, uint8 RGB: its kernels ("kernel"), or the frames that move them most ("frame")."""
    tiles: dict[int, list[np.ndarray]] = {}
    for kernel in described["kernels"]:
        suffix = "png" if kind == "kernel" else "jpg"
        path = out / f"block_{kernel['block']:02d}" / f"{kind}_{kernel['kernel']:04d}.{suffix}"
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is None:
            raise ArtifactError("this picture is missing or damaged; run egoact explain again", path=path)
        tiles.setdefault(kernel["block"], []).append(np.asarray(picture)[..., ::-1])
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


def write_report(settings: Any) -> None:
    """Write the page that belongs to what was explained.

    Args:
        settings: Of `egoact explain filters` or `egoact explain clip`.
    """
    page = write_clip_page(settings.out) if hasattr(settings, "run") else write_filter_page(settings.out)
    print(f"open {page.resolve()}")
