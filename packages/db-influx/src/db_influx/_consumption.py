"""Consumption per window: which totals to ask for, and the second question where a total fell.

The storage engine gives, of each window, the last total and the smallest one;
of each series, the last point before the range and the first one in it. That
is all a meter needs that only counts up. Where a window's smallest total lies
below the last one before it, the total fell in between, however high the last
one is again. Such windows are asked for point by point where the policy makes
use of that, and so are those that seem to exceed a highest rate, for the times
of their points; and of no other series than theirs. The arithmetic is native:
`db_core.meter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from db_core.errors import IncompleteResultError, InvalidArgumentError, QueryError
from db_influx import _checks, _flux, _times

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence

    from db_core.annotated_csv import Answer
    from db_core.frame import Frame
    from db_core.meter import Unsettled
    from db_influx._flux import Query, Selection
    from db_influx._windows import Windows

__all__ = ["Closed", "Gaps", "OnReset", "PerField", "Policy", "consumption", "windows"]

Closed: TypeAlias = Literal["right", "left"]

OnReset: TypeAlias = Literal["null", "restart", "rollover", "keep"]
Gaps: TypeAlias = Literal["book", "spread", "null"]
PerField: TypeAlias = "float | Mapping[str, float]"

_MOST_STRETCHES = (
    64  # of time that are asked for point by point; where there are more, the nearest are joined
)


@dataclass(frozen=True, slots=True)
class Policy:
    """How totals become consumption; see `InfluxManager.read_accumulated_value`."""

    on_reset: OnReset
    rollover: dict[str, float]
    max_rate: dict[str, float]
    gaps: Gaps
    quality: bool

    @classmethod
    def of(
        cls,
        fields: Sequence[str],
        on_reset: OnReset,
        rollover: PerField | None,
        max_rate: PerField | None,
        gaps: Gaps,
        quality: bool,  # noqa: FBT001 - as it was given
    ) -> Policy:
        """Give the checked policy for these fields."""
        from db_core import meter

        policy = cls(
            on_reset,
            _per_field(rollover, fields, "rollover"),
            _per_field(max_rate, fields, "max_rate"),
            gaps,
            _checks.flag(quality, "quality"),
        )
        # The kernel knows what goes together; it has nothing to compute yet.
        meter.consumption((), fields=fields, **policy.options())
        return policy

    def options(self) -> dict[str, Any]:
        """Give the kernel's arguments."""
        return {
            "on_reset": self.on_reset,
            "rollover": self.rollover or None,
            "max_rate": self.max_rate or None,
            "gaps": self.gaps,
            "quality": self.quality,
        }


def windows(
    selection: Selection,
    every: tuple[str, str],
    policy: Policy,
    *,
    closed: Closed,
    label: Literal["start", "stop"],
    tz: str,
) -> tuple[Windows, array[int] | None]:
    """Return the windows, and the labels of all of them if the policy needs these.

    Args:
        selection: What to read. Its range is closed as the windows are.
        every: Length of the windows, and the name of the argument that it came by.
        policy: What becomes of resets, gaps and implausible totals.
        closed: Which of its edges a window holds.
        label: Whether a window's start or stop is its time.
        tz: Zone of the windows.

    Raises:
        InvalidArgumentError: There are too many windows to list.
    """
    from db_influx._windows import Windows

    length, argument = every
    cut = Windows(length, tz, selection.start, selection.stop, closed)
    wants_all = policy.quality or policy.gaps != "book"
    return cut, cut.labels(label, argument, "`quality` and `gaps`") if wants_all else None


def consumption(
    ask: Callable[[Sequence[Query]], list[Answer]],
    selection: Selection,
    cut: Windows,
    grid: array[int] | None,
    policy: Policy,
    *,
    kinds: Mapping[str, str],
    label: Literal["start", "stop"],
    by: Sequence[str] | None,
    tz: str,
) -> Frame:
    """Read the totals of meters and give their consumption in each window.

    Args:
        ask: Sends queries and gives their answers, in order.
        selection: What to read; fields are named. Its range is closed as the windows are.
        cut: The windows.
        grid: The labels of all windows, if the policy needs them.
        policy: What becomes of resets, gaps and implausible totals.
        kinds: What the fields hold that are known.
        label: Whether a window's start or stop is its time.
        by: Levels of the index, as for `InfluxManager`.
        tz: Zone of the index.
    """
    from db_core import meter

    fields = selection.fields or ()
    # Up to the frame, all times are as late as the windows'.
    selection = replace(selection, start=selection.start + cut.late, stop=selection.stop + cut.late)
    before = [_flux.last_before(selection)] if selection.start > _times.EARLIEST else []
    first = [_flux.first(selection)]
    totals = _flux.windows(selection, cut, "last", label=label)
    lows = [] if policy.on_reset == "keep" else _flux.windows(selection, cut, "min", label=label)
    try:
        answers = iter(ask([*before, *first, *totals, *lows]))
    except QueryError as error:
        # 2.9.1 panics over the smallest of texts, even of none; a point shows whether that is it.
        if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            meter.consumption(ask([*before, *first]), fields=fields, by=by)
        raise
    given = _Given(*([next(answers) for _ in queries] for queries in (before, first, totals, lows)))
    lead = (cut.longest if label == "start" else 0) - cut.late

    def booked(points: Sequence[Answer], refined: Sequence[_Window]) -> Frame:
        return meter.consumption(
            given.totals,
            before=given.before,
            first=given.first,
            lows=given.lows,
            points=points,
            refined=refined,
            fields=fields,
            kinds=kinds,
            by=by,
            tz=tz,
            grid=grid,
            adjacent_since=cut.before,
            lead=lead,
            late=cut.late,
            longest=cut.longest,
            **policy.options(),
        )

    # With `by`, two series of one meter may have totals in one window.
    if not by and policy.on_reset not in ("restart", "rollover") and not policy.max_rate:
        return booked((), ())
    unsettled = meter.unsettled(
        given.totals,
        before=given.before,
        first=given.first,
        lows=given.lows,
        fields=fields,
        by=by,
        on_reset=policy.on_reset,
        max_rate=policy.max_rate,
        lead=lead,
    )
    labels = sorted({time for doubt in unsettled.doubts for time in doubt.windows})
    windows = {time: _Window(time, *cut.around(time, label)) for time in labels}
    stretches = _stretches(unsettled, windows)
    points = (
        ask([_flux.points(selection, part.of(selection, unsettled)) for part in stretches]) if labels else ()
    )
    try:
        return booked(points, list(windows.values()))
    except IncompleteResultError:
        # A tag may be another in answers than it is stored, as one with a carriage return.
        points = ask([_flux.points(selection, part.of(selection, None)) for part in stretches])
        return booked(points, list(windows.values()))


