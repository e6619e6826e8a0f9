"""The newest values of each series: one row per series, each field's own newest, however old."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pytest

from benchmarks.sent import sent_by
from db_core.errors import AmbiguousSeriesError

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
SECOND = 1_000_000_000
YEAR = 365 * 86_400 * SECOND


def seconds(frame: pd.DataFrame) -> list[int]:
    """Give the times of the rows, in seconds since T0."""
    return ((frame.index.get_level_values("time").astype("int64") - T0) // SECOND).tolist()


def test_each_series_has_a_row_of_each_fields_newest(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """The time of the row is the newest of all; a field that a series never had is null there."""
    store.write(
        f"{msname},meter=A power=1.5,kwh=7i {T0}",
        f"{msname},meter=A power=2.5 {T0 + 10 * SECOND}",
        f"{msname},meter=A power=9.9 {T0 - 20 * YEAR}",
        f"{msname},meter=B power=3.5 {T0 + 5 * SECOND}",
        f"{msname} kwh=1i {T0 + 2 * SECOND}",
    )

    frame = manager.read_last_data_points(store.name, msname, ["power", "kwh"])

    assert ["meter", "time"] == list(frame.index.names)
    rows = dict(zip(frame.index.get_level_values("meter").fillna("none"), seconds(frame), strict=True))
    assert {"none": 2, "A": 10, "B": 5} == rows
    by_meter = frame.droplevel("time")
    by_meter.index = by_meter.index.fillna("none")
    assert [2.5, 3.5] == by_meter.loc[["A", "B"], "power"].tolist()
    assert [7, 1] == by_meter.loc[["A", "none"], "kwh"].tolist()
    assert by_meter.loc["B", "kwh"] is pd.NA
    assert pd.isna(by_meter.loc["none", "power"])


def test_one_series_has_a_plain_index(manager: InfluxManager, store: Store, msname: str) -> None:
    """`tags` choose series as everywhere, and `tz` is the zone of the times."""
    store.write(*(f"{msname},meter={meter} v={place} {T0 + place}" for place, meter in enumerate("ABA")))

    frame = manager.read_last_data_points(store.name, msname, "v", {"meter": "A"}, tz="Asia/Tokyo")

    assert [2.0] == frame["v"].tolist()
    assert isinstance(frame.index, pd.DatetimeIndex)
    assert "Asia/Tokyo" == str(frame.index.tz)
    assert [T0 + 2] == frame.index.astype("int64").tolist()


def test_by_names_the_levels(manager: InfluxManager, store: Store, msname: str) -> None:
    """Fields of several series may share a row; the newest of one field of two series is ambiguous."""
    store.write(
        f"{msname},site=n,unit=kWh kwh=5i {T0}",
        f"{msname},site=n,unit=W power=1.5 {T0 + SECOND}",
        f"{msname},site=s,unit=kWh kwh=6i {T0 + 3 * SECOND}",
    )

    frame = manager.read_last_data_points(store.name, msname, ["kwh", "power"], by="site")
    assert ["n", "s"] == frame.index.get_level_values("site").tolist()
    assert [1, 3] == seconds(frame)
    assert [5, 6] == frame["kwh"].tolist()
    assert 1.5 == frame["power"].iloc[0]
    with pytest.raises(AmbiguousSeriesError, match="site"):
        manager.read_last_data_points(store.name, msname, "kwh", by=[])


def test_types_are_kept(manager: InfluxManager, store: Store, msname: str) -> None:
    """In pandas, polars and Arrow; an empty text is a value, and 2^53+1 survives a null beside it."""
    store.write(
        f'{msname},meter=A n={2**53 + 1}i,u={2**64 - 1}u,x=0.5,s="",b=false {T0}',
        f"{msname},meter=B x=1.5 {T0}",
    )
    asked: Any = (store.name, msname, ["n", "u", "x", "s", "b"])

    frame = manager.read_last_data_points(*asked)
    assert ["Int64", "UInt64", "float64", "str", "boolean"] == [str(kind) for kind in frame.dtypes]
    assert [2**53 + 1, 2**64 - 1, 0.5, "", False] == frame.iloc[0].tolist()
    expected = [2**53 + 1, 2**64 - 1, 0.5, "", False]
    polars = manager.read_last_data_points(*asked, into="polars")
    assert ["meter", "time", "n", "u", "x", "s", "b"] == polars.columns
    assert [pl.Int64, pl.UInt64, pl.Float64, pl.String, pl.Boolean] == polars.dtypes[2:]
    assert expected == list(polars.row(0))[2:]
    assert [None, None, 1.5, None, None] == list(polars.row(1))[2:]
    arrow = manager.read_last_data_points(*asked, into="arrow")
    assert expected == list(arrow.to_pylist()[0].values())[2:]


def test_points_in_the_future_count(manager: InfluxManager, store: Store, msname: str) -> None:
    """As with `read_last_data_point`."""
    future = time.time_ns() + YEAR
    store.write(f"{msname} v=1 {T0}", f"{msname} v=2 {future}")

    frame = manager.read_last_data_points(store.name, msname, "v")

    assert [2.0] == frame["v"].tolist()
    assert [future] == frame.index.astype("int64").tolist()


def test_a_field_that_was_never_written_is_null(manager: InfluxManager, store: Store, msname: str) -> None:
    """It is told, and the others are read; nothing at all is an empty frame of the same columns."""
    store.write(f"{msname} v=1 {T0}")

    with pytest.warns(UserWarning, match="no field 'w'"):
        frame = manager.read_last_data_points(store.name, msname, ["v", "w"])
    assert [1.0] == frame["v"].tolist()
    assert frame["w"].isna().all()
    nothing = manager.read_last_data_points(store.name, f"{msname}-", ["v", "w"], missing="ignore")
    assert (0, ["v", "w"]) == (len(nothing), list(nothing.columns))


def test_ten_thousand_series_are_one_question(manager: InfluxManager, store: Store, msname: str) -> None:
    """Each has its row, by name."""
    count = 10_000
    store.write(
        *(
            f"{msname},meter=m{number:05} v={number}i,w={step} {T0 + step}"
            for number in range(count)
            for step in (0, 1)
        )
    )
    frames = []

    sent = sent_by(
        manager, lambda: frames.append(manager.read_last_data_points(store.name, msname, ["v", "w"]))
    )

    [frame] = frames
    assert 1 == len(sent.queries)
    assert list(range(count)) == frame["v"].tolist()
    assert [1.0] * count == frame["w"].tolist()
    assert [f"m{number:05}" for number in range(count)] == frame.index.get_level_values("meter").tolist()
