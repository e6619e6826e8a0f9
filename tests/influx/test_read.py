"""Reads against a real InfluxDB: points written around our own writer, expectations worked out by hand."""

from __future__ import annotations

import json
import math
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from db_core.errors import (
    AmbiguousSeriesError,
    InvalidArgumentError,
    QueryError,
    SchemaConflictError,
)
from db_core.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db_core.frame import Into
    from db_influx import InfluxManager
    from tests.influx.conftest import Peer, Store

START = pd.Timestamp("2026-01-01T00:00:00Z")
STOP = pd.Timestamp("2026-01-02T00:00:00Z")
T0 = 1_767_225_600_000_000_000  # START
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def times(*nanos: int, tz: str = "UTC") -> pd.DatetimeIndex:
    """Give the index of a read with these times."""
    index = pd.DatetimeIndex(np.array(nanos, "M8[ns]"), name="time").tz_localize("UTC")
    return index.tz_convert(tz)


def levels(*rows: tuple[Any, ...], names: Sequence[str]) -> pd.MultiIndex:
    """Give the index of a read with these tags and times; the last of a row is its time."""
    columns = [pd.Index([row[place] for row in rows], dtype="str") for place in range(len(names))]
    return pd.MultiIndex.from_arrays([*columns, times(*(row[-1] for row in rows))], names=[*names, "time"])


# --- Windows ------------------------------------------------------------------


def test_windows_are_ten_minutes_means_labelled_by_their_stop(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """Without more words a read gives the mean of ten minutes, at the end of them."""
    store.write(*(f"{msname} v={minute} {T0 + minute * MINUTE}" for minute in range(30)))

    got = manager.read(START, STOP, msname, ["v"], store.name)

    expected = pd.DataFrame(
        {"v": [4.5, 14.5, 24.5]}, index=times(T0 + 10 * MINUTE, T0 + 20 * MINUTE, T0 + 30 * MINUTE)
    )
    assert_frame_equal(expected, got)


def test_a_window_can_be_labelled_by_its_start(manager: InfluxManager, store: Store, msname: str) -> None:
    """`label="start"` puts the value of [00:10, 00:20) at 00:10."""
    store.write(f"{msname} v=1 {T0 + 10 * MINUTE}", f"{msname} v=3 {T0 + 20 * MINUTE - 1}")

    got = manager.read(START, STOP, msname, "v", store.name, label="start")

    assert_frame_equal(pd.DataFrame({"v": [2.0]}, index=times(T0 + 10 * MINUTE)), got)


@pytest.mark.parametrize("label", ["stop", "start"])
def test_windows_cut_by_the_range_keep_its_edges(
    manager: InfluxManager, store: Store, msname: str, label: str
) -> None:
    """Windows stand on round times; the first and the last end where the range does."""
    store.write(*(f"{msname} v=1 {T0 + minute * MINUTE}" for minute in (29, 31, 59, 61, 80, 81)))

    got = manager.read(
        START + pd.Timedelta(minutes=30),
        START + pd.Timedelta(minutes=81),
        msname,
        "v",
        store.name,
        interval="1h",
        agg_func="sum",
        label=label,  # type: ignore[arg-type]
    )

    edges = {"start": (30, 60), "stop": (60, 81)}[label]
    assert_frame_equal(
        pd.DataFrame({"v": [2.0, 2.0]}, index=times(*(T0 + edge * MINUTE for edge in edges))), got
    )


VALUES = [1.0, 2.0, 4.0, 4.0]
MEAN = statistics.fmean(VALUES)
MOMENT = [sum((value - MEAN) ** power for value in VALUES) / len(VALUES) for power in range(4)]


@pytest.mark.parametrize(
    ("agg_func", "expected"),
    [
        ("count", 4),
        ("first", 1.0),
        ("last", 4.0),
        ("max", 4.0),
        ("mean", MEAN),
        ("median", statistics.median(VALUES)),
        ("min", 1.0),
        ("mode", statistics.mode(VALUES)),
        ("skew", MOMENT[3] / MOMENT[2] ** 1.5),
        ("spread", 3.0),
        ("stddev", statistics.stdev(VALUES)),
        ("sum", 11.0),
    ],
)
def test_every_aggregate_is_what_its_name_says(
    manager: InfluxManager, store: Store, msname: str, agg_func: str, expected: float
) -> None:
    """Each function agrees with Python's statistics; a count is an integer."""
    store.write(*(f"{msname} v={value} {T0 + place}" for place, value in enumerate(VALUES)))

    got = manager.read(START, STOP, msname, "v", store.name, None, "1h", agg_func)

    assert times(T0 + HOUR).equals(got.index)
    assert ("int64" if agg_func == "count" else "float64") == got["v"].dtype
    assert expected == pytest.approx(got["v"].iloc[0], rel=1e-12)


def test_an_interval_may_be_a_timedelta(manager: InfluxManager, store: Store, msname: str) -> None:
    """Ninety seconds are ninety seconds, and a millisecond is one."""
    store.write(f"{msname} v=1 {T0 + 80 * SECOND}", f"{msname} v=2 {T0 + 100 * SECOND}")

    got = manager.read(START, STOP, msname, "v", store.name, interval=timedelta(seconds=90))
    fine = manager.read(START, STOP, msname, "v", store.name, interval=timedelta(milliseconds=1))

    assert_frame_equal(pd.DataFrame({"v": [1.0, 2.0]}, index=times(T0 + 90 * SECOND, T0 + 180 * SECOND)), got)
    expected = times(T0 + 80 * SECOND + 1_000_000, T0 + 100 * SECOND + 1_000_000)
    assert_frame_equal(pd.DataFrame({"v": [1.0, 2.0]}, index=expected), fine)


def test_windows_without_points_are_left_out_or_null(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """`create_empty` makes every window a row; integers, booleans and text stay what they are."""
    store.write(*(f'{msname} n={n}i,u={n}u,b=true,s="{n}" {T0 + n * HOUR}' for n in (0, 2)))
    span = (START, START + pd.Timedelta(hours=3), msname, ["n", "u", "b", "s"], store.name)

    sparse = manager.read(*span, interval="1h", agg_func="last")
    full = manager.read(*span, interval="1h", agg_func="last", create_empty=True)

    assert [T0 + HOUR, T0 + 3 * HOUR] == sparse.index.asi8.tolist()
    expected = pd.DataFrame(
        {
            "n": pd.array([0, None, 2], "Int64"),
            "u": pd.array([0, None, 2], "UInt64"),
            "b": pd.array([True, None, True], "boolean"),
            "s": pd.array(["0", None, "2"], "str"),
        },
        index=times(T0 + HOUR, T0 + 2 * HOUR, T0 + 3 * HOUR),
    )
    assert_frame_equal(expected, full)


def test_a_range_includes_its_start_and_not_its_stop(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """A point at `start` counts, a point at `stop` does not, to the nanosecond."""
    store.write(*(f"{msname} v={offset} {T0 + offset}" for offset in (-1, 0, 1, 2)))

    got = manager.read(START, START + pd.Timedelta(2, "ns"), msname, "v", store.name, interval=None)

    assert_frame_equal(pd.DataFrame({"v": [0.0, 1.0]}, index=times(T0, T0 + 1)), got)


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 1, tzinfo=UTC)),
        (datetime(2026, 1, 1), datetime(2026, 1, 1, 1)),  # noqa: DTZ001
        (datetime(2026, 1, 1, 9, tzinfo=ZoneInfo("Asia/Tokyo")), datetime(2026, 1, 1, 1, tzinfo=UTC)),
        ("2026-01-01", "2026-01-01T01:00"),
        ("2025-12-31T19:00:00-05:00", "2026-01-01T00:59:59.999999999Z"),
        (pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-01T01:00", tz="UTC")),
    ],
)
def test_an_instant_can_be_said_in_many_ways(
    manager: InfluxManager, store: Store, msname: str, start: Any, stop: Any
) -> None:
    """Aware, naive (UTC), text and pandas all name the same hour."""
    store.write(f"{msname} v=1 {T0 - 1}", f"{msname} v=2 {T0}", f"{msname} v=3 {T0 + HOUR}")

    got = manager.read(start, stop, msname, "v", store.name, interval=None)

    assert_frame_equal(pd.DataFrame({"v": [2.0]}, index=times(T0)), got)


