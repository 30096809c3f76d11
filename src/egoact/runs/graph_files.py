"""Graphs of ONNX Runtime, OpenVINO, LiteRT or ExecuTorch in files, opened: arrays in, arrays out.

A graph that somebody else made is refused in one line where it reaches for other files, is damaged or cannot answer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.bounds import check_inside
from egoact.core.errors import ArtifactError
from egoact.core.machine import num_cores
from egoact.engines.graphs.converters import silenced
from egoact.engines.graphs.openvino_graphs import openvino_core
from egoact.engines.onnx_session import open_session

SUFFIXES = {
    "onnx": (".onnx",),
    "openvino": (".xml", ".bin"),
    "litert": (".tflite",),
    "executorch": (".pte",),
}
GRAPH_NAMES = ("frame", "frame_grid", "window", "recognizer", "sequence", "step")
"""All that an export may have, without suffix."""

Graph = Callable[[np.ndarray], dict[str, np.ndarray]]
NamedGraph = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
Shape = tuple[int | None, ...]


def check_own(path: Path, folder: Path) -> None:
    """Refuse what leads out of the folder, and a graph whose weights are said to lie in another file."""
    try:
        if path.parent != folder:
            raise ValueError("this is not a plain file name")
        check_inside(path, folder)
    except ValueError as error:
        raise ArtifactError(str(error), path=path) from None


def has_graph(folder: Path, name: str, format: str) -> bool:
    """Whether a folder has a graph."""
    return (folder / f"{name}{SUFFIXES[format][0]}").is_file()


def open_graph(folder: Path, name: str, format: str, *, precision: str = "f32", device: str = "cpu") -> Graph:
    """A graph of a folder, ready to run: one array in, arrays by name out.

    With precision int8, what is not quantised may be in bf16. Other devices than the CPU go with format onnx.

    Raises:
        ArtifactError: It cannot be read.
    """
    run, (given,) = open_named_graph(folder, name, format, precision=precision, device=device)
    return lambda values: run({given: values})


def open_named_graph(
    folder: Path, name: str, format: str, *, precision: str = "f32", device: str = "cpu"
) -> tuple[NamedGraph, dict[str, Shape]]:
    """The same of a graph with several inputs: arrays by name in and out; and their shapes, None where any length goes.

    Raises:
        ArtifactError: It cannot be read.
    """
    path = folder / f"{name}{SUFFIXES[format][0]}"
    for suffix in SUFFIXES[format]:
        check_own(path.with_suffix(suffix), folder)
    try:
        if format == "onnx":
            run, shapes = _open_onnx(path, precision, device)
        elif format == "openvino":
            run, shapes = _open_openvino(path, precision)
        else:
            run, shapes = (_open_litert if format == "litert" else _open_executorch)(path)
    except ModuleNotFoundError as error:
        reason = f"this graph needs {error.name}, which is not installed here; pip install 'egoact[{format}]'"
        raise ArtifactError(reason, path=path) from None
    except Exception as error:  # each library has its own types for what is wrong with a file
        raise ArtifactError(f"this graph cannot be read ({_reason(error)})", path=path) from None

    def answer(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return run(values)
        except ValueError:
            raise
        except Exception as error:
            raise ArtifactError(f"this graph cannot answer ({_reason(error)})", path=path) from None

    return answer, shapes


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _open_onnx(path: Path, precision: str, device: str) -> tuple[NamedGraph, dict[str, Shape]]:
    _refuse_other_files(path)
    session = open_session(str(path), device=device, precision=precision)
    names = [entry.name for entry in session.get_outputs()]

    def run(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, dict(values)), strict=True))

    given = session.get_inputs()
    return run, {entry.name: tuple(n if isinstance(n, int) else None for n in entry.shape) for entry in given}


def _refuse_other_files(path: Path) -> None:
    """A graph of ours is one file; one that somebody else made could have any file read as its weights."""
    import onnx
    from onnx.external_data_helper import uses_external_data

    parts = _parts(onnx.load(path, load_external_data=False))
    if any(isinstance(part, onnx.TensorProto) and uses_external_data(part) for part in parts):
        raise ValueError("its weights are said to be in another file")


def _parts(message: Any) -> Iterator[Any]:
    """A message of a protocol buffer, and all that lie in it: tensors may be attributes, or in graphs of their own."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in value if isinstance(value, Sequence) else (value,):
                yield from _parts(each)


def _open_openvino(path: Path, precision: str) -> tuple[NamedGraph, dict[str, Shape]]:
    core = openvino_core()
    has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    hint = "bf16" if precision == "int8" and has_bf16 else "f32"
    compiled = core.compile_model(path, "CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint})
    request = compiled.create_infer_request()
    names = [output.get_any_name() for output in compiled.outputs]

    def run(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        results = request.infer(dict(values), share_inputs=True)
        return {name: np.array(results[index]) for index, name in enumerate(names)}

    given = {each.get_any_name(): each.get_partial_shape() for each in compiled.inputs}
    return run, {name: tuple(n.get_length() if n.is_static else None for n in shape) for name, shape in given.items()}


def _open_litert(path: Path) -> tuple[NamedGraph, dict[str, Shape]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=num_cores())
    runner = interpreter.get_signature_runner()
    shapes: dict[str, Shape] = {
        name: tuple(details["shape"].tolist()) for name, details in runner.get_input_details().items()
    }

    return _row_by_row(lambda values: runner(**values), shapes), shapes


def _open_executorch(path: Path) -> tuple[NamedGraph, dict[str, Shape]]:
    with silenced():
        import torch
        from executorch.extension.pybindings import portable_lib
        from executorch.runtime import Runtime

        from egoact.engines.graphs.executorch_graphs import NAMES

        if portable_lib._threadpool_get_thread_count() != num_cores():
            portable_lib._unsafe_reset_threadpool(num_cores())  # it takes all cores of the machine; nothing runs yet
        program = Runtime.get().load_program(path)
        method = program.load_method("forward")
        given, names = (line.split() for line in program.load_method(NAMES).execute([])[0].splitlines())
    metas = [method.metadata.input_tensor_meta(i) for i in range(method.metadata.num_inputs())]
    shapes: dict[str, Shape] = {name: tuple(meta.sizes()) for name, meta in zip(given, metas, strict=True)}

    def answer(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = method.execute([torch.tensor(values[name]) for name in given])
        return {name: each.numpy() for name, each in zip(names, found, strict=True)}

    return _row_by_row(answer, shapes), shapes


def _row_by_row(answer: NamedGraph, shapes: Mapping[str, Shape]) -> NamedGraph:
    """What takes a single row, for any number of them."""

    def run(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        for name, shape in shapes.items():
            if values[name].shape[1:] != shape[1:]:
                raise ValueError(f"{name} must be of shape {('N', *shape[1:])}, got {values[name].shape}")
        count = len(next(iter(values.values())))
        rows = [answer({name: each[i : i + 1] for name, each in values.items()}) for i in range(count)]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    return run
