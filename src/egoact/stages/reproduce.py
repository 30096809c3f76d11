"""`egoact reproduce`: the figures and tables of the report that this project began with, measured anew.

OUT/kitchen, features, maps, runs      data and models, as the other commands write them
OUT/steps/NAME.json                    what each step found, how long it took, the commands that do it alone
OUT/reproduce.json                     what was asked for
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from egoact.core.accuracy import predict_classes, top_k_accuracy
from egoact.core.errors import ArtifactError, MediaError
from egoact.core.sampling import sample_uniform
from egoact.core.segments import Segment, read_segments
from egoact.data.frame_grid import lay_grid
from egoact.data.media import MediaRoot, read_frames
from egoact.data.store import FeatureStore
from egoact.models.backbones import load_backbone
from egoact.models.recognizer import Recognizer
from egoact.stages._array_storage import measure_arrays
from egoact.stages._command_line import command_line
from egoact.stages._layer_measures import count_report_parameters, measure_reach, measure_recurrent, trace_base
from egoact.stages._reproduction import STEPS, Memory, ReproductionData, find_annotations
from egoact.stages._run_files import write_json
from egoact.stages._unnormalised import unnormalised_features
from egoact.stages.evaluate import EvaluateSettings, evaluate, score_segments
from egoact.stages.extract import ExtractSettings, extract
from egoact.stages.flow import FlowSettings, flow
from egoact.stages.kitchen import KitchenSettings, kitchen
from egoact.stages.stats import StatsSettings, stats
from egoact.stages.train import TrainSettings, train

NUM_FRAMES = 20
_CUTS = {"mobilenet_v2": 12, "efficientnet_lite0": 10}  # the last block with maps of 16 x 16 at 256 pixels
_CATEGORY_HEADS = ("lstm", "convlstm", "convnet1d")
_TABLE_2_HEADS = ("convnet1d", "difference")
_NEEDS = {
    "table_1": ("features", "mistake_features"),
    "table_2": ("features",),
    "mistake_features": ("features",),
}


@dataclass(frozen=True)
class _Effort:
    """How much is done: enough to show everything, within the promised time."""

    videos: int
    epochs: int
    map_epochs: int
    map_size: int
    painted_kernels: int
    painting_steps: int
    stored_clips: tuple[int, ...]


_EFFORT = _Effort(16, 100, 8, 256, 16, 96, (4, 8, 16))
_QUICK_EFFORT = _Effort(6, 30, 4, 128, 4, 48, (2, 4))


@dataclass(frozen=True, kw_only=True)
class ReproduceSettings:
    """Go through the report's figures and tables, and measure each of them here and now.

    Without recordings of EPIC-KITCHENS it trains on the built-in kitchen, and says so. Ends with one page,
    OUT/index.html. What was stopped goes on where it was when the same command is given again.
    """

    out: Path
    """Folder for everything."""
    annotations: Path | None = None
    """Folder with EPIC-KITCHENS' CSVs (of 55, of 100, or both in sub-folders), for the distribution figures."""
    segments: Path | None = None
    """Train on this segments CSV instead of the built-in kitchen; needs --validation and --media."""
    validation: Path | None = None
    """Segments CSV to measure on."""
    media: Path | None = None
    """Recordings of --segments and --validation; with --annotations alone, those of EPIC-KITCHENS-100."""
    classes: Path | None = None
    """Folder with verb_classes.csv and noun_classes.csv of --segments; without categories Table 1 is of verbs."""
    backbone: str = "efficientnet_lite0"
    """As for egoact extract; the report used mobilenet_v2."""
    weights: Path | None = None
    """Weights of the backbone from a file (safetensors)."""
    only: tuple[str, ...] = ()
    """Do these steps alone (and what they need), without the page: figure_08, table_1, ..."""
    quick: bool = False
    """Less of everything, to see the page soon."""
    seed: int = 0
    """Of everything."""

    def __post_init__(self) -> None:
        if len({self.segments is None, self.validation is None}) > 1 or (self.segments and not self.media):
            raise ValueError("--segments, --validation and --media belong together")
        if self.media and not self.segments and not self.annotations:
            raise ValueError("--media needs --segments and --validation, or --annotations")
        if self.backbone not in _CUTS:
            raise ValueError(f"--backbone must be one of {', '.join(_CUTS)}, got {self.backbone!r}")


def reproduce(settings: ReproduceSettings) -> int:
    """Do every step that is not done yet; gives the number of segments whose features could not be computed.

    Raises:
        ArtifactError: `out` holds a reproduction with other settings, or a step failed.
        AnnotationError: Annotations that cannot be read.
        MediaError: Recordings that cannot be read.
    """
    _claim(settings)
    return _Reproduction(settings).go()


