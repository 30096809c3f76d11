"""`egoact verify`: is a feature store whole?"""

from dataclasses import dataclass
from pathlib import Path

from egoact.core import defaults


@dataclass(frozen=True)
class VerifySettings:
    """Check a feature store: shapes, hashes, finite numbers, and whether it holds the segments of a CSV.

    Prints each problem; nothing is changed.
    """

    features: Path
    """Feature store."""
    segments: tuple[Path, ...] = ()
    """Segments CSV, or several, whose segments should all be there."""
    num_frames: int = defaults.NUM_FRAMES
    """Frames per clip."""
    views: int = 1
    """Clips per segment."""


def verify(settings: VerifySettings) -> int:
    """Check a store; gives the number of problems.

    Raises:
        ArtifactError: There is no store, or its manifest or index is damaged.
        AnnotationError: The CSV is wrong.
    """
    from egoact.commands.labels import read_and_tell
    from egoact.core.progress import Progress
    from egoact.core.sampling import ClipSampling
    from egoact.store.checks import shard_problems, table_problems
    from egoact.store.reader import FeatureStore

    store = FeatureStore.open(settings.features)
    problems: list[str] = []
    with Progress("verify", total=len(store.index.rows), unit="shards") as progress:
        for number in range(len(store.index.rows)):
            problems += shard_problems(store, number)
            progress.advance(1)
    if settings.segments:
        problems += table_problems(
            store, read_and_tell(settings.segments), ClipSampling(settings.num_frames, settings.views)
        )
    for problem in problems:
        print(f"verify: {problem}")
    print(
        f"verify: {len(store)} moments of {len(store.index.rows)} recordings, "
        f"{store.spec.backbone}, {store.spec.kind} {store.spec.feature_shape}: {len(problems)} problems"
    )
    return len(problems)
