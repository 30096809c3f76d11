"""The memory of `egoact tune`: an Optuna study in SQLite that can be killed at any moment and goes on as if it had not.

Every trial draws from (seed, its number) and from the trials before it, never from a generator that runs along: so
trial 17 is the same whether or not the process that tried 16 is still alive. It is kept with all that it drew, or not
at all. A trial that was cut off is taken up again, with the folds that it has already seen.
"""

import statistics
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from egoact.core.errors import ArtifactError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

STUDY_NAME = "study.sqlite3"
NUM_RANDOM = 10
_NUM_BEFORE_PRUNING = 5


@dataclass(frozen=True)
class FoldResult:
    """What one training gave on the videos that it was kept from: the objective, percent; 0 where it diverged."""

    value: float
    num_segments: int
    seconds: float
    diverged: bool = False


@dataclass(frozen=True)
class TrialResult:
    """One finished trial.

    Args:
        number: From 0; 0 is the recipe as it is.
        state: "complete", "pruned" (its first folds were worse than those of most others) or "diverged".
        value: The objective over the folds that it has seen, in percent.
        folds: The objective of each of those folds.
    """

    number: int
    state: str
    value: float
    folds: tuple[float, ...]
    seconds: float
    flags: dict[str, Any] = field(default_factory=dict)


class Study:
    """Trials on disk; a context manager, which closes the file.

    Trial 0 answers what `first` says; for what is not named there it draws.

    Raises:
        ArtifactError: A file that is no study, or one of another Optuna.
    """

    def __init__(self, folder: Path, *, seed: int, first: dict[str, Any]) -> None:
        optuna = import_optuna()
        from sqlalchemy import URL
        from sqlalchemy.exc import SQLAlchemyError

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = folder / STUDY_NAME
        self._path, self._seed, self._first = path, seed, first
        self._before: list[FrozenTrial] = []  # those that there were when the present one began
        try:
            url = URL.create("sqlite", database=str(path.resolve())).render_as_string()
            self._storage = optuna.storages.RDBStorage(url)
            self._study = optuna.create_study(
                storage=self._storage, study_name="egoact tune", direction="maximize", load_if_exists=True
            )
        except (SQLAlchemyError, RuntimeError) as error:
            reason = f"not a study of this egoact and Optuna ({type(error).__name__}); give another --out"
            raise ArtifactError(reason, path=path) from error

    def __enter__(self) -> "Study":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from sqlalchemy.exc import SQLAlchemyError

        self._storage.remove_session()
        self._storage.engine.dispose()
        if isinstance(error, import_optuna().exceptions.StorageInternalError | SQLAlchemyError):
            reason = f"cannot be written ({type(error.__cause__ or error).__name__}); the same command goes on"
            raise ArtifactError(reason, path=self._path) from error

    def next_trial(self, suggest: Callable[["Trial"], object]) -> "Trial":
        """The trial that was cut off, or a new one, kept with all its answers at once: a kill leaves none to draw."""
        optuna = import_optuna()
        is_running = optuna.trial.TrialState.RUNNING
        self._before = self._study.get_trials(deepcopy=False)
        running = [trial for trial in self._before if trial.state == is_running]
        if not running:
            self._study.add_trial(self._draw(suggest, self._before))
            running = self._study.get_trials(deepcopy=False, states=(is_running,))
        return optuna.trial.Trial(self._study, running[0]._trial_id)

    def _draw(self, suggest: Callable[["Trial"], object], before: list["FrozenTrial"]) -> "FrozenTrial":
        """The next trial, drawn in memory."""
        optuna = import_optuna()
        seed = (self._seed * 1_000_003 + len(before)) % 2**32
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=NUM_RANDOM)
        drawn = optuna.create_study(direction="maximize", sampler=sampler)
        drawn.add_trials(before)
        if not before:
            drawn.enqueue_trial(self._first)
        trial = drawn.ask()
        suggest(trial)
        state = optuna.trial.TrialState.RUNNING
        return optuna.trial.create_trial(state=state, params=trial.params, distributions=trial.distributions)

    def known_folds(self, trial: "Trial", num_folds: int) -> list[FoldResult | None]:
        """What each fold gave before the trial was cut off."""
        known = [trial.user_attrs.get(f"fold_{fold}") for fold in range(num_folds)]
        return [None if result is None else FoldResult(**result) for result in known]

    def report_fold(self, trial: "Trial", fold: int, result: FoldResult) -> float:
        """Keep what a fold gave; the objective so far, each fold weighted by its segments, or 0 if it diverged."""
        trial.set_user_attr(f"fold_{fold}", asdict(result))
        known = trial.user_attrs
        parts = [known[f"fold_{number}"] for number in range(fold + 1)]
        total = sum(part["num_segments"] for part in parts)
        so_far = 0.0 if result.diverged else sum(p["value"] * p["num_segments"] for p in parts) / total
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*already reported.*")  # killed between these two lines
            trial.report(so_far, fold)
        return so_far

    def is_hopeless(self, trial: "Trial", *, fold: int, value: float) -> bool:
        """Whether most trials before this one stood better after the same folds.

        Optuna's own median rule takes the best value of a trial so far; with folds of unequal difficulty an easy first
        one would then save every trial.
        """
        before = self._before[: trial.number]
        others = [t.intermediate_values[fold] for t in before if fold in t.intermediate_values]
        return len(others) >= _NUM_BEFORE_PRUNING and value < statistics.median(others)

    def finish(self, trial: "Trial", *, value: float | None) -> None:
        """End a trial: with its objective, or pruned (None)."""
        state = import_optuna().trial.TrialState
        if value is None:
            self._study.tell(trial, state=state.PRUNED)
        else:
            self._study.tell(trial, value)

    def results(self) -> list[TrialResult]:
        """Every finished trial, in order."""
        return [_describe(trial) for trial in self._study.get_trials(deepcopy=False) if trial.state.is_finished()]

    def importances(self) -> dict[str, float]:
        """Share of the differences between complete trials that goes with each hyperparameter, the largest first.

        Empty before there are enough trials to tell, or where all gave the same.

        Source: Hutter, Hoos and Leyton-Brown, An efficient approach for assessing hyperparameter importance (fANOVA),
        2014.
        """
        optuna = import_optuna()
        complete = self._study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        if len(complete) < 4 or len({trial.value for trial in complete}) == 1:
            return {}
        found = optuna.importance.get_param_importances(
            self._study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=self._seed % 2**32)
        )
        return {name: float(value) for name, value in found.items()}


def import_optuna() -> Any:
    """Optuna, or how to get it.

    Raises:
        ValueError: It is not installed.
    """
    try:
        import optuna
        import sklearn  # noqa: F401 - what its importances need
    except ImportError as error:
        raise ValueError(f"egoact tune needs {error.name}: pip install 'egoact[tune]'") from None
    return optuna


def _describe(trial: "FrozenTrial") -> TrialResult:
    folds = [trial.user_attrs[f"fold_{k}"] for k in range(len(trial.intermediate_values))]
    pruned = "diverged" if folds[-1]["diverged"] else "pruned"
    return TrialResult(
        number=trial.number,
        state="complete" if trial.state.name == "COMPLETE" else pruned,
        value=float(trial.value or 0.0),
        folds=tuple(part["value"] for part in folds),
        seconds=sum(part["seconds"] for part in folds),
        flags=trial.user_attrs["flags"],
    )
