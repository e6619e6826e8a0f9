"""pandas frames as Arrow columns and back, with every dtype, index and label as it was.

What Arrow can't tell is in the schema's metadata, under `KEY`, as JSON: how to make each column's
dtype, the index and the labels again. What neither can tell is an error that names the column.
Imported when a pandas frame is first written or read as pieces.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from db_core._native import Array, PieceReader, PieceWriter, Table
from db_core.errors import InvalidArgumentError, SerializationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KEY", "from_pandas", "to_pandas"]

KEY = "db_core.pandas"
_NAT = np.iinfo(np.int64).min
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
_NUMPY = {format_: kind for kind, format_ in _FORMATS.items()}
_UNITS = {"s": "s", "ms": "m", "us": "u", "ns": "n"}
_UNIT_OF = {letter: unit for unit, letter in _UNITS.items()}
_USUAL_TEXTS = pd.StringDtype(na_value=np.nan)
_MISSING = {"None": None, "nan": np.nan, "NA": pd.NA, "NaT": pd.NaT}


class _Unkept(Exception):  # noqa: N818 - says why
    """A column, index or label can't be kept exactly; says why."""


class _Kept(NamedTuple):
    """A column as Arrow has it, and how to make its dtype again."""

    array: Array
    spec: dict[str, Any]


# --- Writing ------------------------------------------------------------------


def from_pandas(frame: pd.DataFrame) -> Table:
    """Copy a DataFrame into Arrow columns, the levels of its index first.

    Raises:
        SerializationError: Something can't be kept exactly; names it.
    """
    if type(frame) is not pd.DataFrame:
        raise SerializationError(f"a {type(frame).__name__} can't be kept: make a plain DataFrame of it")
    names: list[str] = []
    arrays: list[Array] = []

    def keep(name: str, column: _Kept) -> dict[str, Any]:
        names.append(name)
        arrays.append(column.array)
        return column.spec

    index = _try("the index", lambda: _index(frame.index, keep))
    columns = []
    for place, label in enumerate(frame.columns):
        kept = _try(f"column {label!r}", lambda place=place: _column(frame.iloc[:, place].array))  # type: ignore[misc]
        columns.append(keep(str(label), kept))
    known = {
        "version": 1,
        "index": index,
        "columns": columns,
        "labels": _try("the column labels", lambda: _labels(frame.columns)),
        "attrs": _try("attrs", lambda: _json(frame.attrs)),
    }
    return Table(names, arrays, len(frame), {KEY: json.dumps(known)})


