"""`egoact bench extract`: recordings to a store, against its parts; of a video encoder windows, against the peak."""

import io
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from egoact.benchmarking.decode import count_decoded
from egoact.benchmarking.engines import count_flops, on_gpu, peak_tasks, peak_text
from egoact.benchmarking.measuring import Task, take_turns
from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.workload import NUM_FRAMES, Workload, read_sample
from egoact.core import defaults
from egoact.core.annotations.segments import SegmentTable, group_by_recording
from egoact.core.machine import num_cores
from egoact.core.sampling import ClipSampling, step_times
from egoact.engines.interface import Engine, start
from egoact.engines.loading import find_device, load_engine
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
EPIC_HOURS = 100  # of recordings in EPIC-KITCHENS-100
GPU_GOAL = 45.0  # percent of the peak


def measure(work: Workload) -> Results:
    """Time the whole and its parts in turns; of a video encoder the encoder alone."""
    if work.is_video:
        return _measure_windows(work)
    root, table = work.recordings()
    backbone = work.backbone()
    frames = read_sample(root, table, count=2048 if on_gpu(work.device) else 128, size=backbone.spec.input_size)
    engine = work.engine(backbone, frames)
    rates = time_extraction(work, root, table, backbone, engine, frames)
    decoding = max(rate for name, rate in rates.items() if name.startswith("decoding"))
    slowest = min(decoding, rates["backbone alone"])
    rows = [[name, round(rate, 1), round(100 * rate / rates["backbone alone"], 1)] for name, rate in rates.items()]
    whole = rates["end to end"]
    return Results(
        title=f"Extraction with {backbone.spec.name}, {engine.name} {engine.precision}",
        text=f"{len(table)} segments of {len(table.video_ids)} recordings. End to end is decoding, resizing, the "
        "backbone and the store on disk, in the steady state: the start of the program, a few seconds, is left out. "
        "The parts have all cores for themselves when they run alone; end to end they share them.",
        tables=[Table("speed", "Frames a second", ("what", "frames/s", "% of the backbone"), rows, bars="frames/s")],
        figures=[
            Figure("end to end", whole, "frames/s"),
            Figure("end to end, against the slowest stage", 100 * whole / slowest, "%"),
            Figure("end to end, against the backbone alone", 100 * whole / rates["backbone alone"], "%", GOAL),
        ],
    )


def time_extraction(
    work: Workload, root: MediaRoot, table: SegmentTable, backbone: Backbone, engine: Engine, frames: np.ndarray
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
        tasks: dict[str, Task] = {"decoding alone": count}
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
    folder: Path, root: MediaRoot, wanted: WantedMoments, backbone: Backbone, engine: Engine, decoders: Decoders | None
) -> float:
    """Extract into a new store; gives how many frames went through the backbone."""
    features = Path(tempfile.mkdtemp(dir=folder)) / "features"
    quiet = io.StringIO()
    store = StoreWriter(features, plan_store(backbone.spec, engine))
    with redirect_stdout(quiet), redirect_stderr(quiet), store as writer:
        run = Extraction(wanted, root, one_stream(backbone.spec, engine), [writer], num_cores(), decoders=decoders)
        run.go()
    return float(run.num_frames)


def _measure_windows(work: Workload) -> Results:
    """Time the encoder as it is and, unless little time is to be taken, compiled, in turns with the peak."""
    backbone = work.backbone()
    window = backbone.spec.window
    assert window is not None
    flops = count_flops(backbone)
    device = find_device(work.device, work.engine_name)
    load = partial(load_engine, backbone, engine=work.engine_name, precision=work.precision, device=device)
    engines = {"as it is": load()}
    if not work.is_quick and work.engine_name != "openvino":
        engines["compiled"] = load(is_compiled=True)
    engine = engines["as it is"]
    shape = (engine.batch_size, window.num_pictures, *backbone.spec.input_size, 3)
    pictures = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    peaks = peak_tasks(device)
    tasks: dict[str, Task] = {name: partial(_run_windows, each, pictures) for name, each in engines.items()}
    if engine.precision in peaks:
        tasks["peak"] = peaks[engine.precision]
    rates = take_turns(tasks, seconds=1 if work.is_quick else 60, min_rounds=1 if work.is_quick else 3)
    peak = rates.pop("peak", None)
    num_windows = EPIC_HOURS * 3600 * window.rate / window.stride
    rows = []
    for name, rate in rates.items():
        share = None if peak is None else round(100 * rate * flops / peak, 1)
        rows.append([name, round(rate, 4), round(rate * flops / 1e9, 1), share, round(num_windows / rate / 3600, 2)])
    best = max(rates.values())
    best_share = None if peak is None else 100 * best * flops / peak
    goal = GPU_GOAL if on_gpu(device) else None
    columns = ("encoder", "windows/s", "GFLOP/s", "% of peak", "hours, EPIC-KITCHENS-100")
    parameters = sum(prod(each.shape) for each in backbone.module.parameters())
    return Results(
        title=f"{backbone.spec.name}{' with random weights' if work.is_random else ''}, {engine.name} "
        f"{engine.precision} on {device}",
        text=f"{parameters / 1e6:.0f} million parameters; windows of {window.num_pictures} pictures of "
        f"{' x '.join(map(str, backbone.spec.input_size))} at {window.pictures_per_second} a second, "
        f"{engine.batch_size} at once, from uint8 pictures in the host's memory to features there; decoding is not in "
        f"it. The peak is what {peak_text(device)}. EPIC-KITCHENS-100 has {EPIC_HOURS} hours of recordings, "
        f"{num_windows:,.0f} such windows.",
        tables=[Table("windows", "Windows a second", columns, rows, bars="windows/s")],
        figures=[
            Figure("windows", best, "windows/s"),
            Figure("operations", flops / 1e9, "GFLOP a window"),
            Figure(f"share of the matmul peak in {engine.precision}", best_share, "%", goal),
            Figure("the whole of EPIC-KITCHENS-100", num_windows / best / 3600, "h"),
        ],
    )


def _run_windows(engine: Engine, pictures: np.ndarray) -> float:
    return float(len(engine.run(pictures)))
