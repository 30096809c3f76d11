"""Chapters of a GoPro as one recording, whose times go on; by the numbers that pictures carry."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from egoact.commands.recordings import open_recordings
from egoact.core.errors import MediaError
from egoact.media.recording import lay_grid, read_steps
from egoact.media.sound.reader import find_sound, read_sound
from egoact.media.sources import MediaRoot, MediaSource, read_frames
from egoact.media.video.writer import is_playable, write_proxy
from egoact.timelines.output import find_videos, name_folders
from tests.makers.films.footage import NTSC, regular
from tests.makers.films.media import number_in, write_video

STARTS = (0, 40, 75, 90)  # numbers of the pictures that chapters begin and end with
RATE = float(NTSC)


@pytest.fixture(scope="session")
def gopro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording of three chapters, GX0042, whose sound is not as long as its pictures."""
    folder = tmp_path_factory.mktemp("Go Pro's ü")
    for chapter, (first, stop) in enumerate(pairwise(STARTS), start=1):
        path = folder / f"GX{chapter:02d}0042.MP4"
        write_video(path, num_frames=stop - first, first_number=first, rate=NTSC, b_frames=2, gop=10, with_sound=True)
    return folder


def seen(path: Path, times: np.ndarray) -> list[int]:
    answers: list[int] = []
    for positions, frame in read_frames(MediaSource.of_file(path), times, num_threads=1):
        if isinstance(frame, MediaError):
            raise frame
        answers += [number_in(frame)] * (positions.stop - positions.start)
    return answers


def test_times_go_on_from_chapter_to_chapter(gopro: Path) -> None:
    path = gopro / "GX010042.MP4"
    film = regular(path, num_frames=STARTS[-1], rate=NTSC)
    times = np.sort(np.concatenate([film.begins, film.begins + 2e-6, film.begins[1:] - 2e-6]))
    assert seen(path, times) == film.numbers_at(times + 1e-6)
    assert seen(path, film.begins[[3, 39, 40, 89]]) == [3, 39, 40, 89]
    assert seen(path, film.begins[[77]]) == [77]
    with pytest.raises(MediaError, match=rf"beyond the end of the video, whose pictures last {STARTS[-1] / RATE:.3f}"):
        seen(path, np.array([3.1]))
    assert lay_grid(MediaSource.of_file(path)).num_frames == STARTS[-1]
    steps = [number_in(frame) for frame, _ in read_steps(MediaSource.of_file(path), rate=RATE, size=(96, 144))]
    assert steps == list(range(STARTS[-1]))


def test_far_moments_are_found_in_later_chapters(tmp_path: Path) -> None:
    for chapter in (1, 2, 3):
        first = 400 * (chapter - 1)
        path = tmp_path / f"GH{chapter:02d}0007.MP4"
        write_video(path, num_frames=400, first_number=first, size=(48, 96), gop=40)
    numbers = [5, 395, 805, 1199]
    assert seen(tmp_path / "GH010007.MP4", (np.array(numbers) + 0.5) / 30) == numbers


def test_one_recording_in_every_listing(gopro: Path) -> None:
    root = MediaRoot(gopro)
    assert root.video_ids == ["GX0042"]
    assert root.find("GX0042").path == gopro / "GX010042.MP4"
    assert root.chapters == [
        "GX0042 is one recording of 3 chapters, GX010042.MP4 to GX030042.MP4, whose times go on "
        "(to keep files apart, write apart into a file chapters.txt beside them)"
    ]
    for chapter in ("GX010042", "GX030042"):
        with pytest.raises(MediaError, match=f"no recording called {chapter}: GX0042 is one recording of 3 chapters"):
            root.find(chapter)
    videos = find_videos(gopro)
    assert videos == [gopro / "GX010042.MP4"] and name_folders(gopro, videos) == ["GX0042"]


def test_commands_say_it(gopro: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_recordings([gopro])
    assert capsys.readouterr().err.startswith("GX0042 is one recording of 3 chapters, GX010042.MP4 to GX030042.MP4")


def test_sound_and_copy_for_browsers_have_all_of_it(gopro: Path, tmp_path: Path) -> None:
    path = gopro / "GX010042.MP4"
    track = find_sound(path)
    assert track.length_seconds == pytest.approx(STARTS[-1] / RATE, abs=1e-3)
    assert sum(len(block) for block in read_sound(track)) == track.num_samples
    assert not is_playable(path) and is_playable(gopro / "GX020042.MP4")
    write_proxy(path, tmp_path / "copy.mp4")
    times = regular(path, num_frames=STARTS[-1], rate=NTSC).begins
    assert seen(tmp_path / "copy.mp4", times) == list(range(STARTS[-1]))


def touch(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).touch()
    return MediaRoot(folder).video_ids


@pytest.mark.parametrize(
    ("names", "recordings"),
    [
        (["GX010042.MP4"], ["GX010042"]),
        (["GH010042.MP4", "GH020042.MP4", "GX010043.MP4"], ["GH0042", "GX010043"]),
        (["GOPR0042.MP4", "GP010042.MP4", "GP020042.MP4"], ["GOPR0042"]),
        (["GOPR0042.MP4"], ["GOPR0042"]),
        (["GX020042.MP4", "GX030042.MP4"], ["GX020042", "GX030042"]),
        (["GX010042.MP4", "GX030042.MP4"], ["GX010042", "GX030042"]),
        (["gx010042.mp4", "gx020042.mp4"], ["gx0042"]),
        (["GX010042.mkv", "GX020042.mkv"], ["GX010042", "GX020042"]),
        (["GX01004.MP4", "GX02004.MP4"], ["GX01004", "GX02004"]),
    ],
)
def test_what_belongs_together(tmp_path: Path, names: list[str], recordings: list[str]) -> None:
    assert touch(tmp_path, *names) == recordings


def test_chapters_can_be_kept_apart(gopro: Path, tmp_path: Path) -> None:
    for path in gopro.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "chapters.txt").write_text("apart\n")
    root = MediaRoot(tmp_path)
    assert (root.video_ids, root.chapters) == (["GX010042", "GX020042", "GX030042"], [])
    assert seen(root.find("GX020042").path, np.array([0.0])) == [STARTS[1]]
    with pytest.raises(MediaError, match="beyond the end"):
        seen(root.find("GX010042").path, np.array([2.0]))
    assert len(find_videos(tmp_path)) == 3


def test_a_chapter_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    first = write_video(tmp_path / "GX010042.MP4", num_frames=5)
    second = tmp_path / "GX020042.MP4"
    second.write_bytes(first.read_bytes()[:500])
    with pytest.raises(MediaError, match=r"GX020042\.MP4: this is not a video"):
        seen(first, np.array([0.0]))
    write_video(second, num_frames=5, size=(48, 96))
    with pytest.raises(MediaError, match=r"GX020042\.MP4: not of the same kind as GX010042\.MP4"):
        seen(first, np.array([0.0]))
