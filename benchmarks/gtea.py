"""Leave one recording out: every head against linear baselines, on real egocentric video.

    python benchmarks/gtea.py --data FOLDER [--out FOLDER] [--backbone NAME --weights FILE] [--nested]

FOLDER holds `segments.csv` (verbs) and `videos/`. Recipes are the packaged ones; nothing is chosen by the recording
that is left out. With --nested a head is also chosen for each recording by leave-one-out inside the others.
Heads on maps (--heads convlstm lsta) are as small and as briefly trained as one core asks for, fixed beforehand.
`benchmarks/heads.py` makes the table of docs/measured.md from this and the built-in kitchen.
"""

import contextlib
import io
import json
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import tyro
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from egoact.commands.data.extract import ExtractSettings, extract
from egoact.commands.learning.train import TrainSettings, train
from egoact.core import defaults
from egoact.core.annotations.labels import build_vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.sampling import ClipSampling
from egoact.models.heads import DEFAULT_HEAD, HEADS
from egoact.runs.loading import load_run
from egoact.store.reader import FeatureStore

MAP_OPTIONS = {"convlstm": ("kernels=16", "stride=2", "width=128"), "lsta": ("kernels=16",)}
FRAME_SIZES = {"convlstm": 256, "lsta": 128}  # lsta has no stride: a quarter of the cells


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    data: Path
    """Folder with segments.csv and videos/."""
    out: Path | None = None
    """Folder to keep features and runs in; default: a temporary one."""
    backbone: str = "efficientnet_lite0"
    """As in egoact extract."""
    weights: Path | None = None
    """As in egoact extract."""
    precision: str = "f32"
    """As in egoact extract; f32 gives the same figures on every processor, or nearly."""
    heads: tuple[str, ...] = tuple(name for name, head in HEADS.items() if head.kind == "pooled")
    """Heads to train."""
    seeds: int = 3
    """Trainings of each head and recording."""
    recipe: str = "default"
    """As in egoact train."""
    nested: bool = False
    """Also choose a head by cross-validation inside the training recordings."""
    exact: bool = False
    """Look at the exact times of 20 frames instead of the nearest of --rate a second."""
    rate: int = defaults.RATE
    """As in egoact extract."""
    views: int = 1
    """As in egoact train."""
    map_cut: int = 14
    """Block of the backbone whose maps convlstm and lsta see; 14 of efficientnet_lite0: 192 channels."""
    map_epochs: int = 30
    """Epochs of convlstm and lsta."""
    workers: int = 2
    """Trainings at the same time, each on one thread."""

    def __post_init__(self) -> None:
        if min(self.seeds, self.workers) < 1:
            raise ValueError(f"--seeds and --workers must be at least 1, got {self.seeds} and {self.workers}")

    def how_to_train(self, head: str) -> dict[str, Any]:
        """What `TrainSettings` says of a head."""
        how: dict[str, Any] = {"head": head, "recipe": self.recipe, "views": self.views}
        if HEADS[head].kind == "maps":
            how |= {"head_options": MAP_OPTIONS[head], "epochs": self.map_epochs}
        return how

    def extract(self, segments: Path, media: Path, features: Path, *, head: str) -> None:
        """Fill the feature store that a head reads."""
        is_maps = HEADS[head].kind == "maps"
        failed = extract(
            ExtractSettings(
                segments=segments,
                media=media,
                features=features,
                exact=self.exact,
                views=self.views if self.exact else 1,
                rate=self.rate,
                backbone=self.backbone,
                weights=self.weights,
                precision=self.precision,  # type: ignore[arg-type]
                kind=HEADS[head].kind,
                cut=self.map_cut if is_maps else None,
                size=FRAME_SIZES[head] if is_maps else None,
            )
        )
        assert failed == 0, f"{failed} segments failed; see {features}/failures.csv"

    def store_name(self, head: str) -> str:
        """Folder name of the feature store that a head reads."""
        name = f"{self.backbone.replace(':', '-')}-{'exact' if self.exact else self.rate}"
        if HEADS[head].kind == "pooled":
            return f"features-{name}"
        return f"maps-{name}-{self.map_cut}-{FRAME_SIZES[head]}"


