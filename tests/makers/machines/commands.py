"""Commands that are made of others, on a network that is loaded in a moment."""

from typing import Any

import pytest

SMALL: dict[str, dict[str, Any]] = {
    "extract": {"backbone": "tiny-random", "size": 64, "engine": "torch", "precision": "f32"},
    "flow": {"size": 64},
    "train": {"epochs": 1},
}


@pytest.fixture
def small_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command runs by name takes seconds, where it does not say with which backbone, or for how long."""
    from egoact.commands import command_line

    run = command_line.run_command

    def run_small(name: str, **flags: Any) -> tuple[str, int]:
        cut = {"cut": 3} if flags.get("cut") else {}  # it has four blocks
        return run(name, **SMALL.get(name, {}) | flags | cut)

    monkeypatch.setattr(command_line, "run_command", run_small)
