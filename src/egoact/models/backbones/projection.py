"""A linear map at the end of a backbone, to as many features as another one gives: what a student of it needs."""

from dataclasses import replace

from torch import nn

from egoact.models.backbones.own_files import PROJECTION
from egoact.models.backbones.trunks import SpatialMean, Trunk


def project(trunk: Trunk, projection: nn.Conv2d) -> Trunk:
    """The trunk with a 1 x 1 convolution after its maps; its model holds it from now on."""
    trunk.model.add_module(PROJECTION, projection)

    def layers(cut: int | None) -> list[nn.Module]:
        found = trunk.layers(cut)
        return found if cut is not None else [*found[:-1], nn.Sequential(found[-1], projection)]

    return replace(trunk, layers=layers, whole=layers(None), pool=SpatialMean())


def with_own_projection(trunk: Trunk) -> Trunk:
    """The trunk with the projection that its model was read with, if there is one."""
    found = getattr(trunk.model, PROJECTION, None)
    return project(trunk, found) if isinstance(found, nn.Conv2d) else trunk
