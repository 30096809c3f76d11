"""What `egoact reproduce` works on, and its memory of what is done: data, steps, commands."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egoact.core.errors import ArtifactError
from egoact.core.segments import SegmentTable, read_segments
from egoact.stages._run_files import write_json

STEPS = "steps"


@dataclass(frozen=True)
class ReproductionData:
    """What is trained on and looked at.

    Args:
        name: For people.
        is_kitchen: Whether it is the built-in kitchen.
        train: Segments CSV.
        validation: Segments CSV.
        media: Folder with the recordings.
        classes: Folder with the class files, or None.
    """

    name: str
    is_kitchen: bool
    train: Path
    validation: Path
    media: Path
    classes: Path | None

    def validation_table(self) -> SegmentTable:
        """The segments to measure on."""
        return read_segments(self.validation)


def find_annotations(folder: Path | None, *names: str) -> Path | None:
    """The first of some annotation files that a folder has, in itself or one level below."""
    if folder is None:
        return None
    if not folder.is_dir():
        raise ArtifactError("the annotations folder does not exist", path=folder)
    for name in names:
        found = sorted([*folder.glob(name), *folder.glob(f"*/{name}")])
        if found:
            return found[0]
    return None


@dataclass
class Memory:
    """Steps that are done: OUT/steps/NAME.json holds the result, the seconds, and the commands that lead there.

    Args:
        out: The folder of the reproduction.
    """

    out: Path
    _commands: list[str] = field(default_factory=list)

    def once(self, name: str, do: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The result of a step; it is done if it was not before."""
        path = self.out / STEPS / f"{name}.json"
        if path.exists():
            try:
                return json.loads(path.read_text(encoding="utf-8"))["result"]
            except (ValueError, KeyError, TypeError) as error:
                raise ArtifactError(f"cannot be read ({error!r}); delete it", path=path) from None
        print(f"reproduce: {name.replace('_', ' ')}", flush=True)
        begun, outer = time.monotonic(), self._commands
        self._commands = []
        try:
            result = do()
            commands = self._commands
        finally:
            self._commands = outer
        seconds = round(time.monotonic() - begun, 1)
        write_json(path, {"result": result, "seconds": seconds, "commands": commands})
        return result

    def note(self, command: str) -> None:
        """Remember a command that the step at hand stands for."""
        self._commands.append(command)

    def run(self, *arguments: str) -> None:
        """Run `egoact` with these arguments in a process of its own.

        Raises:
            ArtifactError: It failed; what it said is on standard error.
        """
        self.note(" ".join(["egoact", *arguments]))
        done = subprocess.run([sys.executable, "-m", "egoact", *arguments], check=False)
        if done.returncode != 0:
            raise ArtifactError(
                f"'egoact {' '.join(arguments)}' failed with exit code {done.returncode}", path=self.out
            )
