"""The systems of the report's state of the art, and of its roads, as commands of egoact.

All stand on the same backbone; flow is looked at through it, too, as pictures of u, v and magnitude. For stacks it is
fine-tuned, else frozen. Knows no command: those that are needed are given by name and flags.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Flags = dict[str, Any]

# Block 14 of efficientnet_lite0: 192 channels at a sixteenth of the picture's size.
_MAPS: Mapping[str, Any] = {"kind": "maps", "cut": 14, "size": 128}

# Every snippet of every clip, and all blocks learn: the first convolution has never seen a stack.
_SNIPPETS: Mapping[str, Any] = {"num_frames": 3, "views": 4}
_STACKS: Mapping[str, Any] = {"stack": 5, "size": 128, "exact": True, **_SNIPPETS}
_ALL_BLOCKS: Mapping[str, Any] = {"views": 4, "augment": "flip", "epochs": 16}


@dataclass(frozen=True)
class System:
    """What is looked at, and what is trained on it."""

    title: str  # one line for people
    source: str  # the paper, or where the report speaks of it
    looks_at: tuple[str, ...] = ("rgb",)  # modalities, each a feature store
    features: Mapping[str, Any] = field(default_factory=dict)  # flags of extract, the same for all of them
    training: Mapping[str, Any] = field(default_factory=dict)  # flags of train
    finetuning: Mapping[str, Any] = field(default_factory=dict)  # flags of finetune, where the backbone learns, too
    without_camera: bool = False  # flow is looked at without the camera's own motion

    def commands(
        self, *, segments: Path, media: Path, out: Path, run: Path, validation: Path | None = None
    ) -> Iterator[tuple[str, Flags]]:
        """What makes a run of it, in order: commands and their flags.

        Flow and features come into `out`. Beside the run of a system whose backbone learns, "-frozen" and "-features"
        stand. `validation` has labels of the same recordings or others in the folder, to measure on.
        """
        labels = (segments,) if validation is None else (segments, validation)
        kind = "stacks" if "stack" in self.features else str(self.features.get("kind", "pooled"))
        # A training sees all streams of its store: those of one that has several stay apart.
        seen = ["-".join(self.features["streams"])] if "streams" in self.features else self.looks_at
        flow = "steady-flow" if self.without_camera else "flow"
        stores = [out / f"{flow if each == 'flow' else each}-{kind}" for each in seen]
        for modality, store in zip(self.looks_at, stores, strict=True):
            shown = out / flow if modality == "flow" else media
            extracting: Flags = {"segments": labels, "media": (shown,), "modality": modality, **self.features}
            if modality == "flow":
                steady = {"without_camera": True} if self.without_camera else {}
                yield "flow", {"media": (media,), "out": shown, "method": "dis", **steady}
            yield "extract", extracting | {"features": store}
        first = run.with_name(f"{run.name}-frozen") if self.finetuning else run
        training: Flags = {"segments": (segments,), "features": tuple(stores), "run": first, **self.training}
        asked: Flags = {} if validation is None else {"validation": validation}
        yield "train", training | asked
        if self.finetuning:
            yield "finetune", {"run": first, "segments": (segments,), "media": (shown,), "out": run, **self.finetuning}  # pyrefly: ignore[unbound-name]
            own = run.with_name(f"{run.name}-features")
            yield "extract", extracting | {"features": own, "weights": run / "backbone.safetensors"}  # pyrefly: ignore[unbound-name]
            if validation is not None:
                yield "evaluate", {"run": run, "features": (own,), "segments": (validation,), "out": run}


_TWO = ("rgb", "flow")
_WANG = "Wang et al. 2016, arXiv:1608.00859"
_TSN: Mapping[str, Any] = {"head": "average", "num_frames": 8, "views": 4, "recipe": "default"}

SYSTEMS: dict[str, System] = {
    "tsn-rgb": System(
        "temporal segment network on frames: snippets anywhere in their bins, average consensus",
        _WANG,
        training=_TSN,
    ),
    "tsn-two-stream": System(
        "the same on frames and optical flow, scores fused with weights searched on recordings left out",
        _WANG,
        _TWO,
        training={**_TSN, "fusion": "late", "fusion_folds": 5},
    ),
    "tsn-flow-stacks": System(
        "the same on stacks of five flows alone, all of the backbone fine-tuned (cross-modality initialisation)",
        _WANG,
        ("flow",),
        _STACKS,
        {"head": "average", **_SNIPPETS},
        _ALL_BLOCKS,
        without_camera=True,
    ),
    "tsn-difference-stacks": System(
        "the same on stacks of five differences of frames",
        _WANG,
        ("difference",),
        _STACKS,
        {"head": "average", **_SNIPPETS},
        _ALL_BLOCKS,
    ),
    "convlstm-two-stream": System(
        "maps of frames and flow, added place by place, then a ConvLSTM",
        "Ye et al. 2019; Feichtenhofer et al. 2016, arXiv:1604.06573",
        _TWO,
        _MAPS,
        {"head": "convlstm", "fusion": "sum", "head_options": ("kernels=16", "width=128"), "epochs": 30},
    ),
    "flow-attention": System(
        "flow says where in the frame to look, then what is there and how it changes",
        "roads for investigation of the report",
        _TWO,
        _MAPS,
        {"head": "flow_attention", "epochs": 30},
        without_camera=True,
    ),
    "lsta": System(
        "long short-term attention on maps of frames",
        "Sudhakaran et al. 2019, arXiv:1811.10698",
        features=_MAPS,
        training={"head": "lsta", "head_options": ("kernels=16",), "epochs": 30},
    ),
    "report-lstm": System(
        "the report's LSTM of 128 units", "report, section 2.4", training={"head": "lstm", "recipe": "report"}
    ),
    "report-convlstm": System(
        "the report's ConvLSTM of 64 kernels on maps",
        "report, section 2.4",
        features=_MAPS,
        training={"head": "convlstm", "recipe": "report"},
    ),
    "report-convnet1d": System(
        "the report's convolutions over time", "report, section 2.4", training={"head": "convnet1d", "recipe": "report"}
    ),
    "streams": System(
        "egoact's own: what is there, how it changes and how much moves, weighed and fitted in closed form",
        "docs/streams.md",
        features={"streams": ("rgb", "difference", "motion")},
        training={"head": "difference", "recipe": "ridge"},
    ),
}
