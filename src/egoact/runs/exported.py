"""What `egoact export` writes, read back: graphs of ONNX Runtime, OpenVINO or LiteRT that need no torch to answer.

    export.json             what is here, how it was made, what its parity was: see `ExportManifest`
    config.json             of the run: classes, preprocessing, sampling
    labels.json             {"verb": [names], "noun": [names]}
    recognizer.(onnx|xml)   frames uint8 (1, T, H, W, 3) ──► probabilities (1, verbs), (1, nouns)
    frame.(onnx|xml)        frames uint8 (N, H, W, 3) ──► features float32 (N, D) or (N, C, h, w)
    window.(onnx|xml)       features float32 (B, T, ...) ──► probabilities (B, verbs), (B, nouns)

Files of LiteRT end in .tflite, of ExecuTorch in .pte; these have no recognizer, and take one frame or clip at a time
(N = B = 1).
Of a run that finds actions in recordings there is no recognizer and no window, but what `exported_segmenter.py` says.

Shapes: T frames a clip, H x W pixels, N frames, B clips.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from egoact.core.bounds import MOST_FEATURES, check_name, check_whole, load_json
from egoact.core.errors import ArtifactError
from egoact.core.files import file_sha256
from egoact.engines.onnx_session import check_device
from egoact.runs.graph_files import SUFFIXES, check_own, open_graph

EXPORT_NAME = "export.json"
LABELS_NAME = "labels.json"
FORMAT_VERSION = 1
_MOST_FILES = 100


@dataclass(frozen=True)
class ExportManifest:
    """What an exported folder holds.

    Args:
        format: Key of `SUFFIXES`.
        precision: Of the backbone, "f32", "f16" or "int8"; what follows it is float32.
        targets: What it answers.
        files: Name -> sha256 (hex).
        parity: What the comparison with torch on real clips gave.
        reach: Of a run that finds actions in recordings, steps before and after a step that its scores depend on; None:
            all of the recording.
    """

    format: str
    precision: str
    targets: tuple[str, ...]
    files: Mapping[str, str]
    parity: Mapping[str, Any]
    reach: tuple[int, int] | None = None

    def has_graph(self, name: str) -> bool:
        """Whether it lists a graph."""
        return f"{name}{SUFFIXES[self.format][0]}" in self.files

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {"format_version": FORMAT_VERSION, **asdict(self)}


def is_export(folder: Path) -> bool:
    """Whether `egoact export` made this folder."""
    return (folder / EXPORT_NAME).is_file()


def read_export(folder: Path) -> ExportManifest:
    """The manifest of an exported folder, with its files checked.

    Raises:
        ArtifactError: No export, another version, or a file that is missing or was changed.
    """
    path = folder / EXPORT_NAME
    try:
        values = load_json(path)
        if values["format_version"] != FORMAT_VERSION or values["format"] not in SUFFIXES:
            raise ValueError(f"version {values['format_version']}, format {values['format']!r}")
        if len(values["files"]) > _MOST_FILES:
            raise ValueError(f"{len(values['files']):,} files")
        for name in (*values["files"], *values["targets"], values["precision"]):
            check_name("a name", name)
        reach = values.get("reach")  # of runs that name clips, earlier versions did not write it
        for steps in reach or ():
            check_whole("reach", steps, least=0, most=MOST_FEATURES)
        files = {str(name): str(digest) for name, digest in values["files"].items()}
        manifest = ExportManifest(
            values["format"],
            values["precision"],
            tuple(values["targets"]),
            files,
            dict(values["parity"]),
            None if reach is None else (reach[0], reach[1]),
        )
    except FileNotFoundError:
        raise ArtifactError("not an exported folder: it has no export.json", path=folder) from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ArtifactError(f"damaged or of another version ({error})", path=path) from None
    for path, digest in ((folder / name, digest) for name, digest in files.items()):
        check_own(path, folder)
        if not path.is_file():
            raise ArtifactError("this file of the export is missing; export again", path=path)
        if file_sha256(path) != digest:
            raise ArtifactError("this file of the export is damaged; export again", path=path)
    return manifest


def check_answers(found: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], folder: Path) -> None:
    """Refuse what a graph says where it is of another shape, or no number: an `ArtifactError`."""
    for name, shape in shapes.items():
        if name not in found or found[name].shape != shape or np.isnan(found[name]).any():
            what = f"gives {found[name].shape} for {name}" if name in found else f"gives no {name}"
            raise ArtifactError(f"its graph {what} or numbers that are none; {shape} is needed", path=folder)


class ExportedClassifier:
    """The window graph of an exported folder, as what `Recognizer` needs: features in, logits out.

    Raises:
        ArtifactError: No export, a damaged one, or one of other targets.
    """

    def __init__(self, folder: Path, sizes: Mapping[str, int]) -> None:
        self.manifest = read_export(folder)
        self._path, self._sizes = folder, sizes
        targets = self.manifest.targets
        if sorted(targets) != sorted(sizes):
            reason = f"its graphs answer {', '.join(targets)}, config.json names {', '.join(sizes)}"
            raise ArtifactError(reason, path=folder)
        self._run = open_graph(folder, "window", self.manifest.format)

    def __call__(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """(N, T, ...) -> target -> logarithms of probabilities, float32 (N, classes): logits like any others."""
        found = self._run(np.ascontiguousarray(features, np.float32))
        check_answers(found, {t: (len(features), size) for t, size in self._sizes.items()}, self._path)
        tiny = np.finfo(np.float32).tiny
        return {target: np.log(np.maximum(found[target], tiny)) for target in self.manifest.targets}


class ExportedFrames:
    """A frame graph of an exported folder, in the shape of an engine: uint8 frames in, float32 features out.

    Other devices than "cpu" go with ONNX: see `PROVIDERS` of `engines/onnx_session.py`.

    Raises:
        ArtifactError: No export, or a damaged one.
        ValueError: A device that cannot be used here.
    """

    batch_size = 16
    graph: bytes | None = None

    def __init__(self, folder: Path, graph_name: str = "frame", *, device: str = "cpu") -> None:
        manifest = read_export(folder)
        if manifest.format == "onnx":
            check_device(device)
        elif device != "cpu":
            raise ValueError(f"--device {device}: the export {folder} has cpu; leave it away, or give the run itself")
        self._path = folder
        self.name = "onnxruntime" if manifest.format == "onnx" else manifest.format
        self.precision = manifest.precision
        self._run = open_graph(folder, graph_name, manifest.format, precision=manifest.precision, device=device)

    def run(self, frames: np.ndarray) -> np.ndarray:
        """uint8 (N, H, W, 3) -> float32 (N, D) or (N, C, h, w).

        Raises:
            ValueError: Other types than uint8; other sizes are refused by the graph.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4:
            raise ValueError(f"frames must be uint8 of shape (N, H, W, 3), got {frames.dtype} of shape {frames.shape}")
        features = self._run(np.ascontiguousarray(frames)).get("features")
        if features is None or features.ndim < 2 or len(features) != len(frames):
            raise ArtifactError("its frame graph gives no features of each frame", path=self._path)
        return features
