"""`egoact train --folds`: each recording, or participant, left out once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from egoact.core.annotations.segments import SegmentTable

Train = Callable[[Sequence[tuple[Path, tuple[str, ...]]]], None]
"""Trains runs: the folder of each, and the recordings that it does without."""


def cross_validate(
    table: "SegmentTable", *, features: tuple[Path, ...], run: Path, num_folds: int, seed: int, train: Train
) -> None:
    """Train a run on all recordings but some, and again, until each was left out once; writes cross_validation.json."""
    from egoact.core.files import write_json
    from egoact.runs.loading import load_run
    from egoact.training.cross_validation import choose_folds, describe_folds, measure_fold, summarize

    folds = choose_folds(table, num_folds=num_folds, seed=seed)
    every = [(run / "folds" / str(number), videos) for number, videos in enumerate(folds.videos)]
    train(every)
    measured = []
    for fold, videos in every:
        trained, held_out = load_run(fold), table.select(lambda segment, videos=videos: segment.video_id in videos)  # type: ignore[misc]
        scores = trained.score(held_out, features).by_target()
        measured.append(measure_fold(scores, held_out, trained.config.vocabularies))
    summary = summarize(measured)
    told = [{"videos": list(v), "metrics": m} for v, m in zip(folds.videos, measured, strict=True)]
    write_json(run / "cross_validation.json", {"by": folds.by, "summary": summary, "folds": told})
    print(describe_folds(folds, summary))
