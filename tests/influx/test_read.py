"""Reads against a real InfluxDB: points written around our own writer, expectations worked out by hand."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from db_core.errors import InvalidArgumentError
from db_core.frame import Frame
from tests.influx.expected import DAY, HOUR, MINUTE, SECOND, START, STOP, T0, levels, times

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_core.frame import Into
    from db_influx import InfluxManager
    from tests.influx.conftest import Store


# --- Windows --------------------------------------------------------------------


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


# --- Local time -----------------------------------------------------------------


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


# --- Tags -----------------------------------------------------------------------


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


# --- Arguments ------------------------------------------------------------------


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
    nowhere: InfluxManager, argument: str, change: dict[str, Any]
) -> None:
    """Each fault is an InvalidArgumentError that names its argument; no server is asked."""
    good: dict[str, Any] = {"start": START, "stop": STOP, "msname": "m", "fields": "v", "bucket": "b"}

    with pytest.raises(InvalidArgumentError) as caught:
        nowhere.read(**good | change)

    assert argument == caught.value.argument
    assert f"`{argument}`" in str(caught.value)
