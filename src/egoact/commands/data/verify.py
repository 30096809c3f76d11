"""`egoact verify`: is a feature store whole?"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from egoact.core import defaults


@dataclass(frozen=True)
class VerifySettings:
    """Check a feature store: shapes, hashes, finite numbers, and whether it holds the segments of a CSV.

    Prints each problem; nothing is changed.
    """

    features: Path
    """Feature store."""
    streams: tuple[Literal["rgb", "grid", "difference", "motion"], ...] = ()
    """Streams of it to check; default: all that are there."""
    segments: tuple[Path, ...] = ()
    """Segments CSV, or several, whose segments should all be there."""
    num_frames: int = defaults.NUM_FRAMES
    """Frames per clip."""
    views: int = 1
    """Clips per segment."""


def verify(settings: VerifySettings) -> int:
    """Check the streams of a store; gives the number of problems."""
    from egoact.commands.labels import read_and_tell
    from egoact.core.progress import Progress
    from egoact.core.sampling import ClipSampling
    from egoact.store.checks import shard_problems, table_problems
    from egoact.store.reader import FeatureStore
    from egoact.store.streams import choose_streams

    table = read_and_tell(settings.segments) if settings.segments else None
    stores = [FeatureStore.open(path) for path in choose_streams([settings.features], settings.streams)]
    problems: list[list[str]] = [[] for _ in stores]
    with Progress("verify", total=sum(len(store.index.rows) for store in stores), unit="shards") as progress:
        for store, found in zip(stores, problems, strict=True):
            for number in range(len(store.index.rows)):
                found += shard_problems(store, number)
                progress.advance(1)
            if table is not None:
                found += table_problems(store, table, ClipSampling(settings.num_frames, settings.views))
    for store, found in zip(stores, problems, strict=True):
        made = store.spec.backbone
        stream = f"{made.stream}: " if len(stores) > 1 else ""
        for problem in found:
            print(f"verify: {stream}{problem}")
        print(
            f"verify: {stream}{len(store)} moments of {len(store.index.rows)} recordings, "
            f"{made.name}, {made.kind} {made.feature_shape}: {len(found)} problems"
        )
    return sum(len(found) for found in problems)
