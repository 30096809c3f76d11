"""Optical flow as numbers and as EPIC-KITCHENS' bytes; knows nothing about files: arrays in, arrays out.

    pixels    -20 ............... 0 ............... +20
    bytes       0 ....... 127 | 127.5 | 128 ....... 255

Flow (H, W, 2) is how far each pixel of one picture moved to be found in the next: x to the right, y downwards.
"""

import numpy as np
import numpy.typing as npt

BOUND_PIXELS = 20.0
"""Faster motion is stored as this."""
STILL = 127.5
"""The 8-bit value of no motion: between two bytes, so that both directions reach equally far."""
_STEP_PIXELS = BOUND_PIXELS / STILL


def pack_flow(flow: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Pixels to bytes: what lies beyond the bound becomes the bound; no motion becomes 128.

    >>> pack_flow([-30, -20, 0, 5]).tolist()
    [0, 0, 128, 159]
    """
    scaled = np.asarray(flow, dtype=np.float64) / _STEP_PIXELS + STILL
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def unpack_flow(packed: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Bytes to pixels, exact to half a step (0.08 pixels); to a whole step next to no motion.

    No byte means exactly no motion: 127 and 128 are equally near to it, and both are read as 0, so that what stands
    still has no motion at all.

    >>> unpack_flow([0, 127, 128, 255]).tolist()
    [-20.0, 0.0, 0.0, 20.0]
    """
    offset = np.asarray(packed, dtype=np.float32) - np.float32(STILL)
    return np.where(np.abs(offset) < 1, np.float32(0), offset * np.float32(_STEP_PIXELS)).astype(np.float32)


def flow_magnitude(flow: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """How far everything moved, pixels: (..., 2) -> (...).

    Of bytes it is measured from 127.5 and not from (0, 0), which would make what stands still look as if it moved:
    give it `unpack_flow` of them.
    """
    u, v = np.moveaxis(np.asarray(flow, dtype=np.float32), -1, 0)
    magnitude: npt.NDArray[np.float32] = np.hypot(u, v)
    return magnitude


def flow_picture(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Bytes (H, W, 2) to a picture of three channels (H, W, 3): u, v, and the magnitude, with no motion at 127.5.

    The magnitude reaches 255 where both directions reach their bound.
    """
    magnitude = flow_magnitude(unpack_flow(packed)) / (BOUND_PIXELS * 2**0.5)
    third = np.rint(np.clip(STILL * (1 + magnitude), 0, 255)).astype(np.uint8)
    return np.dstack([packed, third])
