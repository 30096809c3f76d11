"""`egoact bench predict`: from recordings to timelines, against real time, and the memory that it takes.

The commands run in processes of their own, as anybody's would; one more recording goes before those that count, so that
starting the program and loading the network are left out.
"""

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from egoact.benchmarking.measuring import watch_output
from egoact.benchmarking.results import Figure, Results, Table
from egoact.benchmarking.workload import Workload
from egoact.core.files import read_json
from egoact.core.machine import num_cores
from egoact.media.sources import MediaRoot

GOAL = 15.0  # times real time, with all streams on two cores
STREAMS = ("rgb", "motion")
_TOLD = re.compile(r"^predict: .*: \d+ actions? in .* of video, ([\d.,]+) x real time", re.MULTILINE)


def measure(work: Workload) -> Results:
    """Extract, train and predict.

    Raises:
        InputError: Recordings or a run that cannot be used.
        ValueError: One of the commands failed; the message is its own.
    """
    root, table = work.recordings()
    videos = _files(root, table.video_ids[: 2 if work.is_quick else None])
    with tempfile.TemporaryDirectory(dir=work.out) as name:
        folder = Path(name)
        run, features = work.run, None
        if run is None:
            run, features = _train(work, folder, videos)
        _lay_out(videos, folder / "videos")
        ways = {"video": ()} | ({} if features is None else {"stored features": ("--features", features)})
        found = {way: _predict(work, folder, run, way, flags) for way, flags in ways.items()}
        rows = _rows(folder, found)
    slowest = min(row[2] for row in rows)
    figures = [Figure("the slowest recording, from video", slowest, "x real time", GOAL)]
    figures += [Figure(f"peak memory, from {way}", _megabytes(peak), "MB") for way, (_, peak) in found.items()]
    return Results(
        title=f"Timelines of {len(rows)} recordings",
        text=f"egoact predict with {_describe_run(work)}, on a folder of recordings; what comes before the first of "
        f"them is left out. Memory is the process's own, at its most, network included.{_describe_load()}",
        tables=[
            Table(
                "speed",
                "Times real time",
                ("recording", "s of video", *(f"from {way}, x real time" for way in found)),
                rows,
                bars="from video, x real time",
            )
        ],
        figures=figures,
    )


def _describe_run(work: Workload) -> str:
    return "your run" if work.run else f"a linear segmenter that looks at {' and '.join(STREAMS)}"


def _describe_load() -> str:
    if not hasattr(os, "getloadavg"):
        return ""
    load = os.getloadavg()[0]
    return f" The load of this machine was {load:.1f} at the end, on {num_cores()} cores; others make it slower."


def _files(root: MediaRoot, video_ids: Sequence[str]) -> list[Path]:
    sources = [root.find(video_id) for video_id in video_ids]
    if stills := [source for source in sources if source.is_stills]:
        raise ValueError(f"{stills[0].path}: frames of pictures; egoact predict is measured on video files")
    return [source.path for source in sources]


def _train(work: Workload, folder: Path, videos: Sequence[Path]) -> tuple[Path, Path]:
    """A run on these recordings, and the store of their features."""
    run, features, media = folder / "run", folder / "features", folder / "media"
    _link(videos, media)
    backbone = ["--backbone", work.backbone_name, "--size", work.pixels, *_engine_flags(work)]
    _call("extract", "--media", media, "--features", features, "--streams", *STREAMS, *backbone)
    _, table = work.recordings()
    _call("train-timeline", "--segments", _labels(table.path, videos, folder), "--features", features, "--run", run)
    return run, features


def _labels(csv: Path, videos: Sequence[Path], folder: Path) -> Path:
    """The rows of these recordings."""
    import pandas as pd

    table = pd.read_csv(csv)
    chosen = table[table["video_id"].astype(str).isin({video.stem for video in videos})]
    chosen.to_csv(folder / "labels.csv", index=False)
    return folder / "labels.csv"


def _lay_out(videos: Sequence[Path], folder: Path) -> None:
    """One recording that does not count, in the folder that comes first, then all of them."""
    _link(videos[:1], folder / "a")
    _link(videos, folder / "b")


def _link(videos: Sequence[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for video in videos:
        try:
            (folder / video.name).symlink_to(video.resolve())
        except OSError:  # a system without links
            shutil.copy(video, folder / video.name)


def _predict(
    work: Workload, folder: Path, run: Path, way: str, flags: Sequence[object]
) -> tuple[list[float], int | None]:
    """Times real time of each recording, and the most memory."""
    out = folder / f"from {way}"
    told, peak = _call(
        "predict", folder / "videos", "--run", run, "--out", out, "--no-proxy", *flags, *_engine_flags(work)
    )
    speeds = [float(number.replace(",", "")) for number in _TOLD.findall(told)]
    return speeds[1:], peak


def _rows(folder: Path, found: dict[str, tuple[list[float], int | None]]) -> list[list[Any]]:
    recordings = read_json(folder / "from video" / "summary.json")["recordings"][1:]
    if not recordings or any(len(speeds) != len(recordings) for speeds, _ in found.values()):
        raise ValueError("not every recording could be answered; egoact predict says why")
    return [
        [
            Path(recording["video"]).stem,
            round(recording["seconds"], 1),
            *(speeds[place] for speeds, _ in found.values()),
        ]
        for place, recording in enumerate(recordings)
    ]


def _engine_flags(work: Workload) -> list[object]:
    weights = [] if work.weights is None else ["--weights", work.weights]
    return ["--engine", work.engine_name, "--precision", work.precision, "--device", work.device, *weights]


def _call(*words: object) -> tuple[str, int | None]:
    """Run a command of egoact; what it prints, and the most memory that was its own."""
    try:
        return watch_output([sys.executable, "-m", "egoact", *map(str, words)])
    except RuntimeError as error:
        raise ValueError(f"egoact {words[0]} failed: {error}") from None


def _megabytes(peak: int | None) -> float | None:
    return None if peak is None else round(peak / 1e6, 1)
