"""A trained segmenter: features of a whole recording in, log-probabilities of every step out.

A run directory of `egoact train-timeline` holds, as that of `egoact train`, `model.safetensors` and `config.json`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.bounds import (
    MOST_MEMBERS,
    MOST_RATE,
    MOST_WIDTH,
    check_inside,
    check_name,
    check_whole,
    load_json,
    shorten,
)
from egoact.core.errors import ArtifactError
from egoact.core.timelines.proposals import Proposals
from egoact.core.timelines.rules import TimelineRules
from egoact.core.timelines.viterbi import Floats
from egoact.models.backbones.spec import BackboneSpec
from egoact.models.linear_scores import WINDOWS, LinearScorer
from egoact.models.names import DETECTOR, LINEAR_SEGMENTERS
from egoact.runs.exported import is_export
from egoact.runs.exported_segmenter import ExportedSegmenter
from egoact.runs.weights import CONFIG_NAME, WEIGHTS_NAME, build_without_memory, load_weights, read_arrays, save_run

if TYPE_CHECKING:
    from egoact.models.detectors import DetectorModel
    from egoact.models.segmenters import RecordingModel

TASK = "timeline"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class SegmenterConfig:
    """What a run needs to find actions in recordings.

    Args:
        segmenter: Key of `SEGMENTERS`, or "detector".
        vocabularies: Target -> classes, without background.
        backbones: Of each stream, in order.
        components: Of a network: principal components that it gets of each stream.
        rate: Steps a second of the features.
        stride: Of these, every `stride`-th is looked at.
        members: Of a network: how many are averaged.
        options: Keyword arguments of the segmenter.
        precision: In which the features that it was trained on were computed.
        timeline: How its scores become actions; None before that is learned.
        format_version: Of the run directory.

    Raises:
        ValueError: Impossible values.
    """

    segmenter: str
    vocabularies: Mapping[Target, Vocabulary]
    backbones: tuple[BackboneSpec, ...]
    rate: int
    stride: int = 1
    members: int = 1
    components: int = 64
    options: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "f32"
    timeline: TimelineRules | None = None
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if not self.vocabularies:
            raise ValueError("there is nothing to find: no classes")
        if not self.backbones:
            raise ValueError("a segmenter needs the features of at least one stream")
        if any(len(spec.feature_shape) != 1 for spec in self.backbones):
            raise ValueError("segmenters take pooled features, or maps pooled to a grid (--streams grid), not maps")
        for name in ("segmenter", "precision"):
            check_name(name, getattr(self, name))
        for name, most in (
            ("rate", MOST_RATE),
            ("stride", MOST_RATE),
            ("members", MOST_MEMBERS),
            ("components", MOST_WIDTH),
        ):
            check_whole(name, getattr(self, name), most=most)
        if len(self.backbones) > MOST_MEMBERS:
            raise ValueError(f"{len(self.backbones)} streams; there are at most {MOST_MEMBERS}")
        self._check_rules()
        if self.rate % self.stride:
            raise ValueError(f"{self.rate} steps a second cannot be thinned by {self.stride}")

    def _check_rules(self) -> None:
        """Whether what is learned of timelines speaks of these classes."""
        for target, vocabulary in self.vocabularies.items():
            if target != vocabulary.target:
                raise ValueError(f"the vocabulary of {shorten(target)} names {vocabulary.target} classes")
        if self.timeline is None:
            return
        if self.timeline.targets != tuple(self.vocabularies):
            raise ValueError(f"its timelines name {', '.join(map(str, self.timeline.targets))}")
        for action in self.timeline.actions:
            for class_id, vocabulary in zip(action, self.vocabularies.values(), strict=True):
                check_whole(f"{vocabulary.target} class of an action", class_id, least=0, most=vocabulary.size)

    @property
    def sizes(self) -> list[int]:
        """Classes of each target, background included."""
        return [vocabulary.size + 1 for vocabulary in self.vocabularies.values()]

    @property
    def num_channels(self) -> list[int]:
        """D of each stream."""
        return [spec.feature_width for spec in self.backbones]

    @property
    def steps_per_second(self) -> int:
        """That are looked at."""
        return self.rate // self.stride

    def build(self) -> "RecordingModel | DetectorModel":
        """The model of this configuration, untrained."""
        from egoact.models.detectors import build_detector
        from egoact.models.segmenters import build_model

        shared: dict[str, Any] = {"num_channels": self.num_channels, "sizes": self.sizes, "members": self.members}
        shared |= {"components": self.components, "options": dict(self.options)}
        if self.segmenter == DETECTOR:
            return build_detector(**shared)
        return build_model(self.segmenter, rate=self.steps_per_second, **shared)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {
            "format_version": self.format_version,
            "task": TASK,
            "segmenter": self.segmenter,
            "options": dict(self.options),
            "members": self.members,
            "backbones": [spec.to_dict() for spec in self.backbones],
            "components": self.components,
            "rate": self.rate,
            "stride": self.stride,
            "precision": self.precision,
            "vocabularies": {target: vocabulary.to_dict() for target, vocabulary in self.vocabularies.items()},
            "timeline": None if self.timeline is None else self.timeline.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SegmenterConfig":
        """Back from JSON.

        Raises:
            ValueError: Another version, missing or impossible values.
        """
        if values.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"format_version is {values.get('format_version')}, this egoact reads {FORMAT_VERSION}")
        timeline = values["timeline"]
        return cls(
            **{name: values[name] for name in ("segmenter", "members", "components", "rate", "stride", "precision")},
            options=dict(values["options"]),
            backbones=tuple(BackboneSpec.from_dict(spec) for spec in values["backbones"]),
            vocabularies={t: Vocabulary.from_dict(v) for t, v in values["vocabularies"].items()},
            timeline=None if timeline is None else TimelineRules.from_dict(timeline),
        )


class TrainedSegmenter:
    """A trained model with its configuration; use `TrainedSegmenter.load`."""

    def __init__(
        self,
        config: SegmenterConfig,
        model: "RecordingModel | DetectorModel | ExportedSegmenter | LinearScorer",
        weights: Path | None = None,
    ) -> None:
        self.config = config
        self._model = model if isinstance(model, ExportedSegmenter | LinearScorer) else model.eval()
        self._weights = weights  # of a `LinearScorer`, for whoever wants the network itself

    @property
    def model(self) -> "RecordingModel | DetectorModel":
        """The trained model, in eval mode.

        Raises:
            ArtifactError: This is an export, which answers without one.
        """
        if isinstance(self._model, ExportedSegmenter):
            raise ArtifactError("an export answers but cannot be looked into; give the run that it was made from")
        if isinstance(self._model, LinearScorer):
            assert self._weights is not None
            self._model = load_weights(self.config.build, self._weights).eval()
        return self._model

    @classmethod
    def load(cls, run: str | Path) -> "TrainedSegmenter":
        """Load a run directory of `egoact train-timeline`, or a folder that `egoact export` made of one.

        Raises:
            ArtifactError: Not such a run, no weights, or weights that do not fit its configuration.
        """
        run = Path(run)
        path, weights = run / CONFIG_NAME, run / WEIGHTS_NAME
        try:
            check_inside(path, run)
            check_inside(weights, run)
            config = SegmenterConfig.from_dict(load_json(path))
            scorer = None if is_export(run) else _linear_scorer(config, weights)
            outline = None if is_export(run) or scorer is not None else build_without_memory(config.build)
        except FileNotFoundError:
            raise ArtifactError("not a run directory: it has no config.json", path=run) from None
        except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError) as error:
            raise ArtifactError(f"damaged or of another version ({error})", path=path) from error
        if is_export(run):
            return cls(config, ExportedSegmenter(run, sum(config.sizes)))
        return cls(config, scorer or load_weights(config.build, weights, outline=outline), weights)

    def save(self, run: str | Path) -> None:
        """Write the run directory."""
        save_run(run, self.model, self.config.to_dict())

    @property
    def rules(self) -> TimelineRules:
        """How its scores become actions.

        Raises:
            ArtifactError: It was not trained to the end.
        """
        if self.config.timeline is None:
            raise ArtifactError("this run does not say how its scores become actions; train it again")
        return self.config.timeline

    def with_rules(self, rules: TimelineRules) -> "TrainedSegmenter":
        """The same, knowing how its scores become actions."""
        return TrainedSegmenter(replace(self.config, timeline=rules), self._model, self._weights)

    def score(self, features: Any) -> dict[str, Floats]:
        """Log-probabilities of a recording, target -> float64 (F, classes + 1), background last.

        Features are (F, D) of every `stride`-th step, an array or what can be sliced like one.
        """
        return self.by_target(self._model.score(features))

    def propose(self, features: Any) -> dict[str, Proposals] | None:
        """Of a detector: where actions of each target may be, times in steps; None of others."""
        if self.config.segmenter != DETECTOR:
            return None
        model: Any = self._model
        return dict(zip(map(str, self.config.vocabularies), model.propose(features), strict=True))

    @property
    def looks_ahead(self) -> bool:
        """Whether what it says of a step depends on later ones."""
        return self._model.reach is None or self._model.reach[1] > 0

    @property
    def num_earlier_steps(self) -> int | None:
        """That what it says of a step depends on; None: all of them."""
        return None if self._model.reach is None else self._model.reach[0]

    def initial_state(self) -> Any:
        """What is known before the first step, for `step`.

        Raises:
            ValueError: The segmenter looks ahead.
        """
        model = self._model if isinstance(self._model, ExportedSegmenter) else self.model
        return model.initial_state(1)

    def step(self, features: np.ndarray, state: Any) -> tuple[dict[str, Floats], Any]:
        """Take in the features of a step, (D,): what `score` says of it, target -> (classes + 1,), and the state."""
        step = self._model.step if isinstance(self._model, ExportedSegmenter) else self._step_in_torch
        said, later = step(features.astype(np.float32)[None], state)
        return {target: values[0] for target, values in self.by_target(said).items()}, later

    def _step_in_torch(self, features: np.ndarray, state: Any) -> tuple[np.ndarray, Any]:
        import torch

        with torch.inference_mode():
            said, later = self.model.step(torch.from_numpy(features), state)
        return said.numpy(), later

    def by_target(self, said: np.ndarray) -> dict[str, Floats]:
        """Outputs of all targets side by side, (F, K) -> target -> (F, classes + 1)."""
        parts = np.split(said.astype(np.float64), np.cumsum(self.config.sizes)[:-1], axis=1)
        return dict(zip(map(str, self.config.vocabularies), parts, strict=True))


def _linear_scorer(config: SegmenterConfig, weights: Path) -> LinearScorer | None:
    """What answers without torch; None where there is anything unusual about the run."""
    if config.segmenter not in LINEAR_SEGMENTERS or config.options.keys() - {"penalty"}:
        return None
    width, outputs = sum(config.num_channels), sum(config.sizes)
    shapes = {"center": (width,), "weight": (len(WINDOWS), width, outputs), "bias": (outputs,)}
    arrays = read_arrays(weights, shapes)
    if arrays is None:
        return None
    is_causal = config.segmenter == "causal"
    return LinearScorer(**arrays, sizes=config.sizes, rate=config.steps_per_second, is_causal=is_causal)


def is_segmenter(run: Path) -> bool:
    """Whether `egoact train-timeline` made this run directory."""
    try:
        return load_json(run / CONFIG_NAME).get("task") == TASK
    except (OSError, ValueError, AttributeError):
        return False
