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
    """To the microsecond, before and after 1970, on both sides of a clock change; naive is UTC by default."""
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
        np.datetime64("NaT", "ns"),
        np.datetime64("2026-01-01T00:00:00.0000000001"),
        np.datetime64(2**62, "Y"),
        np.datetime64("2500-01-01"),
        np.timedelta64("NaT", "ns"),
        np.timedelta64("NaT", "D"),
        np.timedelta64(1, "D"),
        np.timedelta64(1, "M"),
        pd.offsets.Hour(1),
        pd.offsets.MonthEnd(-1),
        [],
        "",
        "yesterday",
        "30d",
        "-30",
        "--30d",
        "-0d",
        "- 30d",
        "-1M",
        "-1.5h",
        "-9223372036854775807w",
        "-9999y",
        "now",
        "now()-1h",
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


LISBON = "Europe/Lisbon"
HOUR = 3_600 * SECOND


@pytest.mark.parametrize(
    ("value", "tz", "expected"),
    [
        ("2026-07-01", LISBON, "2026-06-30T23:00Z"),
        (date(2026, 7, 1), LISBON, "2026-06-30T23:00Z"),
        (datetime(2026, 7, 1), LISBON, "2026-06-30T23:00Z"),  # noqa: DTZ001 - it is about such
        (pd.Timestamp("2026-07-01"), LISBON, "2026-06-30T23:00Z"),
        (pd.Timestamp("2026-07-01T00:00:00.123456789"), LISBON, "2026-06-30T23:00:00.123456789Z"),
        (np.datetime64("2026-07-01"), LISBON, "2026-06-30T23:00Z"),
        (np.datetime64("2026-07"), LISBON, "2026-06-30T23:00Z"),
        (np.datetime64("2026-07-01T00:00:00.123456789"), LISBON, "2026-06-30T23:00:00.123456789Z"),
        ("2026-07-01T00:00:00.123456789", LISBON, "2026-06-30T23:00:00.123456789Z"),
        ("2026-10-01", "Asia/Kolkata", "2026-09-30T18:30Z"),
        ("2026-10-01T00:00:00", "America/New_York", "2026-10-01T04:00Z"),
        ("1900-01-01", LISBON, "1900-01-01T00:36:45Z"),  # by the sun
        ("1899-12-31T23:59:59.999999999", LISBON, "1900-01-01T00:36:44.999999999Z"),
        ("2026-07-01T00:00:00Z", LISBON, "2026-07-01T00:00Z"),
        ("2026-07-01T00:00:00-05:00", LISBON, "2026-07-01T05:00Z"),
        (datetime(2026, 7, 1, tzinfo=UTC), LISBON, "2026-07-01T00:00Z"),
        (pd.Timestamp("2026-07-01", tz="Asia/Tokyo"), LISBON, "2026-06-30T15:00Z"),
        ("2026-03-29T00:59:59.999999999", LISBON, "2026-03-29T00:59:59.999999999Z"),
        ("2026-03-29T02:00:00", LISBON, "2026-03-29T01:00Z"),
        ("2026-10-25T00:59:59.999999999", LISBON, "2026-10-24T23:59:59.999999999Z"),
        ("2026-10-25T01:00:00", LISBON, "2026-10-25T00:00Z"),
        ("2026-10-25T01:59:59.999999999", LISBON, "2026-10-25T00:59:59.999999999Z"),
        (datetime(2026, 10, 25, 1, 30), LISBON, "2026-10-25T00:30Z"),  # noqa: DTZ001
        (datetime(2026, 10, 25, 1, 30, fold=1), LISBON, "2026-10-25T01:30Z"),  # noqa: DTZ001
        (pd.Timestamp(year=2026, month=10, day=25, hour=1, fold=1), LISBON, "2026-10-25T01:00Z"),
        ("2026-10-25T02:00:00", LISBON, "2026-10-25T02:00Z"),
    ],
)
def test_a_time_without_a_zone_is_in_that_of_the_call(value: Any, tz: str, expected: str) -> None:
    """Whatever spells it; one with a zone keeps it, and of two the first is meant unless `fold` is 1."""
    assert pd.Timestamp(expected).as_unit("ns").value == _times.instant(value, "start", 0, tz)


