"""Copies of recordings for browsers."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from egoact.media.sound.reader import find_sound, read_sound
from egoact.media.sound.writer import write_sound
from egoact.media.sources import MediaSource, read_frames
from egoact.media.video.writer import is_playable, write_proxy
from tests.makers.films.footage import FILMS, copy_packets, shift
from tests.makers.films.media import number_in, write_video


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


def test_copies_show_what_the_recording_shows_from_its_first_picture_on(tmp_path: Path) -> None:
    """Browsers count from the beginning of a file; clocks, edit lists and other streams must not be in the way."""
    for number, kind in enumerate(("h264 ts offset", "h264 mkv late", "h264 mp4 trimmed", "h264 mp4 two streams")):
        name, make = FILMS[kind]
        (tmp_path / str(number)).mkdir()
        film = make(tmp_path / str(number) / name)
        copies = [tmp_path / f"{number}.{what}.mp4" for what in ("proxy", "copied")]
        write_proxy(film.path, copies[0])
        track = find_sound(film.path)
        write_sound(copies[1], read_sound(track), track)
        for copy in copies:
            with av.open(str(copy)) as container:
                assert container.streams.video[0].start_time == 0, (kind, copy)
            frames = [frame for _, frame in read_frames(MediaSource.of_file(copy), film.begins + 0.01)]
            assert list(map(number_in, frames)) == list(film.numbers), (kind, copy)


def test_a_copy_of_a_stream_whose_clock_begins_anew(tmp_path: Path) -> None:
    parts = [write_video(tmp_path / f"{n}.ts", num_frames=30, first_number=n * 30).read_bytes() for n in range(2)]
    (tmp_path / "film.ts").write_bytes(b"".join(parts))
    write_proxy(tmp_path / "film.ts", tmp_path / "copy.mp4")
    times = np.arange(35, 59) / 30 + 0.01
    frames = [frame for _, frame in read_frames(MediaSource.of_file(tmp_path / "copy.mp4"), times)]
    assert list(map(number_in, frames)) == list(range(35, 59))


def test_browsers_that_would_show_another_time_or_stream_get_a_copy(tmp_path: Path) -> None:
    late = copy_packets(write_video(tmp_path / "a.mp4"), tmp_path / "late.mp4", lambda _, packet: shift(packet, 1.0))
    assert is_playable(tmp_path / "a.mp4") and is_playable(late), "all of it begins later, which browsers leave out"
    (tmp_path / "b").mkdir()
    assert not is_playable(FILMS["h264 mp4 two streams"][1](tmp_path / "b/film.mp4").path)
    assert is_playable(FILMS["h264 mp4 cover"][1](tmp_path / "c.mp4").path)
