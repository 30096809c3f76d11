"""An extraction shared out to a Ray cluster: each recording goes to a worker that has loaded the engine.

    recordings ──► workers: decode, compute ──► shards behind the URL
                        │
                        └──► rows ──► this process ──► indexes behind the URL

Workers that are lost are begun anew by Ray, and so are their recordings. Whoever loses this process gives the command
again. A recording goes through a worker as through an extraction of its own, so features have the bytes that one
machine gives them.
"""

import logging
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filelock

from egoact.core.errors import ArtifactError, InputError, MediaError
from egoact.core.machine import num_cores
from egoact.core.progress import Progress, format_seconds, working
from egoact.extraction.distributed import sharing
from egoact.extraction.distributed.sharing import Heads, Held, SharedFeatures
from egoact.extraction.extraction import Extraction
from egoact.extraction.work import Work
from egoact.store.remote import RemoteFolder, as_url, local_path

_MOST_TRIES = 20  # of one recording whose worker is lost each time


@dataclass(frozen=True)
class Plan:
    """How all workers compute: the files of the folder that say so, and frames of a batch of each stream's engine."""

    heads: Heads
    batch_sizes: tuple[int | None, ...]
    engine: str


@dataclass(frozen=True)
class Done:
    """What became of a recording: what the stores have of it now, and numbers for the summary."""

    video_id: str
    found: dict[str, Held]
    num_failed: int
    num_frames: int
    num_added: int


def extract_on_cluster(work: Work, features: Path, *, address: str, num_workers: int, wants_gpu: bool) -> int:
    """Fill a features folder from a cluster; gives the number of segments, or whole recordings, that failed.

    The folder is a path or a URL that all machines see. `address` "ray" is a cluster of this machine alone, for as long
    as this takes; else one that runs, as Ray has it. `num_workers` 0: as many recordings at the same time as the
    cluster has cores; with `wants_gpu` they are computed on GPUs, where the cluster has some.

    Raises:
        ArtifactError: No cluster, or what a worker says of the folder or the settings.
        MediaError: Not one recording is there.
    """
    _check_media(work)
    features = features if as_url(features) else local_path(features).absolute()  # workers begin in other folders
    begun = time.monotonic()
    with _connected(address, num_workers), SharedFeatures(features) as shared:
        import ray

        there = ray.cluster_resources()
        num_cpus = int(there.get("CPU", 0))
        num_workers = num_workers or max(num_cpus, 1)
        if num_workers > num_cpus:
            print(f"extract: {num_workers} workers take a core each, and the cluster has {num_cpus}: waiting for more")
        num_gpus = math.floor(1000 * min(there.get("GPU", 0.0) / num_workers, 1)) / 1000 if wants_gpu else 0
        with working("extract: choosing an engine"):
            task = ray.remote(num_cpus=1, num_gpus=num_gpus)(_try_plan)
            plan = _accepted(ray.get(task.remote(work, shared.heads)))
        shared.begin(plan.heads)
        wanted = work.wanted
        held = {video_id: shared.held(video_id) for video_id in wanted.video_ids}
        lacking = [v for v in held if any(h.row is None or len(wanted.missing(h.row)) for h in held[v].values())]
        tasks = [(video_id, held[video_id]) for video_id in lacking]
        done: list[Done] = []
        with Progress("extract", total=len(tasks), unit="recordings") as progress:
            for one in _share_out(tasks, work, plan, features, num_workers=num_workers, num_gpus=num_gpus):
                shared.add(one.video_id, one.found)
                done.append(replace(one, found={}))
                progress.advance(1)
        shared.commit()
        shared.sweep()
    _summarise(done, plan, num_before=len(held) - len(tasks), seconds=time.monotonic() - begun)
    return sum(one.num_failed for one in done)


def _share_out(
    tasks: Sequence[tuple[str, dict[str, Held]]],
    work: Work,
    plan: Plan,
    features: Path,
    *,
    num_workers: int,
    num_gpus: float,
) -> Iterator[Done]:
    """Recordings that are done, in whatever order."""
    import ray
    from ray.util import ActorPool

    given = [ray.put((work, plan, features))]  # in a list, so that a worker takes it when it begins, and not each time
    worker = ray.remote(num_cpus=1, num_gpus=num_gpus, max_restarts=-1, max_task_retries=_MOST_TRIES)(_RayWorker)
    pool = ActorPool([worker.remote() for _ in range(min(num_workers, len(tasks)))])
    yield from map(_accepted, pool.map_unordered(lambda one, task: one.extract.remote(given, *task), tasks))


def _accepted(answer: Any) -> Any:
    """What a worker gave; words are its complaint, which ends the extraction as it would on one machine."""
    if isinstance(answer, str):
        raise ArtifactError(answer)
    return answer


