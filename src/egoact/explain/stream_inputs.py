"""What each stream of a run sees of one clip: frames, and beside them differences, motion or flow."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from egoact.core.errors import ArtifactError, MediaError
from egoact.explain.saliency import maps_of
from egoact.media.flow.descriptors import MotionDescriptor
from egoact.media.pairs import Picture, difference_pictures, frame_lag, read_pairs
from egoact.media.sources import MediaSource, read_clip, read_frames
from egoact.media.stills.flow import FlowRoot
from egoact.models.backbones.registry import Backbone
from egoact.models.backbones.spec import BackboneSpec
from egoact.runs.loading import Run
from egoact.runs.streams import check_flow, load_spec


@dataclass(frozen=True, eq=False)
class StreamInput:
    """What one stream sees, and its network; without one, `seen` are its features."""

    backbone: Backbone | None
    seen: np.ndarray  # uint8 (T, H, W, 3), or float32 (T, D)

    @cached_property
    def features(self) -> Tensor:
        """(T, D) or (T, C, h, w)."""
        if self.backbone is None:
            return torch.from_numpy(self.seen)
        with torch.no_grad():
            return self.backbone.module(self.backbone.images(self.seen))

    @cached_property
    def maps(self) -> Tensor:
        """As `saliency.maps_of`, of a stream with a network."""
        assert self.backbone is not None
        return maps_of(self.backbone, self.seen)


def load_networks(run: Run) -> list[Backbone | None]:
    """The network of each stream of a run; None of motion, which has none.

    Raises:
        ArtifactError: A first stream that is not of frames, one that cannot be shown, or other weights.
    """
    first, *others = run.backbones
    shown = ("rgb", "difference", "motion", "flow")
    if first.modality != "rgb" or first.grid > 1:
        raise ArtifactError(f"this run looks at {first.stream} first, and places are shown in frames", path=run.path)
    if lost := [spec.stream for spec in others if spec.modality not in shown or spec.stack > 1]:
        raise ArtifactError(f"this run looks at {lost[0]}, which cannot be computed for one clip", path=run.path)
    return [load_spec(spec, run.choice, run=run.path) if spec.has_network else None for spec in run.backbones]


def read_stream_inputs(
    run: Run, source: MediaSource, times: np.ndarray, *, networks: Sequence[Backbone | None], flow: Path | None
) -> list[StreamInput]:
    """What the streams of a run see at some moments, in their order.

    Args:
        run: See `load_networks`.
        source: The recording.
        times: float64 (T,), ascending.
        networks: Of `load_networks`.
        flow: Folder of its optical flow, for a run that looks at that.

    Raises:
        ArtifactError: Flow is needed and not given.
        MediaError: Frames or flow that cannot be read.
    """
    if flow is None and any(spec.modality == "flow" for spec in run.backbones):
        raise ArtifactError(
            "this run looks at optical flow, too: give --flow FOLDER, as egoact flow wrote it", path=run.path
        )
    for spec in run.backbones:
        if flow is not None and spec.modality == "flow":
            check_flow(FlowRoot((flow,)), [source.video_id], spec, run=run.path)
    return [StreamInput(n, _see(s, source, times, flow)) for s, n in zip(run.backbones, networks, strict=True)]


def _see(spec: BackboneSpec, source: MediaSource, times: np.ndarray, flow: Path | None) -> np.ndarray:
    size = spec.input_size
    if spec.modality == "rgb":
        return read_clip(source, times, size=size)
    if spec.modality == "flow":
        assert flow is not None
        found = FlowRoot((flow,)).find(source.video_id)
        return np.stack(list(_each(read_frames(found, times, size=size))))
    lag = frame_lag(source, spec.lag_seconds)
    pairs = list(read_pairs(source, times, lag_seconds=lag, size=size))
    now = np.stack(list(_each((where, frame) for where, frame, _ in pairs)))
    before = np.stack(list(_each((where, earlier) for where, _, earlier in pairs)))
    if spec.modality == "difference":
        return difference_pictures(now, before)
    return MotionDescriptor()(now, before, lag_seconds=lag)


def _each(found: Iterable[tuple[slice, Picture]]) -> Iterator[np.ndarray]:
    """A picture a moment; the first `MediaError` is raised."""
    for positions, picture in found:
        if isinstance(picture, MediaError):
            raise picture
        yield from [picture] * (positions.stop - positions.start)
