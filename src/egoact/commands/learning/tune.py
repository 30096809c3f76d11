"""`egoact tune`: search for good settings of `egoact train`, judged by cross-validation over whole videos."""

import contextlib
import io
import shlex
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from egoact.commands.command_line import command_line
from egoact.commands.flags import check_known, check_least, check_some, shared_flags
from egoact.core import defaults
from egoact.core.bounds import load_json
from egoact.training.recipes import LOSSES, choose_recipe
from egoact.training.tuning.space import SPACE

if TYPE_CHECKING:
    from egoact.commands.learning.train import TrainSettings
    from egoact.core.annotations.segments import SegmentTable
    from egoact.store.concatenation import FeatureSource
    from egoact.training.tuning.search import Plan, Search

Objective = Literal["verb_top1", "verb_mean_class", "noun_top1", "noun_mean_class", "action_top1", "action_mean_class"]


@dataclass(frozen=True)
class TuneSettings:
    """Search for the best settings of egoact train.

    Each trial trains once a fold, without that fold's videos, and is judged by them. Trial 0 is the recipe as it is;
    then Optuna decides what to try. Trials that do worse than most after the same folds are given up. A search that
    was stopped goes on when the same command is given again; with more --trials, it goes further.
    """

    segments: tuple[Path, ...]
    """Segments CSV with labels, or several; keep what you will test on out of them."""
    features: tuple[Path, ...]
    """Feature store made by egoact extract; must hold all segments. Several: their features are used together."""
    out: Path
    """Folder for the study, trials.csv, best.json and tune.html."""
    streams: tuple[Literal["rgb", "grid", "difference", "motion"], ...] = ()
    """Streams of --features to use, see egoact extract; default: all that are there."""
    merge_case: bool = False
    """Labels that differ in case and spaces alone are one class, spelt as most of them are."""
    num_frames: int = defaults.NUM_FRAMES
    """Frames per clip."""
    views: int = 1
    """Clips per segment, as in egoact train."""
    trials: int = 40
    """How many to make in all."""
    seeds: int = 1
    """Train so many models a fold side by side, as egoact train --seeds, and judge a trial by their mean."""
    folds: int = 5
    """Parts of the videos for cross-validation; no video is divided."""
    objective: Objective | None = None
    """What to maximise; default: action_top1, or verb_top1 (noun_top1) where there is one target."""
    search: tuple[Literal[SPACE], ...] = SPACE  # pyrefly: ignore[not-a-type]
    """What to vary."""
    heads: tuple[str, ...] = ()
    """Heads to choose from; default: all that take these features."""
    losses: tuple[Literal[LOSSES], ...] = LOSSES  # pyrefly: ignore[not-a-type]
    """Losses to choose from."""
    fix: tuple[str, ...] = ()
    """Hyperparameters of the recipe to hold, as NAME=VALUE: epochs=30 class_weights=inverse."""
    fusion: Literal["early", "late", "sum", "max", "conv"] = "early"
    """As in egoact train."""
    joint: bool = False
    """As in egoact train."""
    targets: tuple[Literal["verb", "noun"], ...] = ()
    """As in egoact train."""
    labels: Literal["classes", "categories"] = "classes"
    """As in egoact train."""
    classes: Path | None = None
    """As in egoact train."""
    recipe: str = "default"
    """What is not varied stays as in this recipe."""
    seed: int = 0
    """Of folds, choices and trainings."""
    device: str = "auto"
    """auto, cpu or cuda."""

    def __post_init__(self) -> None:
        from egoact.models.heads import HEADS

        check_least(self, 1, "trials", "seeds")
        check_least(self, 2, "folds")
        check_some(self, "search", "losses")
        check_known("head", self.heads, HEADS)
        self.fixed()

    def fixed(self) -> dict[str, Any]:
        """--fix as keyword arguments."""
        from egoact.commands.learning.train_settings import parse_options

        fixed = parse_options(self.fix)
        choose_recipe(self.recipe, **fixed)
        return fixed

    @property
    def searched(self) -> tuple[str, ...]:
        """What is varied: --search without --fix."""
        return tuple(name for name in self.search if name not in self.fixed())

    def train_settings(self, flags: dict[str, Any], *, run: Path, **changes: Any) -> "TrainSettings":
        """What `egoact train` is told: what the search was told, what a trial chose, and some changes."""
        from egoact.commands.learning.train import TrainSettings

        shared = shared_flags(self, TrainSettings, but=("folds", "seeds"))
        options: dict[str, Any] = {
            name: tuple(value) if isinstance(value, (list, tuple)) else value for name, value in flags.items()
        }
        return TrainSettings(run=run, **(shared | self.fixed() | options | changes))


