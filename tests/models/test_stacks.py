"""Cross-modality initialisation: what a network of stacks says before it has learned anything."""

from pathlib import Path

import pytest
import torch

from egoact.models.backbones.own_files import OwnFile, write_own_file
from egoact.models.backbones.registry import Backbone, load_backbone, load_trunk

SIZE = 64
LITE = pytest.param("efficientnet_lite0", marks=pytest.mark.slow)


def said(backbone: Backbone, pictures: torch.Tensor) -> torch.Tensor:
    """Of pictures (B, C, H, W) from 0 to 1."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (backbone.spec.mean, backbone.spec.std))
    return backbone.module((pictures - mean) / std)


@pytest.mark.parametrize("channels", [10, 15])
@pytest.mark.parametrize("name", ["tiny-random", LITE])
def test_a_stack_of_equal_grey_pictures_is_that_picture(name: str, channels: int) -> None:
    plain, stacked = load_backbone(name, size=SIZE), load_backbone(name, size=SIZE, channels=channels)
    grey = torch.rand(3, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    expected = said(plain, grey.repeat(1, 3, 1, 1))
    torch.testing.assert_close(said(stacked, grey.repeat(1, channels, 1, 1)), expected, rtol=0, atol=5e-5)
    assert expected.std() > 1e-3


def test_before_training_any_stack_is_the_grey_mean_of_its_channels() -> None:
    """So frozen, without training, it knows less than the network has seen of single differences."""
    plain, stacked = load_backbone("tiny-random", size=SIZE), load_backbone("tiny-random", size=SIZE, channels=10)
    stack = torch.rand(3, 10, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    mean = stack.mean(1, keepdim=True).repeat(1, 3, 1, 1)
    torch.testing.assert_close(said(stacked, stack), said(plain, mean), rtol=0, atol=1e-5)


def test_without_the_factor_the_first_layer_is_too_strong_by_a_third_of_the_channels() -> None:
    """As the paper has it, filters are repeated as they are: the first convolution gives C / 3 times as much."""
    plain, stacked = (load_trunk("tiny-random", weights=None, size=SIZE, channels=c).model for c in (3, 15))
    grey = torch.rand(1, 1, SIZE, SIZE)
    first = next(module for module in stacked.modules() if isinstance(module, torch.nn.Conv2d))
    theirs = next(module for module in plain.modules() if isinstance(module, torch.nn.Conv2d))
    as_published = theirs.weight.mean(1, keepdim=True).repeat(1, 15, 1, 1)
    found = torch.nn.functional.conv2d(grey.repeat(1, 15, 1, 1), as_published)
    expected = torch.nn.functional.conv2d(grey.repeat(1, 3, 1, 1), theirs.weight)
    torch.testing.assert_close(found, 5 * expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(first.weight, as_published / 5)


def test_a_file_of_a_stacks_network_is_read_for_such_stacks_alone(tmp_path: Path) -> None:
    trunk = load_trunk("tiny-random", weights=None, size=SIZE, channels=10)
    with torch.no_grad():
        for parameter in trunk.model.parameters():
            parameter.add_(0.01)
    path = tmp_path / "own.safetensors"
    write_own_file(path, trunk.model, OwnFile("tiny-random", SIZE, "a test"), described={})
    read = load_trunk("tiny-random", weights=path, size=SIZE, channels=10)
    for name, value in trunk.model.state_dict().items():
        assert torch.equal(read.model.state_dict()[name], value)
    for channels in (3, 15):
        with pytest.raises(ValueError, match=f"take pictures of 10 channels, not of {channels}"):
            load_trunk("tiny-random", weights=path, size=SIZE, channels=channels)
