import os
from pathlib import Path

import pytest

from egoact.core.bounds import (
    LONGEST_NAME,
    check_inside,
    check_name,
    check_number,
    check_whole,
    load_json,
    parse_json,
    without_hidden,
)
from egoact.core.errors import AnnotationError
from egoact.core.timelines.files import read_timelines


@pytest.mark.parametrize("value", [0, 11, True, 3.0, "3", None, 10**400, float("nan")])
def test_what_is_no_whole_number_in_range_is_refused_in_a_short_line(value: object) -> None:
    with pytest.raises(ValueError, match="layers must be a whole number from 1 to 10") as refusal:
        check_whole("layers", value, most=10)
    assert len(str(refusal.value)) < 120


@pytest.mark.parametrize("value", [-0.1, 1.5, True, "0.5", None, float("nan"), float("inf"), 10**400])
def test_what_is_no_number_in_range_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="dropout must be a number from 0 to 1"):
        check_number("dropout", value, least=0, most=1)


@pytest.mark.parametrize(
    "word", ["\x1b[2J", "a\nb", "a\u202eb", "\x7f", "a\u2028b", "\ud800", "x" * (LONGEST_NAME + 1), 7]
)
def test_names_that_would_do_something_when_shown_are_refused(word: object) -> None:
    with pytest.raises(ValueError, match="a verb"):
        check_name("a verb", word)


@pytest.mark.parametrize("word", ["open", "réfrigérateur", "茶", "=cmd", "a\u00a0b", "می\u200cخواهم", "<b>"])
def test_names_of_all_scripts_are_left_as_they_are(word: str) -> None:
    check_name("a verb", word)
    assert without_hidden(word) == word


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 60 + "1" + "}" * 60, "[" + "9" * 5000 + "]", "[1", ""])
def test_json_that_is_too_deep_or_too_long_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_brackets_in_texts_are_no_depth() -> None:
    assert parse_json('["' + "[{" * 200 + '", "\\"[["]') == ["[{" * 200, '"[[']


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(ValueError, match="not a plain file"):
        load_json(tmp_path / "config.json")


def test_links_stay_in_their_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "run", tmp_path / "secret.json"
    inside.mkdir()
    outside.write_text("{}")
    (inside / "own.json").write_text("{}")
    (inside / "near.json").symlink_to(inside / "own.json")
    (inside / "far.json").symlink_to(outside)
    check_inside(inside / "near.json", inside)
    for path in (inside / "far.json", inside / ".." / "secret.json"):
        with pytest.raises(ValueError, match="outside of its folder"):
            check_inside(path, inside)


@pytest.mark.parametrize("name", ["verb", "noun", "video_id"])
def test_control_characters_do_not_get_into_timelines(name: str, tmp_path: Path) -> None:
    row = {"video_id": "A", "start": "0", "stop": "1", "verb": "take", "noun": "cup", name: "a\x1b[31mb"}
    path = tmp_path / "labels.csv"
    path.write_text("video_id,start_seconds,stop_seconds,verb,noun\n" + ",".join(row.values()) + "\n")
    with pytest.raises(AnnotationError, match=rf"row 2.*{name}.*U\+001B") as refusal:
        read_timelines(path)
    assert "\x1b" not in str(refusal.value)
