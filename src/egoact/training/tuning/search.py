"""A search for good hyperparameters: trials, each judged by cross-validation over whole videos.

    study.sqlite3      everything; see `study`
    tune.json          what was asked for
    trials.csv, best.json, importances.json

Knows no flags: how a fold is trained, and how a result is said as a command, is told by whoever searches.
"""

import hashlib
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from egoact.core.errors import ArtifactError
from egoact.core.files import LOCK_NAME, write_csv, write_json
from egoact.core.progress import Progress
from egoact.store.concatenation import FeatureSource
from egoact.training.loops.steps import NotFiniteError
from egoact.training.run_folder import changed_settings
from egoact.training.tuning.space import Space
from egoact.training.tuning.study import FoldResult, Study, TrialResult

TUNE_NAME = "tune.json"
TRIALS_NAME = "trials.csv"
BEST_NAME = "best.json"
IMPORTANCES_NAME = "importances.json"

Flags = dict[str, Any]
Train = Callable[[Flags, tuple[str, ...], Path], Mapping[str, Any]]


@dataclass(frozen=True)
class Plan:
    """What is searched, what is maximised, such as "verb_top1", and the videos of each fold."""

    space: Space
    objective: str
    folds: tuple[tuple[str, ...], ...]
    seed: int


@dataclass(frozen=True)
class Search:
    """A search in a folder.

    Args:
        train: Trains with some flags, without some videos, in a run directory; gives the metrics on those videos.
        command: The words of the command that trains on all videos with some flags.
        workers: Processes that train folds beside this one; `train` is pickled for them.
    """

    out: Path
    plan: Plan
    train: Train
    command: Callable[[Flags], list[str]]
    workers: Sequence[Executor] = ()

    def claim(self, settings: dict[str, Any], segments: Sequence[Path], store: FeatureSource) -> None:
        """Make the folder ours; refuse to mix trials of other settings, labels or features."""
        path = self.out / TUNE_NAME
        described = settings | {
            **self.plan.space.describe(),
            "objective": self.plan.objective,
            "segments_hash": hashlib.sha256(b"".join(path.read_bytes() for path in segments)).hexdigest(),
            "features_fingerprint": [spec.fingerprint for spec in store.specs],
        }
        if path.exists():
            if changed := changed_settings(path, described, remedy="give another --out"):
                reason = f"holds a search of other settings ({'; '.join(changed[:2])}); give another --out"
                raise ArtifactError(reason, path=self.out)
        else:
            content = {"settings": described, "folds": self.plan.folds, "searched": self.plan.space.searched}
            write_json(path, content)

    def go(self, num_trials: int) -> TrialResult:
        """Make the trials that are missing, and write what they gave; gives the best.

        Raises:
            ArtifactError: Every trial diverged.
        """
        with Study(self.out, seed=self.plan.seed, first=self.plan.space.default_parameters()) as study:
            self._search(study, num_trials)
            write_json(self.out / IMPORTANCES_NAME, study.importances())
            results = study.results()
        shutil.rmtree(self.out / "fold", ignore_errors=True)
        best = best_of(results)
        if best is None:
            raise ArtifactError(
                "every trial diverged: nothing to recommend; search smaller learning rates", path=self.out
            )
        num_folds, usual = len(self.plan.folds), self._recipe_value(results)
        text = f"best of {len(results)} trials: {self.plan.objective} {best.value:.1f} %"
        text += f" over {num_folds} folds" if num_folds > 1 else ""
        text += "" if usual is None else f" (the recipe as it is: {usual:.1f} %)"
        print(f"{text}; to train on all videos with it:")
        return best

    def _search(self, study: Study, num_trials: int) -> None:
        results, num_folds = study.results(), len(self.plan.folds)
        self._write(results)
        with Progress("tune", total=max(num_trials - len(results), 0) * num_folds, unit="folds") as progress:
            while len(results) < num_trials:
                best = best_of(results)
                note = "" if best is None else f"best {self.plan.objective} {best.value:.1f} %"
                for num_done in self._make_trial(study):
                    progress.advance(num_done, note=note)
                results = study.results()
                self._write(results)

    def _make_trial(self, study: Study) -> Iterator[int]:
        """One trial, new or cut off; yields how many folds are done or given up."""
        plan, trial = self.plan, study.next_trial(self.plan.space.suggest)
        flags = plan.space.suggest(trial)
        trial.set_user_attr("flags", flags)
        value = 0.0
        known = study.known_folds(trial, len(plan.folds))
        trainings = self._trainings(flags, [fold for fold, result in enumerate(known) if result is None])
        for fold, before in enumerate(known):
            result = before or next(trainings)()
            value = study.report_fold(trial, fold, result)
            is_hopeless = len(plan.folds) > 1 and study.is_hopeless(trial, fold=fold, value=value)
            if result.diverged or is_hopeless:
                study.finish(trial, value=None)
                yield len(plan.folds) - fold
                return
            yield 1
        study.finish(trial, value=value)

    def _trainings(self, flags: Flags, folds: Sequence[int]) -> Iterator[Callable[[], FoldResult]]:
        """What trains each of some folds: this process one, while each of the others trains another.

        What is not asked for, because a trial is hopeless, is given up.
        """
        judge = partial(judge_fold, self.train, self.plan.objective, flags)
        work = [(self.plan.folds[fold], self.out / "fold" / str(fold)) for fold in folds]
        for first in range(0, len(work), 1 + len(self.workers)):
            own, *others = work[first : first + 1 + len(self.workers)]
            coming = [w.submit(judge, *each) for w, each in zip(self.workers, others, strict=False)]
            yield partial(judge, *own)
            yield from (each.result for each in coming)

    def _recipe_value(self, results: list[TrialResult]) -> float | None:
        """What the recipe as it is reached in trial 0; None where the search begins elsewhere, or that diverged."""
        first = results[0]
        return first.value if self.plan.space.is_usual(first.flags) and first.state == "complete" else None

    def _write(self, results: list[TrialResult]) -> None:
        """trials.csv and best.json, as of now."""
        names = list(dict.fromkeys(name for result in results for name in result.flags))
        folds = [f"fold_{number}" for number in range(len(self.plan.folds))]
        rows: list[list[Any]] = [["trial", "state", self.plan.objective, *folds, "seconds", *names]]
        for result in results:
            seen = [*result.folds, *[""] * (len(folds) - len(result.folds))]
            flags = [result.flags.get(name, "") for name in names]
            shown = [" ".join(value) if isinstance(value, (list, tuple)) else value for value in flags]
            rows.append([result.number, result.state, result.value, *seen, round(result.seconds, 3), *shown])
        write_csv(self.out / TRIALS_NAME, rows)
        if (best := best_of(results)) is not None:
            content = {
                "trial": best.number,
                "objective": self.plan.objective,
                "value": best.value,
                "folds": best.folds,
                "recipe_value": self._recipe_value(results),
                "settings": dict(self.plan.space.fixed) | best.flags,
                "command": shlex.join(self.command(best.flags)),
            }
            write_json(self.out / BEST_NAME, content)


