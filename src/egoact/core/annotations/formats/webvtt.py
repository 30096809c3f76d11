"""WebVTT, a cue an annotation; SubRip (`.srt`) is read, too, whose clocks have a comma.

Source: W3C, WebVTT: The Web Video Text Tracks Format.
"""

import html
import re
from functools import partial

from egoact.core.annotations.formats.annotation import Annotations
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions
from egoact.core.annotations.formats.syntax.times import clock, parse_seconds
from egoact.core.annotations.formats.words import one_line

_TIMING = re.compile(r"\s*(?P<start>[\d:.,]+)\s+-->\s+(?P<stop>[\d:.,]+)(?:\s.*)?")
_TAG = re.compile(r"<[^<>]*>")


def is_webvtt(source: Source) -> bool:
    """Whether it begins as WebVTT does, or has cues."""
    return source.beginning.startswith("WEBVTT") or (source.suffix in (".vtt", ".srt") and "-->" in source.beginning)


def read_webvtt(reading: Reading) -> None:
    """The cues; their text without tags is a label. Blocks of notes, styles and regions are passed over."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate([*reading.source.text.split("\n"), ""], 1):
        if line.strip():
            block.append((number, line))
        elif block:
            place = f"line {block[0][0]}"
            reading.attempt(place, partial(_read_block, reading, [text for _, text in block], place))
            block = []


def _read_block(reading: Reading, lines: list[str], place: str) -> None:
    position = next((i for i, line in enumerate(lines[:2]) if "-->" in line), None)
    if position is None:
        is_known = lines[0].startswith(("WEBVTT", "NOTE", "STYLE", "REGION", "X-TIMESTAMP"))
        if not is_known:
            raise ValueError("neither a cue nor a note")
        return
    if lines[0].startswith("NOTE"):
        return
    match = _TIMING.fullmatch(lines[position])
    if match is None:
        raise ValueError("not a timing such as 00:01.000 --> 00:02.500")
    text = html.unescape(_TAG.sub("", " ".join(lines[position + 1 :])))
    start, stop = parse_seconds(match["start"]), parse_seconds(match["stop"])
    recording = reading.source.recording
    reading.add(place=place, recording=recording, start_seconds=start, stop_seconds=stop, description=one_line(text))


def write_webvtt(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """The cues of one recording."""
    cues, points = ["WEBVTT\n"], 0
    for number, item in enumerate(annotations, 1):
        start, stop = item.start_seconds, item.stop_seconds
        if clock(start) == clock(stop):
            stop, points = start + 0.001, points + 1
        text = html.escape(one_line(item.label), quote=False)
        cues.append(f"{number}\n{clock(start)} --> {clock(stop)}\n{text}\n")
    losses.tell("{} became a millisecond long: WebVTT has no points", points, "point event")
    return "\n".join(cues)
