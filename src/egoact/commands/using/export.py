"""`egoact export`: a run as graph files that answer without torch, proven on real clips."""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from egoact.commands.flags import check_least


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Write a run as graphs that go from frames to probabilities, with preprocessing inside, and prove them.

    OUT gets the whole recognizer as one graph, the same cut in two for streams (a frame to features, a window of
    features to probabilities), labels.json, and export.json with how far it is from torch on real clips. Of a run of
    egoact train-timeline: frames to features, features of a recording to probabilities of every step, and, where the
    segmenter sees no future, a step at a time.
    """

    run: Path
    """Run directory."""
    out: Path
    """Folder for the graphs."""
    segments: tuple[Path, ...]
    """CSV (or several) of segments whose clips prove the export, and calibrate int8; labels matter with a budget
    alone."""
    media: tuple[Path, ...]
    """Folder (or several) with their recordings, as in egoact extract."""
    format: Literal["onnx", "openvino", "litert", "executorch", "tensorrt", "web"] | None = None
    """Of the graphs; default: onnx or, with a budget, whichever is best. litert (.tflite) and executorch (.pte), for
    phones, have no graph of the whole; tensorrt is onnx as TensorRT takes it, with symmetric int8; web is onnx with a
    page that runs it in a browser, see egoact serve-web."""
    precision: Literal["f32", "f16", "int8"] | None = None
    """Of the backbone; what comes after it is float32. f16 (with onnx, web and litert) makes files half as large: with
    onnx and web all weights are kept in it, and computed with in float32. Default: f32 or, with a budget, whichever
    is best."""
    max_latency_ms: float | None = None
    """Budget: write the most accurate export that takes at most so long for a frame and an answer, on one core of this
    machine. Accuracy is by the labels of --segments; if there are none, by how often it says what f32 says."""
    max_megabytes: float | None = None
    """Budget: the same of what all files of the export take; with or without --max-latency-ms."""
    or_runs: tuple[Path, ...] = ()
    """With a budget: other runs that may be taken instead, such as with smaller pictures or of egoact compress."""
    whole: bool = True
    """Also write the graph of the whole, which streams do not need; with a budget it is left out."""
    weights: Path | None = None
    """Weights of the backbone, if the run's features were made with a file of them."""
    web_runtime: Path | None = None
    """With --format web: folder of the npm package onnxruntime-web; default: in node_modules, here or above."""
    clips: int = 8
    """How many clips to prove it on, spread over all segments."""

    def __post_init__(self) -> None:
        check_least(self, 1, "clips")
        if self.web_runtime is not None and self.format != "web":
            raise ValueError("--web-runtime goes with --format web")
        if self.precision == "f16" and self.format in ("openvino", "executorch", "tensorrt"):
            raise ValueError(f"--precision f16 goes with onnx, web and litert; {self.format} has f32 and int8")
        if any(budget is not None and not budget > 0 for budget in (self.max_latency_ms, self.max_megabytes)):
            raise ValueError("--max-latency-ms and --max-megabytes must be positive")
        if self.has_budget and self.format in ("tensorrt", "web"):
            where = {"tensorrt": "on other devices", "web": "in browsers"}[self.format]
            raise ValueError(
                f"--format {self.format} runs {where}, and cannot be measured here; leave it or the budget away"
            )
        if self.or_runs and not self.has_budget:
            raise ValueError("--or-runs goes with --max-latency-ms or --max-megabytes")

    @property
    def has_budget(self) -> bool:
        """Whether the best within limits is wanted."""
        return self.max_latency_ms is not None or self.max_megabytes is not None


def export(settings: ExportSettings) -> int:
    """Write the graphs, unless they say something else than torch does; 0, or an error.

    With a budget, those of the run, format and precision that are best within it.
    """
    if settings.has_budget:
        return _export_best(settings)
    from egoact.commands.labels import read_and_tell
    from egoact.commands.recordings import open_recordings
    from egoact.core.files import locked
    from egoact.engines.graphs import executorch_graphs, litert_graphs
    from egoact.export.export import check_is_free, export_recognizer
    from egoact.export.segmenter import export_segmenter
    from egoact.export.web import check_page, find_runtime, write_page
    from egoact.extraction.engine_choice import RealFrames
    from egoact.runs.loading import EngineChoice, load_run
    from egoact.runs.segmenter import TrainedSegmenter

    check_is_free(settings.out)
    if settings.format == "litert":
        litert_graphs.check_installed()
    elif settings.format == "executorch":
        executorch_graphs.check_installed()
    is_web = settings.format == "web"
    runtime = find_runtime(settings.web_runtime) if is_web else None
    is_for_tensorrt = settings.format == "tensorrt"
    format = "onnx" if is_web or is_for_tensorrt else settings.format or "onnx"
    precision = settings.precision or "f32"
    run = load_run(settings.run, EngineChoice(weights=settings.weights))
    if is_web:
        check_page(run)
    size = run.backbones[0].input_size
    frames = RealFrames(open_recordings(settings.media), read_and_tell(settings.segments), size)
    options: dict[str, Any] = {"num_clips": settings.clips, "precision": precision, "is_for_tensorrt": is_for_tensorrt}
    with locked(settings.out, command="export"):
        if isinstance(run.answers, TrainedSegmenter):
            if precision == "int8" or (precision == "f16" and format != "onnx"):
                which = "f32 or f16 only" if format == "onnx" else "f32 only"
                raise ValueError(f"--precision {precision}: runs of whole recordings are exported in {which}")
            export_segmenter(run, settings.out, format, frames, **options)
        else:
            has_whole = settings.whole and not is_web
            export_recognizer(run, settings.out, format, frames, has_whole=has_whole, **options)
        if runtime is not None:
            write_page(settings.out, run, runtime)
            print(f"next: egoact serve-web {settings.out}", file=sys.stderr)
    return 0


def _export_best(settings: ExportSettings) -> int:
    """Make and measure all that may be taken, beside OUT, and copy the best there."""
    from egoact.benchmarking.edge.exports import Budget, Edge, choose, list_variants
    from egoact.benchmarking.edge.questions import spread
    from egoact.commands.command_line import run_command
    from egoact.commands.labels import read_and_tell
    from egoact.commands.recordings import open_recordings
    from egoact.core.files import locked
    from egoact.export.export import check_is_free, copy_export

    check_is_free(settings.out)
    runs = (settings.run, *settings.or_runs)
    variants = list_variants(runs, format=settings.format, precision=settings.precision)
    with locked(settings.out, command="export"), tempfile.TemporaryDirectory(dir=settings.out.parent) as folder:
        edge = Edge(
            command=run_command,
            folder=Path(folder),
            root=open_recordings(settings.media),
            media=settings.media,
            table=spread(read_and_tell(settings.segments)),
            segments=settings.segments,
            weights=settings.weights,
        )
        found, _ = edge.measure(variants)
        best = choose(found, Budget(settings.max_latency_ms, settings.max_megabytes))
        copy_export(best.folder, settings.out)
    print(f"export: {settings.out}: {best.describe()}")
    return 0
