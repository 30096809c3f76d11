"""How much each hand is used, as it is measured in recordings made at home. Tracks and a timeline in, numbers out.

hand present   ├──────────┤   ├───────────────────┤
actions             ├──────────────────┤   ├─┤
interactions        ├─────┤   ├────────┤   ├─┤        the hand is there while something is done

Source: Likitlersuang et al., Egocentric video: a new tool for capturing hand use of individuals with spinal cord
injury at home, J NeuroEng Rehabil 16:83 (2019), for the three measures of each hand; Tsai et al., Validity of novel
outcome measures for hand function performance after stroke using egocentric video, Neurorehabil Neural Repair 37:142
(2023), for the ratio. They find an interaction by looking at hand and object; what is taken for one here is cruder, see
`docs/timeline.md`.
"""

from typing import Any

import numpy as np

from egoact.core.timelines.hands.tracking import Bools, HandTracks
from egoact.core.timelines.statistics import SIDES, Stretch, merge_stretches
from egoact.core.timelines.timeline import Timeline

SHORTEST_SECONDS = 0.5  # an interaction that is shorter does not count
_DIGITS = 4


def measure_hand_use(
    tracks: HandTracks, timeline: Timeline, *, shortest_seconds: float = SHORTEST_SECONDS
) -> dict[str, Any]:
    """The measures of both hands, in the form that `statistics.check_hands` documents, and what they were made of.

    A hand is in interaction at a step if it is present (seen, or missed for a moment) and the timeline says that an
    action goes on. Steps in a row are one interaction, however many actions it has; those that are shorter than
    `shortest_seconds` do not count, in any of the numbers.

    Returns:
        For "left" and "right": "share_of_time" of the recording in interaction, "mean_duration_seconds" of one (None
        without any), "interactions_per_hour", "num_interactions", "interactions" ([start, stop] in seconds), and
        "bridged_share", how much of the time that the hand is present it was not seen; "hand_use_ratio", share of time
        of the left hand through that of the right one (None where that is 0); "steps_without_hands_share", of steps at
        which no hand was seen; "bridge_seconds" and "shortest_seconds", as they were chosen.
    """
    num_steps = len(tracks.seen)
    busy = _steps_in(merge_stretches(timeline), num_steps, rate=tracks.rate)
    seconds = num_steps / tracks.rate
    measures: dict[str, Any] = {}
    shares = []
    for side, name in enumerate(SIDES):
        present, seen = tracks.present[:, side], tracks.seen[:, side]
        found = [s for s in find_stretches(present & busy, rate=tracks.rate) if s[1] - s[0] >= shortest_seconds - 1e-9]
        durations = [stop - start for start, stop in found]
        shares.append(sum(durations) / seconds if seconds else 0.0)
        measures[name] = {
            "share_of_time": round(shares[-1], _DIGITS),
            "mean_duration_seconds": round(float(np.mean(durations)), _DIGITS) if durations else None,
            "interactions_per_hour": round(3600 * len(found) / seconds, _DIGITS) if seconds else None,
            "num_interactions": len(found),
            "interactions": [[round(start, _DIGITS), round(stop, _DIGITS)] for start, stop in found],
            "bridged_share": round(float(1 - seen.sum() / present.sum()), _DIGITS) if present.any() else 0.0,
        }
    return measures | {
        "hand_use_ratio": round(shares[0] / shares[1], _DIGITS) if shares[1] else None,
        "steps_without_hands_share": round(float((~tracks.seen.any(axis=1)).mean()), _DIGITS) if num_steps else None,
        "bridge_seconds": tracks.bridge_seconds,
        "shortest_seconds": shortest_seconds,
    }


def find_stretches(steps: Bools, *, rate: float) -> list[Stretch]:
    """Where steps in a row are true, in seconds: bool (N,) -> (start, stop), ascending.

    >>> find_stretches(np.array([False, True, True, False, True]), rate=2)
    [(0.5, 1.5), (2.0, 2.5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], steps, [False]]).astype(np.int8)))
    return [(float(start) / rate, float(stop) / rate) for start, stop in edges.reshape(-1, 2)]


def _steps_in(stretches: list[Stretch], num_steps: int, *, rate: float) -> Bools:
    """Which steps have their middle in a stretch; bool (N,)."""
    middles = (np.arange(num_steps) + 0.5) / rate
    inside = np.zeros(num_steps, dtype=np.bool_)
    for start, stop in stretches:
        inside |= (middles >= start) & (middles < stop)
    return inside
