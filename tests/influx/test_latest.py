"""The average of the last seconds, and the last point, on a real InfluxDB."""

from __future__ import annotations

import json
import math
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from db_core.errors import InvalidArgumentError, SchemaConflictError
from tests.influx.expected import DAY, HOUR, SECOND, T0, levels, times

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store
    from tests.peer import Peer


# --- Average of the last seconds ------------------------------------------------


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


# --- The last point -------------------------------------------------------------


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
