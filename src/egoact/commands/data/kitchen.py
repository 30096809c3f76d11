"""`egoact kitchen`: make the built-in kitchen's videos and labels."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class KitchenSettings:
    """Render first-person kitchen videos with labels, in EPIC-KITCHENS layout; the same flags give the same bytes."""

    out: Path
    """Folder for videos/, train.csv, validation.csv, verb_classes.csv and noun_classes.csv."""
    videos: int = 36
    """How many recordings, at least 2; one in five shows a kitchen that is only in validation.csv."""
    seed: int = 0
    """Of all choices."""
    workers: int = 2
    """Processes that render."""


def kitchen(settings: KitchenSettings) -> int:
    """Make the data set; 0, or an error."""
    from egoact.core.progress import Progress
    from egoact.kitchen import make_kitchen

    with Progress("kitchen", total=settings.videos, unit="videos") as progress:
        made = make_kitchen(
            settings.out,
            num_videos=settings.videos,
            seed=settings.seed,
            workers=settings.workers,
            progress=lambda done, total: progress.advance(1),
        )
    print(
        f"{made.num_videos} videos, {made.num_train_segments} training and "
        f"{made.num_validation_segments} validation segments in {made.out}"
    )
    return 0
