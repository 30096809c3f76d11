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
        run = work.run
        ways: dict[str, tuple[object, ...]] = {"video": ()}
        if run is None:
            run, features = _train(work, table.path, folder, videos)
            ways["stored features"] = ("--features", features)
        _link(videos[:1], folder / "videos" / "a")  # it comes first, and does not count
        _link(videos, folder / "videos" / "b")
        found = {way: _predict(work, folder, run, way, flags) for way, flags in ways.items()}
        rows = _rows(folder, [speeds for speeds, _ in found.values()])
    slowest = min(row[2] for row in rows)
    figures = [Figure("the slowest recording, from video", slowest, "x real time", GOAL)]
    for way, (_, peak) in found.items():
        figures.append(Figure(f"peak memory, from {way}", None if peak is None else round(peak / 1e6, 1), "MB"))
    described = "your run" if work.run else f"a linear segmenter that looks at {' and '.join(STREAMS)}"
    columns = ("recording", "s of video", *(f"from {way}, x real time" for way in found))
    return Results(
        title=f"Timelines of {len(rows)} recordings",
        text=f"egoact predict with {described}, on a folder of recordings; what comes before the first of "
        f"them is left out. Memory is the process's own, at its most, network included.{_describe_load()}",
        tables=[Table("speed", "Times real time", columns, rows, bars="from video, x real time")],
        figures=figures,
    )


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


def _train(work: Workload, labels: Path, folder: Path, videos: Sequence[Path]) -> tuple[Path, Path]:
    """A run on these recordings, and the store of their features."""
    import pandas as pd  # which an installation that runs exports lacks

    run, features, media, csv = folder / "run", folder / "features", folder / "media", folder / "labels.csv"
    _link(videos, media)
    backbone = ["--backbone", work.backbone_name, "--size", work.pixels, *_engine_flags(work)]
    _call("extract", "--media", media, "--features", features, "--streams", *STREAMS, *backbone)
    table = pd.read_csv(labels)
    table[table["video_id"].astype(str).isin({video.stem for video in videos})].to_csv(csv, index=False)
    _call("train-timeline", "--segments", csv, "--features", features, "--run", run)
    return run, features


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
    where = [folder / "videos", "--run", run, "--out", folder / f"from {way}"]
    told, peak = _call("predict", *where, "--no-proxy", *flags, *_engine_flags(work))
    return [float(number.replace(",", "")) for number in _TOLD.findall(told)][1:], peak


def _rows(folder: Path, found: Sequence[Sequence[float]]) -> list[list[Any]]:
    recordings = read_json(folder / "from video" / "summary.json")["recordings"][1:]
    if not recordings or any(len(speeds) != len(recordings) for speeds in found):
        raise ValueError("not every recording could be answered; egoact predict says why")
    return [
        [Path(recording["video"]).stem, round(recording["seconds"], 1), *speeds]
        for recording, *speeds in zip(recordings, *found, strict=True)
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
