"""What labels say about whole recordings: which actions there are, how long they last, and what follows what."""

from collections.abc import Mapping

import numpy as np

from egoact.core.annotations.labels import Target, Vocabulary
from egoact.core.annotations.segments import SegmentTable
from egoact.core.timelines.rules import TimelineRules
from egoact.core.timelines.viterbi import Track, learn_grammar


def learn_rules(table: SegmentTable, vocabularies: Mapping[Target, Vocabulary], *, rate: int) -> TimelineRules:
    """Which actions there are, how long they last, and what follows what.

    Args:
        table: Training segments, all of them labelled.
        vocabularies: Target -> classes.
        rate: Steps per second.
    """
    ids = np.stack([v.encode(table, allow_unlabelled=False) for v in vocabularies.values()], axis=1)
    actions, states = np.unique(ids, axis=0, return_inverse=True)
    # Actions that share the first target's class, the verb where there is one, follow each other in the same way.
    _, groups = np.unique(actions[:, 0], return_inverse=True)
    tracks = tracks_of(table, states.reshape(-1) + 1, rate=rate)
    return TimelineRules(
        rate=rate,
        targets=tuple(vocabularies),
        actions=tuple(tuple(action) for action in actions.tolist()),
        grammar=learn_grammar(list(tracks.values()), np.append(0, groups.reshape(-1) + 1)),
    )


def tracks_of(table: SegmentTable, states: np.ndarray, *, rate: int) -> dict[str, Track]:
    """The segments of each video in steps."""
    tracks: dict[str, list[tuple[int, int, int]]] = {}
    for segment, state in zip(table, states.tolist(), strict=True):
        start, stop = (round(seconds * rate) for seconds in (segment.start_seconds, segment.stop_seconds))
        tracks.setdefault(segment.video_id, []).append((start, max(stop, start + 1), state))
    return {video: sorted(track) for video, track in tracks.items()}
