"""`egoact bench`: how fast this machine is at what egoact does."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

import tyro

from egoact.commands.flags import check_together, shared_flags
from egoact.core import defaults

What = Literal["engines", "decode", "extract", "train", "scale", "latency", "predict", "storage", "epic100", "edge"]


@dataclass(frozen=True)
class BenchSettings:
    """Measure this machine: engines | decode | extract | train | scale | latency | predict | storage | epic100 | edge.

    engines: frames/s of every engine, and its share of the matrix-multiply peak. decode: videos to frames. extract: end
    to end, against its parts; of a video encoder windows/s, their share of the peak, and hours for EPIC-KITCHENS-100.
    train: clips/s of every head. scale: time and memory of an epoch over up to 67,217 clips. latency: frames to answer.
    predict: recordings to timelines, against real time, and the memory that it takes. storage: ways to keep a clip.
    epic100: hours for the whole of EPIC-KITCHENS-100. edge: accuracy, latency, bytes and energy of runs in every format
    and precision of egoact export, and which of them no other beats.
    """

    what: tyro.conf.Positional[What]
    """What to measure."""
    out: Path
    """Folder for the CSV files and the page, one of each name."""
    segments: Path | None = None
    """Segments CSV of recordings to measure with; default: the built-in kitchen, filmed into --out."""
    media: tuple[Path, ...] = ()
    """Folder (or several) with those recordings."""
    backbone: str = "efficientnet_lite0"
    """As in egoact extract."""
    weights: Path | None = None
    """As in egoact extract."""
    size: int | None = None
    """As in egoact extract."""
    window: int | None = None
    """As in egoact extract."""
    random: bool = False
    """For extract, with a video encoder: random weights in the shape of the published ones, which need not be there;
    hf:vjepa2 and the like are each family's own example."""
    engine: Literal["auto", "torch", "onnxruntime", "openvino", "tensorrt"] = "auto"
    """For extract, latency, predict and epic100."""
    precision: Literal["auto", "f32", "bf16", "f16", "int8"] = "auto"
    """For extract, latency, predict and epic100."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    decoder: Literal["auto", "pyav", "torchcodec"] = "auto"
    """For extract, as there; with other decoders than pyav whole recordings are extracted."""
    run: Path | None = None
    """For predict: run of egoact train-timeline; default: one that is trained on these recordings."""
    annotations: Path | None = None
    """For epic100: folder with EPIC-KITCHENS-100's CSV files, whose durations say how many frames differ."""
    runs: tuple[Path, ...] = ()
    """For edge: runs of egoact train, such as with smaller pictures or of egoact compress."""
    clips: int = 200
    """For edge: most segments to judge by, spread over all; better ones that the runs were not trained on."""
    watts: float = 5.0
    """For edge: what a core takes when it works; energy is estimated as CPU time times this."""
    quick: bool = False
    """Measure less: a few seconds, and rougher numbers."""

    def __post_init__(self) -> None:
        check_together(self, "segments", "media")
        if self.run is not None and self.what != "predict":
            raise ValueError("--run goes with predict")
        if bool(self.runs) != (self.what == "edge") or (self.runs and not self.segments):
            raise ValueError("edge goes with --runs, --segments and --media, and --runs with edge alone")
        if self.clips < 1 or not 0 < self.watts < float("inf"):
            raise ValueError("--clips and --watts must be positive")
        may_be_video = self.backbone.startswith(defaults.ENCODERS)
        if (self.random or self.window) and not (may_be_video and self.what == "extract"):
            of = "video encoders (--backbone hf:... or vjepa2_1_...)"
            raise ValueError(f"--random and --window are for bench extract of {of}")


def bench(settings: BenchSettings) -> int:
    """Measure, and write `WHAT.json` and a CSV file a table into `settings.out`."""
    from egoact.benchmarking.results import write_results
    from egoact.benchmarking.workload import Workload
    from egoact.commands.command_line import run_command
    from egoact.core.files import locked

    work = Workload(
        **shared_flags(settings, Workload),
        backbone_name=settings.backbone,
        engine_name=settings.engine,
        is_random=settings.random,
        is_quick=settings.quick,
        num_clips=settings.clips,
        command=run_command,
    )
    measure = import_module(f"egoact.benchmarking.{settings.what}").measure
    with locked(settings.out, command="bench"):
        write_results(settings.out, settings.what, measure(work))
    return 0
