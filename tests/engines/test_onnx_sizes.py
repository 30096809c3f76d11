"""What is computed from sizes becomes constants, unless it depends on a free axis."""

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from egoact.engines.frame_model import FrameModel
from egoact.engines.graphs.onnx_graphs import export_graph, trace
from egoact.engines.onnx_session import open_session


class PaddedLikeTensorFlow(nn.Module):
    """Asks how large its input is, as convolutions of converted networks do."""

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        padded = nn.functional.pad(images, (0, (3 - width % 3) % 3, 0, (3 - height % 3) % 3))
        return nn.functional.max_pool2d(padded, 3).flatten(1)


class MixesRows(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        batch, steps, width = values.shape
        return values.reshape(batch * steps, width).cumsum(0).reshape(batch, steps, width)


def operators(graph: bytes) -> set[str]:
    return {node.op_type for node in onnx.load_from_string(graph).graph.node}


def test_padding_that_is_known_is_a_constant() -> None:
    model = FrameModel(PaddedLikeTensorFlow(), mean=(0.5,) * 3, std=(0.5,) * 3)
    graph = export_graph(model, (16, 20))
    assert not operators(graph) & {"Shape", "Gather", "Div", "Sub", "Neg"} and "Pad" in operators(graph)
    frames = np.random.default_rng(0).integers(0, 256, (5, 16, 20, 3), np.uint8)
    found = open_session(graph).run(None, {"frames": frames})[0]
    np.testing.assert_allclose(found, model(torch.from_numpy(frames)).numpy(), atol=1e-6)


def test_sizes_of_a_free_axis_are_still_computed() -> None:
    graph = trace(MixesRows(), torch.zeros(2, 4, 3), input_name="values", output_names=["sums"])
    assert "Shape" in operators(graph)
    values = np.random.default_rng(0).random((5, 4, 3), np.float32)
    found = open_session(graph).run(None, {"values": values})[0]
    np.testing.assert_allclose(found, values.reshape(20, 3).cumsum(0).reshape(5, 4, 3), rtol=1e-5)
