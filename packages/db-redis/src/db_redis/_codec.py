"""Values to JSON and back, as pure functions on orjson.

orjson is trusted with everything but four silences: it writes NaN and the
infinities as null, leaves out some fields of some dataclasses (a leading
underscore; slots inherited by a class without), rounds the seconds of a zone's
offset, and reads an integer beyond 64 bits as a float. Here the first is a
choice, a dataclass is all its fields, an offset is exact, and the last is an
error. What orjson does not know has a rule in `_values`.
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
        nan: What becomes of NaN and the infinities: "null", "error" or "string".

    Raises:
        SerializationError: Some part has no JSON form; `path` leads to it.
    """
    try:
        text = orjson.dumps(value, _HOOKS[nan], _OPTIONS)
    except orjson.JSONEncodeError as error:
        return _encode_slowly(value, nan, error)
    # Only a null in the text can be a swallowed NaN, so most values are not walked.
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
        SerializationError: It is not JSON, or holds an integer beyond 64 bits.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise SerializationError(f"not JSON: {error}") from error
    if (b"," + text).translate(_SHAPE).rfind(_LONG_INTEGER) >= 0:
        _refuse_long_integers(text)
    return value


def decode_all(texts: list[bytes]) -> list[Any]:
    """Read the values of several texts; looks for long integers in all of them at once.

    Raises:
        SerializationError: One is not JSON, or holds an integer beyond 64 bits; not told which.
    """
    try:
        values = [orjson.loads(text) for text in texts]
    except orjson.JSONDecodeError as error:
        raise SerializationError(f"not JSON: {error}") from error
    if b",".join([b"", *texts]).translate(_SHAPE).rfind(_LONG_INTEGER) >= 0:
        for text in texts:
            _refuse_long_integers(text)
    return values


def _simpler(nan: Nan, value: object) -> object:
    """Give orjson something nearer to JSON in place of what it does not know."""
    if type(value) is dt.datetime:  # the commonest
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
    nan: partial(_simpler, nan) for nan in ("null", "error", "string")
}

# --- What orjson does not tell -----------------------------------------------

# Beyond 64 bits an integer has twenty digits, or a minus and nineteen. Two passes of C look for that, after
# something that an integer can follow; only where they find it, which is next to never, is each one checked.
# From the right, as CPython looks four times as fast for this there.
_SHAPE = bytes.maketrans(b"0123456789-" + b" \t\r\n:[", b"0" * 11 + b"," * 6)
_LONG_INTEGER = b"," + b"0" * 20
_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]+|\\.)*"|(-?[0-9]+)([.eE][0-9.eE+-]+)?')


def _refuse_long_integers(text: bytes) -> None:
    for integer, rest in _STRING_OR_NUMBER.findall(text):
        if integer and not rest and not -(2**63) <= int(integer) < 2**64:
            raise SerializationError("it holds an integer beyond 64 bits, which would lose digits")
