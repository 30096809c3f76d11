"""Heads against the equations of their papers, written out in numpy, with fixed weights."""

import numpy as np
import pytest
import torch
from torch import nn

from egoact.models.classifier import ActionClassifier
from egoact.models.fusion import LateFusion, MixedFusion
from egoact.models.heads import build_head

B, T, D, K = 3, 5, 7, 4


def softmax(values: np.ndarray, axis: int) -> np.ndarray:
    raised = np.exp(values - values.max(axis=axis, keepdims=True))
    return raised / raised.sum(axis=axis, keepdims=True)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def randomize(module: nn.Module) -> None:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)


def clips(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.5, 2.0, shape).astype(np.float32)


def standard(features: np.ndarray) -> np.ndarray:
    """Channels are standardised before any head; here by the clips themselves. Channels are last."""
    flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
    return (features - flat.mean(0)) / flat.std(0)


def classifier(name: str, **options: object) -> ActionClassifier:
    head = build_head(name, feature_shape=(D,), num_frames=T, **options)
    model = ActionClassifier(head, num_classes={"verb": K}, dropout=0.0)
    randomize(model)
    model.observe([torch.from_numpy(clips(B, T, D))])
    return model.eval()


@pytest.mark.parametrize("options", [{}, {"how": "weighted"}, {"how": "attention"}], ids=str)
def test_consensus_of_temporal_segment_networks(options: dict[str, object]) -> None:
    """G = sum over t of A_t F(T_t): F are the scores of a snippet, A is 1 / T, w_t, or e^(w . R) normalised."""
    model = classifier("consensus" if options else "average", **options)
    x = standard(clips(B, T, D))
    linear = model.classifiers["verb"]
    scores = x @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()  # type: ignore[union-attr, operator]
    weight = np.full((B, T), 1 / T)
    if options.get("how") == "attention":
        weight = softmax(x @ model.head.look.weight.detach().numpy()[0], 1)  # type: ignore[union-attr, operator]
    elif options:
        own = next(model.head.places.parameters()).detach().numpy().reshape(T)  # type: ignore[union-attr]
        weight = np.broadcast_to(softmax(own, 0), (B, T))
    expected = (weight[:, :, None] * scores).sum(1)
    found = model(torch.from_numpy(clips(B, T, D)))["verb"].detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    if options:
        attended = model.head.attend(torch.from_numpy(clips(B, T, D))).detach().numpy()  # type: ignore[operator]
        np.testing.assert_allclose(attended, weight, rtol=0, atol=1e-5)


def test_consensus_of_two_streams_is_the_weighted_mean_of_their_log_probabilities() -> None:
    heads = [build_head("average", feature_shape=(width,), num_frames=T) for width in (D, 2)]
    model = ActionClassifier(LateFusion(heads, (D, 2)), num_classes={"verb": K}, dropout=0.0)
    randomize(model)
    features = clips(B, T, D + 2)
    model.observe([torch.from_numpy(features)])
    late = model.classifiers["verb"]
    with torch.no_grad():
        late.weights.copy_(torch.tensor([0.0, np.log(3.0)]))  # type: ignore[operator, union-attr]
    mean = standard(features).mean(1)
    said = []
    for part, linear in zip(np.split(mean, [D], axis=1), late.parts, strict=True):  # type: ignore[arg-type]
        said.append(np.log(softmax(part @ linear.weight.detach().numpy().T + linear.bias.detach().numpy(), 1)))
    found = model.eval()(torch.from_numpy(features))["verb"].detach().numpy()
    np.testing.assert_allclose(found, 0.25 * said[0] + 0.75 * said[1], rtol=0, atol=1e-5)


def convolve(maps: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """(C, h, w) with (K, C, 3, 3), zeros around: one product and sum after another."""
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    height, width = maps.shape[1:]
    out = np.zeros((len(kernel), height, width))
    for row in range(height):
        for column in range(width):
            out[:, row, column] = (kernel * padded[:, row : row + 3, column : column + 3]).sum((1, 2, 3))
    return out if bias is None else out + bias[:, None, None]


@pytest.mark.parametrize("mixture", ["sum", "max"])
def test_two_stream_convlstm(mixture: str) -> None:
    """Maps of both streams, mixed place by place; Shi et al.'s equations without peepholes; pooling; classifiers.

    i, f, o = sigmoid(W * x_t + U * h_(t-1) + b), c_t = f c_(t-1) + i tanh(W_c * x_t + U_c * h_(t-1) + b_c),
    h_t = o tanh(c_t).
    """
    channels, kernels, size, frames = 2, 3, (4, 3), 3
    head = build_head("convlstm", feature_shape=(channels, *size), num_frames=frames, kernels=kernels, width=5)
    fusion = MixedFusion(head, (channels, channels), mixture)  # type: ignore[arg-type]
    model = ActionClassifier(fusion, num_classes={"verb": K}, dropout=0.0)
    randomize(model)
    features = clips(B, frames, 2 * channels, *size)
    model.observe([torch.from_numpy(features)])
    x = np.moveaxis(standard(np.moveaxis(features, 2, -1)), -1, 2)
    rgb, flow = x[:, :, :channels], x[:, :, channels:]
    mixed = rgb + flow if mixture == "sum" else np.maximum(rgb, flow)
    state = {name: value.numpy().astype(np.float64) for name, value in head.state_dict().items()}
    gates = [np.split(state[f"convlstm.{name}"], 4) for name in ("input.weight", "recurrent.weight", "input.bias")]
    expected = []
    for clip in mixed:
        hidden = cell = np.zeros((kernels, *size))
        for frame in clip:
            update, forget, candidate, reveal = (
                convolve(frame, w, b) + convolve(hidden, u, None) for w, u, b in zip(*gates, strict=True)
            )
            cell = sigmoid(forget) * cell + sigmoid(update) * np.tanh(candidate)
            hidden = sigmoid(reveal) * np.tanh(cell)
        expected.append(state["hidden.weight"] @ hidden.mean((1, 2)) + state["hidden.bias"])
    linear = model.classifiers["verb"]
    scores = np.stack(expected) @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()  # type: ignore[union-attr, operator]
    found = model.eval()(torch.from_numpy(features))["verb"].detach().numpy()
    np.testing.assert_allclose(found, scores, rtol=0, atol=1e-4)
