"""Why the report's ConvNet1D is below the majority on few clips: running averages, its training's end, or the model?

    python benchmarks/convnet1d.py --gtea FOLDER --out FOLDER [--seeds 3] [--keras 0.99]

Looks at the runs `report-convnet1d` that `benchmarks/systems.py` made with the same --gtea and --out: how many of the
clips that they were trained on they know, and of those left out, with the running averages of batch normalisation and
with those of the clips themselves. Then one training a recording is stopped where the answers of the recording left out
are best, which no training could know. --keras trains Keras' own model by section 2.4 of the report instead (extra
`bench`): its layers, initial weights and running averages, of that momentum.
"""

import contextlib
import io
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from systems import Data, gtea
from torch import nn

from egoact.commands.learning.train import TrainSettings, train
from egoact.core.annotations.segments import SegmentTable
from egoact.core.files import read_json
from egoact.core.sampling import ClipSampling
from egoact.runs.loading import load_run
from egoact.store.reader import FeatureStore

os.environ.setdefault("KERAS_BACKEND", "torch")  # must be chosen before the first import
SAMPLING = ClipSampling(20)


@dataclass(frozen=True)
class Settings:
    """What to measure."""

    gtea: Path
    """As of systems.py."""
    out: Path
    """As of systems.py."""
    seeds: int = 3
    """As of systems.py."""
    keras: float | None = None
    """Momentum of Keras' running averages, whose own is 0.99; egoact's head has 0.9."""


def clips_of(data: Data, table: SegmentTable) -> tuple[np.ndarray, np.ndarray]:
    store = FeatureStore.open(data.work / "rgb-pooled")
    labels = data.vocabularies["verb"].encode(table, allow_unlabelled=False)
    return store.gather(store.locate(table, SAMPLING)).astype(np.float32), labels


def measure_runs(data: Data, seed: int) -> None:
    right: dict[str, list[np.ndarray]] = defaultdict(list)
    for part, tables in data.parts.items():
        model = load_run(data.work / "runs" / f"report-convnet1d-{seed}-{part}").recognizer.model
        for own in (False, True):
            for norm in (m for m in model.eval().modules() if isinstance(m, nn.BatchNorm1d)):
                norm.momentum = 0.0
                norm.train(own)
            for name, table in zip(("trained on", "left out"), tables, strict=True):
                clips, labels = clips_of(data, table)
                with torch.no_grad():
                    said = model(torch.from_numpy(clips))["verb"].argmax(1).numpy()
                right[f"{name}, {'own' if own else 'running'} averages"].append(said == labels)
    print(f"seed {seed}: " + "; ".join(f"{n} {100 * np.concatenate(v).mean():.1f} %" for n, v in right.items()))


def measure_best_epochs(data: Data) -> None:
    best: list[float] = []
    for part, (training, asked) in data.parts.items():
        run = data.work / "runs" / f"convnet1d-best-epoch-{part}"
        segments, validation = data.csv(f"without-{part}", training), data.csv(f"only-{part}", asked)
        settings = TrainSettings(
            (segments,),
            (data.work / "rgb-pooled",),
            run,
            head="convnet1d",
            recipe="report",
            validation=validation,
            classes=data.folder,
        )
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            train(settings)
        best.append(len(asked) * read_json(run / "metrics.json")["verb"]["top1"] / 100)
    print(f"seed 0, stopped at the best epoch: {round(sum(best))} of {len(data.table)}")


def build_keras(num_features: int, num_classes: int, momentum: float) -> Any:
    from keras import Model, layers

    def normalise(x: Any) -> Any:
        return layers.BatchNormalization(momentum=momentum)(x)

    frames = x = layers.Input((SAMPLING.num_frames, num_features))
    for _ in range(4):
        x = normalise(layers.Conv1D(10, 3)(x))
        x = layers.LeakyReLU(negative_slope=0.01)(normalise(layers.Conv1D(10, 3)(x)))
    x = layers.LeakyReLU(negative_slope=0.01)(normalise(layers.Conv1D(100, 4)(x)))
    x = layers.Dropout(0.5)(layers.Flatten()(x))
    return Model(frames, layers.Dense(num_classes)(x))


def rate(epoch: int, _: float) -> float:
    return 1e-3 * 0.2 ** (0 if epoch < 35 else 1 + (epoch - 35) // 20)


def measure_keras(data: Data, seed: int, momentum: float) -> None:
    import keras

    right = []
    for training, asked in data.parts.values():
        keras.utils.set_random_seed(seed)
        clips, labels = clips_of(data, training)
        model = build_keras(clips.shape[-1], data.vocabularies["verb"].size, momentum)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
        callbacks = [keras.callbacks.LearningRateScheduler(rate)]
        model.fit(clips, labels, batch_size=32, epochs=100, verbose=0, callbacks=callbacks)
        clips, labels = clips_of(data, asked)
        right.append(model.predict(clips, verbose=0).argmax(1) == labels)
    print(f"Keras, momentum {momentum}, seed {seed}: {100 * np.concatenate(right).mean():.1f} %", flush=True)


def main(settings: Settings) -> None:
    data = gtea(settings.gtea, settings.out / "gtea")
    for seed in range(settings.seeds):
        if settings.keras is None:
            measure_runs(data, seed)
        else:
            measure_keras(data, seed, settings.keras)
    if settings.keras is None:
        measure_best_epochs(data)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
