"""Steps of `egoact reproduce` that train and test: Tables 1 and 2, Figures 11 to 13, 20 and 21.

Features are computed twice: as in the report's training, and as its test script did by mistake, without normalisation.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.annotations.segments import SegmentTable, read_segments
from egoact.core.bounds import load_json
from egoact.core.machine import num_cores
from egoact.core.metrics.accuracy import predict_classes, top_k_accuracy
from egoact.core.sampling import ClipSampling
from egoact.engines.loading import load_engine
from egoact.extraction.decoding import FrameBatch, FrameFailure, clip_jobs, decode
from egoact.media.sources import MediaRoot
from egoact.models.backbones.registry import Backbone, load_backbone
from egoact.reproduction.layers import count_report_parameters
from egoact.reproduction.work import NUM_FRAMES, Reproduction
from egoact.runs.loading import load_run
from egoact.store.reader import FeatureStore

CUTS = {"mobilenet_v2": 12, "efficientnet_lite0": 10}  # the last block with maps of 16 x 16 at 256 pixels
_STORES = {"pooled": "features", "maps": "maps"}
_CHUNK = 32


def extract_features(work: Reproduction) -> dict[str, Any]:
    """Pooled features and maps of all segments."""
    every = dict.fromkeys((work.data.train, work.data.validation))
    failed = sum(work.command("extract", **_extract_flags(work, kind), segments=tuple(every)) for kind in _STORES)
    num_segments = len(read_segments(work.data.train)) + len(work.data.validation_table())
    return {"num_failed": failed, "num_segments": num_segments}


def extract_unnormalised(work: Reproduction) -> dict[str, Any]:
    """Features of the validation segments without normalisation, and how alike those of different clips become."""
    table, root = work.data.validation_table(), work.data.root()
    alike = {}
    for kind, store_name in _STORES.items():
        asked = _extract_flags(work, kind)
        chosen = {name: asked[name] for name in ("weights", "cut", "size", "kind")}
        backbone = load_backbone(work.backbone, **chosen)
        wrong = unnormalised_features(table, root, backbone, num_frames=NUM_FRAMES, num_workers=num_cores())
        np.save(_unnormalised_path(work, kind), wrong, allow_pickle=False)
        if kind == "pooled":
            store = FeatureStore.open(work.out / store_name)
            right = store.gather(store.locate(table, ClipSampling(NUM_FRAMES)))
            alike = {"normalised": _mean_cosine(right), "unnormalised": _mean_cosine(wrong)}
    return {"mean_cosine": alike}


def train_on_categories(work: Reproduction, *, head: str) -> dict[str, Any]:
    """A head on verb categories, or on verbs where there are none."""
    asked = _train_flags(work, head, on_categories=True)
    work.command("train", **asked)
    return {"run": f"runs/{asked['run'].name}"}


def train_on_classes(work: Reproduction, *, head: str) -> dict[str, Any]:
    """A head on all classes of verbs and nouns, and its evaluation."""
    asked, out = _train_flags(work, head, on_categories=False), work.out / "evaluations" / head
    work.command("train", **asked)
    work.command("evaluate", segments=work.data.validation, run=asked["run"], features=asked["features"], out=out)
    metrics = load_json(out / "metrics.json")
    return {"run": f"runs/{asked['run'].name}", "metrics": metrics}


def measure_both_ways(work: Reproduction, *, head: str) -> dict[str, Any]:
    """A trained head on right features, and the same run on unnormalised ones."""
    asked = _train_flags(work, head, on_categories=True)
    run = load_run(asked["run"])
    recognizer = run.recognizer
    vocabulary = recognizer.config.vocabularies["verb"]
    table = work.data.validation_table()
    labels = vocabulary.encode(table, allow_unlabelled=False)
    right = run.score(table, asked["features"]).by_target()["verb"]
    wrong = np.load(_unnormalised_path(work, _kind(head)), mmap_mode="r", allow_pickle=False)
    chunks = [recognizer.score(wrong[i : i + _CHUNK])["verb"] for i in range(0, len(wrong), _CHUNK)]
    return {
        "num_parameters": recognizer.model.num_trainable,
        "names": list(vocabulary.names),
        "labels": labels.tolist(),
        "normalised": _measure(right, labels),
        "unnormalised": _measure(np.concatenate(chunks), labels),
    }


def compare_heads(work: Reproduction) -> dict[str, Any]:
    """Table 1: ConvNet1D beside the two heads of Figures 20 and 21, and the sizes at the report's own shapes."""
    trained = train_on_categories(work, head="convnet1d")
    heads = {
        "lstm": work.memory.result("figure_21"),
        "convlstm": work.memory.result("figure_20"),
        "convnet1d": trained | measure_both_ways(work, head="convnet1d"),
    }
    return {"heads": heads, "report_parameters": count_report_parameters(), "is_categories": work.data.has_categories}


