"""Measures of timelines against the published definition, written a second time in tests/makers/data/published.py."""

from collections.abc import Sequence

import numpy as np
import pytest

from egoact.core.timelines.metrics import evaluate_timelines
from egoact.core.timelines.timeline import Timeline, TimelineSegment
from tests.makers.data.published import BACKGROUND, published_metrics, segments_of

WORDS = (BACKGROUND, "take", "pour", "stir", "open")
RATE = 15


def random_words(random: np.random.Generator, *, longest: int) -> list[str]:
    """A recording of 60 to 300 frames in runs of up to `longest` frames."""
    words: list[str] = []
    length = int(random.integers(60, 300))
    while len(words) < length:
        words += [str(random.choice(WORDS))] * int(random.integers(1, longest + 1))
    return words[:length]


def spoil(words: Sequence[str], random: np.random.Generator) -> list[str]:
    """As a good model answers: borders moved by some frames, a few frames wrong."""
    spoilt = list(words)
    borders = [frame for frame in range(1, len(words)) if words[frame] != words[frame - 1]]
    for border in borders:
        shift = int(random.integers(-4, 5))
        for frame in range(max(border + min(shift, 0), 0), min(border + max(shift, 0), len(words))):
            spoilt[frame] = words[border] if shift < 0 else words[border - 1]
    for frame in random.integers(0, len(words), size=len(words) // 50):
        spoilt[frame] = str(random.choice(WORDS))
    return spoilt


def timeline(words: Sequence[str]) -> Timeline:
    segments = [
        TimelineSegment(min(frames) / RATE, (max(frames) + 1) / RATE, verb=word) for word, frames in segments_of(words)
    ]
    return Timeline("v", tuple(segments), duration_seconds=len(words) / RATE)


@pytest.mark.parametrize("kind", ["random", "well scored"])
@pytest.mark.parametrize("seed", range(12))
def test_measures_are_those_of_the_published_definition(kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    truths = [random_words(random, longest=40) for _ in range(4)]
    pairs = []
    for truth in truths:
        other = random_words(random, longest=25)
        found = spoil(truth, random) if kind == "well scored" else (other * 5)[: len(truth)]
        pairs.append((found, truth))
    found_timelines = {str(number): timeline(found) for number, (found, _) in enumerate(pairs)}
    true_timelines = {str(number): timeline(truth) for number, (_, truth) in enumerate(pairs)}
    measured = evaluate_timelines(found_timelines, true_timelines, targets=["verb"], rate=RATE)["verb"]
    expected = published_metrics(pairs)
    assert measured["frame_accuracy"] == pytest.approx(expected["accuracy"])
    assert measured["edit"] == pytest.approx(expected["edit"])
    assert measured["f1"] == pytest.approx({name: expected[f"f1@{name}"] for name in ("10", "25", "50")})
    is_good = expected["accuracy"] > 80
    assert is_good == (kind == "well scored")
