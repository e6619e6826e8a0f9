"""Values to JSON and back, as pure functions on orjson.

orjson is trusted with everything but three silences: it writes NaN and the
infinities as null, leaves out some fields of some dataclasses (a leading
underscore; slots inherited by a class without), and reads an integer beyond
64 bits as a float. Here the first and the last are errors, and a dataclass is
all its fields.
"""

from __future__ import annotations

import builtins
import dataclasses
import math
import re
from enum import Enum
from typing import TYPE_CHECKING, Any

import orjson

from db_core.errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["decode", "encode"]

_DEEPEST = 254  # levels that orjson writes
_MAPPINGS = (dict, getattr(builtins, "frozendict", dict))  # frozendict since CPython 3.15


def encode(value: object) -> bytes:
    """Write `value` as JSON.

    Takes what orjson takes: dict with text keys, list, tuple, str, int of 64 bits, finite float,
    bool, None, dataclass, Enum, datetime, date, time, UUID.

    Raises:
        SerializationError: Some part has no JSON form; `path` leads to it.
    """
    try:
        text = orjson.dumps(value, _fields_of_dataclass, orjson.OPT_PASSTHROUGH_DATACLASS)
    except orjson.JSONEncodeError as error:
        path, reason = _find_fault(value, _why_refused) or ("$", str(error))
        raise _unwritable(path, reason) from error
    # Only a null in the text can be a swallowed NaN, so most values are not walked.
    if b"null" in text and not _is_finite_throughout(value):
        path, reason = _find_fault(value, _why_not_finite) or ("$", "JSON has no such number")
        raise _unwritable(path, reason)
    return text


def decode(text: bytes) -> Any:
    """Read the value of a JSON text.

    Raises:
        SerializationError: It is not JSON, or holds an integer beyond 64 bits.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise SerializationError(f"not JSON: {error}") from error
    if (b"," + text).translate(_SHAPE).find(_LONG_INTEGER) >= 0:
        _refuse_long_integers(text)
    return value


def _fields_of_dataclass(value: object) -> dict[str, object]:
    if _is_dataclass(value):
        return dict(_parts(value))
    raise TypeError  # orjson then names the type


def _is_dataclass(value: object) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


# --- Where in a value the fault lies -----------------------------------------

_Step = str | int


def _unwritable(path: str, reason: str) -> SerializationError:
    return SerializationError(f"{path} can't be written as JSON: {reason}", path=path)


def _find_fault(value: object, why: Callable[[object], str | None]) -> tuple[str, str] | None:
    """Find the first part of `value`, in the order of writing, that `why` gives a reason against."""
    try:
        return _find_fault_below(value, why, (), ())
    except RecursionError:  # the caller has used up the stack
        return "$", "Recursion limit reached"


def _find_fault_below(
    value: object,
    why: Callable[[object], str | None],
    steps: tuple[_Step, ...],
    ancestors: tuple[object, ...],
) -> tuple[str, str] | None:
    while isinstance(value, Enum):
        value = value.value
    if reason := why(value):
        return _path(steps), reason
    if not _is_container(value):
        return None
    for depth, ancestor in enumerate(ancestors):
        if ancestor is value:
            return _path(steps), f"it is {_path(steps[:depth])} again, without end"
    if len(ancestors) == _DEEPEST:
        return "$", f"nested deeper than {_DEEPEST} levels"
    for step, part in _parts(value):
        if fault := _find_fault_below(part, why, (*steps, step), (*ancestors, value)):
            return fault
    return None


def _is_container(value: object) -> bool:
    # orjson refuses subclasses of tuple.
    return isinstance(value, (list, *_MAPPINGS)) or type(value) is tuple or _is_dataclass(value)


def _parts(value: Any) -> Iterable[tuple[Any, object]]:
    if isinstance(value, _MAPPINGS):
        return value.items()
    if isinstance(value, (list, tuple)):
        return enumerate(value)
    return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]


def _why_refused(value: Any) -> str | None:
    if isinstance(value, _MAPPINGS):
        value = dict.fromkeys(value)  # its keys only; each of its values has its own turn
    elif _is_dataclass(value):
        unset = [field.name for field in dataclasses.fields(value) if not hasattr(value, field.name)]
        return f"{type(value).__name__} has no value for its field {unset[0]}" if unset else None
    elif _is_container(value):
        return None
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        return str(error)
    return None


def _why_not_finite(value: object) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"JSON has no number {value}"
    return None


def _path(steps: Iterable[_Step]) -> str:
    return "$" + "".join(
        f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{orjson.dumps(step).decode()}]"
        for step in steps
    )


# --- What orjson does not tell -----------------------------------------------

_NEITHER_FLOAT_NOR_CONTAINER = frozenset({str, int, bool, type(None)})


def _is_finite_throughout(value: object) -> bool:
    """Look at every number in a value that orjson has written; ten times as fast as `_find_fault`."""
    parts: list[Any] = [value]
    for part in parts:  # grows on the way
        kind = type(part)
        if kind in _NEITHER_FLOAT_NOR_CONTAINER:
            continue
        if kind is float:
            if not math.isfinite(part):
                return False
        elif kind is dict:
            parts.extend(part.values())
        elif kind is list:
            parts.extend(part)
        elif isinstance(part, Enum):
            parts.append(part.value)
        elif _is_container(part):
            parts.extend(inner for _, inner in _parts(part))
    return True


# Beyond 64 bits an integer has twenty digits, or a minus and nineteen. Two passes of C look for that, after
# something that an integer can follow; only where they find it, which is next to never, is each one checked.
_SHAPE = bytes.maketrans(b"0123456789-" + b" \t\r\n:[", b"0" * 11 + b"," * 6)
_LONG_INTEGER = b"," + b"0" * 20
_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]+|\\.)*"|(-?[0-9]+)([.eE][0-9.eE+-]+)?')


def _refuse_long_integers(text: bytes) -> None:
    for integer, rest in _STRING_OR_NUMBER.findall(text):
        if integer and not rest and not -(2**63) <= int(integer) < 2**64:
            raise SerializationError("it holds an integer beyond 64 bits, which would lose digits")
