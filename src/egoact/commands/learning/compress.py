"""`egoact compress`: a run's backbone made smaller without labels."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from egoact.commands.flags import shared_flags
from egoact.core.progress import format_seconds, working

if TYPE_CHECKING:
    from egoact.runs.loading import Run

_OWN = ("pictures.npy", "pictures.json", "backbone.safetensors", "trained_on.json", "model.safetensors")


@dataclass(frozen=True, kw_only=True)
class CompressSettings:
    """Make the backbone of a run smaller and faster, without labels, on pictures of your own recordings.

    Channels inside of its blocks that matter least for the features are removed; what is left is fitted to give the
    same features, first in closed form and then by training. OUT is a run as RUN is, with the smaller backbone inside:
    its backbone.safetensors is also what egoact extract --weights takes.
    """

    run: Path
    """Run directory of egoact train or train-timeline."""
    media: tuple[Path, ...]
    """Folder (or several) of recordings to take pictures from."""
    out: Path
    """Run directory to write."""
    keep: float = 0.5
    """Share of the backbone's multiply-adds that may be left."""
    distill_into: str | None = None
    """Instead of pruning: teach this backbone to give the run's features, such as mobilenet_v2; if it gives another
    number of them, a linear map is put behind it."""
    pictures: int = 2000
    """How many, spread evenly over all recordings."""
    epochs: int = 2
    """Passes over them after the fit in closed form; 0: none."""
    learning_rate: float = 2e-4
    """At the start."""
    seed: int = 0
    """Of order and mirroring."""
    weights: Path | None = None
    """Weights of the backbone, where the run's features were extracted with --weights and it does not carry them."""

    def __post_init__(self) -> None:
        if not 0 < self.keep < 1:
            raise ValueError(f"--keep is a share between 0 and 1, got {self.keep:g}")
        if self.pictures < 32:
            raise ValueError(f"--pictures must be at least 32, got {self.pictures}")
        if self.epochs < 0 or not self.learning_rate > 0:
            raise ValueError("--epochs cannot be negative, and --learning-rate must be positive")


def compress(settings: CompressSettings) -> int:
    """Write the smaller run; 0, or an error."""
    from egoact.adaptation.compression import compress as make_smaller
    from egoact.adaptation.distillation import DistillRecipe
    from egoact.adaptation.new_run import check_is_free, network_spec, write_backbone, write_run
    from egoact.adaptation.pictures import load_pictures
    from egoact.commands.recordings import open_recordings
    from egoact.core.files import locked, write_json
    from egoact.models.backbones.registry import load_trunk
    from egoact.runs.loading import EngineChoice, load_run
    from egoact.runs.streams import check_one_network, load_spec, weights_of

    begun = time.monotonic()
    check_is_free(settings.out, own=_OWN)
    choice = EngineChoice(weights=settings.weights)
    run = load_run(settings.run, choice)
    spec = network_spec(run)
    check_one_network(run.backbones, run.path)
    with working("compress: loading the network"):
        load_spec(spec, choice, run=run.path)
        if settings.distill_into is not None:
            load_trunk(settings.distill_into, weights=None, size=spec.input_size[0])  # or it says what is wrong
    specs = [each for each in run.backbones if each.has_network]
    with locked(settings.out, command="compress"):
        pictures = load_pictures(open_recordings(settings.media), settings.out, specs, count=settings.pictures)
        found = make_smaller(
            spec,
            weights_of(run.path, choice),
            pictures,
            keep=settings.keep,
            student_name=settings.distill_into,
            recipe=DistillRecipe(**shared_flags(settings, DistillRecipe)),
        )
        how = f"--distill-into {settings.distill_into}" if settings.distill_into else f"--keep {settings.keep:g}"
        write_backbone(settings.out, found.trunk, found.spec, made_by=f"egoact compress {how}")
        write_run(run, settings.out, found.spec)
        before, after = found.multiply_adds
        seconds = time.monotonic() - begun
        facts = {"of": str(settings.run), "how": how, "multiply_adds": [before, after], "explained": found.explained}
        write_json(settings.out / "compress.json", {**facts, "pictures": len(pictures), "seconds": round(seconds, 1)})
        for left in ("pictures.npy", "pictures.json"):
            (settings.out / left).unlink(missing_ok=True)
    print(
        f"compress: {settings.out}: {before / 1e6:.0f} to {after / 1e6:.0f} million multiply-adds a picture "
        f"({after / before:.0%}), in {format_seconds(seconds)}"
    )
    print(
        f"on pictures that taught nothing it explains {found.explained[1]:.0%} of the variance of the features "
        f"({found.explained[0]:.0%} before it was taught)"
    )
    _tell_speed(run, settings.out)
    return 0


def _tell_speed(run: "Run", out: Path) -> None:
    """How fast both are in the engine that is fastest for the larger one; in turns, since others use the machine."""
    from egoact.adaptation.new_run import network_spec
    from egoact.engines.loading import find_device, load_engine, measure, offered_pairs, rank_engines
    from egoact.runs.loading import load_run
    from egoact.runs.streams import load_spec

    device = find_device("auto", "auto")
    with working("compress: measuring how fast both are"):
        backbones = [load_spec(network_spec(each), each.choice, run=each.path) for each in (run, load_run(out))]
        best = rank_engines(backbones[0], offered_pairs("auto", "auto", device), device=device)[0]
        engines = [load_engine(b, engine=best.engine, precision=best.precision, device=device) for b in backbones]
        kind, size = device.partition(":")[0], backbones[0].spec.input_size
        rates = [[measure(e, input_size=size, kind=kind).frames_per_second for e in engines] for _ in range(2)]
    before, after = (max(turn[number] for turn in rates) for number in range(2))
    print(f"with {best.engine} in {best.precision} {before:.0f} pictures a second before, {after:.0f} now")
