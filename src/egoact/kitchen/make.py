"""Makes a whole data set in EPIC-KITCHENS layout: recordings of several kitchens, and their labels.

OUT/videos/P01/videos/P01_01.MP4 ...
OUT/train.csv, validation.csv, verb_classes.csv, noun_classes.csv
OUT/kitchen.json            what was asked for
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egoact.core.bounds import load_json
from egoact.core.errors import ArtifactError
from egoact.core.files import write_atomically, write_json
from egoact.core.processes import worker_processes
from egoact.kitchen.cook.head import HEIGHT, WIDTH
from egoact.kitchen.film import FRAMES_PER_SECOND
from egoact.kitchen.labels import NOUNS, VERBS
from egoact.kitchen.recording import Recording, record
from egoact.kitchen.rooms.styles import STYLES

FORMAT_VERSION = 1
MIN_VIDEOS = 2
VALIDATION_SHARE = 5
VALIDATION_PARTICIPANT = len(STYLES) - 1
Rows = list[dict[str, object]]


@dataclass(frozen=True)
class MadeKitchen:
    """What `make_kitchen` wrote."""

    out: Path
    num_videos: int
    num_train_segments: int
    num_validation_segments: int


def plan_recordings(*, num_videos: int, seed: int, segments_per_video: int) -> list[Recording]:
    """The recordings of a data set; about one in five shows the validation kitchen, which training never sees."""
    if num_videos < MIN_VIDEOS:
        raise ValueError(
            f"num_videos must be at least {MIN_VIDEOS}, one to train and one to validate, got {num_videos}"
        )
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    if segments_per_video < 1:
        raise ValueError(f"segments_per_video must be at least 1, got {segments_per_video}")
    num_validation = max(1, round(num_videos / VALIDATION_SHARE))
    num_train = num_videos - num_validation
    owners = [*(i % VALIDATION_PARTICIPANT for i in range(num_train)), *[VALIDATION_PARTICIPANT] * num_validation]
    counts = [0] * len(STYLES)
    planned = []
    for owner in owners:
        counts[owner] += 1
        planned.append(Recording(owner, counts[owner], seed, segments_per_video))
    return sorted(planned, key=lambda r: (r.participant, r.number))


def make_kitchen(
    out: str | Path,
    *,
    num_videos: int = 36,
    seed: int = 0,
    workers: int = 2,
    segments_per_video: int = 17,
    progress: Callable[[int, int], None] | None = None,
) -> MadeKitchen:
    """Render first-person kitchen videos with labels. The same arguments give the same bytes.

    A folder that was left unfinished is completed: videos that are there are not rendered again.

    Args:
        out: Folder to write, made if needed.
        num_videos: Recordings, at least 2; about one in five is of the validation kitchen.
        seed: Of all choices, 0 or more.
        workers: Processes that render; 1 renders in this process.
        segments_per_video: Labelled actions in each video, at least.
        progress: Called with (videos done, videos in all) after each.

    Raises:
        ValueError: An argument out of range.
        ArtifactError: The folder cannot be written, or holds a kitchen with other settings.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    out = Path(out)
    recordings = plan_recordings(num_videos=num_videos, seed=seed, segments_per_video=segments_per_video)
    settings = {
        "format_version": FORMAT_VERSION,
        "num_videos": num_videos,
        "seed": seed,
        "segments_per_video": segments_per_video,
        "width": WIDTH,
        "height": HEIGHT,
        "frames_per_second": FRAMES_PER_SECOND,
    }
    _claim(out, settings)
    rows: dict[str, Rows] = {}
    try:
        for left_by_a_killed_run in out.glob("videos/*/videos/*.part"):
            left_by_a_killed_run.unlink(missing_ok=True)
        for recording, made in _record_all(recordings, out, workers):
            rows[recording.video_id] = made
            if progress is not None:
                progress(len(rows), len(recordings))
        split: tuple[Rows, Rows] = ([], [])
        for recording in recordings:
            split[recording.participant == VALIDATION_PARTICIPANT].extend(rows[recording.video_id])
        train, validation = split
        _write_csv(out / "train.csv", train)
        _write_csv(out / "validation.csv", validation)
        _write_csv(out / "verb_classes.csv", _classes(VERBS))
        _write_csv(out / "noun_classes.csv", _classes(NOUNS))
    except OSError as error:
        raise ArtifactError(f"cannot be written: {error.strerror or error}", path=out) from error
    return MadeKitchen(out, num_videos, len(train), len(validation))


def _record_all(recordings: Sequence[Recording], out: Path, workers: int) -> Iterator[tuple[Recording, Rows]]:
    """Rows of each recording as it is done. Neighbours share a process, which keeps their kitchen's sprites."""
    if workers == 1 or all(recording.path(out).is_file() for recording in recordings):  # nothing is left to render
        for recording in recordings:
            yield recording, record(recording, out)
        return
    shares = [part.tolist() for part in np.array_split(np.arange(len(recordings)), min(workers, len(recordings)))]
    with worker_processes(len(shares)) as processes:
        pending = {
            process.submit(record, recordings[i], out): recordings[i]
            for process, share in zip(processes, shares, strict=True)
            for i in share
        }
        for done in as_completed(pending):
            yield pending[done], done.result()


def _claim(out: Path, settings: Mapping[str, object]) -> None:
    """Write the settings into a new folder, or make sure that they are those of an old one."""
    path = out / "kitchen.json"
    try:
        if path.is_file():
            found = load_json(path)
            if found != settings:
                raise ArtifactError(
                    f"holds a kitchen made with {_difference(found, settings)}; ask for that or take another folder",
                    path=out,
                )
            return
        write_json(path, settings)
    except OSError as error:
        raise ArtifactError(f"cannot be written: {error.strerror or error}", path=out) from error
    except ValueError as error:
        raise ArtifactError("is not readable JSON; delete it or choose another folder", path=path) from error


def _difference(found: object, settings: Mapping[str, object]) -> str:
    if not isinstance(found, dict):
        return "unknown settings"
    return ", ".join(f"{k} {found.get(k)} instead of {v}" for k, v in settings.items() if found.get(k) != v)


def _classes(names: Mapping[str, str]) -> Rows:
    return [
        {"id": i, "key": key, "instances": str([key]), "category": category}
        for i, (key, category) in enumerate(names.items())
    ]


def _write_csv(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())
