"""What is traced into graphs, with the inputs and outputs that `runs/exported.py` and `exported_segmenter.py` name."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from egoact.models.classifier import ActionClassifier
from egoact.models.segmenters import DenseModel, RecordingModel


class WindowModel(nn.Module):
    """A classifier that gives probabilities, in the order of its targets: (B, T, ...) -> (B, classes) each."""

    def __init__(self, classifier: ActionClassifier, targets: Sequence[str]) -> None:
        super().__init__()
        self.classifier = classifier
        self.targets = tuple(targets)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:  # noqa: D102
        logits = self.classifier(features)
        return tuple(logits[target].softmax(-1) for target in self.targets)


class SequenceModel(nn.Module):
    """What a model says of all steps of a recording: (1, F, D) -> (1, F, classes + 1) of each target."""

    def __init__(self, model: RecordingModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:  # noqa: D102
        is_dense = isinstance(self.model, DenseModel)
        said = self.model(features).transpose(1, 2) if is_dense else self.model(features[0])[None]
        return tuple(said.split(self.model.sizes, dim=2))


class StepModel(nn.Module):
    """A step of a model: features (B, D) and its state in; (B, classes + 1) of each target, and the state, out."""

    def __init__(self, model: RecordingModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, *state: Tensor) -> tuple[Tensor, ...]:  # noqa: D102
        said, later = self.model.step(features, self._nested(state))
        return (*said.split(self.model.sizes, dim=1), *flat(later))

    def _nested(self, state: Sequence[Tensor]) -> Any:
        if not isinstance(self.model, DenseModel):
            return tuple(state)
        each = len(state) // len(self.model.members)
        return tuple(tuple(state[i : i + each]) for i in range(0, len(state), each))


def flat(state: Sequence[Any]) -> list[Tensor]:
    """The tensors of a state, of all members one after the other."""
    return [tensor for part in state for tensor in ((part,) if isinstance(part, Tensor) else part)]
