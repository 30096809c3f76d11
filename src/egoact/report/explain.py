"""The pages of `egoact explain`: a clip with its strip and film, and grids of kernels, as in the report's Figure 5.

Reads files only.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egoact.core.files import read_json
from egoact.media.video.writer import write_video
from egoact.report.figures import (
    BLUE,
    ORANGE,
    Figure,
    draw_images,
    inline_picture,
    new_figure,
    read_picture,
    render_png,
    save_picture,
    set_title,
)
from egoact.report.page import write_page, written_by

_MOST_COLUMNS = 10
_FILM_RATE = 5
_FILM_SIZE = 256
_OPACITY = 0.7
_GAP = 4


def write_report(settings: Any) -> None:
    """Write the page of `egoact explain filters` or, where the settings name a run, of `egoact explain clip`."""
    page = _write_clip_page(settings.out) if hasattr(settings, "run") else _write_filter_page(settings.out)
    print(f"open {page.resolve()}")


@dataclass(frozen=True, eq=False)
class ExplainedClip:
    """What `egoact explain clip` wrote: `clip.json`, and the arrays of `clip.npz`; T frames."""

    described: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def attention(self) -> np.ndarray | None:
        """(T,) a weight a frame, or (T, h, w) maps; None where the head has none."""
        return self.arrays.get("attention")

    @cached_property
    def layers(self) -> dict[str, np.ndarray]:
        """Name -> (T, h, w) maps, each on the scale 0 to 1."""
        answers = self.described["answers"].items()
        maps = {f"{target}: {answer['name']}": self.arrays[f"{target}_maps"] for target, answer in answers}
        if self.attention is not None and self.attention.ndim == 3:
            maps["the head's attention"] = self.attention
        return {name: values / max(float(values.max()), 1e-12) for name, values in maps.items()}

    def show(self, i: int) -> dict[str, np.ndarray]:
        """The frame alone, under "", and each layer over it: uint8 (H, W, 3) RGB."""
        frame = self.arrays["frames"][i]
        return {"": frame} | {name: _overlay(frame, maps[i]) for name, maps in self.layers.items()}


def _write_clip_page(out: Path) -> Path:
    """Write `strip.png`, `clip.mp4` and `index.html`; gives the page."""
    clip = _read_clip(out)
    film, path = _draw_film(clip), out / "clip.mp4"
    write_video(path, film, rate=_FILM_RATE, width=film.shape[2], height=film.shape[1])
    return write_page(
        out / "index.html",
        "explain_clip",
        clip=clip.described,
        strip=save_picture(out / "strip.png", lambda: _draw_strip(clip)),
        film=inline_picture(path.read_bytes(), kind="video/mp4"),
        has_attention=clip.attention is not None,
    )


def _read_clip(out: Path) -> ExplainedClip:
    described, path = read_json(out / "clip.json"), out / "clip.npz"
    with written_by("explain", path):
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        num_frames = len(described["times_seconds"])
        needed = [f"{target}_{part}" for target in described["answers"] for part in ("maps", "importance")]
        if any(len(arrays[name]) != num_frames for name in ("frames", *needed)):
            raise ValueError("other numbers of frames than clip.json")
    return ExplainedClip(described, arrays)


def _overlay(frame: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A map from 0 to 1, (h, w), as colours over a frame, uint8 (H, W, 3) RGB; what is 0 shows the frame alone."""
    size = frame.shape[1::-1]
    smooth = np.clip(cv2.resize(heat.astype(np.float32), size, interpolation=cv2.INTER_CUBIC), 0, 1)
    colours = cv2.applyColorMap(np.rint(255 * smooth).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    share = (_OPACITY * np.sqrt(smooth))[..., None]
    return np.rint((1 - share) * frame + share * colours).astype(np.uint8)


def _draw_strip(clip: ExplainedClip) -> Figure:
    """Rows: the frames, each layer over them, and how much each frame mattered."""
    times, num_rows = clip.described["times_seconds"], 1 + len(clip.layers)
    shown = np.unique(np.linspace(0, len(times) - 1, min(len(times), _MOST_COLUMNS)).round().astype(int))
    figure = new_figure(1.45 * len(shown), 1.75 * num_rows + 2.1)
    rows = figure.add_gridspec(num_rows + 1, len(shown), height_ratios=[*[1.0] * num_rows, 1.15])
    for column, i in enumerate(shown):
        for row, (name, picture) in enumerate(clip.show(i).items()):
            axis = figure.add_subplot(rows[row, column])
            axis.imshow(picture)
            axis.axis("off")
            if column == 0:
                set_title(axis, f"frames, {times[i]:.2f} s" if row == 0 else name)
            elif row == 0:
                axis.set_title(f"{times[i]:.2f} s", fontsize=7)
    _draw_importance(figure.add_subplot(rows[-1, :]), clip)
    return figure


def _draw_importance(axis: Any, clip: ExplainedClip) -> None:
    places, targets = np.arange(len(clip.arrays["frames"])), clip.described["answers"]
    width = 0.8 / len(targets)
    for number, (target, colour) in enumerate(zip(targets, (BLUE, ORANGE), strict=False)):
        values = clip.arrays[f"{target}_importance"]
        axis.bar(places + (number - (len(targets) - 1) / 2) * width, values, width, color=colour, label=target)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_xticks(places, [f"{t:.2f}" for t in clip.described["times_seconds"]], fontsize=7)
    axis.set_xlabel("seconds")
    axis.set_ylabel("log-probability lost\nwithout the frame")
    axis.grid(axis="x", visible=False)
    drawn = list(axis.containers)
    if clip.attention is not None and clip.attention.ndim == 1:
        right = axis.twinx()
        drawn += right.plot(places, clip.attention, color="black", marker=".", label="the head's attention")
        right.set_ylim(bottom=0)
        right.grid(visible=False)
    axis.legend(handles=drawn, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(drawn))
    set_title(axis, "which frames mattered")


def _draw_film(clip: ExplainedClip) -> np.ndarray:
    """Frame and layers side by side, a bar below that shows the time: uint8 (T, H, W, 3) RGB."""
    num_frames = len(clip.arrays["frames"])
    pictures = []
    for i in range(num_frames):
        row = np.concatenate([_panel(name, picture) for name, picture in clip.show(i).items()], axis=1)
        bar = np.full((12, row.shape[1], 3), 235, np.uint8)
        bar[:, : row.shape[1] * (i + 1) // num_frames] = (0, 114, 178)
        pictures.append(np.concatenate([row, bar]))
    return np.stack(pictures)


def _panel(name: str, picture: np.ndarray) -> np.ndarray:
    panel = cv2.resize(picture, (_FILM_SIZE, _FILM_SIZE), interpolation=cv2.INTER_LINEAR)
    if name:
        cv2.rectangle(panel, (0, 0), (_FILM_SIZE, 20), (20, 20, 20), -1)
        ascii_name = name.encode("ascii", "replace").decode()
        cv2.putText(panel, ascii_name, (6, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return panel


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
    """`filters.json`."""
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


def draw_grids(grids: dict[int, np.ndarray]) -> Figure:
    """The grids of all blocks, side by side."""
    titles = [f"block {block}" for block in grids]
    return draw_images(list(grids.values()), num_columns=min(len(grids), 4), cell=(4.2, 4.4), titles=titles)
