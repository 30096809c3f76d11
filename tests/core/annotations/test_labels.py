import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egoact.core.annotations.labels import (
    Vocabulary,
    build_vocabulary,
    read_class_file,
    read_tail_classes,
    read_vocabulary,
)
from egoact.core.annotations.segments import Segment, SegmentTable, read_segments
from egoact.core.epic.facts import VERB_CATEGORIES
from egoact.core.errors import AnnotationError
from egoact.core.metrics.imbalance import (
    CLASS_WEIGHTS,
    count_classes,
    effective_number_weights,
    head_classes,
    inverse_weights,
    square_root_weights,
    tail_classes,
)
from tests.makers.machines.places import SHARED

DATA = SHARED / "data"
KITCHENS = DATA / "epic-kitchens-100"

VERBS = (
    "id,key,instances,category\n"
    "1,put,\"['put', 'lay-on']\",leave\n"
    "0,take,\"['take', 'grab']\",retrieve\n"
    "2,cut,[],split\n"
)


def table_of(*labels: tuple[str | None, int | None]) -> SegmentTable:
    segments = [Segment(f"s{i}", "p", "v", i, i + 1, verb=w, verb_class=c) for i, (w, c) in enumerate(labels)]
    return SegmentTable(Path("mine.csv"), tuple(segments))


def need(path: Path) -> Path:
    if not path.exists():
        pytest.skip("needs the annotation files in ../shared/data")
    return path


def test_reads_classes_in_the_order_of_their_ids(tmp_path: Path) -> None:
    (tmp_path / "verb_classes.csv").write_text(VERBS)
    (tmp_path / "tail_verbs.csv").write_text("verb\n2\n")
    verbs = read_vocabulary(tmp_path, "verb")
    assert verbs == Vocabulary(
        "verb",
        ("take", "put", "cut"),
        ("retrieve", "leave", "split"),
        frozenset({2}),
        (("take", "grab"), ("put", "lay-on"), ()),
    )
    labels = verbs.encode(table_of(("grab", None), ("cut", None), (None, 1), ("lay-on", 1), (None, None)))
    assert labels.tolist() == [0, 2, 1, 1, -1]
    assert labels.dtype == np.int64


def test_categories_come_in_their_usual_order_and_encode_class_ids(tmp_path: Path) -> None:
    (tmp_path / "verb_classes.csv").write_text(VERBS)
    categories, category_of = read_vocabulary(tmp_path, "verb").to_categories()
    assert categories.names == ("leave", "retrieve", "split")
    assert category_of.tolist() == [1, 0, 2]
    # A category vocabulary still reads what the CSV says: ids and words of classes.
    assert categories.encode(table_of(("put", 1), ("grab", None), (None, None))).tolist() == [0, 1, -1]
    assert Vocabulary.from_dict(json.loads(json.dumps(categories.to_dict()))) == categories
    with pytest.raises(ValueError, match="no categories"):
        categories.to_categories()


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ((None, 3), "mine.csv, row 3, column verb_class: 3 is outside the vocabulary: verb classes are 0 to 2"),
        (("fly", None), "mine.csv, row 3, column verb: 'fly' is not a word for any of the 3 verb classes"),
        (("put", 0), "mine.csv, row 3, column verb_class: 0 is 'take', but column verb says 'put', class 1"),
        (("get", None), "'get' may mean the classes 0, 1; say which in a column verb_class"),
        ((None, None), "mine.csv, row 3, column verb: no verb"),
    ],
)
def test_labels_that_do_not_fit_are_refused(label: tuple[str | None, int | None], expected: str) -> None:
    verbs = Vocabulary("verb", ("take", "put", "cut"), instances=(("get",), ("get",), ()))
    with pytest.raises(AnnotationError) as caught:
        verbs.encode(table_of(("take", 0), label), allow_unlabelled=False)
    assert str(caught.value).startswith(expected) or expected in str(caught.value)


def test_a_class_name_wins_over_another_class_with_that_word() -> None:
    verbs = Vocabulary("verb", ("turn", "turn-on"), instances=((), ("turn",)))
    assert verbs.encode(table_of(("turn", None), ("turn", 1))).tolist() == [0, 1]


