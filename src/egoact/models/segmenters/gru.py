"""A recurrent network that reads a recording from both ends."""

from collections.abc import Sequence

from torch import Tensor, nn

from egoact.models.segmenters.segmenter import Segmenter


class GRUSegmenter(Segmenter):
    """Bidirectional gated recurrent units (Cho et al. 2014, arXiv:1406.1078), and a linear classifier of each step.

    `width` is units in each direction; dropout is of what enters and leaves them.
    """

    def __init__(
        self, num_features: int, sizes: Sequence[int], *, width: int = 64, layers: int = 1, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(num_features, width)
        self.recurrent = nn.GRU(width, width, layers, batch_first=True, bidirectional=True)
        self.leave = nn.Linear(2 * width, sum(sizes))
        self.dropout = nn.Dropout(dropout)
        self.reach = None

    def forward(self, features: Tensor, mask: Tensor) -> list[Tensor]:  # noqa: D102
        x = self.dropout(self.enter(features.transpose(1, 2)).relu())
        lengths = mask[:, 0].sum(1).long().clamp_min(1).cpu()
        # Packed, because the way back must begin where a recording ends, not where the longest of the batch does.
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        read, _ = nn.utils.rnn.pad_packed_sequence(
            self.recurrent(packed)[0], batch_first=True, total_length=features.shape[2]
        )
        return [self.leave(self.dropout(read)).transpose(1, 2)]
