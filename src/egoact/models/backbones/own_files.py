"""Files of backbones that were made here, by `egoact compress` and `egoact finetune`: they say what they are.

A safetensors file with the tensors' names of the model that it was made from, and in its metadata the name of the
backbone and the size of its pictures. Its layers may be narrower than the model's: the tensors' shapes say so.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from egoact.core.files import make_folder, write_atomically
from egoact.models.names import BACKBONE_FILE

if TYPE_CHECKING:
    import torch
    from torch import nn

FILE_NAME = BACKBONE_FILE
PROJECTION = "projection"  # the module at the end of a student that gives as many features as its teacher


@dataclass(frozen=True)
class OwnFile:
    """What such a file says of itself: whose layers these are, height and width of its pictures, how it was made."""

    backbone: str
    size: int
    made_by: str


def describe_own_file(path: Path | None) -> OwnFile | None:
    """What a file says of itself; None where it was made elsewhere, or is none."""
    if path is None:
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            said = file.metadata() or {}
        return OwnFile(said["backbone"], int(said["size"]), said["made_by"])
    except (SafetensorError, OSError, KeyError, ValueError):
        return None


def write_own_file(path: Path, model: "nn.Module", own: OwnFile, *, described: Mapping[str, str]) -> None:
    """Write all of a model, in the layout that `load_backbone` reads, but its classifier.

    `described` is other metadata that the model's weights came with, and must be read with.
    """
    from safetensors.torch import save

    state = {n: t.detach().cpu().contiguous() for n, t in model.state_dict().items() if not n.startswith("classifier.")}
    said = {key: str(value) for key, value in asdict(own).items()}
    make_folder(path.parent)
    write_atomically(path, save(state, metadata={**described, "format": "pt", **said}))


def carry(path: Path | None, folder: Path) -> None:
    """Put such a file beside what needs it: a features folder, a run. None, and files made elsewhere, stay away."""
    if path is not None and describe_own_file(path) is not None and path != folder / FILE_NAME:
        make_folder(folder)
        write_atomically(folder / FILE_NAME, path.read_bytes())


def narrow(model: "nn.Module", values: "Mapping[str, torch.Tensor]") -> None:
    """Make convolutions, batch norms and linear layers as wide as some tensors, whose values are not taken over.

    A model also gets the `PROJECTION` that there is among the tensors. What differs in more than its number of channels
    is left as it is; loading will refuse it.
    """
    import torch
    from torch import nn

    last = values.get(f"{PROJECTION}.weight")
    if last is not None and last.ndim == 4:
        model.add_module(PROJECTION, nn.Conv2d(last.shape[1], last.shape[0], 1))
    for name, module in model.named_modules():
        weight = values.get(f"{name}.weight")
        mine = getattr(module, "weight", None)
        if weight is None or not isinstance(mine, torch.Tensor) or weight.shape == mine.shape:
            continue
        if weight.ndim != mine.ndim or weight.shape[2:] != mine.shape[2:]:
            continue
        if isinstance(module, nn.Conv2d):
            if module.groups > 1:  # depthwise: a group a channel
                module.groups = len(weight)
            module.out_channels, module.in_channels = len(weight), weight.shape[1] * module.groups
        elif isinstance(module, nn.BatchNorm2d):
            module.num_features = len(weight)
        elif isinstance(module, nn.Linear):
            module.out_features, module.in_features = weight.shape
        else:
            continue
        _fit_tensors(module, name, values)


def _fit_tensors(module: "nn.Module", name: str, values: "Mapping[str, torch.Tensor]") -> None:
    import torch
    from torch import nn

    for key, old in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
        if f"{name}.{key}" in values:
            new = torch.empty_like(values[f"{name}.{key}"])
            setattr(module, key, nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new)
