"""`egoact bench decode`: from recordings to resized frames, without a backbone."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial

from egoact.benchmarking.engines import finish
from egoact.benchmarking.measuring import Task, take_turns
from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.workload import NUM_FRAMES, Workload
from egoact.core.machine import num_cores
from egoact.core.sampling import ClipSampling
from egoact.extraction.decoding import Decoders, FrameBatch, VideoJob, clip_jobs, decode
from egoact.media.sources import read_frames


def measure(work: Workload) -> Results:
    """Decode the frames of all segments, by one worker and by one a core."""
    root, table = work.recordings()
    jobs = clip_jobs(root, table, ClipSampling(NUM_FRAMES))
    tasks: dict[str, Task] = {
        f"{n} x {work.pixels}": partial(count_decoded, jobs, size=work.pixels, num_workers=n)
        for n in sorted({1, num_cores()})
    }
    tasks["1 x as recorded"] = partial(_count_unscaled, jobs)
    rates = take_turns(tasks, seconds=1 if work.is_quick else 20, min_rounds=2)
    rows = [[int(name.split(" x ")[0]), name.split(" x ")[1], round(rate, 1)] for name, rate in rates.items()]
    wanted, different = NUM_FRAMES * len(table), int(count_decoded(jobs, size=32, num_workers=1))
    return Results(
        title="Decoding",
        text=f"{len(table)} segments of {len(jobs)} recordings want {wanted} frames, {different} of which differ: each "
        "of them is decoded and given once. Workers decode a recording each.",
        tables=[Table("speed", "Frames a second", ("workers", "size, pixels", "frames/s"), rows, bars="frames/s")],
        figures=[Figure("decoding with one worker a core", rates[f"{num_cores()} x {work.pixels}"], "frames/s")],
    )


def count_decoded(
    jobs: Sequence[VideoJob], *, size: int, num_workers: int, decoders: Decoders | None = None, device: str = "cpu"
) -> float:
    """Decode all jobs, some of them by decoders of a device; gives how many frames that were."""
    found = decode(jobs, size=(size, size), batch_size=16, num_workers=num_workers, decoders=decoders)
    with closing(found) as events:
        count = float(sum(len(event.frames) for event in events if isinstance(event, FrameBatch)))
    finish(device)
    return count


def _count_unscaled(jobs: Sequence[VideoJob]) -> float:
    return float(sum(1 for job in jobs for _ in read_frames(job.source, job.times(), num_threads=1)))
