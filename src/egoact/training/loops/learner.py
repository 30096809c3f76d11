"""One step of training and validation in one of several processes, for Lightning's Trainer. Knows nothing about files.

A batch has `features` (B, T, ...), `labels` {target: (B,)} and `positions` (B,).
"""

import copy
import math
from functools import partial
from typing import Any

import lightning
import torch
from torch import Tensor, distributed, nn
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from egoact.models.classifier import ActionClassifier
from egoact.training.loops.fitted import NotFiniteError
from egoact.training.loops.steps import follow, rate_at, sum_of_losses, training_loss
from egoact.training.recipes import Recipe


class Learner(lightning.LightningModule):
    """Trains an `ActionClassifier`.

    Args:
        model: What is trained.
        losses: Target -> loss; the total is their sum, as in the report.
        recipe: Hyperparameters.
        seed: Of dropout and mixup; every epoch starts from (seed, epoch), so a resumed run equals an unbroken one.
    """

    def __init__(self, model: ActionClassifier, losses: dict[str, nn.Module], recipe: Recipe, *, seed: int) -> None:
        super().__init__()
        self.model = model
        self.losses = nn.ModuleDict(losses)
        self.recipe = recipe
        self.seed = seed
        self.average = copy.deepcopy(model).requires_grad_(False) if recipe.ema else None
        self.train_loss, self.valid_loss = MeanMetric(), MeanMetric(nan_strategy="disable")
        self.top1 = nn.ModuleDict(
            {target: MulticlassAccuracy(number, average="micro") for target, number in model.num_classes.items()}
        )
        self.both_right = MeanMetric()

    @property
    def kept(self) -> ActionClassifier:
        """The weights to validate and to keep: the moving average where there is one."""
        return self.model if self.average is None else self.average

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """(B, T, ...) -> logits a target."""
        return self.kept(features.float())

    def on_train_epoch_start(self) -> None:  # noqa: D102
        torch.manual_seed((self.seed * 1_000_003 + self.current_epoch * 101 + self.global_rank) % 2**63)

    def training_step(self, batch: Any, batch_index: int) -> Tensor:  # noqa: D102
        loss = training_loss(
            self.model.supervised, self.losses, batch.features.float(), batch.labels, mixup=self.recipe.mixup
        )
        self._refuse_infinite(loss.detach(), batch.positions, batch_index)
        self.train_loss.update(loss.detach(), weight=len(batch))
        return loss

    def _refuse_infinite(self, loss: Tensor, positions: Tensor, batch_index: int) -> None:
        """All processes stop together: one alone would leave the others waiting for it."""
        is_shared = distributed.is_available() and distributed.is_initialized()
        is_lost = ~torch.isfinite(loss)
        if is_shared:
            distributed.all_reduce(is_lost := is_lost.float(), op=distributed.ReduceOp.MAX)
        if not is_lost:
            return
        found = [(loss.item(), positions.tolist())]
        if is_shared:
            found = found * distributed.get_world_size()
            distributed.all_gather_object(found, (loss.item(), positions.tolist()))
        value, lost = next(part for part in found if not math.isfinite(part[0]))
        reason = f"the loss became {value} in epoch {self.current_epoch}, batch {batch_index}"
        raise NotFiniteError(reason, lost)

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        """Lightning's own refuses fused optimizers in mixed precision, for loss scalers' sake: there is none here."""
        if gradient_clip_val:
            nn.utils.clip_grad_norm_(self.model.parameters(), gradient_clip_val)

    def on_train_batch_end(self, *args: Any) -> None:  # noqa: D102
        if self.average is None:
            return
        new = self.model.state_dict().values()
        follow(self.average.state_dict().values(), new, recipe=self.recipe, num_steps=self.global_step)

    def on_train_epoch_end(self) -> None:  # noqa: D102
        # Metrics are of all processes already; `sync_dist` takes the mean of equal numbers and keeps Lightning calm.
        self.log("train_loss", self.train_loss.compute(), sync_dist=True)
        self.log("learning_rate", self.optimizers().param_groups[0]["lr"], sync_dist=True)  # type: ignore[union-attr]
        self.train_loss.reset()

    def validation_step(self, batch: Any, batch_index: int) -> None:  # noqa: D102
        logits = self(batch.features)
        # Once a clip: `weight=` is dropped where NaN is let through, github.com/Lightning-AI/torchmetrics/issues/3434.
        self.valid_loss.update(sum_of_losses(self.losses, logits.items(), batch.labels).expand(len(batch)))
        right = torch.ones(len(batch), dtype=torch.bool, device=self.device)
        for target, values in logits.items():
            self._top1_of(target).update(values, batch.labels[target])
            right &= values.argmax(1) == batch.labels[target]
        self.both_right.update(right.float())

    def on_validation_epoch_end(self) -> None:  # noqa: D102
        self.log("validation_loss", self.valid_loss.compute(), sync_dist=True)
        for target in self.top1:
            self.log(f"validation_{target}_top1", 100 * self._top1_of(target).compute(), sync_dist=True)
            self._top1_of(target).reset()
        # With one target this is that target's accuracy, with two the action's: what is selected by.
        self.log("validation_top1", 100 * self.both_right.compute(), sync_dist=True)
        self.valid_loss.reset()
        self.both_right.reset()

    def _top1_of(self, target: str) -> Any:
        return self.top1[target]

    def configure_optimizers(self) -> Any:  # noqa: D102
        trained = [p for p in self.model.parameters() if p.requires_grad]
        weights, others = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
        groups = [
            {"params": weights, "weight_decay": self.recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.recipe.learning_rate, fused=True)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(rate_at, self.recipe))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}
