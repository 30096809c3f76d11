"""`egoact bench train`: clips a second of every head, by the real training loop."""

import contextlib
import csv
import io
import json
import tempfile
from pathlib import Path

from egoact.models.heads import HEADS
from egoact.models.recipes import RECIPES
from egoact.stages._bench_results import Results, Table
from egoact.stages._bench_store import make_store
from egoact.stages._run_files import SETTINGS_NAME
from egoact.stages.bench import BenchSettings
from egoact.stages.train import TrainSettings, train


def measure(settings: BenchSettings) -> Results:
    """Train every head on pooled features for two epochs, and time the faster one."""
    num_clips = 128 if settings.quick else 2000
    batch_size = RECIPES["default"].batch_size
    rows = []
    with tempfile.TemporaryDirectory(dir=settings.out) as folder:
        table, store = make_store(Path(folder), num_clips=num_clips)
        for head in [name for name, kind in HEADS.items() if kind.kind == "pooled"]:
            run = Path(folder) / head
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                train(
                    TrainSettings(
                        segments=table, features=(store,), run=run, head=head, epochs=2, device=_device(settings.device)
                    )
                )
            seconds, parameters = _read(run)
            num_steps = -(-num_clips // batch_size)
            rows.append([head, parameters, round(1000 * seconds / num_steps, 2), round(num_clips / seconds, 1)])
    return Results(
        title="Training heads",
        text=f"{num_clips} clips of 20 x 1280 features, 97 verbs and 300 nouns, batches of {batch_size}, by egoact "
        "train with the default recipe; reading from the store, the loss, the optimiser and the loop around it "
        "included.",
        tables=[Table("heads", "Clips a second", ("head", "parameters", "ms a step", "clips/s"), rows, bars="clips/s")],
    )


def _device(device: str) -> str:
    return device.partition(":")[0]


def _read(run: Path) -> tuple[float, int]:
    """Seconds of the faster epoch, and the number of trainable parameters."""
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        seconds = min(float(row["seconds"]) for row in csv.DictReader(file))
    settings = json.loads((run / SETTINGS_NAME).read_text(encoding="utf-8"))
    return seconds, int(settings["num_trainable_parameters"])
