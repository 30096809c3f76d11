"""The report's test-time mistake: its test script did not normalise pixels, its training did."""

import numpy as np

from egoact.core.segments import SegmentTable
from egoact.data.media import MediaRoot
from egoact.engines import load_engine
from egoact.models.backbones import Backbone
from egoact.stages._decoding import FrameBatch, FrameFailure, Sampling, VideoJob, decode

NO_MEAN, NO_STD = (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)


def unnormalised_features(
    table: SegmentTable, root: MediaRoot, backbone: Backbone, *, num_frames: int, num_workers: int
) -> np.ndarray:
    """Features of clips whose pixels stay at 0 to 255: float16 (N, T, ...), as `FeatureStore.gather` gives right ones.

    Raises:
        MediaError: A recording that is missing.
        ValueError: A frame that cannot be decoded.
    """
    engine = load_engine(
        backbone.module, input_size=backbone.spec.input_size, mean=NO_MEAN, std=NO_STD, precision="f32", device="cpu"
    )
    by_video: dict[str, list[int]] = {}
    for position, segment in enumerate(table):
        by_video.setdefault(segment.video_id, []).append(position)
    jobs = [VideoJob(root.find(video), [table[i] for i in positions]) for video, positions in by_video.items()]
    features = np.zeros((len(table), num_frames, *backbone.spec.feature_shape), np.float16)
    sampling = Sampling(num_frames, 1, 0, backbone.spec.input_size, engine.batch_size)
    for event in decode(jobs, sampling, num_workers=num_workers):
        if isinstance(event, FrameFailure):
            raise ValueError(f"{event.job.source.video_id}: {event.reason}")
        if isinstance(event, FrameBatch):
            limit = np.finfo(np.float16).max
            computed = np.clip(engine.run(event.frames), -limit, limit).astype(np.float16)[event.frame_of_slot]
            positions = np.array(by_video[event.job.source.video_id])
            features[positions[event.slots // num_frames], event.slots % num_frames] = computed
    return features
