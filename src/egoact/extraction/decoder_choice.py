"""What decodes recordings: PyAV on this processor, or torchcodec where the network is."""

import sys
from importlib.util import find_spec
from typing import Literal

from egoact.extraction.decoding import Decoders
from egoact.media.video.device_reader import DeviceReader

Decoder = Literal["auto", "pyav", "torchcodec"]
RECORDINGS_AT_ONCE = 4  # of a GPU, which has several decoders, and one of them for each recording


def choose_decoders(decoder: Decoder, *, place: str, num_workers: int, is_whole: bool) -> Decoders | None:
    """Decoders beside PyAV, or instead of it; None: PyAV alone.

    Args:
        decoder: "auto" takes them for whole recordings on a GPU, where they are installed.
        place: Where the network is: "cpu", "cuda" or "cuda:N".
        num_workers: Recordings that are decoded at the same time on this processor.
        is_whole: Whether recordings are read from beginning to end.

    Raises:
        ValueError: They were asked for, and are not there.
    """
    on_gpu = place != "cpu"
    if decoder == "pyav" or (decoder == "auto" and not (on_gpu and is_whole and find_spec("torchcodec"))):
        return None
    try:
        reader = DeviceReader(place)
    except ValueError as error:
        if decoder != "auto":
            raise
        print(f"extract: {error}; going on with PyAV alone", file=sys.stderr)
        return None
    return Decoders(reader, RECORDINGS_AT_ONCE if on_gpu else num_workers, is_helped=decoder == "auto")
