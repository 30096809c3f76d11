"""Copies of recordings for browsers."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from egoact.media.sources import MediaSource, read_frames
from egoact.media.video.writer import is_playable, write_proxy
from tests.makers.media import number_in, write_video


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "plays"),
    [
        ("a.mp4", "libx264", "yuv420p", True),
        ("a.MP4", "libx264", "yuv420p", True),
        ("a.webm", "libvpx-vp9", "yuv420p", True),
        ("a.mp4", "mpeg4", "yuv420p", False),
        ("a.mp4", "libx264", "yuv444p", False),
        ("a.mkv", "libx264", "yuv420p", False),
        ("a.avi", "mpeg4", "yuv420p", False),
        ("a.mp4", "libx265", "yuv420p", False),
    ],
)
def test_what_browsers_play(tmp_path: Path, name: str, codec: str, pixels: str, plays: bool) -> None:
    path = write_video(tmp_path / name, num_frames=4, codec=codec, pixel_format=pixels)
    assert is_playable(path) is plays


def test_a_copy_shows_the_same_pictures_at_the_same_times(tmp_path: Path) -> None:
    times = [0, 1, 2, 5, 6, 20, 21, 22, 40, 41]  # of a tenth of a second: a recording with gaps
    path = write_video(tmp_path / "a.mp4", num_frames=10, codec="mpeg4", rate=10, pts=times, time_base=Fraction(1, 10))
    seen = []
    write_proxy(path, tmp_path / "copy.mp4", advance=seen.append)
    assert sum(seen) == 10 and is_playable(tmp_path / "copy.mp4")
    middles = (np.array(times) + 0.5) / 10
    for source in (path, tmp_path / "copy.mp4"):
        read = read_frames(MediaSource("a", source, "video"), middles)
        assert [number_in(frame) for _, frame in read if isinstance(frame, np.ndarray)] == list(range(10))
    assert {p.name for p in tmp_path.iterdir()} == {"a.mp4", "copy.mp4"}


def test_a_large_recording_lying_on_its_side_becomes_small_and_upright(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", num_frames=3, codec="mpeg4", size=(480, 854), rotation=90)
    write_proxy(path, tmp_path / "copy.mp4")
    with av.open(str(tmp_path / "copy.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.height, stream.width) == (360, 202)


def test_a_damaged_recording_is_copied_up_to_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", num_frames=60, codec="mpeg4", gop=1)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    write_proxy(path, tmp_path / "copy.mp4")
    with av.open(str(tmp_path / "copy.mp4")) as container:
        assert 10 < sum(1 for _ in container.decode(video=0)) < 60
