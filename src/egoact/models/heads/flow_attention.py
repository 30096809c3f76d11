"""Motion says where to look: every cell of the picture's maps is weighed by the flow at the same place and time.

A road of the report ("Deep Learning for egocentric vision"); attention over cells as in Sharma, Kiros and Salakhutdinov
2015, arXiv:1511.04119, with the flow in place of the recurrent state. Shapes are those of `head`; F channels of flow.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from egoact.models.heads.consensus import AverageHead
from egoact.models.heads.difference import DifferenceHead
from egoact.models.heads.head import Head, Standardize
from egoact.models.heads.recurrent import GRUHead, LSTMHead

TEMPORAL: Mapping[str, type[Head]] = {
    "average": AverageHead,
    "difference": DifferenceHead,
    "gru": GRUHead,
    "lstm": LSTMHead,
}


class FlowAttentionHead(Head):
    """The picture's maps, averaged over the cells by weights that flow and picture give, then a temporal head.

        picture (C, h, w) ──┬───────────────► weighted mean (C,) ──► temporal head
        flow    (F, h, w) ──┴► gate ► softmax ──┘

    It takes both maps as channels side by side, the flow's last. The gate sees standardised channels, and starts near
    zero, which weighs all cells nearly the same. `flow_channels` is F, by default half of all; `gate`, its units.
    """

    kind = "maps"

    def __init__(
        self,
        *,
        feature_shape: tuple[int, ...],
        num_frames: int,
        flow_channels: int | None = None,
        gate: int = 32,
        temporal: str = "difference",
    ) -> None:
        super().__init__()
        channels = feature_shape[0]
        if flow_channels is None and channels % 2:
            raise ValueError(f"of {channels} channels half cannot be the flow's: give flow_channels")
        flow = channels // 2 if flow_channels is None else flow_channels
        if flow >= channels:
            raise ValueError(f"flow_channels {flow} leaves none of {channels} channels to the picture")
        if temporal not in TEMPORAL:
            raise ValueError(f"temporal must be one of {', '.join(TEMPORAL)}, got {temporal!r}")
        self.num_picture = channels - flow
        self.standardize = Standardize(channels)
        self.gate = nn.Sequential(nn.Conv2d(channels, gate, 1), nn.ReLU(), nn.Conv2d(gate, 1, 1))
        nn.init.normal_(self.gate[2].weight, std=1e-3)  # pyrefly: ignore[bad-argument-type]
        nn.init.zeros_(self.gate[2].bias)  # pyrefly: ignore[bad-argument-type]
        self.temporal = TEMPORAL[temporal](feature_shape=(self.num_picture,), num_frames=num_frames)
        self.width = self.temporal.width

    def attend(self, features: Tensor) -> Tensor:
        """Where it looks: (B, T, C + F, h, w) -> (B, T, h, w), each frame summing to 1."""
        standard = self.standardize(features.flatten(0, 1).movedim(1, 3)).movedim(3, 1)
        weight = self.gate(standard).flatten(1).softmax(1)
        return weight.view(*features.shape[:2], *features.shape[3:])

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        weight = self.attend(features).unsqueeze(2)
        seen = (features[:, :, : self.num_picture] * weight).sum((3, 4))
        return self.temporal(seen, mask)
