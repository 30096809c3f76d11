"""`egoact tune`: search for good settings of `egoact train`, judged by cross-validation over whole videos."""

import contextlib
import io
import json
import shlex
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from egoact.core.errors import ArtifactError
from egoact.core.folds import split_into_folds
from egoact.core.labels import TARGETS, build_vocabulary
from egoact.core.progress import Progress
from egoact.core.segments import SegmentTable, read_segments
from egoact.data.folder_lock import FolderLock
from egoact.data.stack import FeatureSource, open_features
from egoact.models.fusion import Fusion
from egoact.models.heads import DEFAULT_HEAD, HEADS, build_head
from egoact.models.learner import NotFiniteError
from egoact.models.losses import LOSSES
from egoact.models.recipes import choose_recipe
from egoact.stages._run_files import METRICS_NAME, write_json
from egoact.stages._search_files import (
    IMPORTANCES_NAME,
    Plan,
    best_of,
    claim,
    command_for,
    refuse_foreign,
    summarize,
    train_settings,
    write_results,
)
from egoact.stages._search_space import SPACE, suggest_flags, usual_answers
from egoact.stages._study import FoldResult, Study, import_optuna
from egoact.stages._train_settings import parse_options
from egoact.stages.train import train

Objective = Literal["verb_top1", "verb_mean_class", "noun_top1", "noun_mean_class", "action_top1", "action_mean_class"]


@dataclass(frozen=True)
class TuneSettings:
    """Search for the best settings of egoact train.

    Each trial trains once a fold, without that fold's videos, and is judged by them. Trial 0 is the recipe as it is;
    then Optuna decides what to try. Trials that do worse than most after the same folds are given up. A search that
    was stopped goes on when the same command is given again; with more --trials, it goes further.
    """

    segments: Path
    """Segments CSV with labels; keep what you will test on out of it."""
    features: tuple[Path, ...]
    """Feature store made by egoact extract; must hold all segments. Several: their features are used together."""
    out: Path
    """Folder for the study, trials.csv, best.json and tune.html."""
    trials: int = 40
    """How many to make in all."""
    folds: int = 5
    """Parts of the videos for cross-validation; no video is divided."""
    objective: Objective | None = None
    """What to maximise; default: action_top1, or verb_top1 (noun_top1) where there is one target."""
    search: tuple[Literal[SPACE], ...] = SPACE  # type: ignore[valid-type]
    """What to vary."""
    heads: tuple[str, ...] = ()
    """Heads to choose from; default: all that take these features."""
    losses: tuple[Literal[LOSSES], ...] = LOSSES  # type: ignore[valid-type]
    """Losses to choose from."""
    fix: tuple[str, ...] = ()
    """Hyperparameters of the recipe to hold, as NAME=VALUE: epochs=30 class_weights=inverse."""
    fusion: Fusion = "early"
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
        if self.trials < 1:
            raise ValueError(f"--trials must be at least 1, got {self.trials}")
        if self.folds < 2:
            raise ValueError(f"--folds must be at least 2, got {self.folds}")
        for name in ("search", "losses"):
            if not getattr(self, name):
                raise ValueError(f"--{name} needs one name at least")
        if unknown := [head for head in self.heads if head not in HEADS]:
            raise ValueError(f"unknown head {unknown[0]!r}; there are {', '.join(HEADS)}")
        self.fixed()

    def fixed(self) -> dict[str, Any]:
        """--fix as keyword arguments.

        Raises:
            ValueError: Not of a recipe, or impossible.
        """
        fixed = parse_options(self.fix)
        choose_recipe(self.recipe, **fixed)
        return fixed

    @property
    def searched(self) -> tuple[str, ...]:
        """What is varied: --search without --fix."""
        return tuple(name for name in self.search if name not in self.fixed())


