"""A network of pictures that takes stacks of differences or of flow: cross-modality initialisation.

Every filter of the first convolution is averaged over red, green and blue, and repeated for every channel of the stack,
times 3 / C: a stack of C equal grey pictures gives what the network gives of that picture, where its normalisation is
the same for red, green and blue. Before any training it says of a stack what it says of the grey mean of its channels.

Source: Temporal Segment Networks, Wang et al. 2016, arXiv:1608.00859, section 3.3; without the factor, which the first
batch norm has to learn there.
"""

from dataclasses import replace

import torch
from torch import nn

from egoact.models.backbones.trunks import Trunk


def widen(trunk: Trunk, num_channels: int) -> Trunk:
    """The same backbone for pictures of so many channels; its first convolution is changed unless it fits already.

    Raises:
        ValueError: A backbone whose first layer is no convolution of three channels, or of another stack.
    """
    first = next((m for m in trunk.model.modules() if isinstance(m, nn.Conv2d | nn.Linear)), None)
    if not trunk.is_sequence or not isinstance(first, nn.Conv2d) or first.groups > 1:
        raise ValueError("this backbone is not made of blocks in a row that begin with a convolution")
    if first.in_channels == num_channels == 3:
        return trunk
    if first.in_channels != num_channels:
        if first.in_channels != 3:
            raise ValueError(f"these weights take pictures of {first.in_channels} channels, not of {num_channels}")
        with torch.no_grad():
            grey = first.weight.mean(dim=1, keepdim=True) * (3 / num_channels)
            first.weight = nn.Parameter(grey.repeat(1, num_channels, 1, 1), first.weight.requires_grad)
        first.in_channels = num_channels
    mean, std = ((sum(values) / 3,) * num_channels for values in (trunk.mean, trunk.std))
    return replace(trunk, mean=mean, std=std)
