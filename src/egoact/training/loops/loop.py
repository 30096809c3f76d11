"""The training loop: trainings that differ in nothing but their seed, side by side on the same clips.

Each is what it would be alone: it has its own initial weights, order of the clips, random numbers, best epoch and early
stopping. They share what costs most where clips are few: what is imported and read, and the embeddings of a head that
training does not change. Weights of all lie in one tensor a name, so that the optimiser steps once for all.

Where several processes share a training, each has this loop, with its share of the clips of every step and of the
validation; they take the same step, by the mean of their gradients. The first one writes.

Shapes: M trainings, B clips.
"""

import contextlib
import copy
import io
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from egoact.core.errors import ArtifactError
from egoact.core.files import write_atomically
from egoact.core.progress import Progress
from egoact.models.classifier import ActionClassifier
from egoact.training.adamw import AdamW
from egoact.training.history import MONITORED, write_history
from egoact.training.loops.clips import Clips, Part, shuffled
from egoact.training.loops.stack import Draws, Stack, clip_norms
from egoact.training.loops.steps import (
    Fitted,
    Losses,
    NotFiniteError,
    follow,
    rate_at,
    sum_of_losses,
    training_loss,
)
from egoact.training.machine import rank_and_size, share_gradients, sum_of_all
from egoact.training.recipes import Recipe

_SAVING_SHARE = 20  # a training is saved as often as takes a twentieth of its time


@dataclass
class Member:
    """One of the trainings, and how it stands; the seed is that of the order of the clips, dropout and mixup."""

    model: ActionClassifier
    seed: int
    run: Path  # where its curves go
    rows: list[dict[str, float]] = field(default_factory=list)
    best: float = -1.0
    num_waited: int = 0
    stopped: dict[str, Tensor] | None = None  # the weights to keep, once it has stopped early


