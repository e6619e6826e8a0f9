"""Values to JSON and back, as pure functions on orjson.

orjson silently changes four things: it writes NaN and the infinities as null, leaves
out some fields of some dataclasses (with a leading underscore, or of inherited slots),
rounds the seconds of a zone's offset, and reads an integer beyond 64 bits as a float.
Here the user chooses how NaN is written, a dataclass has all its fields, an offset is
exact, and such an integer is an error. Types that orjson does not know have rules in
`_values`.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from db_core.errors import SerializationError
from db_redis._plain import is_dataclass, is_finite_throughout, parts, plain
from db_redis._values import rule_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_redis._values import Nan

__all__ = ["decode", "decode_all", "encode"]


def encode(value: object, nan: Nan = "null") -> bytes:
    """Write `value` as JSON, by the rules of `RedisClient`.

    Args:
        value: Anything that has a JSON form or a rule.
        nan: How NaN and the infinities are written: "null", "error" or "string".

    Raises:
        SerializationError: A part has no JSON form. `path` leads to it.
    """
    try:
        text = orjson.dumps(value, _HOOKS[nan], _OPTIONS)
    except orjson.JSONEncodeError as error:
        return _encode_slowly(value, nan, error)
    # Only a null in the text can have been a NaN, so most values need no closer look.
    if nan != "null" and b"null" in text and not is_finite_throughout(value):
        return orjson.dumps(plain(value, nan))
    return text


def _encode_slowly(value: object, nan: Nan, refused: orjson.JSONEncodeError) -> bytes:
    try:
        return orjson.dumps(plain(value, nan))
    except orjson.JSONEncodeError:
        raise SerializationError(f"$ can't be written as JSON: {refused}", path="$") from refused
    except SerializationError as error:
        raise error from refused


def decode(text: bytes) -> Any:
    """Read the value of a JSON text.

    Raises:
        SerializationError: The text is not JSON, or holds an integer beyond 64 bits.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise SerializationError(f"not JSON: {error}") from error
    if (b"," + text).translate(_DIGITS_AND_SEPARATORS).rfind(_LONG_INTEGER) >= 0:
        _refuse_long_integers(text)
    return value


def decode_all(texts: list[bytes]) -> list[Any]:
    """Read the values of several texts. Integers beyond 64 bits are looked for in all of them at once.

    Raises:
        SerializationError: A text is not JSON, or holds such an integer. The error does not say which text.
    """
    try:
        values = [orjson.loads(text) for text in texts]
    except orjson.JSONDecodeError as error:
        raise SerializationError(f"not JSON: {error}") from error
    if b",".join([b"", *texts]).translate(_DIGITS_AND_SEPARATORS).rfind(_LONG_INTEGER) >= 0:
        for text in texts:
            _refuse_long_integers(text)
    return values


def _simplify(nan: Nan, value: object) -> object:
    """Return a simpler value to orjson for one that it does not know."""
    if type(value) is dt.datetime:  # the most common
        return value.isoformat()
    if is_dataclass(value):
        return dict(parts(value))
    rule = rule_for(value)
    if rule is None:
        raise TypeError  # orjson then names the type
    simpler = rule(value, nan)
    return simpler if nan == "null" else plain(simpler, nan)


_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_HOOKS: dict[Nan, Callable[[object], object]] = {
    nan: partial(_simplify, nan) for nan in ("null", "error", "string")
}

# --- Integers beyond 64 bits --------------------------------------------------

# An integer beyond 64 bits has at least twenty digits, or a minus and nineteen. Two fast passes in C look for
# so many characters after something that an integer can follow. Only if they find some, which is rare, is
# each integer checked. `rfind` it is, because CPython finds this pattern four times as fast from the right.
_DIGITS_AND_SEPARATORS = bytes.maketrans(b"0123456789-" + b" \t\r\n:[", b"0" * 11 + b"," * 6)
_LONG_INTEGER = b"," + b"0" * 20
_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]+|\\.)*"|(-?[0-9]+)([.eE][0-9.eE+-]+)?')


def _refuse_long_integers(text: bytes) -> None:
    for integer, rest in _STRING_OR_NUMBER.findall(text):
        if integer and not rest and not -(2**63) <= int(integer) < 2**64:
            raise SerializationError("it has an integer of more than 64 bits, which would lose digits")
