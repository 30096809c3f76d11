"""`failures.csv`: the segments without features, and why."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from egoact.core.segments import Segment
from egoact.data.atomic import write_atomically
from egoact.data.store_index import StoreIndex

FAILURES_NAME = "failures.csv"
_COLUMNS = ("narration_id", "video_id", "reason")


def update_failures(
    folder: Path, *, tried: Sequence[Segment], failed: Sequence[tuple[Segment, str]], index: StoreIndex
) -> None:
    """Bring the list up to date; without failures there is no such file.

    Args:
        folder: Of the feature store.
        tried: All segments of this run: what an earlier run said of them no longer counts.
        failed: Those that failed, and why.
        index: Of the store as it is now: what it holds did not fail.
    """
    path = folder / FAILURES_NAME
    settled = {(s.video_id, s.narration_id) for s in tried} | {(r.video_id, r.narration_id) for r in index.rows}
    rows = {key: reason for key, reason in _read(path).items() if key not in settled}
    rows |= {(s.video_id, s.narration_id): reason for s, reason in failed}
    if not rows:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((narration, video, rows[video, narration]) for video, narration in sorted(rows))
    write_atomically(path, text.getvalue().encode())


def _read(path: Path) -> dict[tuple[str, str], str]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = csv.reader(file)
        next(rows, None)
        return {(row[1], row[0]): row[2] for row in rows if len(row) == len(_COLUMNS)}
