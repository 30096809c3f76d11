"""The right moment of films as cameras, editors and browsers leave them, by the numbers that their pictures carry."""

from pathlib import Path

import numpy as np
import pytest
from av.packet import Packet

from egoact.core.errors import EndOfRecordingError, MediaError
from egoact.media.recording import lay_grid
from egoact.media.sources import MediaSource, read_frames
from tests.makers.films.footage import FILMS, Film, copy_packets, regular, with_gap
from tests.makers.films.media import number_in, write_video

MICROSECOND = 1e-6
UNKNOWN = -1


def seen(path: Path, times: np.ndarray | list[float]) -> list[int]:
    """The number shown at each time; `UNKNOWN` for an error."""
    answers: list[int] = []
    for positions, frame in read_frames(MediaSource.of_file(path), np.asarray(times), num_threads=1):
        one = UNKNOWN if isinstance(frame, MediaError) else number_in(frame)
        answers += [one] * (positions.stop - positions.start)
    return answers


def near_borders(film: Film) -> np.ndarray:
    """When pictures begin, and just before and after that, and some moments in between."""
    some = np.random.default_rng(1).uniform(0, film.end_seconds, 100)
    borders = np.concatenate([film.begins, film.begins + 2 * MICROSECOND, film.begins[1:] - 2 * MICROSECOND])
    return np.sort(np.concatenate([some, borders]))


@pytest.mark.parametrize("kind", FILMS)
def test_the_picture_of_the_moment(tmp_path: Path, kind: str) -> None:
    name, make = FILMS[kind]
    film = make(tmp_path / name)
    times = near_borders(film)
    assert seen(film.path, times) == film.numbers_at(times + MICROSECOND)
    later = times[times > film.end_seconds / 2]
    assert seen(film.path, later) == film.numbers_at(later + MICROSECOND), "whatever else is asked"


def test_the_grid_of_a_trimmed_film_has_what_players_show(tmp_path: Path) -> None:
    name, make = FILMS["h264 mp4 trimmed"]
    assert lay_grid(MediaSource.of_file(make(tmp_path / name).path)).num_frames == 45


@pytest.mark.parametrize("gop", [12, 100])
@pytest.mark.parametrize("suffix", ["mkv", "ts", "mp4"])
def test_times_go_on_after_a_gap(tmp_path: Path, suffix: str, gop: int) -> None:
    film = with_gap(tmp_path / f"film.{suffix}", gop=gop)
    times = near_borders(film)
    shown, expected = seen(film.path, times), film.numbers_at(times + MICROSECOND)
    is_gap = (times > 24 / 30) & (times < film.begins[24] - MICROSECOND)
    # MP4 says of each picture how long it is shown; elsewhere nothing is known of the gap.
    assert set(np.array(shown)[is_gap]) == {23 if suffix == "mp4" else UNKNOWN}
    assert [n for n, gap in zip(shown, is_gap, strict=True) if not gap] == [
        n for n, gap in zip(expected, is_gap, strict=True) if not gap
    ]


@pytest.mark.parametrize("first_seconds", [1.2, 12.0])
def test_times_go_on_where_timestamps_begin_anew(tmp_path: Path, first_seconds: float) -> None:
    """Two recordings of a transport stream one after the other; with the second the clock begins anew."""
    num_first = round(first_seconds * 30)
    parts = [
        write_video(tmp_path / f"{n}.ts", num_frames=count, first_number=first, size=(48, 96))
        for n, first, count in ((1, 0, num_first), (2, num_first, 60))
    ]
    path = tmp_path / "film.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    film = regular(path, num_frames=num_first + 60)
    assert lay_grid(MediaSource.of_file(path)).num_frames == num_first + 60
    for times in (film.begins, film.begins[[5, num_first + 9, num_first + 50]]):
        shown = np.array(seen(path, times))
        wrong = shown != film.numbers_at(times + MICROSECOND)
        assert (shown[wrong] == UNKNOWN).all(), "none is taken for another"
        assert wrong.sum() <= 3, "the last packets of the first part are cut off"


@pytest.mark.parametrize("suffix", ["ts", "mp4"])
def test_what_refers_to_before_the_beginning_is_an_error_and_moves_nothing(tmp_path: Path, suffix: str) -> None:
    """A recording that was cut at its first key frame: pictures keep their times, whatever is asked first."""
    source = write_video(tmp_path / f"source.{suffix}", num_frames=60, gop=20)
    path = copy_packets(source, tmp_path / f"film.{suffix}", lambda number, packet: number > 0)
    times = regular(path, num_frames=59).begins
    assert seen(path, times) == [UNKNOWN] * 19 + list(range(20, 60))
    assert seen(path, times[30:]) == list(range(31, 60))
    assert seen(path, times[[0, 30]]) == [UNKNOWN, 31]


def test_a_recording_that_begins_in_an_open_group(tmp_path: Path) -> None:
    """The first pictures to be shown refer to a group that is not there."""
    name, make = FILMS["hevc mp4 open gop"]
    source = make(tmp_path / name).path
    keys: list[int] = []

    def is_kept(number: int, packet: Packet) -> bool:
        keys.extend([number] * packet.is_keyframe)
        return len(keys) > 1

    path = copy_packets(source, tmp_path / "film.ts", is_kept)
    shown = seen(path, np.arange(48) / 30)
    first = shown.index(12)
    assert 0 < first <= 3, "pictures before the key frame in order of display"
    assert shown == [UNKNOWN] * first + list(range(12, 60 - first))
    assert seen(path, [0.0, 1.0]) == [UNKNOWN, 42 - first]


@pytest.mark.parametrize("name", ["film.mkv", "film.ts", "film.mp4"])
def test_a_file_that_grows_while_it_is_read(tmp_path: Path, name: str) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"} if name.endswith("mp4") else {}
    whole = write_video(tmp_path / name, num_frames=120, container_options=options).read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: len(whole) // 2])
    answers = []
    for positions, frame in read_frames(MediaSource.of_file(path), np.arange(150) / 30, num_threads=1):
        answers += [frame if isinstance(frame, MediaError) else number_in(frame)] * (positions.stop - positions.start)
        if len(answers) == 20:
            with path.open("ab") as file:
                file.write(whole[len(whole) // 2 :])
    good = [n for n in answers if isinstance(n, int)]
    assert 20 < len(good) <= 120 and good == list(range(len(good)))
    assert not isinstance(answers[-1], EndOfRecordingError), "or what was read would count as all there is"
    assert "still writing to this file" in str(answers[-1])
    assert seen(path, np.arange(121) / 30) == [*range(120), UNKNOWN]
