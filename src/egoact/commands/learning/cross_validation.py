"""`egoact train --folds`: each recording, or participant, left out once."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from egoact.commands.learning.train_settings import TrainSettings


def cross_validate(settings: TrainSettings, train: Callable[[TrainSettings], int]) -> None:
    """Train a run on all recordings but some, and again, until each was left out once; writes cross_validation.json."""
    from egoact.core.annotations.union import merge_spellings, read_labels
    from egoact.core.files import write_json
    from egoact.runs.loading import load_run
    from egoact.training.cross_validation import choose_folds, describe_folds, measure_fold, summarize
    from egoact.training.sharing import share_out

    table = read_labels(settings.segments)
    table = merge_spellings(table) if settings.merge_case else table
    folds = choose_folds(table, num_folds=settings.folds, seed=settings.seed)
    every = [
        replace(settings, run=settings.run / "folds" / str(number), validation_videos=videos, folds=0, select="last")
        for number, videos in enumerate(folds.videos)
    ]
    if settings.machine().is_alone and settings.chosen_recipe(len(table)).solver != "ridge":
        share_out(partial(_train_folds, train), every, device=settings.device, is_divisible=False)
    else:  # in closed form one is trained before another process would have begun
        _train_folds(train, every, until=1.0)
    measured = []
    for fold, videos in zip(every, folds.videos, strict=True):
        run, held_out = load_run(fold.run), table.select(lambda segment, videos=videos: segment.video_id in videos)
        scores = run.score(held_out, settings.features).by_target()
        measured.append(measure_fold(scores, held_out, run.config.vocabularies))
    summary = summarize(measured)
    told = [{"videos": list(v), "metrics": m} for v, m in zip(folds.videos, measured, strict=True)]
    write_json(settings.run / "cross_validation.json", {"by": folds.by, "summary": summary, "folds": told})
    print(describe_folds(folds, summary))


def _train_folds(train: Callable[[TrainSettings], int], runs: Sequence[TrainSettings], *, until: float) -> None:
    """To the end, one after another; `until` is what `share_out` says of runs that can be divided."""
    assert until == 1.0
    for each in runs:
        print(f"fold {int(each.run.name) + 1}: without {', '.join(each.validation_videos)}", flush=True)
        train(each)
