"""The last blocks of a run's backbone learn together with its head, from labelled clips.

    maps (B * T, C, h, w) ──► last blocks ──► pooled (B, T, D) ──► head ──► classifiers

Batch norm keeps its statistics: a batch holds few recordings, and looks like none of the others. Of stacks the first
one may follow them, since nothing that the network has seen looked like these ("partial batch norm").
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from egoact.adaptation.clip_inputs import ClipInputs
from egoact.core.errors import ArtifactError
from egoact.core.files import write_atomically
from egoact.models.classifier import ActionClassifier
from egoact.training.machine import rank_and_size, share_gradients, sum_of_all

CHECKPOINT_NAME = "checkpoint.pt"
_LEAST_SIZE = 1e-3  # of a tensor of zeros, too


@dataclass(frozen=True)
class FinetuneRecipe:
    """Hyperparameters.

    Args:
        batch_size: Clips of a step, in each of the processes that share it.
        clips_at_once: Of these, in memory; gradients are added up.
        learning_rate: Of head and classifiers, at the start: about which share of a tensor's size a step changes. It
            falls to zero by half a cosine.
        decay: Each block's learning rate is so many times that of what follows it.
    """

    epochs: int = 8
    batch_size: int = 8
    clips_at_once: int = 2
    learning_rate: float = 3e-3
    decay: float = 0.5
    weight_decay: float = 0.05
    seed: int = 0


class TrainedPart(nn.Module):
    """The last blocks, pooling, and what a run has learned.

    Args:
        follows: The statistics of the first batch norm are those of the batches.
        recomputes: What is inside of blocks is computed again on the way back instead of being kept: less memory for
            about a third more time (Chen et al. 2016, arXiv:1604.06174).
    """

    def __init__(
        self,
        blocks: list[nn.Module],
        pool: nn.Module,
        classifier: ActionClassifier,
        *,
        follows: bool = False,
        recomputes: bool = False,
    ) -> None:
        super().__init__()
        self.recomputes = recomputes
        self.blocks, self.pool, self.classifier = nn.ModuleList(blocks), pool, classifier
        norms = [module for module in self.blocks.modules() if isinstance(module, nn.BatchNorm2d)]
        self._following = norms[:1] if follows else []  # whose statistics do

    def train(self, mode: bool = True) -> "TrainedPart":
        """Only what follows the backbone has dropout to switch on."""
        super().train(mode)
        self.blocks.eval()
        self.pool.eval()
        for norm in self._following:
            norm.train(mode)
        return self

    def forward(self, maps: Tensor, num_frames: int) -> list[tuple[str, Tensor]]:
        """Maps (B * T, C, h, w) -> everything a loss is put on, (target, logits)."""
        for number, block in enumerate(self.blocks):
            # The first block may count statistics, and must see every batch once.
            if self.recomputes and torch.is_grad_enabled() and (number or not self._following):
                maps = checkpoint(block, maps, use_reentrant=False)
            else:
                maps = block(maps)
        features = self.pool(maps).float()
        return self.classifier.supervised(features.unflatten(0, (-1, num_frames)))


@dataclass(frozen=True, eq=False)
class LabelledClips:
    """What is learned from.

    Args:
        rows: int64 (N, V, T), frames of each view.
        labels: Classifier -> class of each segment, int64 (N,).
        mirrored_labels: The same of its mirror image; -1 where there is no such class.
    """

    rows: np.ndarray
    labels: Mapping[str, np.ndarray]
    mirrored_labels: Mapping[str, np.ndarray]


def finetune(
    part: TrainedPart,
    losses: Mapping[str, nn.Module],
    clips: LabelledClips,
    inputs: ClipInputs,
    recipe: FinetuneRecipe,
    *,
    is_mirrored: bool,
    folder: Path,
    advance: Callable[[int, str], None] = lambda _, __: None,
) -> None:
    """Train in place, going on after the last epoch that was finished where a training was killed.

    Where `is_mirrored`, half of the clips are mirrored, with left and right exchanged in their labels, where that is
    known. The checkpoint of an epoch goes into `folder`. `advance` is told of clips that are done, and of the loss, in
    the first of several processes.

    Raises:
        ArtifactError: A loss that is not finite, or a checkpoint of another training.
    """
    device = next(part.parameters()).device
    optimizer = torch.optim.AdamW(_groups(part, recipe), weight_decay=recipe.weight_decay)
    rank, size = rank_and_size()
    num_together = recipe.batch_size * size
    steps = recipe.epochs * -(-len(clips.rows) // num_together)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    state = {"part": part, "optimizer": optimizer, "schedule": schedule}
    facts = f"{recipe}, {len(part.blocks)} blocks, {len(clips.rows)} clips, mirrored: {is_mirrored}, {size} processes"
    first = _resume(folder / CHECKPOINT_NAME, state, facts, device)
    tell = (lambda _, __: None) if rank else advance
    tell(first * len(clips.rows), "")
    part.train()
    for epoch in range(first, recipe.epochs):
        random = np.random.default_rng((recipe.seed, epoch))
        torch.manual_seed((recipe.seed * 1_000_003 + epoch) * size + rank)
        order = random.permutation(len(clips.rows))
        for start in range(0, len(order), num_together):
            chosen = order[start : start + num_together]
            loss = _accumulate(part, losses, clips, inputs, chosen, recipe, random if is_mirrored else None)
            if not np.isfinite(loss):
                raise ArtifactError("the loss is not finite; use a smaller --learning-rate", path=folder)
            nn.utils.clip_grad_norm_(part.parameters(), 5.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            tell(len(chosen), f"loss {loss:.2f}")
        if not rank:
            _save(folder / CHECKPOINT_NAME, state, facts, epoch + 1)
    part.eval()


def _accumulate(
    part: TrainedPart,
    losses: Mapping[str, nn.Module],
    clips: LabelledClips,
    inputs: ClipInputs,
    chosen: np.ndarray,
    recipe: FinetuneRecipe,
    mirroring: np.random.Generator | None,
) -> float:
    """Gradients of a step, a few clips at a time; gives the mean loss."""
    device = next(part.parameters()).device
    views = np.random.default_rng(int(chosen.sum()) + recipe.seed).integers(clips.rows.shape[1], size=len(chosen))
    turned = np.zeros(len(chosen), dtype=bool)
    if mirroring is not None:
        known = np.all([values[chosen] >= 0 for values in clips.mirrored_labels.values()], axis=0)
        turned = (mirroring.random(len(chosen)) < 0.5) & known
    rank, size = rank_and_size()
    own = np.arange(rank, len(chosen), size)
    weight = float(size * bool(len(own))) / len(chosen)  # times size, because gradients become the mean of processes
    own = own if len(own) else np.array([0])  # the others wait for its gradients, zeros
    total = 0.0
    for start in range(0, len(own), recipe.clips_at_once):
        some = own[start : start + recipe.clips_at_once]
        rows, mirrored = clips.rows[chosen[some], views[some]], turned[some]
        labels = {t: torch.from_numpy(np.where(mirrored, clips.mirrored_labels[t][chosen[some]], v[chosen[some]]))
                  for t, v in clips.labels.items()}  # fmt: skip
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            outputs = part(inputs.get(rows, mirrored).to(device), rows.shape[1])
        every = [losses[target](logits.float(), labels[target].to(device)) for target, logits in outputs]
        loss = torch.stack(every).sum() * weight * len(some)
        loss.backward()
        total += float(loss.detach()) / size
    share_gradients([parameter.grad for parameter in part.parameters() if parameter.grad is not None])
    return float(sum_of_all(torch.tensor(total, dtype=torch.float64, device=device)))


def _groups(part: TrainedPart, recipe: FinetuneRecipe) -> list[dict[str, Any]]:
    """A group a tensor: the later, the faster, and the larger its numbers, the larger its steps.

    Adam's steps know nothing of the size of what they change: those that suit a convolution would overwrite classifiers
    that were fitted in closed form, whose weights are a hundred times smaller.

    Source: relative step sizes as in Adafactor, Shazeer and Stern 2018, arXiv:1804.04235.
    """

    def size(parameter: Tensor) -> float:
        return max(float(parameter.detach().square().mean().sqrt()), _LEAST_SIZE)

    modules = [part.classifier, *reversed(part.blocks)]
    part.blocks.requires_grad_(True)
    return [
        {"params": [parameter], "lr": recipe.learning_rate * recipe.decay**distance * size(parameter)}
        for distance, module in enumerate(modules)
        for parameter in module.parameters()
        if parameter.requires_grad
    ]


def _save(path: Path, state: Mapping[str, Any], facts: str, epoch: int) -> None:
    content = io.BytesIO()
    torch.save({"epoch": epoch, "facts": facts, **{name: each.state_dict() for name, each in state.items()}}, content)
    write_atomically(path, content.getvalue())


def _resume(path: Path, state: Mapping[str, Any], facts: str, device: torch.device) -> int:
    """How many epochs are done."""
    if not path.is_file():
        return 0
    try:
        kept = torch.load(path, map_location=device, weights_only=True)
        if kept["facts"] != facts:
            raise ValueError("with other settings")
        for name, each in state.items():
            each.load_state_dict(kept[name])
        return int(kept["epoch"])
    except Exception as error:  # torch has many ways to say that a file is not what it was
        reason = str(error).splitlines()[0]
        raise ArtifactError(
            f"this is of another training ({reason}); delete it, or give another --out", path=path
        ) from None
