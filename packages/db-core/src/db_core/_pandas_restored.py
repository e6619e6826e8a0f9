"""pandas frames from Arrow columns: as `_pandas_exact` wrote them, or by their types from any others.

Imported when a pandas frame is first made.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from db_core._native import Array, PieceReader, Table
from db_core._pandas_exact import KEY, MISSING, NUMPY, READ_OBJECT, UNIT_OF, VERSION
from db_core.errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["as_index", "by_type", "codes_and_words", "framed", "text_type", "to_pandas"]

_NAT = np.iinfo(np.int64).min


def to_pandas(table: Table) -> pd.DataFrame:
    """Make a DataFrame of a table; where `from_pandas` did not write it, by its Arrow types.

    Raises:
        SerializationError: A column's type has no place in pandas; names it.
    """
    names, arrays = table.names, table.columns()
    written = table.metadata.get(KEY)
    known: Mapping[str, Any] = json.loads(written) if written else {}
    if known.get("version", VERSION) != VERSION:
        raise SerializationError(
            f"expected a frame of format version {VERSION}, got version {known['version']!r}. "
            "Use the version of db-core that saved it"
        )
    index = known.get("index", {"range": [0, len(table), 1], "names": [None]})
    rows = _restore_index(index, arrays)
    specs = known.get("columns", [None] * len(arrays))
    first = len(arrays) - len(specs)
    values = [
        _restore(array, spec) if spec else by_type(array)
        for array, spec in zip(arrays[first:], specs, strict=True)
    ]
    frame = framed(values, rows)
    labels = known.get("labels")
    frame.columns = pd.Index(names[first:], dtype="str") if labels is None else _restore_labels(labels)
    frame.attrs = dict(known.get("attrs", {}))
    flags: Any = frame.flags  # the stubs take the name for a column's
    flags.allows_duplicate_labels = known.get("duplicates", True)
    return frame


def framed(columns: Sequence[Any], rows: pd.Index | None) -> pd.DataFrame:
    """Make a DataFrame of columns without a copy. Columns are found by position, since names may repeat."""
    # Otherwise pandas would give objects a dtype that fits them.
    typed = [
        pd.Series(values, rows, dtype=object) if values.dtype == object else values for values in columns
    ]
    return pd.DataFrame(dict(enumerate(typed)), index=rows, copy=False)


def _restore_labels(written: str) -> pd.Index:
    reader = PieceReader()
    reader.feed(base64.b64decode(written))
    table = reader.finish()
    return _restore_index(json.loads(table.metadata[KEY])["index"], table.columns())


def _restore_index(index: Mapping[str, Any], arrays: list[Array]) -> pd.Index:
    names = [_name(label) for label in index["names"]]
    if "range" in index:
        return pd.RangeIndex(*index["range"]).rename(names[0])
    if "levels" in index:
        levels: list[Any] = []
        codes = []
        for array, spec in zip(arrays, index["levels"], strict=False):
            places, words = codes_and_words(array, spec)
            levels.append(as_index(words, spec))
            codes.append(places)
        return pd.MultiIndex(levels=levels, codes=codes, names=names, verify_integrity=False)
    return as_index(_restore(arrays[0], index["values"]), index["values"]).rename(names[0])


def _name(label: Any) -> Any:
    return tuple(map(_name, label)) if isinstance(label, list) else label


def as_index(values: Any, spec: Mapping[str, Any] | None = None) -> pd.Index:
    """Make an index of the dtype that the values have."""
    made: Any = pd.Index(values, dtype=values.dtype)  # or pandas would choose a dtype for objects
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
    times = pd.DatetimeIndex(values, copy=False).tz_localize("UTC")
    return times.array if zone == "UTC" else times.tz_convert(zone).array


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
    if dtype.storage != "pyarrow":
        return pd.array(array.values(), dtype=dtype)
    # pandas keeps these strings in Arrow's memory, so they need not become Python's.
    maker: Any = dtype  # the stubs lack its method
    return maker.__from_arrow__(_as_pyarrow(array))


def _restore_categories(array: Array, spec: Mapping[str, Any]) -> Any:
    codes, words = codes_and_words(array, spec["categories"])
    dtype = pd.CategoricalDtype(as_index(words, spec["categories"]), spec["ordered"])
    return pd.Categorical.from_codes(codes, dtype=dtype)


def codes_and_words(array: Array, spec: Mapping[str, Any] | None = None) -> tuple[Any, Any]:
    """Return the codes of a dictionary, -1 where null, and what they are codes of."""
    words = array.dictionary()
    if words is None:
        raise SerializationError("the stored bytes are not a pandas frame: a dictionary is missing")
    values = _restore(words, spec) if spec else by_type(words)
    nulls = _nulls(array)
    codes = _memory(array, NUMPY[array.format])
    codes = codes.astype("i8") if codes.dtype.kind == "u" else codes
    if nulls is not None:
        codes[nulls] = -1
    return codes, values


def _restore_periods(array: Array, spec: Mapping[str, Any]) -> Any:
    nulls = _nulls(array)
    values = _memory(array, "i8")
    if nulls is not None:
        values[nulls] = _NAT
    periods: Any = pd.PeriodIndex  # the stubs lack `from_ordinals`
    return periods.from_ordinals(values, freq=spec["period"]).array


def _restore_arrow(array: Array, _spec: Mapping[str, Any]) -> Any:
    return pd.arrays.ArrowExtensionArray(_as_pyarrow(array))


def _as_pyarrow(array: Array) -> Any:
    import pyarrow as pa

    return pa.table(Table([""], [array], len(array))).column(0)


def _restore_objects(array: Array, spec: Mapping[str, Any]) -> Any:
    missing = MISSING[spec["missing"] or "None"]
    read = READ_OBJECT[spec["objects"]]
    if spec["objects"] == "nothing":
        values = [None] * len(array)
        nulls = np.ones(len(array), dtype=bool)
    else:
        nulls = _nulls(array)
        raw = array.values()
        dtype = NUMPY.get(array.format, "i4")
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


def by_type(array: Array) -> Any:
    """Make the array that pandas has for an Arrow type.

    Raises:
        TypeError: It has none.
    """
    if array.dictionary() is not None:
        codes, words = codes_and_words(array)
        return pd.Categorical.from_codes(codes, categories=as_index(words), ordered=array.ordered)
    return _restore(array, _usual(array.format, has_nulls=array.null_count > 0))


def text_type() -> pd.StringDtype:
    """What pandas makes of texts by itself, but with `future.infer_string` off: then None would be "None"."""
    return pd.StringDtype(na_value=np.nan)


def _usual(format_: str, *, has_nulls: bool) -> dict[str, Any]:
    """Say what pandas makes of an Arrow type."""
    kind = NUMPY.get(format_)
    if kind is not None:
        return {"masked": kind} if has_nulls and kind[0] != "f" else {"numpy": kind}
    if format_.startswith("ts"):
        unit, zone = UNIT_OF[format_[2]], format_[4:]
        return {"zoned": [unit, zone]} if zone else {"numpy": f"M8[{unit}]"}
    if format_.startswith("tD"):
        return {"numpy": f"m8[{UNIT_OF[format_[2]]}]"}
    if format_ in {"u", "U", "vu"}:
        return {"texts": [text_type().storage, "nan"]}
    objects = {"z": "bytes", "Z": "bytes", "vz": "bytes", "tdD": "date", "n": "nothing"}.get(format_)
    if objects is None:
        message = f"pandas has no dtype for Arrow's {format_}. Read it into polars or Arrow"
        raise TypeError(message)
    return {"objects": objects, "missing": "None"}
