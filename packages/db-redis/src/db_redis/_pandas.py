"""The rules for pandas' scalars, Series, Index and DataFrame. Imported with the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from db_redis._values import NoJsonForm, iso_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from db_redis._values import Nan, Rule

__all__ = ["RULES"]


def _timedelta(value: Any, _nan: Nan) -> str:
    microseconds = (value.days * 86_400 + value.seconds) * 10**6 + value.microseconds
    return iso_duration(microseconds * 1000 + value.nanoseconds)


def _interval(_value: object, _nan: Nan) -> object:
    raise NoJsonForm("an Interval has no JSON form. Save its two ends")


def _array(values: Any, _nan: Nan = "null") -> list[Any]:
    """List a Series, Index or array. A missing text or category is null, whatever `nan` says."""
    listed: list[Any] = values.tolist()
    if isinstance(values.dtype, pd.StringDtype | pd.CategoricalDtype):
        return [None if missing else value for value, missing in zip(listed, pd.isna(values), strict=True)]
    return listed


def _series(series: Any, _nan: Nan) -> object:
    """Return a dict of labels to values, or a list if the index only counts the rows."""
    if _counts_rows(series.index):
        return _array(series)
    _refuse_twice(series.index, "labels of its index")
    labelled = dict(zip(_labels(series.index), _array(series), strict=True))
    if len(labelled) < len(series):
        raise NoJsonForm("two labels of its index have the same text")
    return labelled


def _frame(frame: Any, _nan: Nan) -> object:
    """Return one dict for each row. The index levels come first, unless the index only counts the rows."""
    names: list[Any] = []
    columns: list[list[Any]] = []
    if not _counts_rows(frame.index):
        for level in range(frame.index.nlevels):
            values = frame.index.get_level_values(level)
            unnamed = "time" if isinstance(values, pd.DatetimeIndex) else f"level_{level}"
            names.append(unnamed if values.name is None else values.name)
            columns.append(_array(values))
    for place, name in enumerate(frame.columns):
        names.append(name)
        columns.append(_array(frame.iloc[:, place]))
    _refuse_twice(pd.Index(names, dtype=object), "columns")
    if not columns:
        return [{} for _ in range(len(frame))]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _counts_rows(index: Any) -> bool:
    return (
        isinstance(index, pd.RangeIndex)
        and index.name is None
        and index.start == 0
        and (index.step == 1 or len(index) == 0)
    )


def _labels(index: Any) -> Iterable[Any]:
    return (label.isoformat() if isinstance(label, pd.Timestamp) else label for label in index)


def _refuse_twice(labels: Any, what: str) -> None:
    if not labels.is_unique:
        twice = labels[labels.duplicated()][0]
        raise NoJsonForm(f"two {what} are named {twice!r}")


RULES: dict[str, Rule] = {
    "Timestamp": lambda value, _nan: value.isoformat(),
    "Timedelta": _timedelta,
    "NaTType": lambda _value, _nan: None,
    "NAType": lambda _value, _nan: None,
    "Period": lambda value, _nan: str(value),
    "Interval": _interval,
    "Series": _series,
    "Index": _array,
    "ExtensionArray": _array,
    "DataFrame": _frame,
}
