"""Whole recordings: what each window says by itself against the decoder, and against the answer that nothing happens.

    python benchmarks/timelines.py [--gtea FOLDER] [--kitchen FOLDER] [--out FOLDER]

GTEA: leave one recording out; its FOLDER holds `segments.csv` (verbs) and `videos/`. Kitchen: trained on `train.csv`,
measured on the recordings of `validation.csv`, whose kitchen was never seen; FOLDER as `egoact kitchen` makes it.
Weights, durations and temperatures are chosen by `egoact train` inside the training recordings.
"""

import contextlib
import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro

from egoact.commands.extract import ExtractSettings, extract
from egoact.commands.train import TrainSettings, train
from egoact.core.annotations.segments import read_segments
from egoact.core.metrics.calibration import expected_calibration_error
from egoact.core.timelines.files import timelines_of
from egoact.core.timelines.metrics import evaluate_timelines
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.core.timelines.viterbi import runs
from egoact.runs.loading import load_run
from egoact.store.reader import FeatureStore
from egoact.store.recordings import Recordings
from egoact.timelines.segmenter import ActionSegmenter


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    gtea: Path | None = None
    """Folder with segments.csv and videos/."""
    kitchen: Path | None = None
    """Folder with train.csv, validation.csv, verb_classes.csv, noun_classes.csv and videos/."""
    out: Path | None = None
    """Folder to keep features and runs in; default: a temporary one."""
    heads: tuple[str, ...] = ("difference",)
    """Heads to train."""
    seeds: int = 1
    """Trainings of each."""
    precision: str = "auto"
    """As in egoact extract."""
    plain: bool = False
    """Also runs without --background, whose background is a threshold."""


Answers = dict[str, dict[str, Timeline]]  # method -> video -> timeline


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        work = settings.out or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        for head in settings.heads:
            for seed in range(settings.seeds):
                if settings.gtea is not None:
                    measure_gtea(settings, work, head, seed)
                if settings.kitchen is not None:
                    measure_kitchen(settings, work, head, seed)


def measure_gtea(settings: Settings, work: Path, head: str, seed: int) -> None:
    """Leave one recording out."""
    assert settings.gtea is not None
    table = read_segments(settings.gtea / "segments.csv")
    frame = pd.read_csv(settings.gtea / "segments.csv", dtype=str, keep_default_na=False)
    store = extract_all(settings, settings.gtea / "segments.csv", settings.gtea / "videos", work / "gtea")
    answers: Answers = {}
    for video in table.video_ids:
        csv = work / f"without-{video}.csv"
        frame[frame["video_id"] != video].to_csv(csv, index=False)
        answer(
            settings, answers, store, [video], work / f"gtea-{head}-{video}-{seed}", segments=csv, head=head, seed=seed
        )
    report(f"GTEA, leave one recording out, {head}, seed {seed}", answers, timelines_of(table), store, ["verb"])


def measure_kitchen(settings: Settings, work: Path, head: str, seed: int) -> None:
    """Train in some kitchens, look at another one."""
    assert settings.kitchen is not None
    folder = settings.kitchen
    table = read_segments(folder / "validation.csv")
    for csv in ("train.csv", "validation.csv"):
        store = extract_all(settings, folder / csv, folder / "videos", work / "kitchen")
    answers: Answers = {}
    run = work / f"kitchen-{head}-{seed}"
    training = {"segments": folder / "train.csv", "classes": folder, "head": head, "seed": seed}
    answer(settings, answers, store, table.video_ids, run, **training)
    targets = ["verb", "noun", "action"]
    report(f"kitchen never seen, {head}, seed {seed}", answers, timelines_of(table), store, targets)


def extract_all(settings: Settings, csv: Path, media: Path, store: Path) -> Recordings:
    """Features of segments and whole recordings; what is there is not computed again."""
    precision: Any = settings.precision
    failed = extract(ExtractSettings(segments=csv, media=media, features=store, precision=precision, recordings=True))
    assert failed == 0, f"{failed} failed; see {store}"
    return Recordings(FeatureStore.open(store))


