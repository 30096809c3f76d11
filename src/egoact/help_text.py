"""Help and complaints of the command line, from the settings of a command: their fields, defaults and docstrings."""

import ast
import difflib
import inspect
import shutil
import textwrap
import types
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

GROUPS = {
    "data": "task paths from_ to segments train features media validation validation_videos merge_case classes "
    "annotations labels targets scores timeline timelines run runs out video videos source pair narration_id "
    "start_seconds stop_seconds modality stack flow frame_rate recordings exact labelled_only rate gap observe",
    "model": "backbone weights size kind cut dtype num_frames views head heads head_options fusion fusion_folds joint "
    "streams segmenter segmenters segmenter_options components members",
    "training": "folds recipe select solver epochs batch_size learning_rate weight_decay dropout schedule loss "
    "class_weights class_balanced_sampling retrain_epochs temperature label_smoothing mixup gradient_clip patience ema "
    "updates smoothing warp input_dropout noise",
    "machine": "engine precision device devices nodes workers seed seeds overwrite quick",
}
"""Group -> the fields that belong to it, in any command; what is in none comes last."""

_TYPES = {Path: "PATH", str: "TEXT", int: "NUMBER", float: "NUMBER", bool: "True|False"}
_INDENT = 26
_hints = cache(get_type_hints)  # field -> its type


def subcommands(settings: Any) -> dict[str, type]:
    """Name -> settings of each; empty where the command has none."""
    if get_origin(settings) not in (Union, types.UnionType):
        return {}
    found = {}
    for annotated in get_args(settings):
        kind, marker = get_args(annotated)
        found[marker.name] = kind
    return found


def help_text(name: str, settings: type, *, default_recipe: Any = None) -> str:
    """Everything that a command takes, wrapped at words to the width of the terminal.

    `default_recipe` is what training takes for fields that are None.
    """
    width = max(shutil.get_terminal_size().columns, 40)
    every = {field.name: field for field in fields(settings)}
    places = [field for field in every.values() if _is_positional(settings, field)]
    required = [field for field in every.values() if _is_required(field) and field not in places]
    usage = ["egoact", name, *(_metavar(_kind(settings, f)) for f in places)]
    usage += [f"{_flag(f)} {_metavar(_kind(settings, f))}" for f in required]
    usage += ["[options]"] if len(every) > len(places) + len(required) else []
    lines = textwrap.wrap("usage: " + " ".join(usage), width, subsequent_indent="  ", break_on_hyphens=False)
    for paragraph in inspect.cleandoc(settings.__doc__ or "").split("\n\n"):
        lines += ["", *textwrap.wrap(" ".join(paragraph.split()), width, break_on_hyphens=False)]
    grouped = {group: [every.pop(n) for n in names.split() if n in every] for group, names in GROUPS.items()}
    grouped["more" if any(grouped.values()) else "options"] = list(every.values())
    for group, members in grouped.items():
        if members:
            lines += ["", f"{group}:"]
            for field in members:
                lines += _describe(settings, field, width, default_recipe)
    return "\n".join(lines)


def complaint(settings: type, words: Sequence[str]) -> str | None:
    """What is wrong with the flags of a command, as far as names, choices and numbers tell; None: nothing."""
    given = [word.partition("=")[0] for word in words if word.startswith("--")]
    known = {flag: field for field in fields(settings) for flag in _flags(settings, field)}
    field = None
    for word in words:
        flag, equals, value = word.partition("=")
        if not word.startswith("--"):
            value = word
        elif (flag := flag.replace("_", "-")) not in known:
            return f"there is no {flag}{did_you_mean(flag, known)}"
        else:
            field = known[flag]
            if not equals:
                continue
        if field is not None and (wrong := _wrong_value(settings, field, value)):
            return f"{_flag(field)} {wrong}"
    missing = [_flag(f) for f in fields(settings) if _is_required(f) and not _is_positional(settings, f)]
    if absent := [flag for flag in missing if flag not in {word.replace("_", "-") for word in given}]:
        return f"{' and '.join([', '.join(absent[:-1]), absent[-1]] if absent[:-1] else absent)} missing"
    return None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question to add, or nothing where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _describe(settings: type, field: Field, width: int, recipe: Any) -> list[str]:
    metavar = _metavar(_kind(settings, field))
    is_switch = isinstance(field.default, bool)
    if _is_positional(settings, field):
        left = metavar
    else:
        flag = f"--no-{_flag(field)[2:]}" if field.default is True else _flag(field)
        left = flag if is_switch else f"{flag} {metavar}"
    text = f"{_docstrings(settings).get(field.name, '')}{_default(field, recipe)}"
    wrapped = textwrap.wrap(text, width - _INDENT, break_on_hyphens=False, break_long_words=False) or [""]
    if len(left) + 4 > _INDENT:
        return [f"  {left}", *(" " * _INDENT + line for line in wrapped)]
    return [f"  {left}".ljust(_INDENT) + wrapped[0], *(" " * _INDENT + line for line in wrapped[1:])]


def _default(field: Field, recipe: Any) -> str:
    if _is_required(field):
        return " (required)"
    value = getattr(recipe, field.name, None) if field.default is None else field.default
    if value is None or value is MISSING or isinstance(value, bool) or value == ():
        return ""
    shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
    return f" (default: {shown})"


def _wrong_value(settings: type, field: Field, value: str) -> str | None:
    kind = _kind(settings, field)
    kind = get_args(kind)[0] if get_origin(kind) is tuple else kind
    if value == "None":
        return None
    if get_origin(kind) is Literal and value not in (choices := list(map(str, get_args(kind)))):
        return f"must be {', '.join(choices[:-1])} or {choices[-1]}, got {value!r}{did_you_mean(value, choices)}"
    if kind in (int, float):
        try:
            kind(value)
        except ValueError:
            return f"must be a {'whole ' if kind is int else ''}number, got {value!r}"
    return None


def _kind(settings: type, field: Field) -> Any:
    """Its type; what may also be None counts as what else it may be."""
    kind = _hints(settings)[field.name]
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    return next(option for option in get_args(kind) if option is not type(None))


def _metavar(kind: Any) -> str:
    """What is to be given for a type."""
    if get_origin(kind) is Literal:
        return "{" + ",".join(map(str, get_args(kind))) + "}"
    if get_origin(kind) is tuple:
        first = _metavar(get_args(kind)[0])
        return f"{first} ..." if get_args(kind)[-1] is Ellipsis else " ".join([first] * len(get_args(kind)))
    return _TYPES.get(kind, "TEXT")


def _flag(field: Field) -> str:
    return "--" + field.name.rstrip("_").replace("_", "-")  # from_ is --from: the word alone is Python's


def _flags(settings: type, field: Field) -> set[str]:
    if _is_positional(settings, field):
        return set()
    flag = _flag(field)
    return {flag, f"--no-{flag[2:]}"} if isinstance(field.default, bool) else {flag}


def _is_required(field: Field) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _is_positional(settings: type, field: Field) -> bool:
    from tyro.conf import Positional  # not for the list of commands

    kind = _hints(settings, include_extras=True)[field.name]
    return get_origin(kind) is Annotated and Positional in kind.__metadata__


@cache
def _docstrings(settings: type) -> dict[str, str]:
    """Field -> the text under it."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for before, after in pairwise(definition.body):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=text)):
                found[name] = " ".join(str(text).split())
    return found
