"""Labelled pieces of video and the CSV they come from; knows nothing about videos or class lists.

video   |----------[start ~~~~ stop)------------------|      half-open, seconds from the start
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from egoact.core.annotations.parsing import (
    parse_decimal_comma,
    parse_optional_text,
    parse_optional_whole,
    parse_timestamp,
    parse_video_id,
    parse_whole,
    parse_wholes,
)
from egoact.core.annotations.spreadsheet import Spreadsheet, read_spreadsheet
from egoact.core.bounds import LONGEST_NAME, check_name
from egoact.core.epic.facts import frame_rate, frame_seconds
from egoact.core.errors import AnnotationError

_OPTIONAL: dict[str, Callable[[str], Any]] = {
    "participant_id": str,
    "start_frame": parse_optional_whole,
    "stop_frame": parse_optional_whole,
    "verb": parse_optional_text,
    "verb_class": parse_optional_whole,
    "noun": parse_optional_text,
    "noun_class": parse_optional_whole,
    "all_noun_classes": parse_wholes,
    "narration": str,
}
"""Columns that may be absent -> what their cells mean."""


class SegmentFieldError(ValueError):
    """A value no segment can have; `field` says which."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class Segment:
    """One action of one video, half-open in time.

    Args:
        narration_id: Names the segment; unique within a table.
        participant_id: Who wears the camera.
        video_id: The recording: its file name without folder and extension.
        start_seconds: Where it begins, seconds from the start of the video.
        stop_seconds: Where it ends, exclusive.
        start_frame: The annotation's own frame number, 1-based in EPIC-KITCHENS; for information.
        stop_frame: The same for the end.
        verb: The verb as it was written.
        verb_class: Its class id.
        noun: The main noun as it was written.
        noun_class: Its class id.
        all_noun_classes: Class ids of all nouns, the main one first.
        narration: What the participant said.

    Raises:
        SegmentFieldError: A `ValueError`: an empty id, a stop that is not after the start, a negative number.
    """

    narration_id: str
    participant_id: str
    video_id: str
    start_seconds: float
    stop_seconds: float
    start_frame: int | None = None
    stop_frame: int | None = None
    verb: str | None = None
    verb_class: int | None = None
    noun: str | None = None
    noun_class: int | None = None
    all_noun_classes: tuple[int, ...] = ()
    narration: str = ""

    def __post_init__(self) -> None:
        for field in ("video_id", "narration_id", "participant_id"):
            if not getattr(self, field):
                raise SegmentFieldError(field, "the cell is empty")
        for field in ("video_id", "narration_id", "participant_id", "verb", "noun"):
            if (word := getattr(self, field)) is not None and not (word.isprintable() and len(word) <= LONGEST_NAME):
                try:
                    check_name("the cell", word)
                except ValueError as error:
                    raise SegmentFieldError(field, str(error)) from None
        if "/" in self.video_id or "\\" in self.video_id or self.video_id in {".", ".."}:
            reason = f"'{self.video_id}' is not a video id; give the file's name without folder and extension"
            raise SegmentFieldError("video_id", reason)
        if not 0 <= self.start_seconds < math.inf:
            raise SegmentFieldError("start_seconds", f"{self.start_seconds} s is not a time from 0 on")
        if not self.start_seconds < self.stop_seconds < math.inf:
            reason = f"stop at {self.stop_seconds:g} s is not after start at {self.start_seconds:g} s"
            raise SegmentFieldError("stop_seconds", reason)
        if self.start_frame is not None and self.stop_frame is not None and self.stop_frame < self.start_frame:
            reason = f"stop frame {self.stop_frame} is before start frame {self.start_frame}"
            raise SegmentFieldError("stop_frame", reason)
        for field in ("start_frame", "stop_frame", "verb_class", "noun_class"):
            if (value := getattr(self, field)) is not None and value < 0:
                raise SegmentFieldError(field, f"{value} is negative")

    @property
    def duration_seconds(self) -> float:
        """How long it lasts."""
        return self.stop_seconds - self.start_seconds


