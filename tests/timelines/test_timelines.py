import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egoact.commands.using.evaluate import EvaluateSettings, evaluate
from egoact.core.annotations.labels import Vocabulary
from egoact.core.annotations.segments import read_segments
from egoact.core.errors import AnnotationError
from egoact.core.metrics.detection import average_precisions, temporal_overlaps
from egoact.core.timelines.files import class_names, read_timelines, timelines_of, with_class_names
from egoact.core.timelines.metrics import (
    BACKGROUND,
    OVERLAPS,
    edit_score,
    evaluate_timelines,
    frame_accuracy,
    frame_labels,
    mean_average_precision,
    runs,
    segmental_f1,
)
from egoact.core.timelines.timeline import Timeline, TimelineSegment

labels = st.lists(st.integers(-1, 3), min_size=1, max_size=40).map(np.array)
two_of_one_length = labels.flatmap(
    lambda a: st.tuples(st.just(a), st.lists(st.integers(-1, 3), min_size=len(a), max_size=len(a)).map(np.array))
)


def frames(text: str) -> np.ndarray:
    """ "aab..c": one letter a frame, a dot is background."""
    return np.array([BACKGROUND if letter == "." else ord(letter) - ord("a") for letter in text])


def timeline(*segments: tuple[float, float, str], video: str = "v", duration: float | None = None) -> Timeline:
    made = tuple(TimelineSegment(start, stop, *label.split()) for start, stop, label in segments)
    return Timeline(video, made, duration)


# --- frames ---


def test_frame_accuracy_counts_background() -> None:
    assert (
        frame_accuracy(
            frames("aa.b"),
            frames("ab.."),
        )
        == 50.0
    )


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        ("aabb", "abbb", 100),  # shifts cost nothing
        ("aabbcc", "aaaaaa", 100 / 3),  # two of three go
        ("ababab", "aaabbb", 100 / 3),  # over-segmentation
        ("ba", "ab", 0),
        ("a..a", "aaaa", 50),  # two segments against one
        ("....", "aaaa", 0),
        ("....", "....", 100),
        ("abcabc", "acbabc", 100 * (1 - 2 / 6)),
    ],
)
def test_edit_score_by_hand(predicted: str, truth: str, expected: float) -> None:
    assert edit_score(frames(predicted), frames(truth)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("predicted", "truth", "f1_at_10", "f1_at_25", "f1_at_50"),
    [
        ("aaaabbbb", "aaaabbbb", 100, 100, 100),
        # a: 4/8 = 50 %, b: 4/8 = 50 %: exactly half is enough
        ("aaaabbbbbbbb", "aaaaaaaabbbb", 100, 100, 100),
        # a: 3/8, b: 4/9
        ("aaabbbbbbbbb", "aaaaaaaabbbb", 100, 100, 0),
        # two pieces of one action: the second one is a false alarm: 2 * 1 / (2 + 1)
        ("aaa.aaa", "aaaaaaa", 200 / 3, 200 / 3, 0),
        # background is no segment
        ("....aaaa", "bbbbaaaa", 200 / 3, 200 / 3, 200 / 3),
        ("........", "bbbbaaaa", 0, 0, 0),
    ],
)
def test_segmental_f1_by_hand(predicted: str, truth: str, f1_at_10: float, f1_at_25: float, f1_at_50: float) -> None:
    pair = (frames(predicted), frames(truth))
    found = [segmental_f1([pair], overlap=overlap) for overlap in OVERLAPS]
    assert found == pytest.approx([f1_at_10, f1_at_25, f1_at_50])


def test_f1_sums_counts_over_recordings() -> None:
    right, wrong = (frames("aaaa"), frames("aaaa")), (frames("abab"), frames("cccc"))
    assert segmental_f1([right, wrong], overlap=10) == pytest.approx(200 * 1 / (5 + 2))


@given(labels)
def test_the_truth_is_perfect(truth: np.ndarray) -> None:
    assert frame_accuracy(truth, truth) == edit_score(truth, truth) == 100
    assert segmental_f1([(truth, truth)], overlap=100) == 100


