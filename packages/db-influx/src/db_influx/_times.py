"""Instants and lengths of time as arguments: parsed to nanoseconds, or written as Flux.

Nothing here reads a clock: `now` is an argument. numpy and pandas are imported
only when a value of theirs is given.
"""

from __future__ import annotations

import re
from calendar import monthrange
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from db_core.errors import InvalidArgumentError
from db_influx._arguments import invalid, plain_number

if TYPE_CHECKING:
    import numpy as np
    from pandas.tseries.offsets import BaseOffset

__all__ = [
    "UNITS",
    "Instant",
    "Length",
    "before",
    "duration",
    "instant",
    "length",
    "moment",
    "nanoseconds",
    "ordered",
    "time_literal",
    "time_range",
    "zone",
]

Instant: TypeAlias = "date | timedelta | str | np.datetime64 | np.timedelta64 | BaseOffset"
Length: TypeAlias = "timedelta | str | int | float | np.timedelta64 | BaseOffset"

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_YEAR, _LAST_YEAR = 1677, 2262
_FRACTION = re.compile(r"(?P<head>.+[T ]\d{2}:?\d{2}:?\d{2})[.,](?P<digits>[0-9]{1,9})(?P<zone>\D.*)?")
UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3_600 * _SECOND,
    "d": _DAY,
    "w": 7 * _DAY,
}
_MONTHS = {"mo": 1, "y": 12}
_MONTH = 30 * _DAY  # about, to tell whether a length is positive and not too long
# pandas' own names of units; "ns", "us", "ms", "s" and "h" are the same there.
_PANDAS = {"min": "m", "D": "d", "W": "w"}
_ALONE = ("ns", "us", "ms", "s", "h", *_PANDAS)  # pandas takes these for one of them
_UNIT = "|".join(sorted([*UNITS, *_MONTHS, *_PANDAS], key=len, reverse=True))
_DURATION = re.compile(rf"(?:[1-9][0-9]{{0,18}}(?:{_UNIT}))+")
_PART = re.compile(r"([0-9]+)([^0-9]+)")
_UNCLEAR = re.compile(r"[0-9]*(?P<unit>[MT]|[MQY][SE](?:-[A-Z]+)?)")
_NUMPY_MONTHS = {"M": 1, "Y": 12}
# In attoseconds, numpy's shortest unit, so that nothing is rounded.
_NUMPY = {unit: UNITS[unit.lower()] * 10**9 for unit in ("W", "D", "h", "m", "s", "ms", "us", "ns")}
_NUMPY |= {"ps": 10**6, "fs": 10**3, "as": 1}

# The range of InfluxDB's own timestamps.
EARLIEST = -(2**63) + 2
LATEST = 2**63 - 2


class _Clock(NamedTuple):
    """A time without a zone: a datetime to the microsecond, and the nanoseconds beyond."""

    shown: datetime
    nanos: int


class _Span(NamedTuple):
    """A length of time; months differ in length, so they are kept apart."""

    months: int
    nanos: int

    @property
    def is_positive(self) -> bool:
        return min(self) >= 0 and 0 < self.months * _MONTH + self.nanos <= LATEST

    def __neg__(self) -> _Span:
        return _Span(-self.months, -self.nanos)


