"""Checks of arguments: each returns the value or raises an `InvalidArgumentError` that names the argument."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from numbers import Integral, Real
from os import PathLike
from typing import TYPE_CHECKING, TypeVar

from db_core.errors import InvalidArgumentError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "choice",
    "count",
    "file",
    "flag",
    "folder",
    "invalid",
    "is_missing",
    "names",
    "number",
    "parallel",
    "plain_number",
    "positive",
    "several",
    "text",
    "timeout",
    "written_bucket",
]

_MOST_SECONDS = 1e9  # some thirty years
_MOST_PARALLEL = 256
_T = TypeVar("_T", bound=str)


def invalid(argument: str, text: str) -> InvalidArgumentError:
    """Return the error about an argument; the message is the argument's name and `text`."""
    return InvalidArgumentError(f"`{argument}` {text}", argument=argument)


def text(value: object, argument: str, place: str | None = None) -> str:
    """Return text that is not empty; `place` says where in the argument it is."""
    label = f"`{argument}`: {place}" if place else f"`{argument}`"
    if not isinstance(value, str) or not value:
        raise InvalidArgumentError(f"{label} must be non-empty text, not {value!r}", argument=argument)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        message = f"{label} must be valid Unicode, not {value!r}"
        raise InvalidArgumentError(message, argument=argument) from error
    return str.__str__(value)  # the text itself of an enumeration or a numpy text


def written_bucket(value: object, argument: str = "bucket") -> str:
    """Return the name of a bucket for a write, which InfluxDB must not take for a bucket's ID."""
    name = text(value, argument)
    if re.fullmatch("[0-9a-fA-F]{16}", name):
        # A write to this name goes to the bucket with this ID, if there is one; a read never does.
        reason = "in a write, InfluxDB reads 16 hexadecimal digits as a bucket ID. Rename the bucket"
        raise invalid(argument, f"must be a name, not {name!r}: {reason}")
    return name


def names(values: object, argument: str, *, least: int = 1) -> tuple[str, ...]:
    """Return one text or the texts of a collection, each once; those of a set are sorted."""
    listed = several(values)
    if listed is None or len(listed) < least:
        raise invalid(argument, f"must be text or a list of texts, not {values!r}")
    checked = tuple(dict.fromkeys(text(value, argument) for value in listed))
    return tuple(sorted(checked)) if isinstance(values, set | frozenset) else checked


def several(values: object) -> list[object] | None:
    """Return the elements of a collection, or one text as a list; None for anything else."""
    if isinstance(values, str):
        return [values]
    if isinstance(values, Iterable) and not isinstance(values, bytes | bytearray | Mapping):
        with suppress(TypeError):  # a numpy array without a dimension
            return list(values)
    return None


def is_missing(value: object) -> bool:
    """Tell whether a value is one of pandas' missing values, NaN or NA."""
    return (isinstance(value, float) and math.isnan(value)) or type(value).__name__ == "NAType"


def positive(value: object, argument: str) -> float:
    """Return a number of seconds above 0, of no more than the system can wait."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MOST_SECONDS:
        raise invalid(
            argument, f"must be a number of seconds above 0, up to {_MOST_SECONDS:g}, not {value!r}"
        )
    return float(value)


def number(value: object, argument: str) -> float:
    """Return a finite number above 0; an int stays one."""
    plain = plain_number(value)
    if plain is None or not 0 < plain < float("inf"):
        raise invalid(argument, f"must be a number above 0, not {value!r}")
    return plain


def plain_number(value: object) -> float | None:
    """Return an int or a float of any library as Python's own; None for anything else, and for a bool."""
    # A numpy timedelta64 calls itself an integer.
    if isinstance(value, Real) and not isinstance(value, bool) and type(value).__name__ != "timedelta64":
        with suppress(OverflowError):
            return int(value) if isinstance(value, Integral) else float(value)
    return None


def timeout(value: object) -> float:
    """Return the `timeout` of a call."""
    return positive(value, "timeout")


def count(value: object, argument: str, *, least: int = 0) -> int:
    """Return an int that is not below `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise invalid(argument, f"must be an int of {least} or more, not {value!r}")
    return value


def choice(value: object, argument: str, choices: tuple[_T, ...]) -> _T:
    """Return the choice that equals `value`."""
    for one in choices:
        if value == one:
            return one
    listed = ", ".join(map(repr, choices[:-1]))
    raise invalid(argument, f"must be {listed} or {choices[-1]!r}, not {value!r}")


def parallel(value: object) -> int:
    """Return a `max_parallel`, which is how many threads a read may use."""
    queries = count(value, "max_parallel", least=1)
    if queries > _MOST_PARALLEL:
        raise invalid("max_parallel", f"must be {_MOST_PARALLEL} or less, not {queries}")
    return queries


def flag(value: object, argument: str) -> bool:
    """Return a bool."""
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"`{argument}` must be True or False, not {value!r}", argument=argument)
    return value


def file(value: object, argument: str) -> str:
    """Return the path of a file that exists."""
    from pathlib import Path  # not above: it is a twentieth of `import db_influx`

    is_file = False
    if isinstance(value, str | Path):
        with suppress(OSError, ValueError):  # a name that no file can have
            is_file = Path(value).is_file()
    if not is_file:
        raise invalid(argument, f"must be the path of a file that exists, not {value!r}")
    return str(value)


def folder(value: object, argument: str) -> Path:
    """Return the path of a folder that exists."""
    from pathlib import Path

    is_folder = False
    if isinstance(value, str | PathLike):
        with suppress(OSError, ValueError):
            is_folder = Path(value).is_dir()
    if not is_folder:
        raise invalid(argument, f"must be the path of a folder that exists, not {value!r}")
    return Path(value)  # type: ignore[arg-type]
