"""Times as other tools write them: clocks, seconds with point or comma, milliseconds, timecodes that count frames."""

import re

from egoact.core.annotations.parsing import show

_TIMECODE = re.compile(r"(\d{1,3}):(\d{2}):(\d{2})([:;.])(\d{2,3})", re.ASCII)


def parse_number(text: str) -> float:
    """A number, with point or comma."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        raise ValueError(f"{show(text)} is not a number") from None


def _exact(fps: float) -> float:
    """The rate that is meant: 29.97 is 30000/1001."""
    ntsc = round(fps) * 1000 / 1001
    return ntsc if abs(fps - ntsc) < 0.005 else fps


def clock(seconds: float) -> str:
    """The time as "HH:MM:SS.mmm"."""
    milliseconds = round(1000 * seconds)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"


def parse_timecode(text: str, *, fps: float) -> float:
    """Seconds of "HH:MM:SS:FF", or "HH;MM;SS;FF" with dropped numbers (SMPTE 12M), at this rate.

    >>> parse_timecode("00:00:02:15", fps=30)
    2.5
    """
    is_drop = ";" in text
    match = _TIMECODE.fullmatch(text.strip().replace(";", ":"))
    if match is None:
        raise ValueError(f"{show(text)} is not a timecode such as 00:01:05:12")
    hours, minutes, seconds, frames = (int(match[group]) for group in (1, 2, 3, 5))
    nominal = round(fps)
    if frames >= nominal or seconds >= 60 or minutes >= 60:
        raise ValueError(f"{show(text)} is not a timecode at {fps:g} frames per second")
    total = (hours * 3600 + minutes * 60 + seconds) * nominal + frames
    if is_drop:
        whole_minutes = hours * 60 + minutes
        total -= nominal // 15 * (whole_minutes - whole_minutes // 10)
    return total / _exact(fps)


def timecode(seconds: float, *, fps: float) -> str:
    """The timecode "HH:MM:SS:FF" of the nearest frame, without dropped numbers."""
    nominal = round(fps)
    rest, frames = divmod(round(seconds * _exact(fps)), nominal)
    minutes, rest = divmod(rest, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}:{frames:02d}"
