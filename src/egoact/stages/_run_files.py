"""The files of a run directory besides the model: what it was trained with, and whether it is finished."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egoact.core.errors import ArtifactError
from egoact.data.atomic import write_atomically
from egoact.models.recipes import Recipe
from egoact.stages._processes import is_leader

if TYPE_CHECKING:
    from egoact.stages._train_settings import TrainSettings

SETTINGS_NAME = "settings.json"
METRICS_NAME = "metrics.json"
_FREE = ("run", "overwrite")
_OWN_FILES = (
    "config.json",
    SETTINGS_NAME,
    METRICS_NAME,
    "history.csv",
    "history_classifiers.csv",
    *(f"{model}/{name}" for model in ("best", "last", "background") for name in ("config.json", "model.safetensors")),
    *(f"checkpoints/{phase}{name}.ckpt" for phase in ("", "classifiers/") for name in ("best", "last")),
)


def is_finished(settings: "TrainSettings") -> bool:
    """Whether the run directory holds exactly this run; refuses to write over another."""
    path = settings.run / SETTINGS_NAME
    if settings.overwrite:
        for left in _OWN_FILES if is_leader() else ():
            (settings.run / left).unlink(missing_ok=True)
        return False
    if not path.exists():
        if is_leader() and settings.run.is_dir() and any(settings.run.iterdir()):
            raise ArtifactError("this folder holds something that is no run; give another --run", path=settings.run)
        return False
    changed = changed_settings(path, plain(settings, leave_out=_FREE), remedy="use --overwrite to start again")
    if changed:
        reason = f"holds a run of other settings ({'; '.join(changed[:2])}); give another --run or --overwrite"
        raise ArtifactError(reason, path=settings.run)
    return (settings.run / "config.json").exists()


def changed_settings(path: Path, ours: dict[str, Any], *, remedy: str) -> list[str]:
    """What differs from the settings that a JSON file keeps.

    Raises:
        ArtifactError: It cannot be read.
    """
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["settings"]
        return [f"{k} was {known.get(k)!r}, now {ours[k]!r}" for k in ours if known.get(k) != ours[k]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"cannot be read ({error}); {remedy}", path=path) from error


def plain(settings: Any, *, leave_out: tuple[str, ...]) -> dict[str, Any]:
    """A settings dataclass as JSON has it."""
    values = {k: v for k, v in asdict(settings).items() if k not in leave_out}
    return json.loads(json.dumps(values, default=str))


def write_settings(settings: "TrainSettings", recipe: Recipe, *, num_parameters: int) -> None:
    """`settings.json`: how this run was trained."""
    import lightning
    import torch

    from egoact import __version__

    write_json(
        settings.run / SETTINGS_NAME,
        {
            "settings": plain(settings, leave_out=_FREE),
            "recipe": asdict(recipe),
            "num_trainable_parameters": num_parameters,
            "versions": {"egoact": __version__, "torch": torch.__version__, "lightning": lightning.__version__},
        },
    )


def write_json(path: Path, values: Any) -> None:
    """Write JSON so that the file is whole or absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(values, indent=2) + "\n").encode())
