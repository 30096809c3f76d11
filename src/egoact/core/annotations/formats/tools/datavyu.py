"""Datavyu's CSVs: columns of cells beside each other, `take.ordinal,take.onset,take.offset,take.code01`; milliseconds.

Also the layout of its script `datavyu2csv`, one column a file: `file,column,onset,offset,ordinal,code01`.
"""

from typing import Any

from egoact.core.annotations.formats.annotation import Annotation, Annotations
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.attributes import fields_of
from egoact.core.annotations.formats.syntax.tables import header_of, split_lines
from egoact.core.annotations.formats.syntax.tiers import Cell, add_cells
from egoact.core.annotations.formats.syntax.times import parse_number
from egoact.core.annotations.formats.words import recording_name
from egoact.core.files import csv_text

_PLAIN = "action"
_CODES = ("verb", "noun", "description", "hand", "note", "annotator")
_FILE_COLUMNS = ("file", "column", "onset", "offset", "ordinal")


def recognise(source: Source) -> bool:
    """Whether the header has onsets of columns, or those of the script."""
    header = header_of(source)
    is_beside = any(name.endswith("_ordinal") for name in header) and any(name.endswith("_onset") for name in header)
    return is_beside or set(_FILE_COLUMNS) <= set(header)


def read(reading: Reading) -> None:
    """All cells; columns that are called verb, noun, ... are merged by overlap."""
    records = split_lines(reading.source)
    if not records:
        raise reading.source.error("the file is empty")
    header = records[0][1]
    is_script = {name.casefold() for name in header} >= set(_FILE_COLUMNS)
    cells: list[Cell] = []
    for line, row in records[1:]:
        with reading.row(f"line {line}"):
            for column, values in _groups(header, row, is_script).items():
                if values.get("onset"):
                    cells.append(_cell(reading, column, values, f"line {line}"))
    add_cells(reading, cells)


def _groups(header: list[str], row: list[str], is_script: bool) -> dict[str, dict[str, str]]:
    """Column -> code -> value of one row."""
    if is_script:
        values = {name.casefold(): text for name, text in zip(header, row, strict=False)}
        return {values["column"]: values}
    found: dict[str, dict[str, str]] = {}
    for name, text in zip(header, row, strict=False):
        column, dot, code = name.rpartition(".")
        if dot:
            found.setdefault(column, {})[code] = text
    return found


def _cell(reading: Reading, column: str, values: dict[str, str], place: str) -> Cell:
    start = parse_number(values["onset"]) / 1000
    stop = parse_number(values.get("offset") or "0") / 1000 or start  # a point has an offset of 0, or its onset
    codes = {code: text for code, text in values.items() if code not in _FILE_COLUMNS}
    extras: dict[str, Any] = fields_of(codes, reading.options)
    text = "" if "verb" in extras else extras.pop("description", "")
    recording = recording_name(values["file"]) if values.get("file") else reading.source.recording
    tier = {"tier": ""} if column == _PLAIN else {}
    return Cell(column, start, stop, text, place, recording, extras.get("annotator", ""), extras=extras | tier)


def write(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """The cells of one recording, a column of them a tier, with the codes verb, noun, hand and so on."""
    columns: dict[str, list[Annotation]] = {}
    for item in annotations:
        columns.setdefault(item.tier or _PLAIN, []).append(item)
    columns = columns or {_PLAIN: []}
    used = {
        column: [code for code in _CODES if any(getattr(item, code) for item in items)] or ["verb"]
        for column, items in columns.items()
    }
    header = [f"{column}.{code}" for column, codes in used.items() for code in ("ordinal", "onset", "offset", *codes)]
    rows: list[list[Any]] = [header]
    for number in range(max(map(len, columns.values()))):
        row: list[Any] = []
        for column, codes in used.items():
            items = columns[column]
            if number < len(items):
                item = items[number]
                times = [round(1000 * item.start_seconds), round(1000 * item.stop_seconds)]
                row += [number + 1, *times, *(getattr(item, code) for code in codes)]
            else:
                row += [""] * (3 + len(codes))
        rows.append(row)
    return csv_text(rows, delimiter=options.delimiter)
