"""What `egoact export` writes of a run that finds actions in recordings, and how it is read back.

    export.json, config.json, labels.json    as in `exported.py`; background is the last label of each target
    frame.(onnx|xml)         frames uint8 (N, H, W, 3) ──► features float32 (N, D): of frames rgb, of differences
                             difference
    frame_grid.(onnx|xml)    the same ──► float32 (N, 4 D): grid, and rgb as the mean of its parts if there is no frame
    sequence.(onnx|xml)      features float32 (1, F, D) ──► log-probabilities (1, F, verbs + 1), (1, F, nouns + 1)
    step.(onnx|xml)          features (B, D), state_0, ... ──► log-probabilities (B, verbs + 1), ..., next_state_0, ...

Features are those of all streams of config.json side by side; motion has no network, and so no graph. What does not
look ahead has a step graph; its states begin as zeros. LiteRT (.tflite) and ExecuTorch (.pte) have no
sequence graph, but steps. Shapes: F steps, B streams at once, D features.
"""

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np

from egoact.core.bounds import MOST_FEATURES, load_json, shorten
from egoact.core.errors import ArtifactError
from egoact.engines.streams import GRID, ComputedStream, StreamEngine
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.linear_scores import chunks
from egoact.runs.exported import EXPORT_NAME, ExportedFrames, check_answers, read_export
from egoact.runs.graph_files import NamedGraph, Shape, open_graph, open_named_graph

FRAME_NAMES = {1: "frame", GRID: "frame_grid"}
CHUNK_STEPS = 1024


class ExportedSegmenter:
    """The graphs of an exported folder, as what `TrainedSegmenter` needs of a model.

    It has `num_outputs` classes of all targets, background included.

    Raises:
        ArtifactError: No export, a damaged one, or one of an earlier version.
    """

    def __init__(self, folder: Path, num_outputs: int) -> None:
        manifest = read_export(folder)
        if "reach" not in load_json(folder / EXPORT_NAME):
            raise ArtifactError("an earlier version of egoact made this export; export the run again", path=folder)
        self.reach = manifest.reach
        self._targets, self._path = manifest.targets, folder
        self._num_outputs = num_outputs
        has_sequence, has_steps = (manifest.has_graph(name) for name in ("sequence", "step"))
        if not (has_sequence or has_steps):
            raise ArtifactError("this export has no graph that answers about recordings", path=folder)
        self._sequence = open_graph(folder, "sequence", manifest.format) if has_sequence else None
        self._step: NamedGraph | None = None
        self._empty: list[np.ndarray] = []
        if has_steps:
            self._step, inputs = open_named_graph(folder, "step", manifest.format)
            self._empty = _empty_state(inputs, folder)

    def score(self, features: np.ndarray) -> np.ndarray:
        """Log-probabilities of a recording, (F, D), may be mapped -> float32 (F, K), in chunks as the run itself."""
        if self._sequence is None:
            return self._score_steps(features)
        chunk_steps = len(features) if self.reach is None else CHUNK_STEPS  # what sees everything has no chunks
        parts = []
        for read, kept in chunks(len(features), chunk_steps, self.reach or (0, 0)):
            said = self._sequence(np.array(features[read], np.float32)[None])
            parts.append(self._joined(said)[0, kept])
        return np.concatenate(parts)

    def _score_steps(self, features: np.ndarray) -> np.ndarray:
        state, parts = self.initial_state(1), []
        for each in features:
            said, state = self.step(np.array(each, np.float32)[None], state)
            parts.append(said)
        return np.concatenate(parts)

    def initial_state(self, batch_size: int) -> list[np.ndarray]:
        """What is known before the first step."""
        if self._step is None:
            raise ValueError("this export looks into the future, and cannot answer while things happen")
        return [np.repeat(part, batch_size, axis=0) for part in self._empty]

    def step(self, features: np.ndarray, state: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Take in a step, (B, D): log-probabilities (B, K), and the state after it."""
        assert self._step is not None, "there is no state to begin with"
        found = self._step({"features": features} | {f"state_{i}": part for i, part in enumerate(state)})
        later = {name: found[name] for i in range(len(state)) if (name := f"next_state_{i}") in found}
        if [each.shape for each in later.values()] != [part.shape for part in state]:
            raise ArtifactError("its step graph gives no state, or one of another shape than it takes", path=self._path)
        return self._joined(found), list(later.values())

    def _joined(self, found: dict[str, np.ndarray]) -> np.ndarray:
        if not all(target in found for target in self._targets):
            raise ArtifactError(
                f"its graph answers {', '.join(found)}, not {', '.join(self._targets)}", path=self._path
            )
        joined = np.concatenate([found[target] for target in self._targets], axis=-1)
        check_answers({"all": joined}, {"all": (*joined.shape[:-1], self._num_outputs)}, self._path)
        return joined


def _empty_state(inputs: Mapping[str, Shape], folder: Path) -> list[np.ndarray]:
    """Zeros, as a step graph wants its state: an `ArtifactError` where it wants something else."""
    shapes = [inputs.get(f"state_{i}", ()) for i in range(len(inputs) - 1)]
    sizes = [tuple(n or 0 for n in shape[1:]) for shape in shapes]
    if not all(shapes) or not all(map(all, sizes)) or sum(map(prod, sizes)) > MOST_FEATURES:
        raise ArtifactError(f"its step graph has a state of impossible shapes ({shorten(shapes)})", path=folder)
    return [np.zeros((1, *size), np.float32) for size in sizes]


def exported_streams(folder: Path, specs: Sequence[BackboneSpec], *, device: str = "cpu") -> StreamEngine:
    """The streams of an exported folder, their networks on its frame graphs.

    Raises:
        ArtifactError: No export, or a damaged one.
    """
    manifest = read_export(folder)
    there = [grid for grid, name in FRAME_NAMES.items() if manifest.has_graph(name)]
    frames = {grid: ExportedFrames(folder, FRAME_NAMES[grid], device=device) for grid in there}
    streams = []
    for spec in specs:
        grid = spec.grid if spec.grid in frames else GRID
        if spec.has_network and grid not in frames:
            raise ArtifactError(f"it has no graph {FRAME_NAMES[grid]}, which its streams need", path=folder)
        streams.append(ComputedStream(spec, frames[grid], grid) if spec.has_network else ComputedStream(spec, None))
    return StreamEngine(streams)
