"""Detection and anticipation against what labels alone achieve, on recordings that were not trained on.

    egoact kitchen --out kitchen --videos 38
    egoact extract --media kitchen/videos --streams rgb grid difference motion --features features
    python benchmarks/tasks.py --data kitchen --features features

`data` holds train.csv, validation.csv, verb_classes.csv and noun_classes.csv; `features` whole recordings of both.
Intervals are 95 % of draws of whole validation recordings, the same for a model and what it is compared with.
"""

import contextlib
import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from egoact.commands.learning.train import TrainSettings, train
from egoact.commands.learning.train_timeline import TrainTimelineSettings, prepare
from egoact.core.annotations.anticipation import Anticipation
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.metrics.calibration import softmax
from egoact.core.metrics.detection import Detections, evaluate_detections
from egoact.core.metrics.protocol import MEASURE, evaluate_anticipation
from egoact.evaluation.label_baselines import Grammar, LabelledSets, histories, list_by_frequency
from egoact.runs.loading import load_run
from egoact.store.concatenation import open_features
from egoact.store.recordings import Recordings
from egoact.timelines.stored import StoredRecordings

TARGETS = ("verb", "noun", "action")


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    data: Path
    """Folder with train.csv, validation.csv and the class files."""
    features: Path
    """Feature store with whole recordings."""
    segmenters: tuple[str, ...] = ("linear", "detector")
    """Who finds actions."""
    updates: int = 600
    """Of the detector."""
    members: int = 1
    """Detectors that are averaged."""
    gap: float = 1.0
    """Seconds from what is seen to the action that is anticipated."""
    draws: int = 200
    """Of recordings, for the intervals."""
    only: str = ""
    """detection or anticipation alone."""


def main(settings: Settings) -> None:
    tables = [read_segments(settings.data / name) for name in ("train.csv", "validation.csv")]
    sets = LabelledSets.of(tables[0], tables[1], annotations=settings.data)
    videos = sets.validation.video_ids
    print(f"{len(sets.train)} training segments; {len(sets.validation)} to find in {len(videos)} recordings\n")
    if settings.only != "anticipation":
        show("detection, mAP %", detection(settings, sets), "prior list", settings)
    if settings.only != "detection":
        with tempfile.TemporaryDirectory() as folder:
            answers = anticipation(settings, sets, Path(folder))
        for reference in ("prior", "what is seen", "what is seen, and the grammar"):
            show(f"anticipation, class-mean top-5 recall %, against: {reference}", answers, reference, settings)


Measured = dict[str, float]
Answer = Callable[[list[str]], Measured]  # of recordings, the same one perhaps several times


