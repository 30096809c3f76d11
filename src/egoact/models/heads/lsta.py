"""Long short-term attention: a ConvLSTM that looks where it matters, and whose output gate looks at what it remembers.

Source: Sudhakaran, Escalera and Lanz 2019, arXiv:1811.10698.
"""

import torch
from torch import Tensor, nn

from egoact.models.heads.convlstm import ConvLSTM
from egoact.models.heads.head import State, SteppingHead, last_valid


class LSTAHead(SteppingHead):
    """Attention pooling with tracked attention, a memory, and output pooling; the mean of the last memory.

        v = pool(x_t)                                   where things are: the map of the strongest of `num_maps` classes
        s_t = ConvLSTM(v, s_(t-1)), of one channel      tracked over time
        z = softmax over the map (v + s_t) x_t          what is looked at
        i, f = sigmoid(W * z + U * h_(t-1) + b)         g = tanh(W * z + U * h_(t-1) + b)
        c_t = f c_(t-1) + i g                           the memory
        o = sigmoid(V * (p c_t) + R * h_(t-1) + b)      p: the memory's strongest class, found with the mean of z
        h_t = o tanh(c_t)

    In the paper the classes of the first pooling are ImageNet's, and both poolings take the one strongest class. Here
    all are learned from nothing, so classes are mixed by a softmax: of an argmax no other class would ever learn.
    The softmax over the map is scaled by its number of cells: looking everywhere leaves x_t as it is. `kernels` are the
    channels of the memory, `num_maps` the classes of either pooling.
    """

    kind = "maps"

    def __init__(
        self, *, feature_shape: tuple[int, ...], num_frames: int, kernels: int = 64, num_maps: int = 16
    ) -> None:
        super().__init__()
        channels = feature_shape[0]
        self.where = nn.Linear(channels, num_maps, bias=False)
        self.track = ConvLSTM(1, 1)
        self.memory = nn.Conv2d(channels, 3 * kernels, 3, padding=1)
        self.recurrent = nn.Conv2d(kernels, 4 * kernels, 3, padding=1, bias=False)
        self.what = nn.Linear(kernels, num_maps, bias=False)
        self.couple = nn.Linear(channels, num_maps, bias=False)
        self.reveal = nn.Conv2d(kernels, kernels, 3, padding=1)
        for convolution in (self.memory, self.recurrent, self.reveal):
            nn.init.xavier_normal_(convolution.weight)
        for bias in (self.memory.bias, self.reveal.bias):
            nn.init.zeros_(bias)  # type: ignore[arg-type]
        self.map_size = (feature_shape[1], feature_shape[2])
        self.width = kernels

    def attend(self, features: Tensor) -> Tensor:
        """Where it looks: (B, T, C, h, w) -> (B, T, h, w), each frame summing to 1."""
        batch, num_frames = features.shape[:2]
        found = self._find(features.flatten(0, 1)).view(batch, num_frames, 1, *features.shape[-2:])
        return _softmax(found + self.track(found))[:, :, 0]

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        seen = _look(features, self.attend(features).unsqueeze(2))
        batch, num_frames = seen.shape[:2]
        gates = self.memory(seen.flatten(0, 1)).view(batch, num_frames, 3 * self.width, *seen.shape[-2:])
        hidden = cell = gates.new_zeros(batch, self.width, *gates.shape[-2:])
        cells = []
        for frame, gate in zip(seen.unbind(1), gates.unbind(1), strict=True):
            hidden, cell = self._remember(frame, gate, hidden, cell)
            cells.append(cell)
        return last_valid(torch.stack(cells, 1), mask).mean((2, 3))

    def initial_state(self, batch_size: int) -> State:  # noqa: D102
        zeros = self.memory.weight.new_zeros(batch_size, self.width, *self.map_size)
        return (*self.track.initial_state(batch_size, self.map_size), zeros, zeros)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: D102
        found = self._find(frame)
        track = self.track.step(self.track.convolve(found), *state[:2])
        seen = _look(frame, _softmax(found + track[0]))
        hidden, cell = self._remember(seen, self.memory(seen), *state[2:])
        return cell.mean((2, 3)), (*track, hidden, cell)

    def _find(self, maps: Tensor) -> Tensor:
        """Attention pooling: (B, C, h, w) -> (B, 1, h, w)."""
        share = self.where(maps.mean((2, 3))).softmax(1)
        return torch.einsum("bc,bchw->bhw", share @ self.where.weight, maps).unsqueeze(1)

    def _remember(self, seen: Tensor, convolved: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        *before, revealed = self.recurrent(hidden).chunk(4, 1)
        update, forget, candidate = (a + b for a, b in zip(convolved.chunk(3, 1), before, strict=True))
        cell = forget.sigmoid() * cell + update.sigmoid() * candidate.tanh()
        share = (self.what(cell.mean((2, 3))) + self.couple(seen.mean((2, 3)))).softmax(1)
        pooled = cell * (share @ self.what.weight)[:, :, None, None]
        return (self.reveal(pooled) + revealed).sigmoid() * cell.tanh(), cell


def _softmax(maps: Tensor) -> Tensor:
    """Over the cells of each map: (..., h, w)."""
    return maps.flatten(-2).softmax(-1).view_as(maps)


def _look(features: Tensor, attention: Tensor) -> Tensor:
    """(..., C, h, w), (..., 1, h, w) -> what is looked at; uniform attention leaves the features as they are."""
    return features * (attention * (attention.shape[-1] * attention.shape[-2]))