def answer(
    settings: Settings, answers: Answers, recordings: Recordings, videos: Sequence[str], run: Path, **training: Any
) -> None:
    """Train, and add what is found in some recordings that were not trained on."""
    for background in (True, False) if settings.plain else (True,):
        path = run if background else run.with_name(f"{run.name}-plain")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            train(TrainSettings(features=(recordings.path,), run=path, background=background, **training))
        segmenter = ActionSegmenter.of(load_run(path))
        for video in videos:
            features = recordings[video]
            found, _ = segmenter.answer(features, video_id=video)
            answers.setdefault("decoder" if background else "threshold", {})[video] = found
            if background:
                answers.setdefault("every window by itself", {})[video] = take_best(segmenter, features, video)
                nothing = Timeline(video, (), found.duration_seconds)
                answers.setdefault("all background", {})[video] = nothing


def take_best(segmenter: ActionSegmenter, features: np.ndarray, video: str) -> Timeline:
    """The best class of every step, neighbours put together."""
    scores = segmenter.score(features)
    best = np.stack([scores[target].argmax(1) for target in segmenter.targets], 1)
    background = np.array([segmenter.config.vocabularies[target].size - 1 for target in segmenter.targets])
    seen, states = np.unique(best, axis=0, return_inverse=True)
    states = np.where((best == background).any(1), 0, states.reshape(-1) + 1)
    segments = []
    for start, stop, state in runs(states):
        names = {
            target: segmenter.config.vocabularies[target].names[class_id]
            for target, class_id in zip(segmenter.targets, seen[state - 1], strict=True)
        }
        rate = segmenter.rules.rate
        segments.append(TimelineSegment(start / rate, stop / rate, names.get("verb"), names.get("noun")))
    return Timeline(video, tuple(segments), len(features) / segmenter.rules.rate)


def report(
    title: str, answers: Answers, truth: Mapping[str, Timeline], recordings: Recordings, targets: list[Any]
) -> None:
    """A table in Markdown, and how true the confidences are."""
    print(f"\n{title}\n\n| target | answer | frame accuracy | edit | F1@10 | F1@25 | F1@50 | mAP 0.1:0.5 |")
    print("|---|---|---|---|---|---|---|---|")
    whole = {
        video: replace(t, duration_seconds=max(len(recordings[video]) / recordings.rate, t.last_stop_seconds))
        for video, t in truth.items()
    }
    for target in targets:
        for method in sorted(answers):
            measured = evaluate_timelines(answers[method], whole, targets=[target])[target]
            f1 = " | ".join(f"{value:.1f}" for value in measured["f1"].values())
            accuracy, edit, precision = measured["frame_accuracy"], measured["edit"], measured["map"]["mean"]
            print(f"| {target} | {method} | {accuracy:.1f} | {edit:.1f} | {f1} | {precision:.1f} |")
    confidences, hits = judge(answers["decoder"], whole)
    error = 100 * expected_calibration_error(confidences, hits)
    print(
        f"\ndecoder: confidence {100 * confidences.mean():.0f} % on average, {100 * hits.mean():.0f} % of the actions"
    )
    print(f"overlap a true one of their name by a quarter; expected calibration error {error:.0f} %", flush=True)


def judge(answers: Mapping[str, Timeline], truth: Mapping[str, Timeline]) -> tuple[np.ndarray, np.ndarray]:
    """Confidence of every action, and whether it overlaps a true one of the same name by a quarter."""
    confidences, hits = [], []
    for video, found in answers.items():
        for a in found:
            overlaps = [0.0]
            for b in truth[video]:
                if (a.verb, a.noun) == (b.verb, b.noun):
                    shared = min(a.stop_seconds, b.stop_seconds) - max(a.start_seconds, b.start_seconds)
                    together = max(a.stop_seconds, b.stop_seconds) - min(a.start_seconds, b.start_seconds)
                    overlaps.append(shared / together)
            confidences.append(a.confidence)
            hits.append(max(overlaps) >= 0.25)
    return np.array(confidences), np.array(hits)


if __name__ == "__main__":
    main(tyro.cli(Settings))
