"""pandas from native columns and back, through numpy's buffers: pyarrow is not needed.

Imported when a pandas frame is first made or read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from db_core._native import Batch
from db_core._unkept import refusal
from db_core.errors import InvalidArgumentError
from db_core.foreign import shown, told

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from db_core._native import Column

__all__ = ["from_pandas", "to_pandas"]

_NAT = np.iinfo(np.int64).min


def to_pandas(names: Sequence[str], columns: Sequence[Column], index: int) -> pd.DataFrame:
    """Make a DataFrame; the first `index` columns, the last of them times, are its index."""
    rows = _index(names[:index], columns[:index]) if index else None
    pairs = zip(names[index:], columns[index:], strict=True)
    arrays = {position: _named_array(name, column) for position, (name, column) in enumerate(pairs)}
    frame = pd.DataFrame(arrays, index=rows, copy=False)
    # By position, since a field may have a tag's name.
    frame.columns = _words(names[index:])
    return frame


def _index(names: Sequence[str], columns: Sequence[Column]) -> pd.Index:
    times = _times(columns[-1])
    if len(columns) == 1:
        return pd.DatetimeIndex(times, name=names[0])
    codes, unique = pd.factorize(times, sort=True)
    levels: list[Any] = []
    level_codes: list[Any] = []
    for column in columns[:-1]:
        memory, words = column.values()
        levels.append(_words(words))
        level_codes.append(np.frombuffer(memory, np.int32))
    return pd.MultiIndex(
        levels=[*levels, unique],
        codes=[*level_codes, codes],
        names=list(names),
        verify_integrity=False,
    )


def _named_array(name: str, column: Column) -> Any:
    try:
        return _array(column)
    except InvalidArgumentError as error:
        raise InvalidArgumentError(f"column {name!r}: {error}", argument="into") from error


def _array(column: Column) -> Any:
    """Give a column as what a DataFrame keeps it in."""
    kind = column.kind
    if kind == "timestamp":
        return _times(column)
    if kind == "string":
        return _strings(column)
    nulls = column.nulls()
    mask = None if nulls is None else np.frombuffer(memoryview(nulls), np.bool_)
    values = column.values()
    return _MAKERS[kind](values, mask)


def _floats(values: Any, mask: _Mask | None) -> Any:
    floats = np.frombuffer(values, np.float64)
    if mask is not None:
        floats[mask] = np.nan
    return floats


def _integers(dtype: str) -> _Maker:
    def make(values: Any, mask: _Mask | None) -> Any:
        integers = np.frombuffer(values, dtype)
        return integers if mask is None else pd.arrays.IntegerArray(integers, mask)

    return make


def _booleans(values: Any, mask: _Mask | None) -> Any:
    booleans = np.frombuffer(values, np.bool_)
    return booleans if mask is None else pd.arrays.BooleanArray(booleans, mask)


def _durations(values: Any, mask: _Mask | None) -> Any:
    nanos = np.frombuffer(values, np.int64)
    if mask is not None:
        nanos[mask] = _NAT
    return nanos.view("m8[ns]")


def _categories(values: Any, _mask: _Mask | None) -> Any:
    codes, words = values
    return pd.Categorical.from_codes(np.frombuffer(codes, np.int32), _words(words))


_Mask: TypeAlias = "NDArray[np.bool_]"
_Maker: TypeAlias = "Callable[[Any, _Mask | None], Any]"

# What makes the array of a column of each other kind from its values and nulls.
_MAKERS: dict[str, _Maker] = {
    "float64": _floats,
    "int64": _integers("int64"),
    "uint64": _integers("uint64"),
    "bool": _booleans,
    "duration": _durations,
    "dictionary": _categories,
    "binary": lambda values, _mask: pd.Series(values, dtype=object).array,
    "null": lambda values, _mask: np.full(len(values) // 8, None, dtype=object),
}


def _strings(column: Column) -> Any:
    dtype = _text_type()
    if dtype.storage != "pyarrow":
        return pd.array(column.values(), dtype=dtype)
    # pandas keeps strings in Arrow's memory if it can, so that they need not become Python's.
    import pyarrow as pa

    texts = pa.table(column.batch()).column(0)
    return dtype.__from_arrow__(texts)  # type: ignore[attr-defined]  # the stubs lack it


def _text_type() -> pd.StringDtype:
    """What pandas makes of texts by itself, but with `future.infer_string` off: then None would be "None"."""
    return pd.StringDtype(na_value=np.nan)


def _words(words: Sequence[str]) -> Any:
    return pd.Index(words, dtype=_text_type())  # type: ignore[arg-type]  # the stubs take text for a tuple


def _times(column: Column) -> Any:
    nulls = column.nulls()
    tz = column.tz
    nanos = np.frombuffer(column.values(), np.int64)
    if nulls is not None:
        nanos[np.frombuffer(memoryview(nulls), np.bool_)] = _NAT
    times = pd.DatetimeIndex(nanos.view("M8[ns]"), copy=False)
    if tz is not None:
        times = times.tz_localize("UTC")
    return times.array if tz in (None, "UTC") else times.tz_convert(tz).array


def from_pandas(frame: pd.DataFrame) -> Batch:
    """Copy a DataFrame into native columns; index levels lead, but for a RangeIndex without a name."""
    columns = []
    if not (isinstance(frame.index, pd.RangeIndex) and frame.index.name is None):
        for level in range(frame.index.nlevels):
            values = frame.index.get_level_values(level)
            is_time = isinstance(values, pd.DatetimeIndex)
            name = values.name if values.name is not None else "time" if is_time else f"level_{level}"
            columns.append(_named_column(name, pd.Series(values)))
    columns += [_named_column(name, frame.iloc[:, position]) for position, name in enumerate(frame.columns)]
    return Batch.from_columns(columns)


_Parts: TypeAlias = "tuple[str, str, object, NDArray[np.uint8] | None]"


def _named_column(name: object, series: pd.Series[Any]) -> _Parts:
    with told(lambda reason: InvalidArgumentError(f"column {shown(name)}: {reason}")):
        return _column(name, series)


def _column(name: object, series: pd.Series[Any]) -> _Parts:
    """Give name, kind, values and nulls of a column, as `Batch.from_columns` takes them."""
    if not isinstance(name, str):
        message = f"a column's name must be text, not {shown(name)}"
        raise InvalidArgumentError(message)
    try:
        name.encode()
    except UnicodeEncodeError as error:
        message = f"a column's name must be valid Unicode, which {name!r} is not"
        raise InvalidArgumentError(message) from error
    if series.dtype == object:
        series = _infer(name, series)
    if isinstance(series.dtype, pd.CategoricalDtype):
        return _category(name, series)
    if pd.api.types.is_string_dtype(series.dtype):
        return _texts(name, series)
    nulls = series.isna().to_numpy(dtype=bool)
    mask = nulls.view(np.uint8) if nulls.any() else None
    kind = getattr(series.dtype, "kind", "O")
    values: Any
    if kind in "iu":
        kind = "int64" if kind == "i" else "uint64"
        values = np.asarray(series.array.fillna(0) if mask is not None else series, dtype=kind)
    elif kind == "f":
        kind, values = "float64", series.to_numpy(dtype="float64", na_value=np.nan)
    elif kind == "b":
        filled = series.fillna(value=False) if mask is not None else series
        kind, values = "bool", np.asarray(filled, dtype=bool).view(np.uint8)
    elif kind == "M":
        kind, values = "timestamp", _nanoseconds(name, series)
    else:
        raise InvalidArgumentError(refusal(name, series))
    return name, kind, np.ascontiguousarray(values), mask


def _texts(name: str, series: pd.Series[Any]) -> _Parts:
    if isinstance(series.dtype, pd.ArrowDtype) or getattr(series.dtype, "storage", "") == "pyarrow":
        # pyarrow holds these strings already, so they need not become Python's.
        return name, "arrow", series.reset_index(drop=True).to_frame(name), None
    texts = series.to_numpy(dtype=object, na_value=None)  # type: ignore[call-overload] # the stubs lack None
    return name, "string", texts.tolist(), None


def _category(name: str, series: pd.Series[Any]) -> _Parts:
    words, codes = series.cat.categories, series.cat.codes.to_numpy()
    if pd.api.types.infer_dtype(words, skipna=False) not in ("string", "empty"):
        # A null has no place in numpy's integers and booleans; pandas' own cast goes through floats.
        nullable = {"i": "Int64", "u": "UInt64", "b": "boolean"}
        words = words.astype(nullable.get(words.dtype.kind, words.dtype))
        return _column(name, pd.Series(words.array.take(codes, allow_fill=True)))
    nulls = codes < 0
    return name, "dictionary", (np.where(nulls, 0, codes).astype(np.int32), list(words)), nulls.view(np.uint8)


def _infer(name: str, series: pd.Series[Any]) -> pd.Series[Any]:
    """Type a column of Python objects by what all of them are."""
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    target: Any = {
        "boolean": "boolean",
        "empty": "Float64",
        "floating": "Float64",
        "integer": "Int64",
        "string": _text_type(),
    }.get(inferred)
    if target is None:
        raise InvalidArgumentError(refusal(name, series))
    try:
        return series.astype(target)
    except (OverflowError, TypeError, ValueError) as error:
        if inferred != "integer":
            message = f"column {name!r}: {error}"
            raise InvalidArgumentError(message) from error
    try:
        return series.astype("UInt64")
    except (OverflowError, TypeError, ValueError) as error:
        message = f"column {name!r}: an integer exceeds 64 bits"
        raise InvalidArgumentError(message) from error


def _nanoseconds(name: str, series: pd.Series[Any]) -> NDArray[np.int64]:
    """Nanoseconds since the epoch; a time without a zone is UTC."""
    times = pd.DatetimeIndex(series)
    try:
        return np.ascontiguousarray(times.as_unit("ns").asi8)
    except (pd.errors.OutOfBoundsDatetime, OverflowError) as error:
        message = f"column {name!r}: a time lies outside 1677-09-21 to 2262-04-11"
        raise InvalidArgumentError(message) from error
