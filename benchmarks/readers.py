"""The right picture of the moment: our reader beside torchcodec, decord and OpenCV, on films that cameras leave.

    pip install -c constraints.txt '.[bench,test]'
    python -m benchmarks.readers [--moments 60] [--seed 0] [--readers egoact]

Each film of `tests/makers/films/footage.py` carries numbers in its pictures, and is asked at random moments between the
beginning of its first picture and the end of its last one. torchcodec seeks exactly (`get_frame_played_at`), decord is
given the index that its own timestamps say, OpenCV the number moment x rate. An answer is wrong where it shows another
picture (a microsecond at a border aside), and missing where there is none; each reader works in a process of its own.
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from egoact.core.errors import MediaError
from egoact.core.machine import describe_machine
from egoact.media.sources import MediaSource, read_frames
from tests.makers.films.footage import FILMS, Film
from tests.makers.films.media import number_in

Answers = list[int | None]


@dataclass(frozen=True)
class Settings:
    """How much to ask."""

    moments: int = 60
    """Of each film."""
    seed: int = 0
    """Of the moments."""
    readers: tuple[Literal["egoact", "egoact on torchcodec", "torchcodec", "decord", "opencv"], ...] = (
        "egoact",
        "egoact on torchcodec",
        "torchcodec",
        "decord",
        "opencv",
    )
    """Which to ask."""


def read_egoact(path: Path, times: np.ndarray) -> Answers:
    answers: Answers = []
    for positions, frame in read_frames(MediaSource.of_file(path), times, num_threads=1):
        answer = None if isinstance(frame, MediaError) else number_in(frame)
        answers += [answer] * (positions.stop - positions.start)
    return answers


def read_on_torchcodec(path: Path, times: np.ndarray) -> Answers:
    from egoact.media.video.device_reader import DeviceReader

    answers: Answers = []
    for positions, frame in DeviceReader("cpu").read(path, times, size=None):
        answer = None if isinstance(frame, MediaError) else number_in(np.asarray(frame))
        answers += [answer] * (positions.stop - positions.start)
    return answers


def read_torchcodec(path: Path, times: np.ndarray) -> Answers:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), dimension_order="NHWC", seek_mode="exact", num_ffmpeg_threads=1)
    begin = decoder.metadata.begin_stream_seconds
    return _one_by_one(lambda time: decoder.get_frame_played_at(time + begin).data.numpy(), times)


def read_decord(path: Path, times: np.ndarray) -> Answers:
    import decord

    reader = decord.VideoReader(str(path), num_threads=1)
    begins = reader.get_frame_timestamp(range(len(reader)))[:, 0].astype(np.float64)
    numbers = np.searchsorted(begins - begins[0], times, side="right") - 1
    return _one_by_one(lambda number: reader[int(number)].asnumpy(), numbers)


def read_opencv(path: Path, times: np.ndarray) -> Answers:
    import cv2

    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)

    def read(time: float) -> np.ndarray:
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(time * rate))
        has_picture, picture = capture.read()
        if not has_picture:
            raise RuntimeError("no picture")
        return picture[..., ::-1]

    return _one_by_one(read, times)


def _one_by_one(read: Callable[[float], np.ndarray], places: np.ndarray) -> Answers:
    answers: Answers = []
    for place in places:
        answers.append(None)
        with suppress(Exception):  # decord and torchcodec have errors of their own
            answers[-1] = number_in(read(float(place)))
    return answers


READERS = {
    "egoact": read_egoact,
    "egoact on torchcodec": read_on_torchcodec,
    "torchcodec": read_torchcodec,
    "decord": read_decord,
    "opencv": read_opencv,
}
_MICROSECOND = 1e-6
_PACKAGES = {"opencv": "opencv-contrib-python-headless", "egoact on torchcodec": "torchcodec"}


def ask(name: str, films: dict[str, Film], moments: dict[str, np.ndarray]) -> dict[str, tuple[int, int]]:
    """Film -> how many answers of a reader are wrong, and how many are missing."""
    counts = {}
    pool = None
    for kind, film in films.items():
        pool = pool or ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        truths = [film.numbers_at(np.maximum(moments[kind] + shift, 0)) for shift in (-_MICROSECOND, _MICROSECOND)]
        try:
            answers = pool.submit(READERS[name], film.path, moments[kind]).result(timeout=120)
        except (BrokenProcessPool, TimeoutError):
            pool.shutdown(wait=False, cancel_futures=True)
            pool, answers = None, [None] * len(moments[kind])
        except Exception as error:
            if isinstance(error, ImportError):
                raise SystemExit(f"{error}: pip install -c constraints.txt '.[bench,test]'") from None
            answers = [None] * len(moments[kind])
        wrong = sum(answer is not None and answer not in right for answer, *right in zip(answers, *truths, strict=True))
        counts[kind] = wrong, sum(answer is None for answer in answers)
    if pool is not None:
        pool.shutdown()
    return counts


def main(settings: Settings) -> None:
    random = np.random.default_rng(settings.seed)
    with tempfile.TemporaryDirectory() as folder:
        films, moments = {}, {}
        for number, (kind, (name, make)) in enumerate(FILMS.items()):
            place = Path(folder) / str(number)
            place.mkdir()
            films[kind] = make(place / name)
            moments[kind] = np.sort(random.uniform(0, films[kind].end_seconds, settings.moments))
        counts = {name: ask(name, films, moments) for name in settings.readers}
    print(describe_machine())
    print(f"\n| film, {settings.moments} moments each: wrong + missing | {' | '.join(settings.readers)} |")
    print("|---" * (len(settings.readers) + 1) + "|")
    for kind in films:
        print(f"| {kind} | {' | '.join('{} + {}'.format(*counts[name][kind]) for name in settings.readers)} |")
    totals = [np.sum(list(counts[name].values()), axis=0) for name in settings.readers]
    print(f"| all {settings.moments * len(films):,} | {' | '.join('{} + {}'.format(*total) for total in totals)} |")
    print("\n" + ", ".join(f"{name} {version(_PACKAGES.get(name, name))}" for name in settings.readers))


if __name__ == "__main__":
    main(tyro.cli(Settings))
