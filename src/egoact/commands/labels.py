"""`--segments`, for all commands that take it: labels read and joined, and what is suspicious about them told."""

import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from egoact.core.annotations.labels import TARGETS
from egoact.core.annotations.segments import SegmentTable
from egoact.core.annotations.union import find_overlaps, find_spellings, merge_spellings, read_labels

_MOST_TOLD = 3


def read_and_tell(paths: Path | Sequence[Path], *, merge_case: bool | None = None) -> SegmentTable:
    """Read segments CSVs, with a word on standard error about overlaps of files and, of labels, about spellings.

    `merge_case`: whether to spell words alike that differ in case and spaces alone; None: labels do not matter here.
    """
    table = read_labels(paths)
    overlaps = find_overlaps(table)
    told = list(islice(overlaps, _MOST_TOLD))
    if told:
        count = len(told) + sum(1 for _ in overlaps)
        print(f"warning: {count} overlaps between the files, such as {'; '.join(told)}", file=sys.stderr)
    if merge_case is None:
        return table
    for target in TARGETS:
        for group in islice(find_spellings(table, target), _MOST_TOLD):
            spellings = ", ".join(f"{word!r} ({count} x)" for word, count in group.items())
            what = "are one class" if merge_case else "are different classes; --merge-case makes them one"
            print(f"{'' if merge_case else 'warning: '}{target}s {spellings} {what}", file=sys.stderr)
    return merge_spellings(table) if merge_case else table
