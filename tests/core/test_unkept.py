"""Columns of pandas that a frame can't keep: the error says what they hold and what to convert it to."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from db_core import Frame, InvalidArgumentError


def series(values: Any, dtype: Any = None) -> pd.Series[Any]:
    """Make a column."""
    return pd.Series(values, dtype=dtype)


SECONDS = "a number of seconds, with `.dt.total_seconds()`"
COLUMNS = "text, such as JSON, or to columns of their own"
STAMPS = "a timestamp column, with `pandas.to_datetime`"
DAY = dt.date(2024, 1, 1)
MOMENT = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)

# What a column holds, and what to convert it to.
CONVERTED: dict[str, tuple[pd.Series[Any], str, str]] = {
    "decimals": (series([decimal.Decimal(1), None], object), "decimal.Decimal", "floats, integers or text"),
    "Arrow: decimals": (
        series([decimal.Decimal(1)], pd.ArrowDtype(pa.decimal128(5))),
        "decimal.Decimal",
        "floats, integers or text",
    ),
    "dates": (series([DAY, None], object), "datetime.date", "text or to a timestamp column"),
    "categories of dates": (series([DAY], "category"), "datetime.date", "text or to a timestamp column"),
    "datetimes": (series([MOMENT], object), "datetime.datetime", STAMPS),
    "pandas timestamps": (series([pd.Timestamp(MOMENT)], object), "pandas.Timestamp", STAMPS),
    "times": (series([dt.time(12)], object), "datetime.time", "text"),
    "Arrow: times": (series([dt.time(12)], pd.ArrowDtype(pa.time64("us"))), "datetime.time", "text"),
    "timedelta": (series(pd.to_timedelta([1])), "numpy.timedelta64", SECONDS),
    "Arrow: durations": (
        series([dt.timedelta(1)], pd.ArrowDtype(pa.duration("ns"))),
        "pandas.Timedelta",
        SECONDS,
    ),
    "timedeltas as objects": (series([dt.timedelta(1)], object), "datetime.timedelta", "a number of seconds"),
    "bytes": (series([b"x"], object), "bytes", "text"),
    "lists": (series([[1], None], object), "list", COLUMNS),
    "Arrow: lists": (series([[1]], pd.ArrowDtype(pa.list_(pa.int64()))), "list", COLUMNS),
    "dicts": (series([{"a": 1}], object), "dict", COLUMNS),
    "sets": (series([{1}], object), "set", COLUMNS),
    "tuples": (series([(1, 2)], object), "tuple", COLUMNS),
    "arrays": (series([np.array([1])], object), "numpy.ndarray", COLUMNS),
    "complex": (series([1j]), "numpy.complex128", "two columns of floats, the real and the imaginary parts"),
    "complex as objects": (
        series([1j], object),
        "complex",
        "two columns of floats, the real and the imaginary parts",
    ),
    "period": (series(pd.period_range("2024", periods=1)), "pandas.Period", "text or to a timestamp column"),
    "interval": (
        series(pd.interval_range(0, 1)),
        "pandas.Interval",
        "text, or to two columns, the left and the right ends",
    ),
    "categories of intervals": (
        series(pd.cut([0.5], [0, 1])),
        "pandas.Interval",
        "text, or to two columns, the left and the right ends",
    ),
    "UUIDs": (series([uuid.UUID(int=1)], object), "uuid.UUID", "text"),
}


@pytest.mark.parametrize(("column", "held", "instead"), CONVERTED.values(), ids=CONVERTED)
def test_a_pandas_column_that_can_not_be_kept_is_refused_with_what_to_convert_it_to(
    column: pd.Series[Any], held: str, instead: str
) -> None:
    """The error names the column, the type of its values, and a type that can be kept."""
    with pytest.raises(InvalidArgumentError) as caught:
        Frame.of(pd.DataFrame({"v": column}))

    assert f"Column 'v' holds `{held}` values. Convert them to {instead} first." == str(caught.value)


@pytest.mark.parametrize(
    ("values", "held", "odd"),
    [
        ([1, "a", None], "`int` and `str`", "Row 1 has `str` 'a'"),
        (
            [None, "n/a", 0.5, np.float64(1.5)],
            "`float` and `numpy.float64` and `str`",
            "Row 1 has `str` 'n/a'",
        ),
        (
            [DAY, MOMENT],
            "`datetime.date` and `datetime.datetime`",
            f"Row 1 has `datetime.datetime` {MOMENT!r}",
        ),
        ([True, 1], "`bool` and `int`", "Row 1 has `int` 1"),
        ([1, 2, 0.5], "`float` and `int`", "Row 2 has `float` 0.5"),
        ([decimal.Decimal(1), 0.5, "x"], "`decimal.Decimal` and `float` and `str`", "Row 1 has `float` 0.5"),
    ],
)
def test_a_pandas_column_of_several_types_is_refused(values: list[Any], held: str, odd: str) -> None:
    """The error names all of them, and the first value of another type than most."""
    with pytest.raises(InvalidArgumentError) as caught:
        Frame.of(pd.DataFrame({"v": series(values, object)}))

    expected = f"Column 'v' holds {held} values, and a column holds values of one type. {odd}. Convert all of"
    assert f"{expected} them to one type first." == str(caught.value)


REFUSED: dict[str, tuple[pd.Series[Any], str]] = {
    "integers beyond 64 bits": (series([2**64], object), "64 bits"),
    "half a surrogate pair": (series(["\ud800"], object), "surrogates"),
    "half a surrogate pair, typed": (series(["\ud800"], "string[python]"), "surrogates"),
    "times out of range": (series(np.array(["3000-01-01"], "M8[s]")), "2262"),
}


@pytest.mark.parametrize(("column", "why"), REFUSED.values(), ids=REFUSED)
def test_a_pandas_value_that_can_not_be_kept_is_refused(column: pd.Series[Any], why: str) -> None:
    """The error names the column and what it holds; nothing is turned into something else."""
    with pytest.raises(InvalidArgumentError, match=f"['\"]v['\"].*{why}"):
        Frame.of(pd.DataFrame({"v": column}))
