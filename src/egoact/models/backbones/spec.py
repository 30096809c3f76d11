"""Which backbone made features, with which weights and preprocessing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, Literal, get_args

from egoact.core.bounds import (
    MOST_FEATURES,
    MOST_PIXELS,
    MOST_WIDTH,
    check_name,
    check_number,
    check_whole,
    shorten,
)
from egoact.core.errors import ArtifactError

Kind = Literal["pooled", "maps"]
Modality = Literal["rgb", "difference", "motion", "flow", "imported", "video"]
Stream = Literal["rgb", "grid", "difference", "motion"]
STREAMS: tuple[Stream, ...] = get_args(Stream)
MODALITIES: tuple[str, ...] = get_args(Modality)
LAG_SECONDS = 1 / 15
_LONGEST_LAG_SECONDS = 60
_MOST_PARTS = 64
_MOST_NUMBERS = 256  # of a mean, one a channel of what a network looks at
IMPORTED: Literal["imported"] = "imported"  # modality of features that nobody here can compute


@dataclass(frozen=True)
class Window:
    """How a video encoder looks at a recording: windows of pictures that slide over it, and rows of features of them.

        pictures   | . . . . . . . . . . . . . . . . |          num_pictures = 16, tubelet = 2: 8 tokens in time
        rows       |  c  |  c  | keep  keep  |  c  |  c  |      rows = 4 of 4 pictures each; first = 1, stride = 2
        next window            | . . . . . . . . . . . . . . . . |
                               |  c  | keep  keep | c  |

    A row is known by the moment in the middle of its pictures, as the steps of any stream are. Before the recording its
    first picture stands still, behind it its last. A `ValueError` for numbers that do not divide each other.

    Args:
        num_pictures: Of a window.
        pictures_per_second: With which they are shown.
        tubelet: Pictures that a token of the encoder spans.
        rows: That a window is pooled to in time.
        parts: (rows, columns) of the picture that tokens are averaged over; their means lie side by side.
        stride: Rows that are kept of a window, and by which the next one is later.
        first: Number of the first row that is kept; those before and behind are context.
    """

    num_pictures: int
    pictures_per_second: int
    tubelet: int
    rows: int
    parts: tuple[int, int]
    stride: int
    first: int

    def __post_init__(self) -> None:
        if min(self.num_pictures, self.pictures_per_second, self.tubelet, self.rows, *self.parts) < 1:
            raise ValueError("numbers of pictures, tokens and parts must be at least 1")
        if self.num_pictures % self.rows or self.pictures_per_row % self.tubelet:
            most = self.num_pictures // self.tubelet
            raise ValueError(f"a window has {most} tokens in time, which cannot be pooled to {self.rows}")
        if self.pictures_per_second % self.pictures_per_row:
            each = f"{self.pictures_per_second} pictures a second, {self.pictures_per_row} of them a row"
            raise ValueError(f"{each}: that is no whole number of rows a second; change --rate or --tokens")
        if not 1 <= self.stride <= self.rows or not 0 <= self.first <= self.rows - self.stride:
            kept = f"{self.stride} rows from row {self.first} on"
            raise ValueError(f"a window has {self.rows} rows, of which {kept} cannot be kept")

    @property
    def pictures_per_row(self) -> int:
        """Pictures that a row stands for."""
        return self.num_pictures // self.rows

    @property
    def rate(self) -> int:
        """Rows a second."""
        return self.pictures_per_second // self.pictures_per_row

    @property
    def sees_ahead(self) -> bool:
        """Whether rows know what is shown after them."""
        return self.first + 1 < self.rows

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Window":
        """Back from JSON, where tuples have become lists."""
        given: dict[str, Any] = {**values, "parts": tuple(values["parts"])}
        return cls(**given)


@dataclass(frozen=True)
class BackboneSpec:
    """What must travel with features and runs, so that preprocessing is always the same.

    Args:
        name: Key of `BACKBONES`, or `timm:NAME`; of motion, its method; of what was imported, what it was called.
        weights_hash: sha256 (hex) of the weights that were used, in order of their names; "" without a network.
        input_size: (height, width) in pixels that a frame is resized to.
        mean: Per channel (red, green, blue, or those of a stack), on the scale 0 to 1; `std` likewise.
        kind: "pooled" features of shape (D,), or "maps" of shape (C, h, w).
        cut: Number of the last block that runs; None: all of them.
        feature_shape: (D,) or (C, h, w).
        modality: What it looks at: "rgb" frames; the "difference" of a frame and an earlier one, as a picture; "motion"
            between the two, as numbers and without a network; "flow", pictures of u, v and magnitude; "video", windows
            of many frames; or "imported": made by others, nobody here knows from what.
        grid: Pooled features are of grid x grid parts of the picture: row by row, D numbers a part.
        lag_seconds: How much earlier the earlier frame was shown; 0 where there is none.
        stack: How many differences, or flows (u and v), it looks at side by side, as channels; 1: at one picture.
        window: Of "video", how its windows lie.
        without_camera: Of "flow", whether the camera's own motion was taken off.
    """

    name: str
    weights_hash: str
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    kind: Kind
    cut: int | None
    feature_shape: tuple[int, ...]
    modality: Modality = "rgb"
    grid: int = 1
    lag_seconds: float = 0.0
    stack: int = 1
    window: Window | None = None
    without_camera: bool = False

    def __post_init__(self) -> None:
        self._check_bounds()
        if self.modality not in MODALITIES:
            raise ValueError(f"modality must be one of {', '.join(MODALITIES)}, got {self.modality!r}")
        if self.grid > 1 and (self.kind, self.modality) != ("pooled", "rgb"):
            raise ValueError(f"{self.kind} features of {self.modality} cannot have a grid of {self.grid}")
        if (self.lag_seconds > 0) != (self.modality in ("difference", "motion")):
            raise ValueError(f"{self.modality} cannot have a lag of {self.lag_seconds} s")
        if self.stack != 1 and self.num_channels != stacked_channels(self.modality, self.stack):
            raise ValueError(f"{self.num_channels} channels cannot be a stack of {self.stack} of {self.modality}")
        if (self.window is None) == (self.modality == "video"):
            raise ValueError(f"{self.modality} with windows: {self.window}")
        if self.without_camera not in ((True, False) if self.modality == "flow" else (False,)):
            raise ValueError(f"{self.modality} cannot have without_camera {self.without_camera}")
        if len(self.feature_shape) != (1 if self.kind == "pooled" else 3):
            raise ValueError(f"{self.kind} features cannot have shape {self.feature_shape}")
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}")

    def _check_bounds(self) -> None:
        for name in ("name", "weights_hash", "kind", "modality"):
            check_name(f"{name} of a backbone", getattr(self, name))
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {self.kind!r}")
        for name, most in (("input_size", MOST_PIXELS), ("feature_shape", MOST_FEATURES)):
            for value in _checked_length(name, getattr(self, name)):
                check_whole(name, value, most=most)
        if len(self.input_size) != 2 or prod(self.feature_shape) > MOST_FEATURES:
            raise ValueError(f"input_size {self.input_size} and feature_shape {self.feature_shape} are impossible")
        for name in ("mean", "std"):
            for value in _checked_length(name, getattr(self, name)):
                check_number(name, value, least=-1e6, most=1e6)
        check_whole("grid", self.grid, most=_MOST_PARTS)
        check_whole("stack", self.stack, most=_MOST_PARTS)
        check_number("lag_seconds", self.lag_seconds, least=0, most=_LONGEST_LAG_SECONDS)
        if self.cut is not None:
            check_whole("cut", self.cut, least=0, most=MOST_WIDTH)

    @property
    def feature_width(self) -> int:
        """Channels of the features: D or C."""
        return self.feature_shape[0]

    @property
    def num_channels(self) -> int:
        """Of the pictures that a network looks at."""
        return len(self.mean)

    @property
    def stream(self) -> str:
        """One of `STREAMS`, or "flow", "video", "imported", or "stack of" the modality."""
        if self.stack > 1:
            return f"stack of {self.modality}"
        return "grid" if self.grid > 1 else self.modality

    @property
    def num_parts(self) -> int:
        """Of how many parts of the picture the features are, part by part."""
        return self.grid**2 if self.window is None else prod(self.window.parts)

    @property
    def needs_earlier(self) -> bool:
        """Whether it takes an earlier frame, too; of a stack nothing but the stack is taken."""
        return self.lag_seconds > 0 and self.stack == 1

    @property
    def has_network(self) -> bool:
        """Whether a network computes it."""
        return self.modality not in ("motion", IMPORTED)

    @property
    def is_imported(self) -> bool:
        """Whether somebody else made the features, so that they cannot be computed from pictures."""
        return self.modality == IMPORTED

    @property
    def title(self) -> str:
        """Its name for people, with what it looks at if that is not plain frames."""
        if self.is_imported:
            return f"{self.name} (imported)"
        return self.name if self.stream == "rgb" else f"{self.name} on {self.stream}"

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "BackboneSpec":
        """Back from JSON, where tuples have become lists."""
        plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        window = plain.get("window")
        return cls(**plain | {"window": None if window is None else Window.from_dict(window)})


def seen_as(network: BackboneSpec, stream: BackboneSpec) -> BackboneSpec:
    """A network's spec, looking at what a stream looks at: no network knows whether its pictures are frames or flow."""
    names = ("modality", "lag_seconds", "stack", "without_camera")
    return replace(network, **{name: getattr(stream, name) for name in names})


def stacked_channels(modality: str, stack: int) -> int:
    """Channels of a stack: u and v of flow, red, green and blue of differences; a `ValueError` for anything else."""
    each = {"flow": 2, "difference": 3}
    if stack < 2 or modality not in each:
        raise ValueError(f"a stack is of two or more of {' or '.join(each)}, not of {stack} of {modality}")
    return stack * each[modality]


def _checked_length(name: str, values: object) -> tuple[object, ...]:
    if not isinstance(values, tuple) or not 1 <= len(values) <= _MOST_NUMBERS:
        raise ValueError(f"{name} must be a few numbers, got {shorten(values)}")
    return values


def check_same_backbone(features: BackboneSpec, run: BackboneSpec, *, path: Path) -> None:
    """Refuse features of another backbone, weights or preprocessing: an `ArtifactError` names the first difference."""
    theirs = features.to_dict()
    for field, expected in run.to_dict().items():
        if theirs[field] != expected:
            what = "backbone" if field == "name" else field
            raise ArtifactError(f"its features have {what} {theirs[field]}, the run needs {expected}", path=path)
