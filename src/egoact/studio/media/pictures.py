"""Single pictures as files. Knows nothing about recordings."""

from io import BytesIO

import numpy as np


def write_jpeg(picture: np.ndarray, *, quality: int = 85) -> bytes:
    """A picture, uint8 RGB (H, W, 3), as browsers send theirs."""
    from PIL import Image

    content = BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=quality)
    return content.getvalue()
