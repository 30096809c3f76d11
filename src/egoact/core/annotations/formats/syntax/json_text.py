"""JSON that somebody handed us: damaged, deep or of other values, it is one clear error; and ours."""

import json
from typing import Any

from egoact.core.annotations.formats.exchange import Source
from egoact.core.bounds import parse_json


def load_json(source: Source) -> Any:
    """The value of a JSON file; an `AnnotationError` where it is none, nested too deep, or has endless numbers."""
    try:
        return parse_json(source.text, parse_constant=lambda name: None if name == "NaN" else float("inf"))
    except json.JSONDecodeError as error:
        raise source.refuse(f"not readable as JSON: {error.msg}", error.lineno) from None
    except ValueError as error:
        raise source.error(f"not readable as JSON: {error}") from None


def json_text(value: Any) -> str:
    """A value as the text of a file that people may read."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def has_keys(source: Source, *keys: str) -> bool:
    """Whether a JSON file mentions all of these keys; cheap, to recognise formats."""
    return all(f'"{key}"'.encode() in source.content for key in keys)
