"""Recurrent heads over pooled features: the report's LSTM, and GRU.

Sources: Hochreiter and Schmidhuber 1997 (LSTM); Cho et al. 2014, arXiv:1406.1078 (GRU).
"""

import torch
from torch import Tensor, nn

from egoact.models.heads.head import BatchNorm, Standardize, State, SteppingHead, last_valid
from egoact.models.heads.recurrence import lstm_states


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
            states: Tensor = self.lstm(features)[0]
            return states
        own, recurrent, bias, zeros = self.lstm.parameters()
        gates = nn.functional.linear(features, own, bias + zeros)
        return lstm_states(gates.transpose(0, 1).contiguous(), recurrent).transpose(0, 1)

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
