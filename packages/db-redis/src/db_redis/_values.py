"""Rules for values that JSON has no form for: one for each type.

A rule returns a simpler value, which may need a rule itself. The rules for a library's types are in
a module with the library's name. It is imported with the first value of that library, so no library is
imported if no value is from it.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Nan", "NoJsonForm", "Rule", "iso_duration", "not_finite", "rule_for"]

Nan: TypeAlias = Literal["null", "error", "string"]
Rule: TypeAlias = "Callable[[Any, Nan], object]"

_LIBRARIES = ("numpy", "pandas", "polars", "pydantic")


class NoJsonForm(Exception):  # noqa: N818 - it says something about a value
    """A value has no JSON form; the text says why."""


def rule_for(value: object) -> Rule | None:
    """Return the rule for a value; None if its type is one of JSON's, or unknown."""
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
    """Return what is written for a NaN or an infinity.

    Raises:
        NoJsonForm: The option `nan` is "error".
    """
    if nan == "null":
        return None
    if nan == "error":
        raise NoJsonForm(f"JSON has no number {number}")
    text = str(number).lower()
    return "NaN" if "nan" in text else "-Infinity" if text.startswith("-") else "Infinity"


def iso_duration(nanoseconds: int) -> str:
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
    return iso_duration(((value.days * 86_400 + value.seconds) * 10**6 + value.microseconds) * 1000)


def _set(value: frozenset[Any], _nan: Nan) -> list[Any]:
    """Sort a set, so that equal sets become equal texts; parts that can't be compared, by type and text.

    Sets within are sorted by their text too, as ``<`` of Python's sets means subset.
    """
    if any(_holds_set(part) for part in value):
        return sorted(value, key=_sort_key)
    try:
        return sorted(value)
    except TypeError:
        return sorted(value, key=_sort_key)


def _holds_set(part: object) -> bool:
    return isinstance(part, frozenset) or (isinstance(part, tuple) and any(map(_holds_set, part)))


def _sort_key(part: object) -> tuple[str, str]:
    """Return a key for sorting that is the same for equal parts, for any order within their sets."""
    if isinstance(part, frozenset):
        return "frozenset", repr(sorted(map(_sort_key, part)))
    if isinstance(part, tuple):
        return "tuple", repr(list(map(_sort_key, part)))
    return type(part).__name__, repr(part)


def _isoformat(value: dt.date, _nan: Nan) -> str:
    return value.isoformat()


def _time(value: dt.time, _nan: Nan) -> str:
    if value.tzinfo is not None and value.utcoffset() is None:
        raise NoJsonForm(f"a time without a date has no offset in {value.tzinfo}")
    return value.isoformat()


def _bytes(_value: object, _nan: Nan) -> object:
    raise NoJsonForm("bytes are not text: decode them, or write them in base64")


# The first base of a type that is here counts. Types that orjson writes are here for their subclasses.
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
