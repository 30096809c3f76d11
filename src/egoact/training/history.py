"""The curves of a training: one line an epoch."""

import contextlib
import csv
import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

MONITORED = "validation_top1"


def write_history(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write `history.csv`, whole or not at all; the first line names the columns."""
    part = path.with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[-1]))
    writer.writeheader()
    writer.writerows(rows)
    part.write_bytes(text.getvalue().encode())
    part.replace(path)


def epoch_seconds(run: Path) -> float | None:
    """How long all epochs of a run took, those before an interruption included; None where it has none."""
    found = [path for path in (run / "history.csv", run / "history_classifiers.csv") if path.exists()]
    rows = [row for path in found for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())]
    return sum(float(row["seconds"]) for row in rows) if rows else None


@contextlib.contextmanager
def curves(folders: Sequence[Path]) -> Iterator[list[Any]]:
    """Writers of TensorBoard's files, one a folder; live, where its own habit is to show them every two minutes."""
    from torch.utils.tensorboard import SummaryWriter  # not before there are curves

    writers = [SummaryWriter(str(folder), flush_secs=5) for folder in folders]
    hook = threading.excepthook

    def leave_to_us(arguments: threading.ExceptHookArgs) -> None:
        if not isinstance(arguments.exc_value, OSError):  # those of its threads come again where they are flushed
            hook(arguments)

    threading.excepthook = leave_to_us
    try:
        yield writers
    finally:
        try:
            for writer in writers:
                writer.close()
        finally:
            threading.excepthook = hook