def choose_plan(work: Work, heads: Heads) -> Plan:
    """Choose engines, those of the folder where it has some, and begin its stores; a worker may have a GPU for it."""
    with tempfile.TemporaryDirectory(prefix="egoact-") as folder:
        features = Path(folder)
        sharing.lay_out(heads, features)
        engine = work.load(features)
        with work.open_stores(engine, features):
            sizes = tuple(None if s.engine is None else s.engine.batch_size for s in engine.streams)
        return Plan(sharing.read_heads(features), sizes, f"{engine.name} {engine.precision}")


class RecordingWorker:
    """An engine, loaded once, and recordings that are sent to it one after the other."""

    def __init__(self, work: Work, plan: Plan, features: Path) -> None:
        self._work, self._plan, self._folder = work, plan, RemoteFolder(features)
        with tempfile.TemporaryDirectory(prefix="egoact-") as folder:
            sharing.lay_out(plan.heads, Path(folder))
            self._engine = work.load(Path(folder))
        self._decoders = work.open_decoders(self._engine, num_workers=1)
        for stream, size in zip(self._engine.streams, plan.batch_sizes, strict=True):
            if stream.engine is not None and size is not None:
                stream.engine.batch_size = size  # as measured once: in other batches the last bits are others

    def extract(self, video_id: str, held: dict[str, Held]) -> Done:
        """Compute what the stores lack of a recording, of which they hold so much, and put it where it belongs."""
        with tempfile.TemporaryDirectory(prefix="egoact-") as folder:
            features, wanted = Path(folder), self._work.wanted
            sharing.lay_out(self._plan.heads, features)
            sharing.fetch_recording(self._folder, held, features)
            one = replace(wanted, segments={video_id: wanted.segments[video_id]})
            with self._work.open_stores(self._engine, features) as writers:
                root, engine, decoders = self._work.root, self._engine, self._decoders
                extraction = Extraction(one, root, engine, writers, 1, is_share=True, decoders=decoders)
                num_failed = extraction.go()
            found = sharing.put_recording(self._folder, features, video_id, held)
        num_added = max(filling.num_added for filling in extraction.fillings)
        return Done(video_id, found, num_failed, extraction.num_frames, num_added)


class _RayWorker:
    """A worker in a process of Ray's, which loads the engine with its first recording."""

    def __init__(self) -> None:
        self._core = _take_core()
        self._worker: RecordingWorker | None = None

    def extract(self, given: list[Any], video_id: str, held: dict[str, Held]) -> Done | str:
        """As `RecordingWorker`, which is made of what `given` refers to."""
        try:
            if self._worker is None:
                import ray

                self._worker = RecordingWorker(*ray.get(given[0]))
            return self._worker.extract(video_id, held)
        except (InputError, ValueError, OSError) as error:
            return str(error)


def _try_plan(work: Work, heads: Heads) -> Plan | str:
    try:
        return choose_plan(work, heads)
    except (InputError, ValueError) as error:
        return str(error)


def _take_core() -> filelock.BaseFileLock | None:
    """Keep to a core that no other worker of this machine has, whatever the threads of engines and decoders think.

    Returns:
        Holds the core until the process ends; None where all are taken, or the system knows no such thing.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    folder = Path(tempfile.gettempdir()) / f"egoact-cores-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for core in sorted(os.sched_getaffinity(0)):
        lock = filelock.FileLock(folder / str(core), blocking=False, thread_local=False)
        try:
            lock.acquire()
        except filelock.Timeout:
            continue
        os.sched_setaffinity(0, {core})
        return lock
    return None


@contextmanager
def _connected(address: str, num_workers: int) -> Iterator[None]:
    try:
        import ray
    except ImportError:
        raise ValueError("--cluster needs Ray: pip install 'egoact[ray]'") from None
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    with working("extract: looking for the cluster"):
        try:
            if address == "ray":
                os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
                cores = num_workers or num_cores()
                ray.init("local", num_cpus=cores, include_dashboard=False, _node_ip_address="127.0.0.1", **quiet)
            else:
                ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ArtifactError(f"--cluster {address}: no cluster answers ({error})") from None
    try:
        yield
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[-300:]
        raise ArtifactError(f"the cluster gave up ({type(error).__name__}: {reason}); give the command again") from None
    finally:
        ray.shutdown()


def _check_media(work: Work) -> None:
    """Where not one recording is there the folder is wrong, rather than a few recordings."""
    errors = []
    for video_id in work.wanted.video_ids:
        try:
            work.root.find(video_id)
            return
        except MediaError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _summarise(done: Sequence[Done], plan: Plan, *, num_before: int, seconds: float) -> None:
    frames, added, failed = (sum(getattr(one, f"num_{name}") for one in done) for name in ("frames", "added", "failed"))
    print(
        f"extract: {added} moments of {len(done)} recordings, {frames} frames in {format_seconds(seconds)} "
        f"({frames / seconds:.0f} frames/s, {plan.engine}); {num_before} recordings were there already, {failed} failed"
    )
