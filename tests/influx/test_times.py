"""Instants, lengths of time and zones as arguments: compared with pandas and the standard library."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from db_core.errors import InvalidArgumentError
from db_influx import _times

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
SECOND = 1_000_000_000
EARLIEST, LATEST = datetime(1678, 1, 1), datetime(2262, 1, 1)  # noqa: DTZ001

zones: Any = st.timezones() | st.none() | st.just(timezone(timedelta(hours=-3, minutes=-30)))


@given(value=st.datetimes(EARLIEST, LATEST, timezones=zones))
@example(value=datetime(2026, 10, 25, 1, 30, tzinfo=ZoneInfo("Europe/Lisbon"), fold=1))
@example(value=datetime(2026, 10, 25, 1, 30, tzinfo=ZoneInfo("Europe/Lisbon"), fold=0))
@example(value=datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))
def test_a_datetime_is_its_instant(value: datetime) -> None:
    """To the microsecond, before and after 1970, on both sides of a clock change; naive is UTC."""
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    expected = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1_000

    assert expected == _times.instant(value, "start", 0)


@given(nanos=st.integers(-(2**63) + 2, 2**63 - 2), zone=st.sampled_from([None, "UTC", "Asia/Kolkata"]))
@example(nanos=-1, zone=None)
@example(nanos=T0 + 1, zone="UTC")
def test_a_timestamp_keeps_its_nanoseconds(nanos: int, zone: str | None) -> None:
    """A pandas Timestamp is exact over all that InfluxDB can store."""
    try:
        value = pd.Timestamp(nanos, tz="UTC" if zone else None)
        value = value.tz_convert(zone) if zone else value
    except (OverflowError, pd.errors.OutOfBoundsDatetime):
        return  # local time is out of pandas' range

    assert nanos == _times.instant(value, "start", 0)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_timestamp_of_any_unit_is_its_instant(unit: Any) -> None:
    """What is kept in seconds is as exact as what is kept in nanoseconds."""
    assert T0 == _times.instant(pd.Timestamp("2026-01-01").as_unit(unit), "start", 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01", T0),
        ("2026-01-01T00:00", T0),
        ("2026-01-01 00:00:00", T0),
        ("20260101T000000Z", T0),
        ("2026-W01-4", T0),
        ("2026-01-01T00:00:00Z", T0),
        ("2026-01-01T01:00:00+01:00", T0),
        ("2025-12-31T18:15:00-05:45", T0),
        ("2026-01-01T00:00:00+00", T0),
        ("2026-01-01T00:00:00.1Z", T0 + 100_000_000),
        ("2026-01-01T00:00:00,25Z", T0 + 250_000_000),
        ("2026-01-01T00:00:00.123456Z", T0 + 123_456_000),
        ("2026-01-01T00:00:00.123456789Z", T0 + 123_456_789),
        ("2026-01-01T00:00:00.000000001", T0 + 1),
        ("2026-01-01T01:00:00.999999999+01:00", T0 + 999_999_999),
        ("20260101T010000.000000001+0100", T0 + 1),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1677-09-22T00:00:00Z", -9_223_286_400 * SECOND),
    ],
)
def test_text_is_its_instant(text: str, expected: int) -> None:
    """ISO 8601 with zero to nine digits of a second, with and without an offset."""
    assert expected == _times.instant(text, "start", 0)


@given(
    nanos=st.integers(-(2**62), 2**62),
    digits=st.integers(0, 9),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_text_of_any_precision_and_offset_is_its_instant(nanos: int, digits: int, offset: int) -> None:
    """However an instant is written, it is the same instant."""
    step = 10 ** (9 - digits)
    nanos -= nanos % step
    seconds, fraction = divmod(nanos, SECOND)
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, minutes=offset)
    hours, minutes = divmod(abs(offset), 60)
    text = f"{local:%Y-%m-%dT%H:%M:%S}"
    if digits:
        text += f".{fraction // step:0{digits}d}"
    text += f"{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}"

    assert nanos == _times.instant(text, "start", 0)


@pytest.mark.parametrize(
    ("back", "expected"),
    [
        (timedelta(0), T0),
        (timedelta(hours=-1), T0 - 3600 * SECOND),
        (timedelta(microseconds=-1), T0 - 1_000),
        (pd.Timedelta(-1, "ns"), T0 - 1),
        (pd.Timedelta("-1D"), T0 - 86_400 * SECOND),
        (pd.Timedelta("-1s").as_unit("s"), T0 - SECOND),
    ],
)
def test_a_timedelta_counts_back_from_now(back: timedelta, expected: int) -> None:
    """To the nanosecond, and `now` is an argument."""
    assert expected == _times.instant(back, "start", T0)


class NoOffset(tzinfo):
    """A zone that does not know its offset."""

    def utcoffset(self, _: datetime | None) -> None:
        """Give none."""


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        5.0,
        b"2026-01-01",
        date(2026, 1, 1),
        np.datetime64("2026-01-01"),
        [],
        "",
        "now",
        "yesterday",
        "-1h",
        "2026",
        "2026-13-01",
        "2026-02-30",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00.1234567891Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00Z; drop",
        "2026-01-01T00:00:00Z) |> drop(",
        "20260101.5",
        "2026-01-01T00:00:00+01:00:00.5",
        "2026-01-01T00:00:00.25+01:00:00.5",
        "２０２６-01-01",  # noqa: RUF001 - it is about such digits
        pd.NaT,
        timedelta(microseconds=1),
        pd.Timedelta(1, "ns"),
        timedelta(days=-999_999_999),
        datetime(1600, 1, 1, tzinfo=UTC),
        datetime(2263, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        "0001-01-01",
        "9999-12-31T23:59:59Z",
        pd.Timestamp("2500-01-01").as_unit("s"),
    ],
)
def test_what_is_no_instant_is_refused_by_name(value: Any) -> None:
    """The error names the argument and is a ValueError; nothing is guessed, and no digit is cut off."""
    with pytest.raises(InvalidArgumentError, match="`stop`") as caught:
        _times.instant(value, "stop", T0)

    assert isinstance(caught.value, ValueError)
    assert "stop" == caught.value.argument


def test_a_range_has_its_start_before_its_stop() -> None:
    """An empty or backward range is an error that names both ends."""
    assert (T0, T0 + 1) == _times.time_range("2026-01-01", "2026-01-01T00:00:00.000000001Z", 0)
    for stop in ("2026-01-01", "2025-12-31"):
        with pytest.raises(InvalidArgumentError, match=r"`start`.*`stop`"):
            _times.time_range("2026-01-01", stop, 0)


@given(nanos=st.integers(-(2**63) + 2, 2**63 - 2))
@example(nanos=-1)
@example(nanos=-(2**63) + 2)
@example(nanos=2**63 - 2)
def test_a_literal_is_the_instant_again(nanos: int) -> None:
    """What is written into a query reads as the same nanosecond, in RFC 3339."""
    literal = _times.time_literal(nanos)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", literal)
    assert nanos == pd.Timestamp(literal).as_unit("ns").value == _times.instant(literal, "start", 0)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("10m", None, "10m"),
        ("1h30m", None, "1h30m"),
        ("1mo", None, "1mo"),
        ("1y", None, "1y"),
        ("5us", None, "5us"),
        ("5µs", None, "5µs"),
        ("1d", timedelta(minutes=1), "1d"),
        (timedelta(minutes=10), None, "600s"),
        (timedelta(days=1), None, "1d"),
        (timedelta(days=14), None, "14d"),
        (timedelta(hours=36), None, "129600s"),
        (timedelta(milliseconds=1), None, "1000000ns"),
        (pd.Timedelta(1, "ns"), None, "1ns"),
        (15, timedelta(minutes=1), "900s"),
        (1440, timedelta(minutes=1), "1d"),
        (0.5, timedelta(minutes=1), "30s"),
        (30, timedelta(seconds=1), "30s"),
        (0.25, timedelta(seconds=1), "250000000ns"),
        (86_400, timedelta(seconds=1), "1d"),
    ],
)
def test_a_length_of_time_is_a_flux_duration(value: Any, unit: timedelta | None, expected: str) -> None:
    """Whole days are calendar days, all else is fixed; a number counts the unit."""
    assert expected == _times.duration(value, "interval", unit=unit)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "0s",
        "m",
        "10",
        "10 m",
        "-10m",
        "1.5h",
        "10M",
        "1h ",
        "1h\n",
        "１h",  # noqa: RUF001 - it is about such digits
        "1h) |> drop(columns: [])",
        "1h//",
        timedelta(0),
        timedelta(seconds=-1),
        pd.NaT,
        True,
        b"1h",
        [],
        float("nan"),
        float("inf"),
        0,
        -5,
        1e300,
        10**30,
    ],
)
def test_what_is_no_length_is_refused_by_name(value: Any) -> None:
    """Text that is no duration, what is not above zero, and what overflows."""
    with pytest.raises(InvalidArgumentError, match="`timestep`") as caught:
        _times.duration(value, "timestep", unit=timedelta(minutes=1))

    assert "timestep" == caught.value.argument


def test_a_number_has_no_meaning_without_a_unit() -> None:
    """Ten what? The error says what would do."""
    with pytest.raises(InvalidArgumentError, match=r"`interval`.*'10m'"):
        _times.duration(10, "interval")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, SECOND), (0.5, SECOND // 2), (timedelta(minutes=1), 60 * SECOND), (10**9, 10**9 * SECOND)],
)
def test_seconds_are_nanoseconds(value: Any, expected: int) -> None:
    """A number counts seconds; a timedelta is itself."""
    assert expected == _times.seconds(value, "duration")


@pytest.mark.parametrize("value", [0, -1, "60", None, True, float("nan"), float("inf"), 1e300, timedelta(0)])
def test_what_is_no_number_of_seconds_is_refused_by_name(value: Any) -> None:
    """Zero and less, text, and what overflows."""
    with pytest.raises(InvalidArgumentError, match="`duration`"):
        _times.seconds(value, "duration")


def test_a_zone_is_its_name() -> None:
    """Text and ZoneInfo give the same."""
    assert "Europe/Lisbon" == _times.zone("Europe/Lisbon") == _times.zone(ZoneInfo("Europe/Lisbon"))
    assert "UTC" == _times.zone("UTC")


@pytest.mark.parametrize(
    "value",
    ["", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "Europe", "+01:00", "\0", 'UTC")', None, 5, UTC],
)
def test_what_is_no_zone_is_refused_by_name(value: Any) -> None:
    """Offsets, paths and nonsense; the error says what a zone looks like."""
    with pytest.raises(InvalidArgumentError, match=r"`tz`.*'Europe/Lisbon'") as caught:
        _times.zone(value)

    assert "tz" == caught.value.argument
