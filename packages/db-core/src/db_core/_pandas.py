"""pandas from native columns and back, through numpy's buffers: pyarrow is not needed.

Imported when a pandas frame is first made or read.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from db_core._native import Array, Table, levels
from db_core._pandas_exact import from_memory, from_pyarrow
from db_core._pandas_restored import as_index, by_type, codes_and_words, framed, text_type
from db_core._unkept import odd_values, refusal
from db_core.errors import InvalidArgumentError
from db_core.foreign import shown, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["faults", "from_pandas", "to_pandas"]


def to_pandas(names: Sequence[str], columns: Sequence[Array], index: int) -> pd.DataFrame:
    """Make a DataFrame; the first `index` columns, the last of them times, are its index."""
    rows = _index(names[:index], columns[:index]) if index else None
    pairs = zip(names[index:], columns[index:], strict=True)
    frame = framed([_named(name, column) for name, column in pairs], rows)
    frame.columns = pd.Index(names[index:], dtype=text_type())  # type: ignore[arg-type]  # the stubs take text for a tuple
    return frame


def _index(names: Sequence[str], columns: Sequence[Array]) -> pd.Index:
    times = by_type(columns[-1])
    if len(columns) == 1:
        return pd.DatetimeIndex(times, name=names[0])
    # pandas would factorize them too, but lets no other thread run meanwhile, and takes longer.
    places, distinct = (memoryview(memory) for memory in levels(times.asi8))
    leading = [codes_and_words(column) for column in columns[:-1]]
    words: list[Any] = [as_index(values) for _, values in leading]
    words.append(as_index(_like(times, np.asarray(distinct).view("i8"))))
    codes: list[Any] = [*(codes for codes, _ in leading), np.asarray(places).view("i4")]
    return pd.MultiIndex(levels=words, codes=codes, names=list(names), verify_integrity=False)


def _like(times: Any, nanoseconds: NDArray[np.int64]) -> Any:
    """Return other times of the zone that these have."""
    made = pd.DatetimeIndex(nanoseconds.view("M8[ns]"), copy=False).tz_localize("UTC")
    return made.tz_convert(times.tz).array


def _named(name: str, column: Array) -> Any:
    with told(lambda reason: InvalidArgumentError(f"column {name!r}: {reason}", argument="into")):
        return by_type(column)


def from_pandas(frame: pd.DataFrame) -> Table:
    """Copy a DataFrame into native columns; index levels lead, but for a RangeIndex without a name."""
    names, arrays = [], []
    for name, series in _all(frame):
        with told(lambda reason, name=name: InvalidArgumentError(f"column {shown(name)}: {reason}")):  # type: ignore[misc]
            names.append(_text(name))
            arrays.append(_column(names[-1], series))
    return Table(names, arrays, len(frame))


def faults(frame: pd.DataFrame, most: int) -> list[tuple[int | None, str]]:
    """Return the row and the reason of at most `most` values for which `from_pandas` raises an error.

    The row is None if the fault is of a whole column.
    """
    found: list[tuple[int | None, str]] = []
    for name, series in _all(frame):
        found += islice(_faults(name, series), most - len(found))
    return found


def _faults(name: object, series: pd.Series[Any]) -> Iterator[tuple[int | None, str]]:
    """Yield the faults of a column."""
    reason = _why_not(name, series)
    if reason is None:
        return
    if not isinstance(name, str):
        yield None, reason
        return
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    if reason == refusal(name, series):
        odd = list(odd_values(series))
        if not odd:
            yield None, reason
        for row, value, kind in odd:
            yield row, f"column {name!r}: {value}, where most values are {kind}"
        return
    halves = [(0, len(series))]
    while halves:
        start, stop = halves.pop()
        if (reason := _why_not(name, series.iloc[start:stop])) is not None:
            if stop - start == 1:
                yield start, reason
            else:
                middle = (start + stop) // 2
                halves += [(middle, stop), (start, middle)]


def _why_not(name: object, series: pd.Series[Any]) -> str | None:
    try:
        with told(lambda reason: InvalidArgumentError(f"column {shown(name)}: {reason}")):
            _column(_text(name), series)
    except InvalidArgumentError as error:
        return str(error)
    return None


def _all(frame: pd.DataFrame) -> Iterator[tuple[object, pd.Series[Any]]]:
    """Yield names and values of the index levels, but for a RangeIndex without a name, and of columns."""
    if not (isinstance(frame.index, pd.RangeIndex) and frame.index.name is None):
        for level in range(frame.index.nlevels):
            values = frame.index.get_level_values(level)
            is_time = isinstance(values, pd.DatetimeIndex)
            name = values.name if values.name is not None else "time" if is_time else f"level_{level}"
            yield name, pd.Series(values)
    yield from ((name, frame.iloc[:, position]) for position, name in enumerate(frame.columns))


def _text(name: object) -> str:
    if not isinstance(name, str):
        message = f"a column's name must be text, not {shown(name)}"
        raise InvalidArgumentError(message)
    try:
        name.encode()
    except UnicodeEncodeError as error:
        message = f"a column's name must be valid Unicode, not {name!r}"
        raise InvalidArgumentError(message) from error
    return name


def _column(name: str, series: pd.Series[Any]) -> Array:
    """Copy a column as one of the types that a decoded frame has."""
    if series.dtype == object:
        series = _infer(name, series)
    if isinstance(series.dtype, pd.CategoricalDtype):
        return _category(name, series)
    if pd.api.types.is_string_dtype(series.dtype):
        if isinstance(series.dtype, pd.ArrowDtype) or getattr(series.dtype, "storage", "") == "pyarrow":
            return from_pyarrow(series.array)
        texts = series.to_numpy(dtype=object, na_value=None)  # type: ignore[call-overload] # the stubs lack None
        return _texts(name, texts.tolist())
    missing = series.isna().to_numpy(dtype=bool)
    kind = getattr(series.dtype, "kind", "O")
    values: Any
    if kind in "iu":
        filled = series.array.fillna(0) if missing.any() else series
        format_, values = "l" if kind == "i" else "L", np.asarray(filled, f"{kind}8")
    elif kind == "f":
        format_, values = "g", series.to_numpy(dtype="float64", na_value=np.nan)
    elif kind == "b":
        filled = series.fillna(value=False) if missing.any() else series
        format_, values = "b", np.asarray(filled, dtype=bool)
    elif kind == "M":
        format_, values = "tsn:UTC", _nanoseconds(name, series)
    else:
        raise InvalidArgumentError(refusal(name, series))
    return from_memory(format_, np.ascontiguousarray(values), missing)


def _texts(name: str, texts: list[Any]) -> Array:
    try:
        return Array("U", texts)
    except InvalidArgumentError as error:
        message = f"column {name!r}: {error}"
        raise InvalidArgumentError(message) from error


def _category(name: str, series: pd.Series[Any]) -> Array:
    words, codes = series.cat.categories, series.cat.codes.to_numpy()
    if pd.api.types.infer_dtype(words, skipna=False) not in ("string", "empty"):
        # A null has no place in numpy's integers and booleans; pandas' own cast goes through floats.
        nullable = {"i": "Int64", "u": "UInt64", "b": "boolean"}
        words = words.astype(nullable.get(words.dtype.kind, words.dtype))
        return _column(name, pd.Series(words.array.take(codes, allow_fill=True)))
    missing = codes < 0
    codes = np.where(missing, 0, codes).astype(np.int32)
    nulls = missing.view(np.uint8) if missing.any() else None
    return Array("i", codes.view(np.uint8), nulls, _texts(name, list(words)))


def _infer(name: str, series: pd.Series[Any]) -> pd.Series[Any]:
    """Type a column of Python objects by what all of them are."""
    inferred = pd.api.types.infer_dtype(series, skipna=True)
    target: Any = {
        "boolean": "boolean",
        "empty": "Float64",
        "floating": "Float64",
        "integer": "Int64",
        "string": text_type(),
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
        message = f"column {name!r}: expected times from 1677-09-21 to 2262-04-11, got one outside"
        raise InvalidArgumentError(message) from error
