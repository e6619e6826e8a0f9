"""The rules for numpy's scalars and arrays. This module is imported with the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from db_redis._values import NoJsonForm, iso_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_redis._values import Nan, Rule

__all__ = ["RULES", "nanoseconds"]

_NANOSECONDS = {
    "W": 604_800 * 10**9,
    "D": 86_400 * 10**9,
    "h": 3600 * 10**9,
    "m": 60 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 1000,
    "ns": 1,
}


def _array(array: Any, nan: Nan) -> object:
    """Return nested lists, one level for each dimension."""
    if array.ndim == 0:
        return None if array[()] is np.ma.masked else array[()]
    kind = array.dtype.kind
    is_masked = isinstance(array, np.ma.MaskedArray)
    if is_masked and kind in "Mm":
        raise NoJsonForm(f"numpy's masked {array.dtype} has no JSON form")
    make = _MAKERS.get(kind)
    if make is None:
        raise NoJsonForm(f"numpy's {array.dtype} has no JSON form")
    return array.tolist() if is_masked else make(array, nan)


def _floats(array: Any, nan: Nan) -> object:
    doubles = array.astype(np.float64)
    if array.dtype.itemsize > doubles.dtype.itemsize:
        _check_doubles(array, doubles)
    if nan != "null" and not np.isfinite(doubles).all():
        return doubles.tolist()
    return _write_numbers(doubles)


def _times(array: Any, _nan: Nan) -> object:
    native = array.astype(array.dtype.newbyteorder("="))  # numpy misreads other byte orders here
    texts = np.datetime_as_string(native).astype(object)
    texts[np.isnat(array)] = None
    return texts.tolist()


def _texts(array: Any, _nan: Nan) -> object:
    """Return the texts of a StringDType array. A missing text is null, whatever `nan` says."""
    return _each(array, lambda text: text if isinstance(text, str) else None)


def _timedeltas(array: Any, _nan: Nan) -> object:
    return _each(array, _timedelta)


def _each(array: Any, write: Callable[[Any], str | None]) -> object:
    texts = np.empty(array.size, dtype=object)
    texts[:] = [write(value) for value in array.flat]
    return texts.reshape(array.shape).tolist()


def _write_numbers(array: Any, _nan: Nan = "null") -> orjson.Fragment:
    """Have orjson write the numbers of an array, without a Python object for each."""
    native = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return orjson.Fragment(orjson.dumps(native, option=orjson.OPT_SERIALIZE_NUMPY))


def _check_doubles(array: Any, doubles: Any) -> None:
    if not np.array_equal(array, doubles, equal_nan=True):
        raise NoJsonForm(f"numpy's {array.dtype} has more digits than a JSON number keeps")


def _scalar(value: Any, _nan: Nan) -> object:
    kind = value.dtype.kind
    if kind in "biu":
        return value.item()
    if kind == "f":
        double = float(value)
        if value.dtype.itemsize > np.dtype(np.float64).itemsize:
            _check_doubles(value, np.float64(double))
        return double
    if kind == "U":
        return str(value)
    if kind == "M":
        return None if np.isnat(value) else str(np.datetime_as_string(value))
    if kind == "m":
        return _timedelta(value)
    if kind == "S":
        raise NoJsonForm("bytes are not text: decode them, or write them in base64")
    raise NoJsonForm(f"numpy's {value.dtype} has no JSON form")


def _timedelta(value: Any) -> str | None:
    length = nanoseconds(value)
    return None if length is None else iso_duration(length)


def nanoseconds(value: Any) -> int | None:
    """Return the length of a timedelta64; None for NaT.

    Raises:
        NoJsonForm: Its unit has no fixed length.
    """
    if np.isnat(value):
        return None
    unit, count = np.datetime_data(value.dtype)
    if unit not in _NANOSECONDS:
        raise NoJsonForm(f"numpy's {value.dtype} has no fixed length in nanoseconds")
    return int(value.astype(np.int64)) * count * _NANOSECONDS[unit]


_MAKERS: dict[str, Rule] = {
    "b": _write_numbers,
    "i": _write_numbers,
    "u": _write_numbers,
    "f": _floats,
    "M": _times,
    "m": _timedeltas,
    "O": lambda array, _nan: array.tolist(),
    "U": lambda array, _nan: array.tolist(),
    "T": _texts,
}

RULES: dict[str, Rule] = {"ndarray": _array, "generic": _scalar}
