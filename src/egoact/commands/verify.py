"""`egoact verify`: is a feature store whole?"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class VerifySettings:
    """Check a feature store: shapes, hashes, finite numbers, and whether it holds the segments of a CSV.

    Prints each problem; nothing is changed.
    """

    features: Path
    """Feature store."""
    segments: Path | None = None
    """Segments CSV whose segments should all be there, with these times."""


def verify(settings: VerifySettings) -> int:
    """Check a store; gives the number of problems.

    Raises:
        ArtifactError: There is no store, or its manifest or index is damaged.
        AnnotationError: The CSV is wrong.
    """
    from egoact.core.annotations.segments import read_segments
    from egoact.core.progress import Progress
    from egoact.store.checks import shard_problems, table_problems
    from egoact.store.reader import FeatureStore

    store = FeatureStore.open(settings.features)
    problems: list[str] = []
    with Progress("verify", total=len(store.index.shards), unit="shards") as progress:
        for number in range(len(store.index.shards)):
            problems += shard_problems(store, number)
            progress.advance(1)
    if settings.segments is not None:
        problems += table_problems(store, read_segments(settings.segments))
    for problem in problems:
        print(f"verify: {problem}")
    print(
        f"verify: {len(store)} segments of {len(store.index.shards)} videos, "
        f"{store.spec.backbone}, {store.spec.kind} {store.spec.clip_shape}: {len(problems)} problems"
    )
    return len(problems)
