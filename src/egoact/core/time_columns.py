"""Where a segments CSV says when: timestamps, seconds or frames, always read as seconds."""

from egoact.core.cells import parse_decimal_comma, parse_timestamp, parse_whole
from egoact.core.epic import frame_rate, frame_seconds
from egoact.core.spreadsheet import Spreadsheet


def find_time_columns(sheet: Spreadsheet) -> tuple[str, str]:
    """The first pair of columns that is there: timestamps, seconds, frames.

    Raises:
        AnnotationError: No pair, or half of one.
    """
    for unit in ("timestamp", "seconds", "frame"):
        pair = (f"start_{unit}", f"stop_{unit}")
        present = [column in sheet for column in pair]
        if all(present):
            return pair
        if any(present):
            raise sheet.missing(f"column {pair[present.index(False)]}")
    raise sheet.missing("columns start_timestamp and stop_timestamp (nor start_frame and stop_frame)")


def read_times(sheet: Spreadsheet, start: str, stop: str) -> tuple[list[float], list[float]]:
    """Start and stop of every row in seconds.

    Raises:
        AnnotationError: A cell that is not a time or frame, or frames of an unknown rate.
    """
    if start != "start_frame":
        parse = parse_timestamp if sheet.delimiter == "," else parse_decimal_comma
        return sheet.convert(start, parse), sheet.convert(stop, parse)
    rates = _read_rates(sheet)
    return _frames_to_seconds(sheet, start, rates), _frames_to_seconds(sheet, stop, rates)


def _frames_to_seconds(sheet: Spreadsheet, column: str, rates: list[float]) -> list[float]:
    seconds = []
    for position, frame in enumerate(sheet.convert(column, parse_whole)):
        try:
            seconds.append(frame_seconds(frame, rate=rates[position]))
        except ValueError as error:
            raise sheet.error(str(error), position=position, column=column) from None
    return seconds


def _read_rates(sheet: Spreadsheet) -> list[float]:
    """Frames per second of every row: by the rule for EPIC-KITCHENS' ids, else from the column fps."""
    written = sheet.convert("fps", parse_decimal_comma) if "fps" in sheet else [0.0] * len(sheet)
    rates = []
    for position, (video_id, fps) in enumerate(zip(sheet.columns["video_id"], written, strict=True)):
        rate = frame_rate(video_id) or fps
        if not rate > 0:
            reason = f"start and stop are frames, and the rate of video '{video_id}' is unknown; add a column fps"
            raise sheet.error(reason, position=position, column="start_frame")
        rates.append(rate)
    return rates
