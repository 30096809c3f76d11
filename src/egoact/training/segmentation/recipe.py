"""How to train a segmenter that is a network: its hyperparameters, as plain Python."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class SegmenterRecipe:
    """Hyperparameters of segmenters; `egoact train-timeline` has a flag of the same name for each.

    Args:
        updates: Steps of the optimiser.
        batch_size: Recordings in a batch.
        learning_rate: Of AdamW at the start; falls to 0 along a cosine.
        weight_decay: Decoupled, as in AdamW.
        smoothing: Weight of the truncated squared jumps of log-probabilities (MS-TCN, arXiv:1903.01945).
        label_smoothing: Share of the target that is spread over all classes.
        warp: Recordings are stretched by a random factor of 1 / warp to warp.
        input_dropout: Share of the narrow features that are left out of a recording.
        noise: Standard deviation of what is added to the narrow features, whose mean square is 1.
        ema: Decay of the moving average of the weights, which is what is kept; 0: none.
        most_steps: Longer recordings are cut, at another place each time.

    Raises:
        ValueError: Impossible values.
    """

    updates: int = 240
    batch_size: int = 4
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    smoothing: float = 0.15
    label_smoothing: float = 0.0
    warp: float = 1.25
    input_dropout: float = 0.0
    noise: float = 0.0
    ema: float = 0.0
    most_steps: int = 1500

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is int and (type(value) is not int or value < 1):
                raise ValueError(f"{field.name} must be a whole number of at least 1, got {value!r}")
            if field.type is float and not 0 <= value < float("inf"):
                raise ValueError(f"{field.name} must be a number that is not negative, got {value!r}")
        if self.warp < 1:
            raise ValueError(f"warp must be at least 1, got {self.warp}")
        for name in ("label_smoothing", "input_dropout", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
