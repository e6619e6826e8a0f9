"""pandas frames as Arrow columns, with all that makes every dtype, index and label again.

What Arrow can't tell is in the schema's metadata, under `KEY`, as JSON: how to make each column's
dtype, the index and the labels again. What neither can tell is an error that names the column.
`_pandas_restored` reads it. Imported when a pandas frame is first written as pieces.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from db_core._native import Array, PieceWriter, Table
from db_core.errors import DatabaseError, InvalidArgumentError, SerializationError
from db_core.foreign import shown, told

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "KEY",
    "MISSING",
    "NUMPY",
    "READ_OBJECT",
    "UNIT_OF",
    "VERSION",
    "from_memory",
    "from_pandas",
    "from_pyarrow",
]

KEY = "db_core.pandas"
VERSION = 1  # of what stands there
_WHOLE = 1 << 40  # bytes; labels are one piece

# Arrow's format strings of numpy's kinds and sizes.
_FORMATS = {
    "b1": "b",
    "i1": "c",
    "i2": "s",
    "i4": "i",
    "i8": "l",
    "u1": "C",
    "u2": "S",
    "u4": "I",
    "u8": "L",
    "f2": "e",
    "f4": "f",
    "f8": "g",
}
NUMPY = {format_: kind for kind, format_ in _FORMATS.items()}
_UNITS = {"s": "s", "ms": "m", "us": "u", "ns": "n"}
UNIT_OF = {letter: unit for unit, letter in _UNITS.items()}
MISSING = {"None": None, "nan": np.nan, "NA": pd.NA, "NaT": pd.NaT}


class _Unkept(DatabaseError):  # noqa: N818 - says why
    """A column, index or label can't be kept exactly; says why."""


class _Kept(NamedTuple):
    """A column as Arrow has it, and how to make its dtype again."""

    array: Array
    spec: dict[str, Any]


def from_pandas(frame: pd.DataFrame) -> Table:
    """Copy a DataFrame into Arrow columns, the levels of its index first.

    Raises:
        SerializationError: Something can't be kept exactly; names it.
    """
    if type(frame) is not pd.DataFrame:
        raise SerializationError(f"a {type(frame).__name__} can't be kept. Convert it to a DataFrame first")
    names: list[str] = []
    arrays: list[Array] = []

    def keep(name: str, column: _Kept) -> dict[str, Any]:
        names.append(name)
        arrays.append(column.array)
        return column.spec

    index = _try("the index", lambda: _index(frame.index, keep))
    columns = []
    for place, label in enumerate(frame.columns):
        kept = _try(f"column {shown(label)}", lambda place=place: _column(frame.iloc[:, place].array))  # type: ignore[misc]
        columns.append(keep(str(label), kept))
    known = {
        "version": VERSION,
        "index": index,
        "columns": columns,
        "labels": _try("the column labels", lambda: _labels(frame.columns)),
        "attrs": _try("attrs", lambda: _json(frame.attrs)),
        "duplicates": frame.flags.allows_duplicate_labels,
    }
    return Table(names, arrays, len(frame), {KEY: json.dumps(known)})


def _try(what: str, make: Callable[[], Any]) -> Any:
    try:
        with told(_Unkept):
            return make()
    except (_Unkept, InvalidArgumentError) as why:
        raise SerializationError(f"{what} can't be kept exactly: {why}") from why


def _column(values: Any) -> _Kept:
    """Keep a pandas array."""
    dtype = values.dtype
    if type(values) is pd.arrays.NumpyExtensionArray:  # not those of texts, which are made from it
        return _numpy(values.to_numpy())
    for kind, keep in _KEEPERS:
        if isinstance(dtype, kind):
            return keep(values)
    raise _Unkept(f"its dtype is {dtype}")


def _numpy(values: Any) -> _Kept:
    array = np.asarray(values)
    dtype = array.dtype
    if dtype.kind == "O":
        return _objects(array)
    if dtype.kind in "Mm":
        unit = np.datetime_data(dtype)[0]
        letter = _UNITS[unit]
        native = np.ascontiguousarray(array, dtype=dtype.newbyteorder("="))
        format_ = f"ts{letter}:" if dtype.kind == "M" else f"tD{letter}"
        return _Kept(from_memory(format_, native.view("i8"), np.isnat(array)), {"numpy": dtype.str})
    format_ = _FORMATS.get(f"{dtype.kind}{dtype.itemsize}", "")
    if not format_:
        raise _Unkept(f"its dtype is {dtype}")
    native = np.ascontiguousarray(array, dtype=dtype.newbyteorder("="))
    return _Kept(from_memory(format_, native), {"numpy": dtype.str})


def from_memory(format_: str, values: Any, missing: Any = None) -> Array:
    """Copy numpy's memory into a column of an Arrow type."""
    nulls = missing.view(np.uint8) if missing is not None and missing.any() else None
    return Array(format_, values.view(np.uint8), nulls)


