"""Windows in local time, as ranges that the storage engine can divide by itself.

InfluxDB computes windows in the storage engine only where they are regular in UTC.
Given a location, it reads every point instead, which takes a hundred times as
long. Between two changes of a zone's offset local windows *are* regular: their
distance is `every`, and the offset shifts them. So a range is read in segments:
one for each period between changes, and one for each window that contains a
change, such as a day of 23 or 25 hours, or that is a local month.

Windows are cells of the local clock: hours from midnight, days, weeks from
Monday, months. Where the clock is put back within a cell, both passes are one
window; if it is put back by a whole cell, there are two windows.

InfluxDB's windows are closed at the left: [a, b). Times are whole nanoseconds, so a
window that is closed at the right, (a, b], is [a + 1, b + 1).
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from db_core.errors import InvalidArgumentError
from db_influx._times import EARLIEST, LATEST, UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Segment", "Windows"]

_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_WEEK = 7 * _DAY
_MONDAY = 4 * _DAY  # the first one after the epoch
_LONGEST_MONTH = 31 * _DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_YEAR, _LAST_YEAR = 1677, 2262
_MOST_LISTED = 366 * 86_400  # windows: a leap year of seconds


class Segment(NamedTuple):
    """A part of a range whose windows are regular in UTC.

    Attributes:
        start: Nanoseconds since the epoch, included; the first window begins here at the earliest.
        stop: Nanoseconds since the epoch, excluded; the last window ends here at the latest.
        every: Distance of the windows, a Flux duration.
        offset: Nanoseconds by which they are shifted from those that begin at the epoch.
    """

    start: int
    stop: int
    every: str
    offset: int


class _Period(NamedTuple):
    """A range of time in which a zone keeps its offset."""

    start: int
    stop: int
    offset: int


class _Part(NamedTuple):
    """A part of the range: windows that are regular in UTC at an offset; or one window, without offset."""

    start: int
    stop: int
    offset: int | None


class Windows:
    """The windows of one length over a range, in the local time of a zone.

    Args:
        every: A Flux duration of months or of anything shorter, not of both.
        tz: IANA name of the zone.
        start: Nanoseconds since the epoch.
        stop: Nanoseconds since the epoch, later than `start`.
        closed: The edge that belongs to a window, and to the range.
        argument: Name of the windows' length for errors.
        since: No window begins before this: the start of the whole range, where this is a later part of it.

    Attributes:
        every: Length of the windows, a Flux duration.
        late: Nanoseconds that are added to all times returned: 1 where windows are closed at the right.
    """

    def __init__(
        self,
        every: str,
        tz: str,
        start: int,
        stop: int,
        closed: Literal["left", "right"] = "left",
        argument: str = "interval",
        since: int = EARLIEST,
    ) -> None:
        parts = [(int(number), unit) for number, unit in re.findall(r"(\d+)(\D+)", every)]
        self.every = every
        self._argument = argument
        self.late = int(closed == "right")
        self._months = sum(number * {"mo": 1, "y": 12}.get(unit, 0) for number, unit in parts)
        self._nanos = 0 if self._months else sum(number * UNITS[unit] for number, unit in parts)
        self._origin = _MONDAY if self._nanos and self._nanos % _WEEK == 0 else 0
        self._start, self._stop = start, stop
        self._since = since
        margin = 2 * (self._nanos or self._months * _LONGEST_MONTH) + 3 * _DAY
        self._periods = _periods(tz, start - margin, stop + margin)

    @property
    def segments(self) -> list[Segment]:
        """The range in segments, in order of time."""
        return [self._segment(part) for part in self._parts]

    @cached_property
    def _parts(self) -> list[_Part]:
        parts = []
        at = self._start
        while at < self._stop:
            period = self._periods[self._period_at(at)]
            first, last = self._window(at)
            offset = period.offset if self._is_regular(period, first, last) else None
            if offset is not None:
                end = min(period.stop, self._stop)
                begin_of_last, end_of_last = self._window(end - 1)
                end = end if self._is_regular(period, begin_of_last, end_of_last) else begin_of_last
            else:
                end = min(last, self._stop)
            parts.append(_Part(at, end, offset))
            at = end
        return parts

    def _segment(self, part: _Part) -> Segment:
        start, stop = part.start + self.late, part.stop + self.late
        if part.offset is None:
            # The part is one window, also where the range ends within it.
            return Segment(start, stop, f"{stop - start}ns", start % (stop - start))
        shift = 0 if self._months else self._origin - part.offset
        return Segment(start, stop, self.every, (shift + self.late) % (self._nanos or _DAY))

    @cached_property
    def count(self) -> int:
        """Number of windows."""
        return sum(map(self._count, self._parts))

    def labels(self, label: str, without: str = "`create_empty`") -> array[int]:
        """List the starts or the stops of all windows, none of them outside the range.

        Args:
            label: "start" or "stop".
            without: What the caller can leave out to need no list, for the error.

        Raises:
            InvalidArgumentError: There are too many windows, as where "1ms" is a slip for "1m".
        """
        if self.count > _MOST_LISTED:
            message = (
                f"`{self._argument}` must make at most {_MOST_LISTED:,} windows, so that they can be listed; "
                f"{self.every!r} makes {self.count:,}. Use longer windows or a shorter range, or leave out "
                f"{without}"
            )
            raise InvalidArgumentError(message, argument=self._argument)
        edges = array("q", [self._start + self.late])
        for part in self._parts:
            edges.extend(self._stops(part))
        edges.pop(-1 if label == "start" else 0)
        return edges

    def around(self, time: int, label: str) -> tuple[int, int]:
        """Return start and stop of the window with this label, neither of them outside the range."""
        within = time - self.late - (label == "stop")
        start, stop = self._window(within)
        return max(start, self._start) + self.late, min(stop, self._stop) + self.late

    def edge_from(self, time: int) -> int:
        """Return the first edge of a window at a time or after it; it may lie outside the range."""
        start, stop = self._window(time)
        return time if time == start else stop

    def as_arguments(self, label: str) -> dict[str, Any]:
        """Return what `db_core.meter.Consumption` has to know of the windows, labelled by this edge."""
        lead = (self.longest if label == "start" else 0) - self.late
        return {"adjacent_since": self.before, "lead": lead, "late": self.late, "longest": self.longest}

    @property
    def longest(self) -> int:
        """Nanoseconds of the longest window, at most."""
        usual = self._nanos or self._months * _LONGEST_MONTH
        irregular = (part.stop - part.start for part in self._parts if part.offset is None)
        return min(LATEST, max([usual, *irregular]))

    @property
    def before(self) -> int:
        """Start of the window before the first."""
        first, _ = self._window(self._start)
        start, _ = self._window(first - 1)
        return max(start, self._since) + self.late

    def _count(self, part: _Part) -> int:
        """Count a part's windows."""
        if part.offset is None or self._months:
            return sum(1 for _ in self._stops(part))
        first, _ = self._cell(part.start, part.offset)
        return -((first - part.stop) // self._nanos)

    def _stops(self, part: _Part) -> Iterable[int]:
        """Return the stops of a part's windows."""
        last = part.stop + self.late
        if part.offset is None:
            return [last]
        stop = self._cell(part.start, part.offset)[1]
        if self._nanos:
            return chain(range(stop + self.late, last, self._nanos), [last])
        stops = []
        while stop < part.stop:
            stops.append(stop + self.late)
            stop = self._cell(stop, part.offset)[1]
        return [*stops, last]

    def _is_regular(self, period: _Period, start: int, stop: int) -> bool:
        """Tell whether the storage engine computes this window rightly."""
        # 2.9.1 loses points in months with a negative offset, so local months are read one by one. A window
        # that reaches beyond InfluxDB's times gets a wrong label.
        within = max(period.start, EARLIEST) <= start and stop <= min(period.stop, LATEST)
        return within and not (self._months and period.offset)

    def _period_at(self, time: int) -> int:
        return max(0, bisect_right(self._periods, time, key=attrgetter("start")) - 1)

    def _window(self, time: int) -> tuple[int, int]:
        """Return start and stop of the window of a time, across changes of the zone's offset."""
        left = right = self._period_at(time)
        start, stop = self._cell_in_period(left, time)
        while left > 0 and start == self._periods[left].start and self._is_joined(left):
            left -= 1
            start, _ = self._cell_in_period(left, self._periods[left].stop - 1)
        last = len(self._periods) - 1
        while right < last and stop == self._periods[right].stop and self._is_joined(right + 1):
            right += 1
            _, stop = self._cell_in_period(right, self._periods[right].start)
        return start, stop

    def _cell_in_period(self, number: int, time: int) -> tuple[int, int]:
        """Return start and stop of a time's cell, neither of them outside the period."""
        period = self._periods[number]
        start, stop = self._cell(time, period.offset)
        return max(start, period.start), min(stop, period.stop)

    def _is_joined(self, number: int) -> bool:
        """Tell whether the windows on both sides of a period's start are one."""
        change = self._periods[number].start
        before, after = self._periods[number - 1].offset, self._periods[number].offset
        _, end_before = self._cell(change - 1, before)
        begin_after, _ = self._cell(change, after)
        if end_before == change == begin_after:
            return False
        # The same cell of the local clock, not of UTC.
        return end_before + before == self._cell(change, after)[1] + after

    def _cell(self, time: int, offset: int) -> tuple[int, int]:
        """Return start and stop of a time's cell of the local clock, at one offset."""
        local = time + offset
        if self._nanos:
            start = local - (local - self._origin) % self._nanos
            return start - offset, start + self._nanos - offset
        day = _EPOCH + timedelta(microseconds=local // 1_000)
        month = (day.year - 1970) * 12 + day.month - 1
        month -= month % self._months
        return _month(month) - offset, _month(month + self._months) - offset


def _month(number: int) -> int:
    """Return the nanoseconds at which a month begins, counted from January 1970."""
    first = datetime(1970 + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return (first - _EPOCH) // timedelta(seconds=1) * _SECOND


def _periods(tz: str, start: int, stop: int) -> list[_Period]:
    """Return the periods of a range, in order of time."""
    if tz == "UTC":
        return [_Period(start, stop, 0)]
    first, last = (min(max(_date(time).year, _FIRST_YEAR), _LAST_YEAR) for time in (start, stop))
    changes = [change for year in range(first, last + 1) for change in _changes(tz, year)]
    changes = [change for change in changes if start < change < stop]
    edges = [start, *changes, stop]
    return [_Period(begin, end, _utc_offset(ZoneInfo(tz), begin)) for begin, end in pairwise(edges)]


@lru_cache(maxsize=1_024)
def _changes(tz: str, year: int) -> list[int]:
    """Return the instants of a year, in UTC, at which a zone changes its offset.

    `zoneinfo` does not tell them, so they are searched for: day by day, then by halves.
    """
    zone = ZoneInfo(tz)
    changes = []
    begin, end = _month((year - 1970) * 12), _month((year - 1969) * 12)
    known = _utc_offset(zone, begin)
    for midnight in range(begin + _DAY, end + 1, _DAY):
        offset = _utc_offset(zone, midnight)
        if offset != known:
            low, high = (midnight - _DAY) // _SECOND, midnight // _SECOND
            while high - low > 1:
                middle = (low + high) // 2
                same = _utc_offset(zone, middle * _SECOND) == known
                low, high = (middle, high) if same else (low, middle)
            changes.append(high * _SECOND)
        known = offset
    return changes


def _utc_offset(zone: ZoneInfo, time: int) -> int:
    offset = _date(time).astimezone(zone).utcoffset() or timedelta(0)
    return offset // timedelta(microseconds=1) * 1_000


def _date(time: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time // 1_000)
