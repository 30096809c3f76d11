"""`egoact export`: a run as graph files that answer without torch, proven on real clips."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Write a run as graphs that go from frames to probabilities, with preprocessing inside, and prove them.

    OUT gets the whole recognizer as one graph, the same cut in two for streams (a frame to features, a window of
    features to probabilities), labels.json, and export.json with how far it is from torch on real clips. Of a run of
    egoact train-timeline: frames to features, features of a recording to probabilities of every step, and, where the
    segmenter sees no future, a step at a time; in f32.
    """

    run: Path
    """Run directory."""
    out: Path
    """Folder for the graphs."""
    segments: tuple[Path, ...]
    """CSV (or several) of segments whose clips prove the export, and calibrate int8; labels are not looked at."""
    media: tuple[Path, ...]
    """Folder (or several) with their recordings, as in egoact extract."""
    format: Literal["onnx", "openvino", "litert", "web"] = "onnx"
    """Of the graphs; litert (.tflite, for phones) has no graph of the whole, and needs an environment of its own; web
    is onnx with a page that runs it in a browser, see egoact serve-web."""
    precision: Literal["f32", "f16", "int8"] = "f32"
    """Of the backbone (f16 with litert); what comes after it is always float32."""
    weights: Path | None = None
    """Weights of the backbone, if the run's features were made with a file of them."""
    web_runtime: Path | None = None
    """With --format web: folder of the npm package onnxruntime-web; default: in node_modules, here or above."""
    clips: int = 8
    """How many clips to prove it on, spread over all segments."""

    def __post_init__(self) -> None:
        if self.clips < 1:
            raise ValueError(f"--clips must be at least 1, got {self.clips}")
        if self.web_runtime is not None and self.format != "web":
            raise ValueError("--web-runtime goes with --format web")
        if self.precision == "f16" and self.format != "litert":
            raise ValueError(f"--precision f16 goes with --format litert; {self.format} has f32 and int8")


def export(settings: ExportSettings) -> int:
    """Write the graphs, unless they say something else than torch does; 0, or an error.

    Raises:
        AnnotationError: The CSV is wrong.
        MediaError: Not one clip can be read.
        ArtifactError: Not a run, other weights, or a folder that holds something else.
        ValueError: The graphs do not agree with torch, or cannot be made here.
    """
    from egoact.commands.labels import read_and_tell
    from egoact.commands.recordings import open_recordings
    from egoact.core.files import locked
    from egoact.engines.litert_graphs import check_installed
    from egoact.export.export import Export, check_is_free
    from egoact.export.segmenter import export_segmenter
    from egoact.export.web import check_page, find_runtime, write_page
    from egoact.extraction.engine_choice import RealFrames
    from egoact.runs.loading import EngineChoice, load_run
    from egoact.runs.segmenter import TrainedSegmenter

    check_is_free(settings.out)
    if settings.format == "litert":
        check_installed()
    is_web = settings.format == "web"
    runtime = find_runtime(settings.web_runtime) if is_web else None
    format = "onnx" if is_web else settings.format
    run = load_run(settings.run, EngineChoice(weights=settings.weights))
    if is_web:
        check_page(run)
    size = run.backbones[0].input_size
    frames = RealFrames(open_recordings(settings.media), read_and_tell(settings.segments), size)
    with locked(settings.out, command="export"):
        if isinstance(run.answers, TrainedSegmenter):
            if settings.precision != "f32":
                raise ValueError(f"--precision {settings.precision}: runs of whole recordings are exported in f32 only")
            export_segmenter(run, settings.out, format, frames, num_clips=settings.clips)
        else:
            made = Export(run, settings.out, format, settings.precision, has_whole=not is_web)
            made.write(frames, num_clips=settings.clips)
        if runtime is not None:
            write_page(settings.out, run, runtime)
            print(f"next: egoact serve-web {settings.out}", file=sys.stderr)
    return 0
