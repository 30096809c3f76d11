"""What a cell of a spreadsheet means: text in, one value out, `ValueError` for anything else."""

import ast
import re
import unicodedata

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mts", ".m2ts", ".ts", ".mpg", ".3gp")

_CLOCK = re.compile(r"(?:(\d{1,6}):)?(\d{1,6}):(\d+(?:\.\d*)?)", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_WHOLE = re.compile(r"(\d+)(?:\.0*)?", re.ASCII)
_MISSING = frozenset({"", "nan", "NaN", "NAN", "#N/A"})
_LARGEST_WHOLE = 2**53


def parse_timestamp(text: str) -> float:
    """Seconds of `HH:MM:SS.sss`, `MM:SS.sss` or plain seconds; 60 or more of what has a larger unit beside it is wrong.

    >>> parse_timestamp("01:00:02.50")
    3602.5
    """
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = int(clock[1] or 0), int(clock[2]), float(clock[3])
        if seconds < 60 and (minutes < 60 or clock[1] is None):
            return hours * 3600 + minutes * 60 + seconds
    elif _NUMBER.fullmatch(text):
        return float(text)
    raise ValueError(f"{show(text)} is not a time; write HH:MM:SS.sss, MM:SS.sss or seconds")


def parse_decimal_comma(text: str) -> float:
    """As `parse_timestamp`, with "," allowed as decimal sign, as beside semicolons and tabs."""
    return parse_timestamp(text.replace(",", "."))


def parse_whole(text: str) -> int:
    """A whole number from 0 on; "3.0", as spreadsheets write it, is 3."""
    match = _WHOLE.fullmatch(text)
    if match is None or int(match[1]) > _LARGEST_WHOLE:
        raise ValueError(f"{show(text)} is not a whole number from 0 on")
    return int(match[1])


def parse_optional_whole(text: str) -> int | None:
    """As `parse_whole`, and None for an empty cell or "nan"."""
    return None if text in _MISSING else parse_whole(text)


def parse_optional_text(text: str) -> str | None:
    """The text, and None for an empty cell or "nan"."""
    return None if text in _MISSING else text


def parse_wholes(text: str) -> tuple[int, ...]:
    """A list of whole numbers as Python writes it: "[3, 8]"; an empty cell is an empty list."""
    if text in _MISSING or text == "[]":
        return ()
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError(f"{show(text)} is not a list of whole numbers such as [3, 8]")
    return tuple(parse_whole(part.strip()) for part in text[1:-1].split(","))


def parse_texts(text: str) -> tuple[str, ...]:
    """A list of texts as Python writes it: "['put', 'lay-on']"; an empty cell is an empty list."""
    if text in _MISSING:
        return ()
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{show(text)} is not a list of texts such as ['put', 'lay-on']")
    return tuple(values)


def show(text: str) -> str:
    """The text in quotes, on one line, shortened."""
    line = " ".join(text.split())
    return f"'{line[:40]}...'" if len(line) > 43 else f"'{line}'"


def normalise_video_id(text: str) -> str:
    """One spelling of accented letters, as single characters (NFC): macOS takes those of file names apart."""
    return unicodedata.normalize("NFC", text)


def parse_video_id(text: str) -> str:
    """The id of a recording; written as a file it is the file's name without folder and suffix.

    >>> parse_video_id("P01_01"), parse_video_id("kitchen 1.MP4"), parse_video_id("videos/a.b.mov")
    ('P01_01', 'kitchen 1', 'a.b')
    """
    name = re.split(r"[/\\]", normalise_video_id(text))[-1]
    stem, dot, suffix = name.rpartition(".")
    return stem if dot and stem and f".{suffix.lower()}" in VIDEO_SUFFIXES else name
