"""`egoact live` on files played in real time, and on streams of servers of this machine that break and stall."""

import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TextIO

import av
import cv2
import numpy as np
import pytest
import torch
from torch import nn

from egoact.commands.using.live import LiveSettings, live
from egoact.core.annotations.anticipation import Anticipation
from egoact.core.annotations.labels import Vocabulary
from egoact.core.errors import ArtifactError, InputError, MediaError
from egoact.core.timelines.online_prediction import OnlinePrediction
from egoact.live.capture import CapturedFrame, FrameGrabber
from egoact.live.playback import Playback
from egoact.live.sources import CameraSource, FileSource, UrlSource, find_source
from egoact.live.statistics import LiveClock
from egoact.live.streaming import open_run_stream
from egoact.live.terminal import LiveView
from egoact.live.window import LiveWindow
from egoact.media.video.file import open_container, picture_stream
from egoact.models.backbones.registry import load_backbone
from egoact.runs.loading import EngineChoice, load_run
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from tests.makers.films.media import jpeg, number_in, picture, write_sound_only, write_video
from tests.makers.films.rtsp_server import RtspServer
from tests.makers.machines.places import ROOT
from tests.makers.machines.processes import begin

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = (96, 144)


def save_run(path: Path, *, nouns: bool = True, anticipation: Anticipation | None = None) -> Path:
    torch.manual_seed(0)
    vocabularies = {"verb": Vocabulary("verb", ("open", "close", "cut"))}
    if nouns:
        vocabularies["noun"] = Vocabulary("noun", ("fridge", "door"))
    config = RecognizerConfig(
        head="lstm",
        vocabularies=vocabularies,  # type: ignore[arg-type]
        backbone=load_backbone("tiny-random", size=32).spec,
        num_frames=8,
        dropout=0.5,
        anticipation=anticipation,
    )
    model = config.build()
    for classifier in model.classifiers.values():
        nn.init.normal_(classifier.get_parameter("weight"))
    Recognizer(config, model).save(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_run(tmp_path_factory.mktemp("live") / "run")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, 30 pictures a second."""
    return write_video(tmp_path_factory.mktemp("live") / "film.mp4", num_frames=60, rate=30)


def settings_for(run: Path, source: object, tmp_path: Path, **changes: object) -> LiveSettings:
    given = {"jsonl": str(tmp_path / "answers.jsonl"), "window_seconds": (1.0,), "engine": "torch", "precision": "f32"}
    return LiveSettings(run=run, source=str(source), **(given | changes))  # type: ignore[arg-type]


def lines_of(tmp_path: Path) -> list[dict]:
    return [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]


def numbers(source: object, *, most: int = 10_000) -> list[int]:
    """The numbers that the pictures of a source carry."""
    shots = source.frames(threading.Event(), lambda _: None)  # type: ignore[attr-defined]
    return [number_in(shot.rgb(size=SIZE)) for shot, _ in zip(shots, range(most), strict=False)]


# --- whole runs ---


def test_a_file_is_answered_until_its_end(
    run: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live(settings_for(run, film, tmp_path)) == 0
    answers = lines_of(tmp_path)
    seconds = [answer["seconds"] for answer in answers]
    assert len(answers) >= 3 and seconds == sorted(set(seconds)) and seconds[0] >= 0.4 and seconds[-1] < 2
    assert [len(answers[-1][target]) for target in ("verb", "noun", "action")] == [3, 2, 5]
    assert sum(best["probability"] for best in answers[-1]["verb"]) == pytest.approx(1, abs=1e-3)
    assert all(answer["age_ms"] >= 0 and answer["frames_passed"] < answer["frames_taken"] for answer in answers)
    assert answers[-1]["frames_taken"] <= 60
    captured = capsys.readouterr()
    assert f"{len(answers)} predictions from 60 frames" in captured.err
    assert answers[0]["action"][0]["name"] in captured.out


def test_lines_are_appended(run: Path, film: Path, tmp_path: Path) -> None:
    (tmp_path / "answers.jsonl").write_text('{"seconds": -1}\n')
    assert live(settings_for(run, film, tmp_path, max_seconds=1.2)) == 0
    assert lines_of(tmp_path)[0] == {"seconds": -1} and len(lines_of(tmp_path)) > 1


def test_a_run_without_nouns_answers_verbs(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = save_run(tmp_path / "run", nouns=False)
    assert live(settings_for(run, film, tmp_path, mode="running", max_seconds=1)) == 0
    assert lines_of(tmp_path)[-1].keys() & {"verb", "noun", "action"} == {"verb"}


def test_a_run_that_anticipates_says_so(film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = save_run(tmp_path / "run", anticipation=Anticipation(gap_seconds=0.5, observed_seconds=1.0))
    assert live(settings_for(run, film, tmp_path, window_seconds=())) == 0
    told = capsys.readouterr()
    assert "live: this run names the action that will begin in 0.5 s" in told.err
    answers = lines_of(tmp_path)
    assert {answer["ahead_seconds"] for answer in answers} == {0.5}
    first = told.out.splitlines()[0]
    assert "s  in 0.5 s: " in first
    assert all(best["name"] in first for best in answers[0]["action"])
    stream = open_run_stream(load_run(run, EngineChoice(None, "torch", "f32", "cpu")), rate=10.0)
    pushed = [stream.push(np.zeros((32, 32, 3), dtype=np.uint8), number / 10) for number in range(20)]
    assert [each is None for each in pushed[:6]] == [True] * 4 + [False] * 2  # half of what it observed in training
    assert pushed[-1].covered_seconds == pytest.approx(1.0) and pushed[-1].when == "in 0.5 s: "  # type: ignore[union-attr]


def test_lines_on_standard_output_are_alone_there(
    run: Path, film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live(settings_for(run, film, tmp_path, jsonl="-", max_seconds=1.2)) == 0
    out = capsys.readouterr().out
    assert out and all("verb" in json.loads(line) for line in out.splitlines())


@contextmanager
def started(run: Path, source: Path, folder: Path) -> Iterator[tuple[TextIO, BaseProcess, Path]]:
    """`egoact live` in a process: its standard output, which somebody reads, and a file with what else it says."""
    lines, errors = folder / "lines", folder / "errors.txt"
    os.mkfifo(lines)
    words = ["live", "--run", str(run), "--source", str(source), "--engine", "torch", "--window-seconds", "1"]
    process = begin([*words, "--jsonl", "-"], printed=lines, errors=errors)
    with lines.open() as reader:
        assert "verb" in json.loads(reader.readline())
        yield reader, process, errors
    lines.unlink()
    errors.unlink()


@pytest.mark.slow
def test_ctrl_c_and_a_reader_that_leaves_are_clean_ends(run: Path, tmp_path: Path) -> None:
    film = write_video(tmp_path / "long.mp4", num_frames=1800, rate=30, size=(32, 48))
    with started(run, film, tmp_path) as (reader, process, errors):
        os.kill(process.pid or 0, signal.SIGINT)
        assert all("verb" in json.loads(line) for line in reader)
        process.join(timeout=30)
        assert process.exitcode == 0
        err = errors.read_text()
        assert "Traceback" not in err and "predictions from" in err
    with started(run, film, tmp_path) as (reader, process, errors):
        reader.close()
        process.join(timeout=30)
        assert process.exitcode == 0
        err = errors.read_text()
        assert "Traceback" not in err and "Exception" not in err


def test_the_stream_of_the_documents_runs(
    run: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import egoact

    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    code = re.findall(r"^stream = .*?(?=^```)", page, flags=re.MULTILINE | re.DOTALL)
    assert len(code) == 1
    shutil.copy(film, tmp_path / "new.mp4")
    monkeypatch.chdir(tmp_path)
    recognizer = egoact.Recognizer.load(run, engine="torch", precision="f32")
    exec(code[0], {"av": av, "recognizer": recognizer})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 16 and lines[-1].startswith("1.9 s: ")  # from half of its 2 s on, fifteen a second


# --- bad input ---


@pytest.mark.parametrize(
    "kind", ["absent", "empty", "text", "sound", "no pictures", "folder", "camera", "scheme", "port"]
)
def test_a_source_that_is_none_is_told_in_one_line(kind: str, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    source, words = str(path), ""
    if kind == "absent":
        words = "No such file"
    elif kind == "empty":
        path.write_bytes(b"")
        words = "empty"
    elif kind == "text":
        path.write_text("not a video")
        words = "not a video"
    elif kind == "sound":
        write_sound_only(path)
        words = "no video stream"
    elif kind == "no pictures":
        write_video(path, num_frames=0)
        words = "video"
    elif kind == "folder":
        source, words = str(tmp_path), "directory"
    elif kind == "camera":
        source, words = "97", "there is no camera 97"
    elif kind == "scheme":
        source, words = "ftp://example.org/video.mp4", "unknown kind of address"
    elif kind == "port":
        with socket.create_server(("127.0.0.1", 0)) as server:
            source, words = f"http://127.0.0.1:{server.getsockname()[1]}/", "cannot open: Connection refused"
    with pytest.raises(InputError, match=words) as error:
        live(settings_for(run, source, tmp_path))
    assert "\n" not in str(error.value) and not lines_of(tmp_path) if (tmp_path / "answers.jsonl").exists() else True


@pytest.mark.parametrize("where", ["folder", "nowhere/answers.jsonl"])
def test_lines_that_cannot_be_written_are_told_before_anything_is_loaded(
    where: str, film: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ArtifactError, match="cannot be written"):
        live(settings_for(tmp_path / "no run", film, tmp_path, jsonl=str(tmp_path / where)))


@pytest.mark.parametrize("name", ["rate", "timeout", "give_up", "max_seconds"])
def test_impossible_numbers_are_refused(name: str, run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} must be"):
        settings_for(run, "0", tmp_path, **{name: 0.0})


def test_a_window_without_a_display_is_refused(run: Path, film: Path, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(ValueError, match="--window needs a display"):
        live(settings_for(run, film, tmp_path, window=True))


def test_a_file_that_breaks_off_is_answered_up_to_there_and_fails(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_video(tmp_path / "whole.mp4", num_frames=120, container_options={"movflags": "faststart"})
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    assert live(settings_for(run, broken, tmp_path)) == 1
    assert 1 < lines_of(tmp_path)[-1]["seconds"] < 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("live: ") and "broken.mp4, at 2." in last


def test_a_damaged_picture_is_left_out_and_told(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", num_frames=60, gop=10)
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + 4 + (len(content) - content.index(b"mdat")) // 2
    content[middle : middle + 400] = bytes(byte ^ 0x5A for byte in content[middle : middle + 400])
    path.write_bytes(content)
    seen: list[int] = []
    with pytest.raises(MediaError, match=r"v\.mp4, at .* s: damaged"):
        for shot in FileSource(path).frames(threading.Event(), lambda _: None):
            seen.append(number_in(shot.rgb(size=SIZE)))
    assert seen[0] == 0 and len(seen) < 60 and seen == sorted(set(seen))


# --- sources ---


def test_what_a_source_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = [type(find_source(text, timeout=1, give_up=1)) for text in ("0", "12", "rtsp://h/s", "HTTP://h", "a.mp4")]
    assert found == [CameraSource, CameraSource, UrlSource, UrlSource, FileSource]
    assert type(find_source("C:\\films\\a.mp4", timeout=1, give_up=1)) is FileSource
    (tmp_path / "7").write_bytes(b"a file that is called like a camera")
    assert type(find_source("7", timeout=1, give_up=1)) is FileSource


def test_a_file_shows_every_picture_when_it_is_due(film: Path) -> None:
    begun = time.monotonic()
    shots = [(shot, time.monotonic()) for shot in FileSource(film).frames(threading.Event(), lambda _: None)]
    assert [number_in(shot.rgb(size=SIZE)) for shot, _ in shots] == list(range(60))
    assert [shot.seconds for shot, _ in shots] == pytest.approx([i / 30 for i in range(60)], abs=1e-3)
    assert all(seen >= shot.taken for shot, seen in shots), "shown before it is due"
    assert all(
        b.taken - a.taken == pytest.approx(1 / 30, abs=1e-3) for (a, _), (b, _) in zip(shots, shots[1:], strict=False)
    )
    assert time.monotonic() - begun >= 59 / 30


def test_a_variable_rate_is_played_by_its_timestamps(tmp_path: Path) -> None:
    ticks = [0, 1, 2, 30, 31, 45, 46]
    path = write_video(tmp_path / "v.mp4", num_frames=len(ticks), pts=ticks, time_base=Fraction(1, 60), b_frames=0)
    shots = list(FileSource(path).frames(threading.Event(), lambda _: None))
    assert [shot.seconds for shot in shots] == pytest.approx([tick / 60 for tick in ticks], abs=2e-3)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_phone_that_was_turned_shows_upright_pictures(rotation: int, tmp_path: Path) -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :48] = (250, 30, 30)
    turned = np.ascontiguousarray(np.rot90(image, -rotation // 90 % 4))
    path = write_video(tmp_path / "v.mp4", images=[turned] * 3, size=turned.shape[:2], rotation=rotation)
    shot = next(iter(FileSource(path).frames(threading.Event(), lambda _: None)))
    assert shot.size == (64, 96)
    seen = shot.rgb(size=(32, 48))
    assert seen[8, 12, 0] > 180 and seen[24, 36].max() < 60


def test_4k_is_shown(tmp_path: Path) -> None:
    large = [cv2.resize(picture(i), (3840, 2160), interpolation=cv2.INTER_NEAREST) for i in range(4)]
    path = write_video(tmp_path / "v.mp4", images=large, size=(2160, 3840))
    assert numbers(FileSource(path)) == [0, 1, 2, 3]


def test_a_decoder_that_is_too_slow_leaves_pictures_out_instead_of_falling_behind(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", num_frames=150, rate=30, gop=30)
    with open_container(path) as container:
        playback = Playback(container, picture_stream(container, path), is_recorded=True)
        shots = playback.frames(threading.Event())
        seen = [next(shots) for _ in range(3)]
        assert playback._start is not None
        playback._start = (playback._start[0] - 3, playback._start[1])  # as if three seconds had been lost
        after = [(playback.shown_seconds, number_in(shot.rgb(size=SIZE))) for shot in shots if playback.lateness < 1]
    assert seen[-1].seconds == pytest.approx(2 / 30, abs=1e-3)
    first_seconds, first_number = after[0]
    assert first_number % 30 == 0 and first_seconds >= 3, "it went on with the next key frame that is not past"
    assert [number for _, number in after] == list(range(first_number, 150))


class Scripted:
    """A source that a test feeds."""

    def __init__(self, *, error: BaseException | None = None) -> None:
        self.error = error
        self.go = threading.Semaphore(0)
        self.given = 0

    def check(self) -> None: ...

    def frames(self, stop: threading.Event, say: Callable[[str], None]) -> Iterator[CapturedFrame]:
        for number in range(5):
            self.go.acquire()
            yield CapturedFrame(float(number), time.monotonic(), np.zeros((4, 4, 3), np.uint8))
            self.given = number + 1
        if self.error is not None:
            raise self.error


def test_the_newest_picture_wins() -> None:
    source = Scripted()
    with FrameGrabber(source, print) as grabber:
        assert grabber.next(timeout=0.01) is None and not grabber.has_ended
        source.go.release(3)
        while source.given < 3:
            time.sleep(0.001)
        newest = grabber.next(timeout=5)
        assert newest is not None and newest.seconds == 2 and grabber.num_taken == 3
        assert grabber.next(timeout=0.01) is None
        source.go.release(2)
        while not grabber.has_ended:
            time.sleep(0.001)
        last = grabber.next(timeout=5)
        assert last is not None and last.seconds == 4 and grabber.next(timeout=5) is None
        assert grabber.error is None and grabber.num_taken == 5


def test_what_goes_wrong_in_the_thread_is_known_outside() -> None:
    source = Scripted(error=MediaError("gone"))
    source.go.release(5)
    with FrameGrabber(source, print) as grabber:
        while not grabber.has_ended:
            time.sleep(0.001)
        assert str(grabber.error) == "gone"


def test_a_camera_is_read_and_tried_again(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, real = [], cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: opened.append(number) or real(str(film)))
    source, said = CameraSource(3, give_up=30), []
    source.check()
    shots = source.frames(threading.Event(), said.append)
    seen = [next(shots) for _ in range(61)]
    assert [number_in(shot.rgb(size=SIZE)) for shot in seen] == [*range(60), 0]
    assert opened == [3, 3, 3] and said == ["camera 3 gives no pictures; trying again in 0.5 s", "camera 3: back again"]
    assert [shot.seconds for shot in seen] == sorted(shot.seconds for shot in seen)
    shots.close()


# --- streams of the network ---


class Streaming(http.server.BaseHTTPRequestHandler):
    """/mjpeg: pictures without end; /stall, /cut: the first connection stalls, is cut, after 20; /silent: nothing."""

    connections: dict[str, int] = {}
    is_over = threading.Event()

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:  # noqa: N802
        self.connections[self.path] = number = self.connections.get(self.path, 0) + 1
        if self.path == "/silent":
            self.is_over.wait(30)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for i in range(1, 4000):
            if number == 1 and i > 20 and self.path == "/cut":
                return
            if number == 1 and i > 20 and self.path == "/stall":
                self.is_over.wait(30)
            body = jpeg(i % 4000)
            head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(body)
            try:
                self.wfile.write(head + body + b"\r\n")
            except OSError:
                return
            if self.is_over.wait(1 / 30):
                return


@contextmanager
def serving(handler: type) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        Streaming.is_over.clear()
        Streaming.connections.clear()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            Streaming.is_over.set()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("path", "words"), [("/cut", "trying again in 0.5 s"), ("/stall", "nothing came for too long")]
)
def test_a_stream_that_breaks_or_stalls_is_opened_again(path: str, words: str) -> None:
    said: list[str] = []
    with serving(Streaming) as address:
        shots = UrlSource(address + path, timeout=0.7, give_up=30).frames(threading.Event(), said.append)
        seen = []
        for shot in shots:
            seen.append((shot.seconds, number_in(shot.rgb(size=SIZE))))
            if len(said) == 2:
                break
        shots.close()
    assert words in said[0] and said[1] == f"{address}{path}: back again"
    seconds = [at for at, _ in seen]
    assert seconds == sorted(set(seconds)) and seconds[-1] - seconds[-2] > 0.4
    assert seen[-2][1] <= 20 and Streaming.connections[path] == 2


def test_a_stream_that_never_speaks_or_never_comes_back_is_given_up(run: Path, tmp_path: Path) -> None:
    with serving(Streaming) as address:
        with pytest.raises(MediaError, match=r"no answer within 0\.3 s"):
            live(settings_for(run, address + "/silent", tmp_path, timeout=0.3))
        shots = UrlSource(address + "/cut", timeout=0.5, give_up=1.2).frames(threading.Event(), lambda _: None)
        assert next(shots).seconds == 0
    with pytest.raises(MediaError, match="cannot open: Connection refused"):
        for _ in shots:
            pass


def test_a_video_file_of_a_web_server_is_played_in_real_time(film: Path, run: Path, tmp_path: Path) -> None:
    class Files(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, directory=str(film.parent), **options)  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None: ...

    with serving(Files) as address:
        begun = time.monotonic()
        assert numbers(UrlSource(f"{address}/{film.name}", timeout=5, give_up=5)) == list(range(60))
        assert time.monotonic() - begun >= 59 / 30
        assert live(settings_for(run, f"{address}/{film.name}", tmp_path)) == 0
    assert len(lines_of(tmp_path)) >= 3


def test_rtsp_is_shown_and_opened_again(run: Path, tmp_path: Path) -> None:
    said: list[str] = []
    with RtspServer([picture(i) for i in range(1, 61)], break_after=50) as server:
        seen = []
        for shot in UrlSource(server.url, timeout=3, give_up=30).frames(threading.Event(), said.append):
            seen.append(number_in(shot.rgb(size=SIZE)))
            if len(said) == 2:
                break
    assert server.num_connections == 2 and said[1].endswith("back again")
    assert seen[:-1] == list(range(seen[0], seen[0] + len(seen) - 1)) and max(seen) <= 50


# --- what is shown ---


def answer(seconds: float, share: float = 0.7) -> OnlinePrediction:
    return OnlinePrediction(seconds, 1.0, {"verb": np.array([share, 1 - share])}, {"verb": ("open", "[cut]")})


def test_clock_counts_ages(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = LiveClock()
    assert clock.age_seconds == clock.frames_per_second == clock.delay(99) == 0
    for i in range(100):
        now[0] = 100 + i / 10
        clock.note_pictures(3 * i + 1, is_looked_at=True)
        assert clock.note_prediction(now[0] - 0.02 - 0.1 * (i == 50)) == pytest.approx(0.02 + 0.1 * (i == 50))
    assert clock.delay(50) == pytest.approx(0.02, abs=1.1e-3) and clock.delay(100) == pytest.approx(0.12, abs=1.1e-3)
    assert clock.greatest_age(50) == pytest.approx(0.12, abs=1.1e-3)
    assert clock.greatest_age(100) == pytest.approx(0.22, abs=1.1e-3)
    assert clock.frames_per_second == pytest.approx(30) and clock.predictions_per_second == pytest.approx(10)
    assert (clock.num_predictions, clock.num_passed) == (100, 198)
    now[0] += 2
    assert clock.age_seconds == pytest.approx(2.02)


def test_without_a_terminal_a_line_is_printed_when_the_action_changes(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveView("film", on_error_output=False) as view:
        for seconds, share in ((1, 0.7), (2, 0.8), (3, 0.2), (4, 0.9)):
            view.show(answer(seconds, share), LiveClock())
            view.show(None, LiveClock())
        view.say("film: back again")
    out, err = capsys.readouterr()
    assert [line.split()[0:3:2] for line in out.splitlines()] == [["1.00", "open"], ["3.00", "[cut]"], ["4.00", "open"]]
    assert err == "live: film: back again\n"


def test_a_terminal_shows_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    view = LiveView("film", on_error_output=False)
    view._prediction = answer(1.0, 0.25)
    view._message = "film: back again"
    console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(view._draw(LiveClock()))
    console.file.close()
    text = console.export_text()
    for words in ("film", "[cut]", "75%", "open", "25%", "frames/s", "age", "back again"):
        assert words in text
    assert "…" not in text


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An X server without a screen."""
    pytest.importorskip("tkinter")
    if shutil.which("Xvfb") is None:
        pytest.skip("needs the program Xvfb (Debian: apt install xvfb)")
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1000x800x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as numbers_of_display:
        name = f":{numbers_of_display.readline().strip()}"
    monkeypatch.setenv("DISPLAY", name)
    yield name
    server.terminate()
    server.wait()


def screen(name: str) -> np.ndarray:
    with av.open(name, format="x11grab", options={"video_size": "1000x800"}) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def test_the_window_shows_picture_and_action(display: str) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[:, :, 2] = 250  # BGR, as a camera gives it: red
    with LiveWindow("camera 0") as window:
        window.show(CapturedFrame(0.0, time.monotonic(), image), answer(1.0), LiveClock())
        window.show(None, None, LiveClock())
        time.sleep(0.2)
        window.show(None, None, LiveClock())
        seen = screen(display).astype(int)
        red = (seen[..., 0] > 200) & (seen[..., 1] < 60) & (seen[..., 2] < 60)
        white = (seen > 230).all(-1)
        assert red.sum() > 0.5 * 240 * 320 and white.sum() > 50
        window._close()
        window.show(CapturedFrame(1.0, time.monotonic(), image), None, LiveClock())
        assert not window.is_open
