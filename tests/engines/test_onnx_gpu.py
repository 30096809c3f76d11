"""ONNX Runtime on a GPU: what it is asked for, its tensors on the device, and what is said where it cannot."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from egoact.engines import loading
from egoact.engines.frame_model import frame_model
from egoact.engines.interface import Options
from egoact.engines.loading import find_device, load_engine, offered_pairs
from egoact.engines.onnx_engine import OnnxEngine, TensorRtEngine
from egoact.models.backbones.registry import Backbone, load_backbone
from tests.makers.machines.devices import Fake, Late


@pytest.fixture(scope="module")
def small() -> Backbone:
    return load_backbone("tiny-random", size=32)


def test_tensors_of_a_device_go_in_and_out(small: Backbone) -> None:
    """The processor as the device: the session reads and writes the memory of tensors."""
    frames = np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), dtype=np.uint8)
    plain = load_engine(small, engine="onnxruntime", precision="f32", device="cpu")
    engine = OnnxEngine(frame_model(small), Options((32, 32), "f32"), Fake(Late(), Late()))
    engine.batch_size = 4
    expected = plain.run(frames)
    assert engine.is_ahead and not plain.is_ahead  # type: ignore[attr-defined]
    np.testing.assert_allclose(engine.run(frames), expected, rtol=1e-5, atol=1e-6)
    mirrored = torch.from_numpy(frames).flip(2).transpose(1, 2)
    np.testing.assert_allclose(engine.start(mirrored)(), plain.run(mirrored.numpy()), rtol=1e-5, atol=1e-6)


@pytest.fixture
def open_on_gpu(small: Backbone, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Open an engine for the second GPU of a made-up machine; gives what ONNX Runtime was asked for."""

    def open_engine(kind: type[OnnxEngine], precision: str, *, got: str) -> list[Any]:
        asked: list[Any] = []

        def session(graph: bytes, options: object, *, providers: list[Any]) -> SimpleNamespace:
            asked.extend(providers)
            tensor = SimpleNamespace(name="x", shape=["batch", 32])
            return SimpleNamespace(
                get_providers=lambda: [got], get_inputs=lambda: [tensor], get_outputs=lambda: [tensor]
            )

        names = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
        monkeypatch.setattr("egoact.engines.onnx_engine.export_graph", lambda *_: b"")
        with monkeypatch.context() as patch:
            patch.setattr(onnxruntime, "InferenceSession", session)
            kind(frame_model(small), Options((32, 32), precision, "cuda:1"), Fake(Late(), Late()))
        return asked

    return open_engine


def test_what_a_gpu_is_asked_for(open_on_gpu: Callable[..., Any]) -> None:
    (name, how), last = open_on_gpu(OnnxEngine, "f32", got="CUDAExecutionProvider")
    assert (name, how, last) == ("CUDAExecutionProvider", {"device_id": 1}, "CPUExecutionProvider")
    for precision in ("f32", "f16"):
        (name, how), (second, _), _ = open_on_gpu(TensorRtEngine, precision, got="TensorrtExecutionProvider")
        assert (name, second) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
        assert how["trt_fp16_enable"] == (precision == "f16") and how["device_id"] == 1
        assert how["trt_profile_min_shapes"] == "frames:1x32x32x3"
        assert how["trt_profile_max_shapes"] == f"frames:{loading.BATCHES['cuda'][-1]}x32x32x3"


def test_where_it_falls_back_to_the_processor_it_is_no_engine(open_on_gpu: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="engine tensorrt: ONNX Runtime cannot use TensorrtExecutionProvider here"):
        open_on_gpu(TensorRtEngine, "f16", got="CUDAExecutionProvider")
    with pytest.raises(ValueError, match="engine tensorrt offers precision f32 and f16, not bf16"):
        open_on_gpu(TensorRtEngine, "bf16", got="TensorrtExecutionProvider")


def test_what_is_not_installed_is_told(small: Backbone) -> None:
    if "TensorrtExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime-gpu is installed, which lacks nothing")
    with pytest.raises(
        ValueError, match="engine tensorrt: .* has no TensorrtExecutionProvider; install onnxruntime-gpu"
    ):
        offered_pairs("tensorrt", "auto", "cuda")
    with pytest.raises(
        ValueError, match="engine onnxruntime: .* has no CUDAExecutionProvider; install onnxruntime-gpu"
    ):
        OnnxEngine(frame_model(small), Options((32, 32), "f32", "cuda"), Fake(Late(), Late()))


def test_which_engines_a_gpu_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "half_of_gpu", lambda device: "bf16")
    monkeypatch.setattr(loading, "find_spec", lambda name: None if name == "tensorrt" else name)
    monkeypatch.setattr(loading, "what_lacks", lambda device: "")
    torch_alone = [("torch", "f32"), ("torch", "bf16"), ("torch", "f16")]
    assert offered_pairs("auto", "auto", "cuda") == torch_alone
    assert offered_pairs("onnxruntime", "auto", "cuda") == [("onnxruntime", "f32")]
    monkeypatch.setattr(loading, "find_spec", lambda name: name)
    assert offered_pairs("auto", "auto", "cuda") == [*torch_alone, ("tensorrt", "f32"), ("tensorrt", "f16")]
    assert offered_pairs("tensorrt", "auto", "cuda:1") == [("tensorrt", "f32"), ("tensorrt", "f16")]
    with pytest.raises(ValueError, match="engine tensorrt: it needs a GPU; use --device cuda"):
        offered_pairs("tensorrt", "auto", "cpu")
    with pytest.raises(ValueError, match="openvino computes on the processor"):
        find_device("cuda", "openvino")