@dataclass(frozen=True)
class SegmentTable(Sequence[Segment]):
    """The segments of one file, or of several, in their order.

    Args:
        path: The file, for messages; of several, their names as one.
        segments: The segments.
        rows: The line of the file of each segment, the header being row 1; empty means 2, 3, 4, ...
        files: The file of each segment, where there are several; else empty.

    Raises:
        ValueError: `rows` or `files` of another length than `segments`.
    """

    path: Path
    segments: tuple[Segment, ...]
    rows: tuple[int, ...] = ()
    files: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not self.rows:
            object.__setattr__(self, "rows", tuple(range(2, len(self.segments) + 2)))
        for name, values in (("rows", self.rows), ("files", self.files or self.segments)):
            if len(values) != len(self.segments):
                raise ValueError(f"{len(values)} {name} for {len(self.segments)} segments")

    def __len__(self) -> int:
        return len(self.segments)

    def __iter__(self) -> Iterator[Segment]:
        return iter(self.segments)

    @overload
    def __getitem__(self, index: int) -> Segment: ...

    @overload
    def __getitem__(self, index: slice) -> "SegmentTable": ...

    def __getitem__(self, index: int | slice) -> "Segment | SegmentTable":
        if isinstance(index, slice):
            return SegmentTable(self.path, self.segments[index], self.rows[index], self.files[index])
        return self.segments[index]

    def place(self, index: int) -> str:
        """Where segment `index` stands in the file: "row 17", or "row 17 of b.csv" where there are several."""
        return f"row {self.rows[index]}" + (f" of {self.files[index].name}" if self.files else "")

    def error(self, reason: str, index: int, *, column: str = "") -> AnnotationError:
        """An `AnnotationError` about segment `index`, or one of its cells, to be raised by the caller."""
        place = self.place(index) + (f", column {column}" if column else "")
        return AnnotationError(reason, path=self.path, place=place)

    @property
    def video_ids(self) -> tuple[str, ...]:
        """The distinct videos, in the order of their first segment."""
        return tuple(dict.fromkeys(segment.video_id for segment in self.segments))

    def select(self, keep: Callable[[Segment], bool] | Sequence[bool] | npt.NDArray[np.bool_]) -> "SegmentTable":
        """The segments that a predicate accepts, or where a mask as long as the table is true; places stay."""
        mask = [keep(segment) for segment in self.segments] if callable(keep) else list(keep)
        if len(mask) != len(self):
            raise ValueError(f"a mask of {len(mask)} values for {len(self)} segments")
        segments, rows = tuple(compress(self.segments, mask)), tuple(compress(self.rows, mask))
        return SegmentTable(self.path, segments, rows, tuple(compress(self.files, mask)))


def read_segments(path: str | Path) -> SegmentTable:
    """Read a segments CSV: EPIC-KITCHENS-100, EPIC-KITCHENS-55, or a spreadsheet with the same column names.

    Needs `video_id` (a file with its suffix, or in a folder, stands for its name) and one pair of `start_timestamp,
    stop_timestamp` (or `start_seconds, stop_seconds`, or `start_frame, stop_frame`: 1-based, stop exclusive, with a
    column `fps` unless the id is EPIC-KITCHENS').
    `narration_id` (or `uid`) is made from video and row where it is absent, `participant_id` from the part
    of the video id before "_". Labels may be absent; an empty cell or "nan" means unlabelled.

    Raises:
        AnnotationError: Names the file, the row and the column of the first cell that is wrong.
    """
    return segments_of(read_spreadsheet(path))


