"""A run as graph files that answer without torch, proven on real clips before a byte is written."""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from egoact.core.errors import ArtifactError
from egoact.core.files import LOCK_NAME, PART_SUFFIX, make_folder, write_atomically, write_json
from egoact.core.progress import working
from egoact.engines.frame_model import frame_model
from egoact.engines.parity import torch_features
from egoact.export.graphs import BUILDERS, ExportParts, WindowModel, check_tensorrt
from egoact.export.parity import check_measured, measure_parity
from egoact.extraction.engine_choice import NUM_FRAMES_TO_CALIBRATE, RealFrames
from egoact.runs.exported import EXPORT_NAME, LABELS_NAME, ExportManifest, is_export
from egoact.runs.graph_files import GRAPH_NAMES, SUFFIXES
from egoact.runs.loading import Run
from egoact.runs.provenance import PROVENANCE_NAME, Provenance
from egoact.runs.recognizer import CONFIG_NAME
from egoact.runs.segmenter import TrainedSegmenter


def export_recognizer(
    run: Run,
    out: Path,
    format: str,
    frames: RealFrames,
    *,
    num_clips: int,
    precision: str = "f32",
    has_whole: bool = True,
    is_for_tensorrt: bool = False,
) -> None:
    """Write the graphs, unless they say something else than torch does.

    Args:
        run: What is exported.
        out: Folder for the graphs.
        format: Key of `BUILDERS`.
        frames: Real frames, to prove the graphs on and to calibrate int8.
        num_clips: How many clips to prove them on, spread over all segments.
        precision: Of the backbone, "f32", "int8" or, of litert, "f16"; what comes after it is always float32.
        has_whole: Write the graph of the whole, too.
        is_for_tensorrt: ONNX as TensorRT takes it.

    Raises:
        MediaError: Not one clip can be read.
        ArtifactError: Other weights.
        ValueError: The graphs do not agree with torch, or TensorRT would not take them.
    """
    recognizer, backbone, config = run.recognizer, run.backbone, run.config
    recognizer.model.cpu()
    with working("export: computing clips with torch"):
        clips = frames.clips(num_clips, num_frames=config.num_frames)
        features = [torch_features(backbone, clip) for clip in clips]
    with working(f"export: writing {format} graphs"):
        targets = tuple(config.vocabularies)
        parts = ExportParts(
            frame=frame_model(backbone),
            window=WindowModel(recognizer.model, targets).eval(),
            targets=targets,
            input_size=backbone.spec.input_size,
            clip_shape=(config.num_frames, *backbone.spec.feature_shape),
            calibration=frames.spread(NUM_FRAMES_TO_CALIBRATE) if precision == "int8" else None,
            precision=precision,
            is_for_tensorrt=is_for_tensorrt,
        )
        built = BUILDERS[format](parts)
        files = {name: each for name, each in built.items() if has_whole or Path(name).stem != "recognizer"}
    if is_for_tensorrt:
        check_tensorrt(files)
    with working("export: comparing them with torch"), tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        parity = measure_parity(Path(folder), format, recognizer, clips, features, precision=precision)
    check_measured(parity, format, precision)
    write_export(out, run, files, format=format, precision=precision, parity=parity)
    answers = ", ".join(
        f"{target} the same on {compared['same_answer']:.0%}, probabilities within {compared['max_difference']:.1g}"
        for target, compared in parity["pair"].items()
    )
    print(
        f"export: {out}: {format} {precision}, {parity['num_clips']} real clips against torch: features' cosine "
        f"{parity['features']['lowest']:.5f}, {answers}"
    )


def check_is_free(out: Path) -> None:
    """An `ArtifactError` for a folder with what is no export, nor what one left that was ended before it was whole."""
    if out.is_file() or (out.is_dir() and not is_export(out) and any(not _is_own(path) for path in out.iterdir())):
        raise ArtifactError("this holds something that is no export; give an empty or new folder", path=out)


def _is_own(path: Path) -> bool:
    whole = Path(path.name.removesuffix(PART_SUFFIX))
    is_graph = whole.stem in GRAPH_NAMES and any(whole.suffix in suffixes for suffixes in SUFFIXES.values())
    return is_graph or whole.name in (LOCK_NAME, CONFIG_NAME, LABELS_NAME, PROVENANCE_NAME, EXPORT_NAME)


def write_export(
    out: Path, run: Run, graphs: Mapping[str, bytes], *, format: str, precision: str, parity: Mapping[str, Any]
) -> None:
    """Write graphs by file name, and what has to be known to use them, into a folder that may have to be made.

    export.json, with what the comparison with torch on real clips gave, comes last: without it a folder is no export.
    """
    config = run.answers.config
    make_folder(out)
    (out / EXPORT_NAME).unlink(missing_ok=True)
    for name, content in graphs.items():
        write_atomically(out / name, content)
    write_json(out / CONFIG_NAME, config.to_dict())
    if (provenance := Provenance.read(run.path)) is not None:
        provenance.write(out)
    write_json(out / LABELS_NAME, {target: list(v.names) for target, v in config.vocabularies.items()})
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in graphs.items()}
    reach = run.answers.model.reach if isinstance(run.answers, TrainedSegmenter) else None
    manifest = ExportManifest(format, precision, tuple(config.vocabularies), digests, parity, reach)
    write_json(out / EXPORT_NAME, manifest.to_dict())


def copy_export(made: Path, out: Path) -> None:
    """Put an export into another folder, export.json last."""
    make_folder(out)
    (out / EXPORT_NAME).unlink(missing_ok=True)
    for path in sorted(made.iterdir(), key=lambda path: path.name == EXPORT_NAME):
        if path.name != LOCK_NAME:
            write_atomically(out / path.name, path.read_bytes())
