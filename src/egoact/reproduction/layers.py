"""Measures of the report's layers (its Section 2.3): parameters, time, shapes, and how far they see.

Shapes: T frames, D features, C x h x w maps.
"""

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from egoact.models.backbones.registry import Backbone
from egoact.models.classifier import ActionClassifier
from egoact.models.heads import build_head

FEATURES = 1280
MAP_SIZE = 8
SEQUENCE_LENGTHS = (5, 10, 15, 20, 25, 30, 35, 40)
OUTPUTS = (50, 100, 200, 300)
NUM_CATEGORIES = 13
_REPEATS = 4


def count_report_parameters() -> dict[str, int]:
    """Trainable parameters of the models of Table 1, built with the report's own shapes."""
    pooled, maps = (FEATURES,), (96, 2 * MAP_SIZE, 2 * MAP_SIZE)
    built = {
        "lstm": (build_head("lstm", feature_shape=pooled, num_frames=20), {"verb": NUM_CATEGORIES}),
        "convlstm": (build_head("convlstm", feature_shape=maps, num_frames=20), {"verb": NUM_CATEGORIES}),
        "convnet1d": (build_head("convnet1d", feature_shape=pooled, num_frames=20), {"verb": 97, "noun": 300}),
    }
    return {name: ActionClassifier(head, num_classes=sizes).num_trainable for name, (head, sizes) in built.items()}


def measure_recurrent() -> list[dict[str, Any]]:
    """Figure 8: milliseconds for one sample, and parameters, of LSTM and ConvLSTM (kernels 4 x 4, stride 4).

    Both get maps of 1280 x 8 x 8; the LSTM's are averaged over space, which is part of its time. One thread, the
    fastest of some repetitions.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [row for outputs in OUTPUTS for row in _measure_outputs(outputs)]
    finally:
        torch.set_num_threads(threads)


def _measure_outputs(outputs: int) -> list[dict[str, Any]]:
    maps = (FEATURES, MAP_SIZE, MAP_SIZE)
    longest = max(SEQUENCE_LENGTHS)
    lstm = build_head("lstm", feature_shape=(FEATURES,), num_frames=longest, width=outputs).eval()
    options = {"kernels": outputs, "kernel_size": 4, "stride": 4, "padding": "valid", "width": None}
    convlstm = build_head("convlstm", feature_shape=maps, num_frames=longest, **options).eval()
    layers: dict[str, tuple[nn.Module, nn.Module, bool]] = {
        "LSTM": (lstm, lstm.lstm, True),  # pyrefly: ignore[bad-assignment]
        "ConvLSTM": (convlstm, convlstm, False),
    }
    rows = []
    for name, (head, counted, is_pooled) in layers.items():
        num_parameters = sum(p.numel() for p in counted.parameters() if p.requires_grad)
        for length in SEQUENCE_LENGTHS:
            features = torch.randn(1, length, *maps)
            milliseconds = round(1000 * _fastest_seconds(head, features, is_pooled=is_pooled), 3)
            row = {"layer": name, "outputs": outputs, "sequence_length": length}
            rows.append(row | {"milliseconds": milliseconds, "num_parameters": num_parameters})
    return rows


def _fastest_seconds(head: nn.Module, features: Tensor, *, is_pooled: bool) -> float:
    times = []
    with torch.inference_mode():
        for _ in range(_REPEATS):  # the first one warms up
            begun = time.perf_counter()
            head(features.mean((-2, -1)) if is_pooled else features)
            times.append(time.perf_counter() - begun)
    return min(times)


def trace_base(backbone: Backbone, frames: np.ndarray) -> dict[str, Any]:
    """Figures 6 and 7: what becomes of frames, uint8 (T, H, W, 3) RGB, and that pooling is the mean of each map."""
    images, layers = backbone.images(frames), list(backbone.module.children())
    with torch.no_grad():
        maps = nn.Sequential(*layers[:-1])(images)
        pooled = backbone.module(images)
    means = maps.double().mean((2, 3))
    strongest = int(maps[0].amax((1, 2)).argmax())
    return {
        "frames": list(frames.shape),
        "maps": list(maps.shape),
        "pooled": list(pooled.shape),
        "num_frozen_parameters": sum(p.numel() for p in backbone.module.parameters()),
        "channel": strongest,
        "map": maps[0, strongest].tolist(),
        "mean": float(pooled[0, strongest]),
        "largest_error": float((means - pooled).abs().max()),
    }


def measure_reach(num_frames: int = 20) -> dict[str, Any]:
    """Figure 9: which frames each output of a temporal convolution sees, by its gradient, level by level."""
    flat = nn.Conv1d(4, 4, num_frames)
    head = build_head("convnet1d", feature_shape=(4,), num_frames=num_frames).eval()
    deep = [layer for layer in head.layers if isinstance(layer, nn.Conv1d)]  # pyrefly: ignore[not-iterable]
    levels = []
    frames = torch.randn(1, num_frames, 4, requires_grad=True)
    x: Tensor = frames
    for layer in deep:
        x = layer(x)
        (gradient,) = torch.autograd.grad(x[0, :, 0].sum(), frames, retain_graph=True)
        levels.append({"length": int(x.shape[2]), "reach": int((gradient[0].abs().sum(1) > 0).sum())})
    return {
        "num_frames": num_frames,
        "flat": {"levels": 1, "num_parameters": sum(p.numel() for p in flat.parameters())},
        "deep": levels,
    }
