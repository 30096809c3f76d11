"""Features of a recording whose length nobody knows yet: appended to a file, then read like an array.

An hour of pooled features is 74 MB, of feature maps more than a gigabyte: memory does not grow with the recording.
"""

import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np


class FeatureBuffer:
    """A temporary file of float16 features; a context manager that removes it.

    Args:
        feature_shape: (D,) or (C, h, w) of one step.
        folder: Where the file is; None: the system's place for such files.
    """

    def __init__(self, feature_shape: tuple[int, ...], *, folder: Path | None = None) -> None:
        self._shape = feature_shape
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115, closed by __exit__
        self._num_steps = 0

    def __enter__(self) -> "FeatureBuffer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._num_steps

    def append(self, features: np.ndarray) -> None:
        """Add steps, float16 (N, *feature_shape)."""
        if features.dtype != np.float16 or features.shape[1:] != self._shape:
            raise ValueError(f"expected float16 (N, {self._shape}), got {features.dtype} {features.shape}")
        self._file.write(np.ascontiguousarray(features).data)
        self._num_steps += len(features)

    def read(self) -> np.ndarray:
        """All steps so far, float16 (F, *feature_shape), mapped and not read."""
        self._file.flush()
        if not self._num_steps:
            return np.empty((0, *self._shape), dtype=np.float16)
        shape = (self._num_steps, *self._shape)
        return np.memmap(self._file, dtype=np.float16, mode="r", shape=shape).view(np.ndarray)
