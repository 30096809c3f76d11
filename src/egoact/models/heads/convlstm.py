"""The report's ConvLSTM: an LSTM whose products are convolutions, over maps; and one that looks where it matters.

Source: Shi et al. 2015, arXiv:1506.04214 (without peepholes, as in Keras and the report's Appendix B).
"""

import torch
from torch import Tensor, nn

from egoact.models.heads.head import State, SteppingHead, last_valid


class ConvLSTM(nn.Module):
    """One ConvLSTM layer: (B, T, C, h, w) -> states (B, T, K, h', w').

        i, f, o = sigmoid(W * x_t + U * h_(t-1) + b)     g = tanh(W * x_t + U * h_(t-1) + b)
        c_t = f c_(t-1) + i g                            h_t = o tanh(c_t)

    Both convolutions have kernels of `kernel_size` cells; `stride` and `padding`, "same" or "valid", are those of the
    input (W), while the recurrent one (U) keeps the size.
    """

    def __init__(
        self, channels: int, kernels: int, *, kernel_size: int = 3, stride: int = 1, padding: str = "same"
    ) -> None:
        super().__init__()
        if padding not in ("same", "valid"):
            raise ValueError(f"padding must be 'same' or 'valid', got {padding!r}")
        self.kernels, self.kernel_size, self.stride, self.padding = kernels, kernel_size, stride, padding
        self.input = nn.Conv2d(channels, 4 * kernels, kernel_size, stride=stride)
        self.recurrent = nn.Conv2d(kernels, 4 * kernels, kernel_size, bias=False)
        nn.init.xavier_uniform_(self.input.weight)
        nn.init.orthogonal_(self.recurrent.weight)
        nn.init.zeros_(self.input.bias)  # pyrefly: ignore[bad-argument-type]
        self.input.bias.data[kernels : 2 * kernels] = 1.0  # pyrefly: ignore[missing-attribute]

    def forward(self, maps: Tensor) -> Tensor:  # noqa: D102
        batch, num_frames = maps.shape[:2]
        inputs = self.convolve(maps.flatten(0, 1))
        inputs = inputs.view(batch, num_frames, *inputs.shape[1:])
        hidden = cell = inputs.new_zeros(batch, self.kernels, *inputs.shape[-2:])
        states = []
        for frame in inputs.unbind(1):  # indexing them one by one would cost a whole gradient of zeros for each
            hidden, cell = self.step(frame, hidden, cell)
            states.append(hidden)
        return torch.stack(states, 1)

    def convolve(self, maps: Tensor) -> Tensor:
        """The part that knows no time: (B, C, h, w) -> (B, 4 K, h', w')."""
        if self.padding == "same":
            maps = _pad_same(maps, self.kernel_size, self.stride)
        return self.input(maps)

    def initial_state(self, batch_size: int, size: tuple[int, int]) -> State:
        """Hidden and cell state before the first of some maps of (h, w)."""
        lost = 0 if self.padding == "same" else self.kernel_size - 1
        height, width = (-(-(pixels - lost) // self.stride) for pixels in size)
        zeros = self.input.weight.new_zeros(batch_size, self.kernels, height, width)
        return zeros, zeros

    def step(self, convolved: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One time step from an already convolved input (B, 4 K, h', w'): new hidden and cell state."""
        gates = convolved + self.recurrent(_pad_same(hidden, self.kernel_size, 1))
        update, forget, candidate, reveal = gates.chunk(4, 1)
        cell = forget.sigmoid() * cell + update.sigmoid() * candidate.tanh()
        return reveal.sigmoid() * cell.tanh(), cell


class ConvLSTMHead(SteppingHead):
    """ConvLSTM, global average pooling of the last state, and a hidden layer of `width` units unless that is None.

    Table 1 of the report: MobileNetV2 cut after block 12, 64 kernels 3 x 3, width 1000, 13 verb categories:
    446,909 trainable parameters. Its text: 8 kernels 4 x 4 with stride 4 on 1280 x 8 x 8.
    """

    kind = "maps"

    def __init__(
        self,
        *,
        feature_shape: tuple[int, ...],
        num_frames: int,
        kernels: int = 64,
        kernel_size: int = 3,
        stride: int = 1,
        padding: str = "same",
        width: int | None = 1000,
    ) -> None:
        super().__init__()
        if padding == "valid" and kernel_size > min(feature_shape[1:]):
            raise ValueError(f"kernel_size {kernel_size} does not fit maps of shape {feature_shape} with valid padding")
        self.convlstm = ConvLSTM(feature_shape[0], kernels, kernel_size=kernel_size, stride=stride, padding=padding)
        self.map_size = (feature_shape[1], feature_shape[2])
        self.hidden = None if width is None else nn.Linear(kernels, width)
        self.width = width or kernels

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        return self._embed(last_valid(self.convlstm(features), mask))

    def initial_state(self, batch_size: int) -> State:  # noqa: D102
        return self.convlstm.initial_state(batch_size, self.map_size)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: D102
        state = self.convlstm.step(self.convlstm.convolve(frame), *state)
        return self._embed(state[0]), state

    def _embed(self, hidden: Tensor) -> Tensor:
        pooled = hidden.mean(dim=(2, 3))
        return pooled if self.hidden is None else self.hidden(pooled)


def _pad_same(images: Tensor, kernel_size: int, stride: int) -> Tensor:
    """Zeros around, one more at right and bottom when the number is odd, as TensorFlow and Keras do."""
    padding: list[int] = []
    for size in (images.shape[-1], images.shape[-2]):
        total = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
        padding += [total // 2, total - total // 2]
    return nn.functional.pad(images, padding)


class LSTAHead(SteppingHead):
    """Long short-term attention: a ConvLSTM that looks where it matters; the mean of the last memory.

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

    Source: Sudhakaran, Escalera and Lanz 2019, arXiv:1811.10698.
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
            nn.init.zeros_(bias)  # pyrefly: ignore[bad-argument-type]
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
