"""Lightning's Trainer, set up the way `egoact train` wants it: resumable, quiet, with curves, on one device or many."""

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from egoact.core.errors import ArtifactError
from egoact.data.batches import ClipBatches
from egoact.models.classifier import ActionClassifier
from egoact.models.learner import Learner
from egoact.stages._processes import is_leader
from egoact.stages._training_callbacks import History, Shares, ShowProgress, StayStopped

MONITORED = "validation_top1"
PRECISIONS: dict[str, Any] = {"f32": "32-true", "bf16": "bf16-mixed"}
Precision = Literal["auto", "f32", "bf16"]


@dataclass(frozen=True)
class Machine:
    """Where a training runs.

    Args:
        device: auto, cpu or cuda.
        precision: f32, or bf16: matrix products in bfloat16, weights in float32.
        devices: Processes a node, each with its own device.
        nodes: Machines that share the work.

    Raises:
        ValueError: Something that there is not.
    """

    device: str = "auto"
    precision: Precision = "auto"
    devices: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"--device must be auto, cpu or cuda, got {self.device!r}")
        for name in ("devices", "nodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} must be at least 1, got {getattr(self, name)}")
        found = torch.cuda.device_count()
        if self.device == "cuda" and not found:
            raise ValueError("--device cuda: no CUDA device found here")
        if self.device != "cpu" and 0 < found < self.devices:
            raise ValueError(f"--devices {self.devices}: this machine has {found} CUDA devices")

    def trainer_arguments(self) -> dict[str, Any]:
        """Keyword arguments of Lightning's Trainer."""
        return {
            "accelerator": "gpu" if self.device == "cuda" else self.device,
            "precision": PRECISIONS["f32" if self.precision == "auto" else self.precision],
            "devices": self.devices,
            "num_nodes": self.nodes,
            "strategy": "auto" if self.devices * self.nodes == 1 else "ddp",
        }


@dataclass(frozen=True)
class Fitted:
    """What a training ends with, on the CPU.

    Args:
        last: The model after the last epoch.
        best: The model of the epoch with the best validation score; None without validation.
    """

    last: ActionClassifier
    best: ActionClassifier | None


def fit(
    learner: Learner,
    training: ClipBatches,
    validation: ClipBatches | None,
    *,
    run: Path,
    phase: str = "",
    machine: Machine,
) -> Fitted:
    """Train to the end, going on from the last checkpoint if there is one.

    Args:
        learner: What is trained.
        training: Its batches.
        validation: What it is measured on after each epoch, or None.
        run: Run directory, for checkpoints and curves.
        phase: Name of a part of the training that has checkpoints and curves of its own.
        machine: Where.
    """
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    folder = run / "checkpoints" / phase
    has_validation = validation is not None
    keep = ModelCheckpoint(
        folder,
        filename="best",
        monitor=MONITORED if has_validation else None,
        mode="max",
        save_top_k=1 if has_validation else 0,
        save_last=True,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    history = History(run / f"history{phase and '_'}{phase}.csv")
    callbacks: list[Callback] = [Shares(training, validation), keep, history]
    if is_leader():
        callbacks.append(ShowProgress(phase or "train", learner.recipe.epochs, monitored=MONITORED))
    if learner.recipe.patience and has_validation:
        early = EarlyStopping(MONITORED, mode="max", patience=learner.recipe.patience)
        callbacks += [early, StayStopped(early)]
    trainer = lightning.Trainer(
        max_epochs=learner.recipe.epochs,
        gradient_clip_val=learner.recipe.gradient_clip or None,
        callbacks=callbacks,
        # Curves are to be live: the writer's own habit is to show them every two minutes.
        logger=TensorBoardLogger(run, name="tensorboard", version=phase, flush_secs=5),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        **machine.trainer_arguments(),
    )
    last = folder / "last.ckpt"
    with _fewer_warnings(), _few_threads(pooled=learner.model.head.kind == "pooled"):
        try:
            trainer.fit(
                learner, training, validation, ckpt_path=str(last) if last.exists() else None, weights_only=True
            )
        except SystemExit:  # how Lightning answers Ctrl-C
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
    finished = copy.deepcopy(learner.kept).cpu()
    return Fitted(finished, _load_kept(learner, folder / "best.ckpt") if has_validation else None)


@contextlib.contextmanager
def _fewer_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        # Batches come from a memory map in this process: worker processes would only slow them down.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
        # A frozen head is in eval mode on purpose.
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
        yield


@contextlib.contextmanager
def _few_threads(*, pooled: bool) -> Iterator[None]:
    """One thread for heads on pooled features: their steps take milliseconds.

    Two threads gain a third on an idle machine, and lose a factor of ten where another process wants a core.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if pooled else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _load_kept(learner: Learner, path: Path) -> ActionClassifier:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except (OSError, RuntimeError, KeyError) as error:
        raise ArtifactError(f"the best checkpoint cannot be read ({error})", path=path) from error
    learner.load_state_dict(state)
    return learner.kept.cpu()