def tune(settings: TuneSettings) -> int:
    """Make the trials that are missing and write what they gave; see `TuneSettings`."""
    from egoact.commands.labels import read_and_tell
    from egoact.core.sampling import ClipSampling
    from egoact.store.concatenation import open_features
    from egoact.training.sharing import num_processes
    from egoact.training.tuning.search import Search
    from egoact.training.tuning.study import import_optuna

    import_optuna()
    table = read_and_tell(settings.segments, merge_case=settings.merge_case)
    store = open_features(settings.features, settings.streams)
    store.locate(table, ClipSampling(settings.num_frames, settings.views))

    def command(flags: dict[str, Any]) -> list[str]:
        return shlex.split(command_line("train", settings.train_settings(flags, run=settings.out / "run")))

    plan = _plan(settings, table, store)
    # Several seeds share the cores by themselves.
    num_workers = num_processes(len(plan.folds), device=settings.device) - 1 if settings.seeds == 1 else 0
    search = Search(settings.out, plan, partial(_train_fold, settings), command)
    run_search(settings, store, search, name="tune", num_workers=num_workers)
    return 0


def run_search(settings: Any, store: "FeatureSource", search: "Search", *, name: str, num_workers: int = 0) -> None:
    """Make the trials that are missing, by the settings of a search, and print the command that means the best one."""
    from egoact.core.files import locked
    from egoact.core.processes import worker_processes
    from egoact.training.run_folder import plain
    from egoact.training.tuning.search import refuse_foreign

    refuse_foreign(settings.out)
    with locked(settings.out, command=name), worker_processes(num_workers) as workers:
        # A search of one seed is that of an egoact which knew no others.
        left_out = ("out", "trials", *(["seeds"] if getattr(settings, "seeds", 0) == 1 else []))
        search = replace(search, workers=workers)
        search.claim(plain(settings, leave_out=left_out), settings.segments, store)
        best = search.go(settings.trials)
    print(shlex.join(search.command(best.flags)))


def _train_fold(settings: TuneSettings, flags: dict[str, Any], videos: tuple[str, ...], run: Path) -> dict[str, Any]:
    """To the last epoch: stopping early, or keeping the best epoch, would be peeking."""
    from egoact.commands.learning.train import train
    from egoact.training.cross_validation import mean_of_seeds
    from egoact.training.run_folder import METRICS_NAME

    how = {"validation_videos": videos, "select": "last", "patience": 0, "seeds": settings.seeds}
    asked = settings.train_settings(flags, run=run, **how)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train(asked)
    return load_json(run / METRICS_NAME) if settings.seeds == 1 else mean_of_seeds(run)


def _plan(settings: TuneSettings, table: "SegmentTable", store: "FeatureSource") -> "Plan":
    from egoact.core.annotations.labels import TARGETS, build_vocabulary
    from egoact.core.annotations.segments import split_into_folds
    from egoact.training.tuning.search import Plan
    from egoact.training.tuning.space import ClipSpace

    known = [t for t in TARGETS if t in (settings.targets or TARGETS) and build_vocabulary(table, t) is not None]
    if not known:
        raise ValueError(f"{table.path} has no {' or '.join(settings.targets or TARGETS)} labels to learn")
    measured = [*known, "action"] if len(known) == 2 else known
    objective = settings.objective or f"{measured[-1]}_top1"
    if objective.partition("_")[0] not in measured:
        raise ValueError(f"--objective {objective}: what is learned here is {', '.join(known)}")
    folds = split_into_folds([s.video_id for s in table], num_folds=settings.folds, seed=settings.seed)
    space = ClipSpace(
        searched=settings.searched,
        heads=_possible_heads(settings, store),
        losses=settings.losses,
        recipe=choose_recipe(settings.recipe),
        fixed=settings.fixed(),
    )
    return Plan(space=space, objective=objective, folds=folds, seed=settings.seed)


def _possible_heads(settings: TuneSettings, store: "FeatureSource") -> tuple[str, ...]:
    """The default head first, where it is among them."""
    from egoact.models.heads import DEFAULT_HEAD, HEADS, build_head

    first, num_frames = store.specs[0].backbone.feature_shape, settings.num_frames
    shape = (sum(spec.backbone.feature_shape[0] for spec in store.specs), *first[1:])
    if settings.heads:
        for head in settings.heads:
            build_head(head, feature_shape=shape, num_frames=num_frames)
        return tuple(dict.fromkeys(settings.heads))
    possible = []
    for head in (DEFAULT_HEAD, *HEADS):
        with contextlib.suppress(ValueError):
            build_head(head, feature_shape=shape, num_frames=num_frames)
            possible.append(head)
    return tuple(dict.fromkeys(possible))
