"""Graphs for bf16: filters keep their sums, biases stay as they are, the first block is left in float32."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from egoact.engines.frame_model import FrameModel
from egoact.engines.graphs.openvino_graphs import convert, openvino_core
from egoact.engines.graphs.openvino_precision import prepare_bf16, round_keeping_sums
from egoact.engines.parity import compare_features
from egoact.models.backbones.registry import load_backbone


@pytest.fixture(scope="module")
def core() -> Any:
    found = openvino_core()
    if "BF16" not in found.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bf16 instructions")
    return found


def compile_bf16(core: Any, graph: Any) -> Any:
    return core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})


def test_bf16_filters_keep_their_sums() -> None:
    """Differences of large weights: what rounding adds to their sum would be seen on even surfaces."""
    random = np.random.default_rng(0)
    filters = random.normal(0, 1, (64, 1, 1, 3, 3)).astype(np.float32)
    filters -= filters.mean((2, 3, 4), keepdims=True)
    filters[0, 0, 0, 1] = 0
    rounded = round_keeping_sums(filters)
    plain = torch.from_numpy(filters).bfloat16().float().numpy()
    np.testing.assert_array_equal(torch.from_numpy(rounded).bfloat16().float().numpy(), rounded)
    errors, plain_errors = (np.abs((each - filters).sum((1, 2, 3, 4))) for each in (rounded, plain))
    assert np.median(errors) < 0.1 * np.median(plain_errors) and errors.max() < plain_errors.max()
    assert (rounded != plain).sum() <= len(filters), "one weight of a filter takes up the rest"
    assert (rounded[0, 0, 0, 1] == 0).all()


def test_only_the_first_block_is_computed_in_float32(core: Any) -> None:
    def layer(given: int, made: int, groups: int = 1) -> nn.Module:
        size = 3 if groups > 1 else 1
        return nn.Sequential(nn.Conv2d(given, made, size, padding=size // 2, groups=groups), nn.BatchNorm2d(made))

    blocks = nn.Sequential(
        *(layer(3, 32), nn.ReLU6(), layer(32, 32, 32), nn.SiLU(), layer(32, 16)),
        *(layer(16, 96), nn.ReLU6(), layer(96, 96, 96), nn.ReLU6(), layer(96, 24)),
    )
    model = FrameModel(nn.Sequential(blocks, nn.Flatten()).eval(), mean=(0.5,) * 3, std=(0.5,) * 3).eval()
    compiled = compile_bf16(core, prepare_bf16(convert(model, (32, 32))))
    described = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
    told = [(each["layerType"].astype(str), each["runtimePrecision"].astype(str)) for each in described]
    precisions = [precision for kind, precision in told if "onvolution" in kind]
    assert precisions[1:3] == ["f32", "f32"] and set(precisions[3:]) == {"bf16"} and len(precisions) == 6


@pytest.mark.slow
def test_what_is_prepared_loses_less_than_half_as_much(core: Any, photos: dict[str, np.ndarray]) -> None:
    frames = np.stack([photo[::2, ::2] for photo in photos.values()])
    backbone = load_backbone("efficientnet_lite0", size=128)
    model = FrameModel(backbone.module, mean=backbone.spec.mean, std=backbone.spec.std).eval()
    with torch.inference_mode():
        expected = model(torch.from_numpy(frames.copy())).numpy()
    lost = []
    graph = convert(model, (128, 128))
    for each in (prepare_bf16(graph.clone()), graph):
        found = compile_bf16(core, each)([frames])[0]
        lost.append(1 - compare_features(expected, found).cosine)
    assert 1e-6 < lost[0] < 0.5 * lost[1]