def tune(settings: TuneSettings) -> int:
    """Make the trials that are missing and write what they gave; see `TuneSettings`.

    Raises:
        AnnotationError: Labels that cannot be used.
        ArtifactError: Features that are missing, or a search of other settings or data in `out`.
    """
    import_optuna()
    table, store = read_segments(settings.segments), open_features(settings.features)
    store.rows(table)
    plan = _plan(settings, table, store)
    refuse_foreign(settings.out)
    lock = FolderLock(settings.out, command="tune")
    lock.acquire()
    try:
        claim(settings, plan, store)
        first = usual_answers(
            choose_recipe(settings.recipe), search=settings.searched, heads=plan.heads, losses=settings.losses
        )
        with Study(settings.out, seed=settings.seed, first=first) as study:
            _search(settings, plan, study)
            write_json(settings.out / IMPORTANCES_NAME, study.importances())
            results = study.results()
    finally:
        lock.release()
    best = best_of(results)
    if best is None:
        raise ArtifactError(
            "every trial diverged: nothing to recommend; search smaller learning rates", path=settings.out
        )
    print(summarize(settings, plan, results, best))
    print(shlex.join(command_for(settings, best.flags)))
    return 0


def _plan(settings: TuneSettings, table: SegmentTable, store: FeatureSource) -> Plan:
    known = [t for t in TARGETS if t in (settings.targets or TARGETS) and build_vocabulary(table, t) is not None]
    if not known:
        raise ValueError(f"{settings.segments} has no {' or '.join(settings.targets or TARGETS)} labels to learn")
    measured = [*known, "action"] if len(known) == 2 else known
    objective = settings.objective or f"{measured[-1]}_top1"
    if objective.partition("_")[0] not in measured:
        raise ValueError(f"--objective {objective}: what is learned here is {', '.join(known)}")
    folds = split_into_folds([s.video_id for s in table], num_folds=settings.folds, seed=settings.seed)
    return Plan(_possible_heads(settings, store), objective, folds)


def _possible_heads(settings: TuneSettings, store: FeatureSource) -> tuple[str, ...]:
    """The default head first, where it is among them."""
    first, num_frames = store.specs[0].feature_shape, store.specs[0].num_frames
    shape = (sum(spec.feature_shape[0] for spec in store.specs), *first[1:])
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


def _search(settings: TuneSettings, plan: Plan, study: Study) -> None:
    missing = settings.trials - len(study.results())
    write_results(settings, plan, study.results())
    with Progress("tune", total=max(missing, 0) * len(plan.folds), unit="folds") as progress:
        while len(results := study.results()) < settings.trials:
            best = best_of(results)
            note = "" if best is None else f"best {plan.objective} {best.value:.1f} %"
            for num_folds in _make_trial(settings, plan, study):
                progress.advance(num_folds, note=note)
            write_results(settings, plan, study.results())


def _make_trial(settings: TuneSettings, plan: Plan, study: Study) -> Iterator[int]:
    """One trial, new or cut off; yields how many folds are done or given up."""
    trial = study.next_trial()
    flags = suggest_flags(trial, search=settings.searched, heads=plan.heads, losses=settings.losses)
    trial.set_user_attr("flags", flags)
    value = 0.0
    for fold, videos in enumerate(plan.folds):
        result = study.known_fold(trial, fold)
        if result is None:
            run = settings.out / "fold"
            shutil.rmtree(run, ignore_errors=True)  # what a killed search left
            result = _train_fold(settings, plan, flags, videos, run)
            shutil.rmtree(run, ignore_errors=True)
        value = study.report_fold(trial, fold, result)
        if result.diverged or study.is_hopeless(trial, fold=fold, value=value):
            study.finish(trial, value=None)
            yield len(plan.folds) - fold
            return
        yield 1
    study.finish(trial, value=value)


def _train_fold(
    settings: TuneSettings, plan: Plan, flags: dict[str, Any], videos: tuple[str, ...], run: Path
) -> FoldResult:
    """Train without some videos, to the last epoch: stopping early, or keeping the best epoch, would be peeking."""
    began = time.monotonic()
    chosen = train_settings(settings, flags, run=run, validation_videos=videos, select="last", patience=0)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            train(chosen)
    except ArtifactError as error:
        if not isinstance(error.__cause__, NotFiniteError):
            raise
        return FoldResult(value=0.0, num_segments=0, seconds=round(time.monotonic() - began, 3), diverged=True)
    metrics = json.loads((run / METRICS_NAME).read_text(encoding="utf-8"))
    target, _, measure = plan.objective.partition("_")
    seconds = round(time.monotonic() - began, 3)
    return FoldResult(value=metrics[target][measure], num_segments=metrics["num_segments"], seconds=seconds)
