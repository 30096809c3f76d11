"""Whatever is done to a file, reading it gives annotations, problems, or one clear error; never another exception."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from egoact.core.annotations.formats.catalogue import FORMATS
from egoact.core.annotations.formats.conversion import decode_annotations
from egoact.core.annotations.formats.exchange import MOST_BYTES, ReadOptions, Source
from egoact.core.errors import AnnotationError
from tests.core.annotations.formats.test_round_trips import FPS, encode, sample

VALUES: tuple[Any, ...] = (None, -1, 1e308, "x", "", [], {}, [[]], {"a": {}}, True, "NaN", float("inf"))


def read(source: Source, name: str) -> None:
    try:
        decode_annotations([source], format_name=name, options=ReadOptions(fps=FPS))
    except AnnotationError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", FORMATS)
def test_bytes_that_are_cut_changed_or_doubled(name: str) -> None:
    encoded, dice = encode(sample(), name), random.Random(0)
    content = max(encoded.files.values(), key=len)
    for _ in range(40):
        first, last = sorted(dice.sample(range(len(content)), 2))
        new = dice.choice(
            [b"", b"\xff", b"\n", b",,,", b'"', b"-5", b"99999999999999999999", b"<", content[first:last]]
        )
        read(Source(f"k{encoded.suffix}", content[:first] + new + content[min(first + 5, last) :]), name)
    read(Source(f"k{encoded.suffix}", b""), name)


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if ".json" in one.suffixes or name == "boris"])
def test_json_with_other_values(name: str) -> None:
    content = json.loads(next(iter(encode(sample(), name).files.values())))
    for place in list(places(content))[:40]:
        for value in VALUES:
            changed = json.loads(json.dumps(content))
            target = changed
            for key in place[:-1]:
                target = target[key]
            target[place[-1]] = value
            read(Source("k.json", json.dumps(changed).encode()), name)


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Ways to all values inside of one; of long lists and objects the first two."""
    keys = list(value)[:2] if isinstance(value, dict) else range(min(len(value), 2)) if isinstance(value, list) else ()
    if isinstance(value, dict):
        keys = list(value)[:8]
    for key in keys:
        yield (*above, key)
        yield from places(value[key], (*above, key))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("webvtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n" + "<" * 200_000),
        ("via-csv", "# CSV_HEADER = " + ', "' * 200_000 + "x\n"),
        ("elan-text", "#" + " " * 200_000 + "x\nverb\t\t1\t2\ta\n"),
        ("mstcn", "a\n" * 200_000),
        ("audacity", "1\t2\t" + " " * 400_000 + "x\n"),
    ],
)
def test_long_lines_take_no_longer_than_they_are(name: str, text: str) -> None:
    read(Source("k.txt", text.encode()), name)  # would not end if it took their square


def test_a_file_that_is_too_large_is_refused() -> None:
    class Large(bytes):
        def __len__(self) -> int:
            return MOST_BYTES + 1

    with pytest.raises(AnnotationError, match="more than 256 MiB"):
        Source("a.csv", Large())


def test_what_fuzzing_found() -> None:
    read(Source("k.eaf", b'<ANNOTATION_DOCUMENT a=":noNamespaceSchemaLocation"><TIER/></ANNOTATION_DOCUMENT>'), "elan")
    names = "metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata"
    read(Source("k.csv", f'# CSV_HEADER = {names}\n"1","{"[" * 3000}","","[0,1]","[]","{{}}"\n'.encode()), "via-csv")
    for name in ("elan", "cvat", "premiere"):
        read(Source("k.xml", b'<?xml version="1.0" encoding="UTF-NaN"?><annotations/>'), name)
