"""ExecuTorch programs (.pte) for XNNPACK: from torch, in float32 and int8. Knows nothing about running them.

Every program has fixed shapes, with a batch of one. A program has no names for what it takes and gives; they are kept
in it as what its method `NAMES` answers.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from egoact.engines.graphs.converters import check_packages, converting, silenced

if TYPE_CHECKING:
    from egoact.engines.frame_model import FrameModel

NAMES = "names"


class _Pixels(nn.Module):
    """The same as a model of frames, but pixels become floats first: the delegate takes no bytes, and then the rest."""

    def __init__(self, model: "FrameModel") -> None:
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor) -> Tensor:
        return self.model(frames.to(self.model.scale.dtype))


def check_installed() -> None:
    """Refuse, before any work, where programs cannot be made: a `ValueError` says what to install."""
    check_packages("executorch", ("executorch", "torchao"), "pip install 'egoact[executorch]'")


def convert_frames(model: "FrameModel", input_size: tuple[int, int], calibration: np.ndarray | None) -> bytes:
    """A model of frames of (H, W) pixels, in eval mode, as a program: uint8 (1, H, W, 3) to features; see `convert`."""
    examples = {"frames": torch.zeros(1, *input_size, 3, dtype=torch.uint8)}
    plain = _Pixels(model).to(memory_format=torch.contiguous_format)  # it takes no weights that are channels-last
    return convert(plain.eval(), examples, ["features"], calibration=calibration)


def convert(
    model: nn.Module,
    examples: Mapping[str, Tensor],
    output_names: Sequence[str],
    *,
    calibration: np.ndarray | None = None,
) -> bytes:
    """A module in eval mode as a program; a `ValueError` where what converts it is missing, or cannot convert it.

    Args:
        model: Takes the examples, in their order.
        examples: Input name -> a tensor of the shape and type that it will always have.
        output_names: Of what it gives back.
        calibration: For int8, real inputs (N, ...) of a model with one input; None: float32.
    """
    check_installed()
    names = f"{' '.join(examples)}\n{' '.join(output_names)}"
    given = tuple(examples.values())
    with silenced():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        with converting("ExecuTorch"):
            program = _export(model, given)
            if calibration is not None:
                program = _export(_quantize(program.module(), calibration), given)
            partitioner, constants = [XnnpackPartitioner()], {NAMES: names}
            lowered = to_edge_transform_and_lower(program, partitioner=partitioner, constant_methods=constants)
            return bytes(lowered.to_executorch().buffer)


def _export(model: nn.Module, given: tuple[Tensor, ...]) -> Any:
    with torch.no_grad():
        return torch.export.export(model, given, strict=True)


def _quantize(graph: Any, inputs: np.ndarray) -> Any:
    """A traced graph in int8: per channel, ranges from real inputs."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from egoact.engines.graphs.executorch_int8 import Convolutions

    prepared = prepare_pt2e(graph, Convolutions())  # it folds batch norms into convolutions first
    with torch.no_grad():
        for each in inputs:
            prepared(torch.from_numpy(each[None]))
    return convert_pt2e(prepared)