def show(title: str, answers: Mapping[str, Answer], reference: str, settings: Settings) -> None:
    """A table: every answer, and by how much it is better than the reference."""
    rng = np.random.default_rng(0)
    videos = list(read_segments(settings.data / "validation.csv").video_ids)
    draws = [rng.choice(videos, len(videos)).tolist() for _ in range(settings.draws)]
    whole = {name: answer(videos) for name, answer in answers.items()}
    drawn = {name: [answer(draw) for draw in draws] for name, answer in answers.items()}
    print(f"| {title} | " + " | ".join(f"{target} | better by" for target in TARGETS) + " |")
    print("|---" * 7 + "|")
    for name in answers:
        cells = []
        for target in TARGETS:
            more = np.array([a[target] - b[target] for a, b in zip(drawn[name], drawn[reference], strict=True)])
            low, high = np.percentile(more, [2.5, 97.5])
            by = f"{whole[name][target] - whole[reference][target]:+.1f} ({low:+.1f} to {high:+.1f})"
            cells.append(f"{whole[name][target]:.1f} | {by if name != reference else ''}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    print()


def detection(settings: Settings, sets: LabelledSets) -> dict[str, Answer]:
    """Who finds actions, and the list by frequency."""
    found = {"prior list": list_by_frequency(sets)}
    for name in settings.segmenters:
        chosen = TrainTimelineSettings(
            segments=(settings.data / "train.csv",),
            features=(settings.features,),
            run=settings.data,
            segmenter=name,
            classes=settings.data,
            members=settings.members,
            updates=settings.updates,
        )
        recordings = Recordings(open_features(chosen.features, ()))
        work = prepare(chosen, sets.train, sets.vocabularies, recordings)
        stored = StoredRecordings(settings.data, work.fit(), recordings)
        found[name] = stored.detect(sets.validation.video_ids)
    return {name: _detector(made, sets) for name, made in found.items()}


def _detector(found: Detections, sets: LabelledSets) -> Answer:
    def answer(videos: list[str]) -> Measured:
        rows, table, parts = drawn_rows(sets.validation, videos)
        number = {video: i for i, video in enumerate(found.video_ids)}
        chosen = [np.flatnonzero(found.videos == number[video]) for video in videos]
        order = np.concatenate(chosen)
        copies = np.repeat(np.arange(len(videos)), [len(part) for part in chosen])
        drawn = Detections(
            parts, copies, found.spans[order], found.verbs[order], found.nouns[order], found.scores[order]
        )
        labels = {str(target): values[rows] for target, values in sets.validation_labels.items()}
        measured = evaluate_detections(drawn, table, labels)
        return {target: measured[target]["mean"] for target in TARGETS}

    return answer


def drawn_rows(table: SegmentTable, videos: list[str]) -> tuple[np.ndarray, SegmentTable, tuple[str, ...]]:
    """Rows of drawn recordings, the segments with a name of its own for each draw, and these names."""
    names = tuple(f"{video}#{number}" for number, video in enumerate(videos))
    rows, segments = [], []
    for video, name in zip(videos, names, strict=True):
        for row, segment in enumerate(table):
            if segment.video_id == video:
                rows.append(row)
                segments.append(replace(segment, video_id=name, narration_id=f"{name}_{row}"))
    return np.array(rows), SegmentTable(table.path, tuple(segments)), names


def anticipation(settings: Settings, sets: LabelledSets, folder: Path) -> dict[str, Answer]:
    """Runs that look before actions, and what needs less than that."""
    asked = Anticipation(gap_seconds=settings.gap)
    known = [
        histories(table, labels["verb"], labels["noun"], gap_seconds=settings.gap)
        for table, labels in ((sets.train, sets.train_labels), (sets.validation, sets.validation_labels))
    ]
    count = len(sets.validation)
    prior, told, follow = {}, {}, {}
    for target, vocabulary in sets.vocabularies.items():
        grammar = Grammar.learn(known[0], sets.train_labels[target], num_classes=vocabulary.size)
        prior[target] = np.tile(grammar.prior, (count, 1))
        told[target] = np.stack(list(grammar.probabilities(known[1])))
        follow[target] = what_follows(sets, target)
    runs: dict[str, Any] = {}
    for name, gap in (("seen", None), ("ahead", settings.gap)):
        with contextlib.redirect_stdout(io.StringIO()):
            train(
                TrainSettings(
                    segments=(settings.data / "train.csv",),
                    features=(settings.features,),
                    run=folder / name,
                    classes=settings.data,
                    gap=gap,
                )
            )
        runs[name] = load_run(folder / name)
    ahead = scores_of(runs["ahead"].score(sets.validation, (settings.features,)).align(sets.validation))
    before = asked.observed(sets.validation)
    seen, rest = scores_of(runs["seen"].score(before, (settings.features,)).align(before)), {}
    ids = {segment.narration_id: row for row, segment in enumerate(before)}
    rows = [ids.get(segment.narration_id, -1) for segment in sets.validation]
    for target, values in seen.items():  # nothing is seen before the first action of a recording: by frequency
        rest[target] = np.where((np.array(rows) >= 0)[:, None], values[rows], prior[target])
    onward = {target: values @ follow[target] for target, values in rest.items()}
    both = {target: ahead[target] * told_less(onward[target], prior[target]) for target in ahead}
    given = {
        "prior": prior,
        "what is seen": rest,
        "what is seen, and the grammar": onward,
        f"train --gap {settings.gap:g}": ahead,
        f"train --gap {settings.gap:g}, and the grammar of what is seen": both,
        "grammar, told the true actions": told,
    }
    return {name: _anticipator(values, sets) for name, values in given.items()}


def told_less(shares: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """How much likelier than by frequency alone, so that frequencies do not count twice."""
    return shares / np.maximum(prior, 1e-6)


def scores_of(scores: Any) -> dict[str, np.ndarray]:
    """Probabilities."""
    return {target: softmax(getattr(scores, target)) for target in ("verb", "noun")}


def what_follows(sets: LabelledSets, target: Any) -> np.ndarray:
    """(K, K), how probable each class is after each, smoothed towards the frequencies by Witten and Bell."""
    labels, table = sets.train_labels[target], sets.train
    size = sets.vocabularies[target].size
    counts = np.zeros((size, size))
    by_video: dict[str, list[int]] = {}
    for row in sorted(range(len(table)), key=lambda row: table[row].start_seconds):
        by_video.setdefault(table[row].video_id, []).append(int(labels[row]))
    for track in by_video.values():
        np.add.at(counts, (track[:-1], track[1:]), 1)
    prior = np.bincount(labels, minlength=size) / len(labels)
    kinds, total = (counts > 0).sum(1, keepdims=True), counts.sum(1, keepdims=True)
    return np.where(total > 0, (counts + kinds * prior) / np.maximum(total + kinds, 1), prior)


def _anticipator(scores: Mapping[Any, np.ndarray], sets: LabelledSets) -> Answer:
    def answer(videos: list[str]) -> Measured:
        rows, _, _ = drawn_rows(sets.validation, videos)
        labels = {str(target): values[rows] for target, values in sets.validation_labels.items()}
        logs = {str(target): np.log(np.maximum(values[rows], 1e-9)) for target, values in scores.items()}
        measured = evaluate_anticipation(logs, labels)
        return {target: measured[target][MEASURE] for target in TARGETS}

    return answer


if __name__ == "__main__":
    main(tyro.cli(Settings))
