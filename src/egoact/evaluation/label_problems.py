"""What looks wrong in labels: spellings, overlaps, odd durations, classes with one example, videos without labels."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations

import numpy as np

from egoact.core.annotations.labels import TARGETS, Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable, group_by_recording
from egoact.core.annotations.union import find_spellings
from egoact.core.bounds import some

_ALIKE = 0.85  # share of equal letters, as difflib has it
_SHORTEST_WORD = 4
_MOST_NAMES = 400
_VERY_SHORT_SECONDS = 0.2
_VERY_LONG = 20  # times the median of the same verb, or of all


@dataclass(frozen=True)
class Problem:
    """Something to look at."""

    kind: str  # one of a few kinds, in words
    what: str  # the labels, segments or recordings
    where: str = ""  # rows of the file


def find_problems(
    table: SegmentTable, vocabularies: dict[Target, Vocabulary], *, video_ids: Collection[str] | None = None
) -> list[Problem]:
    """Everything suspicious; a person decides what of it is wrong. `video_ids` are the recordings that there are."""
    return [
        *_spellings(table),
        *_similar_names(table),
        *_unlabelled(table),
        *_overlaps(table),
        *_durations(table),
        *_single_examples(table, vocabularies),
        *(() if video_ids is None else _recordings(table, video_ids)),
    ]


def _spellings(table: SegmentTable) -> Iterator[Problem]:
    for target in TARGETS:
        for group in find_spellings(table, target):
            what = ", ".join(f"{word} ({count})" for word, count in group.items())
            yield Problem(f"{target}s that differ in case or spaces alone (--merge-case)", what)


def _similar_names(table: SegmentTable) -> Iterator[Problem]:
    for target in TARGETS:
        words = {getattr(s, target) or "" for s in table if getattr(s, f"{target}_class") is None}
        names = sorted(word for word in words if len(word) >= _SHORTEST_WORD)[:_MOST_NAMES]
        for first, second in combinations(names, 2):
            matcher = SequenceMatcher(None, first.casefold(), second.casefold(), autojunk=False)
            if first.casefold() == second.casefold() or matcher.quick_ratio() < _ALIKE:
                continue
            if matcher.ratio() >= _ALIKE:
                yield Problem(f"{target}s with similar names", f"{first}, {second}")


def _unlabelled(table: SegmentTable) -> Iterator[Problem]:
    for target in TARGETS:
        fields = (target, f"{target}_class")
        empty = [i for i, s in enumerate(table) if all(getattr(s, field) is None for field in fields)]
        if empty and len(empty) < len(table):
            yield Problem(f"segments without a {target}", f"{len(empty)} of {len(table)}", _places(table, empty))


def _overlaps(table: SegmentTable) -> Iterator[Problem]:
    position_of = {id(segment): position for position, segment in enumerate(table)}
    for video_id, segments in group_by_recording(table).items():
        ordered = sorted(segments, key=lambda segment: (segment.start_seconds, segment.stop_seconds))
        end, found = -1.0, []
        for segment in ordered:
            if segment.start_seconds < end:
                found.append(position_of[id(segment)])
            end = max(end, segment.stop_seconds)
        if found:
            yield Problem(
                "segments that begin before an earlier one ends",
                f"{len(found)} of {len(segments)} in {video_id}",
                _places(table, found),
            )


def _durations(table: SegmentTable) -> Iterator[Problem]:
    seconds = np.array([segment.duration_seconds for segment in table])
    by_verb = defaultdict(list)
    for segment in table:
        by_verb[segment.verb].append(segment.duration_seconds)
    usual = np.array([np.median(by_verb[segment.verb]) for segment in table])
    short = np.flatnonzero(seconds < _VERY_SHORT_SECONDS).tolist()
    long = np.flatnonzero(seconds > _VERY_LONG * np.minimum(usual, np.median(seconds))).tolist()
    if short:
        yield Problem(f"segments shorter than {_VERY_SHORT_SECONDS} s", str(len(short)), _places(table, short))
    if long:
        most = f"{len(long)}, up to {seconds.max():.0f} s"
        yield Problem(f"segments more than {_VERY_LONG} times as long as usual", most, _places(table, long))


def _single_examples(table: SegmentTable, vocabularies: dict[Target, Vocabulary]) -> Iterator[Problem]:
    for target, vocabulary in vocabularies.items():
        counts = Counter(vocabulary.encode(table).tolist())
        single = [name for class_id, name in enumerate(vocabulary.names) if counts[class_id] == 1]
        if single:
            yield Problem(f"{target}s with one example", f"{len(single)}: {some(single)}")


def _recordings(table: SegmentTable, video_ids: Collection[str]) -> Iterator[Problem]:
    without = sorted(set(video_ids) - set(table.video_ids))
    missing = sorted(set(table.video_ids) - set(video_ids))
    if without:
        yield Problem("recordings without labels", f"{len(without)}: {some(without)}")
    if missing:
        rows = [i for i, segment in enumerate(table) if segment.video_id in missing]
        yield Problem("labels without a recording", f"{len(missing)}: {some(missing)}", _places(table, rows))


def _places(table: SegmentTable, positions: list[int]) -> str:
    return some(table.place(position) for position in positions)
