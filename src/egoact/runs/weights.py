"""Weights of a run that somebody else made: their names, shapes and numbers are looked at before a network is built."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from egoact.core.errors import ArtifactError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

Model = TypeVar("Model", bound="nn.Module")


def build_without_memory(build: Callable[[], Model]) -> Model:
    """A network of shapes alone: whatever its size, no numbers are allocated."""
    import torch

    with torch.device("meta"):
        return build()


def load_weights(build: Callable[[], Model], path: Path) -> Model:
    """A network with the weights of a safetensors file.

    Its shapes are compared before anything is allocated, so that no configuration can ask for more memory than the
    file has numbers.

    Args:
        build: Makes the network, untrained.
        path: The file.

    Raises:
        ArtifactError: Damaged, tensors that are missing, unknown or of other shapes, numbers that are not finite.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    wanted = {name: tuple(tensor.shape) for name, tensor in build_without_memory(build).state_dict().items()}
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        _compare(found, wanted, path)
        values = load_file(path)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ArtifactError(f"these weights cannot be used ({error})", path=path) from error
    check_finite(values, path)
    model = build()
    model.load_state_dict(values)
    return model


def read_arrays(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, "np.ndarray"] | None:
    """The tensors of a safetensors file without torch, float32; None where it has others, or NaN or infinite ones.

    Whoever loads them with torch then says what is wrong.
    """
    import numpy as np
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            found = {name: (each.get_dtype(), tuple(each.get_shape())) for name, each in slices.items()}
            if found != {name: ("F32", tuple(shape)) for name, shape in shapes.items()}:
                return None
            values = {name: file.get_tensor(name) for name in shapes}
    except (SafetensorError, OSError):
        return None
    return values if all(np.isfinite(each).all() for each in values.values()) else None


def check_finite(values: "Mapping[str, Tensor]", path: Path) -> None:
    """Refuse weights with NaN or infinite numbers: an `ArtifactError` names the first tensor."""
    for name, tensor in values.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ArtifactError(f"these weights cannot be used ({name} has numbers that are not finite)", path=path)


def _compare(found: Mapping[str, tuple[int, ...]], wanted: Mapping[str, tuple[int, ...]], path: Path) -> None:
    problems = [
        *(f"{name} is missing" for name in wanted.keys() - found.keys()),
        *(f"{name} is unknown" for name in found.keys() - wanted.keys()),
        *(
            f"{name} has shape {found[name]}, config.json asks for {shape}"
            for name, shape in wanted.items()
            if name in found and found[name] != shape
        ),
    ]
    if problems:
        more = f" and {len(problems) - 1:,} more" if len(problems) > 1 else ""
        raise ArtifactError(f"these weights cannot be used ({min(problems)}{more})", path=path)
