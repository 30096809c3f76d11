"""What `egoact train` learns about whole recordings: from labels, from validation clips, and from gaps if asked to.

The last part of `egoact train`: what a run has to know to look at whole recordings.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable
from egoact.core.metrics.calibration import fit_temperature, log_softmax
from egoact.core.timelines.rules import TimelineRules
from egoact.core.timelines.viterbi import Track, learn_grammar

WINDOW_LENGTHS = (0.5, 1.0, 2.0)  # of the median segment
_OVER_CHANCE = 1.25  # an answer of a model that nobody calibrated is an action where it is this much surer than chance
_MISSED = 0.1  # share of validation clips that the threshold may take for background


def learn_rules(
    table: SegmentTable, vocabularies: Mapping[Target, Vocabulary], *, rate: int, shortest: float = 0.5
) -> TimelineRules:
    """Which actions there are, how long they last, what follows what, and so how long windows should be.

    The threshold for background is one for models that nobody calibrates; see `calibrate`.

    Args:
        table: Training segments, all of them labelled.
        vocabularies: Target -> classes.
        rate: Steps per second.
        shortest: As in `learn_grammar`.
    """
    ids = np.stack([v.encode(table, allow_unlabelled=False) for v in vocabularies.values()], axis=1)
    actions, states = np.unique(ids, axis=0, return_inverse=True)
    # Actions that share the first target's class, the verb where there is one, follow each other in the same way.
    _, groups = np.unique(actions[:, 0], return_inverse=True)
    typical = float(np.median([segment.duration_seconds for segment in table]))
    tracks = tracks_of(table, states.reshape(-1) + 1, rate=rate)
    return TimelineRules(
        rate=rate,
        targets=tuple(vocabularies),
        actions=tuple(tuple(action) for action in actions.tolist()),
        grammar=learn_grammar(list(tracks.values()), np.append(0, groups.reshape(-1) + 1), shortest=shortest),
        window_seconds=tuple(round(factor * typical, 3) for factor in WINDOW_LENGTHS),
        threshold=min(0.95, _OVER_CHANCE / max(vocabulary.size for vocabulary in vocabularies.values())),
    )


def tracks_of(table: SegmentTable, states: np.ndarray, *, rate: int) -> dict[str, Track]:
    """The segments of each video in steps."""
    tracks: dict[str, list[tuple[int, int, int]]] = {}
    for segment, state in zip(table, states.tolist(), strict=True):
        start, stop = (round(seconds * rate) for seconds in (segment.start_seconds, segment.stop_seconds))
        tracks.setdefault(segment.video_id, []).append((start, max(stop, start + 1), state))
    return {video: sorted(track) for video, track in tracks.items()}


def calibrate(
    rules: TimelineRules, logits: Mapping[str, np.ndarray], labels: Mapping[Target, np.ndarray]
) -> TimelineRules:
    """Temperatures, and the threshold under which an answer counts as background, from clips that were not trained on.

    The threshold is passed by nine of ten clips, so that about as many actions are found where nothing has taught
    what background looks like.
    """
    temperature: dict[str, float] = {
        target: fit_temperature(logits[target], values) for target, values in labels.items()
    }
    best = [np.exp(log_softmax(logits[target] / temperature[target])).max(axis=1) for target in labels]
    threshold = float(np.clip(np.quantile(np.stack(best).min(axis=0), _MISSED), 0.05, 0.95))
    return replace(rules, temperature=temperature, threshold=threshold)
