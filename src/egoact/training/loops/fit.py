"""Lightning's Trainer for trainings that several processes share: resumable, quiet, with curves. `loop` is for one.

What happens around the epochs of a training: shares of the clips, the history, progress, staying stopped.
"""

import contextlib
import copy
import logging
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from egoact.core.errors import ArtifactError
from egoact.core.progress import Progress
from egoact.models.classifier import ActionClassifier
from egoact.store.batches import ClipBatches
from egoact.training.history import MONITORED, write_history
from egoact.training.loops.fitted import Fitted
from egoact.training.loops.learner import Learner
from egoact.training.machine import Machine, few_threads, working_recurrence
from egoact.training.run_folder import is_leader


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
    with fewer_warnings():
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
    threads = few_threads(pooled=learner.model.head.kind == "pooled")
    with fewer_warnings(), threads, working_recurrence(machine.precision):
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
def fewer_warnings() -> Iterator[None]:
    """Without what Lightning says of things that are meant to be so."""
    with warnings.catch_warnings():
        # Batches come from a memory map in this process: worker processes would only slow them down.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")
        warnings.filterwarnings("ignore", message="GPU available but not used.*")  # only where --device cpu asks for it
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
        # A frozen head is in eval mode on purpose.
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
        yield


def _load_kept(learner: Learner, path: Path) -> ActionClassifier:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except (OSError, RuntimeError, KeyError) as error:
        raise ArtifactError(f"the best checkpoint cannot be read ({error})", path=path) from error
    learner.load_state_dict(state)
    return learner.kept.cpu()


class Shares(Callback):
    """Gives each of several processes its own share of the clips, as soon as it knows which process it is."""

    def __init__(self, training: ClipBatches, validation: ClipBatches | None) -> None:
        self.parts = [part for part in (training, validation) if part is not None]

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: D102
        for part in self.parts:
            if len(part.rows) < trainer.world_size:
                raise ValueError(f"{trainer.world_size} processes cannot share {len(part.rows)} clips; use fewer")
            part.rank, part.world_size = trainer.global_rank, trainer.world_size


class StayStopped(Callback):
    """Early stopping that is not forgotten when a stopped training is resumed: without it, one more epoch is run."""

    def __init__(self, early: EarlyStopping) -> None:
        self.early = early

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: D102
        if self.early.wait_count >= self.early.patience:
            trainer.should_stop = True


class History(Callback):
    """A CSV with one line an epoch; a resumed run goes on where its checkpoint was."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._began = time.monotonic()

    def state_dict(self) -> dict[str, Any]:  # noqa: D102
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:  # noqa: D102
        self.rows = list(state_dict["rows"])

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: D102
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: D102
        measured = {k: round(float(v), 6) for k, v in trainer.callback_metrics.items() if k.startswith("validation_")}
        self.rows.append(
            {
                "epoch": trainer.current_epoch,
                # Of all processes, each of which has to ask for it.
                "train_loss": round(float(pl_module.train_loss.compute()), 6),
                **measured,
                "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
                "seconds": round(time.monotonic() - self._began, 3),
            }
        )
        if trainer.is_global_zero:
            write_history(self.path, self.rows)


class ShowProgress(Callback):
    """A bar on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, name: str, num_epochs: int, *, monitored: str) -> None:
        self.name, self.num_epochs, self.monitored = name, num_epochs, monitored
        self._progress: Progress | None = None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: D102
        self._progress = Progress(self.name, total=self.num_epochs - trainer.current_epoch, unit="epochs")
        self._progress.__enter__()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: D102
        score = trainer.callback_metrics.get(self.monitored)
        note = f"loss {float(pl_module.train_loss.compute()):.3f}"
        note += "" if score is None else f", validation top-1 {float(score):.1f} %"
        assert self._progress is not None
        self._progress.advance(1, note=note)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: D102
        if self._progress is not None:
            self._progress.__exit__(None, None, None)
            self._progress = None
