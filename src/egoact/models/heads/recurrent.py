"""Recurrent heads over pooled features: the report's LSTM, and GRU.

Sources: Hochreiter and Schmidhuber 1997 (LSTM); Cho et al. 2014, arXiv:1406.1078 (GRU).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from egoact.models.heads.head import BatchNorm, Standardize, State, SteppingHead, last_valid


class LSTMHead(SteppingHead):
    """The report's LSTM: 50 units, one bias vector as in Keras, then batch normalisation of the last state.

        i, f, o = sigmoid(W x_t + U h_(t-1) + b)     g = tanh(W x_t + U h_(t-1) + b)
        c_t = f c_(t-1) + i g                        h_t = o tanh(c_t)

    On 1280 features the recurrent layer alone has 266,200 trainable parameters (Figure 8); with batch normalisation
    and a classifier for 13 verb categories, 266,963 (Table 1).
    """

    def __init__(self, *, feature_shape: tuple[int, ...], num_frames: int, width: int = 50) -> None:
        super().__init__()
        self.lstm = nn.LSTM(feature_shape[0], width, batch_first=True)
        weights = dict(self.lstm.named_parameters())
        # torch has two bias vectors that are only ever added; the second one stays zero and is not trained.
        nn.init.zeros_(weights["bias_hh_l0"]).requires_grad_(False)
        nn.init.zeros_(weights["bias_ih_l0"])
        weights["bias_ih_l0"].data[width : 2 * width] = 1.0  # the forget gate starts open, as in Keras
        nn.init.xavier_uniform_(weights["weight_ih_l0"])
        nn.init.orthogonal_(weights["weight_hh_l0"])
        self.norm = BatchNorm(width, eps=1e-3)
        self.width = width

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        return self.norm(last_valid(self._states(features), mask))

    def _states(self, features: Tensor) -> Tensor:
        is_fast = self.training and features.device.type == "cpu" and features.dtype == torch.float32
        if not is_fast or torch.is_autocast_enabled("cpu"):
            return self.lstm(features)[0]
        own, recurrent, bias, zeros = self.lstm.parameters()
        gates = nn.functional.linear(features, own, bias + zeros)
        states = _Recurrence.apply(gates.transpose(0, 1).contiguous(), recurrent)
        return states.transpose(0, 1)

    def initial_state(self, batch_size: int) -> State:  # noqa: D102
        zeros = self.norm.weight.new_zeros(1, batch_size, self.width)
        return zeros, zeros

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: D102
        hidden, state = self.lstm(frame.unsqueeze(1), state)
        return self.norm(hidden[:, 0]), state


class GRUHead(SteppingHead):
    """Standardised features, a linear projection, a GRU; the last state."""

    def __init__(self, *, feature_shape: tuple[int, ...], num_frames: int, width: int = 128) -> None:
        super().__init__()
        self.standardize = Standardize(feature_shape[0])
        self.project = nn.Linear(feature_shape[0], width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.width = width

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        states, _ = self.gru(self.project(self.standardize(features)))
        return last_valid(states, mask)

    def initial_state(self, batch_size: int) -> State:  # noqa: D102
        return (self.project.weight.new_zeros(1, batch_size, self.width),)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: D102
        hidden, after = self.gru(self.project(self.standardize(frame)).unsqueeze(1), state[0])
        return hidden[:, 0], (after,)


class _Recurrence(torch.autograd.Function):
    """Every state of an LSTM that begins at zero, (T, B, W): torch's numbers, on a CPU in three quarters of the time.

    It is given what features and biases add to the gates, (T, B, 4 W), and the weights from a state to the gates of the
    next frame, (4 W, W); gates are input, forget, cell, output. torch's own, by oneDNN, also computes the gradient of
    the features, which nobody asks for; it costs as much as that of the weights. Here features are multiplied by their
    weights outside, all frames in one product. By hand, because autograd would take a dozen nodes a frame.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor) -> Tensor:  # noqa: D102
        num_frames, size, width = *gates.shape[:2], weight.shape[1]
        open_ = gates.new_empty(num_frames, size, 4, width)
        bent = gates.new_empty(num_frames, size, width)  # tanh of the cells
        cells, states = gates.new_zeros(2, num_frames + 1, size, width)
        for t in range(num_frames):
            torch.addmm(gates[t], states[t], weight.T, out=open_[t].view(size, -1))
            i, f, g, o = open_[t].unbind(1)
            open_[t, :, :2].sigmoid_(), g.tanh_(), o.sigmoid_()
            torch.mul(f, cells[t], out=cells[t + 1]).addcmul_(i, g)
            torch.mul(o, torch.tanh(cells[t + 1], out=bent[t]), out=states[t + 1])
        ctx.save_for_backward(open_, bent, cells, states, weight)
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # pyrefly: ignore[bad-override]  # noqa: D102
        open_, bent, cells, states, weight = ctx.saved_tensors
        i, f, g, o = open_.unbind(2)
        # How the cell moves with what enters the first three gates, and the state with the last one and the cell.
        by_gate = torch.stack([g * i * (1 - i), cells[:-1] * f * (1 - f), i * (1 - g * g)], 2)
        by_output, by_cell = bent * o * (1 - o), o * (1 - bent * bent)
        found = torch.empty_like(open_)
        of_cell = torch.zeros_like(bent[0])
        for t in reversed(range(len(bent))):
            of_state = gradient[t]
            if t + 1 < len(bent):
                of_state = torch.addmm(of_state, found[t + 1].flatten(1), weight)
            of_cell.addcmul_(of_state, by_cell[t])
            torch.mul(of_cell[:, None], by_gate[t], out=found[t, :, :3])
            torch.mul(of_state, by_output[t], out=found[t, :, 3])
            of_cell.mul_(f[t])
        of_gates = found.flatten(2)
        return of_gates, of_gates[1:].flatten(0, 1).T @ states[1:-1].flatten(0, 1)
