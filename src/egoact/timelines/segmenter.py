"""From a recording to its actions, by a run's model and rules.

    video ──► steps ──► engine ──► features ──► windows around every step ──► Viterbi ──► actions
                                       └──────► every action as one clip ──► confidence and the top five

Shapes: `F` steps, `K` classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egoact.core.annotations.labels import Target
from egoact.core.errors import MediaError
from egoact.core.timelines.hand_use import measure_hand_use
from egoact.core.timelines.prediction import TOP, Prediction, Ranking
from egoact.core.timelines.rules import Span, TimelineRules
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.core.timelines.viterbi import Floats
from egoact.engines.hands import HandDetector
from egoact.extraction.hands import HandPass, aspect_ratio_of
from egoact.extraction.recordings import compute_features
from egoact.media.sources import MediaSource
from egoact.runs.loading import Run, rules_of
from egoact.runs.recognizer import Recognizer, RecognizerConfig
from egoact.runs.segmenter import TrainedSegmenter
from egoact.store.buffer import FeatureBuffer
from egoact.timelines.dense import DenseAnswers
from egoact.timelines.windows import score_steps, score_windows


@dataclass(frozen=True)
class ActionSegmenter:
    """Finds the actions of a recording.

    Args:
        recognizer: Answers windows of a recording; where the run was trained with background, its background model.
        rules: How its scores become actions.
    """

    recognizer: Recognizer
    rules: TimelineRules

    @classmethod
    def of(cls, run: Run) -> "ActionSegmenter":
        """Of a run.

        Raises:
            ArtifactError: It knows nothing of timelines.
        """
        return cls(run.window_recognizer, rules_of(run))

    @property
    def config(self) -> RecognizerConfig:
        """Of the model."""
        return self.recognizer.config

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the run knows."""
        return tuple(self.config.vocabularies)

    def score(self, features: np.ndarray) -> dict[str, Floats]:
        """Log probability of every class at every step: float16 (F, *feature) -> target -> (F, K)."""
        rate, lengths = self.rules.rate, self.rules.window_seconds
        return score_steps(self.recognizer, features, rate=rate, window_seconds=lengths)

    def answer(self, features: np.ndarray, *, video_id: str) -> tuple[Timeline, tuple[dict[Target, Ranking], ...]]:
        """The timeline of a recording with features float16 (F, *feature), and for each action the best classes."""
        rules = self.rules
        spans = rules.find_actions(self.score(features))
        segments, top5 = self._name(spans, features)
        return Timeline(video_id, segments, duration_seconds=len(features) / rules.rate), top5

    def _name(
        self, spans: list[Span], features: np.ndarray
    ) -> tuple[tuple[TimelineSegment, ...], tuple[dict[Target, Ranking], ...]]:
        """Look at every action once more, as the one clip that it is."""
        if not spans:
            return (), ()
        rate = self.rules.rate
        starts, stops = (np.array([span[edge] for span in spans]) / rate for edge in (0, 1))
        logits = score_windows(self.recognizer, features, starts, stops, rate=rate)
        shares = {target: self.rules.probabilities(target, logits[target]) for target in self.targets}
        segments: list[TimelineSegment] = []
        rankings: list[dict[Target, Ranking]] = []
        for row, (start, stop, action) in enumerate(spans):
            chosen = dict(zip(self.targets, action, strict=True))
            confidence = float(np.prod([shares[target][row, class_id] for target, class_id in chosen.items()]))
            names = {target: self._names(target)[class_id] for target, class_id in chosen.items()}
            segments.append(
                TimelineSegment(start / rate, stop / rate, names.get("verb"), names.get("noun"), confidence)
            )
            rankings.append({target: self._rank(target, values[row]) for target, values in shares.items()})
        return tuple(segments), tuple(rankings)

    def _names(self, target: Target) -> tuple[str, ...]:
        return self.config.vocabularies[target].names

    def _rank(self, target: Target, shares: np.ndarray) -> Ranking:
        known = shares[:-1] if self.rules.has_background else shares
        best = np.argsort(-known, kind="stable")[:TOP]
        return tuple((self._names(target)[class_id], float(shares[class_id])) for class_id in best)


def predict_recording(
    run: Run,
    source: MediaSource,
    *,
    folder: Path | None = None,
    hands: HandDetector | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Prediction:
    """The timeline of a recording, up to where it breaks if it does.

    Args:
        run: Of `egoact train` or `egoact export`.
        source: The recording.
        folder: Where features are kept meanwhile; None: the system's place for temporary files.
        hands: Measure how much each hand is used, too, with the hands that this finds in the same pictures.
        advance: Called with numbers of steps as they are done.

    Raises:
        MediaError: Not one step can be read.
        ArtifactError: The run knows nothing of timelines, or its backbone's weights are not here.
    """
    rules = rules_of(run)
    answers = run.answers
    segmenter: ActionSegmenter | DenseAnswers
    if isinstance(answers, TrainedSegmenter):
        segmenter, rate, stride = DenseAnswers(answers, rules), answers.config.rate, answers.config.stride
    else:
        segmenter, rate, stride = ActionSegmenter.of(run), rules.rate, 1
    width = sum(spec.feature_width for spec in run.backbones)
    hand_pass = None if hands is None else HandPass(hands, aspect_ratio=aspect_ratio_of(source))
    watch = {} if hand_pass is None else {"watch": hand_pass.add}
    with FeatureBuffer((width, *run.backbones[0].feature_shape[1:]), folder=folder) as buffer:
        broken = compute_features(source, run.engine, buffer, rate=rate, stride=stride, advance=advance, **watch)
        timeline, top5 = segmenter.answer(buffer.read(), video_id=source.video_id)
    use = None if hand_pass is None else measure_hand_use(hand_pass.track(rate=rate / stride), timeline)
    return Prediction(timeline, segmenter.targets, top5, None if broken is None else _say(broken), use)


def _say(broken: MediaError) -> str:
    return ": ".join(part for part in (broken.place, broken.reason) if part)