def judge_fold(train: Train, objective: str, flags: Flags, videos: tuple[str, ...], run: Path) -> FoldResult:
    """Train without some videos, in a folder that is gone afterwards, and see how it does on them."""
    began = time.monotonic()
    shutil.rmtree(run, ignore_errors=True)  # what a killed search left
    try:
        metrics = train(flags, videos, run)
    except ArtifactError as error:
        if not isinstance(error.__cause__, NotFiniteError):
            raise
        return FoldResult(value=0.0, num_segments=0, seconds=round(time.monotonic() - began, 3), diverged=True)
    finally:
        shutil.rmtree(run, ignore_errors=True)
    target, _, measure = objective.partition("_")
    seconds = round(time.monotonic() - began, 3)
    return FoldResult(value=metrics[target][measure], num_segments=metrics["num_segments"], seconds=seconds)


def refuse_foreign(out: Path) -> None:
    """Nothing is written into a folder that holds something else."""
    if (out / TUNE_NAME).exists() or not out.is_dir():
        return
    if others := sorted(p.name for p in out.iterdir() if p.name not in (LOCK_NAME, f"{TUNE_NAME}.part")):
        raise ArtifactError(f"this folder holds something else, such as {others[0]}; give another --out", path=out)


def best_of(results: list[TrialResult]) -> TrialResult | None:
    """The complete trial with the highest objective; the first of equals."""
    return max((r for r in results if r.state == "complete"), key=lambda r: r.value, default=None)
