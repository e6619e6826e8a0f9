"""Times without a zone are in the call's zone: every read that has `start` and `stop`, on a real InfluxDB."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from db_core.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
KOLKATA = "Asia/Kolkata"  # 5:30 before UTC all year
OCTOBER = pd.Timestamp("2026-09-30T18:30Z").value
NOVEMBER = pd.Timestamp("2026-10-31T18:30Z").value

READS: dict[str, Callable[..., Any]] = {
    "read": lambda manager, span, store, msname, tz: manager.read(
        *span, msname, "e", store.name, interval=None, tz=tz
    ),
    "read_all_fields": lambda manager, span, store, msname, tz: manager.read_all_fields(
        *span, msname, store.name, tz=tz
    ),
    "read_batches": lambda manager, span, store, msname, tz: pd.concat(
        list(manager.read_batches(*span, msname, "e", store.name, tz=tz))
    ),
}


def october(store: Store, msname: str) -> None:
    """Store the first and last nanosecond of Kolkata's October, and their neighbours."""
    points = {OCTOBER - 1: 1, OCTOBER: 2, NOVEMBER - 1: 4, NOVEMBER: 8}
    store.write(*(f"{msname} e={value} {time}" for time, value in points.items()))


@pytest.mark.parametrize("by_call", [True, False], ids=["call", "manager"])
@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(
    "span",
    [
        ("2026-10-01", "2026-11-01"),
        ("2026-10-01T00:00:00.000000000", date(2026, 11, 1)),
        (datetime(2026, 10, 1), datetime(2026, 11, 1)),  # noqa: DTZ001 - it is about such
        (pd.Timestamp("2026-10-01"), np.datetime64("2026-11", "M")),
        (np.datetime64("2026-10-01"), "2026-10-31T18:30:00Z"),
    ],
    ids=repr,
)
def test_a_month_without_a_zone_is_the_local_one(
    make_manager: Callable[..., InfluxManager],
    store: Store,
    msname: str,
    span: tuple[Any, Any],
    read: str,
    by_call: bool,  # noqa: FBT001 - a parameter
) -> None:
    """To the nanosecond, whatever spells it, and whether the call names the zone or the manager."""
    october(store, msname)
    manager = make_manager() if by_call else make_manager(tz=KOLKATA)

    frame = READS[read](manager, span, store, msname, KOLKATA if by_call else None)

    assert [2.0, 4.0] == frame["e"].tolist()
    assert "2026-10-01T00:00:00+05:30" == frame.index[0].isoformat()


def test_utc_is_the_zone_where_none_is_named(manager: InfluxManager, store: Store, msname: str) -> None:
    """October of UTC holds the last three points."""
    october(store, msname)

    frame = READS["read"](manager, ("2026-10-01", "2026-11-01"), store, msname, None)

    assert [4.0, 8.0] == frame["e"].tolist()


@pytest.mark.parametrize("seconds", [True, False], ids=["seconds", "minutes"])
def test_consumption_of_a_local_month_is_of_that_month(
    manager: InfluxManager,
    store: Store,
    msname: str,
    seconds: bool,  # noqa: FBT001 - a parameter
) -> None:
    """A meter that uses 1 in each hour uses 744 in October, in one window with the local edge."""
    first = OCTOBER - 48 * HOUR
    store.write(
        *(f"{msname} e={count}i {first + count * HOUR + HOUR // 2}" for count in range(48 + 744 + 48))
    )
    read = manager.read_accumulated_value_in_seconds if seconds else manager.read_accumulated_value

    frame = read("2026-10-01", "2026-11-01", msname, "e", store.name, "1mo", tz=KOLKATA)

    assert [744] == frame["e"].tolist()
    assert "2026-11-01T00:00:00+05:30" == frame.index[0].isoformat()


def test_a_day_on_which_the_clocks_change_is_whole(manager: InfluxManager, store: Store, msname: str) -> None:
    """In Lisbon the 29th of March has 23 hours, and the 25th of October 25; each is one window."""
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25)):
        begin = pd.Timestamp(day, tz="Europe/Lisbon")
        end = begin + pd.DateOffset(days=1)
        times = pd.date_range(begin - pd.Timedelta("3h"), end + pd.Timedelta("3h"), freq="15min")
        store.write(*(f"{msname} e=1 {time.as_unit('ns').value}" for time in times))

        counts = manager.read(
            day,
            date.fromisoformat(day) + timedelta(days=1),
            msname,
            "e",
            store.name,
            interval=pd.offsets.Day(1),
            agg_func="count",
            tz="Europe/Lisbon",
        )

        assert [4 * hours] == counts["e"].tolist()


