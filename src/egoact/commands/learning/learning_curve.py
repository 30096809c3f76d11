"""`egoact learning-curve`: how much must be labelled, measured on what is labelled already."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from egoact.commands.flags import check_known, check_least, shared_flags
from egoact.core import defaults


@dataclass(frozen=True)
class LearningCurveSettings:
    """Train segmenters on growing numbers of recordings, ask them about others, and say what more labels would give.

    Each recording is left out once and answered by trainings on 1, 2, 4, ... of the others. A power law through what
    that gives says what twice as many would; its intervals come from drawing recordings anew. Writes
    learning_curve.json and learning_curve.csv.
    """

    segments: tuple[Path, ...]
    """Segments CSV with labels, or several; at least four recordings."""
    features: tuple[Path, ...]
    """Feature store with the whole recordings. Several: used together."""
    out: Path
    """Folder to write."""
    streams: tuple[str, ...] = ()
    """Streams to learn from; default: all that the store holds."""
    segmenter: str = defaults.SEGMENTER
    """As in egoact train-timeline; the networks and the detector take long."""
    metric: Literal["f1_25", "f1_50", "edit", "frame_accuracy"] = "f1_25"
    """What is measured, of actions where verbs and nouns are learned."""
    repetitions: int = 3
    """Trainings of each size for each recording that is left out."""
    labelled_only: bool = False
    """As in egoact train-timeline."""
    targets: tuple[Literal["verb", "noun"], ...] = ()
    """As in egoact train-timeline."""
    merge_case: bool = False
    """As in egoact train-timeline."""
    classes: Path | None = None
    """As in egoact train-timeline."""
    seed: int = 0
    """Of the draws of recordings."""

    def __post_init__(self) -> None:
        from egoact.models.detectors import TRAINABLE

        check_known("segmenter", [self.segmenter], TRAINABLE)
        check_least(self, 1, "repetitions")


def learning_curve(settings: LearningCurveSettings) -> int:
    """Measure and write the curve."""
    from egoact.commands.learning.train_timeline import TrainTimelineSettings, prepare, read_what_to_learn
    from egoact.core.files import write_csv, write_json
    from egoact.core.progress import Progress
    from egoact.store.concatenation import open_features
    from egoact.store.recordings import Recordings
    from egoact.timelines.learning.learning_curve import plan_trials, run_trials, summarize_curve
    from egoact.timelines.output import check_writable

    asked = TrainTimelineSettings(run=settings.out, **shared_flags(settings, TrainTimelineSettings))
    table, vocabularies = read_what_to_learn(asked)
    trials = plan_trials(table.video_ids, repetitions=settings.repetitions, seed=settings.seed)
    check_writable(settings.out)
    work = prepare(asked, table, vocabularies, Recordings(open_features(settings.features, settings.streams)))
    with Progress("learning curve", total=len(trials), unit="trainings") as progress:
        measured = run_trials(work, trials, table, metric=settings.metric, advance=progress.advance)
    curve = summarize_curve(measured, metric=settings.metric, seed=settings.seed)
    points = [("measured", p) for p in curve["measured"]] + [("extrapolated", p) for p in curve["extrapolated"]]
    columns = ("num_recordings", "value", "low", "high")
    rows = [(kind, *(point[name] for name in columns)) for kind, point in points]
    write_csv(settings.out / "learning_curve.csv", [("kind", *columns), *rows])
    write_json(settings.out / "learning_curve.json", curve)
    print(f"{curve['metric']} by recordings learned from, with 95 % intervals:")
    for kind, point in points:
        interval = f"({point['low']:.0f} to {point['high']:.0f})"
        print(f"  {point['num_recordings']:4d}  {point['value']:5.1f} {interval:>12}  {kind}")
    print(curve["verdict"])
    return 0
