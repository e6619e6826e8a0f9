"""Totals that are read on the edge of two windows, on a real InfluxDB: which of the two they count for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db_core.errors import InvalidArgumentError
from tests.influx.meter import HOUR, MINUTE, SECOND, T0, Meter

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store

LISBON = ZoneInfo("Europe/Lisbon")

each_closed = pytest.mark.parametrize("closed", ["right", "left"])
each_label = pytest.mark.parametrize("label", ["start", "stop"])


@pytest.fixture
def meter(store: Store, msname: str) -> Meter:
    """Give a meter without totals yet."""
    return Meter(store, msname)


def register(store: Store, msname: str, shown: dict[datetime, int]) -> None:
    """Store what a register showed."""
    store.write(*(f"{msname} e={total}i {int(at.timestamp()) * SECOND}" for at, total in shown.items()))


@pytest.mark.parametrize(("closed", "used"), [("right", [11, 12, 13]), ("left", [10, 11, 12])])
def test_a_register_read_at_local_midnight_closes_its_day(
    manager: InfluxManager, store: Store, msname: str, closed: Any, used: list[int]
) -> None:
    """In Lisbon 11, 12 and 13 are used on the 5th, 6th and 7th of October."""
    days = [datetime(2026, 10, day, tzinfo=LISBON) for day in (4, 5, 6, 7, 8)]
    register(store, msname, dict(zip(days, [100, 110, 121, 133, 146], strict=True)))

    got = manager.read_accumulated_value(
        "2026-10-04T23:00Z",
        "2026-10-07T23:00Z",
        msname,
        "e",
        store.name,
        "1d",
        closed=closed,
        label="start",
        tz="Europe/Lisbon",
    )

    assert used == got["e"].tolist()
    assert days[1:4] == got.index.tolist()


@pytest.mark.parametrize("tz", ["UTC", "Europe/Lisbon", "America/Sao_Paulo", "Asia/Kolkata"])
@pytest.mark.parametrize(("closed", "used"), [("right", [150, 20]), ("left", [100, 150])])
def test_an_index_read_on_the_first_closes_its_month(
    manager: InfluxManager, store: Store, msname: str, closed: Any, used: list[int], tz: str
) -> None:
    """What September used is September's, by the calendar of the zone."""
    zone = ZoneInfo(tz)
    firsts = [datetime(2026, month, 1, tzinfo=zone) for month in (8, 9, 10, 11)]
    register(store, msname, dict(zip(firsts, [1_000, 1_100, 1_250, 1_270], strict=True)))

    got = manager.read_accumulated_value(
        firsts[1], firsts[3], msname, "e", store.name, "1mo", closed=closed, label="start", tz=tz
    )

    assert used == got["e"].tolist()
    assert firsts[1:3] == got.index.tolist()


@pytest.mark.parametrize(("closed", "used"), [("right", {19: 5, 20: 0}), ("left", {19: 0, 20: 5})])
def test_an_hourly_meter_shows_its_use_in_the_hour_of_it(
    manager: InfluxManager, meter: Meter, closed: Any, used: dict[int, int]
) -> None:
    """It uses 5 kWh from 18:00 to 19:00; windows are labelled by their stop."""
    meter.write([(60 * hour, 105 if hour >= 19 else 100) for hour in range(15, 24)])

    assert list(used.items()) == meter.rows(manager, 20, start=18, closed=closed)


@each_label
@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        # 100 is the last total at or before the start; 110 and 125 are those at the edges.
        ("right", [(10, "ok"), (15, "ok")]),
        # 100 is the first total; 107 and 120 are the last ones before the edges.
        ("left", [(7, "first"), (13, "ok")]),
    ],
)
@pytest.mark.parametrize("gaps", ["book", "spread", "null"])
def test_a_nanosecond_to_either_side_of_an_edge_is_another_window(
    manager: InfluxManager, store: Store, msname: str, closed: Any, expected: list[Any], label: str, gaps: str
) -> None:
    """Of the edges of the range too."""
    shown = {
        T0: 100,
        T0 + 1: 101,
        T0 + HOUR - 1: 107,
        T0 + HOUR: 110,
        T0 + HOUR + 1: 111,
        T0 + 2 * HOUR - 1: 120,
        T0 + 2 * HOUR: 125,
        T0 + 2 * HOUR + 1: 130,
    }
    store.write(*(f"{msname} e={total}i {at}" for at, total in shown.items()))

    rows = Meter(store, msname).rows(manager, 2, closed=closed, label=label, gaps=gaps, quality=True)

    first = 0 if label == "start" else 1
    assert [(first, *expected[0]), (first + 1, *expected[1])] == rows


