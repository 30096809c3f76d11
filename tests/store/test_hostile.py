"""Stores that a stranger made: one clear line at once, whatever their files say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egoact.core.errors import ArtifactError
from egoact.store.layout.index import INDEX_NAME, SCHEMA
from egoact.store.layout.manifest import MANIFEST_NAME, read_manifest
from egoact.store.reader import FeatureStore
from tests.makers.data.stores import SEGMENTS, SPEC, fill

WRONG = (10**9, -1, 1.5, True, "5", "\x1b[2J", None, [], {}, [[1]], [10**9, 10**9, 10**9])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    fill(tmp_path / "store", SEGMENTS)
    return tmp_path / "store"


def refused(store: Path) -> str:
    with pytest.raises(ArtifactError) as refusal:
        opened = FeatureStore.open(store)
        for number in range(len(opened.index.rows)):
            opened.shard(number)
    message = str(refusal.value)
    assert "\n" not in message and "\x1b" not in message and len(message) < 1000
    return message


@pytest.mark.parametrize("name", SPEC.to_dict())
def test_a_manifest_of_anything_else_is_refused(name: str, store: Path) -> None:
    whole = json.loads((store / MANIFEST_NAME).read_text(encoding="utf-8"))
    for value in (value for value in WRONG if value != whole["spec"][name]):
        changed: dict[str, Any] = whole | {"spec": whole["spec"] | {name: value}}
        (store / MANIFEST_NAME).write_text(json.dumps(changed))
        message = refused(store)
        assert MANIFEST_NAME in message
        if name in ("rate", "input_size", "feature_shape", "mean", "std"):  # even with a fingerprint that fits
            assert "fingerprint" not in message


@pytest.mark.parametrize("content", ["[" * 100_000, "[]", "7", '{"spec": 7}', '{"spec": {"format_version": "2"}}'])
def test_what_is_no_manifest_is_refused(content: str, store: Path) -> None:
    (store / MANIFEST_NAME).write_text(content)
    with pytest.raises(ArtifactError, match=MANIFEST_NAME):
        read_manifest(store)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("video_id", "P\x1b[2J"),
        ("shard", "../../secret.npy"),
        ("shard", "/etc/passwd"),
        ("shard", ".."),
        ("num_steps", 10**12),
        ("num_steps", -2),
        ("moments", [-1, 5]),
        ("moments", [5, 5]),
        ("moments", [0, 2**63 - 1]),
    ],
)
def test_an_index_of_impossible_recordings_is_refused(column: str, value: Any, store: Path) -> None:
    rows = pq.read_table(store / INDEX_NAME).to_pylist()
    rows[0][column] = value
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), store / INDEX_NAME)
    assert INDEX_NAME in refused(store)


def test_an_index_that_grows_beyond_measure_is_not_read(store: Path) -> None:
    names = pa.array(np.zeros(2_000_000, np.int8)).cast(pa.string())
    pq.write_table(pa.table({"video_id": names}), store / INDEX_NAME)
    assert (store / INDEX_NAME).stat().st_size < 10_000
    assert "2,000,000 recordings" in refused(store)


def test_shards_that_are_links_out_of_the_store_are_not_read(store: Path, tmp_path: Path) -> None:
    shard = next((store / "shards").iterdir())
    shard.rename(tmp_path / "elsewhere.npy")
    shard.symlink_to(tmp_path / "elsewhere.npy")
    assert "outside of its folder" in refused(store)


def test_a_shard_whose_header_is_no_python_is_refused(store: Path) -> None:
    shard = next((store / "shards").iterdir())
    shard.write_bytes(shard.read_bytes().replace(b"}", b"(", 1))
    assert "this shard is damaged" in refused(store)
