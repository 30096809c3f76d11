"""Which recordings `egoact predict` is given, and the files that it writes for each of them."""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from egoact.core.annotations.parsing import VIDEO_SUFFIXES
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.files import PART_SUFFIX, make_folder, read_json, write_atomically, write_json
from egoact.core.progress import Progress
from egoact.core.timelines.prediction import Prediction
from egoact.media.video.chapters import date_copy, is_copy_of, measure_files, name_recording, recording_of
from egoact.media.video.writer import is_playable, write_proxy
from egoact.runs.loading import Run

JSON_NAME, CSV_NAME, VTT_NAME, SUMMARY_NAME = "timeline.json", "timeline.csv", "timeline.vtt", "summary.json"
STATISTICS_NAME = "statistics.csv"
PROXY_NAME = "timeline.mp4"
WRITTEN_NAME = ".written.json"
"""Name -> sha256 of what was written, or is just being written: a file that is another one was edited by a person."""


def find_videos(path: Path) -> list[Path]:
    """A file, or the video files of a folder at any depth; of several chapters the first, which stands for all.

    One that is not there, or has no video in it, is a `MediaError`.
    """
    if not path.exists():
        raise MediaError("there is no such video or folder", path=path)
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES and not p.name.startswith("."))
    found = [video for video in found if recording_of(video) is None]
    if not found:
        raise MediaError(f"no video in this folder (*{', *'.join(VIDEO_SUFFIXES)})", path=path)
    return found


def name_folders(root: Path, videos: Sequence[Path]) -> list[str]:
    """A folder for each recording: its place below the root without suffix; with it where two would be the same."""
    short = [video.relative_to(root).with_name(name_recording(video)).as_posix() for video in videos]
    counts = Counter(name.lower() for name in short)
    return [
        name if counts[name.lower()] == 1 else video.relative_to(root).as_posix()
        for name, video in zip(short, videos, strict=True)
    ]


def check_writable(folder: Path) -> None:
    """Find out now that nothing can be written, an `ArtifactError`, rather than after an hour."""
    probe = folder / ".egoact"
    try:
        make_folder(folder)
        probe.touch()
        probe.unlink(missing_ok=True)  # another command may look, too
    except OSError as error:
        raise ArtifactError(f"cannot write here ({error.strerror}); give another --out", path=folder) from None


def relative_path(video: Path, folder: Path) -> str:
    """From a folder to a video, with forward slashes; absolute where no relative one exists (another drive)."""
    try:
        return Path(os.path.relpath(video.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return video.resolve().as_posix()


def write_playable(video: Path, out: Path) -> None:
    """`timeline.mp4`, a small H.264 copy for the page, where browsers lack the recording's codec; once."""
    proxy = out / PROXY_NAME
    if is_playable(video) or is_copy_of(proxy, video):
        return
    _, modified_ns = measure_files(video)
    for left_by_a_killed_one in out.glob(f"{PROXY_NAME}.*{PART_SUFFIX}"):
        left_by_a_killed_one.unlink(missing_ok=True)
    with Progress(f"{video.name} for browsers", total=None, unit="frames") as progress:
        write_proxy(video, proxy, advance=progress.advance)
    if proxy.exists():
        date_copy(proxy, modified_ns)
        size = proxy.stat().st_size / 1e6
        print(f"{proxy}: an H.264 copy for browsers, {size:.1f} MB (--no-proxy leaves it away)")


def check_not_edited(out: Path) -> None:
    """Refuse to replace what is not as `write_files` wrote it, since a person has corrected it: an `ArtifactError`."""
    for name in (CSV_NAME, STATISTICS_NAME, VTT_NAME, JSON_NAME):
        if (path := out / name).exists() and not is_as_written(path):
            reason = "edited since egoact predict wrote it, or not written by it; give another --out, or --overwrite"
            raise ArtifactError(reason, path=path)


def is_as_written(path: Path) -> bool:
    """Whether a file is there, and is what `write_files` wrote."""
    known = read_json(path.with_name(WRITTEN_NAME)) if path.with_name(WRITTEN_NAME).exists() else {}
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() in known.get(path.name, ())


def write_files(texts: Mapping[str, str], out: Path) -> None:
    """Write files in a folder, in this order, so that whatever a person changes in them later is noticed."""
    known = read_json(out / WRITTEN_NAME) if (out / WRITTEN_NAME).exists() else {}
    written = {name: [hashlib.sha256(text.encode()).hexdigest()] for name, text in texts.items()}
    write_json(out / WRITTEN_NAME, known | {name: [*known.get(name, ()), *d] for name, d in written.items()})
    for name, text in texts.items():
        write_atomically(out / name, text)
    write_json(out / WRITTEN_NAME, known | written)


def write_prediction(
    prediction: Prediction,
    video: Path | None,
    out: Path,
    run: Run,
    *,
    descriptions: bool,
    features: Path | None = None,
) -> None:
    """`timeline.json`, `.csv`, `.vtt` and `statistics.csv`; JSON last, so that it is there only when all are.

    `video` is None where it is not at hand; `descriptions` words the captions to be spoken; `features` is the store
    that features were read from, None where they were computed.
    """
    rules = run.segmenter.rules
    origin = {
        "egoact": version("egoact"),
        "run": str(run.path),
        "head": run.title,
        "backbone": ", ".join(dict.fromkeys(spec.title for spec in run.backbones)),
        "engine": f"{run.engine.name} {run.engine.precision}" if features is None else f"features from {features}",
        "steps_per_second": rules.rate,
        "calibrated": rules.confidence != (1.0, 0.0),
    }
    texts = {
        CSV_NAME: prediction.to_csv(),
        STATISTICS_NAME: prediction.to_statistics_csv(),
        VTT_NAME: prediction.to_vtt(descriptions=descriptions),
        JSON_NAME: prediction.to_json(video_path=None if video is None else relative_path(video, out), origin=origin),
    }
    write_files(texts, out)
