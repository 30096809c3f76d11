"""What engines run: a backbone's module with its own normalisation in front, as torch."""

import torch
from torch import Tensor, nn

from egoact.models.backbones.registry import Backbone


def frame_model(backbone: Backbone) -> "FrameModel":
    """A backbone's module with its own normalisation in front, in eval mode."""
    if backbone.spec.window is not None:
        model = WindowModel(backbone.module, mean=backbone.spec.mean, std=backbone.spec.std)
        model.window = (backbone.spec.window.num_pictures,)
        return model.eval()
    return FrameModel(backbone.module, mean=backbone.spec.mean, std=backbone.spec.std).eval()


class FrameModel(nn.Module):
    """A module with its normalisation in front: uint8 (B, H, W, 3) in, float32 features out."""

    scale: Tensor
    shift: Tensor
    window: tuple[int, ...] = ()  # pictures of a window; of single frames none

    def __init__(self, module: nn.Module, *, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.module = module
        scale = torch.tensor([1 / (255 * s) for s in std])
        shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)])
        self.register_buffer("scale", scale.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(1, -1, 1, 1), persistent=False)

    @property
    def num_channels(self) -> int:
        """Of its frames: 3, or those of a stack."""
        return self.scale.shape[1]

    def forward(self, frames: Tensor) -> Tensor:  # noqa: D102
        images = frames.to(self.scale.dtype).permute(0, 3, 1, 2)  # TensorRT takes bytes if they are converted first
        return self.module(images * self.scale + self.shift).float()


class WindowModel(FrameModel):
    """The same for a video encoder: uint8 (B, N, H, W, 3) in, float32 rows (B, T, D) out."""

    def forward(self, frames: Tensor) -> Tensor:  # noqa: D102
        images = frames.to(self.scale.dtype).permute(0, 1, 4, 2, 3)
        return self.module(images * self.scale + self.shift).float()
