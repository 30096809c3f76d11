"""What every step of `egoact reproduce` works with: recordings and labels, how much is done, and what is done already.

OUT/steps/NAME.json holds what a step found, its seconds, and its commands.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egoact.core.annotations.labels import read_vocabulary
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.bounds import load_json
from egoact.core.errors import ArtifactError
from egoact.core.files import write_json
from egoact.core.processes import run_process
from egoact.media.sources import MediaRoot
from egoact.media.stills.frames import list_folders

NUM_FRAMES = 20


@dataclass(frozen=True)
class Effort:
    """How much is done: enough to show everything, within the promised time."""

    videos: int
    epochs: int
    map_epochs: int
    map_size: int
    painted_kernels: int
    painting_steps: int
    is_quick: bool


EFFORT = Effort(16, 100, 8, 256, 16, 96, is_quick=False)
QUICK_EFFORT = Effort(6, 30, 4, 128, 4, 48, is_quick=True)


@dataclass(frozen=True)
class ReproductionData:
    """What is trained on and looked at; what would only be missed after minutes of work is looked for at once.

    Raises:
        AnnotationError: A CSV cannot be read.
        MediaError: A folder does not exist, or not one recording of a CSV is there.
    """

    train: Path  # segments CSV
    validation: Path
    media: tuple[Path, ...]  # folders with the recordings
    classes: Path | None  # folder with the class files

    def __post_init__(self) -> None:
        root = MediaRoot(list_folders(self.media))
        for segments in (self.train, self.validation):
            root.find(read_segments(segments)[0].video_id)

    def validation_table(self) -> SegmentTable:
        """The segments to measure on."""
        return read_segments(self.validation)

    def root(self) -> MediaRoot:
        """The recordings."""
        return MediaRoot(self.media)

    @property
    def has_categories(self) -> bool:
        """Whether the verb classes are grouped into categories."""
        return self.classes is not None and bool(read_vocabulary(self.classes, "verb").categories)


@dataclass
class Memory:
    """Steps that are done."""

    out: Path  # the folder of the reproduction
    _commands: list[str] = field(default_factory=list)

    def once(self, name: str, do: Callable[[], dict[str, Any]], *, command: str | None = None) -> dict[str, Any]:
        """The result of a step; it is done, and what it gives is written down, if it was not before.

        `command` does this step alone; the commands that it stands for are noted on the way.
        """
        if self.is_done(name):
            return self.result(name)
        print(f"reproduce: {name.replace('_', ' ')}", flush=True)
        begun, outer = time.monotonic(), self._commands
        self._commands = [command] if command else []
        try:
            result = do()
            commands = self._commands
        finally:
            self._commands = outer
        seconds = round(time.monotonic() - begun, 1)
        write_json(self._path(name), {"result": result, "seconds": seconds, "commands": commands})
        return result

    def is_done(self, name: str) -> bool:
        """Whether a step has been done."""
        return self._path(name).exists()

    def result(self, name: str) -> dict[str, Any]:
        """What a step that is done has found; an `ArtifactError` where it cannot be read."""
        path = self._path(name)
        try:
            return load_json(path)["result"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"cannot be read ({error!r}); delete it", path=path) from None

    def note(self, command: str) -> None:
        """Remember a command that the step at hand stands for."""
        self._commands.append(command)

    def run(self, *arguments: str) -> None:
        """Run `egoact` in a process of its own; an `ArtifactError` where it fails, which says why on standard error."""
        self.note(" ".join(["egoact", *arguments]))
        code = run_process([sys.executable, "-m", "egoact", *arguments])
        if code != 0:
            raise ArtifactError(f"'egoact {' '.join(arguments)}' failed with exit code {code}", path=self.out)

    def _path(self, name: str) -> Path:
        return self.out / "steps" / f"{name}.json"


@dataclass(frozen=True)
class Reproduction:
    """What the steps share."""

    out: Path  # folder for everything
    backbone: str
    weights: Path | None  # of the backbone
    annotations: Path | None  # folder with EPIC-KITCHENS' CSVs
    seed: int
    effort: Effort
    data: ReproductionData
    memory: Memory
    run_command: Callable[..., tuple[str, int]]  # by name and flags; gives its words and how many inputs failed

    def command(self, name: str, **flags: Any) -> int:
        """Run a command, and note it for the step at hand; gives how many inputs failed."""
        words, failed = self.run_command(name, **flags)
        self.memory.note(words)
        return failed


def find_annotations(folder: Path | None, *names: str) -> Path | None:
    """The first of some annotation files that a folder has, in itself or one level below."""
    if folder is None:
        return None
    if not folder.is_dir():
        raise ArtifactError("the annotations folder does not exist", path=folder)
    found = (path for name in names for path in sorted([*folder.glob(name), *folder.glob(f"*/{name}")]))
    return next(found, None)
