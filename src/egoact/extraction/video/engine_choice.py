"""The engine of a video encoder, and what its work on some recordings will take, said before it begins."""

import time
from pathlib import Path

import numpy as np

from egoact.engines import Engine, check_parity, load_engine
from egoact.engines.loading import find_device
from egoact.extraction.engine_choice import RealFrames
from egoact.models.backbones.registry import Backbone
from egoact.store.layout.manifest import MANIFEST_NAME, read_manifest

_SECONDS_WORTH_COMPILING = 600  # an encoder of 24 blocks takes one to three minutes to compile


def choose_video_engine(
    backbone: Backbone, *, engine: str, precision: str, device: str, store: Path, frames: RealFrames, num_rows: int
) -> Engine:
    """Torch, or OpenVINO where it is asked for, in the precision of the store or the one that was asked for.

    Torch is compiled where it has to work for long.

    Prints how many windows there are, how large their features are, and about how long they take.

    Args:
        backbone: With a window.
        engine: "auto" (torch), "torch" or "openvino".
        precision: "auto" is that of the store; of a new one f32 on a CPU, half precision on a GPU.
        device: As `load_engine`.
        store: Where the features go.
        frames: Real ones, to prove it on if it is not torch in f32 as it is.
        num_rows: Rows that are wanted, about.

    Raises:
        ValueError: Another engine, or features that are others than torch's in f32.
    """
    window = backbone.spec.window
    assert window is not None
    is_new = not (store / MANIFEST_NAME).exists()
    precision = read_manifest(store).precision if precision == "auto" and not is_new else precision
    device = find_device(device, engine)
    chosen = load_engine(backbone, engine=engine, precision=precision, device=device)
    seconds = _seconds_a_window(chosen, window.num_pictures, backbone.spec.input_size)
    num_windows = -(-num_rows // window.stride)
    size = 2 * num_rows * backbone.spec.feature_width
    print(
        f"extract: about {num_windows:,} windows of {window.num_pictures} pictures at "
        f"{window.pictures_per_second} a second; {num_rows:,} rows of features, {window.rate} a second, "
        f"{size / 1e9:.2f} GB; about {num_windows * seconds / 3600:.2f} hours "
        f"({seconds:.2f} s a window, {chosen.name} {chosen.precision})",
        flush=True,
    )
    is_long = chosen.name == "torch" and num_windows * seconds > _SECONDS_WORTH_COMPILING
    if is_long:
        chosen = load_engine(backbone, engine=engine, precision=precision, device=device, is_compiled=True)
    if is_new and (is_long or chosen.name != "torch" or chosen.precision != "f32"):
        found = frames.spread(window.num_pictures)
        if found is not None and len(found) == window.num_pictures:
            check_parity(chosen, backbone, found[None])
    return chosen


def _seconds_a_window(engine: Engine, num_pictures: int, size: tuple[int, int]) -> float:
    """The faster of two batches, since others only ever slow one down."""
    shape = (engine.batch_size, num_pictures, *size, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        engine.run(pictures)
        seconds.append((time.perf_counter() - begun) / engine.batch_size)
    return min(seconds)
