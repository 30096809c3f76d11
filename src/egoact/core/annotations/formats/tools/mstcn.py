"""The text files of MS-TCN and its successors: a label for each frame of a recording, a line each.

Source: Farha and Gall, MS-TCN, CVPR 2019, arXiv:1903.01945.
"""

import math
from itertools import groupby

from egoact.core.annotations.formats.annotation import Annotations
from egoact.core.annotations.formats.exchange import Losses, Reading, Source, WriteOptions, rate_of
from egoact.core.annotations.frame_labels import find_stretches

_ALWAYS_BACKGROUND = frozenset({"background", "SIL", "action_start", "action_end"})  # GTEA, Breakfast, 50Salads


def recognise(source: Source) -> bool:
    """Whether it is lines of one word each, most of which are as the one before."""
    lines = source.beginning.rstrip("\n").split("\n")
    if source.suffix not in (".txt", "") or len(lines) < 10 or any(not line or len(line.split()) > 1 for line in lines):
        return False
    changes = sum(a != b for a, b in zip(lines, lines[1:], strict=False))
    return changes < len(lines) / 2


def read(reading: Reading) -> None:
    """Stretches of frames with the same label."""
    rate, name = reading.rate(), reading.source.recording
    labels = [line.strip() for line in reading.source.text.rstrip("\n").split("\n")]
    nothing = _ALWAYS_BACKGROUND | {reading.options.background, ""}
    for start, stop, label in find_stretches(labels, rate=rate, background=nothing):
        place = f"line {round(start * rate) + 1}"
        reading.add(place=place, recording=name, start_seconds=start, stop_seconds=stop, description=label)


def write(annotations: Annotations, options: WriteOptions, losses: Losses) -> str:
    """Frames of one recording; each has the label of the last annotation to begin that is under way at its middle."""
    lines: list[str] = []
    for name, items in annotations.by_recording().items():
        rate = rate_of(annotations, name, options)
        known = annotations.recording(name).duration_seconds or 0.0
        losses.tell("{} of unknown length end with the last action; --media tells the length", not known, "recording")
        frames: list[int | None] = [None] * math.ceil(round(known * rate, 6))
        for number, item in enumerate(items):
            first, last = (math.ceil(round(time * rate - 0.5, 6)) for time in (item.start_seconds, item.stop_seconds))
            frames += [None] * (last - len(frames))
            frames[first:last] = [number] * (last - first)
        labels = ["_".join((item.label or "unlabelled").split()) for item in items]
        seen = {number for number in frames if number is not None}
        pieces = sum(number is not None for number, _ in groupby(frames))
        said = [options.background if number is None else labels[number] for number in frames]
        runs = sum(label != options.background for label, _ in groupby(said))
        losses.lose("{} left without a frame", len(items) - len(seen), "annotation")
        losses.lose("{} joined to an equal one before", pieces - runs, "annotation")
        losses.tell("one label a frame: {} cut annotations in two", pieces - len(seen), "overlap")
        lines += said
    return "".join(f"{line}\n" for line in lines)
