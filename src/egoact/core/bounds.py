"""How much is believed of files that somebody else made, before anything is allocated, built or shown.

Runs, exports and feature stores travel: what is in their JSON decides how large networks and arrays become. Each number
in it has an upper bound that no real one comes near, each name is printable, and files are read only where they are.
"""

import json
import os
import re
import tokenize
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

MOST_JSON_BYTES = 256 * 2**20
MOST_DEPTH = 50
MOST_DIGITS = 19
MOST_CLASSES = 100_000
LONGEST_NAME = 1000
_LONGEST_LINE = 1200

MOST_PIXELS = 4096  # height or width of what a network sees
MOST_PICTURE_PIXELS = 2**27  # of a still
MOST_FEATURES = 2**24  # numbers of a frame
MOST_FRAMES = 10_000  # of a clip
MOST_VIEWS = 1000  # of a segment
MOST_STEPS = 10_000_000  # of a recording: two weeks at 8 steps a second
MOST_RATE = 1000  # steps a second
MOST_WIDTH = 65_536  # channels of a layer
MOST_LAYERS = 24
MOST_MEMBERS = 32
MOST_SECONDS = 3600 * 24 * 366

DAMAGED_ARRAY = (OSError, ValueError, EOFError, OverflowError, SyntaxError, tokenize.TokenError)
"""What numpy raises where an .npy file is none: its header is a text in Python's syntax."""
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control and format characters, halves of others, separators of lines
_JOINERS = "\u200c\u200d"  # without which words of several scripts cannot be written
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', re.DOTALL)


def check_whole(name: str, value: object, *, least: int = 1, most: int) -> None:
    """Refuse what is not a whole number from `least` to `most`: a `ValueError`."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number from {least} to {most:,}, got {shorten(value)}")


def check_number(name: str, value: object, *, least: float, most: float) -> None:
    """Refuse what is not a finite number from `least` to `most`: a `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{name} must be a number from {least:g} to {most:,g}, got {shorten(value)}")


def check_name(name: str, value: object) -> None:
    """Refuse what is not a text of one line that can be shown anywhere: a `ValueError`."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {shorten(value)}")
    if len(value) > LONGEST_NAME:
        raise ValueError(f"{name} has {len(value):,} characters, more than {LONGEST_NAME:,}: {shorten(value)}")
    if not value.isprintable() and (hidden := next((c for c in value if is_hidden(c)), None)):
        raise ValueError(f"{name} {shorten(value)} has the control character U+{ord(hidden):04X}")


def is_hidden(character: str) -> bool:
    """Whether a character is not seen but does something: moves a cursor, ends a line, turns the direction of text."""
    return unicodedata.category(character) in _HIDDEN and character not in _JOINERS


def without_hidden(text: str) -> str:
    r"""The text as a terminal may show it: a question mark for each control character but line ends and tabs.

    >>> without_hidden("take\x1b[2J cup")
    'take?[2J cup'
    """
    if text.isprintable():
        return text
    return "".join("?" if is_hidden(c) and c not in "\n\t" else c for c in text)


def clear_line(text: str) -> str:
    """A message as it may be shown: one line of no more than 1,200 characters, without control characters."""
    line = without_hidden(" ".join(text.split()))
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 200]} ... {line[-150:]}"


def shorten(value: object) -> str:
    """A value for a message, on one line."""
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    text = repr(value[:50] if isinstance(value, str) else value)
    return f"{text[:40]}..." if len(text) > 43 else text


def some(names: Iterable[str]) -> str:
    """The first three names, for a message."""
    listed = list(names)
    return ", ".join(listed[:3]) + (", ..." if len(listed) > 3 else "")


def parse_json(text: str, *, parse_constant: Callable[[str], Any] | None = None) -> Any:
    """The value of a JSON text; a `ValueError` for anything that is none, too deep, or has numbers without end.

    `parse_constant` says what NaN, Infinity and -Infinity mean; without it they are what Python takes them for.
    """
    if text.count("[") + text.count("{") > MOST_DEPTH:
        _check_depth(text)
    try:
        return json.loads(text, parse_int=_parse_int, parse_constant=parse_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None


def load_json(path: Path) -> Any:
    """The value of a JSON file; an `OSError`, or a `ValueError`: not JSON in UTF-8, too large or too deep."""
    return parse_json(read_bounded(path, most_bytes=MOST_JSON_BYTES).decode())


def read_bounded(path: Path, *, most_bytes: int) -> bytes:
    """The bytes of a file; a `ValueError` where it is larger than that, or not a file but a device or a pipe."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError("this is not a plain file")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size  # as much memory is taken as is asked for, however little there is
        content = file.read(min(size, most_bytes) + 1)
    if len(content) > most_bytes:
        raise ValueError(f"larger than {most_bytes / 2**20:,.0f} MiB, which nothing of its kind is")
    return content


def check_inside(path: Path, folder: Path) -> None:
    """Refuse a path that leads out of a folder, by its name or by a link: a `ValueError`."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{path.name} is a link to a file outside of its folder; put the file itself there")


def _check_depth(text: str) -> None:
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += bool(found[1]) - bool(found[2])
        if depth > MOST_DEPTH:
            raise ValueError(f"nested more than {MOST_DEPTH} deep")


def _parse_int(digits: str) -> int:
    if len(digits) > MOST_DIGITS + 1:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)
