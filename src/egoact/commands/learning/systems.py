"""`egoact systems`: the systems of the papers, ready to run on anybody's labels."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from egoact.reproduction.systems import SYSTEMS, Flags, System


@dataclass(frozen=True, kw_only=True)
class SystemsSettings:
    """Print the systems there are, or run one: flow where it needs it, features, and a training.

    Every command that is run is printed first, as anybody would give it. What is there already is not computed again.
    """

    name: Annotated[str, tyro.conf.Positional] = ""
    """The system to run; without one, they are listed."""
    segments: Path | None = None
    """Segments CSV with the labels."""
    media: Path | None = None
    """Folder with the recordings."""
    out: Path | None = None
    """Folder for flow, features and runs; systems share what they can."""
    validation: Path | None = None
    """Segments CSV to validate on, of recordings in the same folder."""
    validation_videos: tuple[str, ...] = ()
    """As in egoact train."""
    seed: int = 0
    """As in egoact train."""

    def __post_init__(self) -> None:
        if self.name and self.name not in SYSTEMS:
            raise ValueError(f"there is no system {self.name!r}; there are {', '.join(SYSTEMS)}")
        missing = [flag for flag in ("segments", "media", "out") if getattr(self, flag) is None]
        if self.name and missing:
            raise ValueError(f"to run {self.name}, give --{' --'.join(missing)}")
        if not self.name and len(missing) < 3:
            raise ValueError(f"which system? There are {', '.join(SYSTEMS)}")
        if self.name and SYSTEMS[self.name].finetuning and self.validation_videos:
            raise ValueError(
                f"{self.name} is fine-tuned on all of --segments: give --validation, not --validation-videos"
            )


def systems(settings: SystemsSettings) -> int:
    """List the systems, or run one; gives the number of inputs that failed."""
    if not settings.name:
        _list()
        return 0
    assert settings.segments is not None and settings.media is not None and settings.out is not None
    made = SYSTEMS[settings.name].commands(
        segments=settings.segments,
        media=settings.media,
        out=settings.out,
        run=settings.out / settings.name,
        validation=settings.validation,
    )
    is_new = not settings.out.exists()
    try:
        return _run(settings, made)
    except BaseException:
        if is_new and settings.out.is_dir() and not any(settings.out.iterdir()):
            settings.out.rmdir()
        raise


def _run(settings: SystemsSettings, made: Iterable[tuple[str, Flags]]) -> int:
    """Run the commands in turn; gives the number of inputs that failed."""
    from egoact.commands.command_line import run_command

    failed = 0
    for command, flags in made:
        if command == "finetune" and (flags["out"] / "config.json").exists():
            print(f"{flags['out']} is already fine-tuned")
            continue
        own: dict[str, Any] = {"seed": settings.seed} if command in ("train", "finetune") else {}
        own |= {"validation_videos": settings.validation_videos} if command == "train" else {}
        _, missed = run_command(command, announce=True, **flags, **own)
        failed += missed
    return failed


def _list() -> None:
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(Column("system", no_wrap=True), "what it is", "source", "looks at; learns", box=None, pad_edge=False)
    for name, system in SYSTEMS.items():
        kind = "maps of " if system.features.get("kind") == "maps" else ""
        seen = kind + ", ".join(system.features.get("streams", system.looks_at))
        learned = f"{_num_parameters(system):,}" + (" + backbone" if system.finetuning else "")
        table.add_row(name, system.title, system.source, f"{seen}\n{learned}")
    Console().print(table)
    print("\nlearns: parameters of a model for 97 verbs and 300 nouns, on features of efficientnet_lite0")
    print("run one: egoact systems NAME --segments LABELS.csv --media VIDEOS --out FOLDER")


def _num_parameters(system: System) -> int:
    from egoact.commands.learning.train_settings import parse_options
    from egoact.core.annotations.labels import Vocabulary
    from egoact.engines.streams import motion_spec
    from egoact.models.backbones.spec import BackboneSpec
    from egoact.runs.recognizer import RecognizerConfig

    kind = system.features.get("kind", "pooled")
    shape = (192, 8, 8) if kind == "maps" else (1280,)
    picture = BackboneSpec("efficientnet_lite0", "", (256, 256), (0.5,) * 3, (0.5,) * 3, kind, None, shape)
    seen = system.features.get("streams", system.looks_at)
    names = tuple(map(str, range(300)))
    specs = [motion_spec(picture.input_size) if each == "motion" else picture for each in seen]
    config = RecognizerConfig(
        head=system.training["head"],
        vocabularies={"verb": Vocabulary("verb", names[:97]), "noun": Vocabulary("noun", names)},
        backbone=specs[0],
        stacked=tuple(specs[1:]),
        num_frames=system.training.get("num_frames", 20),
        dropout=0.5,
        head_options=parse_options(system.training.get("head_options", ())),
        fusion=system.training.get("fusion", "early"),
    )
    return config.build().num_trainable
