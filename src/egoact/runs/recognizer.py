"""A trained run, ready to answer: features of clips in, logits of verbs and nouns out.

A run directory holds `model.safetensors` (the trained part) and `config.json` (all else that prediction needs).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from egoact.core.annotations.anticipation import Anticipation
from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable
from egoact.core.bounds import (
    MOST_CLASSES,
    MOST_FEATURES,
    MOST_MEMBERS,
    check_inside,
    check_name,
    check_number,
    check_whole,
    load_json,
    shorten,
)
from egoact.core.errors import ArtifactError
from egoact.core.sampling import ClipSampling
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.names import ACTION, Fusion
from egoact.runs.exported import ExportedClassifier, is_export
from egoact.runs.weights import CONFIG_NAME, WEIGHTS_NAME, build_without_memory, load_weights, save_run

if TYPE_CHECKING:
    from egoact.models.classifier import ActionClassifier
    from egoact.models.heads import Head

FORMAT_VERSION = 1


@dataclass(frozen=True)
class RecognizerConfig:
    """What a run needs to predict.

    Args:
        head: Key of `HEADS`.
        vocabularies: Target -> classes.
        backbone: Which features, from which preprocessing.
        num_frames: T, frames sampled uniformly from a segment.
        num_views: Clips of a segment: one of them at random in training, the mean of what they say in testing.
        dropout: Before the classifiers, while training.
        head_options: Keyword arguments of the head.
        window_seconds: Lengths of the windows of a stream to look at; empty: nobody has chosen them.
        temperature: Target -> what logits are divided by, so that probabilities are true.
        training_counts: Target -> training segments of each class: which classes it saw often, rarely, never.
        stacked: Of runs on several feature stores: the backbones of those after the first, in order.
        fusion: Of several stores: "early", one head on all features; "late", one head a store; or "sum", "max" or
            "conv", one head on a mixture of them.
        precision: In which the features that it was trained on were computed.
        pairs: Verb-noun pairs of a joint action classifier, as verb * number of nouns + noun; empty: there is none.
        anticipation: When it looks, of a run that says what will happen; None: it looks at the actions themselves.
        format_version: Of the run directory.

    Raises:
        ValueError: Counts that do not fit the classes, or windows and temperatures that are not above 0.
    """

    head: str
    vocabularies: Mapping[Target, Vocabulary]
    backbone: BackboneSpec
    num_frames: int
    dropout: float
    head_options: Mapping[str, Any] = field(default_factory=dict)
    window_seconds: tuple[float, ...] = ()
    temperature: Mapping[str, float] = field(default_factory=dict)
    training_counts: Mapping[Target, tuple[int, ...]] = field(default_factory=dict)
    num_views: int = 1
    stacked: tuple[BackboneSpec, ...] = ()
    fusion: Fusion = "early"
    precision: str = "f32"
    pairs: tuple[int, ...] = ()
    anticipation: Anticipation | None = None
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        self._check_bounds()
        for target, counts in self.training_counts.items():
            if target not in self.vocabularies or len(counts) != self.vocabularies[target].size:
                raise ValueError(f"training counts of {len(counts)} {target} classes do not fit the vocabulary")
        if not all(value > 0 for value in (*self.window_seconds, *self.temperature.values())):
            raise ValueError(f"windows of {self.window_seconds} s, temperatures {dict(self.temperature)}")
        if self.fusion not in get_args(Fusion):
            raise ValueError(f"fusion must be one of {', '.join(get_args(Fusion))}, got {self.fusion!r}")
        if any(other.feature_shape[1:] != self.backbone.feature_shape[1:] for other in self.stacked):
            shapes = ", ".join(str(spec.feature_shape) for spec in self.backbones)
            raise ValueError(f"features of shapes {shapes} cannot stand side by side")

    def _check_bounds(self) -> None:
        for name, value in (("head", self.head), ("precision", self.precision), ("fusion", self.fusion)):
            check_name(name, value)
        _ = self.sampling  # which checks the numbers of frames and views
        check_number("dropout", self.dropout, least=0, most=1)
        if len(self.window_seconds) > MOST_MEMBERS or len(self.stacked) > MOST_MEMBERS:
            raise ValueError(f"at most {MOST_MEMBERS} windows and as many feature stores")
        for number in (*self.window_seconds, *self.temperature.values()):
            check_number("a window or temperature", number, least=0, most=1e6)
        for target, vocabulary in self.vocabularies.items():
            if target != vocabulary.target:
                raise ValueError(f"the vocabulary of {shorten(target)} names {vocabulary.target} classes")
        if len(self.pairs) > MOST_CLASSES or sum(self.sizes.values()) * len(self.pairs) > MOST_FEATURES * 16:
            raise ValueError(f"{len(self.pairs):,} pairs of verb and noun are too many")
        for pair in self.pairs:
            check_whole("a pair", pair, least=0, most=MOST_CLASSES**2)

    @property
    def sampling(self) -> ClipSampling:
        """How a segment becomes the clips that the head sees."""
        return ClipSampling(self.num_frames, self.num_views)

    def looks_at(self, table: SegmentTable) -> SegmentTable:
        """The segments where the run looks: as they are or, of a run that anticipates, where they are observed."""
        return table if self.anticipation is None else self.anticipation.observed(table)

    @property
    def backbones(self) -> tuple[BackboneSpec, ...]:
        """Of all feature stores, in order."""
        return (self.backbone, *self.stacked)

    def only_backbone(self, run: Path, *, with_stacks: bool = False) -> BackboneSpec:
        """The backbone, for whoever looks at frames with it.

        Raises:
            ArtifactError: The run needs several streams, or one that is not of single frames or, where `with_stacks`,
                of stacks.
        """
        if self.stacked:
            names = ", ".join(spec.title for spec in self.backbones)
            reason = f"this run looks at several streams ({names}), and this command takes runs of one"
            raise ArtifactError(f"{reason}; train one with egoact train --streams rgb", path=run)
        if self.backbone.modality != "rgb" and not (with_stacks and self.backbone.stack > 1):
            looks_at = {"flow": "optical flow"}.get(self.backbone.modality, self.backbone.modality)
            reason = f"this run looks at {looks_at}, and here it would get single frames"
            raise ArtifactError(reason, path=run)
        return self.backbone

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """Of one frame, the features of all backbones side by side: (D,) or (C, h, w)."""
        return (sum(self.num_channels), *self.backbone.feature_shape[1:])

    @property
    def num_channels(self) -> tuple[int, ...]:
        """Of each backbone."""
        return tuple(spec.feature_width for spec in self.backbones)

    @property
    def sizes(self) -> dict[str, int]:
        """Classifier -> number of its classes: the targets, and "action" where there is a joint one."""
        sizes: dict[str, int] = {target: vocabulary.size for target, vocabulary in self.vocabularies.items()}
        return sizes | ({ACTION: len(self.pairs)} if self.pairs else {})

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {
            "format_version": self.format_version,
            "head": self.head,
            "head_options": dict(self.head_options),
            "dropout": self.dropout,
            "num_frames": self.num_frames,
            "num_views": self.num_views,
            "backbone": self.backbone.to_dict(),
            "stacked": [spec.to_dict() for spec in self.stacked],
            "fusion": self.fusion,
            "precision": self.precision,
            "pairs": list(self.pairs),
            "vocabularies": {target: vocabulary.to_dict() for target, vocabulary in self.vocabularies.items()},
            "window_seconds": list(self.window_seconds),
            "temperature": dict(self.temperature),
            "training_counts": {target: list(counts) for target, counts in self.training_counts.items()},
            **({} if self.anticipation is None else {"anticipation": asdict(self.anticipation)}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RecognizerConfig":
        """Back from JSON.

        Raises:
            ValueError: Another version, missing or impossible values.
        """
        if values.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"format_version is {values.get('format_version')}, this egoact reads {FORMAT_VERSION}")
        # Earlier versions also made timelines with runs of clips; their temperatures may be those of a second model.
        earlier = values.get("timeline") or {}
        calibrated = {} if earlier.get("has_background") else earlier.get("temperature", {})
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in values["head_options"].items()}
        return cls(
            head=values["head"],
            head_options=options,
            dropout=values["dropout"],
            num_frames=values["num_frames"],
            num_views=values.get("num_views", 1),
            backbone=BackboneSpec.from_dict(values["backbone"]),
            # Runs of one store that were made before there were stacks do not say so.
            stacked=tuple(BackboneSpec.from_dict(spec) for spec in values.get("stacked", ())),
            fusion=values.get("fusion", "early"),
            precision=values.get("precision", "f32"),
            pairs=tuple(values.get("pairs", ())),
            vocabularies={t: Vocabulary.from_dict(v) for t, v in values["vocabularies"].items()},
            window_seconds=tuple(values.get("window_seconds", earlier.get("window_seconds", ()))),
            temperature=dict(values.get("temperature", calibrated)),
            training_counts={t: tuple(map(int, v)) for t, v in values.get("training_counts", {}).items()},
            anticipation=Anticipation(**values["anticipation"]) if "anticipation" in values else None,
        )

    def build(self) -> "ActionClassifier":
        """The model of this configuration, untrained."""
        from egoact.models.classifier import ActionClassifier

        sizes: dict[str, int] = {target: vocabulary.size for target, vocabulary in self.vocabularies.items()}
        return ActionClassifier(self._build_head(), num_classes=sizes, dropout=self.dropout, pairs=self.pairs)

    def _build_head(self) -> "Head":
        from egoact.models.fusion import EarlyFusion, LateFusion, MixedFusion
        from egoact.models.heads import HEADS, build_head

        make = partial(build_head, self.head, num_frames=self.num_frames, **self.head_options)
        if not self.stacked or self.fusion == "early":
            own: dict[str, Any] = {}
            if self.head in HEADS and HEADS[self.head].takes_streams:
                own = {"streams": [(spec.feature_width, spec.num_parts) for spec in self.backbones]}
            head = make(feature_shape=self.feature_shape, **own)
            return EarlyFusion(head, sum(self.num_channels)) if self.stacked else head
        if self.fusion != "late":
            shape = (self.num_channels[0], *self.feature_shape[1:])
            return MixedFusion(make(feature_shape=shape), self.num_channels, self.fusion)
        return LateFusion([make(feature_shape=spec.feature_shape) for spec in self.backbones], self.num_channels)


class Recognizer:
    """A trained model with its configuration; use `Recognizer.load`."""

    def __init__(self, config: RecognizerConfig, model: "ActionClassifier | ExportedClassifier") -> None:
        self.config = config
        self._model = model if isinstance(model, ExportedClassifier) else model.eval()

    @property
    def model(self) -> "ActionClassifier":
        """The trained network, in eval mode.

        Raises:
            ArtifactError: This is an export, which answers without one.
        """
        if isinstance(self._model, ExportedClassifier):
            raise ArtifactError("an export answers but cannot be looked into; give the run that it was made from")
        return self._model

    @classmethod
    def load(cls, run: str | Path) -> "Recognizer":
        """Load a run directory, or a folder that `egoact export` made of one.

        Raises:
            ArtifactError: Not a run, no weights, or weights that do not fit its configuration.
        """
        run = Path(run)
        config_path, weights_path = run / CONFIG_NAME, run / WEIGHTS_NAME
        if not config_path.is_file():
            raise ArtifactError("not a run directory: it has no config.json; make one with egoact train", path=run)
        try:
            check_inside(config_path, run)
            check_inside(weights_path, run)
            config = RecognizerConfig.from_dict(load_json(config_path))
            outline = None if is_export(run) else build_without_memory(config.build)
        except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError) as error:
            raise ArtifactError(f"damaged or of another version ({error})", path=config_path) from error
        if outline is None:
            return cls(config, ExportedClassifier(run, {t: v.size for t, v in config.vocabularies.items()}))
        return cls(config, load_weights(config.build, weights_path, outline=outline))

    def save(self, run: str | Path) -> None:
        """Write the run directory."""
        save_run(run, self.model, self.config.to_dict())

    def score(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Logits of clips: float16 or float32, (N, T, D) or (N, T, C, h, w), to target -> float32 (N, classes).

        Raises:
            ValueError: Features of another shape than the backbone's, or the backbones' side by side.
        """
        needed = self.config.feature_shape
        if features.ndim < 3 or features.shape[2:] != needed:
            raise ValueError(f"features must have shape (N, T, {', '.join(map(str, needed))}), got {features.shape}")
        if isinstance(self._model, ExportedClassifier):
            return self._model(features)
        import torch

        device = next(self.model.parameters()).device
        with torch.inference_mode():
            logits = self.model(torch.from_numpy(np.array(features, np.float32)).to(device))
        return {target: values.cpu().numpy() for target, values in logits.items()}