def from_pyarrow(values: Any) -> Array:
    """Take a pandas array that pyarrow holds already, so that its values need not become Python's."""
    return Array.from_arrow(pd.Series(values, name="values").to_frame())


def _zoned(values: Any) -> _Kept:
    zone = str(values.dtype.tz)
    unit = values.dtype.unit
    try:
        same = pd.DatetimeTZDtype(unit, zone) == values.dtype
    except Exception:  # noqa: BLE001 - what is no name of a zone raises many kinds
        same = False
    if not same:
        raise _Unkept(f"its time zone {values.dtype.tz!r} has no name")
    array = values.tz_convert("UTC").tz_localize(None).to_numpy()
    fixed = isinstance(values.dtype.tz, dt.timezone)
    arrow_zone = zone.removeprefix("UTC") or "UTC" if fixed else zone
    format_ = f"ts{_UNITS[unit]}:{arrow_zone}"
    return _Kept(from_memory(format_, array.view("i8"), np.isnat(array)), {"zoned": [unit, zone]})


def _masked(values: Any) -> _Kept:
    dtype = values.dtype.numpy_dtype
    array = np.ascontiguousarray(values.to_numpy(dtype=dtype, na_value=dtype.type(0)))
    return _Kept(
        from_memory(_FORMATS[f"{dtype.kind}{dtype.itemsize}"], array, values.isna()), {"masked": dtype.str}
    )


def _texts(values: Any) -> _Kept:
    dtype = values.dtype
    missing = "NA" if dtype.na_value is pd.NA else "nan"
    spec = {"texts": [dtype.storage, missing]}
    if dtype.storage == "pyarrow":
        return _Kept(from_pyarrow(values), spec)
    return _Kept(Array("U", values.to_numpy(dtype=object, na_value=None).tolist()), spec)


def _categories(values: Any) -> _Kept:
    words = _ordered(values.categories)
    codes = np.ascontiguousarray(values.codes)
    array = _coded(codes, words.array, ordered=bool(values.ordered))
    return _Kept(array, {"categories": words.spec, "ordered": bool(values.ordered)})


def _coded(codes: Any, words: Array, *, ordered: bool = False) -> Array:
    missing = codes < 0
    codes = np.where(missing, 0, codes).astype(codes.dtype) if missing.any() else codes
    if not len(words) and len(codes):  # a code needs a word, be it masked
        raise _Unkept("all of its values are missing, and it has no category")
    nulls = missing.view(np.uint8) if missing.any() else None
    return Array(_FORMATS[f"i{codes.dtype.itemsize}"], codes.view(np.uint8), nulls, words, ordered=ordered)


def _periods(values: Any) -> _Kept:
    return _Kept(
        from_memory("l", np.ascontiguousarray(values.asi8), values.isna()), {"period": values.freqstr}
    )


def _arrow(values: Any) -> _Kept:
    import pyarrow as pa

    kind = values.dtype.pyarrow_dtype
    if isinstance(kind, pa.BaseExtensionType):
        raise _Unkept(f"its dtype is {kind}, which pandas can't restore. Cast it, or save a pyarrow Table")
    return _Kept(from_pyarrow(values), {"arrow": True})


def _objects(array: Any) -> _Kept:
    """Keep Python objects of one type, if all missing ones are the same object."""
    missing = np.array([value is None or value is pd.NA or value is pd.NaT for value in array], dtype=bool)
    kinds = {type(value) for value, gone in zip(array, missing, strict=True) if not gone}
    if kinds != {float}:  # among others, NaN is something missing
        gone = np.array([isinstance(value, float) and value != value for value in array], dtype=bool)  # noqa: PLR0124
        kinds = {type(value) for value, gone in zip(array, missing | gone, strict=True) if not gone}
        missing |= gone
    marks = {_mark(value) for value in array[missing]}
    if len(marks) > 1:
        raise _Unkept(f"its missing values are both {' and '.join(sorted(marks))}. Use one of them")
    if len(kinds) > 1:
        names = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise _Unkept(f"its objects are of several types: {names}")
    kind = kinds.pop() if kinds else type(None)
    if kind not in _OBJECTS:
        raise _Unkept(f"its objects are of type {kind.__name__}")
    name, write, _ = _OBJECTS[kind]
    values = [None if gone else value for value, gone in zip(array, missing, strict=True)]
    return _Kept(write(values), {"objects": name, "missing": marks.pop() if marks else None})


def _mark(value: object) -> str:
    return next(
        name
        for name, mark in MISSING.items()
        if mark is value or (name == "nan" and isinstance(value, float))
    )


def _fixed(format_: str, dtype: str, filler: Any) -> Callable[[list[Any]], Array]:
    def write(values: list[Any]) -> Array:
        missing = np.array([value is None for value in values], dtype=bool)
        filled = [filler if value is None else value for value in values]
        return from_memory(format_, np.array(filled, dtype=dtype), missing)

    return write


