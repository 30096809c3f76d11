"""Detectors: networks that propose where actions begin and end, beside segmenters, which score every step.

A pyramid over time says at each of its points the class and both ends of an action.

    steps      . . . . . . . . . . . . . . . .     level 0, stride 1
                 .       .       .       .         level 2, stride 4
                     |<-- left --.---- right ---->|

Shapes: B recordings in a batch, F steps, D channels of all streams, C narrow features, P points of a level, K classes
of a target.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from egoact.core.bounds import MOST_LAYERS, MOST_WIDTH, check_whole
from egoact.core.timelines.proposals import Proposals
from egoact.models.names import DETECTOR
from egoact.models.segmenters import SEGMENTERS
from egoact.models.segmenters.asformer import attend
from egoact.models.segmenters.model import Ensemble, NarrowInput

TRAINABLE = (*SEGMENTERS, DETECTOR)  # all that finds actions in recordings
MOST_PROPOSALS = 2000  # of a target in a recording
_LEAST = 1e-3  # score of a proposal, and share of a step


@dataclass(frozen=True, eq=False)
class Level:
    """What a level of the pyramid says, whose points are `stride` steps apart, the first one at the first step.

    Args:
        stride: Steps.
        mask: Where there are points, float (B, P).
        logits: Of each target, (B, K, P), each class by itself (sigmoid).
        reaches: Of each target, (B, 2, P): steps from a point back to the beginning and on to the end of its action.
    """

    stride: int
    mask: Tensor
    logits: list[Tensor]
    reaches: list[Tensor]


class Detector(nn.Module):
    """ActionFormer (Zhang et al. 2022, arXiv:2202.07925), small, with a branch of its own for verbs and for nouns.

    Blocks of local attention and a convolution, of `width` channels; from level to level every second point is kept,
    and each attends to the `window` points before and after it. The branches are the same at all levels, but for how
    long an action is expected to be; there is no output for background, though `sizes` count it.
    """

    def __init__(
        self,
        num_features: int,
        sizes: Sequence[int],
        *,
        width: int = 64,
        levels: int = 6,
        window: int = 8,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout1d(dropout)
        self.enter = _Convolutions(num_features, width, width)
        self.blocks = nn.ModuleList(_Block(width, window, dropout) for _ in range(levels))
        self.shrink = nn.ModuleList(nn.Conv1d(width, width, 3, stride=2, padding=1) for _ in range(levels - 1))
        self.classify = nn.ModuleList(_Convolutions(width, width, width, size - 1) for size in sizes)
        self.regress = nn.ModuleList(_Convolutions(width, width, width, 2) for _ in sizes)
        self.scales = nn.Parameter(torch.ones(len(sizes), levels))
        for branch in self.classify:  # nothing is likely before something is learned (RetinaNet, arXiv:1708.02002)
            nn.init.constant_(branch.layers[-1].bias, -4.0)  # pyrefly: ignore[bad-index, missing-attribute]

    def forward(self, features: Tensor, mask: Tensor) -> list[Level]:
        """All levels, the finest first: features (B, C, F), mask float (B, 1, F), 1 where a step is there."""
        x = self.enter(self.dropout(features), mask)
        found = []
        for number, block in enumerate(self.blocks):
            if number:
                mask = mask[:, :, ::2]
                x = self.shrink[number - 1](x) * mask
            x = block(x, mask)
            stride = 2**number
            reaches = [
                nn.functional.softplus(regress(x, mask) * scale) * stride
                for regress, scale in zip(self.regress, self.scales[:, number], strict=True)
            ]
            found.append(Level(stride, mask[:, 0], [classify(x, mask) for classify in self.classify], reaches))
        return found


class _Block(nn.Module):
    def __init__(self, width: int, window: int, dropout: float) -> None:
        super().__init__()
        self.window = window
        self.norm, self.norm_after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix = nn.Conv1d(width, width, 3, padding=1, groups=width)
        self.query, self.key, self.value, self.leave = (nn.Linear(width, width) for _ in range(4))
        self.dense = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        there = mask.transpose(1, 2)
        normal = self.mix((self.norm(x) * there).transpose(1, 2)).transpose(1, 2)
        seen = attend(self.query(normal), self.key(normal), self.value(normal), mask[:, 0], window=self.window)
        x = x + self.leave(seen)
        x = x + self.dense(self.norm_after(x))
        return (x * there).transpose(1, 2)


class _Convolutions(nn.Module):
    """Convolutions over 3 points with ReLUs between them; nothing comes from where there are no points."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(*pair, 3, padding=1) for pair in pairwise(widths))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for number, layer in enumerate(self.layers):
            x = layer(x.relu() if number else x) * mask
        return x


