"""A run directory while it is trained: with which settings, whether it is finished, and which process writes it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egoact.core.bounds import load_json
from egoact.core.errors import ArtifactError
from egoact.core.files import LOCK_NAME, PART_SUFFIX, locked, write_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SETTINGS_NAME = "settings.json"
METRICS_NAME = "metrics.json"
_OWN_FILES = (
    "config.json",
    SETTINGS_NAME,
    METRICS_NAME,
    "trained_on.json",
    "timelines.json",
    "backbone.safetensors",
    "history.csv",
    "history_classifiers.csv",
    *(
        f"{model}/{name}"
        for model in ("best", "last")
        for name in ("config.json", "model.safetensors", "trained_on.json", "backbone.safetensors")
    ),
    *(f"checkpoints/{phase}last.ckpt" for phase in ("", "classifiers/")),
)
_BEFORE = (LOCK_NAME, "folds", "cross_validation.json")  # made before the run itself
_RANKS = ("LOCAL_RANK", "RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")


class RunFolder:
    """What a run directory says about how it was trained; `settings` is that as JSON has it."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self._settings = settings

    @contextmanager
    def claimed(self, *, overwrite: bool) -> Iterator[bool]:
        """Whether the run is still to be made; until then no other command writes it.

        Raises:
            ArtifactError: Something else is there, or another process is at it.
        """
        if not overwrite and self._is_finished():
            yield False
        elif not is_leader():
            yield True
        else:
            with locked(self.path, command="training"):
                for left in _OWN_FILES if overwrite else ():
                    (self.path / left).unlink(missing_ok=True)
                yield True

    def _is_finished(self) -> bool:
        """Whether the run directory holds exactly this run; refuses to write over another."""
        known = self.path / SETTINGS_NAME
        if not known.exists():
            left = {*_BEFORE, SETTINGS_NAME}  # by a training that was killed early
            there = {p.name.removesuffix(PART_SUFFIX) for p in self.path.iterdir()} if self.path.is_dir() else set()
            if is_leader() and there - left:
                raise ArtifactError("this folder holds something that is no run; give another --run", path=self.path)
            return False
        changed = changed_settings(known, self._settings, remedy="use --overwrite to start again")
        if changed and not any((self.path / name).exists() for name in ("history.csv", "config.json")):
            return False  # that training failed before its first epoch ended: there is nothing to lose
        if changed:
            reason = f"holds a run of other settings ({'; '.join(changed[:2])}); give another --run or --overwrite"
            raise ArtifactError(reason, path=self.path)
        return (self.path / "config.json").exists()

    def write_settings(self, recipe: "DataclassInstance", *, num_parameters: int) -> None:
        """`settings.json`: how this run is trained."""
        content = {
            "settings": self._settings,
            "recipe": asdict(recipe),
            "num_trainable_parameters": num_parameters,
            "versions": {name: version(name) for name in ("egoact", "torch", "lightning")},
        }
        write_json(self.path / SETTINGS_NAME, content)

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """`metrics.json`: of the validation clips."""
        write_json(self.path / METRICS_NAME, metrics)


def changed_settings(path: Path, ours: dict[str, Any], *, remedy: str) -> list[str]:
    """What differs from the settings that a JSON file keeps.

    Raises:
        ArtifactError: It cannot be read.
    """
    try:
        known = load_json(path)["settings"]
        # A setting that there was not yet is as good as one that is off.
        changed = [k for k in ours if (known[k] != ours[k] if k in known else bool(ours[k]))]
        return [f"{k} was {known.get(k)!r}, now {ours[k]!r}" for k in changed]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"cannot be read ({error}); {remedy}", path=path) from error


def plain(settings: Any, *, leave_out: tuple[str, ...]) -> dict[str, Any]:
    """A settings dataclass as JSON has it."""
    values = {k: v for k, v in asdict(settings).items() if k not in leave_out}
    return json.loads(json.dumps(values, default=str))


def is_leader() -> bool:
    """Whether this process writes the run directory: the only one, or the first of all.

    Goes by what the launcher, torchrun and SLURM tell their processes, because it is asked before they have met.
    """
    return all(os.environ.get(name, "0") == "0" for name in _RANKS)


def part_ways() -> None:
    """From here on no process waits for another, and the leader works alone."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
