"""A copy of a recording that browsers play: `python -m egoact.studio.media.playable RECORDING COPY.mp4 [--quick]`.

Its pictures have the recording's own times, the first one 0. H.264 is copied as it is; other codecs are encoded again.

A quick copy is small and has many key frames: a browser that steps to a picture decodes from the key frame before it
on, which at 1080 lines takes it longer than a person wants to wait.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from egoact.core.errors import InputError
from egoact.core.progress import Progress
from egoact.media.sound.reader import find_sound, read_sound
from egoact.media.sound.writer import PictureEncoding, write_sound
from egoact.media.video.chapters import date_copy, measure_files
from egoact.media.video.file import VideoFile
from egoact.media.video.writer import PLAYABLE_PIXELS

_COMMENT = "egoact: copy for browsers"
_LARGE = {"preset": "veryfast", "crf": "20", "g": "12"}
_QUICK = PictureEncoding(
    (), {"preset": "veryfast", "crf": "23", "g": "6", "bf": "0", "tune": "fastdecode"}, most_lines=540
)


def write_playable_copy(recording: Path, copy: Path, *, is_quick: bool = False) -> None:
    """Write the copy, atomically; a quick one has at most 540 lines, and a key frame every six pictures.

    Raises:
        MediaError: The recording cannot be read, or the copy cannot be written.
    """
    _, modified_ns = measure_files(recording)
    with VideoFile(recording) as file:
        context = file.stream.codec_context
        is_copied = context.name == "h264" and context.pix_fmt in PLAYABLE_PIXELS
    encoding = _QUICK if is_quick else PictureEncoding(("h264",) if is_copied else (), _LARGE)
    track = find_sound(recording)
    with Progress(f"{recording.name} for browsers", total=round(track.length_seconds), unit="s") as progress:

        def blocks() -> Iterator[np.ndarray]:
            told, seconds = 0, 0.0
            for block in read_sound(track):
                yield block
                seconds += len(block) / track.form.rate
                progress.advance(int(seconds) - told)
                told = int(seconds)

        write_sound(copy, blocks(), track, comment=_COMMENT, encoding=encoding)
    date_copy(copy, modified_ns)


def main() -> None:
    """As a command: exit code 2 and one line where it cannot be done."""
    paths = [word for word in sys.argv[1:] if word != "--quick"]
    if len(paths) != 2:
        sys.exit("usage: python -m egoact.studio.media.playable RECORDING COPY.mp4 [--quick]")
    try:
        write_playable_copy(Path(paths[0]), Path(paths[1]), is_quick="--quick" in sys.argv)
    except (InputError, ValueError, OSError) as error:
        print(f"playable: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