@pytest.mark.parametrize(
    ("closed", "at", "quality"),
    [
        ("right", 0, "ok"),
        ("right", -59, "ok"),
        ("right", -60, "gap"),
        ("left", -1, "ok"),
        ("left", -60, "ok"),
        ("left", -61, "gap"),
    ],
)
def test_a_total_before_the_range_is_in_the_window_that_it_closes(
    manager: InfluxManager, meter: Meter, closed: Any, at: int, quality: str
) -> None:
    """So one on the farther edge of the window before is a gap, or is none."""
    meter.write([(at, 90), (30, 100)])

    assert [(1, 10, quality)] == meter.rows(manager, 1, closed=closed, quality=True)


@pytest.mark.parametrize(
    ("closed", "gaps", "expected"),
    [
        ("right", "spread", [(1, 10, "ok"), (2, 5, "gap"), (3, 5, "gap"), (4, 5, "gap"), (5, 3, "ok")]),
        (
            "right",
            "null",
            [(1, 10, "ok"), (2, None, "gap"), (3, None, "gap"), (4, None, "gap"), (5, 3, "ok")],
        ),
        ("left", "spread", [(2, 10, "ok"), (3, 5, "gap"), (4, 5, "gap"), (5, 5, "gap")]),
        ("left", "null", [(2, 10, "ok"), (3, None, "gap"), (4, None, "gap"), (5, None, "gap")]),
    ],
)
def test_a_gap_between_totals_on_edges(
    manager: InfluxManager, meter: Meter, closed: Any, gaps: str, expected: list[Any]
) -> None:
    """15 over the three hours from 01:00 to 04:00, or from the hour after."""
    meter.write([(0, 90), (60, 100), (240, 115), (300, 118)])

    rows = meter.rows(manager, 5, closed=closed, gaps=gaps, quality=True)

    assert expected == [row for row in rows if row[2] != "first"]


@each_label
@pytest.mark.parametrize(
    ("closed", "options", "expected"),
    [
        ("right", {"on_reset": "restart"}, [10 + 5, 4 + 3, 1]),
        ("right", {"on_reset": "rollover", "rollover": 120}, [10 + 15, 4 + 3, 1]),
        ("right", {"on_reset": "keep"}, [-95, 7, 1]),
        ("right", {}, [None, 7, 1]),
        ("left", {"on_reset": "restart"}, [10, 5 + 4, 3]),
        ("left", {"on_reset": "rollover", "rollover": 120}, [10, 15 + 4, 3]),
        ("left", {"on_reset": "keep"}, [10, -101, 3]),
        ("left", {}, [10, None, 3]),
    ],
)
def test_a_reset_that_shows_on_an_edge(
    manager: InfluxManager,
    meter: Meter,
    closed: Any,
    options: dict[str, Any],
    expected: list[Any],
    label: str,
) -> None:
    """The points of the windows in doubt are the same windows' points."""
    meter.write([(0, 100), (30, 110), (60, 5), (90, 9), (120, 12), (180, 13)])

    rows = meter.rows(manager, 3, closed=closed, label=label, **options)

    assert expected == [value for _, value in rows]


@each_label
@pytest.mark.parametrize(("most", "used"), [(12, 12), (11.999_999_999, None)])
def test_a_rate_between_totals_on_edges_is_exact(
    manager: InfluxManager, meter: Meter, label: str, most: float, used: int | None
) -> None:
    """An hour lies between them, to the nanosecond."""
    meter.write([(60 * hour, 12 * hour) for hour in range(6)])

    rows = meter.rows(manager, 4, start=1, max_rate=most / 3_600, label=label)

    assert [used] * 3 == [value for _, value in rows]


