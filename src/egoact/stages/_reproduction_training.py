"""Steps of `egoact reproduce` that train and test: Tables 1 and 2, Figures 11 to 13, 20 and 21.

Features are computed twice: as they should be, and as the report's test script did, without normalisation.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.accuracy import predict_classes, top_k_accuracy
from egoact.core.segments import read_segments
from egoact.data.store import FeatureStore
from egoact.models.backbones import load_backbone
from egoact.models.recognizer import Recognizer
from egoact.stages._bench_results import num_cores
from egoact.stages._command_line import command_line
from egoact.stages._layer_measures import count_report_parameters
from egoact.stages._reproduction import NUM_FRAMES, Reproduction
from egoact.stages._unnormalised import unnormalised_features
from egoact.stages.evaluate import EvaluateSettings, evaluate, score_segments
from egoact.stages.extract import ExtractSettings, extract
from egoact.stages.train import TrainSettings, train

CUTS = {"mobilenet_v2": 12, "efficientnet_lite0": 10}  # the last block with maps of 16 x 16 at 256 pixels
_STORES = {"pooled": "features", "maps": "maps"}
_CHUNK = 32


def extract_features(work: Reproduction) -> dict[str, Any]:
    """Pooled features and maps of all segments."""
    failed = 0
    for kind in _STORES:
        for segments in (work.data.train, work.data.validation):
            asked = _extract_settings(work, segments, kind)
            work.memory.note(command_line("extract", asked))
            failed += extract(asked)
    num_segments = len(read_segments(work.data.train)) + len(work.data.validation_table())
    return {"num_failed": failed, "num_segments": num_segments}


def extract_unnormalised(work: Reproduction) -> dict[str, Any]:
    """Features of the validation segments without normalisation, and how alike those of different clips become."""
    table, root = work.data.validation_table(), work.data.root()
    alike = {}
    for kind, store_name in _STORES.items():
        asked = _extract_settings(work, work.data.validation, kind)
        backbone = load_backbone(asked.backbone, weights=asked.weights, cut=asked.cut, size=asked.size, kind=asked.kind)
        wrong = unnormalised_features(table, root, backbone, num_frames=NUM_FRAMES, num_workers=num_cores())
        np.save(_unnormalised_path(work, kind), wrong, allow_pickle=False)
        if kind == "pooled":
            store = FeatureStore.open(work.out / store_name)
            right = store.gather(store.rows(table))
            alike = {"normalised": _mean_cosine(right), "unnormalised": _mean_cosine(wrong)}
    return {"mean_cosine": alike}


def train_on_categories(work: Reproduction, *, head: str) -> dict[str, Any]:
    """A head on verb categories, or on verbs where there are none."""
    asked = _train_settings(work, head, on_categories=True)
    work.memory.note(command_line("train", asked))
    train(asked)
    return {"run": f"runs/{asked.run.name}"}


def train_on_classes(work: Reproduction, *, head: str) -> dict[str, Any]:
    """A head on all classes of verbs and nouns, and its evaluation."""
    asked = _train_settings(work, head, on_categories=False)
    evaluation = EvaluateSettings(
        segments=work.data.validation, run=asked.run, features=asked.features, out=work.out / "evaluations" / head
    )
    for name, part in (("train", asked), ("evaluate", evaluation)):
        work.memory.note(command_line(name, part))
    train(asked)
    evaluate(evaluation)
    metrics = json.loads((evaluation.out / "metrics.json").read_text(encoding="utf-8"))
    return {"run": f"runs/{asked.run.name}", "metrics": metrics}


def measure_both_ways(work: Reproduction, *, head: str) -> dict[str, Any]:
    """A trained head on right features, and the same run on unnormalised ones."""
    asked = _train_settings(work, head, on_categories=True)
    recognizer = Recognizer.load(asked.run)
    vocabulary = recognizer.config.vocabularies["verb"]
    table = work.data.validation_table()
    labels = vocabulary.encode(table, allow_unlabelled=False)
    right = score_segments(asked.run, table, asked.features).by_target()["verb"]
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
    return {
        "heads": {
            "convnet1d": work.memory.result("figure_13"),
            "difference": train_on_classes(work, head="difference"),
        }
    }


def _extract_settings(work: Reproduction, segments: Path, kind: str) -> ExtractSettings:
    is_maps = kind == "maps"
    return ExtractSettings(
        segments=segments,
        media=work.data.media,
        features=work.out / _STORES[kind],
        backbone=work.backbone,
        weights=work.weights,
        kind="maps" if is_maps else "pooled",
        cut=CUTS[work.backbone] if is_maps else None,
        size=work.effort.map_size if is_maps else 256,
    )


def _train_settings(work: Reproduction, head: str, *, on_categories: bool) -> TrainSettings:
    epochs = work.effort.map_epochs if _kind(head) == "maps" else work.effort.epochs
    return TrainSettings(
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
