"""What a value JSON does not know becomes: the written rule for each type, one step at a time.

A rule gives something nearer to JSON, which may need a rule itself. The types of a library
have their rules in a room of the library's name, which is imported when the first value of
that library arrives: so none is imported that did not bring a value.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Nan", "Rule", "Unportable", "duration", "not_finite", "rule_for"]

Nan: TypeAlias = Literal["null", "error", "string"]
Rule: TypeAlias = "Callable[[Any, Nan], object]"

_LIBRARIES = ("numpy", "pandas", "polars", "pydantic")


class Unportable(Exception):  # noqa: N818 - what it says of a value
    """A value has no JSON form; the text says why."""


def rule_for(value: object) -> Rule | None:
    """Give the rule for a value, or None if its type has none: JSON's own, or unknown."""
    return _rule_of(type(value))  # type: ignore[arg-type]  # to mypy `object` hashes otherwise


@lru_cache(maxsize=1024)
def _rule_of(kind: type) -> Rule | None:
    for base in kind.__mro__:
        if base in _STANDARD:
            return _STANDARD[base]
        library = base.__module__.partition(".")[0]
        if library in _LIBRARIES:
            rules = cast("dict[str, Rule]", import_module(f"db_redis._{library}").RULES)
            if base.__name__ in rules:
                return rules[base.__name__]
    return None


def not_finite(number: object, nan: Nan) -> str | None:
    """Give what stands for a NaN or an infinity.

    Raises:
        Unportable: It is to be an error.
    """
    if nan == "null":
        return None
    if nan == "error":
        raise Unportable(f"JSON has no number {number}")
    text = str(number).lower()
    return "NaN" if "nan" in text else "-Infinity" if text.startswith("-") else "Infinity"


def duration(nanoseconds: int) -> str:
    """Write a length of time in ISO 8601, as in ``-P1DT2H0.000000001S``: a day is 24 hours."""
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    exact = f"{seconds}.{fraction:09d}".rstrip("0") if fraction else f"{seconds}" if seconds else ""
    parts = ((hours, "H"), (minutes, "M"), (exact, "S"))
    clock = "".join(f"{amount}{unit}" for amount, unit in parts if amount)
    day = f"{days}D" if days else ""
    sign = "-" if nanoseconds < 0 else ""
    return f"{sign}P{day}T{clock}" if clock else f"{sign}P{day}" if day else "PT0S"


def _decimal(value: Decimal, nan: Nan) -> str | None:
    return str(value) if value.is_finite() else not_finite(value, nan)


def _timedelta(value: dt.timedelta, _nan: Nan) -> str:
    return duration(((value.days * 86_400 + value.seconds) * 10**6 + value.microseconds) * 1000)


def _set(value: frozenset[Any], _nan: Nan) -> list[Any]:
    """Sort, so that equal sets are equal texts; what has no order is ordered by type and text.

    Sets within are ordered by their text too: to Python, ``<`` of sets is no order, but says subset.
    """
    if any(_holds_set(part) for part in value):
        return sorted(value, key=_text)
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=_text)


def _holds_set(part: object) -> bool:
    return isinstance(part, frozenset) or (isinstance(part, tuple) and any(map(_holds_set, part)))


def _text(part: object) -> tuple[str, str]:
    """Give what equal parts have in common, in whatever order their sets are held."""
    if isinstance(part, frozenset):
        return "frozenset", repr(sorted(map(_text, part)))
    if isinstance(part, tuple):
        return "tuple", repr(list(map(_text, part)))
    return type(part).__name__, repr(part)


def _isoformat(value: dt.date, _nan: Nan) -> str:
    return value.isoformat()


def _time(value: dt.time, _nan: Nan) -> str:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise Unportable(f"a time without a date has no offset in {value.tzinfo}")
    return value.isoformat()


def _bytes(_value: object, _nan: Nan) -> object:
    raise Unportable("bytes are not text: decode them, or write them in base64")


# By the first of its bases that is here; what JSON or orjson knows is here for its subclasses.
_STANDARD: dict[type, Rule] = {
    Decimal: _decimal,
    dt.timedelta: _timedelta,
    dt.date: _isoformat,
    dt.time: _time,
    set: _set,
    frozenset: _set,
    tuple: lambda value, _nan: list(value),
    float: lambda value, _nan: float(value),
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
}