@given(two_of_one_length)
def test_measures_are_percentages_symmetric_and_fall_with_the_overlap(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, truth = pair
    assert 0 <= edit_score(predicted, truth) <= 100
    assert edit_score(predicted, truth) == pytest.approx(edit_score(truth, predicted))
    f1 = [segmental_f1([pair], overlap=overlap) for overlap in (1, 10, 25, 50, 75, 100)]
    assert all(0 <= b <= a + 1e-9 for a, b in zip(f1, f1[1:], strict=False)) and f1[0] <= 100


@given(two_of_one_length)
def test_edit_score_is_the_textbook_distance(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = ([label for _, _, label in runs(side)] for side in pair)
    table = [[i + j if not i or not j else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i, first in enumerate(a, 1):
        for j, second in enumerate(b, 1):
            replaced = table[i - 1][j - 1] + (first != second)
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, replaced)
    expected = 100 * (1 - table[-1][-1] / max(len(a), len(b))) if a or b else 100
    assert edit_score(*pair) == pytest.approx(expected)


@given(labels)
def test_runs_give_the_labels_back(original: np.ndarray) -> None:
    again = np.full_like(original, BACKGROUND)
    for start, stop, label in runs(original):
        again[start:stop] = label
    assert (again == original).all()


@pytest.mark.parametrize("bad", [np.array([]), np.zeros((2, 2), int), np.array([1, 2, 3])])
def test_frames_that_do_not_fit_are_refused(bad: np.ndarray) -> None:
    for measure in (frame_accuracy, edit_score):
        with pytest.raises(ValueError, match="labels of shape"):
            measure(bad, np.array([1, 2]))


# --- segments ---


def test_temporal_overlap_by_hand() -> None:
    assert temporal_overlaps(0, 4, [(0, 4), (2, 6), (4, 8), (1, 2)]).tolist() == pytest.approx([1, 2 / 6, 0, 1 / 4])


def test_average_precision_by_hand() -> None:
    truth = {"a": [(0.0, 4.0), (10.0, 14.0)], "b": [(0.0, 4.0)]}
    answers = [
        ("a", 0.0, 4.0, 0.9),  # hit 1 of 1
        ("a", 1.0, 4.0, 0.8),  # the same true segment again: miss
        ("b", 1.0, 4.0, 0.7),  # hit 2 of 3
        ("c", 0.0, 4.0, 0.6),  # a video without such a segment: miss
        ("a", 10.0, 11.0, 0.5),  # a quarter of it
    ]
    assert average_precisions(answers, truth, [0.5])[0] == pytest.approx(100 * (1 + 2 / 3) / 3)
    assert average_precisions(answers, truth, [0.25])[0] == pytest.approx(100 * (1 + 2 / 3 + 3 / 5) / 3)
    assert average_precisions([], truth, [0.1])[0] == 0


def test_a_detection_takes_the_next_best_segment_that_is_free() -> None:
    truth = {"a": [(0.0, 10.0), (2.0, 12.0)]}
    answers = [("a", 0.0, 10.0, 0.9), ("a", 0.0, 10.5, 0.8)]
    assert average_precisions(answers, truth, [0.5])[0] == 100


def test_precision_is_interpolated() -> None:
    truth = {"a": [(float(i), i + 1.0) for i in range(3)]}
    answers = [("a", 50.0, 51.0, 0.9)] + [("a", float(i), i + 1.0, 0.8 - i / 10) for i in range(3)]
    # Precision at the hits is 1/2, 2/3, 3/4; never rising: 3/4 at all of them.
    assert average_precisions(answers, truth, [0.5])[0] == pytest.approx(75)


def test_mean_over_classes_counts_rare_ones_alike_and_leaves_out_what_never_happens() -> None:
    truth = {"v": timeline((0, 1, "open"), (2, 3, "open"), (4, 5, "cut"))}
    predicted = {"v": timeline((0, 1, "open"), (2, 3, "open"), (6, 7, "fry"))}
    found = mean_average_precision(predicted, truth, "verb")
    assert found == {"0.1": 50, "0.2": 50, "0.3": 50, "0.4": 50, "0.5": 50, "mean": 50}


# --- whole timelines ---


def test_evaluation_by_hand() -> None:
    truth = {"v": timeline((0, 2, "open fridge"), (4, 6, "close fridge"), duration=8)}
    predicted = {"v": timeline((0, 2, "open fridge"), (4, 6, "close door"), duration=8)}
    metrics = evaluate_timelines(predicted, truth, targets=["verb", "noun", "action"])
    assert metrics["verb"]["frame_accuracy"] == 100 and metrics["noun"]["frame_accuracy"] == 75
    assert metrics["verb"]["f1"] == {"10": 100, "25": 100, "50": 100} and metrics["verb"]["map"]["mean"] == 100
    assert metrics["action"]["f1"]["50"] == 50 and metrics["action"]["map"]["mean"] == 50
    assert metrics["action"]["edit"] == 50
    assert metrics["baselines"]["background"]["verb"]["frame_accuracy"] == 50
    assert (metrics["num_videos"], metrics["num_segments"]) == (1, 2)


def test_the_end_of_a_recording_counts_as_background() -> None:
    truth = {"v": timeline((0, 1, "cut"))}
    predicted = {"v": timeline((0, 1, "cut"), (1, 2, "open"), duration=4)}
    assert evaluate_timelines(predicted, truth, targets=["verb"])["verb"]["frame_accuracy"] == 75


def test_an_empty_timeline_is_the_background_answer() -> None:
    truth = {"v": timeline((0, 1, "cut"), duration=4)}
    metrics = evaluate_timelines({"v": timeline()}, truth, targets=["verb"])
    assert metrics["verb"]["frame_accuracy"] == metrics["baselines"]["background"]["verb"]["frame_accuracy"] == 75
    assert metrics["verb"]["f1"]["10"] == metrics["verb"]["edit"] == metrics["verb"]["map"]["mean"] == 0


def test_other_videos_are_refused() -> None:
    with pytest.raises(ValueError, match="'v'.*'w'"):
        evaluate_timelines({"v": timeline()}, {"w": timeline((0, 1, "cut"), video="w")}, targets=["verb"])


def test_frames_belong_to_the_segment_that_their_middle_is_in_and_the_later_of_two() -> None:
    made = timeline((0, 0.25, "a"), (0.4, 1, "b"), (0.6, 0.8, "c"))
    found = frame_labels(made, "verb", {"a": 0, "b": 1, "c": 2}, num_frames=10, rate=10)
    assert found.tolist() == [0, 0, -1, -1, 1, 1, 2, 2, 1, 1]  # 0.25 s is the middle of frame 2: outside


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 50)), max_size=8))
def test_a_segment_has_as_many_frames_as_it_lasts(spans: list[tuple[int, int]]) -> None:
    for start, length in spans:
        made = timeline((start / 15, (start + length) / 15, "a"))
        assert (frame_labels(made, "verb", {"a": 0}, num_frames=600, rate=15) == 0).sum() == length


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"start_seconds": 2, "stop_seconds": 1, "verb": "cut"}, "not a piece"),
        ({"start_seconds": -1, "stop_seconds": 1, "verb": "cut"}, "not a piece"),
        ({"start_seconds": 0, "stop_seconds": float("nan"), "verb": "cut"}, "not a piece"),
        ({"start_seconds": 0, "stop_seconds": 1}, "neither verb nor noun"),
        ({"start_seconds": 0, "stop_seconds": 1, "verb": "cut", "confidence": 1.5}, "confidence"),
    ],
)
def test_impossible_segments_are_refused(values: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TimelineSegment(**values)


def test_impossible_timelines_are_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        timeline((2, 3, "cut"), (0, 1, "cut"))
    with pytest.raises(ValueError, match="stops at 3 s, the video at 2 s"):
        timeline((0, 3, "cut"), duration=2)


# --- files ---


def test_json_comes_back_with_keys_of_others_left_alone(tmp_path: Path) -> None:
    made = timeline((0, 1, "open fridge"), (2, 3, "cut"), duration=10)
    values = made.to_dict() | {"model": "run"}
    (tmp_path / "timeline.json").write_text(json.dumps(values))
    assert read_timelines(tmp_path / "timeline.json") == {"v": made}


def test_csv_is_a_segments_csv_with_confidence(tmp_path: Path) -> None:
    path = tmp_path / "corrected.csv"
    path.write_text(
        "video_id,start_timestamp,stop_timestamp,verb,noun,confidence\n"
        "b,00:00:04.500,00:00:05.000,cut,,0.25\na,00:00:02.000,00:00:03.000,open,fridge,0.75\n"
        "b,00:00:00.000,00:00:01.000,cut,bread,\n".replace("bread,\n", "bread,1\n")
    )
    found = read_timelines(path)
    assert [s.confidence for s in found["b"]] == [1, 0.25] and found["b"][1].noun is None
    assert found["a"][0] == TimelineSegment(2, 3, "open", "fridge", 0.75)


def test_a_folder_is_read_at_any_depth(tmp_path: Path) -> None:
    for video in ("v", "w"):
        (tmp_path / "out" / video).mkdir(parents=True)
        made = timeline((0, 1, "cut"), video=video)
        (tmp_path / "out" / video / "timeline.json").write_text(json.dumps(made.to_dict()))
    assert set(read_timelines(tmp_path)) == {"v", "w"}
    again = tmp_path / "timeline.json"
    again.write_text(json.dumps(timeline(video="w").to_dict()))
    with pytest.raises(AnnotationError, match="second timeline of the video 'w'"):
        read_timelines(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("timeline.json", "{", "not a timeline"),
        ("timeline.json", "[]", "not a timeline"),
        ("timeline.json", '{"format_version": 7}', "format_version is 7"),
        ("timeline.json", '{"format_version": 1, "video_id": "v"}', "duration_seconds"),
        ("timeline.csv", "video_id,start_timestamp,stop_timestamp,verb,confidence\nv,0,1,cut,2\n", "row 2.*'2' is not"),
        ("timeline.csv", "video_id,start_timestamp,stop_timestamp,verb\nv,0,1,\n", "row 2.*neither verb nor noun"),
    ],
)
def test_damaged_files_are_told_in_one_line(name: str, content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(AnnotationError, match=words) as error:
        read_timelines(tmp_path)
    assert "\n" not in str(error.value) and name in str(error.value)


def test_a_folder_without_timelines_says_so(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match=r"no timeline\.json"):
        read_timelines(tmp_path)
    with pytest.raises(AnnotationError, match="no such file"):
        read_timelines(tmp_path / "timeline.json")


def test_words_become_names_of_classes(tmp_path: Path) -> None:
    verbs = Vocabulary("verb", ("turn-on", "cut"), instances=(("turn-on", "switch-on"), ("cut", "slice")))
    made = with_class_names(timeline((0, 1, "switch-on tap"), (1, 2, "fly")), {"verb": verbs})
    assert [(s.verb, s.noun) for s in made] == [("turn-on", "tap"), ("fly", None)]
    path = tmp_path / "labels.csv"
    path.write_text("video_id,start_timestamp,stop_timestamp,verb_class\nv,0,1,1\n")
    named = timelines_of(read_segments(path), names={"verb": class_names(read_segments(path), verbs)})
    assert named["v"][0].verb == "cut"


# --- egoact evaluate --timeline ---

LABELS = """video_id,start_timestamp,stop_timestamp,verb,verb_class,noun
v,0,2,open,0,fridge
v,4,6,shut,1,fridge
w,1,3,open,0,door
"""


@pytest.fixture
def labels_csv(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(LABELS)
    return path


def test_evaluate_measures_a_folder_of_timelines_and_draws_them(
    labels_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from egoact.report.evaluation.page import write_report

    for video, made in {
        "v": timeline((0, 2, "open fridge"), (4, 6, "open fridge"), duration=8),
        "other": timeline((0, 1, "cut <b>"), video="other"),
    }.items():
        (tmp_path / "found" / video).mkdir(parents=True)
        (tmp_path / "found" / video / "timeline.json").write_text(json.dumps(made.to_dict()))
    settings = EvaluateSettings(segments=labels_csv, timeline=tmp_path / "found", out=tmp_path / "out")
    assert evaluate(settings) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["verb"]["frame_accuracy"] == 75 and metrics["noun"]["frame_accuracy"] == 100
    assert (metrics["num_videos"], metrics["num_segments"]) == (1, 2)
    out = capsys.readouterr().out
    assert "verb: frames 75.0 % (all background 50.0 %), edit 50.0, F1 at 10: 50.0" in out
    assert "1 timelines of videos without labels are left out: other" in out
    assert "1 labelled videos without a timeline are left out: w" in out
    write_report(settings)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "shut, 4.00 to 6.00 s" in page and '<td class="number">75.0</td>' in page


def test_a_perfect_csv_without_classes_gets_everything(labels_csv: Path, tmp_path: Path) -> None:
    assert evaluate(EvaluateSettings(segments=labels_csv, timeline=labels_csv, out=tmp_path / "out")) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert all(metrics[t]["frame_accuracy"] == metrics[t]["map"]["mean"] == 100 for t in ("verb", "noun", "action"))


def test_timelines_of_other_videos_are_refused(labels_csv: Path, tmp_path: Path) -> None:
    (tmp_path / "timeline.json").write_text(json.dumps(timeline(video="x").to_dict()))
    settings = EvaluateSettings(segments=labels_csv, timeline=tmp_path / "timeline.json", out=tmp_path / "out")
    with pytest.raises(AnnotationError, match=r"its videos \(x\) are none of those.*\(v, w\)"):
        evaluate(settings)
    assert not (tmp_path / "out").exists()


def test_verbs_alone_are_measured_where_a_timeline_has_no_nouns(labels_csv: Path, tmp_path: Path) -> None:
    (tmp_path / "timeline.json").write_text(json.dumps(timeline((0, 2, "open")).to_dict()))
    settings = EvaluateSettings(segments=labels_csv, timeline=tmp_path / "timeline.json", out=tmp_path / "out")
    assert evaluate(settings) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert "verb" in metrics and "noun" not in metrics and "action" not in metrics
