"""Pictures that stay on the device which decoded them: the same ones as PyAV's, or PyAV's.

What needs no torchcodec is tested with a stand-in that PyAV decodes for; `torchcodec` itself reads all films.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from egoact.core.errors import MediaError
from egoact.media.pairs import difference_pictures
from egoact.media.video.device_reader import (
    DeviceReader,
    RefusedError,
    has_other_colours,
    list_pictures,
    resize_by_area,
)
from egoact.media.video.reader import read_video_frames
from tests.makers.films.footage import FILMS
from tests.makers.films.media import number_in, write_video
from tests.makers.machines.devices import StandIn, stand_in_for_torchcodec

SIZE = (96, 144)
KINDS = ["h264 mp4 b-frames", "h264 mp4 variable", "h264 mkv 29.97", "h264 mkv late"]
REFUSED = {"h264 mp4 cut": "an edit list", "mpeg4 avi b-frames": "do not tell"}


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    return stand_in_for_torchcodec(monkeypatch)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4", num_frames=60, gop=12, b_frames=2)


TIMES = np.arange(45) / 22.0  # of two seconds, and a little more


def read(path: Path, times: np.ndarray = TIMES) -> list[tuple[slice, Tensor | np.ndarray | MediaError]]:
    return list(DeviceReader("cpu").read(path, times, size=SIZE))


def check(path: Path, times: np.ndarray, found: list) -> int:
    """Hold pictures to PyAV's; gives how many came from the device."""
    expected = list(read_video_frames(path, times, size=SIZE, num_threads=1))
    assert [positions for positions, _ in found] == [positions for positions, _ in expected]
    for (_, picture), (_, right) in zip(found, expected, strict=True):
        if isinstance(right, MediaError):
            assert (type(picture), str(picture)) == (type(right), str(right))
        else:
            assert picture.dtype in (torch.uint8, np.uint8) and picture.shape == right.shape
            assert number_in(np.asarray(picture)) == number_in(right)
            assert np.abs(np.asarray(picture).astype(int) - right).mean() < 2.5
    return sum(isinstance(picture, Tensor) for _, picture in found)


@pytest.mark.parametrize("kind", KINDS)
def test_packets_say_which_picture_answers_when(kind: str, tmp_path: Path) -> None:
    name, make = FILMS[kind]
    film = make(tmp_path / name)
    times = np.sort(np.random.default_rng(0).uniform(0, film.end_seconds + 0.2, 60))
    listing = list_pictures(film.path, times)
    assert len(listing.begins) == len(film.numbers)
    expected = list(read_video_frames(film.path, times, size=SIZE, num_threads=1))
    assert [positions for positions, _ in listing.answers] == [positions for positions, _ in expected]
    for (_, number), (_, picture) in zip(listing.answers, expected, strict=True):
        if isinstance(picture, MediaError):
            assert str(number) == str(picture)
        else:
            assert film.numbers[number] == number_in(picture)


