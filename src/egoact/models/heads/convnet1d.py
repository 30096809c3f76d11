"""The report's ConvNet1D: stacked temporal convolutions with "valid" padding, 20 frames to 1."""

import torch
from torch import Tensor, nn

from egoact.models.heads.head import BatchNorm, Head, all_frames


class ConvNet1DHead(Head):
    """Four blocks of two k3 convolutions, then one that spans what is left: 20 -> 16 -> 12 -> 8 -> 4 -> 1.

        [conv k3, BN, conv k3, BN, LeakyReLU] x 4   conv k(T-16) -> 100, BN, LeakyReLU

    With 1280 features, 20 frames and classifiers for 97 verbs and 300 nouns it has 85,137 trainable parameters, as
    in the report's Table 1. Frames that are not there are zero.
    """

    def __init__(
        self,
        *,
        feature_shape: tuple[int, ...],
        num_frames: int,
        channels: int = 10,
        width: int = 100,
        num_blocks: int = 4,
    ) -> None:
        super().__init__()
        left = num_frames - 4 * num_blocks
        if left < 1:
            raise ValueError(f"convnet1d needs at least {4 * num_blocks + 1} frames, got {num_frames}")
        layers: list[nn.Module] = []
        for number in range(num_blocks):
            first = nn.Conv1d(channels, channels, 3) if number else FrameConv(feature_shape[0], channels, 3)
            layers += [first, _batch_norm(channels)]
            layers += [nn.Conv1d(channels, channels, 3), _batch_norm(channels), nn.LeakyReLU(0.01)]
        layers += [nn.Conv1d(channels, width, left), _batch_norm(width), nn.LeakyReLU(0.01)]
        self.layers = nn.Sequential(*layers)
        self.width = width

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        visible = features if mask is None else features * all_frames(features, mask)
        return self.layers(visible).flatten(1)


class FrameConv(nn.Conv1d):
    """A convolution over frames that takes features as they are stored: (B, T, D) -> (B, C, T - k + 1).

    One product of all frames with all k taps, then k shifted sums: no transposed copy of the features, and half the
    time of a convolution from many channels to few.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: D102
        if torch.jit.is_tracing():  # an export: of a single clip OpenVINO 2026.4 mixes up the axes of the sums below
            return super().forward(input.transpose(1, 2))
        num_taps, length = self.kernel_size[0], input.shape[1] - self.kernel_size[0] + 1
        assert self.bias is not None
        taps = self.weight.permute(2, 0, 1).flatten(0, 1)
        products = nn.functional.linear(taps, input.flatten(0, 1)).view(num_taps, self.out_channels, *input.shape[:2])
        shifted = [products[tap, ..., tap : tap + length] for tap in range(num_taps)]
        return (torch.stack(shifted).sum(0).transpose(0, 1) + self.bias.unsqueeze(1)).contiguous()


def _batch_norm(channels: int) -> nn.Module:
    # Keras averages over 100 batches (momentum 0.01 here): in a short training its statistics would never arrive.
    return BatchNorm(channels, eps=1e-3, momentum=0.1)
