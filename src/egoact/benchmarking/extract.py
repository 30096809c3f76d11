"""`egoact bench extract`: from recordings to a feature store, against decoding alone and the backbone alone."""

import contextlib
import io
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from egoact.benchmarking.decode import count_decoded
from egoact.benchmarking.gpu_limits import on_gpu
from egoact.benchmarking.measuring import take_turns
from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.windows import measure_windows
from egoact.benchmarking.workload import NUM_FRAMES, Workload, read_sample
from egoact.core import defaults
from egoact.core.annotations.segments import SegmentTable, group_by_recording
from egoact.core.machine import num_cores
from egoact.core.sampling import ClipSampling, step_times
from egoact.engines import Engine
from egoact.engines.interface import start
from egoact.engines.streams import one_stream
from egoact.extraction.decoding import Decoders, VideoJob, choose_decoders, clip_jobs
from egoact.extraction.extraction import Extraction
from egoact.extraction.wanted import WantedMoments
from egoact.extraction.work import plan_store
from egoact.media.recording import MOST_HOURS
from egoact.media.sources import MediaRoot
from egoact.models.backbones.registry import Backbone
from egoact.store.writer import StoreWriter

GOAL = 80.0  # percent of the backbone alone


def measure(work: Workload) -> Results:
    """Time the whole and its parts in turns; of a video encoder the encoder alone."""
    if work.is_video:
        return measure_windows(work)
    root, table = work.recordings()
    backbone = work.backbone()
    frames = read_sample(root, table, count=2048 if on_gpu(work.device) else 128, size=backbone.spec.input_size)
    engine = work.engine(backbone, frames)
    rates = time_extraction(work, root, table, backbone, engine, frames)
    decoding = max(rate for name, rate in rates.items() if name.startswith("decoding"))
    slowest = min(decoding, rates["backbone alone"])
    rows = [[name, round(rate, 1), round(100 * rate / rates["backbone alone"], 1)] for name, rate in rates.items()]
    return Results(
        title=f"Extraction with {backbone.spec.name}, {engine.name} {engine.precision}",
        text=f"{len(table)} segments of {len(table.video_ids)} recordings. End to end is decoding, resizing, the "
        "backbone and the store on disk, in the steady state: the start of the program, a few seconds, is left out. "
        "The parts have all cores for themselves when they run alone; end to end they share them.",
        tables=[Table("speed", "Frames a second", ("what", "frames/s", "% of the backbone"), rows, bars="frames/s")],
        figures=[
            Figure("end to end", rates["end to end"], "frames/s"),
            Figure("end to end, against the slowest stage", 100 * rates["end to end"] / slowest, "%"),
            Figure(
                "end to end, against the backbone alone",
                100 * rates["end to end"] / rates["backbone alone"],
                "%",
                GOAL,
            ),
        ],
    )


def time_extraction(
    work: Workload,
    root: MediaRoot,
    table: SegmentTable,
    backbone: Backbone,
    engine: Engine,
    frames: np.ndarray,
) -> dict[str, float]:
    """Frames a second of decoding, of the backbone, and of everything together.

    Of the clips of all segments; where a device decodes, too, of whole recordings, by each way of decoding.
    """
    place = one_stream(backbone.spec, engine).place
    choose = partial(choose_decoders, place=place, num_workers=num_cores(), is_whole=True)
    decoders = choose(work.decoder)
    wanted = WantedMoments(group_by_recording(table), defaults.RATE, exact=ClipSampling(NUM_FRAMES))
    jobs = clip_jobs(root, table, ClipSampling(NUM_FRAMES))
    if decoders is not None:
        wanted = replace(wanted, exact=None, is_whole=True)
        times = partial(step_times, MOST_HOURS * 3600 * defaults.RATE, rate=defaults.RATE)
        jobs = [VideoJob(root.find(video_id), times, to_end=True) for video_id in wanted.video_ids]
    count = partial(count_decoded, jobs, size=work.pixels, num_workers=num_cores(), device=place)
    with tempfile.TemporaryDirectory(dir=work.out) as folder:
        tasks: dict[str, Callable[[], float]] = {"decoding alone": count}
        if decoders is not None:
            tasks["decoding by torchcodec alone"] = partial(count, decoders=choose("torchcodec"))
            if decoders.is_helped:
                tasks["decoding by both alone"] = partial(count, decoders=decoders)
        tasks |= {
            "backbone alone": partial(_run_backbone, engine, frames),
            "end to end": partial(_fill_a_store, Path(folder), root, wanted, backbone, engine, decoders),
        }
        return take_turns(tasks, seconds=2 if work.is_quick else 30, min_rounds=2)


def _run_backbone(engine: Engine, frames: np.ndarray) -> float:
    """The same number of frames as a few recordings have, in the batches of the pipeline."""
    num_rounds = 4
    for _ in range(num_rounds):
        begun = [start(engine, frames[i : i + engine.batch_size]) for i in range(0, len(frames), engine.batch_size)]
        for finish in begun:
            finish()
    return float(num_rounds * len(frames))


def _fill_a_store(
    folder: Path,
    root: MediaRoot,
    wanted: WantedMoments,
    backbone: Backbone,
    engine: Engine,
    decoders: Decoders | None,
) -> float:
    """Extract into a new store; gives how many frames went through the backbone."""
    features = Path(tempfile.mkdtemp(dir=folder)) / "features"
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        StoreWriter(features, plan_store(backbone.spec, engine)) as writer,
    ):
        streams = one_stream(backbone.spec, engine)
        run = Extraction(wanted, root, streams, [writer], num_cores(), decoders=decoders)
        run.go()
    return float(run.num_frames)
