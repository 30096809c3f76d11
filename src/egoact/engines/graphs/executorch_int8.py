"""Which convolutions of a traced graph become int8 for XNNPACK. Imported only where torchao is installed."""

from dataclasses import replace
from typing import Any

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import get_symmetric_quantization_config
from torchao.quantization.pt2e import MovingAverageMinMaxObserver
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, Quantizer
from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

from egoact.engines.interface import num_wide

_CONVOLUTION = torch.ops.aten.conv2d.default
_CLAMPS = [getattr(torch.ops.aten, name).default for name in ("relu", "relu_", "hardtanh", "hardtanh_")]


class Convolutions(Quantizer):
    """All convolutions but the first ones, which lose the most: input, weight and, once it is clamped, result.

    It takes the place of XNNPACK's own quantizer, which knows no clamp but ReLU: in front of a ReLU6 it would find the
    range of what is about to be cut off. Depthwise convolutions are quantised, too. Where they pad what an int8
    convolution gave them, XNNPACK's partitioner makes the padded input int8 and then refuses their float weights.
    """

    def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
        """Say what becomes int8."""
        config = get_symmetric_quantization_config(is_per_channel=True)
        # From a moving average of each frame's lowest and highest: ranges from histograms lose more.
        observer = MovingAverageMinMaxObserver.with_args(eps=2**-12)
        activation = replace(config.input_activation, observer_or_fake_quant_ctr=observer)
        found = [node for node in model.graph.nodes if node.target is _CONVOLUTION]
        for node in found[2 * num_wide(len(found)) :]:
            given = {node.args[0]: activation, node.args[1]: config.weight}
            node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(input_qspec_map=given, _annotated=True)
            empty = QuantizationAnnotation(_annotated=True)
            _clamped(node).meta.setdefault(Q_ANNOTATION_KEY, empty).output_qspec = activation
        return model

    def validate(self, model: torch.fx.GraphModule) -> None:
        """Nothing that was said can be wrong."""


def _clamped(node: Any) -> Any:
    """What becomes of the result of a convolution: XNNPACK clamps in the same step."""
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].target in _CLAMPS else node
