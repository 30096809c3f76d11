import mmap
from pathlib import Path

import numpy as np
import pytest

from egoact.core.annotations.segments import Segment
from egoact.core.sampling import ClipSampling
from egoact.store import reader
from egoact.store.layout.index import grid_moments
from egoact.store.reader import FeatureStore
from egoact.store.writer import StoreWriter
from tests.makers.data.stores import SAMPLING, SPEC, features_of, fill, segment

pytestmark = pytest.mark.skipif(not hasattr(mmap, "MADV_WILLNEED"), reason="this system takes no announcements")


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What lies where reads are announced."""
    seen: list[bytes] = []
    announce = reader.prefetch

    def note(mapped: mmap.mmap, start: int, length: int) -> None:
        seen.append(mapped[start : start + length])
        announce(mapped, start, length)

    monkeypatch.setattr(reader, "prefetch", note)
    return seen


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How much comes from the disk with every look at it."""
    counts = [0]
    total = 0

    def count() -> int:
        nonlocal total
        total += counts[0]
        return total

    monkeypatch.setattr(reader, "_count_reads", count)
    return counts


def test_the_wanted_clips_are_announced(tmp_path: Path, announced: list[bytes], blocks: list[int]) -> None:
    segments = [segment(i, video=video) for video in ("P01_01", "P02_01") for i in range(3)]
    fill(tmp_path, segments)
    opened = FeatureStore.open(tmp_path)
    wanted, views = [segments[4], segments[0], segments[5]], np.array([1, 0, 1])
    found = opened.gather(opened.locate(wanted, SAMPLING), views=views)
    expected = [features_of(s)[view] for s, view in zip(wanted, views, strict=True)]
    np.testing.assert_array_equal(found, np.stack(expected))
    assert len(announced) == 3, "from the first frame of a clip to its last"
    for stretch, clip in zip(announced, expected, strict=True):
        assert stretch.startswith(clip[0].tobytes()) and stretch.endswith(clip[-1].tobytes())
        assert all(frame.tobytes() in stretch for frame in clip)


def test_frames_that_are_far_apart_are_announced_one_by_one(
    tmp_path: Path, announced: list[bytes], blocks: list[int]
) -> None:
    with StoreWriter(tmp_path, SPEC) as writer, writer.begin() as buffer:
        features = np.random.default_rng(0).standard_normal((800, 8)).astype(np.float16)
        buffer.append(features)
        writer.commit("A", buffer, grid_moments(np.arange(800), rate=8))
    opened = FeatureStore.open(tmp_path)
    found = opened.gather(opened.locate([Segment("a", "A", "A", 0.0, 100.0)], ClipSampling(4)))[0]
    np.testing.assert_array_equal(found, features[[100, 300, 500, 700]])
    assert announced == [frame.tobytes() for frame in found]


def test_announcements_stop_where_everything_is_in_memory(
    tmp_path: Path, announced: list[bytes], blocks: list[int]
) -> None:
    segments = [segment(i) for i in range(2)]
    fill(tmp_path, segments)
    opened = FeatureStore.open(tmp_path)
    rows = opened.locate(segments, SAMPLING)
    blocks[0] = 1  # every batch reads something
    for _ in range(40):
        opened.gather(rows)
    assert len(announced) == 80
    blocks[0] = 0
    for _ in range(40):
        opened.gather(rows)
    assert len(announced) == 80 + 2 * 16
    blocks[0] = 1  # it was thrown out of memory again: the next batch finds out, those after it are announced
    for _ in range(3):
        opened.gather(rows)
    assert len(announced) == 80 + 2 * 16 + 2 * 2


def test_where_nothing_can_be_announced_nothing_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_WILL_NEED", None)
    monkeypatch.setattr(reader, "prefetch", lambda *_: pytest.fail("announced"))
    fill(tmp_path, [segment(0)])
    opened = FeatureStore.open(tmp_path)
    np.testing.assert_array_equal(opened.gather(opened.locate([segment(0)], SAMPLING))[0], features_of(segment(0))[0])