def test_a_time_that_is_shown_twice_is_the_first_unless_fold_says_otherwise(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """On 25 October Lisbon's clocks show half past one at 0:30 and at 1:30 UTC."""
    for hour in (0, 1):
        store.write(f"{msname} e={hour} {pd.Timestamp(f'2026-10-25T0{hour}:30Z').value}")

    def read(start: datetime) -> list[float]:
        frame = manager.read(start, "2026-10-26", msname, "e", store.name, interval=None, tz="Europe/Lisbon")
        return list(frame["e"])

    assert [0.0, 1.0] == read(datetime(2026, 10, 25, 1, 30))  # noqa: DTZ001
    assert [1.0] == read(datetime(2026, 10, 25, 1, 30, fold=1))  # noqa: DTZ001


@pytest.mark.parametrize("read", READS)
def test_a_time_that_the_clocks_skip_is_refused(
    make_manager: Callable[..., InfluxManager], store: Store, msname: str, read: str
) -> None:
    """Before anything is sent, and by name."""
    manager = make_manager(url="http://127.0.0.1:9", retries=0)  # nothing listens there

    for argument, span in (
        ("start", ("2026-03-29T01:30", "2026-03-30")),
        ("stop", ("2026-03-28", "2026-03-29T01:30")),
    ):
        with pytest.raises(InvalidArgumentError, match="skip") as caught:
            READS[read](manager, span, store, msname, "Europe/Lisbon")
        assert argument == caught.value.argument


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        ("-30d", None, [2.0, 4.0]),
        ("-30d", "now()", [2.0, 4.0]),
        ("-1h30m", None, [4.0]),
        ("-90min", "-30s", [4.0]),
        ("-1mo", None, [2.0, 4.0]),
        ("-2y", "-1h", [1.0, 2.0]),
        (timedelta(days=-30), None, [2.0, 4.0]),
        (np.timedelta64(-30, "D"), np.timedelta64(-1, "m"), [2.0, 4.0]),
        (pd.offsets.Hour(-2), None, [4.0]),
        ("-1h", "2262-01-01", [4.0, 8.0]),
    ],
)
def test_a_range_may_count_back_from_now(
    manager: InfluxManager, store: Store, msname: str, start: Any, stop: Any, expected: list[float]
) -> None:
    """A stop of None is now, so what lies ahead stays out."""
    now = pd.Timestamp.now("UTC").as_unit("ns").value
    ages = {400 * 24: 1, 10 * 24: 2, 1 / 2: 4, -24: 8}  # hours
    store.write(*(f"{msname} e={value} {now - int(age * HOUR)}" for age, value in ages.items()))

    frame = manager.read(start, stop, msname, "e", store.name, interval=None)

    assert expected == frame["e"].tolist()


@pytest.mark.parametrize(
    "interval",
    [
        "15m",
        "15min",
        pd.Timedelta("15min"),
        np.timedelta64(15, "m"),
        pd.offsets.Minute(15),
        timedelta(minutes=15),
    ],
    ids=repr,
)
def test_a_quarter_of_an_hour_may_be_spelled_in_many_ways(
    manager: InfluxManager, store: Store, msname: str, interval: Any
) -> None:
    """In each of the reads that cut windows, and in the one that looks back from now."""
    store.write(*(f"{msname} e={minute} {OCTOBER + minute * 60 * SECOND}" for minute in (0, 14, 15, 40)))
    span = ("2026-09-30T18:30Z", "2026-09-30T19:30Z", msname, "e", store.name)

    windows = manager.read(*span, interval=interval, agg_func="count")
    minutes = manager.read_accumulated_value(*span, interval)
    seconds = manager.read_accumulated_value_in_seconds(*span, interval)

    assert [2, 1, 1] == windows["e"].tolist()
    assert [":45", ":00", ":15"] == [time.strftime(":%M") for time in windows.index]
    assert 40.0 == minutes["e"].sum() == seconds["e"].sum()
    assert [] == list(manager.read_average_value_in_seconds(store.name, msname, "e", interval)["e"])


def test_a_datetime_of_a_query_without_a_zone_is_utc(manager: InfluxManager) -> None:
    """A query has no zone, so that of the manager does not count."""
    frame = manager.query(
        'import "array"\narray.from(rows: [{t: params.t}])',
        {"t": datetime(2026, 10, 1)},  # noqa: DTZ001
    )

    assert [pd.Timestamp("2026-10-01T00:00Z")] == frame["t"].tolist()
