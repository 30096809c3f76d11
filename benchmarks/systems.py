"""Every system of `egoact systems` beside linear baselines, the default head and ridge regression: one table.

    python benchmarks/systems.py --gtea FOLDER --kitchen FOLDER --out FOLDER [--seeds 3] [--only NAME ...]

GTEA: leave one recording out; its FOLDER holds `segments.csv`, `verb_classes.csv` and `videos/`. Kitchen: trained on
`train.csv`, asked about `validation.csv`, whose kitchen was never seen; FOLDER as `egoact kitchen` makes it. Recipes
are those of the systems; nothing is chosen by what is asked about. Ridge regression draws nothing at random, and is
trained once. What was stopped goes on where it was; `results.json` holds what is done, and becomes the table.
"""

import contextlib
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timelines import write_segments

from egoact.commands.command_line import run_command
from egoact.core.annotations.labels import Vocabulary, build_vocabulary
from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.files import read_json, write_json
from egoact.core.sampling import ClipSampling
from egoact.models.backbones.spec import STREAMS
from egoact.reproduction.systems import SYSTEMS, System
from egoact.runs.loading import load_run
from egoact.store.reader import FeatureStore

LINEAR = ("majority", "logistic regression, mean", "logistic regression, mean and end - start")
OTHERS = {
    "tsn on flow alone": System(
        "", "", ("flow",), training={"head": "average", "num_frames": 8, "views": 4, "recipe": "default"}
    ),
    "tsn on flow without camera": System(
        "",
        "",
        ("flow",),
        training={"head": "average", "num_frames": 8, "views": 4, "recipe": "default"},
        without_camera=True,
    ),
    "difference on flow without camera, ridge": System(
        "", "", ("flow",), training={"head": "difference", "recipe": "ridge"}, without_camera=True
    ),
    "difference on rgb": System("", "", training={"head": "difference", "recipe": "default"}),
    "difference on rgb, ridge": System("", "", training={"head": "difference", "recipe": "ridge"}),
    "difference on flow, ridge": System("", "", ("flow",), training={"head": "difference", "recipe": "ridge"}),
    "difference on rgb and flow, ridge": System(
        "", "", ("rgb", "flow"), training={"head": "difference", "recipe": "ridge"}
    ),
    "statistics on rgb difference motion, ridge": System(
        "", "", features={"streams": ("rgb", "difference", "motion")}, training={"head": "statistics"}
    ),
    "statistics on all streams, ridge": System(
        "", "", features={"streams": STREAMS}, training={"head": "statistics", "recipe": "ridge"}
    ),
}


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    out: Path
    """Folder to keep features and runs in."""
    gtea: Path | None = None
    """Folder with segments.csv, verb_classes.csv and videos/."""
    kitchen: Path | None = None
    """Folder with train.csv, validation.csv, verb_classes.csv, noun_classes.csv and videos/."""
    seeds: int = 3
    """Trainings of what draws at random."""
    only: tuple[str, ...] = ()
    """Systems, or other rows of the table; default: all."""


@dataclass(frozen=True)
class Data:
    """Labelled recordings: the trainings that they ask for, and what each is asked about."""

    title: str
    table: SegmentTable
    parts: Mapping[str, tuple[SegmentTable, SegmentTable]]
    folder: Path
    work: Path

    @cached_property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """Target -> classes; nouns where there are any."""
        found = {target: build_vocabulary(self.table, target) for target in ("verb", "noun")}
        return {target: vocabulary for target, vocabulary in found.items() if vocabulary is not None}

    def csv(self, name: str, table: SegmentTable) -> Path:
        """A file of some segments."""
        path = self.work / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_segments(table, path)
        return path


def gtea(folder: Path, work: Path) -> Data:
    table = read_segments(folder / "segments.csv")
    parts = {
        v: (table.select(lambda s, v=v: s.video_id != v), table.select(lambda s, v=v: s.video_id == v))  # type: ignore[misc]
        for v in table.video_ids
    }
    return Data(f"GTEA, verbs of {len(table)} clips, leave one recording out", table, parts, folder, work)