@given(
    naive=st.datetimes(EARLIEST, LATEST),
    tz=st.timezone_keys(),
    spell=st.sampled_from([lambda one: one, datetime.isoformat, pd.Timestamp, np.datetime64]),
)
@example(naive=datetime(2026, 3, 29, 1, 30), tz=LISBON, spell=datetime.isoformat)  # noqa: DTZ001
@example(naive=datetime(2026, 10, 25, 1, 30), tz=LISBON, spell=np.datetime64)  # noqa: DTZ001
@example(naive=datetime(2011, 12, 30), tz="Pacific/Apia", spell=pd.Timestamp)  # noqa: DTZ001 - no such day
def test_a_time_without_a_zone_is_localized_as_by_pandas(naive: datetime, tz: str, spell: Any) -> None:
    """In every zone: pandas' `tz_localize`, which takes the first of two, or an error where it has none."""
    stamp = pd.Timestamp(naive).as_unit("us")
    # pandas asks whether the one in summer time is meant; the first one is the smaller of the two.
    both = [stamp.tz_localize(ZoneInfo(tz), ambiguous=summer, nonexistent="NaT") for summer in (True, False)]
    found = [one.as_unit("ns").value for one in both if one is not pd.NaT]
    if not found:
        with pytest.raises(InvalidArgumentError, match=r"`start`: the clocks of .* skip"):
            _times.instant(spell(naive), "start", 0, tz)
        return

    assert min(found) == _times.instant(spell(naive), "start", 0, tz)


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-29T01:00:00",
        "2026-03-29 01:59:59.999999999",
        datetime(2026, 3, 29, 1, 30),  # noqa: DTZ001 - it is about such
        datetime(2026, 3, 29, 1, 30, fold=1),  # noqa: DTZ001
        pd.Timestamp("2026-03-29T01:30"),
        np.datetime64("2026-03-29T01:30"),
    ],
)
def test_a_time_that_the_clocks_skip_is_refused(value: Any) -> None:
    """The error says which it is, and what to give instead."""
    with pytest.raises(
        InvalidArgumentError, match=r"`stop`: the clocks of Europe/Lisbon .*T01:.*such as 2026-03-29T02:"
    ) as caught:
        _times.instant(value, "stop", 0, LISBON)

    assert "stop" == caught.value.argument


def test_a_day_whose_midnight_the_clocks_skip_is_refused() -> None:
    """It begins at one o'clock, which the error says."""
    for value in ("2026-09-06", date(2026, 9, 6), np.datetime64("2026-09-06")):
        with pytest.raises(InvalidArgumentError, match="2026-09-06T01:00:00"):
            _times.instant(value, "start", 0, "America/Santiago")


NOW = pd.Timestamp("2026-03-31T01:30:00.123456789Z").value


@pytest.mark.parametrize(
    ("text", "tz", "expected"),
    [
        ("now()", LISBON, "2026-03-31T01:30:00.123456789Z"),
        ("-1ns", LISBON, "2026-03-31T01:30:00.123456788Z"),
        ("-30d", LISBON, "2026-03-01T01:30:00.123456789Z"),
        ("-1w", "UTC", "2026-03-24T01:30:00.123456789Z"),
        ("-1h30m", LISBON, "2026-03-31T00:00:00.123456789Z"),
        ("-90min", LISBON, "2026-03-31T00:00:00.123456789Z"),
        ("-1mo", "UTC", "2026-02-28T01:30:00.123456789Z"),
        ("-1y", "UTC", "2025-03-31T01:30:00.123456789Z"),
        ("-25mo", "UTC", "2024-02-29T01:30:00.123456789Z"),
        ("-3mo", "UTC", "2025-12-31T01:30:00.123456789Z"),
        ("-1mo1d", "UTC", "2026-02-27T01:30:00.123456789Z"),
        ("-1mo", LISBON, "2026-02-28T02:30:00.123456789Z"),
        ("-1mo", "America/New_York", "2026-03-01T02:30:00.123456789Z"),  # 21:30 both times
        (np.timedelta64(-30, "D"), LISBON, "2026-03-01T01:30:00.123456789Z"),
        (np.timedelta64(-5, "ns"), LISBON, "2026-03-31T01:30:00.123456784Z"),
        (np.timedelta64(-1, "M"), "UTC", "2026-02-28T01:30:00.123456789Z"),
        (np.timedelta64(-1, "Y"), "UTC", "2025-03-31T01:30:00.123456789Z"),
        (pd.offsets.Hour(-2), LISBON, "2026-03-30T23:30:00.123456789Z"),
        (pd.offsets.Day(-30), LISBON, "2026-03-01T01:30:00.123456789Z"),
    ],
)
def test_a_length_before_now_counts_back(text: Any, tz: str, expected: str) -> None:
    """Days are of 24 hours as in Flux, months are on the clock of the zone and end where a month does."""
    assert pd.Timestamp(expected).as_unit("ns").value == _times.instant(text, "start", NOW, tz)


@given(
    now=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001
    months=st.integers(1, 600),
    tz=st.sampled_from(["UTC", "Asia/Kolkata", "Asia/Tokyo"]),
)
def test_months_before_now_are_those_of_pandas(now: datetime, months: int, tz: str) -> None:
    """Where no clock changes, `DateOffset` is the twin."""
    moment = pd.Timestamp(now, tz="UTC").as_unit("ns")
    expected = moment.tz_convert(tz) - pd.DateOffset(months=months)
    if tz != "UTC" and expected.year < 1960:
        return

    assert expected.value == _times.instant(f"-{months}mo", "start", moment.value, tz)


