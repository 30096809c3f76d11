"""A run's backbone made smaller without labels: pruned, refitted in closed form, then taught by what it was.

A student that is another backbone begins at the nearest that it can say in closed form.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from egoact.adaptation.channels import Surgery, choose_channels, count_multiply_adds, find_hidden, measure_importance
from egoact.adaptation.distillation import DistillRecipe, Network, distill, maps_spec, normalise, spread_out
from egoact.adaptation.refitting import fit_projection, refit_blocks
from egoact.core.progress import Progress, working
from egoact.engines.interface import Engine
from egoact.engines.loading import load_engine
from egoact.models.backbones.registry import Backbone, load_trunk
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.backbones.trunks import Trunk, project

_ONE_IN = 16  # pictures is kept to measure with
_NUM_TO_JUDGE, _NUM_TO_REFIT = 64, 512  # pictures
_BATCH = 8


@dataclass(frozen=True)
class Compressed:
    """The student, and what came of it.

    Args:
        spec: Of the teacher, with the student's name and preprocessing.
        multiply_adds: Of the teacher, and of the student, a frame.
        explained: Share of the variance of features that the student explains on pictures that taught it nothing:
            before it was taught, and after.
    """

    trunk: Trunk
    spec: BackboneSpec
    multiply_adds: tuple[int, int]
    explained: tuple[float, float]


def compress(
    spec: BackboneSpec,
    weights: Path | None,
    pictures: np.ndarray,
    *,
    keep: float,
    student_name: str | None,
    recipe: DistillRecipe,
) -> Compressed:
    """Make a backbone smaller, or teach another one to say what it says.

    Args:
        spec: Of the backbone, as a run has it.
        weights: File of its weights; None: the published ones.
        pictures: uint8 (N, H, W, 3), without labels; one in 16 teaches nothing, and measures.
        keep: Share of multiply-adds that may be left.
        student_name: Another backbone to be taught instead of the pruned one.
        recipe: Of the teaching.

    Raises:
        ArtifactError: Weights or a library that are missing, or a training that fails.
        ValueError: A backbone that cannot be pruned, or so far, or a student whose maps have other cells.
    """
    size = spec.input_size[0]
    teacher = load_trunk(spec.name, weights=weights, size=size)
    theirs = Network(nn.Sequential(*teacher.layers(spec.cut)).eval().requires_grad_(False), spec)
    num_kept = max(1, len(pictures) // _ONE_IN)
    taught, kept = pictures[:-num_kept], pictures[-num_kept:]  # those of the last recording measure
    before = _multiply_adds(theirs)

    @cache
    def load() -> Engine:
        """When it is known that there will be a student: to make it takes seconds."""
        return load_engine(Backbone(maps_spec(theirs), theirs.maps), precision="f32", device="cpu")

    if student_name is None:
        trunk = load_trunk(spec.name, weights=weights, size=size)
        _prune(trunk, teacher, spec, taught, keep=keep, seed=recipe.seed)
        ours = Network(nn.Sequential(*trunk.layers(spec.cut)).eval(), spec)
    else:
        with working(f"compress: how {student_name} can say the same"):
            trunk, ours = start_student(student_name, teacher, spec, spread_out(taught, _NUM_TO_REFIT), load)
    engine = load()
    scores = [_explained(ours, engine, kept)]
    with Progress("distil", total=recipe.epochs * len(taught), unit="pictures") as progress:
        distill(ours, engine, taught, recipe, advance=lambda number, note: progress.advance(number, note=note))
    scores.append(_explained(ours, engine, kept))
    return Compressed(trunk, ours.spec, (before, _multiply_adds(ours)), (scores[0], scores[1]))


def _prune(trunk: Trunk, teacher: Trunk, spec: BackboneSpec, pictures: np.ndarray, *, keep: float, seed: int) -> None:
    """Leave a copy of the teacher fewer channels inside of its blocks, and refit it."""
    if not teacher.is_sequence:
        raise ValueError(f"{spec.name} is not made of blocks in a row, and cannot be pruned; see --distill-into")
    size = spec.input_size[0]
    full, blocks = teacher.layers(spec.cut), trunk.layers(spec.cut)
    with working("compress: which channels the features need least"):
        hidden = find_hidden(blocks, size=size)
        some = spread_out(pictures, _NUM_TO_JUDGE)
        batches = [normalise(some[i : i + _BATCH], spec) for i in range(0, len(some), _BATCH)]
        pooled = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        importance = measure_importance(pooled, hidden, batches, seed=seed)
    total = sum(count_multiply_adds(blocks, size=size).values())
    chosen = choose_channels(hidden, importance, total=total, keep=keep)
    surgery = Surgery(nn.Sequential(*blocks), size=size)
    for each, channels in zip(hidden, chosen, strict=True):
        surgery.remove(each.last, sorted(set(range(each.num_channels)) - set(channels.tolist())))
    trunk.model.requires_grad_(False)
    frames = normalise(spread_out(pictures, _NUM_TO_REFIT), spec).half()
    with Progress("refit", total=len(blocks), unit="blocks") as progress:
        refit_blocks(full, blocks, {each.number: each.last for each in hidden}, frames, advance=progress.advance)


def start_student(
    name: str, teacher: Trunk, spec: BackboneSpec, pictures: np.ndarray, load: Callable[[], Engine]
) -> tuple[Trunk, Network]:
    """A published backbone whose maps have the teacher's shape, and are as near to the teacher's as its last layer can.

    With as many features as the teacher, the convolution that makes them is refitted; with others, a linear map to the
    teacher's is put behind them.

    The spec is the teacher's, as a run has it; `load` brings an engine that gives the teacher's maps of pictures, uint8
    (N, H, W, 3).

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
        trunk = project(trunk, fit_projection(_pairs(student, load(), pictures)))
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


def _multiply_adds(network: Network) -> int:
    return sum(count_multiply_adds([network.maps], size=network.spec.input_size[0]).values())


def _explained(student: Network, teacher: Engine, pictures: np.ndarray) -> float:
    """Share of the variance of pooled features, mean over those that vary."""
    pairs = [
        (said.mean(dim=(2, 3)).numpy(), maps.numpy().mean(axis=(2, 3)))
        for said, maps in _pairs(student, teacher, pictures)
    ]
    said, expected = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return float(1 - np.square(said - expected).sum() / np.square(expected - expected.mean(0)).sum())
