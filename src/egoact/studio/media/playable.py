"""A copy of a recording that browsers play: `python -m egoact.studio.media.playable RECORDING COPY.mp4`.

Its pictures have the recording's own times, the first one 0. H.264 is copied as it is; other codecs are encoded again.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from egoact.core.errors import InputError
from egoact.core.progress import Progress
from egoact.media.sound.reader import find_sound, read_sound
from egoact.media.sound.writer import write_sound
from egoact.media.video.file import VideoFile
from egoact.media.video.writer import PLAYABLE_PIXELS

_COMMENT = "egoact: copy for browsers"


def write_playable_copy(recording: Path, copy: Path) -> None:
    """Write the copy, atomically.

    Raises:
        MediaError: The recording cannot be read, or the copy cannot be written.
    """
    with VideoFile(recording) as file:
        context = file.stream.codec_context
        is_copied = context.name == "h264" and context.pix_fmt in PLAYABLE_PIXELS
    track = find_sound(recording)
    with Progress(f"{recording.name} for browsers", total=round(track.length_seconds), unit="s") as progress:

        def blocks() -> Iterator[np.ndarray]:
            told, seconds = 0, 0.0
            for block in read_sound(track):
                yield block
                seconds += len(block) / track.form.rate
                progress.advance(int(seconds) - told)
                told = int(seconds)

        write_sound(copy, blocks(), track, copied=("h264",) if is_copied else (), comment=_COMMENT)


def main() -> None:
    """As a command: exit code 2 and one line where it cannot be done."""
    if len(sys.argv) != 3:
        sys.exit("usage: python -m egoact.studio.media.playable RECORDING COPY.mp4")
    try:
        write_playable_copy(Path(sys.argv[1]), Path(sys.argv[2]))
    except (InputError, ValueError, OSError) as error:
        print(f"playable: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
