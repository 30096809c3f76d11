"""Changed files: bytes that are cut, doubled, replaced, and values of JSON, members of archives, numbers of texts."""

import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

TOKENS = (
    *(
        b"",
        b"\0",
        b"\xff",
        b"\n",
        b"\r",
        b"\t",
        b" ",
        b'"',
        b"'",
        b",",
        b";",
        b":",
        b"<",
        b">",
        b"&",
        b"=",
        b"-",
        b"/../",
    ),
    *(b"[", b"]", b"{", b"}", b"\x1b[2J", b"\xe2\x80\xae", b"\xc2\xa0", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(
        b"-1",
        b"0",
        b"1e308",
        b"1e999",
        b"NaN",
        b"-inf",
        b"99999999999999999999",
        b"\xd9\xa3",
        b"null",
        b"true",
        b"1:99",
    ),
    *(
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\0\0\0\0",
        b"\xff" * 8,
        b"\0" * 600,
        b"A" * 2000,
        b"[" * 1000,
        b"(" * 300,
    ),
)
VALUES = (
    *(None, True, -1, 0, 1, 2**31, 10**9, 2**63, 10**25, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *("", "x", "\x1b[2J", "\ud800", "../../etc/passwd", "a" * 3000, [], {}, [[]], [1, 2, 3], [10**9] * 3, {"a": {}}),
)
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")
_DEEP = "[" * 3000


def change(dice: random.Random, content: bytes, seeds: Sequence[bytes]) -> bytes:
    """A valid content, changed in one to four ways; others lend their bytes."""
    for _ in range(dice.randint(1, 4)):
        content = _change(dice, content, seeds)
    return content


def _change(dice: random.Random, content: bytes, seeds: Sequence[bytes]) -> bytes:
    kinds = ["token", "cut", "bit", "double", "splice", "number"]
    if content[:1] in (b"{", b"["):
        kinds += ["json", "json", "json"]
    if content.startswith(b"PK"):
        kinds += ["zip", "zip", "zip"]
    kind = dice.choice(kinds)
    if kind == "json":
        return _change_json(dice, content)
    if kind == "zip":
        return _change_zip(dice, content)
    if kind == "number":
        found = list(_NUMBER.finditer(content))
        if found:
            match = dice.choice(found[:500])
            return content[: match.start()] + dice.choice(TOKENS) + content[match.end() :]
    first = dice.randint(0, len(content))
    last = min(first + dice.choice((0, 1, 2, 4, 8, 100, 10_000)), len(content))
    if kind == "cut":
        return content[:first] + content[last:]
    if kind == "double":
        return content[:last] + content[first:]
    if kind == "bit" and first < len(content):
        return content[:first] + bytes([dice.randint(0, 255)]) + content[first + 1 :]
    if kind == "splice":
        other = dice.choice(seeds)
        return content[:first] + other[dice.randint(0, len(other)) :]
    return content[:first] + dice.choice(TOKENS) + content[last:]


def _change_json(dice: random.Random, content: bytes) -> bytes:
    try:
        values = json.loads(content)
        ways = list(_ways(values))
    except (ValueError, RecursionError):
        return content
    if not ways:
        return content
    way = dice.choice(ways)
    target = values
    for key in way[:-1]:
        target = target[key]
    action = dice.choice(("replace", "replace", "replace", "remove", "copy", "deep"))
    if action == "remove":
        del target[way[-1]]
    elif action == "copy":
        target[way[-1]] = dice.choice([_at(values, other) for other in ways[:200]])
        return _dumps(json.loads(_dumps(values)))
    elif action == "deep":
        target[way[-1]] = "DEEP"
        return _dumps(values).replace(b'"DEEP"', _DEEP.encode())
    else:
        target[way[-1]] = dice.choice(VALUES)
    return _dumps(values)


def _dumps(values: Any) -> bytes:
    try:
        return json.dumps(values).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):  # a copy of what it stands in
        return b"{}"


def _at(values: Any, way: Sequence[Any]) -> Any:
    for key in way:
        values = values[key]
    return values


def _ways(values: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = (
        list(values)[:30]
        if isinstance(values, dict)
        else range(min(len(values), 5))
        if isinstance(values, list)
        else ()
    )
    for key in keys:
        yield (*above, key)
        yield from _ways(values[key], (*above, key))


def _change_zip(dice: random.Random, content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(name, archive.read(name)) for name in archive.namelist()]
    except Exception:  # it was damaged by an earlier change
        return content
    if not members:
        return content
    number = dice.randint(0, len(members) - 1)
    name, inside = members[number]
    action = dice.choice(("change", "change", "change", "rename", "remove", "twice"))
    if action == "change":
        members[number] = name, _change(dice, inside, [member for _, member in members])
    elif action == "rename":
        members[number] = dice.choice(("", "../x", "a\x1bb", "test.json", "verb_output.npy")), inside
    elif action == "remove":
        del members[number]
    else:
        members.append(members[number])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, inside in members:
            archive.writestr(zipfile.ZipInfo(name), inside)
    return packed.getvalue()


def smallest(content: bytes, is_found: Callable[[bytes], bool], *, most_tries: int = 2000) -> bytes:
    """The content without whatever can be left out of it while it is still found (delta debugging, Zeller 1999)."""
    size = max(len(content) // 2, 1)
    while size and most_tries > 0:
        first = 0
        while first < len(content) and most_tries > 0:
            shorter = content[:first] + content[first + size :]
            most_tries -= 1
            if is_found(shorter):
                content = shorter
            else:
                first += size
        size //= 2
    return content
