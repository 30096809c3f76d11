"""Several labels files as one: old labels and a corrected timeline, or those of two people.

The same segment is kept once. Where files contradict each other about a stretch, a person has to decide.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from egoact.core.annotations.segments import Segment, SegmentTable, group_by_recording, read_segments

Paths = str | Path | Sequence[str | Path]
Stretch = tuple[str, int, int]

_LABELS = ("verb", "verb_class", "noun", "noun_class")


def read_labels(paths: Paths) -> SegmentTable:
    """Read a segments CSV as `read_segments`, or several as one table.

    A column that only some files have is empty in the others. Ids that two files use for different segments are told
    apart by the file's name.

    Raises:
        AnnotationError: A file that cannot be read; or two that label the same stretch of a recording differently,
            with file and row of both.
        ValueError: No file at all.
    """
    files = [Path(paths)] if isinstance(paths, str | Path) else list(map(Path, paths))
    if not files:
        raise ValueError("give at least one segments CSV")
    tables = [read_segments(file) for file in dict.fromkeys(files)]
    return tables[0] if len(tables) == 1 else _unite(tables)


def _unite(tables: Sequence[SegmentTable]) -> SegmentTable:
    segments: list[Segment] = []
    rows: list[int] = []
    files: list[Path] = []
    for table in tables:
        earlier: dict[Stretch, list[int]] = {}
        for position, segment in enumerate(segments):
            earlier.setdefault(_stretch(segment), []).append(position)
        # One file may give a stretch several labels, of which the other has one.
        agreed = {
            _stretch(s) for s in table for i in earlier.get(_stretch(s), []) if _merge(segments[i], s) is not None
        }
        ids = {segment.narration_id for segment in segments}
        for position, segment in enumerate(table):
            same = earlier.get(_stretch(segment), [])
            found = next((i for i in same if _merge(segments[i], segment) is not None), None)
            if found is not None:
                segments[found] = _merge(segments[found], segment) or segment
                continue
            if same and _stretch(segment) not in agreed:
                first = f"row {rows[same[0]]} of {files[same[0]]}"
                reason = (
                    f"{_say(segment)} from {segment.start_seconds:g} to {segment.stop_seconds:g} s of "
                    f"{segment.video_id}, where {first} says {_say(segments[same[0]])}; correct one of them"
                )
                raise table.error(reason, position)
            if segment.narration_id in ids:
                segment = replace(segment, narration_id=f"{segment.narration_id}@{table.path.stem}")
            segments.append(segment)
            rows.append(table.rows[position])
            files.append(table.path)
    names = [table.path.name for table in tables]
    whole = names if len(set(names)) == len(names) else [str(table.path) for table in tables]
    return SegmentTable(Path(" + ".join(whole)), tuple(segments), tuple(rows), tuple(files))


def _stretch(segment: Segment) -> Stretch:
    """Recording, start and stop in milliseconds, as precise as people and spreadsheets are."""
    return segment.video_id, round(1000 * segment.start_seconds), round(1000 * segment.stop_seconds)


def _merge(first: Segment, second: Segment) -> Segment | None:
    """The first, with the labels that only the second has; None where they contradict each other."""
    labels = {}
    for field in _LABELS:
        mine, others = getattr(first, field), getattr(second, field)
        if None not in (mine, others) and mine != others:
            return None
        labels[field] = others if mine is None else mine
    return replace(first, **labels)


def _say(segment: Segment) -> str:
    labels = [segment.verb or segment.verb_class, segment.noun or segment.noun_class]
    return " ".join(str(label) for label in labels if label is not None) or "no label"


def find_overlaps(table: SegmentTable) -> Iterator[str]:
    """Where segments of different files share time, each with file and row; inside one file that is somebody's wish."""
    if not table.files:
        return
    position_of = {id(segment): position for position, segment in enumerate(table)}
    for segments in group_by_recording(table).values():
        running: list[Segment] = []
        for segment in sorted(segments, key=lambda segment: segment.start_seconds):
            running = [other for other in running if other.stop_seconds > segment.start_seconds]
            for other in running:
                a, b = position_of[id(other)], position_of[id(segment)]
                if table.files[a] != table.files[b]:
                    yield f"{table.place(a)} ({_say(other)}) and {table.place(b)} ({_say(segment)})"
            running.append(segment)


def merge_spellings(table: SegmentTable) -> SegmentTable:
    """Words that differ in case and spaces alone, all spelt as most are."""
    chosen: dict[str, dict[str, Any]] = {
        target: {word: next(iter(group)) for group in find_spellings(table, target) for word in group}
        for target in ("verb", "noun")
    }
    segments = tuple(
        replace(segment, **{t: chosen[t].get(word, word) for t in chosen if (word := getattr(segment, t)) is not None})
        for segment in table
    )
    return replace(table, segments=segments)


def find_spellings(table: SegmentTable, target: str) -> list[dict[str, int]]:
    """Groups of words that differ in case and spaces alone: spelling -> count, the most frequent first.

    Of segments whose class is not given by a number: there words do not matter.
    """
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for segment in table:
        word = getattr(segment, target)
        if word and getattr(segment, f"{target}_class") is None:
            groups["".join(word.casefold().split())][word] += 1
    ordered = (dict(sorted(group.items(), key=lambda item: (-item[1], item[0]))) for group in groups.values())
    return [group for group in ordered if len(group) > 1]
