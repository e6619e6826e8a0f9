"""Windows in local time, as ranges that the storage engine can cut by itself.

InfluxDB cuts windows in the storage engine only where they are regular in UTC;
given a location, it reads every point instead, which takes a hundred times as
long. Between two changes of a zone's offset local windows *are* regular: their
distance is `every`, and the offset shifts them. So a range is asked for in
segments: one for each stretch between changes, and one for each window that a
change lies in, such as a day of 23 or 25 hours, or that is a local month.

Windows are cells of the local clock: hours from midnight, days, weeks from
Monday, months. Where the clock is put back within a cell, both passes are one
window; where it is put back by a whole cell, they are two.

InfluxDB's windows are closed at the left: [a, b). As times are whole nanoseconds,
one that is closed at the right, (a, b], is [a + 1, b + 1), which it cuts as well.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Literal
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
_MOST_LISTED = 366 * 86_400  # windows that are listed one by one: a leap year of seconds


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a range whose windows are regular in UTC: a small value that can be pickled.

    Attributes:
        start: Nanoseconds since the epoch, included; cuts the first window.
        stop: Nanoseconds since the epoch, excluded; cuts the last window.
        every: Distance of the windows, a Flux duration.
        offset: Nanoseconds by which they are shifted from those that begin at the epoch.
    """

    start: int
    stop: int
    every: str
    offset: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A time in which a zone keeps its offset."""

    start: int
    stop: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the range, in which windows are regular in UTC, or which is one window."""

    start: int
    stop: int
    stretch: _Stretch
    is_regular: bool