class DetectorModel(Ensemble):
    """Detectors whose probabilities and ends are averaged point by point."""

    reach = None  # what it says of a step depends on all of the recording

    @torch.inference_mode()
    def propose(self, features: Any) -> list[Proposals]:
        """Where actions of each target may be, the most probable first; features are as of `narrow_recording`."""
        x = self.narrow_recording(features)
        said = [member(x, torch.ones_like(x[:, :1])) for member in self.members]
        return [self._of_target(said, target, len(features)) for target in range(len(self.sizes))]

    def _of_target(self, said: list[list[Any]], target: int, num_steps: int) -> Proposals:
        found = []
        for same in zip(*said, strict=True):  # a level, by all members
            shares = torch.stack([level.logits[target][0].sigmoid() for level in same]).mean(0)
            left, right = torch.stack([level.reaches[target][0] for level in same]).mean(0)
            points = torch.arange(shares.shape[1]) * same[0].stride + 0.5  # the middle of a step
            of_class, point = torch.nonzero(shares > _LEAST, as_tuple=True)
            both = torch.stack([points - left, points + right], 1).clamp(0, num_steps)
            found.append((both[point].double(), of_class, shares[of_class, point].double()))
        ends, kinds, sure = (torch.cat(part) for part in zip(*found, strict=True))
        is_long = ends[:, 1] - ends[:, 0] > _LEAST
        order = torch.argsort(torch.where(is_long, sure, -1.0), descending=True, stable=True)
        order = order[: min(int(is_long.sum()), MOST_PROPOSALS)]
        return Proposals(ends[order].numpy(), kinds[order].numpy(), sure[order].numpy())

    def score(self, features: Any) -> npt.NDArray[np.float32]:
        """Log-probabilities of every step as a segmenter has them, (F, K).

        Of a class the surest proposal that holds the step, of background what the surest class leaves. The focal loss
        makes a detector say too little of what it is sure of; the square root makes up for that.
        """
        columns = []
        for proposals, size in zip(self.propose(features), self.sizes, strict=True):
            shares = np.full((len(features), size), _LEAST)
            edges = np.rint(proposals.spans).astype(np.int64)
            for (start, stop), kind, sure in zip(edges, proposals.classes, np.sqrt(proposals.scores), strict=True):
                held = shares[start : max(stop, start + 1), kind]
                np.maximum(held, sure, out=held)
            shares[:, -1] = np.maximum(1 - shares[:, :-1].max(1, initial=0.0), _LEAST)
            columns.append(np.log(shares / shares.sum(1, keepdims=True)))
        return np.concatenate(columns, axis=1).astype(np.float32)

    def initial_state(self, batch_size: int) -> Any:
        """A detector has none: a `ValueError`."""
        raise ValueError("a detector looks into the future, and cannot answer while things happen")

    def step(self, features: Tensor, states: Any) -> tuple[Tensor, Any]:
        """As `initial_state`."""
        return self.initial_state(len(features)), states


def build_detector(
    *, num_channels: Sequence[int], sizes: Sequence[int], components: int, members: int, options: dict[str, Any]
) -> DetectorModel:
    """A detector, untrained; arguments as of `segmenters.build_model`, options as of `Detector`.

    A `ValueError` for unknown options, or impossible values.
    """
    most = {"width": MOST_WIDTH, "levels": MOST_LAYERS, "window": MOST_WIDTH}
    for option, value in options.items():
        if option in most:
            check_whole(f"the detector's {option}", value, most=most[option])
        elif option != "dropout":
            raise ValueError(f"the detector has no option {option!r}; there are width, levels, window and dropout")
        elif not 0 <= value < 1:
            raise ValueError(f"the detector's dropout must be from 0 to below 1, got {value!r}")
    narrow = NarrowInput(num_channels, [components] * len(num_channels))
    return DetectorModel(narrow, [Detector(narrow.num_features, sizes, **options) for _ in range(members)], sizes)
