"""`egoact tune-timeline`: search for good settings of `egoact train-timeline`, by cross-validation over recordings."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from egoact.commands.command_line import command_line
from egoact.commands.flags import check_known, check_least, check_some, shared_flags
from egoact.commands.learning.tune import run_search
from egoact.core import defaults
from egoact.training.tuning.segmenter_space import OPTION_SPACE, SPACE

if TYPE_CHECKING:
    from egoact.commands.learning.train_timeline import TrainTimelineSettings
    from egoact.core.annotations.labels import Target, Vocabulary
    from egoact.core.annotations.segments import SegmentTable
    from egoact.store.recordings import Recordings
    from egoact.training.tuning.search import Plan

Measure = Literal["mean", "frame_accuracy", "edit", "f1_10", "f1_25", "f1_50"]


@dataclass(frozen=True)
class TuneTimelineSettings:
    """Search for the best settings of egoact train-timeline.

    Each trial trains without each of up to four groups of recordings in turn, and is judged by what it finds in them:
    nothing but the recordings of --segments is looked at. Trial 0 is the settings as they are; then Optuna decides what
    to try. A search that was stopped goes on when the same command is given again; with more --trials, it goes further.
    """

    segments: tuple[Path, ...]
    """Segments CSV with labels, or several; keep the recordings that you will test on out of them."""
    features: tuple[Path, ...]
    """Feature store with the whole recordings. Several: used together."""
    out: Path
    """Folder for the study, trials.csv, best.json and tune.html."""
    streams: tuple[str, ...] = ()
    """Streams to choose from; default: all that the store holds."""
    segmenters: tuple[str, ...] = (defaults.SEGMENTER,)
    """Segmenters to choose from, as in egoact train-timeline; the networks and the detector take minutes a trial."""
    trials: int = 20
    """How many to make in all."""
    objective: Measure = "mean"
    """What to maximise, of actions where verbs and nouns are learned: frame accuracy, edit score, F1 at an overlap, or
    the mean of these five."""
    search: tuple[Literal[SPACE], ...] = SPACE  # pyrefly: ignore[not-a-type]
    """What to vary, as far as these segmenters have it."""
    labelled_only: bool = False
    """As in egoact train-timeline."""
    targets: tuple[Literal["verb", "noun"], ...] = ()
    """As in egoact train-timeline."""
    labels: Literal["classes", "categories"] = "classes"
    """As in egoact train-timeline."""
    merge_case: bool = False
    """As in egoact train-timeline."""
    classes: Path | None = None
    """As in egoact train-timeline."""
    seed: int = 0
    """Of choices and trainings."""

    def __post_init__(self) -> None:
        from egoact.models.detectors import TRAINABLE

        check_least(self, 1, "trials")
        check_some(self, "search", "segmenters")
        check_known("segmenter", self.segmenters, TRAINABLE)

    def train_settings(self, flags: dict[str, Any], *, run: Path) -> "TrainTimelineSettings":
        """What `egoact train-timeline` is told: what the search was told, and what a trial chose."""
        from egoact.commands.learning.train_timeline import TrainTimelineSettings

        options = tuple(f"{name}={flags[name]}" for name in OPTION_SPACE if name in flags)
        chosen: dict[str, Any] = {
            n: tuple(v) if isinstance(v, list) else v for n, v in flags.items() if n not in OPTION_SPACE
        }
        return TrainTimelineSettings(
            run=run, segmenter_options=options, **(shared_flags(self, TrainTimelineSettings) | chosen)
        )


def tune_timeline(settings: TuneTimelineSettings) -> int:
    """Make the trials that are missing and write what they gave; see `TuneTimelineSettings`."""
    from egoact.commands.learning.train_timeline import read_what_to_learn
    from egoact.store.concatenation import open_features
    from egoact.store.recordings import Recordings
    from egoact.training.tuning.search import Search
    from egoact.training.tuning.study import import_optuna

    import_optuna()
    table, vocabularies = read_what_to_learn(settings.train_settings({}, run=settings.out))
    source = open_features(settings.features, settings.streams)
    plan = _plan(settings, table, vocabularies, Recordings(source))

    def train_all(flags: dict[str, Any], _: tuple[str, ...], run: Path) -> dict[str, Any]:
        return _judge(settings.train_settings(flags, run=run), table, vocabularies)

    def command(flags: dict[str, Any]) -> list[str]:
        return shlex.split(command_line("train-timeline", settings.train_settings(flags, run=settings.out / "run")))

    run_search(settings, source, Search(settings.out, plan, train_all, command), name="tune-timeline")
    return 0


def _plan(
    settings: TuneTimelineSettings,
    table: "SegmentTable",
    vocabularies: "dict[Target, Vocabulary]",
    recordings: "Recordings",
) -> "Plan":
    from egoact.commands.learning.train_timeline import usual_rate
    from egoact.training.tuning.search import Plan
    from egoact.training.tuning.segmenter_space import SegmenterSpace

    if len(table.video_ids) < 2:
        raise ValueError(f"{table.path} labels one recording; cross-validation needs two at least")
    space = SegmenterSpace(
        names=settings.search,
        segmenters=tuple(dict.fromkeys(settings.segmenters)),
        streams=tuple(dict.fromkeys(store.spec.backbone.stream for store in recordings.stores)),
        rate=recordings.rate,
        usual_rate=usual_rate(recordings.rate),
    )
    if not space.searched:
        raise ValueError(f"--search {' '.join(settings.search)}: of these, there is nothing to choose here")
    target = "action" if len(vocabularies) > 1 else next(iter(vocabularies))
    return Plan(
        space=space, objective=f"{target}_{settings.objective}", folds=(tuple(table.video_ids),), seed=settings.seed
    )


def _judge(
    asked: "TrainTimelineSettings", table: "SegmentTable", vocabularies: "dict[Target, Vocabulary]"
) -> dict[str, Any]:
    """Measures of every target, of recordings that were left out in turn, as `egoact train-timeline` has them."""
    import numpy as np

    from egoact.commands.learning.train_timeline import prepare
    from egoact.core.errors import ArtifactError
    from egoact.store.concatenation import open_features
    from egoact.store.recordings import Recordings
    from egoact.timelines.learning.selection import RuleSelection, flat_measures
    from egoact.training.loops.steps import NotFiniteError

    work = prepare(asked, table, vocabularies, Recordings(open_features(asked.features, asked.streams)))
    held_out = list(work.hold_out(table))
    if any(np.isnan(values).any() for each in held_out for values in each.scores.values()):
        raise ArtifactError("the training diverged") from NotFiniteError("scores are not numbers", [])
    selection = RuleSelection(held_out, table, vocabularies, rate=work.config.steps_per_second)
    return flat_measures(selection.measure())
