"""The measure of detection against the published definition, written a second time in tests/makers."""

from pathlib import Path

import numpy as np
import pytest

from egoact.core.annotations.segments import Segment, SegmentTable
from egoact.core.metrics.detection import Detections, evaluate_detections, summarize_detections
from tests.makers.data.published_tasks import Found, published_detection

VIDEOS = ("P01_11", "P02_03", "P18_07")


def make_truth(random: np.random.Generator) -> list[Found]:
    """Actions of a few classes that often overlap, in three recordings."""
    truth = []
    for video in VIDEOS:
        for start in np.sort(random.uniform(0, 80, size=25)).tolist():
            verb, noun = (int(random.integers(0, size)) for size in (5, 7))
            truth.append(Found(video, start, start + float(random.uniform(0.5, 6)), verb, noun))
    return truth


def make_answers(random: np.random.Generator, truth: list[Found], *, is_good: bool) -> list[Found]:
    """Answers at random; good ones are, for the most part, true segments a little displaced, and surer."""
    answers = []
    for _ in range(150):
        start, length = random.uniform(0, 80), random.uniform(0.5, 6)
        verb, noun = (int(random.integers(0, size)) for size in (6, 8))  # one class of each is never true
        answers.append(Found(str(random.choice(VIDEOS)), start, start + length, verb, noun, random.random()))
    for true in truth if is_good else ():
        for score in random.uniform(0.5, 1.5, size=2):
            begin, end = (max(edge + random.normal(0, 0.3), 0) for edge in (true.start, true.stop))
            if begin < end:
                answers.append(Found(true.video, begin, end, true.verb, true.noun, score))
    return answers


def as_table(truth: list[Found]) -> SegmentTable:
    segments = [
        Segment(f"{t.video}_{i}", t.video[:3], t.video, t.start, t.stop, verb_class=t.verb, noun_class=t.noun)
        for i, t in enumerate(truth)
    ]
    return SegmentTable(Path("a.csv"), tuple(segments))


def as_detections(answers: list[Found]) -> Detections:
    return Detections(
        VIDEOS,
        np.array([VIDEOS.index(a.video) for a in answers], dtype=np.int64),
        np.array([(a.start, a.stop) for a in answers], dtype=np.float64).reshape(-1, 2),
        np.array([a.verb for a in answers], dtype=np.int64),
        np.array([a.noun for a in answers], dtype=np.int64),
        np.array([a.score for a in answers], dtype=np.float64),
    )


def labels_of(truth: list[Found]) -> dict[str, np.ndarray]:
    return {"verb": np.array([t.verb for t in truth]), "noun": np.array([t.noun for t in truth])}


@pytest.mark.parametrize("is_good", [False, True], ids=["random", "well scored"])
@pytest.mark.parametrize("seed", range(4))
def test_mean_average_precision_is_that_of_the_published_definition(seed: int, is_good: bool) -> None:
    random = np.random.default_rng(seed)
    truth = make_truth(random)
    answers = make_answers(random, truth, is_good=is_good)
    measured = evaluate_detections(as_detections(answers), as_table(truth), labels_of(truth))
    for target in ("verb", "noun", "action"):
        expected = published_detection(answers, truth, target)
        for tiou, value in expected.items():
            assert measured[target][f"{tiou:g}"] == pytest.approx(value), (target, tiou)
        assert measured[target]["mean"] == pytest.approx(sum(expected.values()) / 5)
    assert (measured["action"]["mean"] > 40) == is_good


def test_the_truth_itself_is_right_and_nothing_is_wrong() -> None:
    truth = make_truth(np.random.default_rng(0))
    measured = evaluate_detections(as_detections(truth), as_table(truth), labels_of(truth))
    assert [measured[target]["mean"] for target in ("verb", "noun", "action")] == [100, 100, 100]
    assert summarize_detections(measured).startswith("detection: verb 100.00, noun 100.00, action 100.00 (mAP %")
    measured = evaluate_detections(as_detections([]), as_table(truth), labels_of(truth))
    assert measured["action"] == {"0.1": 0, "0.2": 0, "0.3": 0, "0.4": 0, "0.5": 0, "mean": 0}


def test_impossible_detections_are_refused() -> None:
    with pytest.raises(ValueError, match="does not end after it begins"):
        as_detections([Found("P01_11", 3, 3, 0, 0)])
    with pytest.raises(ValueError, match="not finite"):
        as_detections([Found("P01_11", 3, 4, 0, 0, float("nan"))])
    good = as_detections([Found("P01_11", 3, 4, 0, 0)])
    with pytest.raises(ValueError, match="spans"):
        Detections(VIDEOS, good.videos, good.spans, good.verbs, good.nouns, np.ones(2))
    with pytest.raises(ValueError, match="0 segments"):
        evaluate_detections(good, as_table([]), labels_of([]))
