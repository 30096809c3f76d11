"""`egoact finetune`: the last blocks of a run's backbone learn, too."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from egoact.commands.flags import shared_flags

_LEFT = ("checkpoint.pt", "frames.npy", "frames.json", "frames_of_clips.npy", "maps.npy", "maps.json")
_OWN = (*_LEFT, "backbone.safetensors", "trained_on.json", "model.safetensors")


@dataclass(frozen=True, kw_only=True)
class FinetuneSettings:
    """Train the last blocks of a run's backbone together with its head.

    Begins with what RUN knows. OUT is a run as RUN is, with a backbone of its own inside. A killed training goes on
    where it was when the same command is given again.
    """

    run: Path
    """Run directory of egoact train, on frames alone, or on the stacks of extract --stack alone."""
    segments: tuple[Path, ...]
    """Segments CSV (or several) with labels to learn from."""
    media: tuple[Path, ...]
    """Folder (or several) with their recordings; of a run on flow, with the flow."""
    out: Path
    """Run directory to write."""
    blocks: int | None = None
    """How many of the backbone's last blocks are trained; default: 2, of a network of stacks all of them, so that the
    first convolution learns, too. Its first batch norm then takes its statistics anew."""
    augment: Literal["none", "flip", "full"] = "none"
    """flip: half of the clips are mirrored, left and right exchanged in their labels (a clip whose mirror image has no
    class of its own stays as it is); full: random crops and colours, too, for which all of the backbone is computed
    every time. Without these the frozen blocks are computed once."""
    views: int = 1
    """Clips of a segment to learn from: the first looks at the middles of equal bins, the others anywhere in them."""
    epochs: int = 8
    """Passes over the segments."""
    batch_size: int = 8
    """Clips of a step, of each process."""
    clips_at_once: int = 2
    """Of these, in memory at the same time; gradients are added up."""
    devices: int = 1
    """Processes on this machine that share every step, one a GPU, or on processors where there is none."""
    checkpointing: bool = False
    """Compute what is inside of blocks again on the way back instead of keeping it: less memory, more time."""
    learning_rate: float = 3e-3
    """Of the head, at the start: about which share of the size of its weights a step changes."""
    decay: float | None = None
    """Each block's learning rate is so many times that of what follows it; default: 0.5, of a network of stacks 1,
    since its first convolution has the most to learn."""
    weight_decay: float = 0.05
    """Decoupled, as in AdamW."""
    seed: int = 0
    """Of order, mirroring and dropout."""
    weights: Path | None = None
    """Weights of the backbone, where the run's features were extracted with --weights and it does not carry them."""

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch_size, self.clips_at_once, self.views, self.devices) < 1:
            raise ValueError("--epochs, --batch-size, --clips-at-once, --views and --devices must be at least 1")
        is_possible = self.decay is None or 0 < self.decay <= 1
        if not self.learning_rate > 0 or not is_possible or self.weight_decay < 0:
            raise ValueError("--learning-rate must be positive, --decay in (0, 1], --weight-decay not negative")


def finetune(settings: FinetuneSettings) -> int:
    """Train and write the run; gives the number of segments that cannot be read."""
    from egoact.adaptation.finetuned_run import Finetuning
    from egoact.adaptation.finetuning import FinetuneRecipe
    from egoact.adaptation.new_run import check_is_free
    from egoact.commands.labels import read_and_tell
    from egoact.commands.recordings import open_recordings
    from egoact.core.files import locked
    from egoact.core.machine import peak_memory_bytes
    from egoact.core.progress import format_seconds
    from egoact.media.stills.flow import FlowRoot
    from egoact.runs.loading import EngineChoice, load_run
    from egoact.training.run_folder import is_leader

    begun = time.monotonic()
    check_is_free(settings.out, own=_OWN)
    run = load_run(settings.run, EngineChoice(weights=settings.weights))
    usual = 0.5 if run.backbones[0].stack == 1 else 1.0
    decay = usual if settings.decay is None else settings.decay
    recipe = FinetuneRecipe(**shared_flags(settings, FinetuneRecipe) | {"decay": decay})
    work = Finetuning(
        run,
        run.config.looks_at(read_and_tell(settings.segments)),
        (FlowRoot if run.backbones[0].modality == "flow" else open_recordings)(settings.media),
        settings.out,
        settings.blocks,
        settings.augment,
        settings.views,
        recipe,
        settings.checkpointing,
        settings.devices,
    )
    if not is_leader():
        work.go()
        return 0
    with locked(settings.out, command="finetune"):
        failed = work.go()
        for left in _LEFT:
            (settings.out / left).unlink(missing_ok=True)
    memory = peak_memory_bytes()
    said = "" if memory is None else f", {memory / 1e9:.1f} GB of memory at most"
    print(
        f"finetune: {settings.out}: the last blocks of {work.run.backbones[0].title}, "
        f"{len(work.table) - failed} clips, in {format_seconds(time.monotonic() - begun)}{said}"
    )
    if failed:
        print(f"finetune: {failed} segments cannot be read, and were left out")
    return failed
