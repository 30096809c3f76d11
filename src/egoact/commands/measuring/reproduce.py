"""`egoact reproduce`: the figures and tables of the report that this project began with, measured anew.

OUT/kitchen, features, maps, runs      data and models, as the other commands write them
OUT/steps/NAME.json                    what each step found, how long it took, the commands that do it alone
OUT/reproduce.json                     what was asked for
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egoact.commands.command_line import command_line, run_command
from egoact.commands.flags import shared_flags
from egoact.core.bounds import load_json
from egoact.core.errors import ArtifactError

if TYPE_CHECKING:
    from egoact.reproduction.work import Effort, Memory, ReproductionData


@dataclass(frozen=True, kw_only=True)
class ReproduceSettings:
    """Go through the report's figures and tables, and measure each of them here and now.

    Without recordings of EPIC-KITCHENS it trains on the built-in kitchen, and says so. Ends with one page,
    OUT/index.html. What was stopped goes on where it was when the same command is given again.
    """

    out: Path
    """Folder for everything."""
    annotations: Path | None = None
    """Folder with EPIC-KITCHENS' CSVs (of 55, of 100, or both in sub-folders), for the distribution figures."""
    segments: Path | None = None
    """Train on this segments CSV instead of the built-in kitchen; needs --validation and --media."""
    validation: Path | None = None
    """Segments CSV to measure on."""
    media: tuple[Path, ...] = ()
    """Folder (or several) with the recordings of --segments and --validation; with --annotations alone, those of
    EPIC-KITCHENS-100."""
    classes: Path | None = None
    """Folder with verb_classes.csv and noun_classes.csv of --segments; without categories Table 1 is of verbs."""
    backbone: str = "efficientnet_lite0"
    """As for egoact extract; the report used mobilenet_v2."""
    weights: Path | None = None
    """Weights of the backbone from a file (safetensors)."""
    only: tuple[str, ...] = ()
    """Do these steps alone (and what they need), without the page: figure_08, table_1, ..."""
    quick: bool = False
    """Less of everything, to see the page soon."""
    seed: int = 0
    """Of everything."""

    def __post_init__(self) -> None:
        from egoact.reproduction.steps import STEPS
        from egoact.reproduction.tables import CUTS

        if len({self.segments is None, self.validation is None}) > 1 or (self.segments and not self.media):
            raise ValueError("--segments, --validation and --media belong together")
        if self.media and not self.segments and not self.annotations:
            raise ValueError("--media needs --segments and --validation, or --annotations")
        if self.backbone not in CUTS:
            raise ValueError(f"--backbone must be one of {', '.join(CUTS)}, got {self.backbone!r}")
        unknown = [name for name in self.only if name not in STEPS]
        if unknown:
            raise ValueError(f"--only: there is no step {unknown[0]!r}; there are {', '.join(STEPS)}")


def reproduce(settings: ReproduceSettings) -> int:
    """Do every step that is not done yet; gives the number of segments whose features could not be computed."""
    from egoact.reproduction.steps import STEPS, wanted_steps
    from egoact.reproduction.work import EFFORT, QUICK_EFFORT, Memory, Reproduction

    given = _find_given_data(settings)
    _claim(settings)
    memory = Memory(settings.out)
    effort = QUICK_EFFORT if settings.quick else EFFORT
    work = Reproduction(
        **shared_flags(settings, Reproduction),
        effort=effort,
        data=given or _film_kitchen(settings, memory, effort),
        memory=memory,
        run_command=run_command,
    )
    for name in wanted_steps(settings.only):
        command = command_line("reproduce", replace(settings, only=(name,)))
        memory.once(name, partial(STEPS[name].do, work), command=command)
    return memory.result("features")["num_failed"] if memory.is_done("features") else 0


def _find_given_data(given: ReproduceSettings) -> "ReproductionData | None":
    """The recordings that were given; None: the kitchen stands in."""
    from egoact.reproduction.figures import TRAIN_FILES
    from egoact.reproduction.work import ReproductionData, find_annotations

    if given.segments is not None:
        assert given.validation is not None
        return ReproductionData(given.segments, given.validation, given.media, given.classes)
    train = find_annotations(given.annotations, *TRAIN_FILES)
    validation = find_annotations(given.annotations, "EPIC_100_validation.csv")
    if not given.media:
        return None
    if train is None or validation is None:
        raise ArtifactError("no EPIC_100_train.csv and EPIC_100_validation.csv here", path=given.annotations)
    return ReproductionData(train, validation, given.media, train.parent)


def _film_kitchen(settings: ReproduceSettings, memory: "Memory", effort: "Effort") -> "ReproductionData":
    from egoact.reproduction.work import ReproductionData

    made = settings.out / "kitchen"

    def film() -> dict[str, Any]:
        words, _ = run_command("kitchen", out=made, videos=effort.videos, seed=settings.seed)
        memory.note(words)
        return {"videos": effort.videos}

    memory.once("kitchen", film)
    return ReproductionData(made / "train.csv", made / "validation.csv", (made / "videos",), made)


def _claim(settings: ReproduceSettings) -> None:
    """Write reproduce.json, or check that it says the same."""
    from egoact.core.files import write_json
    from egoact.training.run_folder import plain

    path = settings.out / "reproduce.json"
    ours = plain(settings, leave_out=("out", "only"))
    if not path.exists():
        write_json(path, ours)
        return
    try:
        known = load_json(path)
        changed = [f"{k} was {known.get(k)!r}, now {ours[k]!r}" for k in ours if known.get(k) != ours[k]]
    except (OSError, ValueError, AttributeError) as error:
        raise ArtifactError(f"cannot be read ({error}); give another --out", path=path) from None
    if changed:
        raise ArtifactError(f"holds a reproduction with other settings ({'; '.join(changed[:2])})", path=settings.out)