def zeroed(path: Path) -> None:
    """A few sectors of zeros, as of a download that was broken off."""
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(512) + content[middle + 512 :])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (zeroed, "damaged"),
        (lambda path: path.with_name("GX020001.MP4").write_bytes(path.read_bytes()), "several chapters"),
    ],
)
def test_what_packets_cannot_tell_is_refused(
    film: Path, tmp_path: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "GX010001.MP4"
    path.write_bytes(film.read_bytes())
    list_pictures(path, TIMES)
    spoil(path)
    with pytest.raises(RefusedError, match=reason):
        list_pictures(path, TIMES)


@pytest.mark.parametrize("kind", REFUSED)
def test_unusual_films_go_to_pyav(kind: str, tmp_path: Path, stand_in: type, capsys: pytest.CaptureFixture) -> None:
    name, make = FILMS[kind]
    film = make(tmp_path / name)
    assert check(film.path, TIMES, read(film.path)) == 0
    assert REFUSED[kind] in capsys.readouterr().err


def test_pictures_of_a_device_are_those_of_pyav(film: Path, stand_in: type, capsys: pytest.CaptureFixture) -> None:
    assert check(film, TIMES, read(film)) == 44  # and the end
    assert capsys.readouterr().err == ""


def shifted(self: StandIn, numbers: list[int]) -> SimpleNamespace:
    later = [min(number + 1, len(self.pictures) - 1) for number in numbers]
    return StandIn.get_frames_at(self, later if numbers[0] > 20 else numbers)


def lying(self: StandIn, numbers: list[int]) -> SimpleNamespace:
    return SimpleNamespace(data=self.pictures[numbers].flip(1), pts_seconds=self.seconds[numbers].double())


def breaking(self: StandIn, numbers: list[int]) -> SimpleNamespace:
    if numbers[0] > 20:
        raise RuntimeError("CUDA error: out of memory\nand more")
    return StandIn.get_frames_at(self, numbers)


@pytest.mark.parametrize(
    ("changed", "reason", "num_device"),
    [
        ({"get_frames_at": shifted}, "torchcodec gives pictures of other times", 44),  # PyAV's are laid beside them
        ({"get_frames_at": lying}, "torchcodec gives other pictures", 0),
        ({"get_frames_at": breaking}, "CUDA error: out of memory", 44),
        ({"cpu_fallback": property(lambda self: 1 / 0)}, "", 44),  # a processor is not asked
    ],
)
def test_pyav_goes_on_where_a_device_is_wrong(
    film: Path, stand_in: type, changed: dict, reason: str, num_device: int, capsys: pytest.CaptureFixture
) -> None:
    for name, value in changed.items():
        setattr(stand_in, name, value)
    assert check(film, TIMES, read(film)) == num_device
    told = capsys.readouterr().err
    assert (f"torchcodec: film.mp4 goes to PyAV ({reason}" in told and told.count("\n") == 1) if reason else told == ""


def test_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", None)
    with pytest.raises(ValueError, match=r"--decoder torchcodec: pip install 'egoact\[gpu\]'"):
        DeviceReader("cpu")
    module = ModuleType("torchcodec.decoders")

    def fail(source: bytes) -> None:
        raise RuntimeError("Could not load libtorchcodec. Likely causes:\n1. FFmpeg is not properly installed")

    module.VideoDecoder = fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchcodec", ModuleType("torchcodec"))
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", module)
    with pytest.raises(ValueError, match="apt install ffmpeg, or use --decoder pyav"):
        DeviceReader("cpu")


@pytest.mark.parametrize(
    ("height", "colorspace", "is_refused"),
    [(720, 2, True), (719, 2, False), (1080, 1, False), (480, 7, True), (480, 5, False)],
)
def test_colours_that_decoders_take_for_others_are_refused(height: int, colorspace: int, is_refused: bool) -> None:
    """PyAV's pictures have the matrix of ITU 709 from 720 lines on where a file does not say it."""
    context = SimpleNamespace(height=height, colorspace=colorspace)
    assert has_other_colours(context) == is_refused  # type: ignore[arg-type]


@pytest.mark.parametrize(("given", "wanted"), [((48, 72), (16, 16)), ((37, 45), (16, 18)), ((20, 30), (48, 50))])
def test_areas_are_averaged(given: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Against every pixel drawn as many times as the smaller one has parts, which is exact; and a plane stays one."""
    pictures = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, *given), dtype=np.uint8))
    fine = pictures.double().repeat_interleave(wanted[0], 2).repeat_interleave(wanted[1], 3)
    exact = torch.nn.functional.avg_pool2d(fine, given).permute(0, 2, 3, 1)
    found = resize_by_area(pictures, wanted)
    assert found.dtype == torch.uint8 and found.is_contiguous()
    assert (found - exact).abs().max() <= 0.501
    assert (resize_by_area(torch.full_like(pictures, 255), wanted) == 255).all()


def test_differences_of_tensors_are_those_of_arrays() -> None:
    now, before = (np.random.default_rng(seed).integers(0, 256, (3, 8, 9, 3), dtype=np.uint8) for seed in (0, 1))
    found = difference_pictures(torch.from_numpy(now), torch.from_numpy(before))
    assert found.dtype == torch.uint8 and np.array_equal(found.numpy(), difference_pictures(now, before))


@pytest.fixture
def torchcodec() -> None:
    pytest.importorskip("torchcodec", reason="pip install 'egoact[gpu]' brings torchcodec")
    try:
        DeviceReader("cpu")
    except ValueError as error:
        pytest.skip(str(error))


ODD = {
    "h264 mp4 trimmed",
    "h264 mp4 cut",
    "h264 ts offset",
    "h264 ts wrap",
    "mpeg2 ts interlaced",
    "mpeg4 avi b-frames",
}


@pytest.mark.usefixtures("torchcodec")
@pytest.mark.parametrize("kind", FILMS)
def test_torchcodec_gives_the_pictures_of_pyav_or_leaves_the_film_to_it(kind: str, tmp_path: Path) -> None:
    name, make = FILMS[kind]
    film = make(tmp_path / name)
    times = np.sort(np.random.default_rng(0).uniform(0, film.end_seconds, 60))
    assert (check(film.path, times, read(film.path, times)) == 0) == (kind in ODD)