def instant(value: object, argument: str, now: int, tz: str = "UTC") -> int:
    """Return nanoseconds since the epoch of an instant.

    Args:
        value: A datetime, a date, a pandas Timestamp, a numpy datetime64 or ISO 8601 text, of which
            those without a zone are in `tz`; "now()"; or what counts back from `now`: Flux duration
            text such as "-30d", or a timedelta, a numpy timedelta64 or a pandas offset of zero or less.
        argument: Name for the error.
        now: Nanoseconds since the epoch.
        tz: IANA name of a zone.
    """
    back = _back(value)
    if back is not None and max(back) > 0:
        raise invalid(argument, f"must be negative to count back from now, not {value!r}")
    nanos: int | _Clock | None = None
    with suppress(TypeError, ValueError, OverflowError):  # TypeError: NaT has no year
        nanos = _absolute(value, now) if back is None else _minus(now, -back, tz)
    if isinstance(nanos, _Clock):
        nanos = _local(nanos, argument, tz) if _FIRST_YEAR <= nanos.shown.year <= _LAST_YEAR else LATEST + 1
    if nanos is None:
        text = (
            "such as '2026-03-01' or '2026-03-01T12:30:00Z', a duration before now such as '-30d', or 'now()'"
        )
        expected = f"a time {text}"
        if not isinstance(value, str):
            kinds = "a datetime, a date, a pandas Timestamp, a numpy datetime64, a negative timedelta"
            expected = f"{kinds}, or text {text}"
        raise invalid(argument, f"must be {expected}, not {value!r}")
    if not EARLIEST <= nanos <= LATEST:
        raise invalid(argument, f"must be between 1677-09-21 and 2262-04-11, not {value!r}")
    return nanos


def moment(value: object, argument: str) -> int:
    """Return nanoseconds since the epoch of the time of a point, which without a zone is UTC.

    Args:
        value: As for `instant`, but nothing that depends on now; or an int of nanoseconds.
        argument: Name for the error.
    """
    number = plain_number(value)
    if isinstance(number, int) and EARLIEST <= number <= LATEST:
        return number
    if number is None and _back(value) is None and not (isinstance(value, str) and value == "now()"):
        with suppress(InvalidArgumentError):  # which names what a point's time can't be
            return instant(value, argument, 0)
    expected = "must be a datetime, ISO 8601 text or an int of nanoseconds, from 1677-09-21 to 2262-04-11"
    raise InvalidArgumentError(f"`{argument}`: its time {expected}, not {value!r}", argument=argument)


def time_range(start: object, stop: object, now: int, tz: str = "UTC") -> tuple[int, int]:
    """Return the nanoseconds of a half-open range; start must lie before stop, and a stop of None is now."""
    return ordered(instant(start, "start", now, tz), now if stop is None else instant(stop, "stop", now, tz))


def ordered(begin: int, end: int) -> tuple[int, int]:
    """Return the nanoseconds of a start and a stop, if the first lies before the second."""
    if begin >= end:
        values = f"`start` is {time_literal(begin)} and `stop` is {time_literal(end)}"
        raise invalid("start", f"must be before `stop`, but {values}")
    return begin, end


def _back(value: object) -> _Span | None:
    """Return a length that counts back from now, negative; None for any other value."""
    if not isinstance(value, str):
        return _span(value, None)
    forward = _parsed(value.removeprefix("-"))
    return -forward if forward is not None and value.startswith("-") else forward


def _minus(now: int, span: _Span, tz: str) -> int:
    """Return now less a span: its months on the clock of `tz`, then the rest of it.

    As in Flux and pandas, a day that the earlier month does not have is its last one.
    """
    if span.months:
        micros, below = divmod(now, 1_000)
        shown = (_EPOCH + timedelta(microseconds=micros)).astimezone(ZoneInfo(tz))
        year, month = divmod(shown.year * 12 + shown.month - 1 - span.months, 12)
        if year < _FIRST_YEAR:
            return EARLIEST - 1
        day = min(shown.day, monthrange(year, month + 1)[1])
        now = _since_epoch(shown.replace(year=year, month=month + 1, day=day)) + below
    return now - span.nanos


def _absolute(value: object, now: int) -> int | _Clock | None:
    if isinstance(value, datetime):
        return _datetime(value)
    if isinstance(value, date):
        return _Clock(datetime(value.year, value.month, value.day), 0)  # noqa: DTZ001 - see `_local`
    if isinstance(value, str):
        return now if value == "now()" else _text(value)
    return _datetime64(value) if _numpy_name(value) == "datetime64" else None


def _local(clock: _Clock, argument: str, tz: str) -> int:
    """Return the instant at which the clocks of a zone show this, the first of two unless `fold` is 1."""
    zone = ZoneInfo(tz)
    moment = clock.shown.replace(tzinfo=zone)
    next_shown = moment.replace(fold=0).astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    if next_shown != clock.shown:
        message = (
            f"`{argument}`: the clocks of {tz} skip {clock.shown.isoformat()}. Expected a time that they "
            f"show, such as {next_shown.isoformat()}, or one with its UTC offset"
        )
        raise InvalidArgumentError(message, argument=argument)
    return _since_epoch(moment) + clock.nanos


