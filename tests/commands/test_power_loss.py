"""The power may fail at any moment: what is found later is nothing, or as it was before, or as it should be."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from egoact.core.annotations.labels import Vocabulary
from egoact.core.errors import InputError
from egoact.core.files import write_json
from egoact.core.timelines.files import read_timelines
from egoact.core.timelines.prediction import Prediction
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.export.export import write_export
from egoact.export.graphs import build_segmenter
from egoact.models.backbones.spec import BackboneSpec
from egoact.runs.loading import Run, load_run
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from egoact.runs.segmenter import SegmenterConfig, TrainedSegmenter
from egoact.store.checks import shard_problems
from egoact.store.reader import FeatureStore
from egoact.timelines.output import write_prediction
from tests.makers.data.stores import SEGMENTS, fill
from tests.makers.machines.power import recorded_moments

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what was synced is read through /proc")
VERBS = {"verb": Vocabulary("verb", ("open", "close"))}
BACKBONE = BackboneSpec("tiny-random", "0" * 64, (32, 32), (0.5,) * 3, (0.5,) * 3, "pooled", None, (4,))


@dataclass(frozen=True)
class Writer:
    """Something that writes below a folder, and what is there."""

    write: Callable[[Path], object]
    read: Callable[[Path], object]
    before: Callable[[Path], object] = lambda _: None


@cache
def exported(seed: int) -> tuple[Run, dict[str, bytes]]:
    torch.manual_seed(seed)
    config = SegmenterConfig("causal", VERBS, (BACKBONE,), rate=4, components=2)
    run = Run(Path("run"), TrainedSegmenter(config, config.build()))
    for weights in run.segmenter.model.state_dict().values():
        if weights.is_floating_point():
            weights.uniform_(0.1, 1)
    return run, build_segmenter("onnx", run.segmenter.model, ("verb",), num_channels=config.num_channels)


def save_recognizer(folder: Path) -> None:
    torch.manual_seed(0)
    config = RecognizerConfig("average", VERBS, BACKBONE, num_frames=3, dropout=0.5)
    Recognizer(config, config.build()).save(folder / "runs" / "one")


def answers(run: Path) -> list[float]:
    said = load_run(run).answers
    width = BACKBONE.feature_shape[0]
    features = np.linspace(0, 1, 3 * width, dtype=np.float32).reshape(3, width)
    given = features[None] if isinstance(said, Recognizer) else features
    return np.round(said.score(given)["verb"], 4).tolist()


def export(folder: Path, seed: int) -> None:
    run, graphs = exported(seed)
    write_export(folder / "out", run, graphs, format="onnx", precision="f32", parity={})


def predict(folder: Path) -> None:
    timeline = Timeline("P01_01", (TimelineSegment(0.5, 2.0, "open", confidence=0.5),), 9.0)
    said = Prediction(timeline, ("verb",), ({"verb": (("open", 0.5),)},))
    rules = SimpleNamespace(rate=4, confidence=(1.0, 0.0))
    run: Any = SimpleNamespace(segmenter=SimpleNamespace(rules=rules), path=Path("run"), title="causal", backbones=())
    write_prediction(said, None, folder / "out", run, descriptions=False, features=Path("features"))


def timeline_files(folder: Path) -> dict[str, str]:
    read_timelines(folder / "out" / "timeline.json")
    return {path.name: path.read_text() for path in (folder / "out").glob("[a-z]*.[cjv]*")}


def store_rows(folder: Path) -> dict[str, int]:
    store = FeatureStore.open(folder / "store")
    assert not [problem for number in range(len(store.index.rows)) for problem in shard_problems(store, number)]
    return {name: len(row.moments) for name, row in store.index.rows.items()}


WRITERS = {
    "json": Writer(lambda f: write_json(f / "a" / "b.json", [2]), lambda f: json.loads((f / "a/b.json").read_text())),
    "json again": Writer(
        lambda f: write_json(f / "b.json", [2]),
        lambda f: json.loads((f / "b.json").read_text()),
        before=lambda f: write_json(f / "b.json", [1]),
    ),
    "store": Writer(lambda f: fill(f / "store", SEGMENTS), store_rows),
    "store that grows": Writer(
        lambda f: fill(f / "store", SEGMENTS), store_rows, before=lambda f: fill(f / "store", SEGMENTS[1:4])
    ),
    "run": Writer(save_recognizer, lambda f: answers(f / "runs/one")),
    "timeline run": Writer(lambda f: exported(0)[0].segmenter.save(f / "one"), lambda f: answers(f / "one")),
    "export": Writer(lambda f: export(f, 0), lambda f: answers(f / "out")),
    "export again": Writer(lambda f: export(f, 0), lambda f: answers(f / "out"), before=lambda f: export(f, 1)),
    "timeline": Writer(lambda f: predict(f), timeline_files),
}


@pytest.mark.parametrize("name", WRITERS)
def test_power_may_fail_at_any_moment(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # what is written again need not be durable
    writer, root = WRITERS[name], tmp_path / "disk"
    root.mkdir()
    writer.before(root)
    allowed = []
    with recorded_moments(root) as moments:
        allowed.append(_read(writer, root))
        writer.write(root)
    allowed.append(_read(writer, root))
    assert allowed[0] != allowed[1] and len(moments) > 3
    for number, moment in enumerate(moments):
        for way, dice in enumerate((None, Random(number))):
            found = moment.after_power_failed(tmp_path / f"{number}-{way}", dice)
            said = _read(writer, found)
            if name.startswith("store"):  # a recording is there or not
                assert said is None or all(
                    rows in (0, *(a[v] for a in allowed if a and v in a)) for v, rows in said.items()
                )
            else:
                assert said is None or said in allowed, f"after {number} of {len(moments)} moments"
            if said != allowed[1] and dice is not None:
                writer.write(found)  # the same command goes on
                assert _read(writer, found) == allowed[1]
    assert _read(writer, moments[-1].after_power_failed(tmp_path / "end", None)) == allowed[1], "it is not durable"


def _read(writer: Writer, folder: Path) -> object:
    """None: it is not there, and the reader says so."""
    try:
        return writer.read(folder)
    except (InputError, FileNotFoundError):
        return None
