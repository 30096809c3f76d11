"""From a recording to named actions with confidences, by a run of `egoact train-timeline`.

    video ──► engine ──► features ──► segmenter ──► log-probabilities of every step ──► decoder ──► actions
                                                              └──► mean over an action ──► confidence, top five

Shapes: `F` steps, `K` classes.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.timelines.hands import measure_hand_use
from egoact.core.timelines.prediction import TOP, Prediction, Ranking
from egoact.core.timelines.rules import Action, Span, TimelineRules
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from egoact.core.timelines.viterbi import Floats
from egoact.extraction.recordings import HandPass, aspect_ratio_of, compute_features
from egoact.media.sources import MediaSource
from egoact.runs.loading import Run
from egoact.runs.segmenter import TrainedSegmenter
from egoact.store.buffer import FeatureBuffer

if TYPE_CHECKING:
    from egoact.engines.hands import HandDetector

Rankings = tuple[dict[Target, Ranking], ...]


def predict_recording(
    run: Run,
    source: MediaSource,
    *,
    folder: Path | None = None,
    hands: "HandDetector | None" = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Prediction:
    """The timeline of a recording, up to where it breaks if it does.

    Args:
        run: Of `egoact train-timeline`, or exported from one.
        source: The recording.
        folder: Where features are kept meanwhile; None: the system's place for temporary files.
        hands: Measure how much each hand is used, too, with the hands that this finds in the same pictures.
        advance: Called with numbers of steps as they are done.

    Raises:
        MediaError: Not one step can be read.
        ArtifactError: The run names clips, or its backbone's weights are not here.
    """
    segmenter = run.segmenter
    config = segmenter.config
    hand_pass = None if hands is None else HandPass(hands, aspect_ratio=aspect_ratio_of(source))
    watch = {} if hand_pass is None else {"watch": hand_pass.add}
    with FeatureBuffer((sum(config.num_channels),), folder=folder) as buffer:
        broken = compute_features(
            source, run.engine, buffer, rate=config.rate, stride=config.stride, advance=advance, **watch
        )
        timeline, top5 = find_actions(segmenter, buffer.read(), video_id=source.video_id)
    use = None if hand_pass is None else measure_hand_use(hand_pass.track(rate=config.steps_per_second), timeline)
    reason = None if broken is None else ": ".join(part for part in (broken.place, broken.reason) if part)
    return Prediction(timeline, tuple(config.vocabularies), top5, reason, use)


def find_actions(segmenter: TrainedSegmenter, features: Any, *, video_id: str) -> tuple[Timeline, Rankings]:
    """The timeline of a recording with features (F, D), one row a step, and for each action the best classes."""
    vocabularies = segmenter.config.vocabularies
    return name_actions(segmenter.score(features), segmenter.rules, vocabularies, video_id=video_id)


def name_actions(
    scores: Mapping[str, Floats],
    rules: TimelineRules,
    vocabularies: Mapping[Target, Vocabulary],
    *,
    video_id: str,
    spans: Sequence[Span] | None = None,
) -> tuple[Timeline, Rankings]:
    """Scores of every step, target -> (F, K + 1), as a timeline, and for each action the best classes.

    Where the actions are is what the rules find, unless it is given.
    """
    shares = {target: np.exp(values) for target, values in scores.items()}
    segments, rankings = [], []
    for start, stop, action in settle(rules.find_actions(scores) if spans is None else spans, shares, rules.actions):
        means = {target: values[start:stop].mean(0) for target, values in shares.items()}
        names = {t: vocabularies[t].names[i] for t, i in zip(vocabularies, action, strict=True)}
        said = float(np.prod([values[start:stop, i].mean() for values, i in zip(shares.values(), action, strict=True)]))
        times = (start / rules.rate, stop / rules.rate)
        segments.append(TimelineSegment(*times, names.get("verb"), names.get("noun"), rules.true_share(said)))
        rankings.append({t: _rank(vocabularies[t], means[t]) for t in vocabularies})
    num_steps = len(next(iter(scores.values())))
    return Timeline(video_id, tuple(segments), duration_seconds=num_steps / rules.rate), tuple(rankings)


def settle(spans: Sequence[Span], shares: Mapping[str, Floats], actions: Sequence[Action]) -> list[Span]:
    """Actions named by what the model says of all their steps on average; neighbours of one name become one.

    The decoder found where they begin and end. It chose their names with an eye to what mostly follows what, and to it
    a single step that is out of the question weighs as much as many.
    """
    ids = np.array(actions, dtype=np.int64).reshape(len(actions), len(shares))
    settled: list[Span] = []
    for start, stop, _ in spans:
        means = [np.log(values[start:stop].mean(0) + 1e-9) for values in shares.values()]
        said = np.sum([mean[column] for mean, column in zip(means, ids.T, strict=True)], axis=0)
        action = actions[int(said.argmax())]
        if settled and settled[-1][1:] == (start, action):
            settled[-1] = (settled[-1][0], stop, action)
        else:
            settled.append((start, stop, action))
    return settled


def _rank(vocabulary: Vocabulary, shares: Floats) -> Ranking:
    best = np.argsort(-shares[:-1], kind="stable")[:TOP]
    return tuple((vocabulary.names[class_id], float(shares[class_id])) for class_id in best)
