"""Importing timm and torchvision without torch's compiler, which takes three times as long to import as both of them.

They ask for it as they are imported, to mark what it should leave alone: region pooling and packed vision transformers.
"""

import functools
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch

_ASKED = "torch._dynamo.utils"


def import_light(name: str) -> ModuleType:
    """The module `timm`, `torchvision`, or one of theirs."""
    if name in sys.modules or "torch._dynamo" in sys.modules:
        return importlib.import_module(name)
    with _compiler_left_out():
        return importlib.import_module(name)


@contextmanager
def _compiler_left_out() -> Iterator[None]:
    """What asks for the compiler while it is imported gets it when it is called, or at once if it asks for more."""
    disable = torch.compiler.disable
    stand_in: Any = ModuleType(_ASKED)
    stand_in.is_compile_supported = _is_compile_supported

    def bring_back() -> None:
        torch.compiler.disable = disable
        if sys.modules.get(_ASKED) is stand_in:
            del sys.modules[_ASKED]

    def disable_later(function: Any = None, **options: Any) -> Any:
        """As `torch.compiler.disable`, of a function."""
        if options or isinstance(function, type) or not callable(function):
            bring_back()
            return disable(function, **options)

        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            return disable(function)(*given, **named)

        return call

    sys.modules[_ASKED] = stand_in
    torch.compiler.disable = disable_later  # pyrefly: ignore[bad-assignment]
    try:
        yield
    finally:
        bring_back()


def _is_compile_supported(device_type: str) -> bool:
    utils: Any = importlib.import_module(_ASKED)
    return utils.is_compile_supported(device_type)
