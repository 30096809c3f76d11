import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from egoact.engines.frame_model import frame_model
from egoact.engines.interface import Engine, Options
from egoact.engines.loading import LOADERS, available_engines, load_engine
from egoact.engines.onnx_engine import OnnxEngine
from egoact.engines.parity import Agreement, check_parity
from egoact.engines.torch_engine import TorchEngine
from egoact.models.backbones.registry import Backbone, load_backbone

every_engine = pytest.mark.parametrize("name", [name for name in LOADERS if name != "tensorrt"])  # of a processor


def load(backbone: Backbone, **options: str) -> Engine:
    return load_engine(backbone, **options)


def reference(backbone: Backbone, frames: np.ndarray) -> np.ndarray:
    """Features by torch in float32, written out with numpy up to the module."""
    spec = backbone.spec
    images = ((frames / 255 - np.array(spec.mean)) / np.array(spec.std)).astype(np.float32)
    with torch.inference_mode():
        return backbone.module(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (a, b))
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.fixture(scope="module")
def frames(photos: dict[str, np.ndarray]) -> np.ndarray:
    """At 128 pixels: as telling as 256, and four times as fast."""
    return np.stack(
        [photo.reshape(128, 2, 128, 2, 3).mean((1, 3)).round().astype(np.uint8) for photo in photos.values()]
    )


@pytest.fixture(scope="module")
def small() -> Backbone:
    return load_backbone("tiny-random", size=64)


@pytest.fixture(scope="module")
def small_frames(frames: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(frames[:, ::2, ::2])


@pytest.fixture
def missing(name: str) -> None:
    if name not in available_engines():
        pytest.skip(f"{name} is not installed")


@pytest.fixture(scope="module")
def load_small(small: Backbone) -> Callable[[str], Engine]:
    """An engine for `small` by name, made once."""
    return cache(lambda name: load(small, engine=name, precision="f32", device="cpu"))


@pytest.fixture
def engine(name: str, missing: None, load_small: Callable[[str], Engine]) -> Engine:
    return load_small(name)


@every_engine
@pytest.mark.parametrize(
    ("kind", "shape"), [("pooled", (1280,)), pytest.param("maps", (1280, 4, 4), marks=pytest.mark.slow)]
)
@pytest.mark.usefixtures("missing")
def test_in_f32_an_engine_is_torch_on_real_photos(
    name: str, kind: str, shape: tuple[int, ...], frames: np.ndarray
) -> None:
    backbone = load_backbone("efficientnet_lite0", kind=kind, size=128)
    engine = load(backbone, engine=name, precision="f32", device="cpu")
    assert (engine.name, engine.precision) == (name, "f32")
    found, expected = engine.run(frames), reference(backbone, frames)
    assert found.shape == (len(frames), *shape) and found.dtype == np.float32
    assert cosines(found, expected).min() > 0.99999
    np.testing.assert_allclose(found, expected, atol=2e-3, rtol=2e-3)
    assert cosines(expected[:-1], expected[1:]).max() < 0.9, "the photos do not differ, so this proves nothing"
    measured = check_parity(engine, backbone, frames)
    every = cosines(found, expected)
    assert (measured.cosine, measured.lowest) == pytest.approx((every.mean(), every.min()), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "is_taken"), [("openvino", True), ("torch", False)])
@pytest.mark.usefixtures("missing")
def test_bf16_is_close_with_openvino_and_not_close_enough_with_torch(
    name: str, is_taken: bool, frames: np.ndarray
) -> None:
    backbone = load_backbone("efficientnet_lite0", size=128)
    try:
        engine = load(backbone, engine=name, precision="bf16", device="cpu")
    except ValueError as error:
        pytest.skip(str(error))
    assert engine.precision == "bf16"
    found, expected = engine.run(frames), reference(backbone, frames)
    assert found.dtype == np.float32
    lowest = cosines(found, expected).min()
    assert 0.99 < lowest < 0.9999999, "not bf16 at all"
    if is_taken:
        assert check_parity(engine, backbone, frames).lowest == pytest.approx(lowest, abs=1e-6)
    else:
        with pytest.raises(ValueError, match=r"bf16.*cosine 0\.99.*--precision f32"):
            check_parity(engine, backbone, frames)


def test_one_wrong_frame_among_many_is_refused(small: Backbone, small_frames: np.ndarray) -> None:
    """It hardly shows in the mean."""
    engine = load(small, engine="torch", precision="f32", device="cpu")
    many = np.tile(small_frames, (30, 1, 1, 1))

    def spoil_one(features: np.ndarray) -> np.ndarray:
        features[7] = np.roll(features[7], 1)
        return features

    broken = Broken(engine, spoil_one)
    broken.precision = "int8"
    with pytest.raises(ValueError, match=r"cosine 0\.\d+, needed 0\.99"):
        check_parity(broken, small, many)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles with a C++ compiler, and g++ is not here")
