"""Clips with made features, written into a store at the exact moments of their segments."""

from collections.abc import Sequence

import numpy as np

from egoact.core.annotations.segments import Segment
from egoact.core.sampling import ClipSampling, to_microseconds
from egoact.store.writer import StoreWriter


def lacking(writer: StoreWriter, segments: Sequence[Segment], sampling: ClipSampling) -> list[Segment]:
    """Segments of which the store lacks a moment, each stretch once, in the order of recordings and times."""
    found = {
        (s.video_id, s.start_seconds, s.stop_seconds): s
        for s in reversed(segments)
        if (writer.of(s.video_id).find(sampling.times([s]), rate=writer.spec.rate) < 0).any()
    }
    return [found[key] for key in sorted(found)]


def write_clips(
    writer: StoreWriter, segments: Sequence[Segment], clips: Sequence[np.ndarray], sampling: ClipSampling
) -> None:
    """Write (V, T, *feature) of each segment; moments that are there already stay as they are."""
    for video_id in dict.fromkeys(segment.video_id for segment in segments):
        chosen = [i for i, segment in enumerate(segments) if segment.video_id == video_id]
        moments = to_microseconds(sampling.times([segments[i] for i in chosen])).ravel()
        values = np.concatenate([clips[i].reshape(-1, *writer.spec.backbone.feature_shape) for i in chosen])
        moments, firsts = np.unique(moments, return_index=True)
        new = ~np.isin(moments, writer.of(video_id).moments)
        with writer.begin() as buffer:
            buffer.append(values[firsts[new]].astype(np.float16))
            writer.commit(video_id, buffer, moments[new])