def _try(what: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (_Unkept, InvalidArgumentError, OverflowError, UnicodeEncodeError) as why:
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
        return _Kept(_from_memory(format_, native.view("i8"), np.isnat(array)), {"numpy": dtype.str})
    format_ = _FORMATS.get(f"{dtype.kind}{dtype.itemsize}", "")
    if not format_:
        raise _Unkept(f"its dtype is {dtype}")
    native = np.ascontiguousarray(array, dtype=dtype.newbyteorder("="))
    return _Kept(_from_memory(format_, native), {"numpy": dtype.str})


def _from_memory(format_: str, values: Any, missing: Any = None, dictionary: Array | None = None) -> Array:
    nulls = missing.view(np.uint8) if missing is not None and missing.any() else None
    return Array(format_, values.view(np.uint8), nulls, dictionary)


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
    return _Kept(_from_memory(format_, array.view("i8"), np.isnat(array)), {"zoned": [unit, zone]})


def _masked(values: Any) -> _Kept:
    dtype = values.dtype.numpy_dtype
    array = np.ascontiguousarray(values.to_numpy(dtype=dtype, na_value=dtype.type(0)))
    return _Kept(
        _from_memory(_FORMATS[f"{dtype.kind}{dtype.itemsize}"], array, values.isna()), {"masked": dtype.str}
    )


def _texts(values: Any) -> _Kept:
    dtype = values.dtype
    missing = "NA" if dtype.na_value is pd.NA else "nan"
    spec = {"texts": [dtype.storage, missing]}
    if dtype.storage == "pyarrow":
        # pyarrow holds them already, so they need not become Python's.
        return _Kept(Array.from_arrow(pd.Series(values, name="texts").to_frame()), spec)
    return _Kept(Array("U", values.to_numpy(dtype=object, na_value=None).tolist()), spec)


def _categories(values: Any) -> _Kept:
    words = _column(values.categories.array)
    codes = np.ascontiguousarray(values.codes)
    array = _coded(codes, words.array)
    return _Kept(array, {"categories": words.spec, "ordered": bool(values.ordered)})


def _coded(codes: Any, words: Array) -> Array:
    missing = codes < 0
    codes = np.where(missing, 0, codes).astype(codes.dtype) if missing.any() else codes
    if not len(words) and len(codes):  # a code needs a word, be it masked
        raise _Unkept("all of its values are missing, and it has no category")
    return _from_memory(_FORMATS[f"i{codes.dtype.itemsize}"], codes, missing, words)


def _periods(values: Any) -> _Kept:
    return _Kept(
        _from_memory("l", np.ascontiguousarray(values.asi8), values.isna()), {"period": values.freqstr}
    )


def _arrow(values: Any) -> _Kept:
    return _Kept(Array.from_arrow(pd.Series(values, name="values").to_frame()), {"arrow": True})


def _objects(array: Any) -> _Kept:
    """Keep Python objects of one type, where what is missing is one thing too."""
    missing = np.array([value is None or value is pd.NA or value is pd.NaT for value in array], dtype=bool)
    kinds = {type(value) for value, gone in zip(array, missing, strict=True) if not gone}
    if kinds != {float}:  # among others, NaN is something missing
        gone = np.array([isinstance(value, float) and value != value for value in array], dtype=bool)  # noqa: PLR0124
        kinds = {type(value) for value, gone in zip(array, missing | gone, strict=True) if not gone}
        missing |= gone
    marks = {_mark(value) for value in array[missing]}
    if len(marks) > 1:
        raise _Unkept(f"what is missing is both {' and '.join(sorted(marks))}")
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
        for name, mark in _MISSING.items()
        if mark is value or (name == "nan" and isinstance(value, float))
    )


def _fixed(format_: str, dtype: str, filler: Any) -> Callable[[list[Any]], Array]:
    def write(values: list[Any]) -> Array:
        missing = np.array([value is None for value in values], dtype=bool)
        filled = [filler if value is None else value for value in values]
        return _from_memory(format_, np.array(filled, dtype=dtype), missing)

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
_READ_OBJECT = {name: read for name, _, read in _OBJECTS.values()}

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
        kept.spec["freq"] = index.freqstr
    return kept


def _field(name: object, place: int, unnamed: str | None = None) -> str:
    return str(name) if name is not None else unnamed or f"level_{place}"


def _label(label: object) -> object:
    if label is None or type(label) in (str, int, bool) or (type(label) is float and label == label):  # noqa: PLR0124
        return label
    raise _Unkept(f"the name {label!r} is neither text nor a number")


def _labels(columns: pd.Index) -> str | None:
    """Keep labels that are not plain texts as a table of their own, whose index they are."""
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
        raise _Unkept("they are no JSON")
    return attrs


# --- Reading ------------------------------------------------------------------


def to_pandas(table: Table) -> pd.DataFrame:
    """Make a DataFrame of a table; where `from_pandas` did not write it, by its Arrow types.

    Raises:
        SerializationError: A column's type has no place in pandas; names it.
    """
    names, arrays = table.names, table.arrays()
    written = table.metadata.get(KEY)
    known: Mapping[str, Any] = json.loads(written) if written else {}
    index = known.get("index", {"range": [0, len(table), 1], "names": [None]})
    rows = _restore_index(index, arrays)
    specs = known.get("columns", [None] * len(arrays))
    first = len(arrays) - len(specs)
    columns = {}
    for place, spec in enumerate(specs):
        array, name = arrays[first + place], names[first + place]
        values = _restore(array, spec) if spec else _by_type(array, name)
        # pandas gives objects a dtype that fits them, unless told not to.
        columns[place] = pd.Series(values, rows, dtype=object) if values.dtype == object else values
    frame = pd.DataFrame(columns, index=rows, copy=False)
    labels = known.get("labels")
    frame.columns = pd.Index(names[first:], dtype="str") if labels is None else _restore_labels(labels)
    frame.attrs = dict(known.get("attrs", {}))
    return frame


