"""The report's ConvNet1D: stacked temporal convolutions with "valid" padding, 20 frames to 1."""

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
        previous = feature_shape[0]
        for _ in range(num_blocks):
            layers += [nn.Conv1d(previous, channels, 3), _batch_norm(channels)]
            layers += [nn.Conv1d(channels, channels, 3), _batch_norm(channels), nn.LeakyReLU(0.01)]
            previous = channels
        layers += [nn.Conv1d(channels, width, left), _batch_norm(width), nn.LeakyReLU(0.01)]
        self.layers = nn.Sequential(*layers)
        self.width = width

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        visible = features if mask is None else features * all_frames(features, mask)
        return self.layers(visible.transpose(1, 2)).flatten(1)


def _batch_norm(channels: int) -> nn.Module:
    # Keras averages over 100 batches (momentum 0.01 here): in a short training its statistics would never arrive.
    return BatchNorm(channels, eps=1e-3, momentum=0.1)
