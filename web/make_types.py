"""Write src/api/types.ts from the models of `egoact.studio.schemas`: python web/make_types.py."""

import importlib
import pkgutil
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from egoact.studio import schemas
from egoact.studio.schemas.messages import Answer, Request

PATH = Path(__file__).parent / "src" / "api" / "types.ts"
_HEAD = "// Made by web/make_types.py from src/egoact/studio/schemas/; change it there.\n"
_PLAIN = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"}


def typescript() -> str:
    """One interface a model; fields with defaults are optional in requests."""
    models = _models()
    requests = {each.__name__ for each in models if issubclass(each, Request)}
    _, document = models_json_schema([(model, "validation") for model in models])
    parts = [_interface(name, schema, name in requests) for name, schema in sorted(document["$defs"].items())]
    return "\n".join([_HEAD, *parts])


def _models() -> list[type[BaseModel]]:
    """Those of all modules."""
    names = [f"{schemas.__name__}.{module.name}" for module in pkgutil.iter_modules(schemas.__path__)]
    found = {each for name in names for each in vars(importlib.import_module(name)).values() if isinstance(each, type)}
    models = [each for each in found if issubclass(each, BaseModel) and each not in (BaseModel, Answer, Request)]
    return sorted(models, key=lambda model: model.__name__)


def _interface(name: str, schema: dict[str, Any], is_request: bool) -> str:
    required = set(schema.get("required", ())) if is_request else set(schema.get("properties", {}))
    lines = [f"export interface {name} {{"]
    for field, value in schema.get("properties", {}).items():
        lines.append(f"  {field}{'' if field in required else '?'}: {_type(value)};")
    return "\n".join([*lines, "}", ""])


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "enum" in schema:
        return " | ".join(f'"{value}"' for value in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(_type(each) for each in schema[several]))
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            return f"[{', '.join(_type(each) for each in schema['prefixItems'])}]"
        return f"Array<{_type(schema.get('items', {}))}>"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties", {})
        return f"Record<string, {_type(inner) if isinstance(inner, dict) else 'unknown'}>"
    return _PLAIN.get(schema.get("type", ""), "unknown")


if __name__ == "__main__":
    sys.exit(0 if PATH.write_text(typescript(), encoding="utf-8") else 1)