@pytest.mark.parametrize(
    "fields",
    [
        {"target": "action"},
        {"names": ()},
        {"names": ("a", "a")},
        {"categories": ("x",)},
        {"instances": ((),)},
        {"tail": frozenset({2})},
        {"tail": frozenset({-1})},
    ],
)
def test_a_vocabulary_checks_itself(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Vocabulary(**({"target": "verb", "names": ("a", "b")} | fields))  # type: ignore[arg-type]


def test_unknown_keys_are_refused() -> None:
    values = Vocabulary("noun", ("a", "b"), tail=frozenset({1})).to_dict()
    assert Vocabulary.from_dict(values).tail == {1}
    with pytest.raises(ValueError, match="keys"):
        Vocabulary.from_dict(values | {"colour": 1})


def test_builds_a_vocabulary_from_ids_or_words() -> None:
    verbs = build_vocabulary(table_of(("grab", 0), ("take", 0), ("take", 0), ("cut", 3), (None, None)), "verb")
    assert verbs is not None
    assert verbs.names == ("take", "verb 1", "verb 2", "cut")
    assert verbs.encode(table_of(("grab", None), (None, 2))).tolist() == [0, 2]
    words = build_vocabulary(table_of(("put", None), ("cut", None), ("put", None)), "verb")
    assert words is not None
    assert words.names == ("cut", "put")
    assert build_vocabulary(table_of(("put", 1)), "noun") is None
    assert build_vocabulary(table_of((None, None)), "verb") is None


def test_classes_with_the_same_word_stay_apart() -> None:
    table = table_of(("take", 0), ("take", 1), ("take (1)", 2))
    verbs = build_vocabulary(table, "verb")
    assert verbs is not None
    assert len(set(verbs.names)) == 3
    assert verbs.encode(table).tolist() == [0, 1, 2]


def test_absurd_class_ids_are_refused() -> None:
    with pytest.raises(AnnotationError, match="row 2, column verb_class: class 123456789 is too large"):
        build_vocabulary(table_of((None, 123456789)), "verb")


labels = st.tuples(st.none() | st.sampled_from(["a", "b", "c"]), st.none() | st.integers(0, 5))


@given(st.lists(labels, min_size=1))
@settings(deadline=None)
def test_a_built_vocabulary_knows_its_own_table(rows: list[tuple[str | None, int | None]]) -> None:
    if any(class_id is not None for _, class_id in rows):
        rows = [(word, class_id) for word, class_id in rows if class_id is not None]
    verbs = build_vocabulary(table_of(*rows), "verb")
    if verbs is None:
        assert all(label == (None, None) for label in rows)
        return
    encoded = verbs.encode(table_of(*rows))
    for (word, class_id), label in zip(rows, encoded, strict=True):
        expected = class_id if class_id is not None else -1 if word is None else verbs.names.index(word)
        assert label == expected
    assert Vocabulary.from_dict(json.loads(json.dumps(verbs.to_dict()))) == verbs


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "no verb classes here"),
        ({"verb_classes.csv": VERBS, "EPIC_verb_classes.csv": VERBS}, "both EPIC_verb_classes.csv and verb_classes"),
        ({"verb_classes.csv": "key\ntake\n"}, "no column id or verb_id"),
        ({"verb_classes.csv": "id\n0\n"}, "no column key or class_key"),
        ({"verb_classes.csv": "id,key\n0,a\n2,b\n"}, "row 3, column id: id 2; the ids of 2 classes are 0 to 1"),
        ({"verb_classes.csv": "id,key\n0,a\n0,b\n"}, "row 3, column id"),
        ({"verb_classes.csv": "id,key\n0,a\n1,a\n"}, "row 3, column key: the name 'a' occurs twice"),
        ({"verb_classes.csv": "id,key\n0,a\n1,\n"}, "row 3, column key: the name is empty"),
        ({"verb_classes.csv": "id,key,instances\n0,a,put\n"}, "row 2, column instances"),
        ({"verb_classes.csv": "id,key,category\n0,a,\n"}, "row 2, column category"),
        ({"verb_classes.csv": VERBS, "tail_verbs.csv": "verb\n3\n"}, "tail verb 3 does not exist"),
        ({"verb_classes.csv": VERBS, "tail_verbs.csv": "verb\ncut\n"}, "row 2, column verb"),
        ({"verb_classes.csv": "id,key\n0,a\n1," + "b" * 3 + "\n1"}, "row 4"),
    ],
)
def test_wrong_class_files_are_one_clear_line(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(AnnotationError) as caught:
        read_vocabulary(tmp_path, "verb")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(AnnotationError, match="folder"):
            read_class_file(path, "verb")
    assert read_tail_classes(tmp_path, "verb") is None


def test_published_classes() -> None:
    verbs, nouns = (read_vocabulary(need(KITCHENS), target) for target in ("verb", "noun"))
    assert (verbs.size, nouns.size, len(verbs.tail), len(nouns.tail)) == (97, 300, 86, 228)
    assert verbs.names[:3] == ("take", "put", "wash")
    categories, category_of = verbs.to_categories()
    assert categories.names == VERB_CATEGORIES
    assert categories.names[category_of[verbs.names.index("wash")]] == "clean"
    assert nouns.to_categories()[0].size == 21
    table = read_segments(KITCHENS / "EPIC_100_validation.csv")
    encoded = {v.target: v.encode(table, allow_unlabelled=False) for v in (verbs, nouns)}
    assert [len(np.unique(encoded[target])) for target in ("verb", "noun")] == [78, 211]
    assert (
        read_vocabulary(KITCHENS, "verb").encode(read_segments(KITCHENS / "EPIC_100_test_timestamps.csv")) == -1
    ).all()


def test_words_alone_give_the_published_ids() -> None:
    table = read_segments(need(KITCHENS) / "EPIC_100_validation.csv")
    verbs = read_vocabulary(KITCHENS, "verb")
    expected = verbs.encode(table)
    # One word, "bring-into", is in none of the published lists.
    known = table.select([segment.verb != "bring-into" for segment in table])
    words = [Segment(s.narration_id, "p", "v", 0, 1, verb=s.verb) for s in known]
    encoded = verbs.encode(SegmentTable(table.path, tuple(words)))
    assert encoded.tolist() == [label for label, s in zip(expected, table, strict=True) if s.verb != "bring-into"]


def test_the_edition_of_2018_and_no_mixture() -> None:
    folder = need(DATA / "epic-kitchens-55")
    table = read_segments(folder / "EPIC_train_action_labels.csv")
    for target, size, seen in (("verb", 125, 119), ("noun", 352, 321)):
        vocabulary = read_vocabulary(folder, target)  # type: ignore[arg-type]
        assert (vocabulary.size, len(np.unique(vocabulary.encode(table)))) == (size, seen)
    with pytest.raises(AnnotationError, match="of different editions"):
        read_vocabulary(need(KITCHENS), "verb").encode(table)


counts_lists = st.lists(st.integers(0, 10**6), min_size=1, max_size=30).filter(any)


@given(counts_lists, st.sampled_from(sorted(CLASS_WEIGHTS)))
@settings(deadline=None)
def test_weights_average_one_over_the_classes_that_occur(counts: list[int], name: str) -> None:
    weights = CLASS_WEIGHTS[name](np.array(counts))
    seen = np.array(counts) > 0
    assert weights[seen].mean() == pytest.approx(1)
    assert (weights[~seen] == 0).all()
    # The rarer, the heavier.
    order = np.argsort(np.array(counts)[seen])
    assert (np.diff(weights[seen][order]) <= 1e-9).all()


def test_weights_by_hand() -> None:
    counts = count_classes(np.array([0, 0, 0, 0, 1, -1, 3]), num_classes=5)
    assert counts.tolist() == [4, 1, 0, 1, 0]
    assert inverse_weights(counts).tolist() == pytest.approx([1 / 3, 4 / 3, 0, 4 / 3, 0])
    assert square_root_weights(counts).tolist() == pytest.approx([0.6, 1.2, 0, 1.2, 0])
    # beta 0.5: effective numbers 1.875, 1, 1.
    expected = np.array([1 / 1.875, 1, 0, 1, 0])
    assert effective_number_weights(counts, beta=0.5) == pytest.approx(expected / expected.sum() * 3)
    assert effective_number_weights(counts, beta=0.0).tolist() == [1, 1, 0, 1, 0]
    nearly_inverse = effective_number_weights(counts, beta=1 - 1e-12)
    assert nearly_inverse == pytest.approx(inverse_weights(counts), rel=1e-3)
    with pytest.raises(ValueError, match="beta is 1"):
        effective_number_weights(counts, beta=1)
    with pytest.raises(ValueError, match="a class that occurs"):
        inverse_weights(np.zeros(3, dtype=np.int64))
    with pytest.raises(ValueError, match="allowed are -1 to 1"):
        count_classes(np.array([2]), num_classes=2)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=30))
