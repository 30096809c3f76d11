"""`egoact compare`: many models on the same segments, or the timelines of one person, in one table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from egoact.commands.flags import check_least, check_together
from egoact.core import defaults

COMPARISON_NAME = "comparison.json"
TABLE_NAME = "comparison.csv"


@dataclass(frozen=True)
class CompareSettings:
    """Compare models on the same segments: accuracy with intervals, significance, size and speed.

    Intervals are of 95 %, from draws of whole videos. Differences in top-1 are tested by McNemar's exact test,
    corrected by Holm's method for the number of models. Of runs of egoact train-timeline, or evaluations of timelines:
    frame accuracy, edit score and F1; differences are tested by exchanging the answers of whole recordings.

    With --timelines A B: two recordings, or two weeks of recordings, of the same person, and what became slower, rarer
    or more frequent from A to B.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Folders that egoact evaluate wrote, or run directories."""
    out: Path
    """Folder for comparison.csv, comparison.json and comparison.html."""
    timelines: tuple[Path, ...] = ()
    """Instead of runs: two timelines (timeline.json or timeline.csv), or folders of them, the earlier one first."""
    segments: tuple[Path, ...] = ()
    """Segments CSV with labels, or several, to measure run directories on; of runs of egoact train-timeline the whole
    recordings that they label."""
    features: tuple[Path, ...] = ()
    """Feature stores that hold those segments; each run reads the one, or those, of its backbones."""
    against: Literal["first", "best"] = "first"
    """Which model the others are tested against: the first one given, or the one with the best top-1 (of actions,
    where all know them)."""
    draws: int = defaults.NUM_BOOTSTRAP_DRAWS
    """Draws of videos, or of occurrences in a single recording, for the intervals."""
    rounds: int = 50
    """Times to measure how long one clip takes."""
    seed: int = 0
    """Of the draws."""
    action_scoring: Literal["per_segment", "published"] = "per_segment"
    """As in egoact evaluate."""

    def __post_init__(self) -> None:
        if self.timelines and (self.runs or self.segments or self.features):
            raise ValueError("--timelines stands alone: no runs, --segments or --features with it")
        if self.timelines and (len(self.timelines) != 2 or self.timelines[0].resolve() == self.timelines[1].resolve()):
            raise ValueError(f"--timelines takes two different files or folders, got {len(self.timelines)}")
        if not self.runs and not self.timelines:
            raise ValueError("give the runs or evaluation folders to compare")
        check_together(self, "segments", "features")
        check_least(self, 1, "draws", "rounds")


def compare(settings: CompareSettings) -> int:
    """Write comparison.json and comparison.csv; see `CompareSettings`."""
    if settings.timelines:
        from egoact.timelines.comparison import compare_timeline_files

        compare_timeline_files(
            *settings.timelines,
            out=settings.out,
            json_name=COMPARISON_NAME,
            table_name=TABLE_NAME,
            num_draws=settings.draws,
            seed=settings.seed,
        )
        return 0
    if any(map(answers_with_timelines, settings.runs)):
        return _compare_finders(settings)
    import pandas as pd

    from egoact.core.files import make_folder, write_json, write_table
    from egoact.core.metrics.comparison import compare_models
    from egoact.evaluation.models import align, best_of, flatten, measure_costs, name_apart, notes_of, rank, read_model

    names = name_apart(settings.runs)
    found = [read_model(p, segments=settings.segments, features=settings.features) for p in settings.runs]
    models = {name: align(one, found[0]) for name, one in zip(names, found, strict=True)}
    ranks = {name: rank(candidate, settings.action_scoring) for name, candidate in models.items()}
    reference = names[0] if settings.against == "first" else best_of(ranks)
    video_ids = found[0].video_ids
    table = compare_models(ranks, video_ids, reference=reference, num_draws=settings.draws, seed=settings.seed)
    costs = measure_costs(models, settings.rounds)
    document: dict[str, Any] = {
        "segments": found[0].segments,
        "num_segments": len(video_ids),
        "num_videos": len(set(video_ids)),
        "num_draws": settings.draws,
        "reference": reference,
        "models": [
            {"name": n, "path": str(models[n].path), "notes": notes_of(models[n]), **costs[n], **table[n]}
            for n in names
        ],
    }
    make_folder(settings.out)
    rows = sorted((flatten(model) for model in document["models"]), key=len, reverse=True)
    columns = dict.fromkeys(column for row in rows for column in row)  # the reference has no differences
    written = pd.DataFrame(map(flatten, document["models"]), columns=list(columns))
    write_table(settings.out / TABLE_NAME, written, index=False)
    write_json(settings.out / COMPARISON_NAME, document)
    return 0


def answers_with_timelines(path: Path) -> bool:
    """Whether this is a run of `egoact train-timeline`, or what `egoact evaluate` wrote of timelines."""
    from egoact.core.timelines.files import holds_timelines
    from egoact.runs.segmenter import is_segmenter

    return holds_timelines(path) or is_segmenter(path)


def _compare_finders(settings: CompareSettings) -> int:
    """Of models that find actions in recordings."""
    from egoact.core.errors import ArtifactError
    from egoact.core.files import make_folder, write_csv, write_json
    from egoact.evaluation.models import name_apart
    from egoact.timelines.model_comparison import compare_finders, read_finder, table_rows

    names = name_apart(settings.runs)
    if odd := [path for path in settings.runs if not answers_with_timelines(path)]:
        reason = "names clips, or is no model; the others find actions in recordings, and cannot be compared with it"
        raise ArtifactError(reason, path=odd[0])
    found = [read_finder(p, segments=settings.segments, features=settings.features) for p in settings.runs]
    document = compare_finders(
        dict(zip(names, found, strict=True)), against=settings.against, num_draws=settings.draws, seed=settings.seed
    )
    make_folder(settings.out)
    write_csv(settings.out / TABLE_NAME, table_rows(document))
    write_json(settings.out / COMPARISON_NAME, {"finders": document})
    return 0
