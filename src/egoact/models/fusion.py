"""Features of several stores in one model: early fusion, one head on all; late fusion, one head a store.

Between them stand the ways of Feichtenhofer, Pinz and Zisserman 2016 (arXiv:1604.06573) to make one feature of those at
the same place and time: sum, max, conv. Their concatenation is the early fusion.

    early   [A | B] ──► standardise ──► head ──► classifiers
    late     A ──► head ──► classifier ──► log-probabilities ──┐
             B ──► head ──► classifier ──► log-probabilities ──┴─► weighted mean

    sum     A + B          ──► head ──► classifiers      max likewise; conv: a learned mixture [A | B] ──► A's channels

Shapes: B clips, T frames, S stores, E embedding width, K classes.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from egoact.models.heads import Head
from egoact.models.heads.head import Standardize, without_absent

Mixture = Literal["sum", "max", "conv"]


class _FusedHead(Head):
    """One head on the channels of all stores, each channel standardised, and what becomes of them at each place."""

    def __init__(self, head: Head, standardize: Standardize | None, conv: nn.Linear | None = None) -> None:
        super().__init__()
        self.kind, self.width = head.kind, head.width
        self.queries, self.num_replicas = head.queries, head.num_replicas
        self.standardize, self.conv, self.head = standardize, conv, head

    def mix(self, standard: Tensor) -> Tensor:
        """Channels last: (B, T, ..., C + D + ...) -> what the head takes."""
        return standard if self.conv is None else self.conv(standard)

    def fuse(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """What the head is given: (B, T, C + D + ..., ...) -> (B, T, ..., ...)."""
        if self.standardize is None:
            return features
        last = features.ndim - 1  # counted from the front: the ONNX exporter takes -1 for a place of its own
        mixed = self.mix(self.standardize(features.movedim(2, last))).movedim(last, 2)
        return without_absent(mixed, mask)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        return self.head(self.fuse(features, mask), mask)


class EarlyFusion(_FusedHead):
    """One head on the channels of all stores, side by side.

    A head that standardises by itself is left to it; others, such as the report's, would listen most to the store
    with the largest numbers.
    """

    def __init__(self, head: Head, num_channels: int) -> None:
        standardizes = any(isinstance(module, Standardize) for module in head.modules())
        super().__init__(head, None if standardizes else Standardize(num_channels))


class MixedFusion(_FusedHead):
    """One head on a mixture of the stores: sum, max, or conv, a learned linear mixture of all channels at a place.

    The head takes features of as many channels as the first store has. A `ValueError` for stores of different channels
    for sum or max.
    """

    def __init__(self, head: Head, num_channels: Sequence[int], mixture: Mixture) -> None:
        if mixture != "conv" and len(set(num_channels)) > 1:
            counts = ", ".join(map(str, num_channels))
            raise ValueError(f"fusion {mixture} needs stores of the same number of channels, these have {counts}")
        total = sum(num_channels)
        super().__init__(head, Standardize(total), nn.Linear(total, num_channels[0]) if mixture == "conv" else None)
        self.num_channels, self.mixture = list(num_channels), mixture

    def mix(self, standard: Tensor) -> Tensor:  # noqa: D102
        if self.mixture == "conv":
            return super().mix(standard)
        parts = torch.stack(standard.split(self.num_channels, dim=standard.ndim - 1))
        return parts.sum(0) if self.mixture == "sum" else parts.amax(0)


class LateFusion(Head):
    """A head for each store, in the order of their channels; their embeddings side by side: (B, E + F + ...)."""

    def __init__(self, heads: Sequence[Head], num_channels: Sequence[int]) -> None:
        super().__init__()
        self.kind = heads[0].kind
        self.heads = nn.ModuleList(heads)
        self.num_channels = list(num_channels)
        self.widths = [head.width for head in heads]
        self.width = sum(self.widths)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:  # noqa: D102
        parts = features.split(self.num_channels, dim=2)
        return torch.cat([head(part, mask) for head, part in zip(self.heads, parts, strict=True)], 1)


class LateClassifier(nn.Module):
    """A linear classifier for each store; the mean of their log-probabilities, with learned weights that sum to 1."""

    def __init__(self, widths: Sequence[int], num_classes: int) -> None:
        super().__init__()
        self.widths = list(widths)
        self.parts = nn.ModuleList(nn.Linear(width, num_classes) for width in widths)
        self.weights = nn.Parameter(torch.zeros(len(self.widths)))

    def reset_parameters(self) -> None:
        """A new start, as of `torch.nn.Linear`."""
        for part in self.parts:
            part.reset_parameters()  # pyrefly: ignore[not-callable]
        nn.init.zeros_(self.weights)

    @torch.no_grad()
    def set_weights(self, shares: Sequence[float]) -> None:
        """What each store counts, together 1."""
        self.weights.copy_(torch.tensor(shares).clamp_min(1e-6).log())

    def forward(self, embedding: Tensor) -> Tensor:
        """(B, E + F + ...) -> (B, K)."""
        return self.fuse(self.apart(embedding))

    def apart(self, embedding: Tensor) -> list[Tensor]:
        """What each store says: S logits (B, K)."""
        parts = embedding.split(self.widths, dim=1)
        return [classify(part) for classify, part in zip(self.parts, parts, strict=True)]

    def fuse(self, logits: Sequence[Tensor]) -> Tensor:
        """S logits (B, K) -> weighted mean of their log-probabilities (B, K)."""
        said = torch.stack([each.log_softmax(1) for each in logits])
        return (self.weights.softmax(0).view(-1, 1, 1) * said).sum(0)

    def supervised(self, embedding: Tensor) -> list[Tensor]:
        """Everything that learns from the labels: each store for itself, and the weights from what they say.

        Trained through the mean alone the stores would lean on each other, and late fusion of linear models would be
        early fusion.
        """
        apart = self.apart(embedding)
        return [*apart, self.fuse([each.detach() for each in apart])]