@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_compiled_torch_gives_the_same_features(precision: str, small_frames: np.ndarray) -> None:
    """Of one block, since each layer is a program that is compiled; and without trying instructions one by one."""
    import torch._inductor.config as inductor

    model = frame_model(load_backbone("tiny-random", size=64, cut=0))
    compiled = TorchEngine(model, Options((64, 64), precision, is_compiled=True))
    compiled.batch_size = 4
    frames = small_frames[:6]  # a whole batch and a half
    expected = TorchEngine(model, Options((64, 64), precision)).run(frames)
    with inductor.patch({"cpp.vec_isa_ok": True}):
        found = compiled.run(frames)
    assert found.shape == expected.shape and found.dtype == np.float32 and len(frames) == 6
    assert cosines(found, expected).min() > {"f32": 0.99999, "bf16": 0.999}[precision]
    assert compiled._compiled is not None, "it was not compiled at all"


def test_torch_goes_on_where_it_cannot_be_compiled(
    small: Backbone, small_frames: np.ndarray, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(batch: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no\ncompiler")

    monkeypatch.setattr(torch, "compile", lambda model, **_: fail)
    model = frame_model(small)
    made = TorchEngine(model, Options((64, 64), "f32", is_compiled=True))
    expected = TorchEngine(model, Options((64, 64), "f32")).run(small_frames)
    for _ in range(2):
        np.testing.assert_allclose(made.run(small_frames), expected, rtol=1e-4, atol=1e-5)
    assert capsys.readouterr().err == "torch: cannot compile the backbone (no compiler); going on without\n"


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["f32", "bf16", "f16"])
def test_a_gpu_gives_the_features_of_torch_on_a_cpu(precision: str, frames: np.ndarray) -> None:
    backbone = load_backbone("efficientnet_lite0", size=128)
    expected = reference(backbone, frames)
    engine = load(backbone, engine="torch", precision=precision, device="cuda")
    assert engine.precision == precision
    assert cosines(engine.run(frames), expected).min() > 0.998
    assert load(backbone, device="cuda").name == "torch"


@every_engine
def test_any_number_of_frames_gives_the_same_features(
    engine: Engine, small: Backbone, small_frames: np.ndarray
) -> None:
    expected = reference(small, small_frames)
    many = np.tile(small_frames, (1 + engine.batch_size // 2, 1, 1, 1))
    assert len(many) > engine.batch_size
    for batch in (1, 5, len(many), 2):  # the engine must not remember a size
        found = engine.run(many[:batch])
        np.testing.assert_allclose(found, np.resize(expected, (batch, 32)), rtol=1e-4, atol=1e-5)


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mirrored": lambda frames: frames[:, :, ::-1],
    "BGR turned round": lambda frames: frames[..., ::-1],
    "every second": lambda frames: frames[::2],
    "transposed": lambda frames: frames.transpose(0, 2, 1, 3),
    "channels first in memory": lambda frames: np.ascontiguousarray(frames.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
}


@every_engine
@pytest.mark.parametrize("view", VIEWS)
def test_frames_may_lie_in_memory_in_any_way(
    engine: Engine, view: str, small: Backbone, small_frames: np.ndarray
) -> None:
    chosen = VIEWS[view](small_frames)
    assert not chosen.flags.c_contiguous
    np.testing.assert_allclose(engine.run(chosen), reference(small, chosen), rtol=1e-4, atol=1e-5)


@every_engine
def test_frames_may_be_read_only_and_stay_as_they_are(
    engine: Engine, small: Backbone, small_frames: np.ndarray
) -> None:
    frozen = small_frames.copy()
    frozen.flags.writeable = False
    np.testing.assert_allclose(engine.run(frozen), reference(small, small_frames), rtol=1e-4, atol=1e-5)
    assert (frozen == small_frames).all()


@every_engine
def test_features_of_one_call_outlive_the_next(engine: Engine, small: Backbone, small_frames: np.ndarray) -> None:
    first = engine.run(small_frames[:3])
    kept = first.copy()
    engine.run(small_frames[3:])
    np.testing.assert_array_equal(first, kept)


@every_engine
@pytest.mark.parametrize(
    "spoil",
    [
        lambda frames: frames.astype(np.float32) / 255,
        lambda frames: frames[0],
        lambda frames: frames[..., :1],
        lambda frames: frames[:, :32],
        lambda frames: frames.transpose(0, 3, 1, 2),
        lambda frames: frames[:0],
    ],
    ids=["floats", "one frame", "grey", "smaller", "channels first", "none"],
)
def test_what_are_no_frames_of_the_right_size_is_refused(
    engine: Engine, spoil: Callable[[np.ndarray], np.ndarray], small: Backbone, small_frames: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"frames must be uint8 of shape \(B, 64, 64, 3\), got"):
        engine.run(spoil(small_frames))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"engine": "ncnn"}, r"unknown engine 'ncnn'; there are auto, openvino, onnxruntime, .*torch"),
        ({"precision": "int4"}, r"unknown precision 'int4'; there are auto, f32, bf16, f16, int8"),
        ({"device": "tpu"}, r"unknown device 'tpu'; there are auto, cpu, cuda"),
        ({"device": "cuda:first"}, r"unknown device 'cuda:first'"),
        ({"engine": "onnxruntime", "precision": "bf16"}, r"onnxruntime offers precision f32 and int8, not bf16"),
    ],
)
def test_unknown_names_are_refused_with_those_that_exist(options: dict[str, str], told: str, small: Backbone) -> None:
    with pytest.raises(ValueError, match=told):
        load(small, **options)


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_told(device: str, small: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=rf"'{device}'.*sees no GPU here; use --device cpu"):
        load(small, device=device)


