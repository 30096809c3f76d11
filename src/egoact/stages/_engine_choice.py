"""Which engine computes features, proven on real frames before it is trusted with a whole store."""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from egoact.core.errors import MediaError
from egoact.core.segments import Segment
from egoact.data.manifest import MANIFEST_NAME, read_manifest
from egoact.data.media import MediaRoot, read_frames
from egoact.engines import Engine, check_parity, load_engine
from egoact.models.backbones import Backbone

NUM_FRAMES_TO_CHECK = 4
_MAX_VIDEOS_TO_TRY = 20


def choose_engine(
    backbone: Backbone,
    *,
    engine: str,
    precision: str,
    device: str,
    store: Path,
    root: MediaRoot,
    segments: Sequence[Segment],
) -> Engine:
    """The engine that was asked for; "auto" means that of the store, if there is one.

    For a new store its features are compared with torch's in float32 on frames of the first video that can be read.
    What "auto" chose and fails is replaced by float32, and said so.

    Raises:
        ValueError: An engine that is not there, or whose features are others than torch's.
        ArtifactError: The store's manifest is damaged.
    """
    is_new = not (store / MANIFEST_NAME).exists()
    if not is_new:
        made = read_manifest(store)
        engine = made.engine if engine == "auto" else engine
        precision = made.precision if precision == "auto" else precision
    chosen = _load(backbone, engine=engine, precision=precision, device=device)
    if is_new:
        try:
            _check(chosen, backbone, root, segments)
        except ValueError as error:
            if precision != "auto" or chosen.precision == "f32":
                raise
            print(f"extract: {error}; going on in f32", file=sys.stderr)
            chosen = _load(backbone, engine=engine, precision="f32", device=device)
            _check(chosen, backbone, root, segments)
    return chosen


def _load(backbone: Backbone, *, engine: str, precision: str, device: str) -> Engine:
    spec = backbone.spec
    return load_engine(
        backbone.module,
        input_size=spec.input_size,
        mean=spec.mean,
        std=spec.std,
        engine=engine,
        precision=precision,
        device=device,
    )


def _check(engine: Engine, backbone: Backbone, root: MediaRoot, segments: Sequence[Segment]) -> None:
    if (engine.name, engine.precision) == ("torch", "f32"):
        return
    spec = backbone.spec
    frames = list(islice(_frames(root, segments, spec.input_size), NUM_FRAMES_TO_CHECK))
    if frames:
        check_parity(engine, backbone.module, np.stack(frames), mean=spec.mean, std=spec.std)


def _frames(root: MediaRoot, segments: Sequence[Segment], size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Frames of the first recordings that can be read; why others cannot is told when their turn comes."""
    firsts = {segment.video_id: segment for segment in reversed(segments)}
    for segment in islice(reversed(firsts.values()), _MAX_VIDEOS_TO_TRY):
        times = np.linspace(segment.start_seconds, segment.stop_seconds, NUM_FRAMES_TO_CHECK, endpoint=False)
        try:
            for _, frame in read_frames(root.find(segment.video_id), times, size=size):
                if isinstance(frame, np.ndarray):
                    yield frame
        except MediaError:
            continue
