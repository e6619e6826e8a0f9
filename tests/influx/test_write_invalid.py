"""Frames and arguments that can't be written: refused before anything is sent."""

from __future__ import annotations

import math
import uuid
from datetime import date, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from db_core.errors import InvalidArgumentError
from tests.influx.frames import INDEX, MOMENTS, objects, pandas_frame, values

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store


NAIVE = pd.DatetimeIndex(["2026-01-01", "NaT"])


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "infinity": (pandas_frame(v=[1.0, math.inf]), {}, '"v", row 1'),
    "minus infinity": (pandas_frame(v=[-math.inf, 1.0]), {}, '"v", row 0'),
    "timedelta": (pandas_frame(v=[timedelta(1)] * 2), {}, "'v' holds `numpy.timedelta64` values"),
    "time as a field": (
        pandas_frame(v=INDEX),
        {},
        "UTC\")) can't be stored; convert them to text or integers",
    ),
    "period": (
        pandas_frame(v=pd.PeriodIndex(["2026-01", "2026-02"], freq="M")),
        {},
        "`pandas.Period` values",
    ),
    "complex": (pandas_frame(v=[1j, 2j]), {}, "'v' holds `numpy.complex128` values"),
    "lists": (pandas_frame(v=objects([1], [2])), {}, "'v' holds `list` values"),
    "bytes": (pandas_frame(v=[b"a", b"b"]), {}, "'v' holds `bytes` values. Convert them to text first"),
    "decimal": (
        pandas_frame(v=[Decimal(1), Decimal(2)]),
        {},
        "Convert them to floats, integers or text first",
    ),
    "dates": (
        pandas_frame(v=[date(2026, 1, 1)] * 2),
        {},
        "Column 'v' holds `datetime.date` values. Convert them to text or to a timestamp column first.",
    ),
    "mixed objects": (pandas_frame(v=[1, "a"]), {}, "'v' holds `int` and `str` values"),
    "integers and booleans": (pandas_frame(v=objects(1, *[True])), {}, "'v' holds `bool` and `int` values"),
    "integer beyond 64 bits": (pandas_frame(v=objects(2**64, 1)), {}, "v"),
    "lone surrogate": (pandas_frame(v=objects("\ud800", "b")), {}, "v"),
    "row without a field": (pandas_frame(v=[1.0, math.nan]), {}, "row 1"),
    "no fields": (pandas_frame(), {}, "row 0"),
    "only tags": (pandas_frame(t=["a", "b"]), {"tag_columns": ["t"]}, "row 0"),
    "NaT": (pd.DataFrame({"v": [1, 2]}, index=NAIVE), {}, "row 1"),
    "RangeIndex": (pd.DataFrame({"v": [1, 2]}), {}, "RangeIndex"),
    "index of text": (pd.DataFrame({"v": [1]}, index=["2026-01-01"]), {}, "DatetimeIndex"),
    "index of dates": (pd.DataFrame({"v": [1]}, index=[date(2026, 1, 1)]), {}, "DatetimeIndex"),
    "time beyond nanoseconds": (
        pd.DataFrame({"v": [1]}, index=pd.DatetimeIndex(["2500-01-01"]).as_unit("s")),
        {},
        "1677-09-21 to 2262-04-11",
    ),
    "level without a name": (
        pd.DataFrame(
            {"v": [1, 2]}, index=pd.MultiIndex.from_arrays([["a", "b"], INDEX], names=[None, "time"])
        ),
        {},
        "name",
    ),
    "time not last": (
        pd.DataFrame(
            {"v": [1, 2]}, index=pd.MultiIndex.from_arrays([INDEX, ["a", "b"]], names=["time", "m"])
        ),
        {},
        "DatetimeIndex",
    ),
    "column name no text": (pd.DataFrame({5: [1, 2]}, index=INDEX), {}, "5"),
    "column twice": (pd.DataFrame([[1, 2], [3, 4]], index=INDEX, columns=["v", "v"]), {}, "v"),
    "field as the time": (pandas_frame(time=[1, 2]), {}, "time"),
    "field named time": (pandas_frame(time=[1, 2]).rename_axis("at"), {}, "time"),
    "times of a column beside those of the index": (
        pandas_frame(at=INDEX, v=[1, 2]).rename_axis(None),
        {"time_column": "at"},
        "`time_column` names 'at', and index level 0 of `data` holds times too. Leave out `time_column`",
    ),
    "field and constant tag of one name": (
        pandas_frame(v=[1, 2], site=[3, 4]),
        {"tags": {"site": "north"}},
        '"site": a field and a constant tag have this name',
    ),
    "time column as a tag": (
        pl.DataFrame({"at": MOMENTS, "v": [1, 2]}),
        {"time_column": "at", "tag_columns": ["at"]},
        '"at": the time column can\'t be a tag',
    ),
    "duplicates": (pandas_frame(v=[1, 2]), {"duplicates": "first"}, "`duplicates` must be 'error' or 'last'"),
    "field without a name": (pandas_frame(**{"": [1, 2]}), {}, "field key"),
    "tag column of floats": (pandas_frame(v=[1, 2], t=[0.5, 1.5]), {"tag_columns": ["t"]}, "t"),
    "tag column missing": (pandas_frame(v=[1, 2]), {"tag_columns": ["t"]}, "t"),
    "tag twice": (pandas_frame(v=[1, 2], t=["a", "b"]), {"tag_columns": ["t"], "tags": {"t": "x"}}, "t"),
    "tag named time": (pandas_frame(v=[1, 2]), {"tags": {"time": "x"}}, "time"),
    "tag named _field": (pandas_frame(v=[1, 2]), {"tags": {"_field": "x"}}, "_field"),
    "tag no text": (pandas_frame(v=[1, 2]), {"tags": {"t": 5}}, "tags"),
    "tags no mapping": (pandas_frame(v=[1, 2]), {"tags": ["t"]}, "tags"),
    "polars without time_column": (pl.DataFrame({"time": MOMENTS, "v": [1, 2]}), {}, "time_column"),
    "time column missing": (pl.DataFrame({"v": [1, 2]}), {"time_column": "at"}, "at"),
    "time column of integers": (
        pl.DataFrame({"at": [1, 2], "v": [1, 2]}),
        {"time_column": "at"},
        '"at": the time column must hold timestamps, not Int64; convert it to timestamps first',
    ),
    "time column of dates": (
        pl.DataFrame({"at": [date(2026, 1, 1)] * 2, "v": [1, 2]}),
        {"time_column": "at"},
        "at",
    ),
    "time column with a null": (
        pl.DataFrame({"at": [MOMENTS[0], None], "v": [1, 2]}),
        {"time_column": "at"},
        '"at", row 1',
    ),
    **{
        f"polars {name}": (
            pl.DataFrame({"at": MOMENTS, "v": pl.Series([value] * 2, dtype=kind)}),
            {"time_column": "at"},
            words,
        )
        for name, value, kind, words in [
            (
                "duration",
                timedelta(1),
                None,
                '"v": durations (Duration(µs)) can\'t be stored; convert them to a',
            ),
            (
                "list",
                [1],
                None,
                '"v": nested values (LargeList(Int64)) can\'t be stored; convert them to text',
            ),
            ("struct", {"a": 1}, None, '"v": nested values'),
            (
                "decimal",
                Decimal("1.5"),
                None,
                "can't be stored; convert them to floats, integers or text first",
            ),
            (
                "date",
                date(2026, 1, 1),
                None,
                '"v": dates (Date32) can\'t be stored; convert them to text first',
            ),
            ("time", time(12), None, '"v": times of day'),
            ("datetime", MOMENTS[0], None, '"v": timestamps other than the point\'s own'),
            ("bytes", b"a", None, '"v": bytes (BinaryView)'),
            ("UUID", uuid.UUID(int=1), pl.Object, '"v": bytes or objects'),
        ]
    },
    "polars infinity": (
        pl.DataFrame({"at": MOMENTS, "v": [1.0, math.inf]}),
        {"time_column": "at"},
        '"v", row 1',
    ),
    "a series": (pd.Series([1, 2], index=INDEX), {}, "data"),
    "a list": ([1, 2], {"time_column": "at"}, "data"),
    "nothing": (None, {"time_column": "at"}, "data"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_is_refused_before_anything_is_sent(
    manager: InfluxManager, store: Store, msname: str, name: str
) -> None:
    """The error names the column and the row, or the argument; no point of the frame is stored."""
    frame, options, named = REFUSED[name]

    with pytest.raises(InvalidArgumentError) as caught:
        manager.synchronous_write(store.name, frame, msname, **options)

    assert named in str(caught.value)
    assert caught.value.argument is not None
    assert [] == store.points(msname)


@pytest.mark.parametrize(
    ("argument", "bucket", "measurement"),
    [("bucket", "", "m"), ("bucket", None, "m"), ("data_frame_measurement_name", "b", "")],
)
def test_the_bucket_and_the_measurement_need_names(
    manager: InfluxManager, argument: str, bucket: Any, measurement: str
) -> None:
    """An empty name, or none, is an error that names its argument."""
    with pytest.raises(InvalidArgumentError) as caught:
        manager.synchronous_write(bucket, pandas_frame(v=[1, 2]), measurement)

    assert argument == caught.value.argument


def test_a_wrong_row_at_the_end_stops_the_first_body(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """All rows are checked before the first body leaves, also where there are several bodies."""
    rows = 200_000
    index = pd.date_range("2026-01-01", periods=rows, freq="s")
    frame = pd.DataFrame({"v": np.arange(rows, dtype=float), "text": "x" * 40}, index=index)
    frame.iloc[-1, 0] = math.inf

    with pytest.raises(InvalidArgumentError, match="row 199999"):
        manager.synchronous_write(store.name, frame, msname)

    assert [] == store.points(msname)


def test_an_index_of_numbers_beside_a_time_column_is_no_field(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """Rows picked from a frame keep their numbers as an index without a name, which is not data."""
    frame = pd.DataFrame({"at": [*INDEX, *INDEX], "v": [1, 2, 3, 4]}).iloc[[0, 3]]

    manager.synchronous_write(store.name, frame, msname, time_column="at")

    assert [(0, "v", "long", 1), (1, "v", "long", 4)] == values(store, msname)
