"""Optical flow: of a still pair it is 0, of a known shift it is the shift, in pictures and in files."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from egoact.cli import main
from egoact.commands.data.flow import FlowSettings, flow
from egoact.core.epic.flow import flow_magnitude, flow_picture, pack_flow, unpack_flow
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.files import locked
from egoact.media.flow.methods import FLOW_METHODS, load_flow_method
from egoact.media.flow.writer import FlowSpec
from egoact.media.recording import lay_grid
from egoact.media.sources import find_media
from egoact.media.stills.flow import find_flow, read_flow
from egoact.report.flow import colour_wheel, flow_pictures
from tests.makers.films.media import write_folder, write_video

SHIFT = (3, -2)  # pixels to the right and upwards
STEP = 20 / 127.5
INSIDE = (slice(24, -24), slice(24, -24))


def shifted(photo: np.ndarray, dx: int, dy: int, *, size: int = 160) -> np.ndarray:
    """A window of a photo, whose content has moved by (dx, dy)."""
    top, left = 40 - dy, 40 - dx
    return np.ascontiguousarray(photo[top : top + size, left : left + size])


def write_moving(path: Path, photo: np.ndarray, *, num_frames: int = 9, still: bool = False) -> Path:
    """Frames that move by `SHIFT` a frame."""
    path.mkdir(parents=True)
    for i in range(num_frames):
        picture = shifted(photo, *(0 if still else part * i for part in SHIFT), size=128)
        cv2.imwrite(str(path / f"frame_{i + 1:010d}.jpg"), picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])
    return path


@pytest.fixture(scope="module")
def photo(photos: dict[str, np.ndarray]) -> np.ndarray:
    return photos["astronaut"]


def test_bytes_hold_pixels_to_half_a_step() -> None:
    pixels = np.linspace(-20, 20, 1001)
    read = unpack_flow(pack_flow(pixels))
    moving = np.abs(pixels) > STEP
    assert np.abs(read - pixels)[moving].max() <= STEP / 2 + 1e-5
    assert (read[np.abs(pixels) < STEP / 2] == 0).all()
    assert pack_flow([-1e9, -20, 20, 1e9]).tolist() == [0, 0, 255, 255]
    every = np.arange(256)
    assert (unpack_flow(every) == -unpack_flow(255 - every)).all()


def test_magnitude_is_measured_from_no_motion() -> None:
    still = np.full((4, 4, 2), 128, np.uint8)
    assert (flow_magnitude(unpack_flow(still)) == 0).all()
    assert (flow_picture(still)[..., 2] == 128).all()
    left = pack_flow(np.broadcast_to([-3.0, 4.0], (4, 4, 2)))
    assert flow_magnitude(unpack_flow(left)) == pytest.approx(5, abs=STEP)
    fastest = np.zeros((1, 1, 2), np.uint8)
    assert flow_picture(fastest)[..., 2] == 255


@pytest.mark.parametrize("method", FLOW_METHODS)
def test_a_still_pair_has_no_flow(method: str, photo: np.ndarray) -> None:
    found = load_flow_method(method)(*[shifted(photo, 0, 0, size=96)] * 2)
    assert found.dtype == np.float32
    assert np.abs(found).max() < 1e-3
    pictures = flow_pictures(found)
    assert (pictures["magnitude"] == 0).all()
    assert (pictures["wheel"] == 255).all()
    assert set(np.unique(pictures["u"])) | set(np.unique(pictures["v"])) <= {127, 128}


@pytest.mark.parametrize("method", FLOW_METHODS)
@pytest.mark.parametrize("shift", [SHIFT, (-12, 5)])
def test_a_known_shift_is_the_flow(method: str, shift: tuple[int, int], photo: np.ndarray) -> None:
    found = load_flow_method(method)(shifted(photo, 0, 0), shifted(photo, *shift))[INSIDE]
    assert np.median(found, axis=(0, 1)) == pytest.approx(shift, abs=0.05)
    assert np.mean(np.abs(found - shift).max(axis=-1) < 0.25) > 0.8
    pictures = {name: np.median(picture, axis=(0, 1)) for name, picture in flow_pictures(found).items()}
    assert pictures["u"] == pytest.approx(127.5 + 127.5 * shift[0] / 20, abs=1)
    assert pictures["v"] == pytest.approx(127.5 + 127.5 * shift[1] / 20, abs=1)
    assert pictures["magnitude"] == pytest.approx(255 * np.hypot(*shift) / 20, abs=1)
    expected = colour_wheel(np.full((1, 1, 2), shift, np.float32))[0, 0]
    assert pictures["wheel"] == pytest.approx(expected, abs=2)


def test_the_colour_wheel_tells_directions_apart() -> None:
    right, down, left, up = (colour_wheel(np.full((1, 1, 2), xy, float), most=1)[0, 0].tolist() for xy in AXES)
    assert right == [255, 0, 0]
    assert len({tuple(colour) for colour in (right, down, left, up)}) == 4
    assert left == [0, 255, 255]  # opposite directions have opposite colours


AXES = ((1, 0), (0, 1), (-1, 0), (0, -1))


@pytest.mark.parametrize("method", FLOW_METHODS)
@pytest.mark.parametrize(("video", "rate", "stride"), [("P01_01", 60, 2), ("P01_101", 50, 1)])
def test_files_hold_the_shift_in_the_published_layout(
    tmp_path: Path, photo: np.ndarray, method: str, video: str, rate: int, stride: int
) -> None:
    write_moving(tmp_path / f"media/P01/rgb_frames/{video}", photo)
    out = tmp_path / "out"
    assert flow(FlowSettings(out=out, media=tmp_path / "media", method=method, size=0, workers=2)) == 0  # type: ignore[arg-type]
    home = out / "P01/flow_frames" / video
    names = [f"frame_{n:010d}.jpg" for n in range(1, (9 - 1) // stride + 2)]
    assert sorted(p.name for p in (home / "u").iterdir()) == names
    assert sorted(p.name for p in (home / "v").iterdir()) == names
    times = (np.arange(9) + 0.5) / rate
    seen = 0
    for positions, packed in read_flow(find_flow(out, video), times):
        assert isinstance(packed, np.ndarray)
        inside = unpack_flow(packed)[INSIDE]
        assert np.median(inside, axis=(0, 1)) == pytest.approx(np.multiply(SHIFT, stride), abs=STEP)
        assert np.median(flow_magnitude(inside)) == pytest.approx(stride * np.hypot(*SHIFT), abs=2 * STEP)
        seen += len(times[positions])
    assert seen == 9  # every RGB frame has flow, the last one as well


@pytest.mark.parametrize("method", FLOW_METHODS)
def test_files_of_a_still_recording_say_no_motion(tmp_path: Path, photo: np.ndarray, method: str) -> None:
    write_moving(tmp_path / "media/P01/rgb_frames/P01_101", photo, num_frames=2, still=True)
    flow(FlowSettings(out=tmp_path / "out", media=tmp_path / "media", method=method, workers=1))  # type: ignore[arg-type]
    [(_, packed)] = read_flow(find_flow(tmp_path / "out", "P01_101"), np.array([0.01]))
    assert isinstance(packed, np.ndarray)
    assert set(np.unique(packed)) <= {127, 128}
    assert (flow_magnitude(unpack_flow(packed)) == 0).all()


def test_own_videos_say_their_rate_themselves(tmp_path: Path, photo: np.ndarray) -> None:
    images = [shifted(photo, 2 * i, 0, size=128) for i in range(8)]
    write_video(tmp_path / "media/mine.mp4", images=images, rate=25, options={"crf": "4", "preset": "veryfast"})
    assert lay_grid(find_media(tmp_path / "media", "mine")).num_frames == 8
    flow(FlowSettings(out=tmp_path / "out", media=tmp_path / "media", method="dis", size=0, stride=2, dilation=1))
    source = find_flow(tmp_path / "out", "mine")
    assert (source.frame_rate, source.stride) == (25, 2)
    assert len(list((source.path / "u").iterdir())) == 4
    for _, packed in read_flow(source, np.array([0.02, 0.29])):
        assert isinstance(packed, np.ndarray)
        assert np.median(unpack_flow(packed)[INSIDE], axis=(0, 1)) == pytest.approx((2, 0), abs=2 * STEP)
    steady = FlowSettings(
        out=tmp_path / "steady", media=(tmp_path / "media",), method="dis", size=0, without_camera=True
    )
    flow(steady)
    for _, packed in read_flow(find_flow(steady.out, "mine"), np.array([0.02, 0.29])):
        assert isinstance(packed, np.ndarray)
        assert np.abs(unpack_flow(packed)[INSIDE]).max() <= 2 * STEP


def test_pairs_end_with_the_recording() -> None:
    spec = FlowSpec(method="dis", frame_rate=60, stride=2, dilation=3, size=(64, 64), num_rgb_frames=8)
    assert [spec.pair(n) for n in range(1, spec.num_flow_frames + 1)] == [(1, 4), (3, 6), (5, 8), (5, 8)]
    with pytest.raises(ValueError, match="too few"):
        FlowSpec(method="dis", frame_rate=60, stride=1, dilation=3, size=(64, 64), num_rgb_frames=3)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    write_folder(tmp_path / "media/P01/rgb_frames/P01_101", numbers=range(120))
    common = ["--media", str(tmp_path / "media"), "--method", "farneback", "--workers", "2", "--size", "96"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    command = [sys.executable, "-m", "egoact", "flow", *common, "--out", str(broken)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while len(list(broken.glob("**/v/*.jpg"))) < 5 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was faster than its killer"
    first = next(iter(sorted(broken.glob("**/v/*.jpg"))))
    stamp = first.stat().st_mtime_ns
    for out in (broken, whole):
        with pytest.raises(SystemExit) as stop:
            main(["flow", *common, "--out", str(out)])
        assert stop.value.code == 0
    assert first.stat().st_mtime_ns == stamp  # not computed again
    files = {path.relative_to(whole): path.read_bytes() for path in whole.rglob("*.jpg")}
    assert len(files) == 240
    assert {path.relative_to(broken): path.read_bytes() for path in broken.rglob("*.jpg")} == files
    assert (whole / "flow.png").is_file()


def test_other_settings_do_not_mix(tmp_path: Path) -> None:
    write_folder(tmp_path / "media/P01/rgb_frames/P01_101", numbers=range(3))
    flow(FlowSettings(out=tmp_path / "out", media=tmp_path / "media", method="dis"))
    with pytest.raises(ArtifactError, match="method was 'dis', now 'farneback'"):
        flow(FlowSettings(out=tmp_path / "out", media=tmp_path / "media", method="farneback"))
    with locked(tmp_path / "two", command="flow"), pytest.raises(ArtifactError, match="another egoact flow is writing"):
        flow(FlowSettings(out=tmp_path / "two", media=tmp_path / "media", method="dis"))


def test_what_cannot_be_decoded_fails_its_flow_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = write_folder(tmp_path / "media/P01/rgb_frames/P01_101", numbers=range(6))
    (frames / "frame_0000000004.jpg").write_bytes(b"")
    (tmp_path / "media/short.mp4").write_bytes(b"no video")
    settings = FlowSettings(out=tmp_path / "out", media=tmp_path / "media", method="dis", workers=1)
    assert flow(settings) == 3
    listed = (tmp_path / "out/flow_failures.csv").read_text()
    assert [line.split(",")[:2] for line in listed.splitlines()[1:]] == [
        ["short", "0"],
        ["P01_101", "3"],
        ["P01_101", "4"],
    ]
    assert len(list((tmp_path / "out").glob("**/u/*.jpg"))) == 4
    with pytest.raises(MediaError, match="no recording called nobody"):
        flow(FlowSettings(out=tmp_path / "out", media=tmp_path / "media", videos=("nobody",)))


def test_a_pair_becomes_pictures(tmp_path: Path, photo: np.ndarray, capsys: pytest.CaptureFixture[str]) -> None:
    for name, shift in (("a", (0, 0)), ("b", SHIFT)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), shifted(photo, *shift))
    pair = ["--pair", str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    with pytest.raises(SystemExit) as stop:
        main(["flow", *pair, "--out", str(tmp_path / "out"), "--size", "0"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.count("median u 3.0") >= 2
    for method in FLOW_METHODS:
        flow_here = np.load(tmp_path / "out" / method / "flow.npy")[INSIDE]
        assert np.median(flow_here, axis=(0, 1)) == pytest.approx(SHIFT, abs=0.05)
        packed = np.dstack([cv2.imread(str(tmp_path / "out" / method / f"{c}.jpg"), 0) for c in "uv"])
        assert np.median(unpack_flow(packed)[INSIDE], axis=(0, 1)) == pytest.approx(SHIFT, abs=STEP)
        assert {p.stem for p in (tmp_path / "out" / method).glob("*.png")} == {"u", "v", "magnitude", "wheel"}
    assert cv2.imread(str(tmp_path / "out/flow.png")).shape[0] > 500


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--media, or --pair"),
        (["--pair", "a.png", "b.png", "--media", "m"], "--media, or --pair"),
        (["--pair", "no.png", "no.png"], "no.png: cannot be read"),
        (["--media", "nowhere"], "does not exist"),
        (["--media", ".", "--size", "5"], "--size must be at least 32"),
        (["--media", "."], "found no recording"),
    ],
)
def test_wrong_flow_is_one_line(
    tmp_path: Path,
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["flow", "--out", "out", *arguments])
    err = capsys.readouterr().err
    assert (stop.value.code, err.count("\n")) == (2, 1)
    assert words in err


def test_a_changed_description_is_noticed(tmp_path: Path) -> None:
    write_folder(tmp_path / "media/P01/rgb_frames/P01_101", numbers=range(3))
    flow(FlowSettings(out=tmp_path / "out", media=tmp_path / "media", method="dis"))
    path = next(tmp_path.glob("out/**/flow.json"))
    path.write_text(json.dumps({"stride": 1}))
    with pytest.raises(MediaError, match="not what egoact flow writes"):
        find_flow(tmp_path / "out", "P01_101")


def test_what_takes_long_is_told_before_it_starts(
    tmp_path: Path, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("egoact.extraction.flow.LEAST_TO_ESTIMATE", 1)
    monkeypatch.setattr("egoact.extraction.flow.SECONDS_WORTH_A_WORD", 0)
    write_video(tmp_path / "videos" / "a.mp4", num_frames=4)
    flow(FlowSettings(media=(tmp_path / "videos",), out=tmp_path / "out", size=64))
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("flow: 4 flow frames by tvl1 take about") and "--method dis takes about" in first
    flow(FlowSettings(media=(tmp_path / "videos",), out=tmp_path / "fast", size=64, method="dis"))
    assert "takes about" not in capsys.readouterr().err
