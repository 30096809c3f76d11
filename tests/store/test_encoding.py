"""Maps as int8 with a scale for each channel: what comes back, and a store that holds them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from egoact.commands.data.extract import ExtractSettings
from egoact.commands.data.verify import VerifySettings, verify
from egoact.core.annotations.segments import Segment
from egoact.core.errors import ArtifactError
from egoact.core.sampling import ClipSampling
from egoact.store.layout.encoding import decode, encode
from egoact.store.reader import FeatureStore
from egoact.store.writer import StoreWriter
from tests.makers.data.clips import lacking, write_clips
from tests.makers.data.features import SPEC, other_spec

MAPS = other_spec(kind="maps", feature_shape=(3, 4, 4), dtype="int8")
SAMPLING = ClipSampling(5, 2)
SEGMENTS = [Segment(f"A_{i}", "A", "A", float(i), i + 1.0) for i in range(4)]


def maps(seed: int, *, num: int = 1) -> np.ndarray:
    """Channels of very different size, as those of a backbone."""
    random = np.random.default_rng(seed)
    return (random.standard_normal((num, 10, 3, 4, 4)) * [[[0.01]], [[1]], [[90]]]).astype(np.float16)


def fill(path: Path, numbers: list[int], dtype: str = "int8") -> Path:
    with StoreWriter(path, replace(MAPS, dtype=dtype)) as writer:
        missing = lacking(writer, [SEGMENTS[i] for i in numbers], SAMPLING)
        write_clips(writer, missing, [maps(int(segment.start_seconds)) for segment in missing], SAMPLING)
    return path


@given(
    arrays.arrays(
        np.float16,
        (2, 3, 2, 2),
        elements=st.floats(-65504, 65504, width=16) | st.floats(-(2.0**-20), 2.0**-20, width=16),
    )
)
def test_each_number_comes_back_within_half_a_step_of_its_channel(features: np.ndarray) -> None:
    found = decode(encode(features, "int8"), "int8")
    assert found.dtype == np.float16 and found.shape == features.shape
    largest = np.abs(features.astype(np.float64)).max(axis=(2, 3), keepdims=True)
    # Half a step, the rounding of the scale to 11 bits, and of the product; and what float16 has no number for.
    allowed = largest * (0.5 / 127 + 2.0**-11 + 2.0**-11) + 2.0**-25 * 127
    assert (np.abs(found.astype(np.float64) - features) <= allowed).all()


def test_what_is_zero_stays_zero_and_signs_stay() -> None:
    features = maps(0)[0]
    features[0, 1] = 0
    found = decode(encode(features, "int8"), "int8")
    assert (found[0, 1] == 0).all()
    assert (np.sign(found) * np.sign(features) >= 0).all()


def test_float16_is_left_as_it_is() -> None:
    features = maps(0)[0]
    assert encode(features, "float16") is features and decode(features, "float16") is features


def test_a_store_of_int8_is_half_as_large_mapped_and_gives_nearly_the_same(tmp_path: Path) -> None:
    half, full = (FeatureStore.open(fill(tmp_path / d, [0, 1, 2, 3], d)) for d in ("int8", "float16"))
    assert half.spec.fingerprint != full.spec.fingerprint
    sizes = [next((store.path / "shards").iterdir()).stat().st_size - 128 for store in (half, full)]
    assert sizes[0] == pytest.approx(sizes[1] * (16 + 2) / 32, abs=128)  # of 16 numbers a channel, and its scale
    assert isinstance(half.shard(0).base, np.memmap)
    rows, views = full.locate([SEGMENTS[i] for i in (2, 0, 3)], SAMPLING), np.array([1, 0, 1])
    found, exact = half.gather(rows, views=views), full.gather(rows, views=views)
    assert found.shape == exact.shape == (3, 5, 3, 4, 4) and found.dtype == np.float16
    np.testing.assert_array_equal(exact[0], maps(2)[0, 5:])
    largest = np.abs(exact).max(axis=(3, 4), keepdims=True).astype(np.float64)
    assert (np.abs(found.astype(np.float64) - exact) <= 0.01 * largest).all()
    assert verify(VerifySettings(features=half.path)) == 0


def test_a_store_of_int8_filled_in_two_runs_has_the_bytes_of_one(tmp_path: Path) -> None:
    fill(tmp_path / "twice", [3, 0])
    fill(tmp_path / "twice", [1, 2, 3])
    fill(tmp_path / "once", [0, 1, 2, 3])
    shards = [next((tmp_path / name / "shards").iterdir()) for name in ("twice", "once")]
    assert shards[0].name == shards[1].name and shards[0].read_bytes() == shards[1].read_bytes()


def test_damaged_int8_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = FeatureStore.open(fill(tmp_path / "store", [0, 1]))
    shard = next((store.path / "shards").iterdir())
    records = np.load(shard)
    records["scale"][12] = np.nan
    np.save(shard, records)
    assert verify(VerifySettings(features=store.path)) == 2
    moment = store.index.rows["A"].moments[12] / 1e6
    assert f"A at {moment:.3f} s: features that are not finite numbers" in capsys.readouterr().out
    np.save(shard, records["values"])
    with pytest.raises(ArtifactError, match="this shard should be .*scale.*, but is int8"):
        FeatureStore.open(store.path).gather(np.zeros((1, 2, 5), dtype=np.int64))


def test_a_store_does_not_mix_float16_and_int8(tmp_path: Path) -> None:
    fill(tmp_path / "store", [0])
    with pytest.raises(ArtifactError, match="dtype int8, not float16"):
        fill(tmp_path / "store", [1], "float16")


def test_pooled_features_cannot_be_int8() -> None:
    with pytest.raises(ValueError, match="int8 is for maps"):
        replace(SPEC, dtype="int8")
    with pytest.raises(ValueError, match="--dtype int8 is for --kind maps"):
        ExtractSettings(segments=(Path("s"),), media=(Path("m"),), features=Path("f"), dtype="int8")
