"""Layers of the report against Keras, an independent implementation, with the same weights."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from egoact.models.backbones.registry import load_backbone
from egoact.models.classifier import ActionClassifier
from egoact.models.heads import build_head
from egoact.models.heads.convlstm import ConvLSTM
from tests.makers.machines.places import SHARED

pytestmark = pytest.mark.slow
T = 20
PUBLISHED = SHARED / "data" / "weights" / "mobilenet_v2_imagenet_features.safetensors"
TENSORFLOW = {"input": "x/127.5-1, RGB", "padding": "TensorFlow SAME"}


@pytest.fixture(scope="module")
def keras() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "torch")  # must be chosen before the first import
    return pytest.importorskip("keras", reason="keras is not installed: pip install 'egoact[bench]'")


def features(*shape: int) -> Tensor:
    """As a backbone gives them: not negative, many zeros."""
    return torch.randn(2, T, *shape, generator=torch.Generator().manual_seed(3)).clamp_min(0) * 1.5


def as_numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def randomize(module: nn.Module) -> None:
    """Biases and norms too: what starts at 0 or 1 would hide an exchanged pair."""
    generator = torch.Generator().manual_seed(5)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if name.endswith("bias_hh_l0") or not tensor.is_floating_point():
            continue
        if "var" in name:
            tensor.data.mul_(torch.rand(tensor.shape, generator=generator) + 0.5)
        elif tensor.ndim == 1:
            tensor.data.add_(torch.randn(tensor.shape, generator=generator) * 0.2)


def as_array(output: Any) -> np.ndarray:
    return as_numpy(output) if isinstance(output, Tensor) else np.asarray(output)


def batch_norm_weights(norm: nn.Module) -> list[np.ndarray]:
    return [as_numpy(t) for t in (norm.weight, norm.bias, norm.running_mean, norm.running_var)]


def test_lstm(keras: Any) -> None:
    head = build_head("lstm", feature_shape=(1280,), num_frames=T).eval()
    randomize(head)
    lstm = head.lstm
    ours = ActionClassifier(head, num_classes={"verb": 13}).eval()
    theirs = keras.Sequential(
        [
            keras.layers.Input((T, 1280)),
            keras.layers.LSTM(50),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(13),
        ]
    )
    assert theirs.count_params() - 100 == ours.num_trainable == 266_963  # 100: running mean and variance
    theirs.layers[0].set_weights(
        [as_numpy(lstm.weight_ih_l0).T, as_numpy(lstm.weight_hh_l0).T, as_numpy(lstm.bias_ih_l0)]
    )
    theirs.layers[1].set_weights(batch_norm_weights(head.norm))
    classifier = ours.classifiers["verb"]
    theirs.layers[2].set_weights([as_numpy(classifier.weight).T, as_numpy(classifier.bias)])
    x = features(1280)
    expected = as_array(theirs(as_numpy(x), training=False))
    found = as_numpy(ours(x)["verb"])
    assert np.ptp(expected, axis=0).max() > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("channels", "side", "kernels", "kernel_size", "stride", "padding"),
    [
        pytest.param(96, 16, 64, 3, 1, "same", id="Table 1"),
        pytest.param(1280, 8, 8, 4, 4, "same", id="text"),
        pytest.param(1280, 7, 8, 4, 4, "same", id="text at 224 pixels"),
        pytest.param(1280, 8, 8, 4, 4, "valid", id="text, valid"),
        pytest.param(1280, 8, 50, 4, 4, "same", id="Figure 8"),
        pytest.param(1280, 8, 50, 4, 4, "valid", id="Figure 8, valid"),
        pytest.param(1280, 7, 50, 4, 1, "same", id="even kernel"),
        pytest.param(32, 9, 5, 3, 2, "same", id="odd size, stride 2"),
    ],
)
def test_convlstm(
    keras: Any, channels: int, side: int, kernels: int, kernel_size: int, stride: int, padding: str
) -> None:
    ours = ConvLSTM(channels, kernels, kernel_size=kernel_size, stride=stride, padding=padding).eval()
    randomize(ours)
    theirs = keras.layers.ConvLSTM2D(
        kernels,
        kernel_size,
        strides=stride,
        padding=padding,
        return_sequences=True,
        data_format="channels_last",
    )
    maps = features(channels, side, side)
    channels_last = as_numpy(maps.permute(0, 1, 3, 4, 2))
    theirs.build(channels_last.shape)
    theirs.set_weights(
        [
            as_numpy(ours.input.weight.permute(2, 3, 1, 0)),
            as_numpy(ours.recurrent.weight.permute(2, 3, 1, 0)),
            as_numpy(ours.input.bias),
        ]
    )
    assert theirs.count_params() == sum(p.numel() for p in ours.parameters())
    expected = as_array(theirs(channels_last)).transpose(0, 1, 4, 2, 3)
    found = as_numpy(ours(maps))
    assert np.abs(expected[:, -1]).max() > 0.05
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "options", "num_parameters"),
    [
        pytest.param((96, 16, 16), {}, 446_909, id="Table 1"),
        pytest.param(
            (1280, 8, 8),
            {"kernels": 8, "kernel_size": 4, "stride": 4, "width": None},
            659_488 + 8 * 13 + 13,
            id="text",
        ),
    ],
)
def test_the_whole_convlstm(
    keras: Any, shape: tuple[int, int, int], options: dict[str, Any], num_parameters: int
) -> None:
    head = build_head("convlstm", feature_shape=shape, num_frames=T, **options)
    ours = ActionClassifier(head, num_classes={"verb": 13}).eval()
    randomize(ours)
    assert ours.num_trainable == num_parameters
    convlstm, layers = head.convlstm, keras.layers
    channels, height, width = shape
    dense = [module for module in (head.hidden, ours.classifiers["verb"]) if module is not None]
    theirs = keras.Sequential(
        [
            layers.Input((T, height, width, channels)),
            layers.ConvLSTM2D(convlstm.kernels, convlstm.kernel_size, strides=convlstm.stride, padding="same"),
            layers.GlobalAveragePooling2D(),
            *(layers.Dense(module.out_features) for module in dense),
        ]
    )
    assert theirs.count_params() == num_parameters
    recurrent, *others = [layer for layer in theirs.layers if layer.weights]
    kernels = (convlstm.input.weight, convlstm.recurrent.weight)
    recurrent.set_weights([*(as_numpy(w.permute(2, 3, 1, 0)) for w in kernels), as_numpy(convlstm.input.bias)])
    for module, layer in zip(dense, others, strict=True):
        layer.set_weights([as_numpy(module.weight).T, as_numpy(module.bias)])
    maps = features(*shape)
    expected = as_array(theirs(as_numpy(maps.permute(0, 1, 3, 4, 2)), training=False))
    found = as_numpy(ours(maps)["verb"])
    assert np.ptp(expected, axis=0).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_the_whole_convnet1d(keras: Any) -> None:
    head = build_head("convnet1d", feature_shape=(1280,), num_frames=T)
    for norm in (m for m in head.modules() if isinstance(m, nn.BatchNorm1d)):
        norm.momentum = None  # statistics of this one batch, or nothing of the clip is left after nine layers
    head(features(1280))
    randomize(head.eval())
    ours = ActionClassifier(head, num_classes={"verb": 97, "noun": 300}).eval()
    layers = keras.layers
    frames = x = layers.Input((T, 1280))
    for _ in range(4):
        x = layers.BatchNormalization()(layers.Conv1D(10, 3)(x))
        x = layers.BatchNormalization()(layers.Conv1D(10, 3)(x))
        x = layers.LeakyReLU(negative_slope=0.01)(x)
    x = layers.LeakyReLU(negative_slope=0.01)(layers.BatchNormalization()(layers.Conv1D(100, 4)(x)))
    x = layers.Flatten()(x)
    theirs = keras.Model(frames, [layers.Dense(97)(x), layers.Dense(300)(x)])
    assert sum(int(np.prod(w.shape)) for w in theirs.trainable_weights) == ours.num_trainable == 85_137

    ours_layers = [m for m in head.layers if isinstance(m, nn.Conv1d | nn.BatchNorm1d)] + [*ours.classifiers.values()]
    theirs_layers = [layer for layer in theirs.layers if layer.weights]
    for mine, layer in zip(ours_layers, theirs_layers, strict=True):
        layer.set_weights(
            batch_norm_weights(mine)
            if isinstance(mine, nn.BatchNorm1d)
            else [as_numpy(mine.weight.permute(*reversed(range(mine.weight.ndim)))), as_numpy(mine.bias)]
        )
    x = features(1280)
    expected = [as_array(y) for y in theirs(as_numpy(x), training=False)]
    found = ours(x)
    for target, values in zip(("verb", "noun"), expected, strict=True):
        assert np.ptp(values, axis=0).max() > 0.01
        np.testing.assert_allclose(as_numpy(found[target]), values, rtol=1e-5, atol=1e-5)


@pytest.fixture(params=["published", "random"])
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file for MobileNetV2 as TensorFlow trains it."""
    if request.param == "published":
        if not PUBLISHED.is_file():
            pytest.skip(f"there are no published weights at {PUBLISHED}")
        return PUBLISHED
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.mobilenet_v2()
    randomize(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.mul_(2)  # or nothing of the image is left after 52 layers
    path = tmp_path / "random.safetensors"
    save_file({k: v for k, v in model.state_dict().items() if k.startswith("features.")}, path, metadata=TENSORFLOW)
    return path


@pytest.mark.parametrize("size", [256, 200, 161])  # 200 is odd after three halvings
def test_mobilenet_v2_with_padding_like_tensorflow(keras: Any, weights: Path, size: int) -> None:
    backbone = load_backbone("mobilenet_v2", weights=weights, size=size)
    assert backbone.spec.mean == backbone.spec.std == (0.5, 0.5, 0.5)
    theirs = keras.applications.MobileNetV2(weights=None, include_top=False, pooling="avg", input_shape=(size, size, 3))
    mine = [m for m in backbone.module.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    for module, layer in zip(mine, [layer for layer in theirs.layers if layer.weights], strict=True):
        if isinstance(module, nn.Conv2d):
            depthwise = module.groups > 1
            layer.set_weights(
                [as_numpy(module.weight.permute(2, 3, 0, 1) if depthwise else module.weight.permute(2, 3, 1, 0))]
            )
        else:
            scale, shift, mean, variance = batch_norm_weights(module)
            layer.set_weights([scale, shift, mean, variance + module.eps - layer.epsilon])  # same divisor
    image = features(3, size, size)[0, :1] - 1
    expected = as_array(theirs(as_numpy(image.permute(0, 2, 3, 1)), training=False))
    with torch.inference_mode():
        found = as_numpy(backbone.module(image))
    assert expected.shape == (1, 1280) and expected.std() > 0.05
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
