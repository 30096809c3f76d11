import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from egoact.core.machine import cache_folder
from egoact.engines import loading as speed
from egoact.engines.loading import load_engine, offered_pairs, rank_engines, tune_batch
from egoact.engines.speed_cache import Speed, SpeedCache
from egoact.models.backbones.registry import Backbone, load_backbone
from egoact.runs.streams import trusted_precision

SIZE = (32, 32)


@pytest.fixture(scope="module")
def small() -> Backbone:
    return load_backbone("tiny-random", size=32)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "egoact" / "speeds"


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was measured; torch is the faster one here."""
    seen: list[tuple[str, str]] = []

    def measure(engine, **options) -> Speed:
        seen.append((engine.name, engine.precision))
        return Speed(engine.name, engine.precision, 8, {"torch": 200.0, "onnxruntime": 100.0}[engine.name])

    monkeypatch.setattr(speed, "measure", measure)
    return seen


PAIRS = [("onnxruntime", "f32"), ("torch", "f32")]


def rank(backbone: Backbone, pairs: Sequence[tuple[str, str]] = PAIRS) -> list[Speed]:
    return rank_engines(backbone, pairs, device="cpu")


def test_the_fastest_comes_first_and_is_measured_once(small: Backbone, cache: Path, measured: list) -> None:
    assert [s.engine for s in rank(small)] == ["torch", "onnxruntime"]
    assert measured == PAIRS
    assert rank(small)[0] == Speed("torch", "f32", 8, 200.0)
    assert measured == PAIRS, "the second time it is known"
    (file,) = cache.iterdir()
    facts = json.loads(file.read_text())["facts"]
    assert facts["input_size"] == [32, 32] and facts["versions"]["torch"] and facts["processor"]


def test_another_network_or_size_is_measured_anew(small: Backbone, cache: Path, measured: list) -> None:
    rank(small)
    rank(load_backbone("tiny-random", size=64))
    rank(load_backbone("tiny-random", size=32, cut=1))
    assert measured == 3 * PAIRS and len(list(cache.iterdir())) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"speeds": 3}',
        b'{"speeds": [{"engine": "torch"}]}',
        b'{"speeds": [{"engine": "torch", "precision": "f32", "batch_size": 0, "frames_per_second": 9}]}',
        b'{"speeds": [{"engine": "torch", "precision": "f32", "batch_size": "8", "frames_per_second": 9}]}',
    ],
)
def test_a_broken_cache_is_measured_again(small: Backbone, cache: Path, measured: list, content: bytes) -> None:
    rank(small)
    (file,) = cache.iterdir()
    file.write_bytes(content)
    assert rank(small)[0].engine == "torch"
    assert measured == 2 * PAIRS
    assert SpeedCache(small, device="cpu").get("torch", "f32") == Speed("torch", "f32", 8, 200)


def test_a_cache_that_cannot_be_written_changes_nothing(
    small: Backbone, tmp_path: Path, measured: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert rank(small)[0].engine == "torch"


def test_what_does_not_run_here_is_left_out(small: Backbone, cache: Path, measured: list) -> None:
    assert [s.engine for s in rank(small, [("onnxruntime", "bf16"), ("torch", "f32")])] == ["torch"]
    with pytest.raises(ValueError, match="onnxruntime offers precision f32 and int8, not bf16"):
        rank(small, [("onnxruntime", "bf16")])


def test_auto_takes_the_fastest(small: Backbone, cache: Path, measured: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egoact.engines.loading.available_engines", lambda: ["onnxruntime", "torch"])
    engine = load_engine(small, precision="f32", device="cpu")
    assert engine.name == "torch" and measured == PAIRS


class Paced:
    """An engine whose time goes by a table: seconds for each batch size."""

    name, precision, graph, batch_size = "paced", "f32", None, 1

    def __init__(self, seconds: dict[int, float]) -> None:
        self.seconds, self.now = seconds, 0.0

    def run(self, frames: np.ndarray) -> np.ndarray:
        assert frames.dtype == np.uint8 and frames.shape[1:] == (*SIZE, 3)
        self.now += self.seconds[len(frames)]
        return np.zeros((len(frames), 4), np.float32)


@pytest.mark.parametrize(
    ("seconds", "batch", "rate"),
    [
        ({8: 0.08, 16: 0.10, 32: 0.10}, 32, 320.0),
        ({8: 0.08, 16: 0.16, 32: 0.318}, 8, 100.0),  # a larger batch that is no faster only needs memory
        ({8: 0.08, 16: 0.10, 32: 0.40}, 16, 160.0),
    ],
)
def test_the_smallest_batch_that_is_as_fast_as_any_is_found(
    seconds: dict[int, float], batch: int, rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Paced(seconds)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: engine.now)
    assert speed.measure(engine, input_size=SIZE) == Speed("paced", "f32", batch, rate)


def test_an_engine_that_takes_larger_batches_is_measured_with_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Paced({64: 0.5})
    engine.batch_size = 64
    monkeypatch.setattr(speed.time, "perf_counter", lambda: engine.now)
    assert speed.measure(engine, input_size=SIZE) == Speed("paced", "f32", 64, 128.0)


def test_a_batch_size_is_found_for_an_engine_that_was_asked_for(small: Backbone, cache: Path) -> None:
    engine = load_engine(small, engine="onnxruntime", device="cpu", precision="f32")
    engine.batch_size = 5
    tune_batch(engine, small, device="cpu")
    assert engine.batch_size in (8, 16, 32)


def test_what_auto_leaves_open() -> None:
    assert offered_pairs("torch", "f32", "cpu") == [("torch", "f32")]
    every = offered_pairs("auto", "auto", "cpu")
    assert {("openvino", "f32"), ("onnxruntime", "f32"), ("torch", "f32")} <= set(every)
    assert not {precision for _, precision in every} & {"int8", "f16"}
    assert ("onnxruntime", "bf16") not in every
    assert len(offered_pairs("auto", "int8", "cpu")) == 1


@pytest.mark.parametrize("half", ["bf16", "f16"])
def test_on_a_gpu_f16_is_there_where_bf16_is_refused(half: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egoact.engines.loading.half_of_gpu", lambda device: half)
    offered = [precision for _, precision in offered_pairs("auto", "auto", "cuda")]
    assert len(offered) == len(set(offered)) and set(offered) == {"f32", half, "f16"}


def test_the_cache_is_where_the_platform_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "egoact"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for system, expected in (("linux", ".cache/egoact"), ("darwin", "Library/Caches/egoact")):
        monkeypatch.setattr("egoact.core.machine.sys.platform", system)
        assert cache_folder() == tmp_path / expected


@pytest.mark.parametrize(
    ("trained", "asked", "able", "taken"),
    [
        ("bf16", "auto", True, "bf16"),
        ("bf16", "auto", False, "f32"),  # trained elsewhere
        ("int8", "auto", True, "f32"),  # its graph lies in the store
        ("f16", "auto", True, "f32"),  # trained on a GPU
        ("bf16", "torch", True, "bf16"),
    ],
)
def test_a_run_is_asked_in_the_precision_it_was_trained_in(
    trained: str, asked: str, able: bool, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features in another one may be as far from its own as parity allows, and nobody has looked."""
    monkeypatch.setattr("egoact.engines.loading.available_engines", lambda: ["openvino", "onnxruntime", "torch"])
    monkeypatch.setattr("egoact.engines.loading.has_bf16", lambda name: able and name != "onnxruntime")
    assert trusted_precision(trained, asked, "cpu") == taken
