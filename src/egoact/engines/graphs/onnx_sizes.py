"""ONNX graphs without arithmetic on sizes that are known beforehand."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from egoact.engines.onnx_session import open_session


def fix_sizes(graph: bytes, examples: Sequence[Mapping[str, np.ndarray]]) -> bytes:
    """Replace what a graph computes from sizes by its value, where that does not depend on the free axes.

    Tracing leaves such arithmetic wherever a network asks how large its input is, as convolutions padded like
    TensorFlow's do. Runtimes then repeat it for every frame, and cannot merge the padding into the convolution.
    `examples` are inputs that differ in the lengths of their free axes alone: what is equal for all is a constant.
    """
    import onnx

    model = onnx.load_from_string(graph)
    computed = _computed_from_sizes(model.graph)
    if not computed:
        return graph
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    asked.graph.output.extend(onnx.ValueInfoProto(name=name) for name in computed)
    session = open_session(asked.SerializeToString())
    found = [session.run(computed, dict(example)) for example in examples]
    fixed = {
        name: first
        for name, first, *others in zip(computed, *found, strict=True)
        if all(np.array_equal(first, each) for each in others)
    }
    kept = [node for node in model.graph.node if not all(name in fixed for name in node.output)]
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in fixed.items())
    _replace(model.graph.node, kept)
    _remove_unused(model.graph)
    return model.SerializeToString()


def _computed_from_sizes(graph: Any) -> list[str]:
    """Names of what depends on sizes and constants alone."""
    known = {"", *(each.name for each in graph.initializer)}  # "": an input that is left out
    computed: list[str] = []
    for node in graph.node:
        read = set(_read_by(node))
        if node.op_type in ("Constant", "Shape") or (read and read <= known):
            known.update(node.output)
            computed += [] if node.op_type == "Constant" else node.output
    return computed


def _remove_unused(graph: Any) -> None:
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(_read_by(node))
    _replace(graph.node, kept[::-1])
    _replace(graph.initializer, [each for each in graph.initializer if each.name in needed])


def _read_by(node: Any) -> Iterator[str]:
    """Names that a node reads, and the nodes of graphs inside it."""
    yield from node.input
    for attribute in node.attribute:
        for inner in (attribute.g, *attribute.graphs):
            yield from (output.name for output in inner.output)
            for each in inner.node:
                yield from _read_by(each)


def _replace(values: Any, kept: Sequence[Any]) -> None:
    copies = list(kept)
    del values[:]
    values.extend(copies)
