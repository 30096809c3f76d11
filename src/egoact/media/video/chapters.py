"""Chapters: GoPro cameras write a long recording as several files, which are one recording here; its times go on.

    GX010042.MP4 GX020042.MP4 GX030042.MP4     recording GX0042 (GH: H.264)
    GOPR0042.MP4 GP010042.MP4 GP020042.MP4     recording GOPR0042 (up to HERO5)

The path of its first chapter stands for a recording. A file `chapters.txt` beside them that says "apart" leaves the
files of its folder alone.

Source: GoPro Camera File Naming Convention.
"""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from itertools import takewhile
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from egoact.core.errors import MediaError

SWITCH_NAME, APART = "chapters.txt", "apart"
_MOST_CHAPTERS = 99
_FAT_NS = 2_000_000_000  # what the coarsest file system tells apart
_FIRST = re.compile(r"(?P<kind>G[XH])01(?P<number>\d{4})|GOPR(?P<old>\d{4})", re.ASCII | re.IGNORECASE)
_LATER = re.compile(r"(?P<kind>G[XHP])\d\d(?P<number>\d{4})", re.ASCII | re.IGNORECASE)


def find_chapters(path: Path) -> tuple[Path, ...]:
    """All files of the recording that a file begins; of any other file the file alone."""
    name = _FIRST.fullmatch(path.stem)
    if name is None or path.suffix.lower() != ".mp4":
        return (path,)
    kind, number, begin = (name["kind"], name["number"], 2) if name["old"] is None else ("GP", name["old"], 1)
    names = (f"{kind}{chapter:02d}{number}{path.suffix}" for chapter in range(begin, _MOST_CHAPTERS + 1))
    others = tuple(takewhile(Path.is_file, map(path.with_name, names)))
    if others:
        with suppress(OSError):
            said = (path.parent / SWITCH_NAME).read_text("utf-8", errors="replace")
            return (path,) if said.strip().lower() == APART else (path, *others)
    return (path, *others)


def recording_of(path: Path) -> Path | None:
    """The first chapter of the recording that a file continues; None of any other file."""
    name = _LATER.fullmatch(path.stem)
    if name is None:
        return None
    first = f"GOPR{name['number']}" if name["kind"].upper() == "GP" else f"{name['kind']}01{name['number']}"
    begin = path.with_name(f"{first}{path.suffix}")
    return begin if path in find_chapters(begin)[1:] and begin.is_file() else None


def name_recording(path: Path) -> str:
    """What a recording is called: as its file without suffix, nor number of the chapter where it has several."""
    name = _FIRST.fullmatch(path.stem)
    if name is None or name["old"] is not None or len(find_chapters(path)) == 1:
        return path.stem
    return f"{name['kind']}{name['number']}"


def describe_chapters(path: Path) -> str:
    """That several files are one recording, and how to have it otherwise; empty for a single file."""
    first, *others = (chapter.name for chapter in find_chapters(path))
    if not others:
        return ""
    return (
        f"{name_recording(path)} is one recording of {len(others) + 1} chapters, {first} to {others[-1]}, whose times "
        f"go on (to keep files apart, write {APART} into a file {SWITCH_NAME} beside them)"
    )


def measure_files(path: Path) -> tuple[int, int]:
    """Size of all files of a recording in bytes, and when the newest was changed, in ns."""
    statuses = [chapter.stat() for chapter in find_chapters(path)]
    return sum(status.st_size for status in statuses), max(status.st_mtime_ns for status in statuses)


def date_copy(copy: Path, modified_ns: int) -> None:
    """Give a copy the time of what it was made of, see `is_copy_of`."""
    os.utime(copy, ns=(modified_ns, modified_ns))


def is_copy_of(copy: Path, path: Path) -> bool:
    """Whether a copy bears the time of a recording as it is now; which of them is newer, clocks do not always know."""
    return copy.is_file() and abs(copy.stat().st_mtime_ns - measure_files(path)[1]) < _FAT_NS


def join(chapters: Sequence[tuple[Path, InputContainer]]) -> InputContainer:
    """Open chapters as one file: each begins when the pictures of the one before end; whoever opened them closes them.

    Raises:
        MediaError: One of them has no pictures, does not say how long it is, or is not of the same kind as the first.
    """
    lines, starts, end = ["ffconcat version 1.0"], [], Fraction(0)
    for path, container in chapters:
        kind, begin, length = _pictures(path, container)
        if kind != _pictures(*chapters[0])[0]:
            raise MediaError(f"not of the same kind as {chapters[0][0].name}, whose recording it goes on", path=path)
        # FFmpeg puts the beginning of the file there, which sound may make earlier than that of the pictures.
        starts.append(end + Fraction(container.start_time or 0, av.time_base) - begin)
        end += length
    for (path, _), start, following in zip(chapters, starts, [*starts[1:], end], strict=True):
        quoted = str(path.absolute()).replace("'", r"'\''")
        microseconds = round(following * 1_000_000) - round(start * 1_000_000)
        lines += [f"file '{quoted}'", f"duration {microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"]
    script = BytesIO("\n".join(lines).encode())
    return av.open(script, "r", format="concat", options={"safe": "0", "protocol_whitelist": "file"})


def _pictures(path: Path, container: InputContainer) -> tuple[tuple[str, int, int], Fraction, Fraction]:
    """Codec and size of the pictures of a file, when they begin, and how long they last, in seconds."""
    stream = container.streams.best("video")
    if not isinstance(stream, VideoStream) or stream.duration is None or stream.time_base is None:
        raise MediaError("this chapter has no pictures, or does not say how long it is", path=path)
    context = stream.codec_context
    begin = (stream.start_time or 0) * stream.time_base
    return (context.name, context.width, context.height), begin, stream.duration * stream.time_base