def _restore_labels(written: str) -> pd.Index:
    reader = PieceReader()
    reader.feed(base64.b64decode(written))
    table = reader.finish()
    return _restore_index(json.loads(table.metadata[KEY])["index"], table.arrays())


def _restore_index(index: Mapping[str, Any], arrays: list[Array]) -> pd.Index:
    names = index["names"]
    if "range" in index:
        return pd.RangeIndex(*index["range"]).rename(names[0])
    if "levels" in index:
        levels: list[Any] = []
        codes = []
        for array, spec in zip(arrays, index["levels"], strict=False):
            words, places = _words(array, spec)
            levels.append(_as_index(words, spec))
            codes.append(places)
        return pd.MultiIndex(levels=levels, codes=codes, names=names, verify_integrity=False)
    return _as_index(_restore(arrays[0], index["values"]), index["values"]).rename(names[0])


def _as_index(values: Any, spec: Mapping[str, Any] | None = None) -> pd.Index:
    made: Any = pd.Index(values, dtype=values.dtype)  # else objects would be given a dtype that fits them
    if spec and "freq" in spec:
        made.freq = spec["freq"]
    return made  # type: ignore[no-any-return]


def _restore(array: Array, spec: Mapping[str, Any]) -> Any:
    """Make the very array that was kept."""
    [kind] = [name for name in _RESTORERS if name in spec]
    return _RESTORERS[kind](array, spec)


def _nulls(array: Array) -> Any:
    nulls = array.nulls()
    return None if nulls is None else np.frombuffer(memoryview(nulls), np.bool_)


def _memory(array: Array, dtype: str) -> Any:
    memory = array.values()
    return np.frombuffer(memory, dtype) if len(memory) else np.empty(0, dtype)


def _restore_numpy(array: Array, spec: Mapping[str, Any]) -> Any:
    dtype = np.dtype(spec["numpy"])
    nulls = _nulls(array)
    if dtype.kind in "Mm":
        values = _memory(array, "i8")
        if nulls is not None:
            values[nulls] = _NAT
        return values.view(dtype.newbyteorder("=")).astype(dtype, copy=False)
    values = _memory(array, dtype.newbyteorder("=").str)
    if nulls is not None:  # of floats that others wrote
        values[nulls] = np.nan
    return values.astype(dtype, copy=False)


def _restore_zoned(array: Array, spec: Mapping[str, Any]) -> Any:
    unit, zone = spec["zoned"]
    values = _restore_numpy(array, {"numpy": f"M8[{unit}]"})
    return pd.DatetimeIndex(values, copy=False).tz_localize("UTC").tz_convert(zone).array


def _restore_masked(array: Array, spec: Mapping[str, Any]) -> Any:
    dtype = np.dtype(spec["masked"])
    nulls = _nulls(array)
    values = _memory(array, dtype.str)
    mask = np.zeros(len(values), dtype=bool) if nulls is None else nulls
    makers: dict[str, Any] = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}
    return makers.get(dtype.kind, pd.arrays.IntegerArray)(values, mask)


def _restore_texts(array: Array, spec: Mapping[str, Any]) -> Any:
    storage, missing = spec["texts"]
    na = pd.NA if missing == "NA" else np.nan
    try:
        dtype = pd.StringDtype(storage, na_value=na)
    except ImportError:  # written where there was pyarrow; the same dtype without it
        dtype = pd.StringDtype("python", na_value=na)
    return pd.array(array.values(), dtype=dtype)


def _restore_categories(array: Array, spec: Mapping[str, Any]) -> Any:
    words, codes = _words(array, spec["categories"])
    dtype = pd.CategoricalDtype(_as_index(words), spec["ordered"])
    return pd.Categorical.from_codes(codes, dtype=dtype)