def train_quietly(settings: TrainSettings) -> None:
    """Train a run, or find it trained, without a word."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        train(settings)


def train_all(runs: Iterable[TrainSettings], *, workers: int) -> None:
    """Train runs in several processes; asking for one of them afterwards finds it."""
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(train_quietly, runs))


class Bench:
    """Trainings on some recordings, answers for others; each training is done once."""

    def __init__(self, settings: Settings, work: Path) -> None:
        self.settings = settings
        self.work = work
        self.table = read_segments(settings.data / "segments.csv")
        self.frame = pd.read_csv(settings.data / "segments.csv", dtype=str, keep_default_na=False)
        vocabulary = build_vocabulary(self.table, "verb")
        assert vocabulary is not None, "segments.csv has no verbs"
        self.labels = vocabulary.encode(self.table, allow_unlabelled=False)
        names = pd.DataFrame({"id": range(vocabulary.size), "key": vocabulary.names})
        names.to_csv(work / "verb_classes.csv", index=False)
        self.videos = np.array([segment.video_id for segment in self.table])
        self._filled: set[Path] = set()

    def features(self, head: str) -> Path:
        """The feature store that a head reads, filled when it is first asked for."""
        data, features = self.settings.data, self.work / self.settings.store_name(head)
        if features not in self._filled:
            self.settings.extract(data / "segments.csv", data / "videos", features, head=head)
            self._filled.add(features)
        return features

    def clips(self) -> np.ndarray:
        """float32 (N, T, D)."""
        store = FeatureStore.open(self.features(DEFAULT_HEAD))
        return store.gather(store.locate(self.table, ClipSampling())).astype(np.float32)

    def run(self, head: str, *, left_out: tuple[str, ...], seed: int) -> TrainSettings:
        """The training on all recordings but `left_out`."""
        name, how = "+".join(sorted(left_out)), f"{self.settings.recipe}-{self.settings.views}"
        csv = self.work / f"without-{name}.csv"
        if not csv.exists():
            self.frame[~np.isin(self.videos, left_out)].to_csv(csv, index=False)
        return TrainSettings(
            segments=csv,
            features=(self.features(head),),
            run=self.work / "runs" / self.settings.store_name(head) / f"{head}-{how}-{name}-{seed}",
            classes=self.work,
            seed=seed,
            **self.settings.how_to_train(head),
        )

    def answer(self, head: str, *, left_out: tuple[str, ...], seed: int) -> np.ndarray:
        """Predicted classes of the segments of `left_out`, after training on all others."""
        settings = self.run(head, left_out=left_out, seed=seed)
        train_quietly(settings)
        held = self.table.select(np.isin(self.videos, left_out))
        scores = load_run(settings.run).score(held, settings.features).verb
        assert scores is not None
        return scores.argmax(1)

    def leave_one_out(self, predict: Callable[[str], np.ndarray]) -> float:
        """Percent right over all segments, each predicted without its own recording."""
        right = 0
        for video in np.unique(self.videos):
            right += int((predict(video) == self.labels[self.videos == video]).sum())
        return 100 * right / len(self.labels)


def linear(bench: Bench, described: np.ndarray) -> Callable[[str], np.ndarray]:
    """Standardised logistic regression on one description (N, F) of each clip."""

    def predict(video: str) -> np.ndarray:
        out = bench.videos == video
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        return model.fit(described[~out], bench.labels[~out]).predict(described[out])

    return predict


def measure_baselines(bench: Bench) -> dict[str, list[float]]:
    """Majority of the training recordings, and two logistic regressions."""
    clips = bench.clips()
    mean, ends = clips.mean(1), clips[:, -1] - clips[:, 0]

    def majority(video: str) -> np.ndarray:
        out = bench.videos == video
        return np.full(out.sum(), np.bincount(bench.labels[~out]).argmax())

    return {
        "majority": [bench.leave_one_out(majority)],
        "logistic regression, mean": [bench.leave_one_out(linear(bench, mean))],
        "logistic regression, mean and end - start": [
            bench.leave_one_out(linear(bench, np.concatenate([mean, ends], 1)))
        ],
    }


def measure_heads(bench: Bench) -> dict[str, list[float]]:
    """Every head, every seed."""
    seeds, videos = range(bench.settings.seeds), np.unique(bench.videos)
    runs = [bench.run(h, left_out=(v,), seed=s) for h in bench.settings.heads for s in seeds for v in videos]
    train_all(runs, workers=bench.settings.workers)
    results: dict[str, list[float]] = {}
    for head in bench.settings.heads:
        results[head] = [
            bench.leave_one_out(lambda video, h=head, s=seed: bench.answer(h, left_out=(video,), seed=s))
            for seed in seeds
        ]
        print(f"{head}: {np.mean(results[head]):.1f} +- {np.std(results[head]):.1f}", flush=True)
    return results


def measure_nested(bench: Bench) -> tuple[list[float], dict[str, str]]:
    """For each recording the pooled head that does best among the others, leaving one of those out at a time."""
    videos = np.unique(bench.videos)
    heads = [head for head in bench.settings.heads if HEADS[head].kind == "pooled"]
    pairs = [(str(a), str(b)) for a, b in combinations(videos, 2)]
    train_all((bench.run(h, left_out=p, seed=0) for h in heads for p in pairs), workers=bench.settings.workers)
    right = {head: np.zeros((len(videos), len(videos))) for head in heads}
    for a, b in combinations(range(len(videos)), 2):
        pair = (str(videos[a]), str(videos[b]))
        out = np.isin(bench.videos, pair)
        for head in heads:
            hits = bench.answer(head, left_out=pair, seed=0) == bench.labels[out]
            right[head][a, b] = hits[bench.videos[out] == videos[b]].sum()  # a is left out for good, b validates
            right[head][b, a] = hits[bench.videos[out] == videos[a]].sum()
    chosen = {str(video): max(heads, key=lambda head: right[head][index].sum()) for index, video in enumerate(videos)}
    scores = [
        bench.leave_one_out(lambda video, s=seed: bench.answer(chosen[video], left_out=(video,), seed=s))
        for seed in range(bench.settings.seeds)
    ]
    return scores, chosen


def main(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        work = settings.out or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        bench = Bench(settings, work)
        results = measure_baselines(bench) | measure_heads(bench)
        chosen: dict[str, str] = {}
        if settings.nested:
            results["head chosen inside the training videos"], chosen = measure_nested(bench)
        print(f"\n{len(bench.table)} segments, {len(set(bench.videos))} videos, {settings.backbone}, leave one out\n")
        print("| model | top-1 % |\n|---|---|")
        for name, values in results.items():
            spread = f" +- {np.std(values):.1f}" if len(values) > 1 else ""
            mark = " (default)" if name == DEFAULT_HEAD else ""
            print(f"| {name}{mark} | {np.mean(values):.1f}{spread} |")
        if chosen:
            print("\nchosen: " + ", ".join(f"{video}: {head}" for video, head in chosen.items()))
        if settings.out:
            (work / f"{settings.backbone.replace(':', '-')}.json").write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main(tyro.cli(Settings))
