"""What engines run: a backbone's module with its own normalisation in front, as torch."""

import torch
from torch import Tensor, nn

from egoact.models.backbones.registry import Backbone


def frame_model(backbone: Backbone) -> "FrameModel":
    """A backbone's module with its own normalisation in front, in eval mode."""
    spec = backbone.spec
    window = () if spec.window is None else (spec.window.num_pictures,)
    return FrameModel(backbone.module, mean=spec.mean, std=spec.std, window=window).eval()


class FrameModel(nn.Module):
    """A module with its normalisation in front: uint8 (B, H, W, 3) in, float32 features out.

    Of a video encoder, whose windows have `window` pictures: uint8 (B, N, H, W, 3) in, float32 rows (B, T, D) out.
    """

    scale: Tensor
    shift: Tensor

    def __init__(
        self, module: nn.Module, *, mean: tuple[float, ...], std: tuple[float, ...], window: tuple[int, ...] = ()
    ) -> None:
        super().__init__()
        self.module, self.window = module, window
        scale = torch.tensor([1 / (255 * s) for s in std])
        shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)])
        self.register_buffer("scale", scale.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift", shift.view(1, -1, 1, 1), persistent=False)

    @property
    def num_channels(self) -> int:
        """Of its frames: 3, or those of a stack."""
        return self.scale.shape[1]

    def forward(self, frames: Tensor) -> Tensor:  # noqa: D102
        numbers = frames.to(self.scale.dtype)  # TensorRT takes bytes if they are converted first
        images = numbers.permute(0, 1, 4, 2, 3) if self.window else numbers.permute(0, 3, 1, 2)
        return self.module(images * self.scale + self.shift).float()