def _since_epoch(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def nanoseconds(value: timedelta) -> int:
    """Return the nanoseconds of a timedelta; a pandas Timedelta has some beside a timedelta's parts."""
    parts = value.days * _DAY + value.seconds * _SECOND + value.microseconds * 1_000
    return parts + int(getattr(value, "nanoseconds", 0))


def _datetime(value: datetime) -> int | _Clock:
    # Subtracting plain datetimes keeps microseconds; a pandas Timestamp has nanoseconds beside them.
    day, clock = (value.year, value.month, value.day), (value.hour, value.minute, value.second)
    plain = datetime(*day, *clock, value.microsecond, tzinfo=value.tzinfo, fold=value.fold)
    beyond = int(getattr(value, "nanosecond", 0))
    return _Clock(plain, beyond) if plain.tzinfo is None else _since_epoch(plain) + beyond


def _text(value: str) -> int | _Clock:
    nanos = 0
    fraction = _FRACTION.fullmatch(value)
    if fraction:
        nanos = int(fraction["digits"].ljust(9, "0"))
        value = fraction["head"] + (fraction["zone"] or "")
    if "." in value or "," in value:
        raise ValueError  # since Python would cut the digits after the ninth
    whole = _datetime(datetime.fromisoformat(value))
    return whole + nanos if isinstance(whole, int) else _Clock(whole.shown, nanos)


def _datetime64(value: object) -> _Clock | None:
    """Return what a numpy datetime64 of any unit shows; None for NaT, and for fractions of a nanosecond."""
    since_epoch = _numpy_span(value)
    if since_epoch is None:
        return None
    micros, below = divmod(since_epoch.nanos, 1_000)
    year, month = divmod(since_epoch.months, 12)
    first = datetime(1970 + year, month + 1, 1)  # noqa: DTZ001 - see `_local`
    return _Clock(first + timedelta(microseconds=micros), below)


def time_literal(nanos: int) -> str:
    """Return an instant as RFC 3339 text with nanoseconds, which is a Flux literal too."""
    seconds, fraction = divmod(nanos, _SECOND)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def duration(value: object, argument: str, *, unit: timedelta | None = None) -> str:
    """Return a length of time as a Flux duration.

    Args:
        value: Text such as "10m", "15min", "1h30m", "1d", "1w", "1mo"; a timedelta, a numpy timedelta64
            or a pandas offset of fixed length; or a number of `unit`. Whole days become calendar days,
            which follow `tz`.
        argument: Name for the error.
        unit: What a number counts; None refuses numbers.
    """
    months, nanos = _positive(value, argument, unit)
    if months and nanos:
        raise invalid(argument, f"must not mix months or years with shorter units, as {value!r} does")
    if isinstance(value, str) and value not in _ALONE:
        return "".join(number + _PANDAS.get(name, name) for number, name in _PART.findall(value))
    if months:
        return f"{months}mo"
    for name, size in (("d", _DAY), ("s", _SECOND)):
        if nanos % size == 0:
            return f"{nanos // size}{name}"
    return f"{nanos}ns"


def length(value: object) -> int | None:
    """Return the nanoseconds of a length of time that does not depend on the calendar; a day has 24 hours.

    Args:
        value: As for `duration`. None is returned for lengths with months or years, and for other values.
    """
    span = _span(value, None)
    return None if span is None or span.months else span.nanos


def before(now: int, value: object, argument: str, tz: str) -> int:
    """Return the nanoseconds of an instant that lies a length of time before now.

    Args:
        now: Nanoseconds since the epoch.
        value: As for `duration`, or a number of seconds.
        argument: Name for the error.
        tz: IANA name of the zone of months.
    """
    span = _positive(value, argument, timedelta(seconds=1))
    earlier = _minus(now, span, tz)
    if earlier < EARLIEST:
        raise invalid(argument, f"must not go back beyond 1677-09-21, as {value!r} does")
    return earlier


def _positive(value: object, argument: str, unit: timedelta | None) -> _Span:
    span = _span(value, unit)
    if span is not None and span.is_positive:
        return span
    accepted = "a Flux duration such as '10m', '1h', '1d' or '1mo'"
    if not isinstance(value, str):
        accepted += ", or a positive timedelta"
    if unit is not None and not isinstance(value, str):
        accepted += f", or a positive number of {'minutes' if unit == _MINUTE else 'seconds'}"
    message = f"`{argument}` must be {accepted}, not {value!r}"
    unclear = _UNCLEAR.fullmatch(value) if isinstance(value, str) else None
    if unclear and unclear["unit"] in ("M", "T"):
        message += ". Write 'mo' for months and 'm' for minutes"
    elif unclear or _is_offset(value):
        message += ", which has no fixed length. Write '1mo' for calendar months or '1y' for years"
    raise InvalidArgumentError(message, argument=argument)


def _span(value: object, unit: timedelta | None) -> _Span | None:
    """Return a length of time, of any sign unless it is text; None where a value has none."""
    if isinstance(value, str):
        return _parsed(value)
    if isinstance(value, timedelta):
        return _Span(0, nanoseconds(value))
    if _numpy_name(value) == "timedelta64":
        return _numpy_span(value)
    if _is_offset(value):
        return _offset_span(value)
    number = plain_number(value)  # since numpy's integers would overflow
    if unit is not None and number is not None:
        with suppress(OverflowError, ValueError):
            return _Span(0, round(number * nanoseconds(unit)))
    return None


def _parsed(text: str) -> _Span | None:
    """Return the length of a Flux duration, whose units may have pandas' names."""
    if text in _ALONE:
        text = f"1{text}"
    if not _DURATION.fullmatch(text):
        return None
    months = nanos = 0
    for number, name in _PART.findall(text):
        months += int(number) * _MONTHS.get(name, 0)
        nanos += int(number) * UNITS.get(_PANDAS.get(name, name), 0)
    return _Span(months, nanos)


def _numpy_name(value: object) -> str | None:
    return type(value).__name__ if type(value).__module__ == "numpy" else None


def _numpy_span(value: Any) -> _Span | None:
    """Return the months or whole nanoseconds of a datetime64 or timedelta64; None where there are none."""
    import numpy as np

    unit, size = np.datetime_data(value.dtype)
    count = int(value.astype(np.int64)) * size
    if np.isnat(value) or unit == "generic":
        return None
    if unit in _NUMPY_MONTHS:
        return _Span(count * _NUMPY_MONTHS[unit], 0)
    nanos, below = divmod(count * _NUMPY[unit], 10**9)
    return None if below else _Span(0, nanos)


def _is_offset(value: object) -> bool:
    if not type(value).__module__.startswith("pandas."):
        return False
    from pandas.tseries.offsets import BaseOffset

    return isinstance(value, BaseOffset)


def _offset_span(value: Any) -> _Span | None:
    """Return the length of a pandas offset that is of fixed length."""
    from pandas.tseries.offsets import Day, Tick, Week

    if isinstance(value, Tick):
        return _Span(0, value.nanos)
    if isinstance(value, Day):
        return _Span(0, value.n * _DAY)
    if isinstance(value, Week) and getattr(value, "weekday", None) is None:  # pandas' stubs lack it
        return _Span(0, value.n * 7 * _DAY)
    return None


def zone(tz: object) -> str:
    """Return the IANA name of a time zone.

    Args:
        tz: A name such as "Europe/Lisbon", or a `ZoneInfo`.
    """
    name = tz.key if isinstance(tz, ZoneInfo) else tz
    if isinstance(name, str):
        with suppress(ValueError, OSError, ZoneInfoNotFoundError):
            ZoneInfo(name)
            return name
    raise invalid("tz", f"must be the name of a time zone such as 'Europe/Lisbon', not {tz!r}")
