"""What a worker does of an extraction that many share; knows nothing of who sends it recordings.

A recording goes through it as through an extraction of its own, with the batches that one machine would make, so that
features have the same bytes.
"""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from egoact.extraction.distributed.sharing import Heads, Held, fetch_recording, lay_out, put_recording, read_heads
from egoact.extraction.extraction import Extraction
from egoact.extraction.work import Work
from egoact.store.remote import RemoteFolder


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


@dataclass(frozen=True)
class Refusal:
    """What a worker complains of: it ends the extraction, as it would on one machine."""

    reason: str


def choose_plan(work: Work, heads: Heads) -> Plan:
    """Choose engines, those of the folder where it has some, and begin its stores; a worker may have a GPU for it."""
    with tempfile.TemporaryDirectory(prefix="egoact-") as folder:
        features = Path(folder)
        lay_out(heads, features)
        engine = work.load(features)
        with work.open_stores(engine, features):
            sizes = tuple(None if s.engine is None else s.engine.batch_size for s in engine.streams)
        return Plan(read_heads(features), sizes, f"{engine.name} {engine.precision}")


class RecordingWorker:
    """An engine, loaded once, and recordings that are sent to it one after the other.

    Args:
        work: The whole of the work.
        plan: How it is done.
        features: Where the features go, a path or a URL.
    """

    def __init__(self, work: Work, plan: Plan, features: Path) -> None:
        self._work, self._plan, self._folder = work, plan, RemoteFolder(features)
        with tempfile.TemporaryDirectory(prefix="egoact-") as folder:
            lay_out(plan.heads, Path(folder))
            self._engine = work.load(Path(folder))
        self._decoders = work.open_decoders(self._engine, num_workers=1)
        for stream, size in zip(self._engine.streams, plan.batch_sizes, strict=True):
            if stream.engine is not None and size is not None:
                stream.engine.batch_size = size  # as measured once: in other batches the last bits are others

    def extract(self, video_id: str, held: dict[str, Held]) -> Done:
        """Compute what the stores lack of a recording, of which they hold so much, and put it where it belongs."""
        with tempfile.TemporaryDirectory(prefix="egoact-") as folder:
            features, wanted = Path(folder), self._work.wanted
            lay_out(self._plan.heads, features)
            fetch_recording(self._folder, held, features)
            one = replace(wanted, segments={video_id: wanted.segments[video_id]})
            with self._work.open_stores(self._engine, features) as writers:
                extraction = Extraction(
                    one, self._work.root, self._engine, writers, 1, is_share=True, decoders=self._decoders
                )
                num_failed = extraction.go()
            found = put_recording(self._folder, features, video_id, held)
        num_added = max(filling.num_added for filling in extraction.fillings)
        return Done(video_id, found, num_failed, extraction.num_frames, num_added)
