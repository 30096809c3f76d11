"""The files of a search: what was asked for, every trial, and the settings to go on with."""

import csv
import hashlib
import io
import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egoact.core.errors import ArtifactError
from egoact.data.atomic import write_atomically
from egoact.data.stack import FeatureSource
from egoact.models.recipes import choose_recipe
from egoact.stages._run_files import changed_settings, plain, write_json
from egoact.stages._study import TrialResult
from egoact.stages._train_settings import TrainSettings

if TYPE_CHECKING:
    from egoact.stages.tune import TuneSettings

TUNE_NAME = "tune.json"
TRIALS_NAME = "trials.csv"
BEST_NAME = "best.json"
IMPORTANCES_NAME = "importances.json"
_FREE = ("out", "trials")
_SHARED = ("segments", "features", "fusion", "joint", "targets", "labels", "classes", "recipe", "seed", "device")


@dataclass(frozen=True)
class Plan:
    """What the data say.

    Args:
        heads: That take these features; the usual one first.
        objective: What is maximised, such as "verb_top1".
        folds: The videos of each.
    """

    heads: tuple[str, ...]
    objective: str
    folds: tuple[tuple[str, ...], ...]


def refuse_foreign(out: Path) -> None:
    """Nothing is written into a folder that holds something else."""
    if (out / TUNE_NAME).exists() or not out.is_dir():
        return
    if others := sorted(p.name for p in out.iterdir() if p.name not in (".lock", f"{TUNE_NAME}.part")):
        raise ArtifactError(f"this folder holds something else, such as {others[0]}; give another --out", path=out)


def claim(settings: "TuneSettings", plan: Plan, store: FeatureSource) -> None:
    """Make the folder ours; refuse to mix trials of other settings, labels or features."""
    path = settings.out / TUNE_NAME
    described = plain(settings, leave_out=_FREE) | {
        "heads": list(plan.heads),
        "objective": plan.objective,
        "segments_hash": hashlib.sha256(settings.segments.read_bytes()).hexdigest(),
        "features_fingerprint": [spec.fingerprint for spec in store.specs],
    }
    if path.exists():
        if changed := changed_settings(path, described, remedy="give another --out"):
            reason = f"holds a search of other settings ({'; '.join(changed[:2])}); give another --out"
            raise ArtifactError(reason, path=settings.out)
    else:
        write_json(path, {"settings": described, "folds": plan.folds, "searched": settings.searched})


def train_settings(settings: "TuneSettings", flags: dict[str, Any], *, run: Path, **changes: Any) -> TrainSettings:
    """What `egoact train` is told: what the search was told, what a trial chose, and some changes."""
    shared = {name: getattr(settings, name) for name in _SHARED}
    options = {name: tuple(value) if isinstance(value, (list, tuple)) else value for name, value in flags.items()}
    return TrainSettings(run=run, **(shared | settings.fixed() | options | changes))


def command_for(settings: "TuneSettings", flags: dict[str, Any]) -> list[str]:
    """The words of the `egoact train` that trains on all videos with these flags."""
    chosen = train_settings(settings, flags, run=settings.out / "run")
    words = ["egoact", "train"]
    for field in fields(TrainSettings):
        value = getattr(chosen, field.name)
        if value == field.default:
            continue
        words.append("--" + field.name.replace("_", "-"))
        if field.default is not False:  # a switch needs no value
            words += map(str, value) if isinstance(value, tuple) else [str(value)]
    return words


def best_of(results: list[TrialResult]) -> TrialResult | None:
    """The complete trial with the highest objective; the first of equals."""
    return max((r for r in results if r.state == "complete"), key=lambda r: r.value, default=None)


def recipe_value(settings: "TuneSettings", plan: Plan, results: list[TrialResult]) -> float | None:
    """What the recipe as it is reached in trial 0; None where the search begins elsewhere, or that diverged."""
    usual = {"head": plan.heads[0], **vars(choose_recipe(settings.recipe, **settings.fixed()))}
    first = results[0]
    is_usual = all(usual.get(name) == value for name, value in first.flags.items())
    return first.value if is_usual and first.state == "complete" else None


def summarize(settings: "TuneSettings", plan: Plan, results: list[TrialResult], best: TrialResult) -> str:
    """One line for the end of a search."""
    text = f"best of {len(results)} trials: {plan.objective} {best.value:.1f} % over {len(plan.folds)} folds"
    usual = recipe_value(settings, plan, results)
    text += "" if usual is None else f" (the recipe as it is: {usual:.1f} %)"
    return f"{text}; to train on all videos with it:"


def write_results(settings: "TuneSettings", plan: Plan, results: list[TrialResult]) -> None:
    """trials.csv and best.json, as of now."""
    names = list(dict.fromkeys(name for result in results for name in result.flags))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    folds = [f"fold_{number}" for number in range(len(plan.folds))]
    writer.writerow(["trial", "state", plan.objective, *folds, "seconds", *names])
    for result in results:
        seen = [*result.folds, *[""] * (len(folds) - len(result.folds))]
        flags = [result.flags.get(name, "") for name in names]
        shown = [" ".join(value) if isinstance(value, (list, tuple)) else value for value in flags]
        writer.writerow([result.number, result.state, result.value, *seen, round(result.seconds, 3), *shown])
    write_atomically(settings.out / TRIALS_NAME, text.getvalue().encode())
    if (best := best_of(results)) is not None:
        write_json(
            settings.out / BEST_NAME,
            {
                "trial": best.number,
                "objective": plan.objective,
                "value": best.value,
                "folds": best.folds,
                "recipe_value": recipe_value(settings, plan, results),
                "settings": settings.fixed() | best.flags,
                "command": shlex.join(command_for(settings, best.flags)),
            },
        )
