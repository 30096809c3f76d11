"""OpenVINO graphs: from torch, to bytes and back. Knows nothing about running them."""

import io
import sys
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from egoact.engines.frame_model import FrameModel


def convert(model: "FrameModel", input_size: tuple[int, int]) -> Any:
    """A model of frames as an OpenVINO model with a free batch size."""
    import torch

    example = torch.zeros(1, *model.window, *input_size, model.num_channels, dtype=torch.uint8)
    model.requires_grad_(False)  # weights become constants

    def forward(frames: "Tensor") -> "Tensor":
        """Not the module itself: that would make a script of every module in it, which takes a third of the time."""
        return model(frames)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # tracing is deprecated, and attributes of models that it reads
        # Vision transformers compute with the size of the image, which is fixed here; only the batch is free.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        # Its own tracing would run the module four times, to be sure of what a proof on real frames shows anyway.
        traced = torch.jit.trace(forward, example, strict=False, check_trace=False)
        graph = import_openvino().convert_model(traced, input=[(-1, *example.shape[1:])])
    return number_nodes(graph)


def number_nodes(graph: Any) -> Any:
    """The same graph with names that depend on nothing but its structure: OpenVINO counts on through a process."""
    for number, node in enumerate(graph.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{number}")
    graph.set_friendly_name("graph")
    return graph


def join(frame: Any, window: Any, frames_shape: tuple[int, ...], clip_shape: tuple[int, ...]) -> Any:
    """Frames to answers in one graph: uint8 "frames" (1, T, H, W, 3) in, the outputs of the window graph out.

    Both graphs, of frames (N, H, W, 3) and of features (B, T, ...), are used up. `frames_shape` is (T, H, W, 3),
    `clip_shape` (T, *feature).
    """
    openvino = import_openvino()
    from openvino import opset13 as operations

    names = [output.get_any_name() for output in window.outputs]
    frames = operations.parameter([1, *frames_shape], np.uint8, name="frames")
    _feed(frame, operations.reshape(frames, np.array(frames_shape, np.int64), False))
    features = frame.get_results()[0].input_value(0)
    _feed(window, operations.reshape(features, np.array((1, *clip_shape), np.int64), False))
    whole = openvino.Model([result.input_value(0) for result in window.get_results()], [frames], "recognizer")
    whole.inputs[0].get_tensor().set_names({"frames"})
    for output, name in zip(whole.outputs, names, strict=True):
        output.get_tensor().set_names({name})
    return whole


def _feed(graph: Any, node: Any) -> None:
    """Put a node in the place of a graph's only input."""
    for use in graph.get_parameters()[0].output(0).get_target_inputs():
        use.replace_source_output(node.output(0))


def to_files(graph: Any) -> tuple[bytes, bytes]:
    """The two files of a graph: structure (.xml) and weights (.bin)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.xml"
        import_openvino().serialize(number_nodes(graph), path)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def pack(graph: Any) -> bytes:
    """A graph as one block of bytes: its two files in an uncompressed zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in zip(("graph.xml", "graph.bin"), to_files(graph), strict=True):
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def unpack(content: bytes) -> Any:
    """Back from `pack`; a `ValueError` where it is something else, or damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return openvino_core().read_model(archive.read("graph.xml"), archive.read("graph.bin"))
    except (zipfile.BadZipFile, KeyError, RuntimeError) as error:
        raise ValueError(f"this is no quantised OpenVINO graph ({type(error).__name__})") from None


def import_openvino() -> ModuleType:
    """The module `openvino`, without its telemetry; always import it, and NNCF, after this call.

    Importing OpenVINO, and NNCF with it, forks a process that sends usage statistics over the network, and leaves an
    identifier in the user's home folder. We promise to use no network, so the module that does it is hidden first: both
    libraries then take the stub that they bring for this case. A program that imported OpenVINO before us has decided
    for itself.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # pyrefly: ignore[no-matching-overload]  # `import` raises ModuleNotFoundError
    import openvino

    return openvino


@cache
def openvino_core() -> Any:
    """The only `openvino.Core` of the process, which stays until its end.

    Each one gives its thread another stack for signals, and puts the one before it back when it goes. Were there two
    of which the first goes first, that stack would be gone already, and the next Ctrl-C a segmentation fault.
    """
    return import_openvino().Core()
