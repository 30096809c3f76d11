"""How far exported graphs are from torch in float32, on real clips.

Shapes: N clips, T frames, H x W pixels.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from egoact.engines.parity import Agreement, compare_features
from egoact.runs.graph_files import has_graph, open_graph
from egoact.runs.recognizer import Recognizer

MAX_PROBABILITY_ERROR = {"f32": 1e-3, "f16": 1.0, "int8": 1.0}  # the latter are bound by features; the rest is told

Answers = list[dict[str, np.ndarray]]


def measure_parity(
    folder: Path,
    format: str,
    recognizer: Recognizer,
    clips: np.ndarray,
    features: Sequence[np.ndarray],
    *,
    precision: str,
) -> dict[str, Any]:
    """The whole recognizer, whose graph may be missing, and the streaming pair, against torch.

    Of clips, uint8 (N, T, H, W, 3), and the features that torch makes of them. Gives num_clips, features (an
    `Agreement`), and what `compare_answers` says of the recognizer and of the pair.
    """
    window = open_graph(folder, "window", format)
    frame = open_graph(folder, "frame", format, precision=precision)
    found = [frame(clip)["features"] for clip in clips]
    with torch.inference_mode():
        logits = [recognizer.model(torch.from_numpy(each)[None]) for each in features]
    expected = [{target: values.softmax(-1).numpy() for target, values in each.items()} for each in logits]
    parity = {
        "num_clips": len(clips),
        "features": asdict(compare_features(np.concatenate(features), np.concatenate(found))),
        "pair": compare_answers(expected, [window(each[None]) for each in found]),
    }
    if has_graph(folder, "recognizer", format):
        whole = open_graph(folder, "recognizer", format)
        parity["recognizer"] = compare_answers(expected, [whole(clip[None]) for clip in clips])
    return parity


def compare_answers(expected: Answers, found: Answers) -> dict[str, dict[str, float]]:
    """Target -> the largest difference of a probability, and the share (0 to 1) of rows with the same best class."""
    compared = {}
    for target in expected[0]:
        a, b = (np.concatenate([answer[target] for answer in answers]) for answers in (expected, found))
        compared[target] = {
            "max_difference": float(np.abs(a - b).max()) if np.isfinite(b).all() else float("inf"),
            "same_answer": float((a.argmax(1) == b.argmax(1)).mean()),
        }
    return compared


def check_measured(parity: dict[str, Any], format: str, precision: str) -> None:
    """A `ValueError` for graphs that say something else, which says what differs."""
    far = Agreement(**parity["features"]).complaint(precision)
    parts = (parity[name] for name in ("recognizer", "pair", "sequence", "step") if name in parity)
    worst = max(compared["max_difference"] for part in parts for compared in part.values())
    allowed = MAX_PROBABILITY_ERROR[precision]
    if far is not None or not worst <= allowed:
        what = f"features' {far}" if far is not None else f"probabilities up to {worst:.4f} off, allowed {allowed}"
        raise ValueError(
            f"the {format} graphs in {precision} do not agree with torch on {parity['num_clips']} clips: {what}; "
            "nothing was written"
        )
