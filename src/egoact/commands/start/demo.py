"""`egoact demo`: the whole story on the built-in kitchen, by the commands that anybody would give."""

from dataclasses import dataclass
from pathlib import Path

from egoact.commands.command_line import run_command
from egoact.core import defaults


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """Film a kitchen, compute features, train some heads, and see how they do in a kitchen they have never seen.

    Ends with a page, OUT/index.html. A demo that was stopped goes on where it was when the same command is given
    again.
    """

    out: Path
    """Folder for everything."""
    videos: int = 24
    """How many recordings to film."""
    heads: tuple[str, ...] = (defaults.ORDER_BLIND_HEAD, "lstm", "convnet1d", defaults.HEAD)
    """Temporal heads to compare."""
    backbone: str = "efficientnet_lite0"
    """What looks at the single frames."""
    epochs: int | None = None
    """Passes over the training clips; default: as in egoact train."""
    seed: int = 0
    """Of everything."""
    workers: int = 2
    """Processes that film."""

    def __post_init__(self) -> None:
        from egoact.models.heads import HEADS

        if not self.heads or len(set(self.heads)) < len(self.heads):
            raise ValueError(f"--heads needs one name at least, each once; got {' '.join(self.heads) or 'none'}")
        for head in self.heads:
            if head not in HEADS or HEADS[head].kind != "pooled":
                able = ", ".join(name for name, made in HEADS.items() if made.kind == "pooled")
                raise ValueError(f"--heads: {head!r} is none of {able}")


def demo(settings: DemoSettings) -> int:
    """Do it all; gives the number of recordings whose features could not be computed."""
    from egoact.demo.steps import Demo

    return Demo(**vars(settings), command=run_command).go()
