"""A short training on windows of recordings; arrays in, a model out. Seconds, so it needs no checkpoints.

Shapes: N clips, T frames.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from egoact.models.classifier import ActionClassifier
from egoact.models.recipes import Recipe


class Clips(Protocol):
    """Clips by number, each in as many variants as there are epochs."""

    def gather(self, rows: np.ndarray, *, views: int | np.ndarray) -> np.ndarray:
        """Features, float16 (N, T, ...)."""


def learn_windows(
    model: ActionClassifier,
    clips: Clips,
    labels: Mapping[str, np.ndarray],
    *,
    recipe: Recipe,
    seed: int,
    most_steps: int = 6000,
) -> ActionClassifier:
    """Train on every clip once an epoch, in another variant each time, with AdamW and a cosine schedule.

    Of a recipe it takes epochs, batch size, learning rate, weight decay, label smoothing and gradient clipping.

    Args:
        model: Not trained yet.
        clips: What to train on.
        labels: Target -> int64 (N,).
        recipe: Hyperparameters.
        seed: Of the order, and of dropout.
        most_steps: Fewer epochs, where they would be more steps than this.

    Returns:
        The model, in eval mode.
    """
    num_clips = len(next(iter(labels.values())))
    num_batches = -(-num_clips // recipe.batch_size)
    num_epochs = max(1, min(recipe.epochs, most_steps // num_batches))
    model.observe(
        torch.from_numpy(clips.gather(np.arange(first, min(first + 256, num_clips)), views=0)).float()
        for first in range(0, min(num_clips, 16 * 256), 256)
    )
    weights = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_epochs * num_batches)
    generator = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model.train()
    for epoch in range(num_epochs):
        order = generator.permutation(num_clips)
        for rows in np.array_split(order, num_batches):
            logits = model(torch.from_numpy(clips.gather(rows, views=epoch)).float())
            loss = torch.stack(
                [
                    functional.cross_entropy(
                        values, torch.from_numpy(labels[target][rows]), label_smoothing=recipe.label_smoothing
                    )
                    for target, values in logits.items()
                ]
            ).sum()
            optimizer.zero_grad()
            loss.backward()
            if recipe.gradient_clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.gradient_clip)
            optimizer.step()
            schedule.step()
    return model.eval()
