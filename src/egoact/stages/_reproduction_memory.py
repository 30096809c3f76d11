"""The memory of `egoact reproduce`: OUT/steps/NAME.json holds what a step found, its seconds, and its commands."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egoact.core.errors import ArtifactError
from egoact.stages._run_files import write_json

STEPS_NAME = "steps"


@dataclass
class Memory:
    """Steps that are done.

    Args:
        out: The folder of the reproduction.
    """

    out: Path
    _commands: list[str] = field(default_factory=list)

    def once(self, name: str, do: Callable[[], dict[str, Any]], *, command: str | None = None) -> dict[str, Any]:
        """The result of a step; it is done if it was not before.

        Args:
            name: Of the step.
            do: Does it; what it gives is written down.
            command: That does this step alone; the commands that it stands for are noted on the way.

        Raises:
            ArtifactError: What was written down cannot be read.
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
        """What a step that is done has found.

        Raises:
            ArtifactError: It cannot be read.
        """
        path = self._path(name)
        try:
            return json.loads(path.read_text(encoding="utf-8"))["result"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"cannot be read ({error!r}); delete it", path=path) from None

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

    def _path(self, name: str) -> Path:
        return self.out / STEPS_NAME / f"{name}.json"
