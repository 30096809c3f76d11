"""A label file that somebody else edited, and what the studio knows: which changes to take over."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from egoact.studio.labelling.label_files import LabelRow


@dataclass(frozen=True)
class Takeover:
    """What the file changes.

    Args:
        changed: Segments that are new or other in the file.
        deleted: Ids of segments that are no longer in it.
        contested: Ids of segments that were edited in both places; the file counts.
    """

    changed: Sequence[LabelRow]
    deleted: Sequence[str]
    contested: Sequence[str]


def give_ids(rows: Iterable[LabelRow], known: Iterable[LabelRow]) -> list[LabelRow]:
    """Rows without an id get that of the same content, where there is one that no other row has."""
    rows = list(rows)
    taken = {row.id for row in rows if row.id}
    free: dict[tuple[object, ...], list[str]] = {}
    for row in known:
        if row.id not in taken:
            free.setdefault(row.content, []).append(row.id)
    return [replace(row, id=free[row.content].pop(0)) if not row.id and free.get(row.content) else row for row in rows]


def merge(file: Mapping[str, LabelRow], base: Mapping[str, LabelRow], own: Mapping[str, LabelRow]) -> Takeover:
    """Three ways: what changed in the file since the studio wrote it counts; all else stays as the studio has it.

    Args:
        file: Id -> row, as the file is now.
        base: As the studio wrote it; empty where it never did.
        own: As the studio has it now.
    """
    changed, contested = [], []
    for key, row in file.items():
        before, mine = base.get(key), own.get(key)
        if before is not None and before.content == row.content:
            continue  # as it was written
        if mine is not None and mine.content == row.content:
            continue
        changed.append(row)
        mine_content, before_content = mine and mine.content, before and before.content
        if mine_content != before_content:
            contested.append(key)
    deleted = [key for key in base if key not in file and key in own]
    contested += [key for key in deleted if own[key].content != base[key].content]
    return Takeover(changed, deleted, contested)
