"""A run as graph files that answer without torch, proven on real clips before a byte is written."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egoact.core.errors import ArtifactError
from egoact.core.files import LOCK_NAME, PART_SUFFIX
from egoact.core.progress import working
from egoact.engines.frame_model import frame_model
from egoact.engines.parity import torch_features
from egoact.export.folder import write_export
from egoact.export.graphs import BUILDERS, ExportParts, check_tensorrt
from egoact.export.modules import WindowModel
from egoact.export.parity import check_measured, measure_parity
from egoact.extraction.engine_choice import NUM_FRAMES_TO_CALIBRATE, RealFrames
from egoact.runs.exported import EXPORT_NAME, LABELS_NAME, is_export
from egoact.runs.graph_files import GRAPH_NAMES, SUFFIXES
from egoact.runs.loading import Run
from egoact.runs.provenance import PROVENANCE_NAME
from egoact.runs.recognizer import CONFIG_NAME


@dataclass(frozen=True)
class Export:
    """An export.

    Args:
        run: What is exported.
        out: Folder for the graphs.
        format: Key of `BUILDERS`.
        precision: Of the backbone, "f32", "int8" or, of litert, "f16"; what comes after it is always float32.
        has_whole: Write the graph of the whole, too.
        is_for_tensorrt: ONNX as TensorRT takes it.
    """

    run: Run
    out: Path
    format: str
    precision: str
    has_whole: bool = True
    is_for_tensorrt: bool = False

    def write(self, frames: RealFrames, *, num_clips: int) -> None:
        """Write the graphs, unless they say something else than torch does.

        Args:
            frames: Real frames, to prove the graphs on and to calibrate int8.
            num_clips: How many clips to prove them on, spread over all segments.

        Raises:
            MediaError: Not one clip can be read.
            ArtifactError: Other weights.
            ValueError: The graphs do not agree with torch, or TensorRT would not take them.
        """
        recognizer, backbone = self.run.recognizer, self.run.backbone
        recognizer.model.cpu()
        with working("export: computing clips with torch"):
            clips = frames.clips(num_clips, num_frames=recognizer.config.num_frames)
            features = [torch_features(backbone, clip) for clip in clips]
        with working(f"export: writing {self.format} graphs"):
            built = BUILDERS[self.format](self._parts(frames))
            files = {name: each for name, each in built.items() if self.has_whole or Path(name).stem != "recognizer"}
        if self.is_for_tensorrt:
            check_tensorrt(files)
        with working("export: comparing them with torch"), _unpacked(files) as folder:
            parity = measure_parity(folder, self.format, recognizer, clips, features, precision=self.precision)
        check_measured(parity, self.format, self.precision)
        write_export(self.out, self.run, files, format=self.format, precision=self.precision, parity=parity)
        print(self._describe(parity))

    def _parts(self, frames: RealFrames) -> ExportParts:
        config, backbone = self.run.config, self.run.backbone
        targets = tuple(config.vocabularies)
        return ExportParts(
            frame=frame_model(backbone),
            window=WindowModel(self.run.recognizer.model, targets).eval(),
            targets=targets,
            input_size=backbone.spec.input_size,
            clip_shape=(config.num_frames, *backbone.spec.feature_shape),
            calibration=frames.spread(NUM_FRAMES_TO_CALIBRATE) if self.precision == "int8" else None,
            precision=self.precision,
            is_for_tensorrt=self.is_for_tensorrt,
        )

    def _describe(self, parity: dict[str, Any]) -> str:
        answers = ", ".join(
            f"{target} the same on {compared['same_answer']:.0%}, probabilities within {compared['max_difference']:.1g}"
            for target, compared in parity["pair"].items()
        )
        return (
            f"export: {self.out}: {self.format} {self.precision}, {parity['num_clips']} real clips against "
            f"torch: features' cosine {parity['features']['lowest']:.5f}, {answers}"
        )


def check_is_free(out: Path) -> None:
    """Refuse to write over what is no export, nor what one left that was ended before it was whole.

    Raises:
        ArtifactError: The folder holds something else.
    """
    if out.is_file() or (out.is_dir() and not is_export(out) and any(not _is_own(path) for path in out.iterdir())):
        raise ArtifactError("this holds something that is no export; give an empty or new folder", path=out)


def _is_own(path: Path) -> bool:
    whole = Path(path.name.removesuffix(PART_SUFFIX))
    is_graph = whole.stem in GRAPH_NAMES and any(whole.suffix in suffixes for suffixes in SUFFIXES.values())
    return is_graph or whole.name in (LOCK_NAME, CONFIG_NAME, LABELS_NAME, PROVENANCE_NAME, EXPORT_NAME)


@contextmanager
def _unpacked(files: dict[str, bytes]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)
