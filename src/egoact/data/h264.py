"""Whether a decoder can begin at an H.264 packet; arrays of bytes in, yes or no out.

Containers also mark as key frames the pictures that open a group whose first B-pictures refer to the group
before. A decoder that begins there meets references it never saw; only an IDR picture leaves nothing behind.

Source: ITU-T H.264, 7.4.1.2.4 (IDR), Annex B (start codes); ISO/IEC 14496-15, 5.3.3 (length prefixes).
"""

from collections.abc import Iterator

_SLICE, _IDR = 1, 5


def is_idr(packet: bytes, *, extradata: bytes | None) -> bool:
    """Whether the first slice of a packet belongs to an IDR picture.

    Args:
        packet: One access unit.
        extradata: The stream's; it says how units are told apart.
    """
    if extradata is not None and len(extradata) > 4 and extradata[0] == 1:
        units = _by_length(packet, (extradata[4] & 3) + 1)
    else:
        units = _by_start_code(packet)
    kinds = (kind for kind in units if _SLICE <= kind <= _IDR)
    return next(kinds, None) == _IDR


def _by_length(packet: bytes, length_size: int) -> Iterator[int]:
    position = 0
    while position + length_size < len(packet):
        yield packet[position + length_size] & 31
        position += length_size + int.from_bytes(packet[position : position + length_size])


def _by_start_code(packet: bytes) -> Iterator[int]:
    position = packet.find(b"\0\0\1")
    while 0 <= position < len(packet) - 3:
        yield packet[position + 3] & 31
        position = packet.find(b"\0\0\1", position + 3)
