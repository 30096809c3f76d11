"""A run's backbone made smaller without labels: pruned, refitted in closed form, then taught by what it was."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from egoact.adaptation.distillation import DistillRecipe, Network, distill, maps_spec, normalise
from egoact.adaptation.hidden import Surgery, count_multiply_adds, find_hidden
from egoact.adaptation.importance import choose_channels, measure_importance
from egoact.adaptation.refitting import refit_blocks
from egoact.adaptation.students import start_student
from egoact.core.progress import Progress, working
from egoact.engines import Engine, load_engine
from egoact.models.backbones.registry import Backbone, load_trunk
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.backbones.trunks import Trunk

_ONE_IN = 16  # pictures is kept to measure with
_NUM_TO_JUDGE, _NUM_TO_REFIT = 64, 512  # pictures
_BATCH = 8


@dataclass(frozen=True)
class Compressed:
    """What came of it.

    Args:
        trunk: The student.
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
    taught, kept = _split(pictures)
    before = _multiply_adds(theirs)
    engine = load_engine(Backbone(maps_spec(theirs), theirs.maps), precision="f32", device="cpu")
    if student_name is None:
        trunk = load_trunk(spec.name, weights=weights, size=size)
        _prune(trunk, teacher, spec, taught, keep=keep, seed=recipe.seed)
        ours = Network(nn.Sequential(*trunk.layers(spec.cut)).eval(), spec)
    else:
        with working(f"compress: how {student_name} can say the same"):
            trunk, ours = start_student(student_name, teacher, spec, _spread(taught, _NUM_TO_REFIT), engine)
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
        some = _spread(pictures, _NUM_TO_JUDGE)
        batches = [normalise(some[i : i + _BATCH], spec) for i in range(0, len(some), _BATCH)]
        pooled = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        importance = measure_importance(pooled, hidden, batches, seed=seed)
    total = sum(count_multiply_adds(blocks, size=size).values())
    chosen = choose_channels(hidden, importance, total=total, keep=keep)
    surgery = Surgery(nn.Sequential(*blocks), size=size)
    for each, channels in zip(hidden, chosen, strict=True):
        surgery.remove(each.last, sorted(set(range(each.num_channels)) - set(channels.tolist())))
    trunk.model.requires_grad_(False)
    frames = normalise(_spread(pictures, _NUM_TO_REFIT), spec).half()
    with Progress("refit", total=len(blocks), unit="blocks") as progress:
        refit_blocks(full, blocks, {each.number: each.last for each in hidden}, frames, advance=progress.advance)


def _split(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those that teach, which stay on disk, and those that measure: the last ones, of the last recording."""
    count = max(1, len(pictures) // _ONE_IN)
    return pictures[:-count], pictures[-count:]


def _spread(pictures: np.ndarray, count: int) -> np.ndarray:
    return pictures[np.unique(np.linspace(0, len(pictures) - 1, min(count, len(pictures))).astype(int))]


def _multiply_adds(network: Network) -> int:
    return sum(count_multiply_adds([network.maps], size=network.spec.input_size[0]).values())


def _explained(student: Network, teacher: Engine, pictures: np.ndarray) -> float:
    """Share of the variance of pooled features, mean over those that vary."""
    found, wanted = [], []
    for start in range(0, len(pictures), _BATCH):
        batch = np.ascontiguousarray(pictures[start : start + _BATCH])
        wanted.append(teacher.run(batch).mean(axis=(2, 3)))
        with torch.no_grad():
            found.append(student.maps(normalise(batch, student.spec)).mean(dim=(2, 3)).numpy())
    expected, said = np.concatenate(wanted), np.concatenate(found)
    return float(1 - np.square(said - expected).sum() / np.square(expected - expected.mean(0)).sum())
