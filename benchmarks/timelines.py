"""Whole recordings: segmenters, and what each stream is worth.

    python benchmarks/timelines.py [--gtea FOLDER] [--kitchen FOLDER] [--out FOLDER] [--worth]

GTEA: leave one recording out; its FOLDER holds `segments.csv` (verbs) and `videos/`. Kitchen: trained on `train.csv`,
measured on the recordings of `validation.csv`, whose kitchen was never seen; FOLDER as `egoact kitchen` makes it.
Decoders, durations and confidences are chosen by `egoact train-timeline` inside the training recordings.
"""

import contextlib
import io
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.train_timeline import TrainTimelineSettings, train_timeline
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.files import write_csv
from egoact.core.metrics.calibration import expected_calibration_error
from egoact.core.timelines.files import timelines_of
from egoact.core.timelines.metrics import evaluate_timelines
from egoact.core.timelines.timeline import Timeline
from egoact.runs.loading import load_run
from egoact.store.concatenation import open_features
from egoact.store.recordings import Recordings
from egoact.timelines.learning.selection import hits
from egoact.timelines.segmenter import find_actions

STREAMS = ("rgb", "grid", "difference", "motion")
WORTH = (("rgb",), ("rgb", "difference"), ("rgb", "motion"), ("rgb", "difference", "motion"))


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    gtea: Path | None = None
    """Folder with segments.csv and videos/."""
    kitchen: Path | None = None
    """Folder with train.csv, validation.csv, verb_classes.csv, noun_classes.csv and videos/."""
    out: Path | None = None
    """Folder to keep features and runs in; default: a temporary one."""
    segmenters: tuple[str, ...] = ("linear",)
    """Segmenters to train, on all streams."""
    streams: tuple[str, ...] = STREAMS
    """Streams to extract."""
    rate: int = 4
    """Steps a second that segmenters look at."""
    updates: int | None = None
    """Of networks."""
    seeds: int = 1
    """Trainings of each; tables show means."""
    worth: bool = False
    """Also the first segmenter on fewer streams."""


@dataclass(frozen=True)
class Method:
    """A segmenter on some streams."""

    segmenter: str
    streams: tuple[str, ...]

    @property
    def title(self) -> str:
        """For tables."""
        return f"{self.segmenter}: {' + '.join(self.streams)}"


@dataclass(frozen=True)
class Part:
    """A training, and the recordings that it is asked about."""

    training: SegmentTable
    asked: tuple[str, ...]


Answers = dict[str, Timeline]  # video -> timeline


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        work = settings.out or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        if settings.gtea is not None:
            table = read_segments(settings.gtea / "segments.csv")
            parts = [Part(table.select(lambda s, v=v: s.video_id != v), (v,)) for v in table.video_ids]  # type: ignore[misc]
            title = f"GTEA, leave one recording out, {len(table.video_ids)} recordings"
            measure(settings, title, parts, table, settings.gtea / "videos", work / "gtea", ["verb"])
        if settings.kitchen is not None:
            folder = settings.kitchen
            training, table = (read_segments(folder / name) for name in ("train.csv", "validation.csv"))
            targets = ["verb", "noun", "action"]
            parts = [Part(training, table.video_ids)]
            measure(settings, "kitchen never seen", parts, table, folder / "videos", work / "kitchen", targets, folder)


def measure(
    settings: Settings,
    title: str,
    parts: Sequence[Part],
    table: SegmentTable,
    media: Path,
    work: Path,
    targets: list[Any],
    classes: Path | None = None,
) -> None:
    """Train, answer, and print a table."""
    features = work / "features"
    assert extract(ExtractSettings(media=(media,), features=features, streams=settings.streams)) == 0
    methods = [Method(segmenter, settings.streams) for segmenter in settings.segmenters]
    if settings.worth:
        methods += [Method(settings.segmenters[0], w) for w in WORTH if set(w) <= set(settings.streams)]
    print(f"\n{title}, {settings.seeds} seeds\n")
    print("| target | answer | frame accuracy | edit | F1@10 | F1@25 | F1@50 | mAP | calibration error | seconds |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    recordings = Recordings(open_features(features))
    truth = {
        video: replace(made, duration_seconds=max(len(recordings[video]) / recordings.rate, made.last_stop_seconds))
        for video, made in timelines_of(table).items()
    }
    for method in methods:
        begun = time.monotonic()
        answers = []
        for seed in range(settings.seeds):
            found: Answers = {}
            for number, part in enumerate(parts):
                run = work / f"{method.title} {seed} {number}".replace(" ", "_")
                found |= answer(settings, method, part, features, run, seed=seed, classes=classes)
            answers.append(found)
        report(method.title, answers, truth, targets, time.monotonic() - begun)


def answer(
    settings: Settings, method: Method, part: Part, features: Path, run: Path, *, seed: int, classes: Path | None
) -> Answers:
    """Train, and find the actions of recordings that were not trained on."""
    csv = run.with_suffix(".csv")
    csv.parent.mkdir(parents=True, exist_ok=True)
    write_segments(part.training, csv)
    chosen: dict[str, Any] = {"segmenter": method.segmenter, "streams": method.streams, "rate": settings.rate}
    chosen |= {"updates": settings.updates, "seed": seed, "classes": classes}
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train_timeline(TrainTimelineSettings(segments=(csv,), features=(features,), run=run, **chosen))
    segmenter = load_run(run).segmenter
    recordings = Recordings(open_features(features, method.streams))
    found: Answers = {}
    for video in part.asked:
        (stretch,) = recordings.whole(video)
        steps = stretch[np.arange(0, len(stretch), segmenter.config.stride)]
        found[video], _ = find_actions(segmenter, steps, video_id=video)
    return found


def write_segments(table: SegmentTable, path: Path) -> None:
    """A CSV of some rows of a table."""
    rows = [("narration_id", "video_id", "start_seconds", "stop_seconds", "verb", "noun")]
    rows += [(s.narration_id, s.video_id, s.start_seconds, s.stop_seconds, s.verb or "", s.noun or "") for s in table]  # type: ignore[misc]
    kept = [0, 1, 2, 3, *(c for c in (4, 5) if any(row[c] for row in rows[1:]))]
    write_csv(path, [tuple(row[c] for c in kept) for row in rows])


def report(
    title: str, answers: Sequence[Answers], truth: Mapping[str, Timeline], targets: Sequence[Any], seconds: float
) -> None:
    """Rows of the table, means over the seeds."""
    errors = []
    for found in answers:
        confidences = np.array([segment.confidence for made in found.values() for segment in made])
        right = np.array([hit for video, made in found.items() for hit in hits(made, truth[video])], dtype=bool)
        errors.append(100 * expected_calibration_error(confidences, right))
    for target in targets:
        rows = []
        for found in answers:
            measured = evaluate_timelines(found, truth, targets=[target])[target]
            rows.append(
                [measured["frame_accuracy"], measured["edit"], *measured["f1"].values(), measured["map"]["mean"]]
            )
        values = " | ".join(f"{value:.1f}" for value in np.mean(rows, axis=0))
        print(f"| {target} | {title} | {values} | {np.mean(errors):.0f} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Settings))
