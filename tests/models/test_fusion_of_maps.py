"""Mixtures of stores, and attention that the flow directs: against the arithmetic written out."""

import pytest
import torch

from egoact.models.fusion import MixedFusion
from egoact.models.heads import build_head
from egoact.models.heads.flow_attention import TEMPORAL, FlowAttentionHead

B, T, C, H, W = 3, 4, 6, 2, 3


def maps(seed: int, channels: int = C) -> torch.Tensor:
    return torch.randn(B, T, channels, H, W, generator=torch.Generator().manual_seed(seed))


def inner(channels: int = C) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_head("convlstm", feature_shape=(channels, H, W), num_frames=T, kernels=4, width=None)


@pytest.mark.parametrize("mixture", ["sum", "max"])
def test_streams_are_mixed_place_by_place_after_they_were_standardised(mixture: str) -> None:
    fusion = MixedFusion(inner(), (C, C), mixture).eval()  # type: ignore[arg-type]
    one, two = maps(1), 50 + 20 * maps(2)
    both = torch.cat([one, two], 2)
    fusion.standardize.begin()
    fusion(both)
    fusion.standardize.end()

    def standard(x: torch.Tensor) -> torch.Tensor:
        mean, std = x.mean((0, 1, 3, 4)), x.std((0, 1, 3, 4), correction=0)
        return (x - mean[:, None, None]) / std[:, None, None]

    expected = standard(one) + standard(two) if mixture == "sum" else torch.maximum(standard(one), standard(two))
    torch.testing.assert_close(fusion(both), inner().eval()(expected), rtol=0, atol=1e-5)


def test_a_learned_mixture_is_a_convolution_of_size_1() -> None:
    fusion = MixedFusion(inner(), (C, 4), "conv").eval()
    assert fusion.conv is not None
    both = torch.cat([maps(1), maps(2, 4)], 2)
    kernel = fusion.conv.weight[:, :, None, None]
    mixed = torch.nn.functional.conv2d(both.flatten(0, 1), kernel, fusion.conv.bias).view(B, T, C, H, W)
    torch.testing.assert_close(fusion(both), inner().eval()(mixed), rtol=0, atol=1e-5)


def test_sums_need_the_same_channels() -> None:
    with pytest.raises(ValueError, match="fusion sum needs stores of the same number of channels, these have 6, 4"):
        MixedFusion(inner(), (C, 4), "sum")


def test_an_absent_frame_changes_nothing() -> None:
    fusion = MixedFusion(inner(), (C, C), "max").eval()
    both = torch.cat([maps(1), maps(2)], 2)
    mask = torch.tensor([[True] * 3 + [False]] * B)
    hidden = both.clone()
    hidden[:, 3] = float("nan")
    torch.testing.assert_close(fusion(hidden, mask), fusion(both[:, :3]))


def test_the_flow_says_where_to_look() -> None:
    head = FlowAttentionHead(feature_shape=(C + 1, H, W), num_frames=T, flow_channels=1, temporal="average").eval()
    features = torch.cat([maps(1), torch.zeros(B, T, 1, H, W)], 2)
    features[:, :, C, 1, 2] = 1.0  # what moves
    # The gate has not learned anything.
    torch.testing.assert_close(head(features), maps(1).mean((1, 3, 4)), rtol=0, atol=0.01)
    first, _, last = head.gate
    with torch.no_grad():
        first.weight.zero_()
        first.bias.zero_()
        first.weight[0, C] = 1.0
        last.weight[0, 0] = 30.0
    looked = head.attend(features)
    torch.testing.assert_close(looked.sum((2, 3)), torch.ones(B, T))
    assert looked[:, :, 1, 2].min() > 0.999
    torch.testing.assert_close(head(features), maps(1)[..., 1, 2].mean(1), rtol=0, atol=1e-4)


@pytest.mark.parametrize("temporal", TEMPORAL)
def test_any_temporal_head_follows_and_the_gate_learns(temporal: str) -> None:
    head = build_head("flow_attention", feature_shape=(C, H, W), num_frames=T, temporal=temporal)
    head(maps(1)).square().sum().backward()
    assert head.width == head(maps(1)).shape[1]
    assert head.gate[2].weight.grad.abs().sum() > 0  # type: ignore[index, union-attr]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"flow_channels": 6}, "leaves none of 6 channels"),
        ({"temporal": "convlstm"}, "temporal must be one of average, difference, gru, lstm"),
        ({"flow_channels": 0}, "flow_channels must be a whole number from 1 to"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        build_head("flow_attention", feature_shape=(C, H, W), num_frames=T, **options)
