"""Pictures of optical flow as in the report's Appendix C: u, v, magnitude and colour wheel. Reads files only."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from egoact.core.epic.flow import BOUND_PIXELS, flow_magnitude, unpack_flow
from egoact.core.errors import ArtifactError, MediaError
from egoact.media.stills.flow import find_flow, read_flow
from egoact.report.page import new_figure, render_png, set_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_NAME = "flow.png"
METHOD_TITLES = {"tvl1": "TV-L1", "farneback": "Farnebäck", "dis": "DIS"}
_NUM_MOMENTS = 4
_WHEEL_PIXELS = 96


def write_pictures(settings: Any) -> None:
    """Write `flow.png`, and for a pair each method's `u.png`, `v.png`, `magnitude.png` and `wheel.png`.

    Args:
        settings: Of `egoact flow`.

    Raises:
        ArtifactError: Flow of a pair that is missing or damaged.
        MediaError: Flow of a recording that is missing or damaged.
    """
    if settings.pair is not None:
        flows = {method: read_pair_flow(settings.out / method) for method in METHOD_TITLES}
        for method, flow in flows.items():
            for name, picture in flow_pictures(flow, most=_most(flows)).items():
                _write_png(settings.out / method / f"{name}.png", picture)
        page = render_png(lambda: draw_pair(_read_png(settings.out / "first.png"), flows))
    else:
        written = sorted(path.parent.name for path in settings.out.glob("**/flow.json"))
        video_id = next((name for name in settings.videos if name in written), written[0] if written else None)
        moments = [] if video_id is None else read_moments(settings.out, video_id)
        if video_id is None or not moments:
            return
        page = render_png(lambda: draw_moments(video_id, moments))
    (settings.out / PICTURE_NAME).write_bytes(page)
    print(f"pictures: {(settings.out / PICTURE_NAME).resolve()}")


def flow_pictures(flow: np.ndarray, *, most: float = BOUND_PIXELS) -> dict[str, np.ndarray]:
    """u, v, magnitude and colour wheel of float (H, W, 2), pixels; uint8 (H, W) or (H, W, 3) RGB.

    Args:
        flow: Pixels.
        most: Pixels of motion that are white (u, v, magnitude) or of full colour.

    Returns:
        u and v are grey at 127.5 where nothing moves, the magnitude is black there, the wheel white.
    """
    u, v, magnitude = flow[..., 0], flow[..., 1], flow_magnitude(flow)
    pictures: dict[str, np.ndarray] = {name: 127.5 + 127.5 * part / most for name, part in (("u", u), ("v", v))}
    pictures["magnitude"] = 255 * magnitude / most
    found = {name: np.rint(np.clip(values, 0, 255)).astype(np.uint8) for name, values in pictures.items()}
    return found | {"wheel": colour_wheel(flow, most=most)}


def colour_wheel(flow: np.ndarray, *, most: float = BOUND_PIXELS) -> np.ndarray:
    """Direction as hue and speed as saturation: float (H, W, 2) -> uint8 (H, W, 3) RGB; white where nothing moves."""
    from matplotlib.colors import hsv_to_rgb

    hue = (np.arctan2(flow[..., 1], flow[..., 0]) / (2 * np.pi)) % 1.0
    saturation = np.clip(flow_magnitude(flow) / most, 0, 1)
    colours = hsv_to_rgb(np.dstack([hue, saturation, np.ones_like(saturation)]))
    return np.rint(255 * colours).astype(np.uint8)


def read_pair_flow(folder: Path) -> np.ndarray:
    """`flow.npy` of one method, float32 (H, W, 2).

    Raises:
        ArtifactError: Missing or damaged.
    """
    try:
        flow = np.load(folder / "flow.npy", allow_pickle=False)
        if flow.ndim != 3 or flow.shape[2] != 2 or not np.isfinite(flow).all():
            raise ValueError(f"shape {flow.shape}")
    except (OSError, ValueError, EOFError) as error:
        raise ArtifactError(f"not what egoact flow writes ({error})", path=folder / "flow.npy") from None
    return flow


def read_moments(out: Path, video_id: str) -> list[tuple[float, np.ndarray]]:
    """Flow of some moments of a recording, as stored: (seconds, float32 (H, W, 2) in pixels)."""
    source = find_flow(out, video_id)
    num_frames = json.loads((source.path / "flow.json").read_text(encoding="utf-8"))["num_rgb_frames"]
    seconds = (np.arange(_NUM_MOMENTS) + 0.5) / _NUM_MOMENTS * num_frames / source.frame_rate
    moments = []
    for positions, packed in read_flow(source, seconds):
        if not isinstance(packed, MediaError):
            moments.append((float(seconds[positions.start]), unpack_flow(packed)))
    return moments


def draw_pair(first: np.ndarray, flows: dict[str, np.ndarray]) -> "Figure":
    """A row a method: u, v, magnitude and colour wheel; the first picture and the wheel's legend on top."""
    most = _most(flows)
    figure = new_figure(12, 2.0 * (len(flows) + 1))
    axes = figure.subplots(len(flows) + 1, 4)
    _show(axes[0][0], first, "first picture")
    _show(axes[0][1], _legend(), f"directions; full colour: {most:.1f} pixels")
    for axis in axes[0][2:]:
        axis.axis("off")
    for row, (method, flow) in zip(axes[1:], flows.items(), strict=True):
        _show_flow(row, flow, METHOD_TITLES[method], most=most)
    return figure


def draw_moments(video_id: str, moments: list[tuple[float, np.ndarray]]) -> "Figure":
    """A row a moment: u, v, magnitude and colour wheel, as they are read back from the files."""
    most = _most({str(seconds): flow for seconds, flow in moments})
    figure = new_figure(12, 2.0 * len(moments))
    rows = figure.subplots(len(moments), 4, squeeze=False)
    for row, (seconds, flow) in zip(rows, moments, strict=True):
        _show_flow(row, flow, f"{video_id}, {seconds:.2f} s", most=most)
    return figure


def _most(flows: dict[str, np.ndarray]) -> float:
    """A scale for all of them: the speed that 1 % of the pixels exceed, at least 1 pixel."""
    speeds = np.concatenate([flow_magnitude(flow).ravel() for flow in flows.values()])
    return float(np.clip(np.percentile(speeds, 99), 1.0, BOUND_PIXELS))


def _show_flow(row: Any, flow: np.ndarray, title: str, *, most: float) -> None:
    for axis, (name, picture) in zip(row, flow_pictures(flow, most=most).items(), strict=True):
        _show(axis, picture, f"{title}: {name}" if name == "u" else name)


def _show(axis: Any, picture: np.ndarray, title: str) -> None:
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axis.axis("off")
    set_title(axis, title)


def _legend() -> np.ndarray:
    """The wheel itself: each place shows the colour of a motion towards it."""
    reach = np.linspace(-1, 1, _WHEEL_PIXELS)
    return colour_wheel(np.stack(np.meshgrid(reach, reach), axis=-1), most=1.0)


def _read_png(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ArtifactError("this picture is missing or damaged; run egoact flow again", path=path)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _write_png(path: Path, picture: np.ndarray) -> None:
    rgb = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    path.write_bytes(cv2.imencode(".png", rgb)[1].tobytes())
