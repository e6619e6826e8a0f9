"""Instants and lengths of time as arguments: to nanoseconds, and to Flux.

Nothing here reads a clock: `now` is an argument.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from numbers import Integral, Real
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from db_core.errors import InvalidArgumentError

__all__ = ["UNITS", "Instant", "Length", "duration", "instant", "time_literal", "time_range", "zone"]

Instant: TypeAlias = "datetime | timedelta | str"
Length: TypeAlias = "timedelta | str | int | float"

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_MINUTE = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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
    "mo": 30 * _DAY,
    "y": 365 * _DAY,
}
_CALENDAR = ("mo", "y")
_DURATION = re.compile(rf"(?:[1-9][0-9]{{0,18}}(?:{'|'.join(sorted(UNITS, key=len, reverse=True))}))+")

# The range of InfluxDB's own timestamps.
EARLIEST = -(2**63) + 2
LATEST = 2**63 - 2


def instant(value: object, argument: str, now: int) -> int:
    """Give nanoseconds since the epoch of an instant.

    Args:
        value: A datetime (without a zone it is UTC), a pandas Timestamp, ISO 8601 text, or a
            timedelta of zero or less, counted from `now`.
        argument: Name for the error.
        now: Nanoseconds since the epoch.
    """
    if isinstance(value, timedelta) and value > timedelta(0):
        message = f"`{argument}`: a timedelta counts back from now and must be negative, not {value}"
        raise InvalidArgumentError(message, argument=argument)
    nanos = None
    with suppress(TypeError, ValueError, OverflowError):  # TypeError: NaT has no year
        if isinstance(value, timedelta):
            nanos = now + _length(value)
        elif isinstance(value, datetime):
            nanos = _datetime(value)
        elif isinstance(value, str):
            nanos = _text(value)
    if nanos is None:
        message = (
            f"`{argument}` must be a datetime, a pandas Timestamp, ISO 8601 text such as "
            f"'2026-03-01T00:00:00Z', or a negative timedelta, not {value!r}"
        )
        raise InvalidArgumentError(message, argument=argument)
    if not EARLIEST <= nanos <= LATEST:
        message = f"`{argument}` must lie between 1677-09-21 and 2262-04-11, not {value!r}"
        raise InvalidArgumentError(message, argument=argument)
    return nanos


def time_range(start: object, stop: object, now: int) -> tuple[int, int]:
    """Give the nanoseconds of a half-open range; start must lie before stop."""
    begin, end = instant(start, "start", now), instant(stop, "stop", now)
    if begin >= end:
        message = f"`start` must lie before `stop`; they are {time_literal(begin)} and {time_literal(end)}"
        raise InvalidArgumentError(message, argument="start")
    return begin, end


def _length(value: timedelta) -> int:
    # A pandas Timedelta has nanoseconds beside a timedelta's parts.
    parts = value.days * _DAY + value.seconds * _SECOND + value.microseconds * 1_000
    return parts + int(getattr(value, "nanoseconds", 0))


def _datetime(value: datetime) -> int:
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    # Subtracting plain datetimes keeps microseconds; a pandas Timestamp has nanoseconds beside them.
    plain = datetime(
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
        tzinfo=value.tzinfo,
        fold=value.fold,
    )
    return _length(plain - _EPOCH) + int(getattr(value, "nanosecond", 0))


def _text(value: str) -> int:
    nanos = 0
    found = _FRACTION.fullmatch(value)
    if found:
        nanos = int(found["digits"].ljust(9, "0"))
        value = found["head"] + (found["zone"] or "")
    if "." in value or "," in value:
        # Python would cut the digits it has no room for.
        raise ValueError
    return _datetime(datetime.fromisoformat(value)) + nanos


def time_literal(nanos: int) -> str:
    """Give an instant as RFC 3339 text with nanoseconds, which is a Flux literal too."""
    seconds, fraction = divmod(nanos, _SECOND)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def duration(value: object, argument: str, *, unit: timedelta | None = None) -> str:
    """Give a length of time as a Flux duration.

    Args:
        value: Text such as "10m", "1h30m", "1d", "1w", "1mo"; a timedelta; or a number of `unit`.
            Whole days become calendar days, which follow `tz`.
        argument: Name for the error.
        unit: What a number counts; None refuses numbers.
    """
    accepted = "a Flux duration such as '10m', '1h', '1d' or '1mo', or a positive timedelta"
    if unit is not None:
        accepted += f", or a positive number of {'minutes' if unit == _MINUTE else 'seconds'}"
    nanos = 0
    if not isinstance(value, str):
        nanos = _count(value, unit)
    elif _DURATION.fullmatch(value):
        parts = re.findall(r"(\d+)(\D+)", value)
        calendar = {name in _CALENDAR for _, name in parts}
        if len(calendar) > 1:
            message = f"`{argument}`: months and years can't be mixed with shorter units, as in {value!r}"
            raise InvalidArgumentError(message, argument=argument)
        if sum(int(number) * UNITS[name] for number, name in parts) <= LATEST:
            return value
    if not 0 < nanos <= LATEST:
        message = f"`{argument}` must be {accepted}, not {value!r}"
        raise InvalidArgumentError(message, argument=argument)
    for name, size in (("d", _DAY), ("s", _SECOND)):
        if nanos % size == 0:
            return f"{nanos // size}{name}"
    return f"{nanos}ns"


def seconds(value: object, argument: str) -> int:
    """Give nanoseconds of a timedelta or a number of seconds, above zero."""
    nanos = _count(value, timedelta(seconds=1))
    if not 0 < nanos <= LATEST:
        message = f"`{argument}` must be a positive number of seconds or a positive timedelta, not {value!r}"
        raise InvalidArgumentError(message, argument=argument)
    return nanos


def _count(value: object, unit: timedelta | None) -> int:
    """Nanoseconds of a timedelta, or of a number of `unit`; 0 for what is neither."""
    if isinstance(value, timedelta):
        return _length(value)
    # A numpy timedelta64 calls itself an integer, of whatever unit it has.
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if unit is None or not is_number or type(value).__name__ == "timedelta64":
        return 0
    # numpy's integers would overflow.
    number = int(value) if isinstance(value, Integral) else float(value)  # type: ignore[arg-type]
    with suppress(OverflowError, ValueError):
        return round(number * _length(unit))
    return 0


def zone(tz: object) -> str:
    """Give the IANA name of a time zone.

    Args:
        tz: A name such as "Europe/Lisbon", or a `ZoneInfo`.
    """
    name = tz.key if isinstance(tz, ZoneInfo) else tz
    if isinstance(name, str):
        with suppress(ValueError, OSError, ZoneInfoNotFoundError):
            ZoneInfo(name)
            return name
    message = f"`tz` must be the name of a time zone such as 'Europe/Lisbon', not {tz!r}"
    raise InvalidArgumentError(message, argument="tz")