def test_a_change_of_a_tag_on_an_edge(manager: InfluxManager, meter: Meter) -> None:
    """Two series of one meter may each have a total in the window that the edge closes."""
    meter.write([(-30, 100), (10, 110)], tags=",meter=a,firmware=1")
    meter.write([(60, 112), (120, 125)], tags=",meter=a,firmware=2")

    def read(**options: Any) -> list[int]:
        return list(meter.read(manager, into="polars", by=["meter"], **options)["e"])

    assert [12, 13] == read()
    assert [10, 2, 13] == read(closed="left")


@pytest.mark.parametrize("closed", ["both", None, True])
def test_windows_are_closed_at_one_edge(manager: InfluxManager, closed: Any) -> None:
    """Anything else is refused before anything is asked."""
    for read in (manager.read_accumulated_value, manager.read_accumulated_value_in_seconds):
        with pytest.raises(InvalidArgumentError, match="`closed` must be 'right' or 'left'") as caught:
            read("2026-01-01", "2026-01-02", "m", "e", "nobody-made-this-bucket", 60, closed=closed)
        assert "closed" == caught.value.argument


# --- Any meter, against the definition ----------------------------------------------


def edges(start: int, stop: int, every: str, tz: str) -> list[int]:
    """Give the edges of the windows of a range: its own ends, and the local hours or midnights between."""
    step = timedelta(hours=1) if every == "1h" else timedelta(days=1)
    at = datetime(2026, 3, 20, tzinfo=ZoneInfo(tz))
    inner = []
    while at.year == 2026 and at.month < 5:
        inner.append(int(at.timestamp()) * SECOND)
        # Hours pass in UTC, days on the local clock.
        at = (at.astimezone(ZoneInfo("UTC")) + step).astimezone(at.tzinfo) if every == "1h" else at + step
    return [start, *(edge for edge in inner if start < edge < stop), stop]


SPRING = int(datetime(2026, 3, 28, tzinfo=LISBON).timestamp()) * SECOND


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    moments=st.dictionaries(
        st.tuples(st.integers(0, 80), st.sampled_from([-1, 0, 0, 0, 1, 30 * MINUTE])).map(
            lambda moment: SPRING + moment[0] * HOUR + moment[1]
        ),
        st.integers(0, 9),
        max_size=30,
    ),
    ends=st.lists(
        st.tuples(st.integers(0, 80), st.sampled_from([-1, 0, 0, 0, 1])), min_size=2, max_size=2, unique=True
    ),
    every=st.sampled_from(["1h", "1d"]),
    tz=st.sampled_from(["UTC", "Europe/Lisbon", "Asia/Kathmandu"]),
    closed=st.sampled_from(["right", "left"]),
    label=st.sampled_from(["start", "stop"]),
)
def test_a_window_is_the_last_total_at_its_stop_less_that_at_its_start(
    manager: InfluxManager,
    store: Store,
    moments: dict[int, int],
    ends: list[tuple[int, int]],
    every: str,
    tz: str,
    closed: Literal["right", "left"],
    label: Literal["start", "stop"],
) -> None:
    """L(b) - L(a), where L(t) is the last total at or before t, or before t; clocks change on the 29th."""
    msname = f"m{abs(hash(repr(sorted(moments.items()))))}"
    times, totals = sorted(moments), []
    for time in times:
        totals.append((totals[-1] if totals else 0) + moments[time])
    if times:
        store.write(*(f"{msname} e={total}i {time}" for time, total in zip(times, totals, strict=True)))
    start, stop = sorted(SPRING + hour * HOUR + off for hour, off in ends)
    count = bisect_right if closed == "right" else bisect_left

    expected = []
    for a, b in pairwise(edges(start, stop, every, tz)):
        before, by_then = count(times, a), count(times, b)
        if by_then > before:
            # Without a total up to the start of the range, it counts from its first.
            base = totals[before - 1] if before else totals[0]
            expected.append((a if label == "start" else b, totals[by_then - 1] - base))
    got = manager.read_accumulated_value(
        pd.Timestamp(start, tz="UTC"),
        pd.Timestamp(stop, tz="UTC"),
        msname,
        "e",
        store.name,
        every,
        tz=tz,
        closed=closed,
        label=label,
        into="polars",
        missing="ignore",
    )

    assert expected == list(zip(got["time"].to_physical().to_list(), got["e"].to_list(), strict=True))
