"""Features that wait in a file until their recording is finished."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egoact.store.buffer import FeatureBuffer
from egoact.store.layout.encoding import decode


@given(st.lists(st.integers(0, 5), max_size=6), st.booleans())
def test_rows_come_back_in_the_order_they_were_added(sizes: list[int], is_read_between: bool) -> None:
    rows = np.random.default_rng(0).standard_normal((sum(sizes), 3)).astype(np.float16)
    with FeatureBuffer((3,)) as buffer:
        for part in np.split(rows, np.cumsum(sizes)[:-1]) if sizes else ():
            buffer.append(part)
            if is_read_between:
                assert len(buffer.read()) == len(buffer)
        assert len(buffer) == len(rows)
        np.testing.assert_array_equal(buffer.read(), rows)


def test_maps_lie_there_as_in_the_store(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).standard_normal((7, 4, 2, 3)).astype(np.float16)
    with FeatureBuffer((4, 2, 3), dtype="int8", folder=tmp_path) as buffer:
        buffer.append(maps[:5])
        buffer.append(maps[5:])
        found = decode(buffer.read(), "int8")
    np.testing.assert_allclose(found.astype(float), maps, atol=0.02)


def test_the_file_goes_with_its_owner(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), FeatureBuffer((3,), folder=tmp_path) as buffer:
        buffer.append(np.zeros((2, 3), dtype=np.float16))
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [np.zeros((2, 4), np.float16), np.zeros((2, 3), np.float32), np.zeros(3, np.float16)])
def test_other_features_are_refused(wrong: np.ndarray) -> None:
    with FeatureBuffer((3,)) as buffer:
        with pytest.raises(ValueError, match="expected float16"):
            buffer.append(wrong)
        assert not len(buffer)