def _words(array: Array, spec: Mapping[str, Any] | None) -> tuple[Any, Any]:
    """Give the values and the codes of a dictionary; -1 where null."""
    words = array.dictionary()
    if words is None:
        raise SerializationError("what is stored is no frame of pandas: a dictionary is missing")
    values = _restore(words, spec) if spec else _by_type(words, "the categories")
    nulls = _nulls(array)
    codes = _memory(array, _NUMPY[array.format])
    codes = codes.astype("i8") if codes.dtype.kind == "u" else codes
    if nulls is not None:
        codes[nulls] = -1
    return values, codes


def _restore_periods(array: Array, spec: Mapping[str, Any]) -> Any:
    nulls = _nulls(array)
    values = _memory(array, "i8")
    if nulls is not None:
        values[nulls] = _NAT
    periods: Any = pd.PeriodIndex  # the stubs lack `from_ordinals`
    return periods.from_ordinals(values, freq=spec["period"]).array


def _restore_arrow(array: Array, _spec: Mapping[str, Any]) -> Any:
    import pyarrow as pa

    return pd.arrays.ArrowExtensionArray(pa.table(Table([""], [array], len(array), {})).column(0))


def _restore_objects(array: Array, spec: Mapping[str, Any]) -> Any:
    missing = _MISSING[spec["missing"] or "None"]
    read = _READ_OBJECT[spec["objects"]]
    if spec["objects"] == "nothing":
        values = [None] * len(array)
        nulls = np.ones(len(array), dtype=bool)
    else:
        nulls = _nulls(array)
        raw = array.values()
        dtype = _NUMPY.get(array.format, "i4")
        values = raw if isinstance(raw, list) else np.frombuffer(raw, dtype).tolist() if len(raw) else []
        gone = [False] * len(values) if nulls is None else nulls
        if read is not None:
            values = [value if null else read(value) for value, null in zip(values, gone, strict=True)]
    made = np.empty(len(values), dtype=object)
    made[:] = values
    if nulls is not None:
        made[nulls] = missing
    return made


_RESTORERS: dict[str, Callable[[Array, Mapping[str, Any]], Any]] = {
    "numpy": _restore_numpy,
    "zoned": _restore_zoned,
    "masked": _restore_masked,
    "texts": _restore_texts,
    "categories": _restore_categories,
    "period": _restore_periods,
    "arrow": _restore_arrow,
    "objects": _restore_objects,
}


def _by_type(array: Array, name: str) -> Any:
    """Make the array that pandas has for an Arrow type, as `Frame.to_pandas` does."""
    words = array.dictionary()
    if words is not None:
        values, codes = _words(array, None)
        return pd.Categorical.from_codes(codes, categories=_as_index(values))
    return _restore(array, _usual(array.format, name, has_nulls=array.nulls() is not None))


def _usual(format_: str, name: str, *, has_nulls: bool) -> dict[str, Any]:
    """Say what pandas makes of an Arrow type."""
    kind = _NUMPY.get(format_)
    if kind is not None:
        return {"masked": kind} if has_nulls and kind[0] != "f" else {"numpy": kind}
    if format_.startswith("ts"):
        unit, zone = _UNIT_OF[format_[2]], format_[4:]
        return {"zoned": [unit, zone]} if zone else {"numpy": f"M8[{unit}]"}
    if format_.startswith("tD"):
        return {"numpy": f"m8[{_UNIT_OF[format_[2]]}]"}
    if format_ in {"u", "U", "vu"}:
        return {"texts": [_USUAL_TEXTS.storage, "nan"]}
    objects = {"z": "bytes", "Z": "bytes", "vz": "bytes", "tdD": "date", "n": "nothing"}.get(format_)
    if objects is None:
        raise SerializationError(
            f"column {name!r}: pandas has no dtype for Arrow's {format_}; read it into polars or Arrow"
        )
    return {"objects": objects, "missing": "None"}
