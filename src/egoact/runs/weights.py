"""Weights of a run that somebody else made: their names, shapes and numbers are looked at before a network is built."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from egoact.core.errors import ArtifactError
from egoact.core.files import make_folder, write_atomically, write_json

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

Model = TypeVar("Model", bound="nn.Module")
CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"


def build_without_memory(build: Callable[[], Model]) -> Model:
    """A network of shapes alone: whatever its size, no numbers are allocated."""
    import torch

    from egoact.models.backbones.weights import Undrawn

    with torch.device("meta"), Undrawn():
        return build()


def save_run(run: str | Path, model: "nn.Module", config: dict[str, Any]) -> None:
    """Write a run directory; the configuration comes last, so a half-written run is not taken for one."""
    from safetensors.torch import save

    make_folder(Path(run))
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(Path(run, WEIGHTS_NAME), save(state, metadata={"format": "pt"}))
    write_json(Path(run, CONFIG_NAME), config)


def load_weights(build: Callable[[], Model], path: Path, *, outline: "nn.Module | None" = None) -> Model:
    """A network with the weights of a safetensors file.

    Its shapes are compared before anything is allocated, so that no configuration can ask for more memory than the
    file has numbers.

    `build` makes the network, untrained; `outline` is what `build_without_memory` made of it, where that is there.

    Raises:
        ArtifactError: No file, a damaged one, other tensors or shapes, numbers that are not finite.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    if not path.is_file():
        raise ArtifactError("this run has no weights (model.safetensors); was its training finished?", path=path.parent)
    outline = build_without_memory(build) if outline is None else outline
    wanted = {name: tuple(tensor.shape) for name, tensor in outline.state_dict().items()}
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
