"""A student that is another backbone, and where its teaching begins: at the nearest it can say in closed form."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from egoact.adaptation.distillation import Network, maps_spec, normalise
from egoact.adaptation.refitting import fit_projection, refit_blocks
from egoact.engines.interface import Engine
from egoact.models.backbones.registry import load_trunk
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.backbones.trunks import Trunk, project

_BATCH = 8


def start_student(
    name: str, teacher: Trunk, spec: BackboneSpec, pictures: np.ndarray, engine: Engine
) -> tuple[Trunk, Network]:
    """A published backbone whose maps have the teacher's shape, and are as near to the teacher's as its last layer can.

    With as many features as the teacher, the convolution that makes them is refitted; with others, a linear map to the
    teacher's is put behind them.

    Args:
        name: Of the student.
        teacher: All of it.
        spec: Of the teacher, as a run has it.
        pictures: uint8 (N, H, W, 3), that teach.
        engine: Gives the teacher's maps.

    Raises:
        ArtifactError: There are no weights.
        ValueError: A teacher that is cut, or a student whose maps have other cells, or whose layers are copies.
    """
    if spec.cut is not None:
        raise ValueError(f"--distill-into {name}: the run's backbone is cut after block {spec.cut}, which has no like")
    trunk = load_trunk(name, weights=None, size=spec.input_size[0])
    layers = [layer.eval() for layer in trunk.layers(None)]
    held = {id(parameter) for parameter in trunk.model.parameters()}
    if not all(id(parameter) in held for layer in layers for parameter in layer.parameters()):
        raise ValueError(f"--distill-into {name}: such a network cannot be taught; give a convolutional one")
    student = Network(nn.Sequential(*layers), replace(spec, name=name, mean=trunk.mean, std=trunk.std))
    ours, theirs = (
        maps_spec(each).feature_shape for each in (student, Network(nn.Sequential(*teacher.layers(None)), spec))
    )
    if len(ours) != len(theirs) or ours[1:] != theirs[1:]:
        raise ValueError(f"--distill-into {name}: it gives maps of shape {ours}, the run's backbone {theirs}")
    if ours != theirs:
        trunk = project(trunk, fit_projection(_pairs(student, engine, pictures)))
        return trunk, Network(nn.Sequential(*trunk.layers(None)).eval(), student.spec)
    if trunk.is_sequence and teacher.is_sequence:
        frames, own = (normalise(pictures, each).half() for each in (spec, student.spec))
        trunk.model.requires_grad_(False)
        refit_blocks(_in_two(teacher), _in_two(trunk), {}, frames, of_student=own)
    return trunk, student


def _pairs(student: Network, engine: Engine, pictures: np.ndarray) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(pictures), _BATCH):
        batch = np.ascontiguousarray(pictures[start : start + _BATCH])
        with torch.no_grad():
            yield student.maps(normalise(batch, student.spec)), torch.from_numpy(engine.run(batch))


def _in_two(trunk: Trunk) -> list[nn.Module]:
    """What leads to the maps that the last block, which makes the features, sees; and that block."""
    *first, last = trunk.layers(None)
    return [nn.Sequential(*first).eval(), last.eval()]
