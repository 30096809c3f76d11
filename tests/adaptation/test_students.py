"""A student starts as near to its teacher as its last layer can be, whatever the number of features."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from egoact.adaptation.compression import start_student
from egoact.adaptation.distillation import normalise
from egoact.adaptation.refitting import fit_projection
from egoact.models.backbones.own_files import OwnFile, write_own_file
from egoact.models.backbones.registry import assemble, load_backbone, load_trunk
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.backbones.trunks import Trunk, project, sequential_trunk
from tests.makers.machines.places import need

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = 64


@dataclass
class Asked:
    """An engine that asks the teacher itself."""

    module: nn.Module
    spec: BackboneSpec

    def run(self, frames: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self.module(normalise(frames, self.spec)).numpy()


def make_teacher(*, stride: int) -> tuple[Trunk, BackboneSpec]:
    """One convolution gives 12 features."""
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(3, 12, stride, stride=stride), nn.ReLU())
    half = (0.5, 0.5, 0.5)
    trunk = sequential_trunk([block], nn.Identity(), mean=half, std=half, model=nn.Sequential(block))
    return trunk, assemble("teacher", trunk, cut=None, size=SIZE, kind="pooled").spec


def pictures(number: int = 40) -> np.ndarray:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (number, 2, 2, 3), np.uint8)
    return coarse.repeat(SIZE // 2, axis=1).repeat(SIZE // 2, axis=2)


def test_a_linear_map_between_features_is_found() -> None:
    torch.manual_seed(0)
    wanted, maps = nn.Conv2d(6, 9, 1), torch.randn(40, 6, 4, 4)
    with torch.no_grad():
        found = fit_projection((part, wanted(part)) for part in maps.split(16))
        assert (found(maps) - wanted(maps)).square().mean() < 1e-3 * wanted(maps).var()


def test_a_student_with_other_features_says_most_of_what_its_teacher_does() -> None:
    teacher, spec = make_teacher(stride=32)
    engine = Asked(nn.Sequential(*teacher.layers(None)), spec)
    trunk, student = start_student("efficientnet_lite0", teacher, spec, pictures(), lambda: engine)  # type: ignore[arg-type]
    wanted = engine.run(pictures())
    with torch.no_grad():
        found = student.maps(normalise(pictures(), student.spec)).numpy()
    assert found.shape == wanted.shape == (40, 12, 2, 2)
    assert np.square(found - wanted).sum() < 0.5 * np.square(wanted - wanted.mean((0, 2, 3), keepdims=True)).sum()
    assert assemble("efficientnet_lite0", trunk, cut=None, size=SIZE, kind="pooled").spec.feature_shape == (12,)


def test_a_student_with_other_cells_is_refused() -> None:
    teacher, spec = make_teacher(stride=16)
    with pytest.raises(ValueError, match=r"maps of shape \(1280, 2, 2\), the run's backbone \(12, 4, 4\)"):
        start_student("efficientnet_lite0", teacher, spec, pictures(), lambda: Asked(nn.Identity(), spec))  # type: ignore[arg-type]


def test_the_convolution_of_a_student_with_as_many_features_is_refitted() -> None:
    need("mobilenet_v2")
    teacher = load_trunk("efficientnet_lite0", weights=None, size=SIZE)
    spec = load_backbone("efficientnet_lite0", size=SIZE).spec
    engine = Asked(nn.Sequential(*teacher.layers(None)).eval(), spec)
    _, student = start_student("mobilenet_v2", teacher, spec, pictures(), lambda: engine)  # type: ignore[arg-type]
    untaught = nn.Sequential(*load_trunk("mobilenet_v2", weights=None, size=SIZE).layers(None)).eval()
    wanted = torch.from_numpy(engine.run(pictures()))
    with torch.no_grad():
        left, before = (
            (maps(normalise(pictures(), student.spec)) - wanted).square().sum() for maps in (student.maps, untaught)
        )
    assert left < 0.5 * (wanted - wanted.mean(dim=(0, 2, 3), keepdim=True)).square().sum() < before


def test_a_file_keeps_the_linear_map(tmp_path: Path) -> None:
    torch.manual_seed(1)
    trunk = project(load_trunk("tiny-random", weights=None, size=SIZE), nn.Conv2d(32, 20, 1))
    path = tmp_path / "student.safetensors"
    write_own_file(path, trunk.model, OwnFile("tiny-random", SIZE, "test"), described={})
    for kind, shape in (("pooled", (20,)), ("maps", (20, 4, 4))):
        ours = assemble("tiny-random", trunk, cut=None, size=SIZE, kind=kind)  # type: ignore[arg-type]
        read = load_backbone("tiny-random", weights=path, kind=kind)  # type: ignore[arg-type]
        assert read.spec == ours.spec
        assert read.spec.feature_shape == shape
