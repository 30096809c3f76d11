"""Settings back to the command that means them, and commands by name, for those that are made of others."""

import shlex
from collections.abc import Iterable
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import tyro

from egoact.commands import command_module


def command_line(name: str, settings: Any) -> str:
    """The command, such as "train", with every flag that is not at its default."""
    words = ["egoact", name]
    for field in fields(settings):
        value = getattr(settings, field.name)
        if field.default is not MISSING and value == field.default:
            continue
        flag = field.name.replace("_", "-")
        if tyro.conf.Positional in getattr(field.type, "__metadata__", ()):
            words[2:2] = _words(value)
        elif isinstance(field.default, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", *_words(value)]
    return shlex.join(words)


def _words(value: Any) -> Iterable[str]:
    if isinstance(value, str | Path) or not isinstance(value, Iterable):
        return [str(value)]
    return [str(part) for part in value]


def run_command(name: str, *, announce: bool = False, **flags: Any) -> tuple[str, int]:
    """Run a command in this process; gives the words that mean the same, and how many inputs failed.

    `announce`: print the words before it runs.
    """
    module = import_module(command_module(name))
    settings = getattr(module, f"{name.title().replace('-', '')}Settings")(**flags)
    words = command_line(name, settings)
    if announce:
        print(f"$ {words}", flush=True)
    return words, getattr(module, name.replace("-", "_"))(settings)