def test_a_gpu_with_a_number_too_high_is_told(small: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"no device 'cuda:2', GPUs are numbered 0 to 1"):
        load(small, device="cuda:2")


def test_an_engine_that_is_not_installed_names_its_package(small: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egoact.engines.loading.available_engines", lambda: ["torch"])
    with pytest.raises(ValueError, match=r"'openvino' is not installed here; pip install openvino"):
        load(small, engine="openvino")
    assert load(small, device="cpu").name == "torch"


class Broken:
    """An engine that does something to the features of another."""

    def __init__(self, engine: Engine, harm: Callable[[np.ndarray], np.ndarray]) -> None:
        self.name, self.precision, self.batch_size = engine.name, engine.precision, engine.batch_size
        self.graph = None
        self._engine, self._harm = engine, harm

    def run(self, frames: np.ndarray) -> np.ndarray:
        return self._harm(self._engine.run(frames).copy())


def nan_somewhere(features: np.ndarray) -> np.ndarray:
    features[1, 3] = np.nan
    return features


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda x: x[::-1], "cosine"),
        (lambda x: x * -1, "cosine"),
        (lambda x: x + x.std(), "cosine"),
        (lambda x: np.roll(x, 1, axis=1), "cosine"),
        (lambda x: x * 0, "cosine"),
        (lambda x: x * 2, "length off by 100.0%"),
        (lambda x: x * np.nan, "not finite"),
        (lambda x: x * np.inf, "not finite"),
        (nan_somewhere, "not finite"),
        (lambda x: x[:, :-1], r"shape \(6, 31\), needed \(6, 32\)"),
        (lambda x: x[:-1], r"shape \(5, 32\), needed \(6, 32\)"),
    ],
)
def test_a_broken_engine_is_refused(
    harm: Callable[[np.ndarray], np.ndarray], told: str, small: Backbone, small_frames: np.ndarray
) -> None:
    engine = load(small, engine="torch", precision="f32", device="cpu")
    assert check_parity(engine, small, small_frames).lowest > 0.999999
    with np.errstate(invalid="ignore"), pytest.raises(ValueError, match=told) as refusal:
        check_parity(Broken(engine, harm), small, small_frames)
    assert "\n" not in str(refusal.value)


def test_another_normalisation_is_refused(frames: np.ndarray) -> None:
    backbone = load_backbone("efficientnet_lite0", size=128)
    unscaled = Backbone(replace(backbone.spec, mean=(0, 0, 0), std=(1, 1, 1)), backbone.module)
    wrong = load_engine(unscaled, engine="torch", device="cpu")
    with pytest.raises(ValueError, match="other features than torch"):
        check_parity(wrong, backbone, frames)


def test_features_that_are_all_zero_on_both_sides_agree(small: Backbone) -> None:
    silent = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    nn.init.zeros_(silent[0].weight)
    nn.init.zeros_(silent[0].bias)
    backbone = Backbone(small.spec, silent)
    engine = OnnxEngine(frame_model(backbone), Options((32, 32), "f32"))
    black = np.zeros((2, 32, 32, 3), np.uint8)
    assert check_parity(engine, backbone, black) == Agreement(1.0, 1.0, 0.0)


def test_openvino_tells_nobody_and_starts_no_process(tmp_path: Path) -> None:
    """Its import alone would fork a sender of statistics and write an identifier to the home folder."""
    code = (
        "import os, sys\n"
        "forks = []\n"
        "os.register_at_fork(before=lambda: forks.append(1))\n"
        "from egoact.engines.graphs.openvino_graphs import import_openvino\n"
        "print(import_openvino().__name__, len(forks), 'openvino_telemetry.main' in sys.modules)\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("CI", None)  # where it is set they send nothing anyway
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["openvino", "0", "False"]
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_a_process_that_had_several_openvino_engines() -> None:
    """Cores of their own that go in the order in which they came would leave no stack for signals: the process dies."""
    code = (
        "import signal\n"
        "from egoact.engines.graphs.openvino_graphs import openvino_core\n"
        "cores = [openvino_core(), openvino_core()]\n"
        "for core in cores: core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')\n"
        "del core, cores[0], cores[0]\n"
        "try: signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt: print('stopped')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "stopped\n")
