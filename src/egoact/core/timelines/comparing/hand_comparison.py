"""How much each hand is used, on two sides of a comparison: measures in, differences with intervals out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from egoact.core.timelines.comparing.resampling import Draws, difference_of, divide
from egoact.core.timelines.statistics import SIDES

_OF_A_HAND = ("share_of_time", "mean_duration_seconds", "interactions_per_hour", "num_interactions")
_OF_BOTH = ("hand_use_ratio", "steps_without_hands_share")


def compare_hands(draws: Sequence[Draws]) -> list[dict[str, Any]]:
    """Measures of each hand of two sides, pooled over the recordings that have them; none where a side has no hands.

        {"hand": "left", "right" or None, "measure", "sides": [first, second],
         "difference": {"value", "low", "high"}, "clips": [[[recording, start, stop], ...], [...]]}

    Shares and rates are weighted by the length of recordings, mean durations by numbers of interactions; the hand-use
    ratio is the mean over recordings. "clips" are the interactions of that hand, as far as they are known. "difference"
    is absent where a side has no value, its interval where a side has it of one recording only.

    Args:
        draws: Of the first side, and of the second.
    """
    if not all(any(hands is not None for hands in one.side.hands) for one in draws):
        return []
    rows = [_row(draws, hand, measure) for hand in SIDES for measure in _OF_A_HAND]
    return rows + [_row(draws, None, measure) for measure in _OF_BOTH]


def _row(draws: Sequence[Draws], hand: str | None, measure: str) -> dict[str, Any]:
    """Each measure is a ratio of two sums over recordings: a mean, weighted by what it is a mean over."""
    values, ratios, can_draw = [], [], []
    for one in draws:
        above, below = np.zeros(len(one.side.timelines)), np.zeros(len(one.side.timelines))
        for number, (hands, seconds) in enumerate(zip(one.side.hands, one.side.seconds, strict=True)):
            part = _part(hands, hand)
            weight = {"mean_duration_seconds": part.get("num_interactions"), "hand_use_ratio": 1.0}.get(
                measure, seconds
            )
            if part.get(measure) is not None and weight:
                below[number] = 1.0 if measure == "num_interactions" else weight
                above[number] = part[measure] * below[number]
        num_known = int((below > 0).sum())
        total = above.sum() if measure == "num_interactions" else None
        values.append(None if not num_known else float(above.sum() / below.sum() if total is None else total))
        ratios.append(divide(one.weights @ above, one.weights @ below))
        can_draw.append(num_known > 1)
    row: dict[str, Any] = {"hand": hand, "measure": measure, "sides": values}
    row["clips"] = [_interactions(one, hand) for one in draws]
    if measure != "num_interactions" and values[0] is not None and values[1] is not None:
        row["difference"] = difference_of(values[0], values[1], ratios if all(can_draw) else None)
    return row


def _part(hands: Mapping[str, Any] | None, hand: str | None) -> Mapping[str, Any]:
    return {} if hands is None else hands if hand is None else hands[hand]


def _interactions(one: Draws, hand: str | None) -> list[tuple[int, float, float]]:
    found = [_part(hands, hand).get("interactions", ()) for hands in one.side.hands]
    return [(number, start, stop) for number, stretches in enumerate(found) for start, stop in stretches]