class Windows:
    """The windows of one length over a range, in the local time of a zone.

    Args:
        every: A Flux duration of months or of anything shorter, not of both.
        tz: IANA name of the zone.
        start: Nanoseconds since the epoch.
        stop: Nanoseconds since the epoch, later than `start`.
        closed: Which of its edges a window holds; the range holds the same.
        argument: Name of the windows' length for errors.

    Attributes:
        every: As given.
        late: Nanoseconds by which all times given come late: 1 where windows are closed at the right.
    """

    def __init__(
        self,
        every: str,
        tz: str,
        start: int,
        stop: int,
        closed: Literal["left", "right"] = "left",
        argument: str = "interval",
    ) -> None:
        parts = [(int(number), unit) for number, unit in re.findall(r"(\d+)(\D+)", every)]
        self.every = every
        self._argument = argument
        self.late = int(closed == "right")
        self._months = sum(number * {"mo": 1, "y": 12}.get(unit, 0) for number, unit in parts)
        self._nanos = 0 if self._months else sum(number * UNITS[unit] for number, unit in parts)
        self._origin = _MONDAY if self._nanos and self._nanos % _WEEK == 0 else 0
        self._start, self._stop = start, stop
        margin = 2 * (self._nanos or self._months * _LONGEST_MONTH) + 3 * _DAY
        self._stretches = _stretches(tz, start - margin, stop + margin)
        self._begins = [stretch.start for stretch in self._stretches]

    @property
    def segments(self) -> list[Segment]:
        """The range in segments, in order of time."""
        return [self._segment(part) for part in self._parts]

    @cached_property
    def _parts(self) -> list[_Part]:
        parts = []
        at = self._start
        while at < self._stop:
            stretch = self._stretches[self._stretch_at(at)]
            first, last = self._window(at)
            is_regular = self._is_regular(stretch, first, last)
            if is_regular:
                end = min(stretch.stop, self._stop)
                begin_of_last, end_of_last = self._window(end - 1)
                end = end if self._is_regular(stretch, begin_of_last, end_of_last) else begin_of_last
            else:
                end = min(last, self._stop)
            parts.append(_Part(at, end, stretch, is_regular))
            at = end
        return parts

    def _segment(self, part: _Part) -> Segment:
        start, stop = part.start + self.late, part.stop + self.late
        if part.is_regular:
            return Segment(start, stop, self.every, self._offset(part.stretch))
        # The part is the window, also where the range cuts it.
        return Segment(start, stop, f"{stop - start}ns", start % (stop - start))

    @cached_property
    def count(self) -> int:
        """How many windows there are."""
        return sum(map(self._count, self._parts))

    def labels(self, label: str, without: str = "`create_empty`") -> array[int]:
        """Give the start or the stop of every window, as `label` says, cut by the range.

        Args:
            label: "start" or "stop".
            without: What else needs no list of all windows, for the error.

        Raises:
            InvalidArgumentError: There are more of them than anyone can want, as where "1ms" stands for "1m".
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
        """Give start and stop of the window with this label, cut by the range."""
        within = time - self.late - (label == "stop")
        start, stop = self._window(within)
        return max(start, self._start) + self.late, min(stop, self._stop) + self.late

    @property
    def longest(self) -> int:
        """No window is longer than so many nanoseconds."""
        usual = self._nanos or self._months * _LONGEST_MONTH
        irregular = (part.stop - part.start for part in self._parts if not part.is_regular)
        return min(LATEST, max([usual, *irregular]))

    @property
    def before(self) -> int:
        """Start of the window before the first one."""
        first, _ = self._window(self._start)
        start, _ = self._window(first - 1)
        return max(start, EARLIEST) + self.late

    def _count(self, part: _Part) -> int:
        """Count a part's windows."""
        if not part.is_regular or self._months:
            return sum(1 for _ in self._stops(part))
        first, _ = self._cell(part.start, part.stretch.offset)
        return -((first - part.stop) // self._nanos)

    def _stops(self, part: _Part) -> Iterable[int]:
        """Give the stops of a part's windows."""
        last = part.stop + self.late
        if not part.is_regular:
            return [last]
        offset = part.stretch.offset
        stop = self._cell(part.start, offset)[1]
        if self._nanos:
            return chain(range(stop + self.late, last, self._nanos), [last])
        stops = []
        while stop < part.stop:
            stops.append(stop + self.late)
            stop = self._cell(stop, offset)[1]
        return [*stops, last]

    def _is_regular(self, stretch: _Stretch, start: int, stop: int) -> bool:
        """Whether a window is one that the storage engine cuts."""
        # 2.9.1 loses points in months with a negative offset, so local ones are asked for one by one;
        # a window that reaches beyond its times has a label anywhere.
        within = max(stretch.start, EARLIEST) <= start and stop <= min(stretch.stop, LATEST)
        return within and not (self._months and stretch.offset)

    def _offset(self, stretch: _Stretch) -> int:
        return self.late if self._months else (self._origin - stretch.offset + self.late) % self._nanos

    def _stretch_at(self, time: int) -> int:
        return max(0, bisect_right(self._begins, time) - 1)

    def _window(self, time: int) -> tuple[int, int]:
        """Give start and stop of the window that holds a time, over any change of the zone's offset."""
        place = left = right = self._stretch_at(time)
        start, stop = self._within(place, time)
        while left > 0 and start == self._stretches[left].start and self._is_one(left):
            left -= 1
            start, _ = self._within(left, self._stretches[left].stop - 1)
        last = len(self._stretches) - 1
        while right < last and stop == self._stretches[right].stop and self._is_one(right + 1):
            right += 1
            _, stop = self._within(right, self._stretches[right].start)
        return start, stop

    def _within(self, place: int, time: int) -> tuple[int, int]:
        """Give the cell that holds a time, as far as its stretch goes."""
        stretch = self._stretches[place]
        start, stop = self._cell(time, stretch.offset)
        return max(start, stretch.start), min(stop, stretch.stop)

    def _is_one(self, place: int) -> bool:
        """Whether the windows on both sides of a stretch's start are one."""
        change = self._stretches[place].start
        before, after = self._stretches[place - 1].offset, self._stretches[place].offset
        _, end_before = self._cell(change - 1, before)
        begin_after, _ = self._cell(change, after)
        if end_before == change == begin_after:
            return False
        # The same cell of the local clock, not of UTC.
        return end_before + before == self._cell(change, after)[1] + after

    def _cell(self, time: int, offset: int) -> tuple[int, int]:
        """Give start and stop of the cell of the local clock that holds a time, at one offset."""
        local = time + offset
        if self._nanos:
            start = local - (local - self._origin) % self._nanos
            return start - offset, start + self._nanos - offset
        day = _EPOCH + timedelta(microseconds=local // 1_000)
        month = (day.year - 1970) * 12 + day.month - 1
        month -= month % self._months
        return _month(month) - offset, _month(month + self._months) - offset


def _month(number: int) -> int:
    """Give the nanoseconds of the first day of a month, counted from January 1970."""
    first = datetime(1970 + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return (first - _EPOCH) // timedelta(seconds=1) * _SECOND


def _stretches(tz: str, start: int, stop: int) -> list[_Stretch]:
    """Give the stretches that cover a range; the outer two go on beyond it."""
    if tz == "UTC":
        return [_Stretch(start, stop, 0)]
    first, last = (min(max(_date(time).year, _FIRST_YEAR), _LAST_YEAR) for time in (start, stop))
    changes = [change for year in range(first, last + 1) for change in _changes(tz, year)]
    changes = [change for change in changes if start < change < stop]
    edges = [start, *changes, stop]
    return [_Stretch(begin, end, _utc_offset(ZoneInfo(tz), begin)) for begin, end in pairwise(edges)]


@lru_cache(maxsize=1_024)
def _changes(tz: str, year: int) -> list[int]:
    """Give the instants of a year, in UTC, at which a zone changes its offset.

    `zoneinfo` keeps them to itself, so they are looked for: day by day, then by halves.
    """
    zone = ZoneInfo(tz)
    found = []
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
            found.append(high * _SECOND)
        known = offset
    return found


def _utc_offset(zone: ZoneInfo, time: int) -> int:
    offset = _date(time).astimezone(zone).utcoffset() or timedelta(0)
    return offset // timedelta(microseconds=1) * 1_000


def _date(time: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time // 1_000)
