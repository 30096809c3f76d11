"""What happens around the epochs of a training: shares of the clips, the history, progress, staying stopped."""

import csv
import time
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback, EarlyStopping

from egoact.core.progress import Progress
from egoact.data.batches import ClipBatches


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
            self._write()

    def _write(self) -> None:
        part = self.path.with_suffix(".part")
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.rows[-1]))
            writer.writeheader()
            writer.writerows(self.rows)
        part.replace(self.path)


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
