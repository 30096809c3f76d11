"""`egoact explain filters` and `egoact explain clip`: one command, two questions."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from egoact.core.errors import AnnotationError, ArtifactError

if TYPE_CHECKING:
    from egoact.explain.clip import Clip
    from egoact.runs.loading import Run

_NUM_KITCHEN_VIDEOS = 2


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """Paint what kernels of the image backbone look for, by activation maximisation.

    Prints for every block how strongly its kernels respond to their picture, and to the best of some real frames.
    """

    out: Path
    """Folder for the pictures and index.html."""
    backbone: str = "efficientnet_lite0"
    """As for egoact extract; the report looked into mobilenet_v2."""
    weights: Path | None = None
    """Weights of the backbone from a file (safetensors)."""
    blocks: tuple[int, ...] = (1, 4, 8, 12)
    """Which blocks, counted from 0 (which includes the stem)."""
    kernels: tuple[int, ...] = ()
    """Which kernels of each block; default: --num-kernels of them, spread evenly."""
    num_kernels: int = 16
    """How many kernels of each block."""
    size: int = 128
    """Of the pictures, pixels."""
    steps: int = 128
    """Of the gradient ascent."""
    media: tuple[Path, ...] = ()
    """Folder (or several) with recordings to compare with; default: films the built-in kitchen, OUT/kitchen."""
    num_frames: int = 128
    """Real frames to compare with."""
    seed: int = 0
    """Of all choices."""

    def __post_init__(self) -> None:
        if not self.blocks or min(self.num_kernels, self.steps, self.num_frames) < 1:
            raise ValueError("--blocks, --num-kernels, --steps and --num-frames need at least one")
        if self.size < 32:
            raise ValueError(f"--size must be at least 32 pixels, got {self.size}")


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """Show where a run looked in a clip, and which frames mattered.

    Grad-CAM of the predicted verb and noun in every frame, the loss without each frame, and the head's own attention
    if it has any. A sanity check repeats it with shuffled weights.
    """

    run: Path
    """Run directory."""
    out: Path
    """Folder for strip.png, clip.mp4, index.html and the numbers."""
    media: tuple[Path, ...]
    """Folder (or several) with the recordings, or one video file."""
    segments: tuple[Path, ...] = ()
    """Segments CSV, or several, with --narration-id."""
    narration_id: str | None = None
    """Which segment of it; default: the first."""
    start_seconds: float = 0.0
    """Without --segments: where the clip begins in the video file."""
    stop_seconds: float | None = None
    """Without --segments: where it ends; default: the end of the video."""
    flow: Path | None = None
    """Folder with the recording's optical flow, for a run that looks at flow beside frames."""
    weights: Path | None = None
    """Weights of the backbone from a file, if the run's were."""
    seed: int = 0
    """Of the shuffled weights."""


ExplainSettings = (
    Annotated[FilterSettings, tyro.conf.subcommand("filters", description=FilterSettings.__doc__)]
    | Annotated[ClipSettings, tyro.conf.subcommand("clip", description=ClipSettings.__doc__)]
)


def explain(settings: FilterSettings | ClipSettings) -> int:
    """Do what was asked; 0, or an error."""
    from egoact.explain.clip import explain_clip
    from egoact.explain.stream_inputs import load_networks
    from egoact.runs.loading import EngineChoice, load_run

    if isinstance(settings, FilterSettings):
        _paint(settings)
    else:
        run = load_run(settings.run, EngineChoice(weights=settings.weights))
        try:
            networks = load_networks(run)  # before any recording is read
        except ValueError as error:
            raise ArtifactError(f"its backbone cannot be loaded: {error}", path=settings.run) from None
        clip = _find_clip(settings, run)
        explain_clip(run, clip, settings.out, networks=networks, seed=settings.seed, flow=settings.flow)
    return 0


def _paint(settings: FilterSettings) -> None:
    from egoact.explain.filters import choose_kernels, explain_filters, read_real_frames
    from egoact.kitchen import make_kitchen
    from egoact.media.sources import MediaRoot
    from egoact.models.backbones.registry import load_backbone

    cut = [
        load_backbone(settings.backbone, weights=settings.weights, cut=block, size=settings.size, kind="maps")
        for block in settings.blocks
    ]
    backbones = [(b, choose_kernels(b, kernels=settings.kernels, count=settings.num_kernels)) for b in cut]
    folders = settings.media
    if not folders:
        kitchen = settings.out / "kitchen"
        make_kitchen(kitchen, num_videos=_NUM_KITCHEN_VIDEOS, seed=settings.seed, workers=2)
        folders = (kitchen / "videos",)
    frames = read_real_frames(MediaRoot(folders), count=settings.num_frames, size=settings.size)
    described = {
        "backbone": settings.backbone,
        "frames": ", ".join(map(str, settings.media)) or "the built-in kitchen",
    }
    explain_filters(
        backbones,
        frames,
        settings.out,
        size=settings.size,
        steps=settings.steps,
        seed=settings.seed,
        described=described,
    )


def _find_clip(settings: ClipSettings, run: "Run") -> "Clip":
    """The recording, the span in seconds, and the labels as far as they are known."""
    from egoact.core.annotations.union import read_labels
    from egoact.explain.clip import Clip
    from egoact.media.recording import lay_grid
    from egoact.media.sources import MediaSource, find_media

    if not settings.segments:
        if settings.narration_id is not None:
            raise ValueError("--narration-id needs --segments")
        if len(settings.media) != 1 or not settings.media[0].is_file():
            raise ValueError("without --segments, --media must be one video file")
        source = MediaSource.of_file(settings.media[0])
        grid = lay_grid(source)
        stop = settings.stop_seconds or grid.num_frames / grid.frame_rate
        return Clip(source, settings.start_seconds, stop, {})
    table = run.config.looks_at(read_labels(settings.segments))
    chosen = [s for s in table if settings.narration_id in (None, s.narration_id)]
    if not chosen:
        raise AnnotationError(f"there is no segment {settings.narration_id}", path=table.path)
    segment = chosen[0]
    truth = {"narration_id": segment.narration_id, "verb": segment.verb, "noun": segment.noun}
    source = find_media(settings.media, segment.video_id)
    return Clip(source, segment.start_seconds, segment.stop_seconds, truth)