def test_a_stop_of_none_is_now() -> None:
    """A start of None is nothing, as there is no beginning of time."""
    assert (T0 - HOUR, T0) == _times.time_range("-1h", None, T0)
    assert (T0 - HOUR, T0) == _times.time_range("-1h", "now()", T0)
    with pytest.raises(InvalidArgumentError, match=r"`start`.*None"):
        _times.time_range(None, None, T0)


def test_both_ends_of_a_range_are_in_the_zone() -> None:
    """A day of Lisbon has 23 hours in March and 25 in October."""
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)):
        start, stop = _times.time_range(day, day + timedelta(days=1), 0, LISBON)

        assert hours * HOUR == stop - start


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
        ("15min", None, "15m"),
        ("30s", None, "30s"),
        ("2h", None, "2h"),
        ("1D", None, "1d"),
        ("1W", None, "1w"),
        ("1D12h", None, "1d12h"),
        ("1h30min", None, "1h30m"),
        ("h", None, "3600s"),
        ("D", None, "1d"),
        ("W", None, "7d"),
        ("min", timedelta(minutes=1), "60s"),
        (np.timedelta64(15, "m"), None, "900s"),
        (np.timedelta64(90, "s"), None, "90s"),
        (np.timedelta64(1, "D"), None, "1d"),
        (np.timedelta64(2, "W"), None, "14d"),
        (np.timedelta64(1, "M"), None, "1mo"),
        (np.timedelta64(1, "Y"), None, "12mo"),
        (np.timedelta64(1, "ns"), None, "1ns"),
        (np.timedelta64(5_000_000, "ps"), None, "5000ns"),
        (np.timedelta64(15, "m"), timedelta(seconds=1), "900s"),
        (pd.Timedelta("15min"), None, "900s"),
        (pd.offsets.Hour(2), None, "7200s"),
        (pd.offsets.Minute(15), None, "900s"),
        (pd.offsets.Nano(5), None, "5ns"),
        (pd.offsets.Day(1), None, "1d"),
        (pd.offsets.Week(2), None, "14d"),
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
        "M",
        "1T",
        "1ME",
        "1MS",
        "W-MON",
        "1B",
        "1H",
        "99999999999999d",
        np.timedelta64("NaT", "ns"),
        np.timedelta64(0, "s"),
        np.timedelta64(-1, "h"),
        np.timedelta64(1, "ps"),
        np.datetime64("2026-01-01"),
        pd.offsets.MonthEnd(1),
        pd.offsets.MonthBegin(1),
        pd.offsets.Week(weekday=0),
        pd.offsets.BusinessDay(1),
        pd.offsets.DateOffset(months=1),
        pd.offsets.Hour(-1),
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
    ("value", "advice"),
    [
        ("1M", "Write 'mo' for months and 'm' for minutes"),
        ("T", "Write 'mo' for months and 'm' for minutes"),
        ("1MS", "Write '1mo' for calendar months"),
        ("QE-DEC", "Write '1mo' for calendar months"),
        (pd.offsets.MonthEnd(1), "Write '1mo' for calendar months"),
        (pd.offsets.YearBegin(1), "or '1y' for years"),
    ],
)
def test_what_pandas_would_take_is_told_what_to_write(value: Any, advice: str) -> None:
    """Units that mean two things, and offsets whose length is not fixed."""
    with pytest.raises(InvalidArgumentError, match=advice):
        _times.duration(value, "interval")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, T0 - SECOND),
        (0.5, T0 - SECOND // 2),
        (timedelta(minutes=1), T0 - 60 * SECOND),
        (10**9, T0 - 10**9 * SECOND),
        ("15min", T0 - 900 * SECOND),
        (np.timedelta64(1, "h"), T0 - 3_600 * SECOND),
        (pd.offsets.Minute(2), T0 - 120 * SECOND),
        ("1mo", T0 - 31 * 86_400 * SECOND),
    ],
)
def test_a_duration_lies_before_now(value: Any, expected: int) -> None:
    """A number counts seconds; all else is as for a window."""
    assert expected == _times.before(T0, value, "duration", "UTC")


@pytest.mark.parametrize(
    "value",
    [0, -1, "60", None, True, float("nan"), float("inf"), 1e300, timedelta(0), 10**11, "9999y", "400y"],
)
def test_what_is_no_duration_before_now_is_refused_by_name(value: Any) -> None:
    """Zero and less, text without a unit, what overflows, and what lies before all that can be stored."""
    with pytest.raises(InvalidArgumentError, match="`duration`"):
        _times.before(T0, value, "duration", "UTC")


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