class Loop:
    """Trains to the end; see `run`.

    Args:
        members: The trainings, with models of one shape that are on the device already.
        losses: Target -> loss, on the device.
        odds: Of each clip, for class-balanced sampling, or None.
        checkpoint: A file that a killed training goes on from.
        is_half: Matrix products in bfloat16.
    """

    def __init__(
        self,
        members: Sequence[Member],
        losses: Losses,
        recipe: Recipe,
        training: Clips,
        validation: Clips | None,
        *,
        odds: Any,
        checkpoint: Path,
        is_half: bool,
    ) -> None:
        self.members, self.losses, self.recipe = list(members), losses, recipe
        self.training, self.validation, self.odds = training, validation, odds
        self.checkpoint, self.is_half = checkpoint, is_half
        self._draws = Draws(training.device, is_alone=len(self.members) == 1)
        models = [member.model for member in self.members]
        self._averages = [copy.deepcopy(model).requires_grad_(False) for model in models] if recipe.ema else None
        self._weights = Stack(models)
        self._average = None if self._averages is None else Stack(self._averages)
        self._best = None if validation is None else {k: v.clone() for k, v in self._kept.tensors.items()}
        self._weights.begin_gradients()
        trained = self._weights.trained
        decayed, others = [each for each in trained if each.ndim > 2], [each for each in trained if each.ndim <= 2]
        self._optimizer = AdamW(decayed, others, weight_decay=recipe.weight_decay, is_fused=True)
        self._epoch = self._num_steps = 0
        self._rank, self._size = rank_and_size()
        for clips in (training, validation):
            if clips is not None and len(clips) < self._size:
                raise ValueError(f"{self._size} processes cannot share {len(clips)} clips; use fewer")

    @property
    def _kept(self) -> Stack:
        """The weights to validate and to keep: the moving average where there is one."""
        return self._average or self._weights

    def run(self, name: str, *, writers: Sequence[Any] = (), until: float = 1.0) -> list[Fitted]:
        """Train, going on from the checkpoint if there is one.

        After a share of `until` of the epochs it stops, and the checkpoint has how far they are. Writers are
        TensorBoard's, one for each training.

        Raises:
            NotFiniteError: A loss that is not finite.
            ArtifactError: A damaged checkpoint.
        """
        self._load()
        due, stop = time.monotonic(), math.ceil(until * self.recipe.epochs)
        progress = Progress(name, total=max(0, stop - self._epoch), unit="epochs")
        with contextlib.nullcontext() if self._rank else progress:
            while not self._is_over and self._epoch < stop:
                self._run_epoch(writers)
                if self._rank:
                    continue
                progress.advance(1, note=self._note())
                begun = time.monotonic()
                if self._is_over or self._epoch == stop or begun >= due:
                    self._save()
                    due = time.monotonic() + _SAVING_SHARE * (time.monotonic() - begun)
        return [self._fitted(number) for number in range(len(self.members))]

    @property
    def _is_over(self) -> bool:
        return self._epoch == self.recipe.epochs or all(member.stopped is not None for member in self.members)

    def _run_epoch(self, writers: Sequence[Any]) -> None:
        began = time.monotonic()
        losses = self._train()
        rate = self.recipe.learning_rate * rate_at(self.recipe, self._epoch + 1)
        measured = self._validate()
        seconds = round(time.monotonic() - began, 3)
        for number, member in enumerate(self.members):
            if member.stopped is not None:
                continue
            row = {"epoch": self._epoch, "train_loss": round(losses[number], 6)}
            row |= {key: round(value, 6) for key, value in measured[number].items()}
            member.rows.append(row | {"learning_rate": rate, "seconds": seconds})
            if not self._rank:
                write_history(member.run, member.rows)
            for key in row.keys() - {"epoch"} if writers else ():
                writers[number].add_scalar(key, row[key], self._epoch)
            self._judge(number, measured[number])
        self._epoch += 1

    def _judge(self, number: int, measured: dict[str, float]) -> None:
        """Keep the weights if they are the best so far; stop a training that has waited too long for better ones."""
        member = self.members[number]
        if self._best is None:
            return
        member.num_waited += 1
        if measured[MONITORED] > member.best:
            member.best, member.num_waited = measured[MONITORED], 0
            for name, whole in self._kept.tensors.items():
                self._best[name][number] = whole[number]
        if self.recipe.patience and member.num_waited >= self.recipe.patience:
            member.stopped = self._kept.state(number)

    def _train(self) -> list[float]:
        """One epoch; the mean loss of each."""
        parts, active = self._parts()
        told: list[list[Tensor]] = [[] for _ in self.members]
        clips = self.training.read([part for step in parts for part in step])
        self._draws.begin([(m.seed * 1_000_003 + self._epoch * 101 + self._rank) % 2**63 for m in self.members])
        for number in active:
            self.members[number].model.train()
        rate = self.recipe.learning_rate * rate_at(self.recipe, self._epoch)
        for step in parts:
            self._weights.zero_gradients()
            for number, (features, labels) in zip(active, clips, strict=False):
                with self._draws.of(number), self._autocast():
                    loss = self._loss(self.members[number].model, features, labels)
                if self._size == 1 and loss.device.type == "cpu" and not torch.isfinite(loss):
                    self._refuse_lost([(len(told[number]), loss.item(), step[active.index(number)])])
                loss.backward()
                told[number].append(loss.detach())
            share_gradients([whole.grad for whole in self._weights.trained if whole.grad is not None])
            if self.recipe.gradient_clip:
                clip_norms(self._weights.trained, self.recipe.gradient_clip)
            self._optimizer.step(rate)
            self._num_steps += 1
            if self._average is not None:
                new = self._weights.tensors.values()
                follow(self._average.tensors.values(), new, decay=self.recipe.ema, num_steps=self._num_steps)
        return [self._mean(number, told, parts, active) for number in range(len(self.members))]

    def _parts(self) -> tuple[list[list[Part]], list[int]]:
        """For each step a part of the clips for each training that goes on, and which these are."""
        active = [number for number, member in enumerate(self.members) if member.stopped is None]
        every = [
            shuffled(
                self.training.rows,
                batch_size=self.recipe.batch_size,
                seed=self.members[number].seed,
                epoch=self._epoch,
                weights=self.odds,
                rank=self._rank,
                num_processes=self._size,
            )
            for number in active
        ]
        return [list(step) for step in zip(*every, strict=True)], active

    def _loss(self, model: ActionClassifier, features: Tensor, labels: dict[str, Tensor]) -> Tensor:
        def supervised(features: Tensor) -> list[tuple[str, Tensor]]:
            if self.training.is_embedded:
                return model.supervise(model.dropout(features))
            return model.supervised(features)

        return training_loss(supervised, self.losses, features, labels, mixup=self.recipe.mixup)

    def _mean(self, number: int, told: list[list[Tensor]], parts: list[list[Part]], active: list[int]) -> float:
        if number not in active:
            return 0.0
        losses, place = torch.stack(told[number]).double().cpu(), active.index(number)
        lost = (~torch.isfinite(losses)).nonzero()[:1, 0].tolist()
        self._refuse_lost([(first, losses[first].item(), parts[first][place]) for first in lost])
        sizes = torch.tensor([len(step[place][0]) for step in parts], dtype=torch.float64)
        whole = sum_of_all(torch.stack([(losses * sizes).sum(), sizes.sum()]).to(self.training.device))
        return float(whole[0] / whole[1])

    def _refuse_lost(self, found: list[tuple[int, float, Part]]) -> None:
        """End with the first batch whose loss is not finite, of all processes: one alone would have the others wait."""
        if self._size > 1:
            every: list[Any] = [None] * self._size
            distributed.all_gather_object(every, found)
            found = [each for some in every for each in some]
        if found:
            batch, loss, (positions, _) = min(found, key=lambda each: each[0])
            reason = f"the loss became {loss} in epoch {self._epoch}, batch {batch}"
            raise NotFiniteError(reason, positions.tolist())

    @torch.no_grad()
    def _validate(self) -> list[dict[str, float]]:
        """Loss and top-1 accuracy, percent, of each training on all clips; of actions both must be right."""
        clips = self.validation
        if clips is None:
            return [{} for _ in self.members]
        models = [member.model for member in self.members] if self._averages is None else self._averages
        sums: list[dict[str, Tensor]] = [{} for _ in models]
        for features, labels in clips.read(clips.in_order(self._rank, self._size)):
            for model, found in zip(models, sums, strict=True):
                with self._autocast():
                    logits = model.eval().classify(features) if clips.is_embedded else model.eval()(features)
                    loss = sum_of_losses(self.losses, logits.items(), labels) * len(features)
                hits = {target: values.argmax(1) == labels[target] for target, values in logits.items()}
                both = torch.stack(list(hits.values())).all(0)
                found["validation_loss"] = found.get("validation_loss", 0.0) + loss.double()
                # With one target the last one is that target's accuracy, with two the action's: what is selected by.
                for key, right in [*((f"validation_{t}_top1", h) for t, h in hits.items()), (MONITORED, both)]:
                    found[key] = found.get(key, 0.0) + 100 * right.sum().double()
        totals = [sum_of_all(torch.stack(list(found.values()))).tolist() for found in sums]
        return [
            {key: total / len(clips) for key, total in zip(found, each, strict=True)}
            for found, each in zip(sums, totals, strict=True)
        ]

    def _autocast(self) -> Any:
        return torch.autocast(self.training.device.type, torch.bfloat16, enabled=self.is_half)

    def _note(self) -> str:
        rows = [member.rows[-1] for member in self.members]
        note = f"loss {sum(row['train_loss'] for row in rows) / len(rows):.3f}"
        scores = [row[MONITORED] for row in rows if MONITORED in row]
        return note + (f", validation top-1 {sum(scores) / len(scores):.1f} %" if scores else "")

    def _fitted(self, number: int) -> Fitted:
        member = self.members[number]
        last = _copy(member.model, member.stopped or self._kept.state(number))
        best = None if self._best is None else {name: whole[number] for name, whole in self._best.items()}
        return Fitted(last, None if best is None else _copy(member.model, best))

    def _save(self) -> None:
        state = {
            "seeds": [member.seed for member in self.members],
            "epoch": self._epoch,
            "num_steps": self._num_steps,
            "weights": self._weights.tensors,
            "average": self._average and self._average.tensors,
            "best": self._best,
            "optimizer": self._optimizer.state,
            "members": [[json.dumps(m.rows), m.best, m.num_waited, m.stopped] for m in self.members],
        }
        file = io.BytesIO()
        torch.save(state, file)
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.checkpoint, file.getvalue())

    def _load(self) -> None:
        if not self.checkpoint.exists():
            return
        try:
            state = torch.load(self.checkpoint, map_location=self.training.device, weights_only=True)
            if state["seeds"] != [member.seed for member in self.members]:
                return
            self._weights.load(state["weights"])
            if self._average is not None:
                self._average.load(state["average"])
            self._best, self._epoch, self._num_steps = state["best"], state["epoch"], state["num_steps"]
            self._optimizer.load(state["optimizer"])
            for member, (rows, *rest) in zip(self.members, state["members"], strict=True):
                member.rows = json.loads(rows)
                member.best, member.num_waited, member.stopped = rest
        except Exception as error:  # whatever unpickling raises
            reason = f"this checkpoint cannot be read ({error}); use --overwrite to start again"
            raise ArtifactError(reason, path=self.checkpoint) from error


def _copy(model: nn.Module, state: dict[str, Tensor]) -> Any:
    """A model of its own with this state, on the CPU."""
    copied = copy.deepcopy(model).cpu()
    copied.load_state_dict(state)
    return copied
