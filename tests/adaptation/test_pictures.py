"""Pictures that teach without labels: spread over all recordings, decoded once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egoact.adaptation.pictures import load_pictures
from egoact.core.errors import MediaError
from egoact.media.pairs import difference_pictures, frame_lag
from egoact.media.sources import MediaRoot, read_clip
from egoact.models.backbones.registry import load_backbone
from tests.makers.data.extraction import make_video

SPEC = load_backbone("tiny-random", size=64).spec


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> MediaRoot:
    """Two recordings of two seconds and one of four."""
    folder = tmp_path_factory.mktemp("media")
    for number, num_frames in enumerate((100, 200, 100)):
        make_video(folder / f"A_{number}.mp4", number, num_frames)
    return MediaRoot(folder)


def test_they_are_spread_evenly_and_are_what_the_recordings_show(root: MediaRoot, tmp_path: Path) -> None:
    pictures = load_pictures(root, tmp_path, [SPEC], count=16)
    assert pictures.shape == (16, 64, 64, 3) and isinstance(pictures, np.memmap)
    for video, times, part in (
        ("A_0", np.arange(4) / 2 + 1 / 16, pictures[:4]),
        ("A_1", np.arange(8) / 2 + 1 / 16, pictures[4:12]),
        ("A_2", np.arange(4) / 2 + 1 / 16, pictures[12:]),
    ):
        np.testing.assert_array_equal(part, read_clip(root.find(video), times, size=(64, 64)))


def test_a_run_on_differences_is_taught_by_them_too(root: MediaRoot, tmp_path: Path) -> None:
    specs = [SPEC, replace(SPEC, modality="difference", lag_seconds=1 / 15)]
    pictures = load_pictures(root, tmp_path, specs, count=16)
    assert len(pictures) == 32
    source = root.find("A_1")
    time = 1 / 16 + 1.5
    now, before = (read_clip(source, np.array([t]), size=(64, 64)) for t in (time, time - frame_lag(source, 1 / 15)))
    np.testing.assert_array_equal(pictures[2 * (4 + 3)], now[0])
    np.testing.assert_array_equal(pictures[2 * (4 + 3) + 1], difference_pictures(now, before)[0])


def test_they_are_decoded_once_until_something_changes(root: MediaRoot, tmp_path: Path) -> None:
    first = load_pictures(root, tmp_path, [SPEC], count=8)
    written = (tmp_path / "pictures.npy").stat().st_mtime_ns
    again = load_pictures(root, tmp_path, [SPEC], count=8)
    assert (tmp_path / "pictures.npy").stat().st_mtime_ns == written
    np.testing.assert_array_equal(first, again)
    assert len(load_pictures(root, tmp_path, [SPEC], count=12)) == 12


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="there is no recording here"):
        load_pictures(MediaRoot(tmp_path), tmp_path / "out", [SPEC], count=8)
