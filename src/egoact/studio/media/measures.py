"""What is computed of a recording for its page, once, and kept: times of pictures, sound and motion, thumbnails."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from egoact.core.errors import MediaError
from egoact.core.files import make_folder, open_atomically, write_atomically
from egoact.media.recording import read_steps
from egoact.media.sound.reader import SoundTrack, find_sound, read_sound
from egoact.media.sources import MediaSource, read_clip
from egoact.media.stills.pictures import resize_area
from egoact.media.video.chapters import measure_files
from egoact.media.video.file import VideoFile, open_container, picture_stream
from egoact.studio.media.pictures import write_jpeg
from egoact.studio.refusal import Refusal
from egoact.studio.schemas.recordings import Frames, Waveform

SOUND_BINS_PER_SECOND = 50
MOTION_STEPS_PER_SECOND = 4
LONG_SECONDS = 1200.0  # beyond, motion is that between key frames
_MOTION_SIZE = (36, 64)
_THUMBNAIL_WIDTH = 320
_WAIT_SECONDS = 1.0
_SLOW_PIXELS = 12_000_000  # that a browser may have to decode for a step: 1280 x 720, a key frame every 13 pictures


class Measures:
    """Computes in the background, one recording at a time, and keeps what it found in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(exist_ok=True)
        self._lock = threading.Lock()
        self._pending: dict[Path, Future[None]] = {}
        self._making: dict[Path, threading.Lock] = {}
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="measures")

    def close(self) -> None:
        """Begin nothing more."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def frames(self, source: MediaSource, playable: Path, *, num_pixels: int) -> Frames:
        """When each picture is shown, and whether browsers step slowly; of the file that they play, it or a copy."""
        copy = "" if playable == source.path else f".{playable.parent.name}.{playable.stat().st_mtime_ns:x}"
        path = self._path(source, f"pictures{copy}.npz")
        self._once(path, lambda: _save(path, **_measure_frames(playable)))
        with np.load(path) as kept:
            times, end, run = kept["times"], float(kept["end"]), int(kept["run"])
        return Frames(
            times_seconds=np.round(times, 6).tolist(),
            end_seconds=round(end, 6),
            video_offset_seconds=round(_video_offset(playable), 6),
            is_quick=False,
            wants_quick=run * num_pixels > _SLOW_PIXELS,
        )

    def waveform(self, source: MediaSource, *, num_bins: int, start: float, stop: float | None) -> Waveform:
        """Sound and motion of a stretch; a `Refusal` with 503 where they are computed for the first time."""
        path = self._path(source, "waveform.npz")
        self._in_background(path, lambda: _save(path, **_measure_waveform(source)))
        with np.load(path) as kept:
            sound, motion, seconds = kept["sound"], kept["motion"], float(kept["seconds"])
        stop = seconds if stop is None else min(stop, seconds)
        if not 0 <= start < stop:
            raise Refusal(400, f"{start:g} to {stop:g} s is no stretch of this recording of {seconds:g} s")
        return Waveform(
            start_seconds=start,
            stop_seconds=stop,
            bin_seconds=(stop - start) / num_bins,
            sound=_reduce(sound, SOUND_BINS_PER_SECOND, start, stop, num_bins),
            motion=_reduce(motion, MOTION_STEPS_PER_SECOND, start, stop, num_bins),
        )

    def thumbnail(self, source: MediaSource, seconds: float) -> Path:
        """A small JPEG of what is shown at a time."""
        tenths = max(int(seconds * 10), 0)
        path = self._path(source, f"{tenths}.jpg")
        self._once(path, lambda: _write_thumbnail(path, read_clip(source, np.array([tenths / 10]))[0]))
        return path

    def _path(self, source: MediaSource, name: str) -> Path:
        size, modified_ns = measure_files(source.path)
        return self._folder / f"{source.video_id}.{size:x}.{modified_ns:x}" / name

    def _once(self, path: Path, make: Callable[[], None]) -> None:
        """Make a file that is not there; who asks for it meanwhile waits."""
        if path.exists():
            return
        with self._lock:
            making = self._making.setdefault(path, threading.Lock())
        with making:
            if not path.exists():
                make()
        with self._lock:
            self._making.pop(path, None)

    def _in_background(self, path: Path, compute: Callable[[], None]) -> None:
        """Wait a moment for what is computed; then refuse, and go on computing."""
        if path.exists():
            return
        with self._lock:
            future = self._pending.get(path)
            if future is None or (future.done() and not path.exists()):
                future = self._pending[path] = self._worker.submit(compute)
        try:
            future.result(timeout=_WAIT_SECONDS)
        except TimeoutError:
            raise Refusal(503, "sound and motion are computed just now", retry_after=2) from None


def _save(path: Path, **values: Any) -> None:
    make_folder(path.parent)
    with open_atomically(path) as file:
        np.savez(file, **values)


def _measure_frames(path: Path) -> dict[str, Any]:
    with VideoFile(path) as file:
        ticks, stops, run, longest = [], [], 0, 0
        while (packet := file.read()) is not None:
            shown = packet.dts if packet.pts is None else packet.pts
            shown = None if packet.is_discard else shown  # what an edit list leaves out
            run = 1 if packet.is_keyframe else run + 1
            longest = max(longest, run)
            if shown is not None:
                ticks.append(shown)
                stops.append(shown + (packet.duration or file.frame_ticks))
        tick_seconds = file.tick_seconds
    if not ticks:
        raise MediaError("this recording has no pictures", path=path)
    times = np.unique(np.array(ticks, dtype=np.int64))
    end = (max(stops) - times[0]) * tick_seconds
    return {"times": (times - times[0]) * tick_seconds, "end": end, "run": longest}


def _video_offset(path: Path) -> float:
    """When the first picture is shown, on the clock that begins with the file's first sound or picture."""
    with open_container(path) as container:
        video = container.streams.video[0]
        if video.start_time is None or video.time_base is None:
            return 0.0
        first = float(video.start_time * video.time_base)
        begins = (container.start_time or 0) / av.time_base
        return max(first - min(begins, first), 0.0)