def compare_on_classes(work: Reproduction) -> dict[str, Any]:
    """Table 2: ConvNet1D of Figure 13 beside today's default head."""
    difference = train_on_classes(work, head="difference")
    return {"heads": {"convnet1d": work.memory.result("figure_13"), "difference": difference}}


def _extract_flags(work: Reproduction, kind: str) -> dict[str, Any]:
    is_maps = kind == "maps"
    return dict(
        media=work.data.media,
        features=work.out / _STORES[kind],
        exact=True,
        backbone=work.backbone,
        weights=work.weights,
        kind="maps" if is_maps else "pooled",
        cut=CUTS[work.backbone] if is_maps else None,
        size=work.effort.map_size if is_maps else 256,
    )


def _train_flags(work: Reproduction, head: str, *, on_categories: bool) -> dict[str, Any]:
    epochs = work.effort.map_epochs if _kind(head) == "maps" else work.effort.epochs
    return dict(
        segments=work.data.train,
        validation=work.data.validation,
        classes=work.data.classes,
        features=(work.out / _STORES[_kind(head)],),
        run=work.out / "runs" / (f"{head}_categories" if on_categories else head),
        head=head,
        labels="categories" if on_categories and work.data.has_categories else "classes",
        targets=("verb",) if on_categories else (),
        recipe="default" if head == "difference" else "report",
        epochs=None if head == "difference" else epochs,
        patience=None if head == "difference" else 0,  # whole curves, as in the report's figures
        select="last",
        seed=work.seed,
    )


def _kind(head: str) -> str:
    return "maps" if head == "convlstm" else "pooled"


def _unnormalised_path(work: Reproduction, kind: str) -> Path:
    return work.out / f"unnormalised_{kind}.npy"


def _measure(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    predictions = predict_classes(scores)
    counts = np.bincount(predictions)
    return {f"top{k}": top_k_accuracy(scores, labels, k=min(k, scores.shape[1])) for k in (1, 3, 5)} | {
        "predictions": predictions.tolist(),
        "num_predicted_classes": int((counts > 0).sum()),
        "largest_share": float(counts.max() / len(predictions)),
    }


def _mean_cosine(features: np.ndarray) -> float:
    """Between the mean features of different clips."""
    means = features.astype(np.float64).mean(axis=1)
    unit = means / np.linalg.norm(means, axis=1, keepdims=True)
    cosines = unit @ unit.T
    return float(cosines[~np.eye(len(unit), dtype=bool)].mean())


NO_MEAN, NO_STD = (0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)


def unnormalised_features(
    table: SegmentTable, root: MediaRoot, backbone: Backbone, *, num_frames: int, num_workers: int
) -> np.ndarray:
    """Features of clips whose pixels stay at 0 to 255: float16 (N, T, ...), as `FeatureStore.gather` gives right ones.

    Raises:
        MediaError: A recording that is missing.
        ValueError: A frame that cannot be decoded.
    """
    unscaled = Backbone(replace(backbone.spec, mean=NO_MEAN, std=NO_STD), backbone.module)
    engine = load_engine(unscaled, precision="f32", device="cpu")
    videos = np.array([segment.video_id for segment in table])
    times = ClipSampling(num_frames).times(table)[:, 0]
    jobs = clip_jobs(root, table, ClipSampling(num_frames))
    features = np.zeros((*times.shape, *backbone.spec.feature_shape), np.float16)
    for event in decode(jobs, size=backbone.spec.input_size, batch_size=engine.batch_size, num_workers=num_workers):
        if isinstance(event, FrameFailure):
            raise ValueError(f"{event.job.source.video_id}: {event.error}")
        if isinstance(event, FrameBatch):
            limit = np.finfo(np.float16).max
            computed = np.clip(engine.run(event.frames), -limit, limit).astype(np.float16)
            here = (videos == event.job.source.video_id)[:, None]
            for time, frame in zip(event.times, event.frame_of_time, strict=True):
                features[here & (times == time)] = computed[frame]
    return features
