import errno
import os
from pathlib import Path

import numpy as np
import pytest

from egoact.adaptation.disk_arrays import new_array

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system cannot reserve a file's place")


def test_the_place_on_disk_is_taken_at_once(tmp_path: Path) -> None:
    array = new_array(tmp_path / "a.npy", dtype=np.uint8, shape=(1000, 1000))
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= array.nbytes
    array[5] = 7
    array.flush()
    assert np.load(tmp_path / "a.npy")[5].tolist() == [7] * 1000


def test_a_full_disk_is_an_error_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space left"):
        new_array(tmp_path / "a.npy", dtype=np.uint8, shape=(10, 10))
    assert not list(tmp_path.iterdir())
