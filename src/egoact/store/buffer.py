"""Features whose number nobody knows yet, appended to a temporary file, then read like an array; needs no pyarrow."""

import tempfile
from pathlib import Path

import numpy as np

from egoact.store.layout.encoding import encode, shard_layout


class FeatureBuffer:
    """An hour of pooled features is 74 MB, of feature maps more than a gigabyte: memory does not grow with them.

    A context manager, which removes the file. It is in `folder` (None: the system's place for such files), and holds
    features of shape (D,) or (C, h, w), a row a moment, as `store.layout.encoding` says.
    """

    def __init__(self, feature_shape: tuple[int, ...], *, dtype: str = "float16", folder: Path | None = None) -> None:
        self._shape, self._dtype = feature_shape, dtype
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115, closed by __exit__
        self._num_rows = 0

    def __enter__(self) -> "FeatureBuffer":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._num_rows

    def append(self, features: np.ndarray) -> None:
        """Add rows, float16 (N, *feature_shape)."""
        if features.dtype != np.float16 or features.shape[1:] != self._shape:
            raise ValueError(f"expected float16 (N, {self._shape}), got {features.dtype} {features.shape}")
        self._file.write(np.ascontiguousarray(encode(features, self._dtype)).data)
        self._num_rows += len(features)

    def read(self) -> np.ndarray:
        """All rows so far as they lie in the file, (M, *feature_shape) for float16; mapped and not read."""
        self._file.flush()
        element, shape = shard_layout(self._dtype, (self._num_rows,), self._shape)
        if not self._num_rows:
            return np.empty(shape, dtype=element)
        return np.memmap(self._file, dtype=element, mode="r", shape=shape).view(np.ndarray)
