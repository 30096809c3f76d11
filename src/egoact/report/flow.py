"""Pictures of optical flow as in the report's Appendix C: u, v, magnitude and colour wheel. Reads files only."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.epic.flow import BOUND_PIXELS, flow_magnitude, unpack_flow
from egoact.core.errors import MediaError
from egoact.core.files import read_json
from egoact.media.stills.flow import find_flow, read_flow
from egoact.media.stills.pictures import write_picture
from egoact.report.figures import Figure, new_figure, read_picture, save_picture, set_title
from egoact.report.page import written_by

METHOD_TITLES = {"tvl1": "TV-L1", "farneback": "Farnebäck", "dis": "DIS"}
_NUM_MOMENTS = 4
_WHEEL_PIXELS = 96


def write_report(settings: Any) -> None:
    """Write `flow.png`, and for a pair each method's `u.png`, `v.png`, `magnitude.png` and `wheel.png`."""
    out: Path = settings.out
    if settings.pair is not None:
        flows = read_pair(out)
        for method, flow in zip(METHOD_TITLES, flows.values(), strict=True):
            for name, picture in flow_pictures(flow, most=_most(flows)).items():
                write_picture(out / method / f"{name}.png", picture)
        draw = partial(draw_flows, flows, first=read_picture(out / "first.png"))
    else:
        written = sorted(path.parent.name for path in out.glob("**/flow.json"))
        video_id = next((name for name in (*settings.videos, *written) if name in written), None)
        flows = {} if video_id is None else read_moments(out, video_id)
        draw = partial(draw_flows, flows)
    if flows:
        save_picture(out / "flow.png", draw)
        print(f"pictures: {(out / 'flow.png').resolve()}")


def flow_pictures(flow: np.ndarray, *, most: float = BOUND_PIXELS) -> dict[str, np.ndarray]:
    """u, v, magnitude and colour wheel of float (H, W, 2), pixels; uint8 (H, W) or (H, W, 3) RGB.

    Motion of `most` pixels is white (u, v, magnitude) or of full colour. Where nothing moves, u and v are grey, at
    127.5, the magnitude is black, the wheel white.
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


def read_pair(out: Path) -> dict[str, np.ndarray]:
    """`flow.npy` of each method, by the method's name: float32 (H, W, 2)."""
    flows = {}
    for method, title in METHOD_TITLES.items():
        path = out / method / "flow.npy"
        with written_by("flow", path):
            flow = flows[title] = np.load(path, allow_pickle=False)
            if flow.ndim != 3 or flow.shape[2] != 2 or not np.isfinite(flow).all():
                raise ValueError(f"shape {flow.shape}")
    return flows


def read_moments(out: Path, video_id: str) -> dict[str, np.ndarray]:
    """Flow of some moments of a recording, as stored, by a title: float32 (H, W, 2), pixels."""
    source = find_flow(out, video_id)
    num_frames = read_json(source.path / "flow.json")["num_rgb_frames"]
    seconds = (np.arange(_NUM_MOMENTS) + 0.5) / _NUM_MOMENTS * num_frames / source.frame_rate
    return {
        f"{video_id}, {seconds[positions.start]:.2f} s": unpack_flow(packed)
        for positions, packed in read_flow(source, seconds)
        if not isinstance(packed, MediaError)
    }


def draw_flows(flows: dict[str, np.ndarray], *, first: np.ndarray | None = None) -> Figure:
    """A row a flow: u, v, magnitude and colour wheel; the first picture of a pair and the wheel's legend on top."""
    most, num_above = _most(flows), int(first is not None)
    figure = new_figure(12, 2.0 * (num_above + len(flows)))
    axes = figure.subplots(num_above + len(flows), 4, squeeze=False)
    if first is not None:
        _show(axes[0][0], first, "first picture")
        # The wheel itself: each place shows the colour of a motion towards it.
        reach = np.linspace(-1, 1, _WHEEL_PIXELS)
        wheel = colour_wheel(np.stack(np.meshgrid(reach, reach), axis=-1), most=1.0)
        _show(axes[0][1], wheel, f"directions; full colour: {most:.1f} pixels")
        for axis in axes[0][2:]:
            axis.axis("off")
    for row, (title, flow) in zip(axes[num_above:], flows.items(), strict=True):
        for axis, (name, picture) in zip(row, flow_pictures(flow, most=most).items(), strict=True):
            _show(axis, picture, f"{title}: {name}" if name == "u" else name)
    return figure


def _most(flows: dict[str, np.ndarray]) -> float:
    """A scale for all of them: the speed that 1 % of the pixels exceed, at least 1 pixel."""
    speeds = np.concatenate([flow_magnitude(flow).ravel() for flow in flows.values()])
    return float(np.clip(np.percentile(speeds, 99), 1.0, BOUND_PIXELS))


def _show(axis: Any, picture: np.ndarray, title: str) -> None:
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axis.axis("off")
    set_title(axis, title)
