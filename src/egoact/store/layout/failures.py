"""`failures.csv` beside the features: stretches of recordings that have none, and why."""

import csv
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from egoact.core.files import unguard, write_csv

FAILURES_NAME = "failures.csv"
_COLUMNS = ("video_id", "start_seconds", "stop_seconds", "reason")


@dataclass(frozen=True, order=True)
class Failure:
    """A stretch of a recording without features: its first and last missing moment, seconds, and the reason."""

    video_id: str
    start_seconds: float
    stop_seconds: float
    reason: str


def write_failures(folder: Path, failures: Iterable[Failure]) -> None:
    """Replace the list of a feature store; without failures there is no such file."""
    path, rows = folder / FAILURES_NAME, sorted(set(failures))
    if not rows:
        path.unlink(missing_ok=True)
        return
    cells = [(f.video_id, f"{f.start_seconds:.3f}", f"{f.stop_seconds:.3f}", f.reason) for f in rows]
    write_csv(path, [_COLUMNS, *cells])


def read_failures(folder: Path) -> list[Failure]:
    """The list of a feature store; what nobody can read in it is left out."""
    path = folder / FAILURES_NAME
    if not path.exists():
        return []
    found = []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        for row in list(csv.reader(file))[1:]:
            with suppress(ValueError):
                video_id, start, stop, reason = map(unguard, row)
                found.append(Failure(video_id, float(start), float(stop), reason))
    return found
