"""Batches on a device that works by itself: whatever it does late or early, every frame gives its own features."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from egoact.engines import loading
from egoact.engines.device_batches import DeviceBatches
from egoact.engines.frame_model import frame_model
from egoact.engines.interface import Options
from egoact.engines.loading import load_engine
from egoact.engines.speed_cache import Speed
from egoact.engines.streams import one_stream
from egoact.engines.torch_engine import TorchEngine
from egoact.models.backbones.registry import Backbone, load_backbone
from tests.makers.machines.devices import Fake, Late

BATCH = 4


def frames_of(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 2), dtype=np.uint8)


def double(frames: Tensor) -> Tensor:
    return 2.0 * frames.flatten(1).float()


def run(device: Fake, counts: list[int]) -> list[bool]:
    """Begin with several arrays, which change when they were handed over, then finish: which are right?"""
    batches = DeviceBatches(double, device, shape=(3, 2))
    given = [frames_of(count, seed) for seed, count in enumerate(counts)]
    finishes = []
    for frames in given:
        lent = frames.copy()
        finishes.append(batches.start(lent, BATCH))
        lent[:] = 99
    found = [finish() for finish in finishes]
    return [np.array_equal(f, 2.0 * g.reshape(len(g), -1)) for f, g in zip(found, given, strict=True)]


@pytest.mark.parametrize("early", list(product([False, True], repeat=2)))
@pytest.mark.parametrize("counts", [[1], [4], [3, 4, 1], [13, 4, 2, 9], [4] * 6])
def test_every_frame_gives_its_own_features(early: tuple[bool, bool], counts: list[int]) -> None:
    copies, work = (Late(is_early=is_early) for is_early in early)
    assert all(run(Fake(copies, work), counts))


def test_without_waiting_features_would_be_others() -> None:
    """The test above sees a buffer that is filled too early, and one that is read too early."""
    assert not all(run(Fake(Late(is_early=True, obeys=False), Late()), [4] * 6)), "copied over what is not computed yet"
    assert not all(run(Fake(Late(), Late(is_early=True, obeys=False)), [4] * 6)), "computed before it was there"


def test_frames_that_lie_on_the_device_are_not_copied() -> None:
    copies, work = Late(), Late()
    batches = DeviceBatches(double, Fake(copies, work), shape=(3, 2))
    frames = torch.from_numpy(frames_of(9))
    found = batches.start(frames, BATCH)()
    assert not copies.todo and np.array_equal(found, double(frames).numpy())


@pytest.fixture(scope="module")
def small() -> Backbone:
    return load_backbone("tiny-random", size=32)


@pytest.fixture
def engine(small: Backbone) -> TorchEngine:
    made = TorchEngine(frame_model(small), Options((32, 32), "f32"), Fake(Late(), Late()))
    made.batch_size = BATCH
    return made


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), dtype=np.uint8)


def test_an_engine_that_is_ahead_is_torch(engine: TorchEngine, small: Backbone, pictures: np.ndarray) -> None:
    plain = load_engine(small, engine="torch", precision="f32", device="cpu")
    expected = plain.run(pictures)
    np.testing.assert_allclose(engine.run(pictures), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(engine.start(torch.from_numpy(pictures))(), expected, rtol=1e-5, atol=1e-6)
    streams = one_stream(small.spec, engine)
    assert streams.is_ahead and not one_stream(small.spec, plain).is_ahead
    first, second = streams.start(pictures[:3]), streams.start(pictures[3:])
    np.testing.assert_allclose(np.concatenate([first()[0], second()[0]]), expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="frames must be uint8 of shape"):
        engine.start(pictures[:, :16])


def test_whole_batches_are_replayed(
    engine: TorchEngine, pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    expected, captured, replayed = engine.run(pictures), [], []

    def capture(compute: Callable[[Tensor], Tensor], example: Tensor) -> Callable[[Tensor], Tensor]:
        captured.append(len(example))

        def replay(batch: Tensor) -> Tensor:
            replayed.append(len(batch))
            return compute(batch)

        return replay

    monkeypatch.setattr("egoact.engines.torch_engine.capture", capture)
    engine.replays = True
    np.testing.assert_array_equal(engine.run(pictures), expected)
    assert (captured, replayed) == ([4], [4, 4]), "once for a size, and what is no whole batch as it is"

    def fail(*_: object) -> None:
        raise RuntimeError("no\ngraph")

    monkeypatch.setattr("egoact.engines.torch_engine.capture", fail)
    engine.batch_size = 5
    np.testing.assert_array_equal(engine.run(pictures)[:4], expected[:4])
    assert capsys.readouterr().err == "torch: cannot replay the backbone (no graph); going on without\n"
    assert not engine.replays


def test_on_a_gpu_batches_and_replaying_are_measured(engine: TorchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaying pays for small batches here, large ones are faster yet, and the largest does not fit."""
    rates = {(32, False): 100.0, (32, True): 200.0, (128, False): 300.0, (128, True): 301.0}

    def rate(asked: TorchEngine, shape: tuple[int, ...]) -> float:
        assert shape[0] == loading.BATCHES_AT_ONCE * asked.batch_size
        if asked.batch_size == 512:
            raise torch.cuda.OutOfMemoryError
        return rates[asked.batch_size, asked.replays]

    monkeypatch.setattr(loading, "_rate", rate)
    found = loading.measure(engine, input_size=(32, 32), kind="cuda")
    assert found == Speed("torch", "f32", 128, 300.0)
    rates[128, True] = 400.0
    found = loading.measure(engine, input_size=(32, 32), kind="cuda")
    assert found == Speed("torch", "f32", 128, 400.0, replays=True)
    loading.set_pace(engine, found)
    assert engine.batch_size == 128 and engine.replays
    monkeypatch.setitem(loading.BATCHES, "cuda", (512,))
    with pytest.raises(ValueError, match="not 512 frames fit into the GPU's memory"):
        loading.measure(engine, input_size=(32, 32), kind="cuda")
