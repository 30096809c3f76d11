"""Features behind URLs, with the file system of fsspec that lies in memory: no server is needed."""

import hashlib
from pathlib import Path

import fsspec
import numpy as np
import pytest

from egoact.core.errors import ArtifactError
from egoact.core.machine import cache_folder
from egoact.store.concatenation import open_features
from egoact.store.layout.index import StoreIndex
from egoact.store.reader import FeatureStore
from egoact.store.remote import RemoteFolder, as_url, local_path
from tests.makers.data.features import other_spec
from tests.makers.data.stores import SAMPLING, SEGMENTS, SPEC, fill, segment

URL = Path("memory://bucket/features")


@pytest.fixture
def features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of this machine, and the same behind `URL`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    fill(tmp_path / "features", SEGMENTS)
    upload(tmp_path / "features")
    return tmp_path / "features"


def upload(features: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for path in filter(Path.is_file, features.rglob("*")):
        memory.put_file(str(path), f"/bucket/features/{path.relative_to(features).as_posix()}")


def shards() -> list[Path]:
    return sorted(path for path in cache_folder().rglob("*.npy") if path.is_file())


def test_a_store_behind_a_url_is_read_as_one_of_this_machine(features: Path) -> None:
    here, there = FeatureStore.open(features), open_features(URL)
    rows = there.locate(SEGMENTS, SAMPLING)
    assert np.array_equal(there.gather(rows), here.gather(here.locate(SEGMENTS, SAMPLING)))
    assert [path.name for path in shards()] == sorted(row.shard for row in here.index.rows.values())


def test_what_is_here_is_not_fetched_again(features: Path) -> None:
    open_features(URL)
    fsspec.filesystem("memory").rm("/bucket/features/shards", recursive=True)
    assert len(open_features(URL)) == len(FeatureStore.open(features))


def test_only_the_streams_that_are_read_are_fetched(features: Path) -> None:
    motion = other_spec(SPEC, name="dis", weights_hash="", modality="motion", lag_seconds=1 / 15)
    fill(features / "streams/motion", SEGMENTS, spec=motion)
    upload(features)
    store = open_features(URL, ["motion"])
    assert store.spec == motion and all(path.is_relative_to(store.path) for path in shards())


def test_a_store_that_grew_is_another_copy_and_the_first_one_stays(features: Path) -> None:
    first = open_features(URL)
    before = {path.name: path.stat().st_ino for path in shards()}
    fill(features, [segment(1, video="P07_01")])
    upload(features)
    second = open_features(URL)
    assert second.path != first.path and first.path.parent == second.path.parent
    assert set(second.index.rows) - set(first.index.rows) == {"P07_01"}
    linked = [path for path in shards() if path.is_relative_to(second.path) and path.name in before]
    assert len(linked) == len(before) and all(path.stat().st_ino == before[path.name] for path in linked)
    assert first.gather(first.locate(SEGMENTS, SAMPLING)).any()


@pytest.mark.parametrize("size", [0, 1], ids=["other bytes", "another size"])
def test_a_shard_that_changed_behind_the_url_is_refused(features: Path, size: int) -> None:
    row = next(iter(StoreIndex.read(features).rows.values()))
    name = f"/bucket/features/shards/{row.shard}"
    memory = fsspec.filesystem("memory")
    content = bytearray(memory.cat_file(name))
    content[-1] ^= 1
    memory.pipe_file(name, bytes(content) + bytes(5000 * size))
    with pytest.raises(ArtifactError, match=r"^memory://bucket/features/shards/.*bytes have changed"):
        open_features(URL)
    assert not any(path.name == row.shard for path in shards())


def test_a_shard_that_is_lost_behind_the_url_is_one_line(features: Path) -> None:
    row = next(iter(StoreIndex.read(features).rows.values()))
    fsspec.filesystem("memory").rm_file(f"/bucket/features/shards/{row.shard}")
    with pytest.raises(ArtifactError, match="missing"):
        open_features(URL)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("memory://bucket/elsewhere", "no feature store"),
        ("nothing-known://bucket/features", "cannot be reached"),
    ],
)
def test_a_url_without_features_is_one_line(url: str, reason: str) -> None:
    with pytest.raises(ArtifactError, match=reason) as caught:
        open_features(Path(url))
    assert str(caught.value).startswith(url)


def test_paths_and_urls_are_told_apart(tmp_path: Path) -> None:
    assert as_url(Path("s3://bucket/a")) == "s3://bucket/a"
    assert as_url(Path("C:/features")) is None and as_url(tmp_path) is None
    assert local_path(Path(f"file://{tmp_path}")) == tmp_path
    fill(tmp_path / "features", SEGMENTS)
    assert open_features(Path(f"file://{tmp_path}/features")).path == tmp_path / "features"


@pytest.mark.parametrize("url", ["memory://bucket/written", "{}/written"], ids=["object store", "folder"])
def test_files_are_replaced_read_and_deleted(url: str, tmp_path: Path) -> None:
    folder, source = RemoteFolder(Path(url.format(tmp_path))), tmp_path / "source"
    source.write_bytes(b"two")
    for content in (b"one", b"uno"):
        folder.write("a/first", content)
    folder.upload(source, "a/second")
    assert folder.read(["a/first", "a/second", "a/third"]) == {"a/first": b"uno", "a/second": b"two"}
    assert sorted(folder.list("a")) == ["first", "second"] and folder.list("b") == []
    assert folder.sizes(["a/second"]) == [3]
    folder.download(["a/second"], [tmp_path / "fetched"])
    assert hashlib.sha256((tmp_path / "fetched").read_bytes()).digest() == hashlib.sha256(b"two").digest()
    folder.delete(["a/first"])
    assert folder.list("a") == ["second"]
