"""How features lie on disk: as float16, or maps as int8 with a scale for each channel of each frame.

    float16    feature (D,) or (C, h, w)
    int8       scale float16 (C,), values int8 (C, h, w)        feature = scale * values, values -127 to 127

Half the bytes for maps; what is lost is at most half a step of 1/127 of a channel's largest number in that frame.
"""

from typing import Literal, get_args

import numpy as np

StoredDtype = Literal["float16", "int8"]
DTYPES: tuple[str, ...] = get_args(StoredDtype)
_MOST = 127
_SMALLEST_SCALE, _LARGEST_SCALE = 2.0**-24, 515.5


def shard_layout(
    dtype: str, shape: tuple[int, ...], feature_shape: tuple[int, ...]
) -> tuple[np.dtype, tuple[int, ...]]:
    """Element type and shape on disk of an array of frames, whose `shape` is such as (moments,)."""
    if dtype == "float16":
        return np.dtype("<f2"), (*shape, *feature_shape)
    return np.dtype([("scale", "<f2", feature_shape[:1]), ("values", "i1", feature_shape)]), shape


def encode(features: np.ndarray, dtype: str) -> np.ndarray:
    """Features as they lie on disk: float16 (M, *feature), finite, as it came, or of maps records of shape (M,)."""
    if dtype == "float16":
        return features
    element, shape = shard_layout(dtype, features.shape[:1], features.shape[1:])
    exact = features.astype(np.float32)
    records = np.empty(shape, element)
    # No scale is zero, by which nothing could be divided, or so large that 127 of it would be infinite in float16.
    records["scale"] = np.clip(np.abs(exact).max(axis=(2, 3)) / _MOST, _SMALLEST_SCALE, _LARGEST_SCALE)
    steps = np.rint(exact / records["scale"].astype(np.float32)[..., None, None])
    records["values"] = np.clip(steps, -_MOST, _MOST)
    return records


def decode(stored: np.ndarray, dtype: str) -> np.ndarray:
    """What `encode` made, back as float16 features: (..., *feature)."""
    if dtype == "float16":
        return stored
    import torch

    # One pass in torch, rounded once; numpy takes one in float32 and a slower one to float16.
    values, scale = (torch.from_numpy(np.array(stored[name], order="C")) for name in ("values", "scale"))
    return (values * scale[..., None, None]).numpy()
