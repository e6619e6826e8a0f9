"""The rules for polars' Series and DataFrame. This module is imported with the first of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from db_redis._values import NoJsonForm, iso_duration

if TYPE_CHECKING:
    from db_redis._values import Nan, Rule

__all__ = ["RULES"]

_NANOSECONDS = {"ns": 1, "us": 1000, "ms": 10**6}


def _series(series: pl.Series, _nan: Nan) -> object:
    """Return the values of a Series. Times are written as text here, as Python's lose the nanoseconds."""
    kind = series.dtype
    if isinstance(kind, pl.Datetime) and kind.time_unit == "ns":
        if kind.time_zone:
            _check_offsets(series)
        return series.dt.to_string("iso:strict").to_list()
    if isinstance(kind, pl.Time):
        return [_clock(nanoseconds) for nanoseconds in series.to_physical().to_list()]
    if isinstance(kind, pl.Duration):
        factor = _NANOSECONDS[kind.time_unit]
        counts = series.to_physical().to_list()
        return [None if count is None else iso_duration(count * factor) for count in counts]
    if kind.is_nested() and _loses_nanoseconds(kind):
        raise NoJsonForm(f"nanoseconds inside {kind} can't be kept. Unnest it, or explode it")
    return series.to_list()


def _frame(frame: pl.DataFrame, nan: Nan) -> object:
    """Return one dict for each row."""
    columns: list[Any] = [_series(series, nan) for series in frame.get_columns()]
    return [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def _check_offsets(series: pl.Series) -> None:
    """Refuse offsets with seconds, which polars rounds."""
    offsets = series.dt.base_utc_offset() + series.dt.dst_offset()
    if (offsets.dt.total_seconds() % 60 != 0).any():
        raise NoJsonForm(f"{series.dtype} has times whose UTC offset has seconds. Convert them to UTC")


def _clock(nanoseconds: int | None) -> str | None:
    if nanoseconds is None:
        return None
    seconds, fraction = divmod(nanoseconds, 10**9)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if not fraction:
        return text
    microseconds, rest = divmod(fraction, 1000)
    return f"{text}.{fraction:09d}" if rest else f"{text}.{microseconds:06d}"


def _loses_nanoseconds(kind: Any) -> bool:
    if isinstance(kind, pl.Struct):
        return any(_loses_nanoseconds(field.dtype) for field in kind.fields)
    if isinstance(kind, pl.List | pl.Array):
        return _loses_nanoseconds(kind.inner)
    return isinstance(kind, pl.Time) or (
        isinstance(kind, pl.Datetime | pl.Duration) and kind.time_unit == "ns"
    )


RULES: dict[str, Rule] = {"Series": _series, "DataFrame": _frame}