class _Given(NamedTuple):
    """The answers to the first question."""

    before: list[Answer]
    first: list[Answer]
    totals: list[Answer]
    lows: list[Answer]


class _Window(NamedTuple):
    """A window of which all points are wanted."""

    label: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A stretch of time whose points are wanted, of some fields of some series."""

    start: int
    stop: int
    fields: frozenset[str]
    series: frozenset[int]

    @property
    def size(self) -> int:
        """A measure of how many points it has."""
        return (self.stop - self.start) * len(self.series) * len(self.fields)

    def with_(self, other: _Stretch) -> _Stretch:
        """Give the stretch that holds both."""
        start, stop = min(self.start, other.start), max(self.stop, other.stop)
        return _Stretch(start, stop, self.fields | other.fields, self.series | other.series)

    def of(self, selection: Selection, unsettled: Unsettled | None) -> Selection:
        """Give what to ask for; of all series where `unsettled` does not tell them apart.

        Tag by tag, so that it may be some more series, which do no harm.
        """
        names, all_series = (unsettled.tags, unsettled.series) if unsettled else ([], [])
        tags = []
        for place, name in enumerate(names):
            known = [series[place] or "" for series in all_series]
            values = {known[number] for number in self.series}
            # Where it is all the values there are, the tag tells nothing.
            if name not in _flux.OWN and values != set(known):
                tags.append((name, tuple(sorted(values))))
        return replace(
            selection,
            start=self.start,
            stop=self.stop,
            fields=tuple(field for field in selection.fields or () if field in self.fields),
            tags=(*selection.tags, *tags),
        )


def _stretches(unsettled: Unsettled, windows: Mapping[int, _Window]) -> list[_Stretch]:
    """Give the stretches that hold the windows of all doubts: apart from each other, and not too many."""
    fields: dict[int, set[str]] = {}
    series: dict[int, set[int]] = {}
    for doubt in unsettled.doubts:
        for label in doubt.windows:
            fields.setdefault(label, set()).add(doubt.field)
            series.setdefault(label, set()).update(doubt.series)
    found: list[_Stretch] = []
    for label in sorted(fields):
        _, start, stop = windows[label]
        window = _Stretch(start, stop, frozenset(fields[label]), frozenset(series[label]))
        last = found[-1] if found else None
        if last and (last.stop, last.fields, last.series) == (start, window.fields, window.series):
            found[-1] = last.with_(window)
        else:
            found.append(window)
    if found:
        # A query has its price too, the more so with many tags.
        whole = reduce(_Stretch.with_, found)
        if whole.size < 2 * sum(stretch.size for stretch in found):
            return [whole]
    if len(found) <= _MOST_STRETCHES:
        return found
    costs = [
        (one.with_(two).size - one.size - two.size, place)
        for place, (one, two) in enumerate(pairwise(found), 1)
    ]
    starts = {place for _, place in sorted(costs)[len(found) - _MOST_STRETCHES :]}
    joined = [found[0]]
    for place, stretch in enumerate(found[1:], start=1):
        if place in starts:
            joined.append(stretch)
        else:
            joined[-1] = joined[-1].with_(stretch)
    return joined


def _per_field(value: object, fields: Sequence[str], argument: str) -> dict[str, float]:
    """Give a number for each field; one number is every field's."""
    if value is None:
        return {}
    given = value if isinstance(value, Mapping) else dict.fromkeys(fields, value)
    unknown = [field for field in given if field not in fields]
    if unknown:
        message = f"`{argument}` names {unknown[0]!r}, which is none of the fields {', '.join(fields)}"
        raise InvalidArgumentError(message, argument=argument)
    return {field: _checks.number(number, argument) for field, number in given.items()}