def _measure_waveform(source: MediaSource) -> dict[str, Any]:
    track = find_sound(source.path)
    sound = _peaks(track) if track.has_sound else np.empty(0, dtype=np.float32)
    is_long = track.length_seconds > LONG_SECONDS
    found = _motion_of_key_frames(source.path, track.length_seconds) if is_long else _motion(source)
    largest = float(np.quantile(found, 0.99)) if len(found) else 0.0
    scaled = np.minimum(found / largest, 1.0) if largest > 0 else found
    return {"sound": sound, "motion": scaled, "seconds": track.length_seconds}


def _motion(source: MediaSource) -> np.ndarray:
    """How much each step differs from the one before."""
    motion, before = [0.0], None
    steps = read_steps(source, rate=MOTION_STEPS_PER_SECOND, size=_MOTION_SIZE, num_threads=1)
    try:
        for picture, count in steps:
            small = picture.astype(np.float32).mean(axis=-1)
            change = 0.0 if before is None else float(np.abs(small - before).mean())
            before = small
            motion += [change] * count
    except MediaError:
        pass  # what is damaged has no motion
    return np.array(motion[1:], dtype=np.float32)


def _motion_of_key_frames(path: Path, seconds: float) -> np.ndarray:
    """The same of a long recording, from one key frame to the next: decoding all of it would take too long."""
    motion = np.zeros(max(round(seconds * MOTION_STEPS_PER_SECOND), 1), dtype=np.float32)
    first, step, before = None, 0, None
    with open_container(path) as container:
        stream = picture_stream(container, path)
        stream.codec_context.skip_frame = "NONKEY"
        try:
            for picture in container.decode(stream):
                if picture.time is None:
                    continue
                first = picture.time if first is None else first
                size = {"width": _MOTION_SIZE[1], "height": _MOTION_SIZE[0]}
                small = picture.reformat(**size, format="gray").to_ndarray().astype(np.float32)
                now = min(round((picture.time - first) * MOTION_STEPS_PER_SECOND), len(motion))
                if before is not None:
                    motion[step:now] = np.abs(small - before).mean()
                step, before = now, small
        except av.error.FFmpegError:
            pass  # what is damaged has no motion
    return motion


def _peaks(track: SoundTrack) -> np.ndarray:
    size = max(track.form.rate // SOUND_BINS_PER_SECOND, 1)
    peaks, rest = [], np.empty(0, dtype=np.float32)
    for block in read_sound(track):
        loud = np.concatenate([rest, np.abs(block).max(axis=1)])
        num_whole = len(loud) // size
        peaks.append(loud[: num_whole * size].reshape(num_whole, size).max(axis=1))
        rest = loud[num_whole * size :]
    peaks.append(rest.max(keepdims=True) if len(rest) else rest)
    return np.concatenate(peaks).astype(np.float32)


def _reduce(values: np.ndarray, rate: float, start: float, stop: float, num_bins: int) -> list[float]:
    """The largest value in each of equal bins; a bin that is shorter than a value has that of its moment."""
    if not len(values):
        return []
    edges = np.linspace(start * rate, stop * rate, num_bins + 1)
    firsts = np.clip(np.floor(edges[:-1]).astype(int), 0, len(values) - 1)
    lasts = np.clip(np.ceil(edges[1:]).astype(int), firsts + 1, len(values))
    return [round(float(values[a:b].max()), 4) for a, b in zip(firsts, lasts, strict=True)]


def _write_thumbnail(path: Path, picture: np.ndarray) -> None:
    height, width = picture.shape[:2]
    size = (max(round(height * min(1, _THUMBNAIL_WIDTH / width)), 1), min(width, _THUMBNAIL_WIDTH))
    make_folder(path.parent)
    write_atomically(path, write_jpeg(resize_area(picture, size), quality=80))
