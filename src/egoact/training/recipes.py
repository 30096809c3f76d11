"""How to train: named sets of hyperparameters, as plain Python."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

MOST_CLIPS_OF_RIDGE = 10_000  # it holds their products, one with each other, in memory
_LARGEST_BATCH, _LEAST_STEPS = 512, 16  # of a GPU; steps an epoch
LOSSES = ("cross_entropy", "focal", "balanced_softmax", "logit_adjustment")


@dataclass(frozen=True)
class Recipe:
    """Everything about the optimisation; `egoact train` has a flag of the same name for each field."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    dropout: float = 0.5
    solver: Literal["adamw", "ridge"] = "adamw"
    """adamw: gradients; ridge: in closed form, where the head has no parameters."""
    schedule: Literal["constant", "step", "cosine"] = "constant"
    """step: x0.2 from epoch 35 on, every 20; cosine: down to 0 at the last epoch."""
    loss: Literal["cross_entropy", "focal", "balanced_softmax", "logit_adjustment"] = "cross_entropy"
    class_weights: Literal["none", "inverse", "square_root", "effective_number"] = "none"
    class_balanced_sampling: bool = False
    retrain_epochs: int = 0
    """Epochs of classifier re-training (cRT) that follow, on a frozen head; 0: none."""
    temperature: float = 1.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    """Alpha of the Beta distribution by which clips of a batch are mixed; 0: none."""
    gradient_clip: float = 0.0
    """Largest norm of the gradient; 0: no clipping."""
    patience: int = 0
    """Epochs without a better validation score before training stops; 0: never."""
    ema: float = 0.0
    """Decay of an exponential moving average of the weights, which is then what is kept; 0: none."""

    def __post_init__(self) -> None:
        for field in fields(self):
            allowed = get_args(field.type)  # empty unless a Literal
            if allowed and getattr(self, field.name) not in allowed:
                raise ValueError(f"{field.name} must be one of {', '.join(allowed)}, got {getattr(self, field.name)!r}")
        for name, least in (("epochs", 1), ("batch_size", 1), ("patience", 0), ("retrain_epochs", 0)):
            if type(getattr(self, name)) is not int:
                raise ValueError(f"{name} must be a whole number, got {getattr(self, name)!r}")
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")
        for name in ("dropout", "label_smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        for name in ("weight_decay", "mixup", "gradient_clip", "temperature"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        needs = ("loss", "class_weights", "class_balanced_sampling", "retrain_epochs", "mixup", "patience", "ema")
        for name in needs if self.solver == "ridge" else ():
            if getattr(self, name) != getattr(type(self), name):
                raise ValueError(f"{name} needs the solver adamw: ridge has neither epochs nor another loss")


RECIPES: dict[str, Recipe] = {
    # Few, well-regularised steps: found by cross-validation inside training videos, see docs/LOG.md.
    "default": Recipe(
        epochs=60,
        batch_size=32,
        learning_rate=1e-3,
        weight_decay=0.05,
        dropout=0.5,
        schedule="cosine",
        label_smoothing=0.1,
        gradient_clip=5.0,
    ),
    # In closed form, in seconds; epochs and rates are not looked at.
    "ridge": Recipe(epochs=1, batch_size=32, learning_rate=1e-3, dropout=0.0, solver="ridge"),
    # Section 2.4 of the report: Adam 1e-3, x0.2 from epoch 35 every 20, dropout 0.5, batches of 32, early stopping.
    # AdamW without weight decay is Adam; the report's code had L2 terms that never reached the loss, so: none.
    "report": Recipe(epochs=100, batch_size=32, learning_rate=1e-3, schedule="step", patience=20),
}


def choose_recipe(name: str, **changes: Any) -> Recipe:
    """A recipe by name, with the changes that are not None.

    Raises:
        ValueError: Unknown name or field, or an impossible value.
    """
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; there are {', '.join(RECIPES)}")
    known = {field.name: getattr(RECIPES[name], field.name) for field in fields(Recipe)}
    unknown = sorted(changes.keys() - known.keys())
    if unknown:
        raise ValueError(f"a recipe has no field {unknown[0]!r}")
    return Recipe(**(known | {key: value for key, value in changes.items() if value is not None}))


def with_larger_batches(recipe: Recipe, *, num_clips: int) -> Recipe:
    """The same for a GPU, which takes as long for hundreds of clips as for a few; as it is where clips are few.

    The learning rate grows by the square root. An epoch keeps as many steps as make the same of the weights: with 526
    clips batches of 512, two steps an epoch, are clearly worse (`docs/LOG.md`).

    Source: On the SDEs and Scaling Rules for Adaptive Gradient Algorithms, Malladi et al. 2022, arXiv:2205.10287.
    """
    factor = 1
    while (larger := 2 * factor * recipe.batch_size) <= _LARGEST_BATCH and larger * _LEAST_STEPS <= num_clips:
        factor *= 2
    rate = recipe.learning_rate * factor**0.5
    return replace(recipe, batch_size=factor * recipe.batch_size, learning_rate=rate)
