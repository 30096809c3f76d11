"""Checks of flags that several commands have; each is a `ValueError` that names the flag."""

from collections.abc import Collection, Iterable
from dataclasses import fields
from math import inf
from typing import Any


def flag_of(name: str) -> str:
    """The flag of a field of settings.

    >>> flag_of("max_seconds"), flag_of("from_")
    ('--max-seconds', '--from')
    """
    return "--" + name.rstrip("_").replace("_", "-")  # from alone is a word of Python's


def check_least(settings: Any, least: int, *names: str) -> None:
    """Numbers, where they are given, that must be `least` or more."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not least <= value < inf:
            raise ValueError(f"{flag_of(name)} must be at least {least}, got {value}")


def check_positive(settings: Any, *names: str) -> None:
    """Numbers, where they are given, that must be above 0."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not 0 < value < inf:
            raise ValueError(f"{flag_of(name)} must be a number above 0, got {value}")


def check_together(settings: Any, *names: str) -> None:
    """Flags of which either all are given or none."""
    if len({bool(getattr(settings, name)) for name in names}) > 1:
        raise ValueError(f"{' and '.join(map(flag_of, names))} belong together")


def check_some(settings: Any, *names: str) -> None:
    """Lists of names that must not be empty."""
    for name in names:
        if not getattr(settings, name):
            raise ValueError(f"{flag_of(name)} needs one name at least")


def check_known(what: str, given: Iterable[str], known: Collection[str]) -> None:
    """Names, of which each must be known."""
    if unknown := [name for name in given if name not in known]:
        raise ValueError(f"unknown {what} {unknown[0]!r}; there are {', '.join(known)}")


def check_validation(settings: Any) -> None:
    """Other labels to validate on, or recordings among those of --segments."""
    if settings.validation is not None and settings.validation_videos:
        raise ValueError("give --validation or --validation-videos, not both")


def shared_flags(settings: Any, others: type, *, but: Collection[str] = ()) -> dict[str, Any]:
    """Fields of settings that are fields of another dataclass, too, such as the settings of another command."""
    names = {field.name for field in fields(others)}.difference(but)
    return {field.name: getattr(settings, field.name) for field in fields(settings) if field.name in names}
