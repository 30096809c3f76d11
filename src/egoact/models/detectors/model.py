"""A detector with its input: features of a recording in, proposals of actions out, or scores of every step.

Shapes: F steps, D channels of all streams, C narrow features, N proposals, K outputs of all targets.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from egoact.core.bounds import MOST_LAYERS, MOST_WIDTH, check_whole
from egoact.core.timelines.proposals import Proposals
from egoact.models.detectors.detector import Detector
from egoact.models.segmenters.model import Ensemble, NarrowInput

MOST_PROPOSALS = 2000  # of a target in a recording
_LEAST = 1e-3  # score of a proposal, and share of a step


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

    Raises:
        ValueError: Unknown options, or impossible values.
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
