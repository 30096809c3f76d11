"""Lightning's Trainer, set up the way `egoact train` wants it: resumable, quiet, with curves."""

import contextlib
import csv
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
from egoact.data.batches import ClipBatches
from egoact.models.classifier import ActionClassifier
from egoact.models.learner import Learner
from egoact.stages._progress import Progress

MONITORED = "validation_top1"


def fit(
    learner: Learner,
    training: ClipBatches,
    validation: ClipBatches | None,
    *,
    run: Path,
    select_best: bool,
    device: str = "auto",
) -> ActionClassifier:
    """Train to the end, going on from the run's last checkpoint if there is one.

    Returns:
        The model with the weights to keep, on the CPU: of the best epoch, or the last.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    folder = run / "checkpoints"
    keep = ModelCheckpoint(
        folder,
        filename="best",
        monitor=MONITORED if select_best else None,
        mode="max",
        save_top_k=1 if select_best else 0,
        save_last=True,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    callbacks: list[Callback] = [keep, History(run / "history.csv"), ShowProgress(learner.recipe.epochs)]
    if learner.recipe.patience and validation is not None:
        callbacks.append(EarlyStopping(MONITORED, mode="max", patience=learner.recipe.patience))
    trainer = lightning.Trainer(
        accelerator={"auto": "auto", "cpu": "cpu", "cuda": "gpu"}.get(device, device),
        devices=1,
        max_epochs=learner.recipe.epochs,
        gradient_clip_val=learner.recipe.gradient_clip or None,
        callbacks=callbacks,
        logger=TensorBoardLogger(run, name="tensorboard", version=""),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=min(50, len(training)),
    )
    last = folder / "last.ckpt"
    with warnings.catch_warnings(), _few_threads(pooled=learner.model.head.kind == "pooled"):
        # Batches come from a memory map in this process: worker processes would only slow them down.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")
        warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists and is not empty.*")
        warnings.filterwarnings("ignore", message=".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
        try:
            trainer.fit(
                learner, training, validation, ckpt_path=str(last) if last.exists() else None, weights_only=True
            )
        except SystemExit:  # how Lightning answers Ctrl-C
            if trainer.interrupted:
                raise KeyboardInterrupt from None
            raise
    if select_best:
        _load_weights(learner, folder / "best.ckpt")
    return learner.kept.cpu()


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


def _load_weights(learner: Learner, path: Path) -> None:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except (OSError, RuntimeError, KeyError) as error:
        raise ArtifactError(f"the best checkpoint cannot be read ({error})", path=path) from error
    learner.load_state_dict(state)


class History(Callback):
    """`history.csv`: one line an epoch; a resumed run goes on where its checkpoint was."""

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
                "train_loss": round(float(pl_module.train_loss.compute()), 6),
                **measured,
                "learning_rate": float(trainer.optimizers[0].param_groups[0]["lr"]),
                "seconds": round(time.monotonic() - self._began, 3),
            }
        )
        part = self.path.with_suffix(".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.rows[-1]))
            writer.writeheader()
            writer.writerows(self.rows)
        part.replace(self.path)


class ShowProgress(Callback):
    """A bar on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, num_epochs: int) -> None:
        self.num_epochs = num_epochs
        self._progress: Progress | None = None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: D102
        self._progress = Progress("train", total=self.num_epochs - trainer.current_epoch, unit="epochs")
        self._progress.__enter__()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: D102
        score = trainer.callback_metrics.get(MONITORED)
        note = f"loss {float(pl_module.train_loss.compute()):.3f}"
        note += "" if score is None else f", validation top-1 {float(score):.1f} %"
        assert self._progress is not None
        self._progress.advance(1, note=note)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: D102
        if self._progress is not None:
            self._progress.__exit__(None, None, None)
            self._progress = None