def test_the_tail_is_the_last_fifth_of_the_instances(numbers: list[int]) -> None:
    counts = np.array(numbers)
    tail = tail_classes(counts)
    head = head_classes(counts, tail)
    assert not tail & head
    assert tail | head == {i for i, n in enumerate(numbers) if n}
    assert sum(numbers[i] for i in tail) <= 0.2 * sum(numbers) + 1e-9
    if tail and head:
        assert max(numbers[i] for i in tail) < min(numbers[i] for i in head)
    if head:
        next_ones = [numbers[i] for i in head if numbers[i] == min(numbers[j] for j in head)]
        assert sum(numbers[i] for i in tail) + sum(next_ones) > 0.2 * sum(numbers), "more would fit"


@pytest.mark.parametrize("target", ["verb", "noun"])
def test_the_tail_is_that_of_the_official_lists(target: str) -> None:
    """A quarter of the training rows is here: enough to name all but a few of the same classes."""
    vocabulary = read_vocabulary(need(KITCHENS), target)  # type: ignore[arg-type]
    labels = vocabulary.encode(read_segments(KITCHENS / "EPIC_100_uda_source_train.csv"))
    ours = tail_classes(count_classes(labels, num_classes=vocabulary.size))
    seen = set(labels.tolist())
    official = vocabulary.tail & seen
    assert len(ours & official) >= 0.95 * len(official)
    assert len(ours - official) <= 0.12 * len(official)


def test_a_share_that_is_no_share() -> None:
    with pytest.raises(ValueError, match=r"share is 1.5; allowed is \[0, 1\]"):
        tail_classes(np.array([1, 2]), share=1.5)
