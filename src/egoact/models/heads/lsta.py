"""Long short-term attention: a ConvLSTM that looks where it matters, and pools its output with attention.

Source: Sudhakaran, Escalera and Lanz 2019, arXiv:1811.10698. The paper picks the class activation map of a
class-specific pooling layer; here the pooling has `num_maps` learned activation maps of which each frame takes the
strongest, tracked over time by a small ConvLSTM, and its output gate is modulated by a second pooling of the memory.
"""

from torch import Tensor, nn

from egoact.models.heads.convlstm import ConvLSTM
from egoact.models.heads.head import last_valid
from egoact.models.heads.stepping import State, SteppingHead


class _ActivationPooling(nn.Module):
    """The strongest of several learned activation maps: (B, C, h, w) -> (B, 1, h, w)."""

    def __init__(self, channels: int, num_maps: int) -> None:
        super().__init__()
        self.maps = nn.Conv2d(channels, num_maps, 1)

    def forward(self, x: Tensor) -> Tensor:
        activations = self.maps(x)
        choice = activations.mean(dim=(2, 3)).softmax(1)[:, :, None, None]  # soft, so that every map gets a gradient
        return (activations * choice).sum(1, keepdim=True)


class LSTAHead(SteppingHead):
    """Attention over the map at every frame, a ConvLSTM memory, attention pooling of its last state."""

    kind = "maps"

    def __init__(
        self, *, feature_shape: tuple[int, ...], num_frames: int, kernels: int = 64, num_maps: int = 16
    ) -> None:
        super().__init__()
        channels = feature_shape[0]
        self.where = _ActivationPooling(channels, num_maps)
        self.track = ConvLSTM(1, 1)
        self.memory = ConvLSTM(channels, kernels)
        self.reveal = _ActivationPooling(kernels, num_maps)
        self.map_size = (feature_shape[1], feature_shape[2])
        self.width = kernels

    def attend(self, features: Tensor) -> Tensor:
        """Where it looks: (B, T, C, h, w) -> (B, T, h, w), each frame summing to 1."""
        batch, num_frames = features.shape[:2]
        found = self.where(features.flatten(0, 1)).view(batch, num_frames, 1, *features.shape[-2:])
        tracked = found + self.track(found)
        return tracked.flatten(2).softmax(-1).view(batch, num_frames, *features.shape[-2:])

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        states = self.memory(_emphasize(features, self.attend(features).unsqueeze(2)))
        return self._embed(last_valid(states, mask))

    def initial_state(self, batch_size: int) -> State:  # noqa: D102
        track, memory = (part.initial_state(batch_size, self.map_size) for part in (self.track, self.memory))
        return (*track, *memory)

    def step(self, frame: Tensor, state: State) -> tuple[Tensor, State]:  # noqa: D102
        found = self.where(frame)
        track = self.track.step(self.track.convolve(found), *state[:2])
        attention = (found + track[0]).flatten(2).softmax(-1).view_as(found)
        memory = self.memory.step(self.memory.convolve(_emphasize(frame, attention)), *state[2:])
        return self._embed(memory[0]), (*track, *memory)

    def _embed(self, hidden: Tensor) -> Tensor:
        weights = self.reveal(hidden).flatten(2).softmax(-1)
        return (hidden.flatten(2) * weights).sum(-1)


def _emphasize(features: Tensor, attention: Tensor) -> Tensor:
    """A residual of 1: uniform attention, (..., 1, h, w), leaves the features as they are, scaled by 2."""
    num_cells = attention.shape[-1] * attention.shape[-2]
    return features * (1 + num_cells * attention)