def _days(values: list[Any]) -> Array:
    epoch = dt.date(1970, 1, 1).toordinal()
    return _fixed("tdD", "i4", 0)([None if value is None else value.toordinal() - epoch for value in values])


def _decimals(values: list[Any]) -> Array:
    return Array("U", [None if value is None else str(value) for value in values])


# Type: its name, how its values are written, and how one is read from what Python makes of Arrow's.
_OBJECTS: dict[type, tuple[str, Callable[[list[Any]], Array], Callable[[Any], Any] | None]] = {
    type(None): ("nothing", lambda values: Array("n", len(values)), None),
    str: ("str", lambda values: Array("U", values), None),
    bytes: ("bytes", lambda values: Array("Z", values), None),
    bool: ("bool", _fixed("b", "?", filler=False), bool),
    int: ("int", _fixed("l", "i8", 0), int),
    float: ("float", _fixed("g", "f8", 0.0), float),
    dt.date: ("date", _days, lambda days: dt.date.fromordinal(days + dt.date(1970, 1, 1).toordinal())),
    Decimal: ("decimal", _decimals, Decimal),
}
READ_OBJECT = {name: read for name, _, read in _OBJECTS.values()}

_MASKED = (
    *(pd.Int8Dtype, pd.Int16Dtype, pd.Int32Dtype, pd.Int64Dtype),
    *(pd.UInt8Dtype, pd.UInt16Dtype, pd.UInt32Dtype, pd.UInt64Dtype),
    *(pd.Float32Dtype, pd.Float64Dtype, pd.BooleanDtype),
)
_KEEPERS: list[tuple[Any, Callable[[Any], _Kept]]] = [
    (np.dtype, _numpy),
    (pd.DatetimeTZDtype, _zoned),
    (pd.StringDtype, _texts),
    (pd.CategoricalDtype, _categories),
    (pd.PeriodDtype, _periods),
    (pd.ArrowDtype, _arrow),
    (_MASKED, _masked),
]


def _index(index: pd.Index, keep: Callable[[str, _Kept], dict[str, Any]]) -> dict[str, Any]:
    names = [_label(name) for name in index.names]
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "names": names}
    if isinstance(index, pd.MultiIndex):
        levels = []
        for place, (level, codes) in enumerate(zip(index.levels, index.codes, strict=True)):
            words = _ordered(level)
            array = _coded(np.ascontiguousarray(codes), words.array)
            levels.append(keep(_field(index.names[place], place), _Kept(array, words.spec)))
        return {"levels": levels, "names": names}
    unnamed = "time" if isinstance(index, pd.DatetimeIndex) else None
    return {"values": keep(_field(index.name, 0, unnamed), _ordered(index)), "names": names}


def _ordered(index: pd.Index) -> _Kept:
    """Keep the values of an index and, of times, their frequency."""
    kept = _column(index.array)
    if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) and index.freq is not None:
        kept.spec["freq"] = _frequency(index.freq)
    return kept


def _frequency(freq: Any) -> str:
    """Return a frequency's text. For some frequencies, pandas' own text says too little."""
    text: str = freq.freqstr
    try:
        same = to_offset(text) == freq
    except ValueError:
        same = False
    if not same:
        raise _Unkept(f"its frequency {freq!r} has no exact text form. Set `freq` to None")
    return text


def _field(name: object, place: int, unnamed: str | None = None) -> str:
    return str(name) if name is not None else unnamed or f"level_{place}"


def _label(label: object) -> object:
    if label is None or type(label) in (str, int, bool) or (type(label) is float and label == label):  # noqa: PLR0124
        return label
    if type(label) is tuple:
        return [_label(part) for part in label]
    raise _Unkept(f"the name {shown(label)} is not text, a number or a tuple of these")


def _labels(columns: pd.Index) -> str | None:
    """Keep labels that are not plain texts as the index of a separate table."""
    plain = columns.dtype == pd.Index([], dtype="str").dtype and columns.name is None
    if plain and all(type(label) is str for label in columns):
        return None
    kept: dict[str, Array] = {}

    def keep(name: str, column: _Kept) -> dict[str, Any]:
        kept[f"{len(kept)} {name}"] = column.array
        return column.spec

    index = _index(columns, keep)
    rows = len(columns) if kept else 0
    table = Table(list(kept), list(kept.values()), rows, {KEY: json.dumps({"index": index})})
    writer = PieceWriter(table, _WHOLE)
    return base64.b64encode(writer.piece() or b"").decode()


def _json(attrs: dict[Any, Any]) -> dict[Any, Any]:
    try:
        same = json.loads(json.dumps(attrs)) == attrs
    except (TypeError, ValueError):
        same = False
    if not same:
        raise _Unkept("they have no JSON form")
    return attrs
