"""How a training ends: with models, or with a loss that is no number."""

from dataclasses import dataclass

from egoact.models.classifier import ActionClassifier


class NotFiniteError(ValueError):
    """The loss became NaN or infinite; `positions` are the clips of that batch."""

    def __init__(self, reason: str, positions: list[int]) -> None:
        super().__init__(reason)
        self.positions = positions


@dataclass(frozen=True)
class Fitted:
    """What a training ends with, on the CPU.

    Args:
        last: The model after the last epoch.
        best: The model of the epoch with the best validation score; None without validation.
    """

    last: ActionClassifier
    best: ActionClassifier | None

    @property
    def models(self) -> dict[str, ActionClassifier]:
        """By name: best and last, or only."""
        return {"only": self.last} if self.best is None else {"best": self.best, "last": self.last}