def segments_of(sheet: Spreadsheet) -> SegmentTable:
    """The segments of a spreadsheet that was read, see `read_segments`; its video ids are normalised on the way."""
    if "video_id" not in sheet:
        raise sheet.missing("column video_id")
    sheet.columns["video_id"] = tuple(sheet.convert("video_id", parse_video_id))
    time_columns = _find_time_columns(sheet)
    times = [_read_times(sheet, column) for column in time_columns]
    columns_of = dict(zip(("start_seconds", "stop_seconds"), time_columns, strict=True))
    id_column = "uid" if "uid" in sheet and "narration_id" not in sheet else "narration_id"
    video_ids = sheet.columns["video_id"]
    made_ids = [f"{video_id}_{row}" for video_id, row in zip(video_ids, sheet.rows, strict=True)]
    columns: dict[str, Iterable[Any]] = {
        "narration_id": sheet.columns.get(id_column, made_ids),
        "participant_id": [video_id.partition("_")[0] for video_id in video_ids],
        "video_id": video_ids,
        "start_seconds": times[0],
        "stop_seconds": times[1],
    }
    columns |= {column: sheet.convert(column, parse) for column, parse in _OPTIONAL.items() if column in sheet}
    segments = []
    for position, values in enumerate(zip(*columns.values(), strict=True)):
        try:
            segments.append(Segment(**dict(zip(columns, values, strict=True))))
        except SegmentFieldError as error:
            column = columns_of.get(error.field, error.field)
            raise sheet.error(str(error), position=position, column=column) from None
    first: dict[str, int] = {}
    for position, segment in enumerate(segments):
        other = first.setdefault(segment.narration_id, position)
        if other != position:
            reason = f"'{segment.narration_id}' is already the id of row {sheet.rows[other]}; ids must differ"
            raise sheet.error(reason, position=position, column=id_column)
    return SegmentTable(sheet.path, tuple(segments), sheet.rows)


def _find_time_columns(sheet: Spreadsheet) -> tuple[str, str]:
    """The first pair of columns that is there: timestamps, seconds, frames; half a pair is an error."""
    for unit in ("timestamp", "seconds", "frame"):
        pair = (f"start_{unit}", f"stop_{unit}")
        present = [column in sheet for column in pair]
        if all(present):
            return pair
        if any(present):
            raise sheet.missing(f"column {pair[present.index(False)]}")
    raise sheet.missing("columns start_timestamp and stop_timestamp (nor start_frame and stop_frame)")


def _read_times(sheet: Spreadsheet, column: str) -> list[float]:
    """Seconds; of frames by the rate of EPIC-KITCHENS' ids, else by the column fps."""
    if not column.endswith("_frame"):
        return sheet.convert(column, parse_timestamp if sheet.delimiter == "," else parse_decimal_comma)
    rates = sheet.convert("fps", parse_decimal_comma) if "fps" in sheet else [0.0] * len(sheet)
    rates = [frame_rate(video) or rate for video, rate in zip(sheet.columns["video_id"], rates, strict=True)]
    seconds = []
    for position, (frame, rate) in enumerate(zip(sheet.convert(column, parse_whole), rates, strict=True)):
        try:
            if not rate > 0:
                video = sheet.columns["video_id"][position]
                reason = f"start and stop are frames, and the rate of video '{video}' is unknown; add a column fps"
                raise ValueError(reason)
            seconds.append(frame_seconds(frame, rate=rate))
        except ValueError as error:
            raise sheet.error(str(error), position=position, column=column) from None
    return seconds


def group_by_recording(segments: Sequence[Segment]) -> dict[str, list[Segment]]:
    """video_id -> its segments."""
    found: dict[str, list[Segment]] = {}
    for segment in segments:
        found.setdefault(segment.video_id, []).append(segment)
    return found


def split_into_folds(video_ids: Sequence[str], *, num_folds: int, seed: int = 0) -> tuple[tuple[str, ...], ...]:
    """Groups of whole videos, of about equally many segments; sorted.

    Segments of one recording resemble each other so much that a model which has seen some of them knows the others;
    so a video is in one fold only. The largest videos are dealt out first, each to the fold that has least.

    Args:
        video_ids: The recording of each segment.
        num_folds: From 2 to the number of videos; a `ValueError` for others.
        seed: Decides among videos of equal size; the order of the segments decides nothing.

    >>> split_into_folds(["a", "a", "a", "b", "c", "c"], num_folds=2)
    (('a',), ('b', 'c'))
    """
    sizes = Counter(video_ids)
    if not 2 <= num_folds <= len(sizes):
        raise ValueError(f"{num_folds} folds of {len(sizes)} videos; from 2 to the number of videos is possible")
    names = sorted(sizes)
    shuffled = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    folds: list[list[str]] = [[] for _ in range(num_folds)]
    totals = [0] * num_folds
    for name in sorted(shuffled, key=lambda name: -sizes[name]):
        smallest = totals.index(min(totals))
        folds[smallest].append(name)
        totals[smallest] += sizes[name]
    return tuple(tuple(sorted(fold)) for fold in folds)