def kitchen(folder: Path, work: Path) -> Data:
    both = tuple(read_segments(folder / name) for name in ("train.csv", "validation.csv"))
    table = SegmentTable(folder, (*both[0], *both[1]))
    title = f"kitchen never seen, actions of {len(both[1])} clips"
    return Data(title, table, {"unseen": both}, folder, work)  # type: ignore[dict-item]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def measure_linear(data: Data, name: str) -> list[float]:
    """Per cent of clips all of whose targets are right."""
    store = FeatureStore.open(data.work / "rgb-pooled")
    right: list[np.ndarray] = []
    for training, asked in data.parts.values():
        described = []
        for table in (training, asked):
            clips = store.gather(store.locate(table, ClipSampling())).astype(np.float32)
            ends = [clips[:, -1] - clips[:, 0]] if name == LINEAR[2] else []
            described.append(np.concatenate([clips.mean(1), *ends], axis=1))
        hits = []
        for vocabulary in data.vocabularies.values():
            labels, wanted = (vocabulary.encode(t, allow_unlabelled=False) for t in (training, asked))
            if name == "majority":
                said = np.full(len(asked), np.bincount(labels).argmax())
            else:
                model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
                said = model.fit(described[0], labels).predict(described[1])
            hits.append(said == wanted)
        right.append(np.logical_and.reduce(hits))
    return [100 * float(np.concatenate(right).mean())]


def measure_system(data: Data, name: str, system: System, seed: int, done: dict[str, Any], *, path: Path) -> float:
    """Per cent of clips all of whose targets are right; every training that is done is written down."""
    right: list[bool] = []
    for part, (training, asked) in data.parts.items():
        key = f"{data.work.name}/{name}/{seed}/{part}"
        if key not in done:
            began = time.process_time()
            hits = answer(data, name, system, seed, part=part, training=training, asked=asked)
            done[key] = {"right": hits, "seconds": round(time.process_time() - began, 1)}
            write_json(path, done)
            print(f"{key}: {sum(hits)} of {len(hits)}, {done[key]['seconds']} s", flush=True)
        right += done[key]["right"]
    return 100 * float(np.mean(right))


def answer(
    data: Data, name: str, system: System, seed: int, *, part: str, training: SegmentTable, asked: SegmentTable
) -> list[bool]:
    """Train on one part, and ask."""
    every, own = data.csv("all", data.table), data.csv(f"without-{part}", training)
    run = data.work / "runs" / f"{name.replace(' ', '-')}-{seed}-{part}"
    made = system.commands(segments=every, media=data.folder / "videos", out=data.work, run=run)
    for command, flags in made:
        changed = dict(flags)
        if command in ("train", "finetune"):
            changed |= {"segments": (own,), "seed": seed}
        if command == "train":
            changed |= {"classes": data.folder}
        if command == "finetune" and (run / "config.json").exists():
            continue
        if "weights" in flags:
            changed |= {"segments": (data.csv(f"only-{part}", asked),)}
        with quiet():
            _, failed = run_command(command, **changed)
        assert failed == 0, f"{command} failed"
        features = changed.get("features")
    scores = load_run(run).score(asked, features).by_target()
    vocabularies = load_run(run).config.vocabularies
    correct = [scores[t].argmax(1) == v.encode(asked, allow_unlabelled=False) for t, v in vocabularies.items()]
    return [bool(each) for each in np.logical_and.reduce(correct)]


def measure(settings: Settings, data: Data) -> dict[str, list[float]]:
    """Row of the table -> one number a seed."""
    path = settings.out / f"results-{data.work.name}.json"
    done: dict[str, Any] = read_json(path) if path.is_file() else {}
    found: dict[str, list[float]] = {}
    for name, system in (OTHERS | SYSTEMS).items():
        if settings.only and name not in settings.only:
            continue
        is_drawn = system.training.get("recipe") != "ridge" and system.training["head"] != "statistics"
        seeds = range(settings.seeds if is_drawn else 1)
        found[name] = [measure_system(data, name, system, seed, done, path=path) for seed in seeds]
    return ({name: measure_linear(data, name) for name in LINEAR} if not settings.only else {}) | found


def main(settings: Settings) -> None:
    sets = [make(folder, settings.out / make.__name__) for make, folder in
            ((gtea, settings.gtea), (kitchen, settings.kitchen)) if folder is not None]  # fmt: skip
    results = {data.title: measure(settings, data) for data in sets}
    print("\n| top-1 % | " + " | ".join(results) + " |\n|" + "---|" * (len(results) + 1))
    for name in next(iter(results.values())):
        cells = []
        for found in results.values():
            spread = f" ± {np.std(found[name], ddof=1):.1f}" if len(found[name]) > 1 else ""
            cells.append(f"{np.mean(found[name]):.1f}{spread}")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