def test_a_negative_timedelta_counts_back_from_now(manager: InfluxManager, store: Store, msname: str) -> None:
    """The last hour holds the point of half an hour ago, not that of two hours ago."""
    now = time.time_ns()
    store.write(f"{msname} v=1 {now - 2 * HOUR}", f"{msname} v=2 {now - HOUR // 2}")

    got = manager.read(timedelta(hours=-1), timedelta(0), msname, "v", store.name, interval=None)

    assert_frame_equal(pd.DataFrame({"v": [2.0]}, index=times(now - HOUR // 2)), got)


# --- Local time ---------------------------------------------------------------


@pytest.mark.parametrize("label", ["start", "stop"])
@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 15), 24)])
def test_days_begin_at_local_midnight(
    manager: InfluxManager, store: Store, msname: str, day: tuple[int, int, int], hours: int, label: str
) -> None:
    """In Lisbon a day has 23, 24 or 25 hours, and one window whatever it has."""
    lisbon = ZoneInfo("Europe/Lisbon")
    midnights = [datetime(*day, tzinfo=lisbon) + timedelta(days=offset) for offset in (-1, 0, 1, 2)]
    nanos = [int(midnight.timestamp()) * SECOND for midnight in midnights]
    store.write(*(f"{msname} v=1 {at}" for at in range(nanos[0], nanos[3], HOUR)))

    got = manager.read(
        midnights[0],
        midnights[3],
        msname,
        "v",
        store.name,
        interval="1d",
        agg_func="count",
        tz="Europe/Lisbon",
        label=label,  # type: ignore[arg-type]
    )

    labels = nanos[:3] if label == "start" else nanos[1:]
    assert_frame_equal(pd.DataFrame({"v": [24, hours, 24]}, index=times(*labels, tz="Europe/Lisbon")), got)


def test_a_zone_can_be_the_managers_and_an_object(
    make_manager: Callable[..., InfluxManager], store: Store, msname: str
) -> None:
    """A manager's `tz` holds for each call that has none; the zone shows in every kind of frame."""
    store.write(f"{msname} v=1 {T0}")
    tokyo = make_manager(tz=ZoneInfo("Asia/Tokyo"))
    span = (START, STOP, msname, "v", store.name)

    # Midnight UTC is nine in the morning in Tokyo, whose day ends at 15:00 UTC.
    windows = tokyo.read(*span, interval="1d")
    raw = tokyo.read(*span, interval=None, tz="America/New_York")
    frame = tokyo.read(*span, interval=None, into="polars")
    table = tokyo.read(*span, interval=None, into="arrow")

    assert_frame_equal(pd.DataFrame({"v": [1.0]}, index=times(T0 + 15 * HOUR, tz="Asia/Tokyo")), windows)
    assert_frame_equal(pd.DataFrame({"v": [1.0]}, index=times(T0, tz="America/New_York")), raw)
    assert pl.Datetime("ns", "Asia/Tokyo") == frame.schema["time"]
    assert datetime(2026, 1, 1, 9, tzinfo=ZoneInfo("Asia/Tokyo")) == frame["time"][0]
    assert pa.timestamp("ns", "Asia/Tokyo") == table.schema.field("time").type


def test_months_and_weeks_follow_the_calendar(manager: InfluxManager, store: Store, msname: str) -> None:
    """A month's window ends where the next month begins, whatever its length."""
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    store.write(*(f"{msname} v=1 {T0 + day * DAY}" for day in range(90)))

    got = manager.read(begin, end, msname, "v", store.name, interval="1mo", agg_func="count", label="start")

    starts = [datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3)]
    index = times(*(int(start.timestamp()) * SECOND for start in starts))
    assert_frame_equal(pd.DataFrame({"v": [31, 28, 31]}, index=index), got)


