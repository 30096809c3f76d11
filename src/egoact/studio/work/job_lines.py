"""What a command prints about its progress, read again; see `core/progress.py`, which writes it."""

import re

from egoact.studio.schemas.jobs import Progress

_COUNTED = re.compile(
    r"(?P<what>.{1,200}): (?P<done>\d+)/(?P<total>\d+) (?P<unit>\S+(?: \S+)?) \(\d+ %\), [^,]+"
    r"(?:, (?P<left>(?:\d+ (?:h|min|s) ?)+) left)?(?:, .*)?"
)
_UNCOUNTED = re.compile(r"(?P<what>.{1,200}): (?P<done>\d+) (?P<unit>\S+(?: \S+)?), \d+ \S+(?: \S+)?/s")
_PART = re.compile(r"(\d+) (h|min|s)")
_SECONDS = {"h": 3600, "min": 60, "s": 1}


def read_progress(line: str) -> Progress | None:
    """How far a command is, where a line says so.

    >>> read_progress("extract: 30/120 steps (25 %), 12 steps/s, 1 min 05 s left").seconds_left
    65.0
    """
    found = _COUNTED.fullmatch(line)
    if found is not None:
        parts = _PART.findall(found["left"] or "")
        left = float(sum(int(number) * _SECONDS[unit] for number, unit in parts)) if parts else None
        total = int(found["total"])
        return Progress(what=found["what"], done=int(found["done"]), total=total, unit=found["unit"], seconds_left=left)
    found = _UNCOUNTED.fullmatch(line)
    if found is None:
        return None
    return Progress(what=found["what"], done=int(found["done"]), total=None, unit=found["unit"], seconds_left=None)
