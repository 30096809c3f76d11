"""`egoact bench epic100`: hours and gigabytes for all of EPIC-KITCHENS-100 on this machine, from measured rates."""

import io
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egoact.benchmarking.extract import time_extraction
from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.train import CLIP_BYTES, make_store, watch_training
from egoact.benchmarking.workload import NUM_FRAMES, Workload, read_sample
from egoact.core.annotations.segments import Segment, SegmentTable, read_segments
from egoact.core.epic import facts as epic
from egoact.core.sampling import ClipSampling
from egoact.media.sources import MediaRoot
from egoact.models.heads import DEFAULT_HEAD

NUM_TRAIN, NUM_VALIDATION, NUM_TEST = 67_217, 9_668, 13_092
NUM_EPOCHS = 100
GOAL_HOURS = 3.0
HEADS_TO_TRAIN = ("convnet1d", DEFAULT_HEAD)
DISTINCT_SHARE = 0.983
"""Of 20 frames a segment, how many differ from all others of the recording, which short and overlapping ones share.
Counted in 38,875 published segments (validation, test, and those of training in the adaptation challenge)."""
_FRAME_SIZE = (256, 456)  # of the published frames, (height, width) in pixels
_NUM_PICTURES, _STILL_SECONDS = 240, 20
_ANNOTATIONS = ("EPIC_100_train.csv", "EPIC_100_validation.csv", "EPIC_100_test_timestamps.csv")


def measure(work: Workload) -> Results:
    """Extract frames like the published ones, train on a fraction, and scale both up."""
    num_segments = NUM_TRAIN + NUM_VALIDATION + NUM_TEST
    share, source = _distinct_share(work.annotations)
    num_frames = num_segments * NUM_FRAMES * share
    backbone = work.backbone()
    root, table = work.recordings()
    with tempfile.TemporaryDirectory(dir=work.out) as folder:
        stills = _film_stills(Path(folder), root, table)
        frames = read_sample(MediaRoot(folder), stills, count=128, size=backbone.spec.input_size)
        engine = work.engine(backbone, frames)
        rates = time_extraction(work, MediaRoot(folder), stills, backbone, engine, frames)
    fraction = 256 if work.is_quick else 16
    rate = rates["end to end"]
    amount = f"{num_frames / 1e6:.2f} million frames at {rate:.0f} frames/s"
    what = f"extraction, {backbone.spec.name}, {engine.name} {engine.precision}"
    hours: list[list[Any]] = [[what, amount, round(num_frames / rate / 3600, 2)]]
    with tempfile.TemporaryDirectory(dir=work.out) as folder:
        labels, store = make_store(Path(folder), num_clips=NUM_TRAIN // fraction)
        for head in HEADS_TO_TRAIN:
            seconds = fraction * watch_training(labels, store, Path(folder) / head, head=head).epoch_seconds
            whole = round(NUM_EPOCHS * seconds / 3600, 2)
            hours.append([f"{NUM_EPOCHS} epochs, {head}", f"{seconds:.1f} s an epoch", whole])
    clip_frames = num_segments * NUM_FRAMES * work.pixels**2 * 3
    sizes = [
        ["features, float16", round(num_segments * CLIP_BYTES / 1e9, 2)],
        ["the same clips as uint8 frames", round(clip_frames / 1e9, 1)],
        ["the same clips as float32 frames", round(4 * clip_frames / 1e9, 1)],
    ]
    speeds = [[name, round(rate, 1)] for name, rate in rates.items()]
    return Results(
        title="The whole of EPIC-KITCHENS-100",
        text=f"{NUM_TRAIN:,} training, {NUM_VALIDATION:,} validation and {NUM_TEST:,} test segments; {share:.1%} of "
        f"their frames differ ({source}). Extraction was measured from JPEG frames of 456 x 256 in a tar, as the data "
        "set is published; from its MP4 files of 1920 x 1080 decoding would decide. An epoch was measured over "
        f"1/{fraction} of the training clips. The report needed six days on two GPUs for 100 epochs.",
        tables=[
            Table("hours", "Hours", ("work", "how much", "hours"), hours, bars="hours"),
            Table("speed", "Extraction and its parts, frames a second", ("what", "frames/s"), speeds, bars="frames/s"),
            Table("sizes", "Gigabytes", ("what", "GB"), sizes, bars="GB"),
        ],
        figures=[
            Figure(f"extraction and {NUM_EPOCHS} epochs, {head}", hours[0][2] + row[2], "h", GOAL_HOURS, is_most=True)
            for head, row in zip(HEADS_TO_TRAIN, hours[1:], strict=True)
        ],
    )


def _distinct_share(annotations: Path | None) -> tuple[float, str]:
    """Which share of all sampled frames differ, and how that is known."""
    paths = [] if annotations is None else [path for n in _ANNOTATIONS if (path := annotations / n).exists()]
    if annotations is not None and not paths:
        raise ValueError(f"--annotations: {annotations} has none of {', '.join(_ANNOTATIONS)}")
    if not paths:
        return DISTINCT_SHARE, "as counted once in published annotations; --annotations counts anew"
    segments = [segment for path in paths for segment in read_segments(path)]
    return distinct_share(segments), f"counted in {len(segments):,} segments of {', '.join(p.name for p in paths)}"


def distinct_share(segments: Sequence[Segment]) -> float:
    """Of the frames sampled from all segments, those that are not sampled twice from a recording: 0 to 1."""
    frames: dict[str, list[np.ndarray]] = {}
    for segment in segments:
        times = ClipSampling(NUM_FRAMES).times([segment]).ravel()
        frames.setdefault(segment.video_id, []).append(np.floor(times * (epic.frame_rate(segment.video_id) or 60)))
    different = sum(len(np.unique(np.concatenate(each))) for each in frames.values())
    return different / (NUM_FRAMES * len(segments))


def _film_stills(folder: Path, root: MediaRoot, table: SegmentTable) -> SegmentTable:
    """Recordings as EPIC-KITCHENS publishes them, tars of JPEG frames at 60 a second; gives segments of a second."""
    pictures = read_sample(root, table, count=_NUM_PICTURES, size=_FRAME_SIZE)
    encoded = [cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes() for picture in pictures]
    lines = ["narration_id,video_id,start_seconds,stop_seconds,verb"]
    for video_id in ("P01_01", "P01_02", "P01_03", "P01_04"):
        path = folder / "P01" / "rgb_frames" / f"{video_id}.tar"
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for frame in range(60 * _STILL_SECONDS):
                entry = tarfile.TarInfo(f"./frame_{frame + 1:010d}.jpg")
                content = encoded[frame % len(encoded)]
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
        lines += [f"{video_id}_{i},{video_id},{i},{i + 0.95},look" for i in range(_STILL_SECONDS)]
    path = folder / "segments.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return read_segments(path)