# --- Shape --------------------------------------------------------------------


def test_columns_are_the_fields_asked_in_the_order_asked(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """A field that was never written is a column of nulls; one that was not asked for is none."""
    store.write(f"{msname} a=1i,b=2i,c=3i {T0}")

    fields = ["c", "never", "a"]
    got = manager.read(START, STOP, msname, fields, store.name, interval=None, missing="ignore")

    expected = pd.DataFrame({"c": [3], "never": [math.nan], "a": [1]}, index=times(T0))
    assert_frame_equal(expected, got)


def test_rows_are_the_union_of_the_fields_times(manager: InfluxManager, store: Store, msname: str) -> None:
    """Where a field has no point at a time its cell is null, in a type that keeps the others exact."""
    big = 2**53 + 1
    store.write(f"{msname} a={big}i {T0}", f"{msname} b={big}u {T0 + 1}", f"{msname} a={-big}i {T0 + 2}")

    got = manager.read(START, STOP, msname, ["a", "b"], store.name, interval=None)

    expected = pd.DataFrame(
        {"a": pd.array([big, None, -big], "Int64"), "b": pd.array([None, big, None], "UInt64")},
        index=times(T0, T0 + 1, T0 + 2),
    )
    assert_frame_equal(expected, got)


@pytest.mark.parametrize("interval", [None, "1h"])
def test_nothing_found_is_the_same_shape_without_rows(
    manager: InfluxManager, store: Store, msname: str, interval: str | None
) -> None:
    """An empty read has the columns, the index and the types of a full one, in each library."""
    span = (START, STOP, msname, ["a", "b"], store.name)

    got = manager.read(*span, interval=interval, missing="ignore")
    frame = manager.read(*span, interval=interval, into="polars", missing="ignore")
    table = manager.read(*span, interval=interval, into="arrow", missing="ignore")

    assert_frame_equal(pd.DataFrame({"a": [], "b": []}, index=times(), dtype="float64"), got)
    schema = {"time": pl.Datetime("ns", "UTC"), "a": pl.Float64, "b": pl.Float64}
    assert schema == dict(frame.schema)
    assert 0 == frame.height
    assert pa.timestamp("ns", "UTC") == table.schema.field("time").type
    assert (0, ["time", "a", "b"]) == (table.num_rows, table.column_names)


def test_the_tags_that_differ_are_index_levels(manager: InfluxManager, store: Store, msname: str) -> None:
    """Of three tags one is the same everywhere and no level; rows are sorted by tags, then time."""
    store.write(
        f"{msname},house=h2,meter=m1,site=x v=3 {T0}",
        f"{msname},house=h1,meter=m2,site=x v=2 {T0 + 1}",
        f"{msname},house=h1,meter=m2,site=x v=1 {T0}",
        f"{msname},house=h1,meter=m10,site=x v=0 {T0}",
    )

    got = manager.read(START, STOP, msname, "v", store.name, interval=None)

    index = levels(
        ("h1", "m10", T0),
        ("h1", "m2", T0),
        ("h1", "m2", T0 + 1),
        ("h2", "m1", T0),
        names=["house", "meter"],
    )
    assert_frame_equal(pd.DataFrame({"v": [0.0, 1.0, 2.0, 3.0]}, index=index), got)


def test_one_series_has_a_plain_index_of_times(manager: InfluxManager, store: Store, msname: str) -> None:
    """A tag that all rows share tells nothing apart: the index is a DatetimeIndex, sorted."""
    store.write(f"{msname},meter=m1 v=2 {T0 + 1}", f"{msname},meter=m1 v=1 {T0}")

    got = manager.read(START, STOP, msname, "v", store.name, interval=None)

    assert_frame_equal(pd.DataFrame({"v": [1.0, 2.0]}, index=times(T0, T0 + 1)), got)


def test_a_series_without_the_tag_has_a_null_in_its_level(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """An absent tag is null and comes first; it is not mixed up with another series."""
    store.write(f"{msname},meter=m1 v=1 {T0}", f"{msname} v=2 {T0}")

    got = manager.read(START, STOP, msname, "v", store.name, interval=None)
    frame = manager.read(START, STOP, msname, "v", store.name, interval=None, into="polars")

    assert [2.0, 1.0] == got["v"].tolist()
    assert [True, False] == got.index.get_level_values("meter").isna().tolist()
    assert [None, "m1"] == frame["meter"].to_list()


def test_by_names_the_levels(manager: InfluxManager, store: Store, msname: str) -> None:
    """`by` takes tags that do not differ, too, in its own order."""
    store.write(f"{msname},house=h,meter=m2 v=2 {T0}", f"{msname},house=h,meter=m1 v=1 {T0}")

    got = manager.read(START, STOP, msname, "v", store.name, interval=None, by=["meter", "house"])

    index = levels(("m1", "h", T0), ("m2", "h", T0), names=["meter", "house"])
    assert_frame_equal(pd.DataFrame({"v": [1.0, 2.0]}, index=index), got)


def test_by_takes_one_name_as_it_is(manager: InfluxManager, store: Store, msname: str) -> None:
    """A text is one tag, not a list of letters."""
    store.write(f"{msname},meter=m2 v=2 {T0}", f"{msname},meter=m1 v=1 {T0}")

    got = manager.read(START, STOP, msname, "v", store.name, interval=None, by="meter")

    assert ["meter", "time"] == list(got.index.names)


def test_by_that_lets_values_meet_is_an_error(manager: InfluxManager, store: Store, msname: str) -> None:
    """Two meters in one house at one time: `by=["house"]` has no cell for both, and says which tag would."""
    store.write(f"{msname},house=h,meter=m2 v=2 {T0}", f"{msname},house=h,meter=m1 v=1 {T0}")

    with pytest.raises(AmbiguousSeriesError, match="meter"):
        manager.read(START, STOP, msname, "v", store.name, interval=None, by=["house"])


def test_an_empty_by_insists_on_one_series(manager: InfluxManager, store: Store, msname: str) -> None:
    """`by=[]` fails where two series answer, even at different times, and is a plain index for one."""
    store.write(f"{msname},meter=m2 v=2 {T0}", f"{msname},meter=m1 v=1 {T0 + 1}")

    with pytest.raises(AmbiguousSeriesError, match="meter"):
        manager.read(START, STOP, msname, "v", store.name, interval=None, by=[])

    got = manager.read(START, STOP, msname, "v", store.name, {"meter": "m1"}, interval=None, by=[])
    assert_frame_equal(pd.DataFrame({"v": [1.0]}, index=times(T0 + 1)), got)


def test_polars_and_arrow_lead_with_the_tags_and_the_time(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """What is an index in pandas are the first columns elsewhere; nulls are nulls and integers integers."""
    store.write(f"{msname},meter=b n=1i {T0}", f'{msname},meter=a n=2i,s="x" {T0}')

    frame = manager.read(START, STOP, msname, ["n", "s"], store.name, interval=None, into="polars")
    table = manager.read(START, STOP, msname, ["n", "s"], store.name, interval=None, into="arrow")

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    expected = {"meter": ["a", "b"], "time": [moment, moment], "n": [2, 1], "s": ["x", None]}
    assert expected == frame.to_dict(as_series=False)
    assert isinstance(frame, pl.DataFrame)
    assert pl.Int64 == frame.schema["n"]
    assert isinstance(table, pa.Table)
    assert ["meter", "time", "n", "s"] == table.column_names
    assert [2, 1] == table["n"].to_pylist()
    assert ["x", None] == table["s"].to_pylist()


def test_a_manager_keeps_its_kind_of_frame(
    make_manager: Callable[..., InfluxManager], store: Store, msname: str
) -> None:
    """`into` of the manager holds for each read that has none of its own."""
    store.write(f"{msname} v=1 {T0}")
    manager = make_manager(into="polars")
    span = (START, STOP, msname, "v", store.name)

    assert isinstance(manager.read(*span), pl.DataFrame)
    assert isinstance(manager.read(*span, into="pandas"), pd.DataFrame)
    assert isinstance(manager.read_all_fields(START, STOP, msname, store.name), pl.DataFrame)
    assert isinstance(manager.read_accumulated_value(*span, 10), pl.DataFrame)
    assert isinstance(manager.query("buckets()"), pl.DataFrame)


def test_a_field_with_a_tags_name_is_kept_apart(manager: InfluxManager, store: Store, msname: str) -> None:
    """Both fit into pandas; polars and Arrow can't, and say so instead of dropping one."""
    store.write(f"{msname},v=a v=1 {T0}", f"{msname},v=b v=2 {T0}")

    got = manager.read(START, STOP, msname, "v", store.name, interval=None)

    expected = pd.DataFrame({"v": [1.0, 2.0]}, index=levels(("a", T0), ("b", T0), names=["v"]))
    assert_frame_equal(expected, got)
    with pytest.raises(InvalidArgumentError, match="'v' would name two columns"):
        manager.read(START, STOP, msname, "v", store.name, interval=None, into="polars")


@pytest.mark.parametrize("field", ["_value", "_time", "_field", "_measurement", "_start", "result", "table"])
def test_a_field_may_have_the_name_of_a_column_of_the_answer(
    manager: InfluxManager, store: Store, msname: str, field: str
) -> None:
    """Fields named like Flux's own columns are read as any other."""
    store.write(f"{msname},k=a {field}=1.5 {T0}", f"{msname},k=b {field}=2.5 {T0}")

    got = manager.read(START, STOP, msname, field, store.name, interval=None)

    index = levels(("a", T0), ("b", T0), names=["k"])
    assert_frame_equal(pd.DataFrame({field: [1.5, 2.5]}, index=index), got)
    assert {field: 1.5} == manager.read_last_data_point(store.name, msname, field, {"k": "a"})


@pytest.mark.parametrize("tag", ["result", "table", "error", "reference", "_x"])
def test_a_tag_may_have_the_name_of_a_column_of_the_answer(
    manager: InfluxManager, store: Store, msname: str, tag: str
) -> None:
    """Each method keeps such a tag apart from the answer's own columns."""
    store.write(f"{msname},{tag}=a v=1 {T0}", f"{msname},{tag}=b v=2 {T0}")
    index = levels(("a", T0), ("b", T0), names=[tag])
    span = (START, STOP, msname, "v", store.name)

    assert_frame_equal(pd.DataFrame({"v": [1.0, 2.0]}, index=index), manager.read(*span, interval=None))
    assert_frame_equal(
        pd.DataFrame({"v": [2.0]}, index=times(T0)), manager.read(*span, {tag: "b"}, interval=None)
    )
    assert_frame_equal(
        pd.DataFrame({"v": [1.0, 2.0]}, index=index),
        manager.read_all_fields(START, STOP, msname, store.name),
    )
    assert {"v": 2.0} == manager.read_last_data_point(store.name, msname, "v", {tag: "b"})


# --- Slices ---------------------------------------------------------------------


@pytest.mark.parametrize("max_parallel", [1, 2, 3, 7])
def test_slices_give_what_one_query_gives(
    manager: InfluxManager, store: Store, msname: str, max_parallel: int
) -> None:
    """However a long read is cut, each point comes once: also those at the cuts and beside them."""
    stop = T0 + 8 * DAY
    cuts = {T0 + 8 * DAY * cut // count for count in (2, 3, 4, 7) for cut in range(count + 1)}
    nanos = sorted({at + beside for at in cuts for beside in (-1, 0, 1)})
    store.write(*(f"{msname},k={at % 3} n={at}i {at}" for at in nanos))

    span = (START, pd.Timestamp(stop, tz="UTC"), msname)
    got = manager.read(*span, "n", store.name, interval=None, max_parallel=max_parallel)
    everything = manager.read_all_fields(*span, store.name, max_parallel=max_parallel)

    kept = [at for at in nanos if T0 <= at < stop]
    expected = sorted((str(at % 3), at) for at in kept)
    index = levels(*expected, names=["k"])
    assert_frame_equal(pd.DataFrame({"n": [at for _, at in expected]}, index=index), got)
    assert_frame_equal(got, everything)


# --- Tags ---------------------------------------------------------------------


def test_values_of_one_series_reach_pandas_where_they_were_decoded(
    manager: InfluxManager, store: Store, msname: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither framing nor handing over copies them."""
    store.write(*(f"{msname} v={minute} {T0 + minute * MINUTE}" for minute in range(30)))
    decoded = []
    release = Frame.release

    def watched(frame: Frame, into: Into) -> Any:
        decoded.append(pa.table(frame)["v"].chunk(0).buffers()[1].address)
        return release(frame, into)

    monkeypatch.setattr(Frame, "release", watched)

    values = manager.read(START, STOP, msname, "v", store.name, interval=None)["v"].to_numpy()

    assert decoded == [values.__array_interface__["data"][0]]


def test_tags_select_series_by_one_value_or_several(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """Values of one tag are alternatives; several tags must all hold."""
    store.write(
        *(
            f"{msname},house={house},meter={meter} v={house}{meter} {T0}"
            for house in (1, 2)
            for meter in (1, 2, 3)
        )
    )

    def read(tags: Any) -> list[float]:
        frame = manager.read(START, STOP, msname, "v", store.name, tags, interval=None)
        return list(frame["v"])

    assert [11, 12, 13, 21, 22, 23] == read(None) == read({})
    assert [11, 12, 13] == read({"house": "1"})
    assert [11, 13, 21, 23] == read({"meter": ["1", "3"]})
    assert [23] == read({"house": ["2"], "meter": ("3",)})
    with pytest.warns(UserWarning, match="no tag 'house' with the value '3'.*there is '1' or '2'"):
        assert [] == read({"house": "3"})


def test_thousands_of_tag_values_can_be_asked_for(manager: InfluxManager, store: Store, msname: str) -> None:
    """A list of 3,000 meters finds the three that there are."""
    store.write(*(f"{msname},meter=m{number} v={number} {T0}" for number in (5, 1_500, 2_999, 4_000)))

    got = manager.read(
        START, STOP, msname, "v", store.name, {"meter": [f"m{n}" for n in range(3_000)]}, interval=None
    )

    assert [1_500.0, 2_999.0, 5.0] == got["v"].tolist()


# --- Types --------------------------------------------------------------------


def test_values_keep_their_types(manager: InfluxManager, store: Store, msname: str) -> None:
    """The edges of each type survive, bit by bit, as do nanoseconds, commas, quotes and line breaks."""
    store.write(
        f'{msname} f=1e-308,i=9223372036854775807i,u=18446744073709551615u,b=true,s="a,\\"b\\"\nc" {T0 + 1}',
        f'{msname} f=-0.1,i=-9223372036854775808i,u=0u,b=false,s="" {T0 + 999_999_999}',
        f'{msname} f=1.7976931348623157e308,i=9007199254740993i,u=9007199254740993u,b=true,s="é" '
        f"{T0 + 2 * SECOND}",
    )

    got = manager.read(START, STOP, msname, ["f", "i", "u", "b", "s"], store.name, interval=None)

    expected = pd.DataFrame(
        {
            "f": [1e-308, -0.1, 1.7976931348623157e308],
            "i": np.array([2**63 - 1, -(2**63), 2**53 + 1], "int64"),
            "u": np.array([2**64 - 1, 0, 2**53 + 1], "uint64"),
            "b": [True, False, True],
            "s": pd.array(['a,"b"\nc', "", "é"], "str"),
        },
        index=times(T0 + 1, T0 + 999_999_999, T0 + 2 * SECOND),
    )
    assert_frame_equal(expected, got, check_exact=True)


# A field may have another type in each shard, of a week. A query that spans both gets the series of one type
# only, so such a read is cut where shards begin.
LATER = T0 + 8 * DAY


@pytest.mark.parametrize("max_parallel", [1, 4])
def test_an_integer_field_that_is_a_float_elsewhere_becomes_one_where_exact(
    manager: InfluxManager, store: Store, msname: str, max_parallel: int
) -> None:
    """2^53 is a float64 exactly, so both series meet in one column."""
    store.write(f"{msname},k=a v={2**53}i {T0}")
    store.write(f"{msname},k=b v=0.5 {LATER}")
    span = (START, START + pd.Timedelta(days=9), msname, "v", store.name)

    got = manager.read(*span, interval=None, max_parallel=max_parallel)

    index = levels(("a", T0), ("b", LATER), names=["k"])
    assert_frame_equal(pd.DataFrame({"v": [2.0**53, 0.5]}, index=index), got)


@pytest.mark.parametrize("max_parallel", [1, 4])
def test_an_integer_that_no_float_holds_is_a_conflict_with_both_named(
    manager: InfluxManager, store: Store, msname: str, max_parallel: int
) -> None:
    """2^53 + 1 would change as a float64: an error that names the field and both series."""
    store.write(f"{msname},k=a v={2**53 + 1}i {T0}")
    store.write(f"{msname},k=b v=0.5 {LATER}")
    span = (START, START + pd.Timedelta(days=9), msname, "v", store.name)

    with pytest.raises(SchemaConflictError) as caught:
        manager.read(*span, interval=None, max_parallel=max_parallel)

    text = str(caught.value)
    assert all(part in text for part in ('"v"', "k=a", "k=b", "9007199254740993")), text


@pytest.mark.parametrize("max_parallel", [1, 4])
def test_text_and_number_in_one_field_are_a_conflict(
    manager: InfluxManager, store: Store, msname: str, max_parallel: int
) -> None:
    """There is no type for both; neither is dropped."""
    store.write(f'{msname},k=a v="x" {T0}')
    store.write(f"{msname},k=b v=0.5 {LATER}")
    span = (START, START + pd.Timedelta(days=9), msname, "v", store.name)

    with pytest.raises(SchemaConflictError, match=r"(?s)k=a.*k=b|k=b.*k=a"):
        manager.read(*span, interval=None, max_parallel=max_parallel)


# --- All fields ---------------------------------------------------------------


def test_all_fields_are_columns_and_so_are_the_tags(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """Fields by name, then tags that are no index level, as categories; points as stored."""
    store.write(
        f"{msname},meter=m1,site=x b=1i,a=1.5 {T0 + 1}",
        f'{msname},meter=m2,site=x c="t" {T0}',
        f"{msname},meter=m2,site=x a=9 {T0 + DAY}",
    )

    got = manager.read_all_fields(START, STOP, msname, store.name)

    expected = pd.DataFrame(
        {
            "a": [1.5, math.nan],
            "b": pd.array([1, None], "Int64"),
            "c": pd.array([None, "t"], "str"),
            "site": pd.Categorical(["x", "x"], categories=pd.Index(["x"], dtype="str")),
        },
        index=levels(("m1", T0 + 1), ("m2", T0), names=["meter"]),
    )
    assert_frame_equal(expected, got)


def test_all_fields_of_chosen_series(manager: InfluxManager, store: Store, msname: str) -> None:
    """`tags` narrows the series, and one series has all its tags as columns."""
    store.write(f"{msname},meter=m1,site=x a=1 {T0}", f"{msname},meter=m2,site=x b=2 {T0}")

    got = manager.read_all_fields(START, STOP, msname, store.name, {"meter": "m2"})
    frame = manager.read_all_fields(START, STOP, msname, store.name, {"meter": "m2"}, into="polars")

    assert ["b", "meter", "site"] == list(got.columns)
    assert [2.0, "m2", "x"] == got.iloc[0].tolist()
    assert ["time", "b", "meter", "site"] == frame.columns


def test_no_fields_found_is_an_empty_frame(manager: InfluxManager, store: Store, msname: str) -> None:
    """A measurement without points has no columns, and still an index of times."""
    got = manager.read_all_fields(START, STOP, msname, store.name, missing="ignore")

    assert (0, 0) == got.shape
    assert times().equals(got.index)


# --- Average of the last seconds ----------------------------------------------


def test_the_average_of_the_last_seconds_is_labelled_with_the_newest_time(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """Points before and after the range do not count; the time is that of the newest point of all fields."""
    now = time.time_ns()
    store.write(
        f"{msname} a=100,b=100 {now - 7200 * SECOND}",
        f"{msname} a=1,b=10 {now - 120 * SECOND}",
        f"{msname} a=2 {now - 60 * SECOND}",
        f"{msname} a=1000 {now + 3600 * SECOND}",
    )

    fields = ["b", "a", "never"]
    got = manager.read_average_value_in_seconds(store.name, msname, fields, 3600, missing="ignore")

    expected = pd.DataFrame({"b": [10.0], "a": [1.5], "never": [math.nan]}, index=times(now - 60 * SECOND))
    assert_frame_equal(expected, got)


def test_the_average_is_one_row_per_series(manager: InfluxManager, store: Store, msname: str) -> None:
    """Each series has its own newest time; integers have a float mean; a timedelta is a length, too."""
    now = time.time_ns()
    store.write(
        f"{msname},meter=a v=1i {now - 50 * SECOND}",
        f"{msname},meter=a v=2i {now - 40 * SECOND}",
        f"{msname},meter=b v=7i {now - 30 * SECOND}",
    )

    got = manager.read_average_value_in_seconds(store.name, msname, "v", timedelta(hours=1))

    index = levels(("a", now - 40 * SECOND), ("b", now - 30 * SECOND), names=["meter"])
    assert_frame_equal(pd.DataFrame({"v": [1.5, 7.0]}, index=index), got)
    one = manager.read_average_value_in_seconds(store.name, msname, "v", 3600, {"meter": "b"})
    assert_frame_equal(pd.DataFrame({"v": [7.0]}, index=times(now - 30 * SECOND)), one)


def test_no_points_in_the_last_seconds_is_no_row(manager: InfluxManager, store: Store, msname: str) -> None:
    """An older point is not averaged, and the frame has its shape."""
    store.write(f"{msname} v=1 {T0}")

    got = manager.read_average_value_in_seconds(store.name, msname, ["v"], 60)

    assert_frame_equal(pd.DataFrame({"v": []}, index=times(), dtype="float64"), got)


def test_text_has_no_average(manager: InfluxManager, store: Store, msname: str) -> None:
    """A field of text has no mean: an error that names it, not an empty frame."""
    store.write(f'{msname} v="x" {time.time_ns() - SECOND}')

    with pytest.raises(InvalidArgumentError, match=f"'v' of '{msname}' is string"):
        manager.read_average_value_in_seconds(store.name, msname, ["v"], 60)


# --- The last point -----------------------------------------------------------


@pytest.mark.parametrize("age", [SECOND, 2 * HOUR, 2 * DAY, 60 * DAY, 50 * 365 * DAY, -365 * DAY])
def test_the_last_point_is_found_however_old(
    manager: InfluxManager, store: Store, msname: str, age: int
) -> None:
    """Seconds, hours, days, months, decades ago, or in the future."""
    at = time.time_ns() - age
    store.write(f"{msname} v=1 {at - 1}", f"{msname} v=2 {at}")

    assert {"v": 2.0} == manager.read_last_data_point(store.name, msname, "v")
    got = manager.read_last_data_point(store.name, msname, "v", with_time=True)
    assert {"v": (pd.Timestamp(at, tz="UTC"), 2.0)} == got
    assert at == got["v"][0].value


def test_each_field_has_its_own_last_point(manager: InfluxManager, store: Store, msname: str) -> None:
    """Fields come in the order asked with their types; one that was never written is absent."""
    now = time.time_ns()
    store.write(
        f'{msname} old={2**53 + 1}i,u={2**64 - 1}u,empty="",b=false,s="a" {now - 400 * DAY}',
        f'{msname} s="b,\\"c\\"" {now - 3 * DAY}',
        f"{msname} new=1.5 {now}",
    )

    fields = ["s", "new", "never", "old", "u", "empty", "b"]
    got = manager.read_last_data_point(store.name, msname, fields, missing="ignore")

    expected = {"s": 'b,"c"', "new": 1.5, "old": 2**53 + 1, "u": 2**64 - 1, "empty": "", "b": False}
    assert list(expected.items()) == list(got.items())
    assert [str, float, int, int, str, bool] == [type(value) for value in got.values()]


def test_the_newest_of_several_series_wins(manager: InfluxManager, store: Store, msname: str) -> None:
    """Over all series, or over those that `tags` leaves."""
    now = time.time_ns()
    days = {"a": 24, "b": 20, "c": 22}
    store.write(*(f"{msname},meter={meter} v={ago}i {now - ago * DAY}" for meter, ago in days.items()))

    assert {"v": 20} == manager.read_last_data_point(store.name, msname, "v")
    assert {"v": 22} == manager.read_last_data_point(store.name, msname, "v", {"meter": ["a", "c"]})
    assert {"v": 24} == manager.read_last_data_point(store.name, msname, "v", {"meter": "a"})
    assert {} == manager.read_last_data_point(store.name, msname, "v", {"meter": "d"}, missing="ignore")


@pytest.mark.parametrize("meter", [["a", "b"], "b", "a"])
def test_the_last_point_where_series_have_two_types_is_a_conflict(
    manager: InfluxManager, store: Store, msname: str, meter: Any
) -> None:
    """One meter's totals were integers and another's are floats now: InfluxDB may not find them all."""
    now = time.time_ns()
    store.write(f"{msname},meter=a v=1i {now - 90 * DAY}")
    store.write(f"{msname},meter=b v=2.5 {now - 60 * DAY}")

    with pytest.raises(SchemaConflictError, match=r"'v'.*float and integer"):
        manager.read_last_data_point(store.name, msname, "v", {"meter": meter})


def test_the_last_point_is_looked_for_step_by_step(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """The last hour, the last day, thirty days, all time; each question is about what was not found yet."""
    found = (
        b"#datatype,string,long,dateTime:RFC3339,double,string\r\n#group,false,false,false,false,true\r\n"
        b"#default,_result,,,,\r\n,result,table,_time,_value,_field\r\n,,0,2026-01-01T00:00:00Z,1,a\r\n\r\n"
    )
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
    server = peer(*(head % (len(text), text) for text in (b"\r\n", found, b"\r\n")))

    got = call_peer(server).read_last_data_point("b", "m", ["a", "never"])

    assert {"a": 1.0} == got
    queries = [json.loads(request.partition(b"\r\n\r\n")[2])["query"] for request in server.requests]
    assert [True, True, False, False] == ['== "a"' in query for query in queries]
    assert [True] * 4 == ['== "never"' in query for query in queries]
    starts = [pd.Timestamp(query.split("start: ")[1].split(",")[0]) for query in queries]
    steps = [pd.Timedelta(hours=1), pd.Timedelta(days=1), pd.Timedelta(days=30)]
    now = starts[0] + steps[0]
    assert [now - step for step in steps] == starts[:3]
    assert 1677 == starts[3].year


# --- Metadata -----------------------------------------------------------------


def test_measurements_and_fields_are_those_of_all_time(manager: InfluxManager, own_store: Store) -> None:
    """What was written in 1990 or for 2100 is listed with the rest, once, sorted."""
    own_store.write(
        "old z=1 631152000000000000",
        "new b=1 4102444800000000000",
        f"now,k=1 a=1,c=2 {time.time_ns()}",
        f"now,k=2 a=1 {time.time_ns()}",
        "now old=1i 631152000000000000",
    )

    assert ["new", "now", "old"] == manager.get_measurements_on_bucket(own_store.name)
    assert ["a", "c", "old"] == manager.get_fields(own_store.name, "now")
    assert ["z"] == manager.get_fields(own_store.name, "old")
    assert [] == manager.get_fields(own_store.name, "never")


def test_an_empty_bucket_has_no_measurements(manager: InfluxManager, own_store: Store) -> None:
    """A bucket that exists and is empty is an empty list, not an error."""
    assert [] == manager.get_measurements_on_bucket(own_store.name)


# --- Free queries -------------------------------------------------------------


def test_a_query_gives_the_union_of_its_tables(manager: InfluxManager) -> None:
    """Rows of all results, whose order is the server's whim; absent cells null, integers integers."""
    got = manager.query(
        'import "array"\n'
        'array.from(rows: [{a: 1, b: "x"}]) |> yield(name: "one")\n'
        'array.from(rows: [{b: "y", c: 2.5}]) |> yield(name: "two")'
    )

    assert ["result", "table"] == list(got.columns[:2])
    expected = pd.DataFrame(
        {
            "a": pd.array([1, None], "Int64"),
            "b": pd.array(["x", "y"], "str"),
            "c": [math.nan, 2.5],
        },
        index=pd.Index(["one", "two"], dtype="str", name="result"),
    )
    found = got.astype({"result": "str"}).set_index("result").sort_index()[["a", "b", "c"]]
    assert_frame_equal(expected, found)


def test_a_query_without_rows_is_an_empty_frame(manager: InfluxManager, store: Store, msname: str) -> None:
    """Nothing found is a frame of no rows in each library."""
    flux = (
        "from(bucket: params.bucket) |> range(start: 2026-01-01T00:00:00Z) "
        "|> filter(fn: (r) => r._measurement == params.name)"
    )
    params = {"bucket": store.name, "name": msname}

    assert 0 == len(manager.query(flux, params))
    assert 0 == manager.query(flux, params, into="polars").height
    assert 0 == manager.query(flux, params, into="arrow").num_rows
    assert [] == manager.query(flux, params, split=True)


CONFLICT = (
    'import "array"\n'
    'array.from(rows: [{v: "text"}]) |> yield(name: "one")\n'
    'array.from(rows: [{v: 2.5}]) |> yield(name: "two")'
)


def test_a_column_with_two_types_is_a_conflict_with_both_tables_named(manager: InfluxManager) -> None:
    """Text and float do not unify: the error names the column, both types and both tables."""
    with pytest.raises(SchemaConflictError) as caught:
        manager.query(CONFLICT)

    text = str(caught.value)
    assert all(part in text for part in ('"v"', "string", "double", "table 0", "table 1")), text


def test_split_gives_one_frame_per_schema(manager: InfluxManager) -> None:
    """What does not unify comes apart; what has one schema stays together."""
    got = manager.query(
        CONFLICT + '\narray.from(rows: [{v: 3.5}]) |> yield(name: "vier")', split=True, into="polars"
    )

    assert [["text"], [2.5, 3.5]] == sorted((sorted(frame["v"].to_list()) for frame in got), key=len)


def test_integers_and_floats_of_a_query_unify_where_exact(manager: InfluxManager) -> None:
    """1 and 2.5 are float64; 2^53 + 1 and 2.5 are a conflict."""
    flux = (
        'import "array"\narray.from(rows: [{v: params.n}]) |> yield(name: "one")\n'
        'array.from(rows: [{v: 2.5}]) |> yield(name: "two")'
    )

    assert [1.0, 2.5] == sorted(manager.query(flux, {"n": 1})["v"])
    with pytest.raises(SchemaConflictError, match="9007199254740993"):
        manager.query(flux, {"n": 2**53 + 1})


def test_a_query_keeps_types(manager: InfluxManager) -> None:
    """Times with nanoseconds and unsigned integers come as what they are."""
    got = manager.query(
        'import "array"\narray.from(rows: [{t: 2026-01-01T00:00:00.000000001Z, u: uint(v: '
        '"18446744073709551615"), b: true, f: 1.5, i: -1, s: "é"}])'
    ).iloc[0]

    assert T0 + 1 == got["t"].value
    assert 2**64 - 1 == got["u"]
    assert (True, 1.5, -1, "é") == (got["b"], got["f"], got["i"], got["s"])


def test_an_error_after_rows_is_an_error(manager: InfluxManager) -> None:
    """The server has sent a whole result with HTTP 200 when the second fails: nothing is returned."""
    flux = (
        'import "array"\n'
        'array.from(rows: [{v: 1}]) |> yield(name: "good")\n'
        'array.from(rows: [{v: 1}]) |> map(fn: (r) => ({v: die(msg: "boom, \\"quoted\\"")})) '
        '|> yield(name: "bad")'
    )

    statuses = set()
    for _ in range(100):  # in one answer of five the bad result comes first
        with pytest.raises(QueryError, match='boom, "quoted"') as caught:
            manager.query(flux)
        statuses.add(caught.value.status)
        if 200 in statuses:
            break

    assert 200 in statuses


@pytest.mark.parametrize(
    ("flux", "message"),
    [
        ("this is |> not flux", "compilation failed"),
        ('import "array"\narray.from(rows: [{v: int(v: "x")}])', "cannot convert"),
        ('from(bucket: "b")', "unbounded"),
    ],
)
def test_a_refused_query_has_the_servers_message_and_code(
    manager: InfluxManager, store: Store, flux: str, message: str
) -> None:
    """An error before the first row has the server's own words, its code and the HTTP status."""
    with pytest.raises(QueryError, match=message) as caught:
        manager.query(flux.replace('"b"', f'"{store.name}"'))

    assert ("invalid", 400) == (caught.value.code, caught.value.status)


# --- Arguments ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "change"),
    [
        ("max_parallel", {"max_parallel": 0}),
        ("start", {"start": "yesterday"}),
        ("start", {"start": STOP}),
        ("start", {"start": timedelta(hours=1)}),
        ("stop", {"stop": 5}),
        ("msname", {"msname": ""}),
        ("msname", {"msname": None}),
        ("fields", {"fields": []}),
        ("fields", {"fields": ["a", ""]}),
        ("fields", {"fields": b"a"}),
        ("bucket", {"bucket": ""}),
        ("bucket", {"bucket": "\ud800"}),
        ("tags", {"tags": "a=b"}),
        ("tags", {"tags": {"_field": "a"}}),
        ("tags", {"tags": {"a": []}}),
        ("tags", {"tags": {"a": 5}}),
        ("tags", {"tags": {"": "a"}}),
        ("interval", {"interval": "10 m"}),
        ("interval", {"interval": "-10m"}),
        ("interval", {"interval": '1h) |> drop(columns: ["v"]'}),
        ("interval", {"interval": timedelta(0)}),
        ("interval", {"interval": 10}),
        ("agg_func", {"agg_func": "derivative"}),
        ("agg_func", {"agg_func": "mean) |> drop("}),
        ("label", {"label": "middle"}),
        ("into", {"into": "excel"}),
        ("tz", {"tz": "Mars/Olympus"}),
        ("tz", {"tz": '"); drop'}),
        ("timeout", {"timeout": 0}),
        ("by", {"by": [""]}),
        ("by", {"by": [5]}),
    ],
)
def test_an_unusable_argument_is_named_before_anything_is_sent(
    make_manager: Callable[..., InfluxManager], argument: str, change: dict[str, Any]
) -> None:
    """Each fault is an InvalidArgumentError that names its argument; no server is asked."""
    manager = make_manager(url="http://127.0.0.1:9", retries=0)  # nothing listens there
    good: dict[str, Any] = {"start": START, "stop": STOP, "msname": "m", "fields": "v", "bucket": "b"}

    with pytest.raises(InvalidArgumentError) as caught:
        manager.read(**good | change)

    assert argument == caught.value.argument
    assert f"`{argument}`" in str(caught.value)