class _Reproduction:
    def __init__(self, settings: ReproduceSettings) -> None:
        self.settings = settings
        self.effort = _QUICK_EFFORT if settings.quick else _EFFORT
        self.out = settings.out
        self.memory = Memory(settings.out)
        self.data: ReproductionData

    def go(self) -> int:
        self.data = self._find_data()
        for name in self._wanted():
            self.memory.once(name, self._steps()[name])
        features = self.out / STEPS / "features.json"
        return self.memory.once("features", self._features)["num_failed"] if features.exists() else 0

    def _steps(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Everything there is to do, in order."""
        return {
            "figure_03": self._class_statistics,
            "figure_05": self._painted_filters,
            "figures_06_07": self._base,
            "figure_08": lambda: {"rows": measure_recurrent()},
            "figure_09": measure_reach,
            "figure_10": self._category_statistics,
            "features": self._features,
            "mistake_features": self._mistake_features,
            "table_1": self._table_1,
            "table_2": self._table_2,
            "figures_14_15": self._example_frames,
            "figure_18": self._flow,
            "figure_19": self._storage,
        }

    def _wanted(self) -> list[str]:
        names = list(self._steps())
        unknown = [name for name in self.settings.only if name not in names]
        if unknown:
            raise ValueError(f"--only: there is no step {unknown[0]!r}; there are {', '.join(names)}")
        wanted = set(self.settings.only or names)
        for name, needed in _NEEDS.items():
            wanted |= set(needed) if name in wanted else set()
        return [name for name in names if name in wanted]

    def _find_data(self) -> ReproductionData:
        given = self.settings
        if given.segments is not None:
            assert given.validation is not None and given.media is not None
            name = f"{given.segments.name} and {given.validation.name}"
            return ReproductionData(name, False, given.segments, given.validation, given.media, given.classes)
        if given.media is not None:
            train = find_annotations(given.annotations, "EPIC_100_train.csv")
            validation = find_annotations(given.annotations, "EPIC_100_validation.csv")
            if train is None or validation is None:
                raise ArtifactError("no EPIC_100_train.csv and EPIC_100_validation.csv here", path=given.annotations)
            return ReproductionData("EPIC-KITCHENS-100", False, train, validation, given.media, train.parent)
        made = self.out / "kitchen"
        making = KitchenSettings(out=made, videos=self.effort.videos, seed=given.seed)

        def film() -> dict[str, Any]:
            self.memory.note(command_line("kitchen", making))
            kitchen(making)
            return {"videos": self.effort.videos}

        self.memory.once("kitchen", film)
        csvs = made / "train.csv", made / "validation.csv"
        return ReproductionData("the built-in kitchen", True, *csvs, made / "videos", made)

    def _class_statistics(self) -> dict[str, Any]:
        names = ("EPIC_train_action_labels.csv", "EPIC_100_train.csv", "EPIC_100_uda_source_train.csv")
        return self._count("figure_03", find_annotations(self.settings.annotations, *names))

    def _category_statistics(self) -> dict[str, Any]:
        names = ("EPIC_100_train.csv", "EPIC_100_uda_source_train.csv", "EPIC_100_validation.csv")
        return self._count("figure_10", find_annotations(self.settings.annotations, *names))

    def _count(self, name: str, found: Path | None) -> dict[str, Any]:
        segments = found or self.data.train
        classes = segments.parent if found else self.data.classes
        asked = StatsSettings(segments=segments, out=self.out / name, classes=classes)
        self.memory.note(command_line("stats", asked))
        stats(asked)
        return {"folder": name, "segments": segments.name, "is_real": found is not None}

    def _painted_filters(self) -> dict[str, Any]:
        given = self.settings
        arguments = ["explain", "filters", "--out", str(self.out / "filters"), "--backbone", given.backbone]
        arguments += ["--weights", str(given.weights)] if given.weights else []
        arguments += ["--num-kernels", str(self.effort.painted_kernels), "--steps", str(self.effort.painting_steps)]
        arguments += ["--size", "96", "--num-frames", "64", "--media", str(self.data.media)]
        self.memory.run(*arguments)
        return {"folder": "filters"}

    def _base(self) -> dict[str, Any]:
        backbone = load_backbone(self.settings.backbone, weights=self.settings.weights)
        segment = self.data.validation_table()[0]
        frames = self._read_clip(segment, size=backbone.spec.input_size)
        _write_picture(self.out / "figures_06_07" / "frame.jpg", frames[0])
        return trace_base(backbone, frames) | {"backbone": self.settings.backbone, "folder": "figures_06_07"}

    def _features(self) -> dict[str, Any]:
        failed = 0
        for kind in ("pooled", "maps"):
            for segments in (self.data.train, self.data.validation):
                asked = self._extract_settings(segments, kind)
                self.memory.note(command_line("extract", asked))
                failed += extract(asked)
        num_segments = len(read_segments(self.data.train)) + len(self.data.validation_table())
        return {"num_failed": failed, "num_segments": num_segments}

    def _extract_settings(self, segments: Path, kind: str) -> ExtractSettings:
        is_maps = kind == "maps"
        return ExtractSettings(
            segments=segments,
            media=(self.data.media,),
            features=self.out / ("maps" if is_maps else "features"),
            backbone=self.settings.backbone,
            weights=self.settings.weights,
            kind="maps" if is_maps else "pooled",
            cut=_CUTS[self.settings.backbone] if is_maps else None,
            size=self.effort.map_size if is_maps else 256,
        )

    def _mistake_features(self) -> dict[str, Any]:
        """Features of the validation segments without normalisation, and how alike those of different clips become."""
        table, root = self.data.validation_table(), MediaRoot(self.data.media)
        alike = {}
        for kind, store_name in (("pooled", "features"), ("maps", "maps")):
            asked = self._extract_settings(self.data.validation, kind)
            backbone = load_backbone(
                asked.backbone, weights=asked.weights, cut=asked.cut, size=asked.size, kind=asked.kind
            )
            workers = os.cpu_count() or 1
            wrong = unnormalised_features(table, root, backbone, num_frames=NUM_FRAMES, num_workers=workers)
            np.save(self.out / f"unnormalised_{kind}.npy", wrong, allow_pickle=False)
            if kind == "pooled":
                store = FeatureStore.open(self.out / store_name)
                right = store.gather(store.rows(table))
                alike = {"normalised": _mean_cosine(right), "unnormalised": _mean_cosine(wrong)}
        return {"mean_cosine": alike}

    def _train_settings(self, head: str, *, on_categories: bool) -> TrainSettings:
        is_maps = head == "convlstm"
        epochs = self.effort.map_epochs if is_maps else self.effort.epochs
        return TrainSettings(
            segments=self.data.train,
            validation=self.data.validation,
            classes=self.data.classes,
            features=(self.out / ("maps" if is_maps else "features"),),
            run=self.out / "runs" / (f"{head}_categories" if on_categories else head),
            head=head,
            labels="categories" if on_categories and self.data.classes else "classes",
            targets=("verb",) if on_categories else (),
            recipe="default" if head == "difference" else "report",
            epochs=None if head == "difference" else epochs,
            patience=None if head == "difference" else 0,  # whole curves, as in the report's figures
            select="last",
            seed=self.settings.seed,
        )

    def _table_1(self) -> dict[str, Any]:
        """Verb categories: each head on right features, and the same run on unnormalised ones."""
        table = self.data.validation_table()
        rows: dict[str, Any] = {}
        for head in _CATEGORY_HEADS:
            asked = self._train_settings(head, on_categories=True)
            self.memory.note(command_line("train", asked))
            train(asked)
            recognizer = Recognizer.load(asked.run)
            vocabulary = recognizer.config.vocabularies["verb"]
            labels = vocabulary.encode(table, allow_unlabelled=False)
            right = score_segments(asked.run, table, asked.features).by_target()["verb"]
            wrong = np.load(self.out / f"unnormalised_{'maps' if head == 'convlstm' else 'pooled'}.npy", mmap_mode="r")
            chunks = [recognizer.score(wrong[i : i + 32])["verb"] for i in range(0, len(wrong), 32)]
            rows[head] = {
                "run": f"runs/{asked.run.name}",
                "num_parameters": recognizer.model.num_trainable,
                "names": list(vocabulary.names),
                "labels": labels.tolist(),
                "normalised": _measure(right, labels),
                "unnormalised": _measure(np.concatenate(chunks), labels),
            }
        return {"heads": rows, "report_parameters": count_report_parameters()}

    def _table_2(self) -> dict[str, Any]:
        rows = {}
        for head in _TABLE_2_HEADS:
            asked = self._train_settings(head, on_categories=False)
            evaluation = EvaluateSettings(
                segments=self.data.validation,
                run=asked.run,
                features=asked.features,
                out=self.out / "evaluations" / head,
            )
            for name, part in (("train", asked), ("evaluate", evaluation)):
                self.memory.note(command_line(name, part))
            train(asked)
            evaluate(evaluation)
            metrics = json.loads((evaluation.out / "metrics.json").read_text(encoding="utf-8"))
            rows[head] = {"run": f"runs/{asked.run.name}", "metrics": metrics}
        return {"heads": rows}

    def _example_frames(self) -> dict[str, Any]:
        root, folder = MediaRoot(self.data.media), self.out / "figures_14_15"
        names: list[str] = []
        for video_id in dict.fromkeys(segment.video_id for segment in self.data.validation_table()):
            source = root.find(video_id)
            grid = lay_grid(source)
            numbers = np.linspace(1, grid.num_frames, 6).round()[1:-1]
            for _, frame in read_frames(source, grid.middles_seconds(numbers), size=(180, 240)):
                if isinstance(frame, np.ndarray) and len(names) < 8:
                    names.append(f"{video_id}_{len(names)}.jpg")
                    _write_picture(folder / names[-1], frame)
        return {"folder": folder.name, "pictures": names}

    def _flow(self) -> dict[str, Any]:
        """Between two neighbouring frames in the middle of the first segment."""
        segment = self.data.validation_table()[0]
        source = MediaRoot(self.data.media).find(segment.video_id)
        grid = lay_grid(source)
        first = int((segment.start_seconds + segment.stop_seconds) / 2 * grid.frame_rate) + 1
        times = grid.middles_seconds([first, first + 2])
        folder = self.out / "flow"
        for name, (_, frame) in zip(("a.png", "b.png"), read_frames(source, times), strict=True):
            if isinstance(frame, MediaError):
                raise frame
            _write_picture(folder / name, frame)
        asked = FlowSettings(out=folder, pair=(folder / "a.png", folder / "b.png"))
        self.memory.note(command_line("flow", asked))
        flow(asked)
        return {"folder": folder.name, "video_id": segment.video_id, "frames": [first, first + 2]}

    def _storage(self) -> dict[str, Any]:
        table = self.data.validation_table()
        count = min(max(self.effort.stored_clips), len(table))
        clips = np.stack([self._read_clip(table[i], size=(256, 256)) for i in range(count)])
        counts = tuple(n for n in self.effort.stored_clips if n <= count)
        return {"rows": measure_arrays(clips, self.out / "arrays", counts)}

    def _read_clip(self, segment: Segment, *, size: tuple[int, int]) -> np.ndarray:
        times = sample_uniform(segment.start_seconds, segment.stop_seconds, num_frames=NUM_FRAMES)
        frames: list[np.ndarray] = []
        for positions, frame in read_frames(MediaRoot(self.data.media).find(segment.video_id), times, size=size):
            if isinstance(frame, MediaError):
                raise frame
            frames += [frame] * len(range(*positions.indices(NUM_FRAMES)))
        return np.stack(frames)


def _measure(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    predictions = predict_classes(scores)
    found: dict[str, Any] = {f"top{k}": top_k_accuracy(scores, labels, k=min(k, scores.shape[1])) for k in (1, 3, 5)}
    found["predictions"] = predictions.tolist()
    found["num_predicted_classes"] = len(np.unique(predictions))
    found["largest_share"] = float(np.bincount(predictions).max() / len(predictions))
    return found


def _mean_cosine(features: np.ndarray) -> float:
    """Between the mean features of different clips."""
    means = features.astype(np.float64).mean(axis=1)
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    cosines = unit @ unit.T
    return float(cosines[~np.eye(len(unit), dtype=bool)].mean())


def _write_picture(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, picture[..., ::-1])[1].tobytes())


def _claim(settings: ReproduceSettings) -> None:
    """Write reproduce.json, or check that it says the same."""
    path = settings.out / "reproduce.json"
    ours = json.loads(json.dumps({k: v for k, v in asdict(settings).items() if k not in ("out", "only")}, default=str))
    if not path.exists():
        if settings.out.is_file():
            raise ArtifactError("this is a file; a folder to write into is expected", path=settings.out)
        write_json(path, ours)
        return
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        changed = [f"{k} was {known.get(k)!r}, now {ours[k]!r}" for k in ours if known.get(k) != ours[k]]
    except (OSError, ValueError, AttributeError) as error:
        raise ArtifactError(f"cannot be read ({error}); give another --out", path=path) from None
    if changed:
        raise ArtifactError(f"holds a reproduction with other settings ({'; '.join(changed[:2])})", path=settings.out)
