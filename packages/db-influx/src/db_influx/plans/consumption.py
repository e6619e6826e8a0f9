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
from functools import partial, reduce
from http import HTTPStatus
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from db_core import meter
from db_core.errors import IncompleteResultError, InvalidArgumentError, QueryError
from db_influx import _arguments, _flux, _times
from db_influx._steps import Ask, Work
from db_influx._windows import Windows
from db_influx.plans.frames import bytes_of

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

    from db_core.meter import Unsettled
    from db_influx._flux import Query, Selection
    from db_influx._options import Closed, ConsumptionOptions, Edge, Gaps, OnReset, Options
    from db_influx._steps import Steps

__all__ = ["Policy", "Wanted", "consumption", "wanted"]

_LABELS: tuple[Edge, ...] = ("start", "stop")
_CLOSED: tuple[Closed, ...] = ("right", "left")

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
        given: ConsumptionOptions,
    ) -> Policy:
        """Return the checked policy for these fields."""
        policy = cls(
            given.get("on_reset", "null"),
            _per_field(given.get("rollover"), fields, "rollover"),
            _per_field(given.get("max_rate"), fields, "max_rate"),
            given.get("gaps", "book"),
            _arguments.flag(given.get("quality", False), "quality"),
        )
        # The kernel knows what goes together; it has nothing to compute yet.
        meter.Consumption((), fields=fields, **policy.options())
        return policy

    @property
    def needs_labels(self) -> bool:
        """Tell whether consumption needs the labels of all windows, those without a total too."""
        return self.quality or self.gaps != "book"

    def options(self) -> dict[str, Any]:
        """Give the kernel's arguments."""
        return {
            "on_reset": self.on_reset,
            "rollover": self.rollover or None,
            "max_rate": self.max_rate or None,
            "gaps": self.gaps,
            "quality": self.quality,
        }


class Wanted(NamedTuple):
    """The windows of consumption, and what becomes of totals.

    Attributes:
        cut: The windows.
        label: Whether a window's start or stop is its time.
        policy: What becomes of resets, gaps and implausible totals.
    """

    cut: Windows
    label: Edge
    policy: Policy


def wanted(
    selection: Selection, every: tuple[str, str], given: ConsumptionOptions, options: Options
) -> Wanted:
    """Return what a read of consumption asks for.

    Args:
        selection: What to read; fields are named.
        every: Length of the windows, and the name of the argument that it came by.
        given: Keywords of the call.
        options: Say in which zone the windows are.

    Raises:
        InvalidArgumentError: A keyword is unusable.
    """
    label = _arguments.choice(given.get("label", "stop"), "label", _LABELS)
    closed = _arguments.choice(given.get("closed", "right"), "closed", _CLOSED)
    policy = Policy.of(selection.fields or (), given)
    length, argument = every
    cut = Windows(length, options.tz, selection.start, selection.stop, closed, argument)
    return Wanted(cut, label, policy)


def consumption(
    selection: Selection,
    wanted: Wanted,
    labels: array[int] | None,
    kinds: Mapping[str, str],
    options: Options,
) -> Steps[Any]:
    """Read the totals of meters and return their consumption in each window.

    Args:
        selection: What to read; fields are named. Its range is closed as the windows are.
        wanted: The windows, and what becomes of totals.
        labels: The labels of all windows, if the policy needs them.
        kinds: What the fields hold that are known.
        options: Say what the frame is.
    """
    cut, label, policy = wanted
    at_once = options.max_parallel
    fields = selection.fields or ()
    # Up to the frame, all times are as late as the windows'.
    selection = replace(selection, start=selection.start + cut.late, stop=selection.stop + cut.late)
    before = [_flux.last_before(selection)] if selection.start > _times.EARLIEST else []
    first = [_flux.first(selection)]
    totals = _flux.windows(selection, cut, "last", label=label)
    lows = [] if policy.on_reset == "keep" else _flux.windows(selection, cut, "min", label=label)
    queries = {"before": before, "first": first, "totals": totals, "lows": lows}
    try:
        answers = iter((yield Ask([query for asked in queries.values() for query in asked], at_once)))
    except QueryError as error:
        # 2.9.1 panics over the smallest of texts, even of none; a point shows whether that is it.
        if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            edges = yield Ask([*before, *first], at_once)
            read = partial(meter.Consumption, edges, fields=fields, by=options.by)
            yield Work(lambda: read().frame(), bytes_of(edges))
        raise
    given: dict[str, Any] = {name: [next(answers) for _ in asked] for name, asked in queries.items()}
    size = sum(map(bytes_of, given.values())) + 8 * len(labels or ())
    work = partial(
        meter.Consumption,
        **given,
        fields=fields,
        kinds=kinds,
        by=options.by,
        tz=options.tz,
        grid=labels,
        adjacent_since=cut.before,
        lead=(cut.longest if label == "start" else 0) - cut.late,
        late=cut.late,
        longest=cut.longest,
        **policy.options(),
    )
    totals_of: meter.Consumption = yield Work(work, size)
    del answers, given, work  # they are read, and hold the same totals
    # With `by`, two series of one meter may have totals in one window.
    if not options.by and policy.on_reset not in ("restart", "rollover") and not policy.max_rate:
        return (yield Work(totals_of.frame, size))
    unsettled: Unsettled = yield Work(totals_of.unsettled, size)
    doubtful: dict[int, _Window] = yield Work(partial(_doubtful, unsettled, cut, label), size)
    stretches: list[_Stretch] = yield Work(partial(_stretches, unsettled, doubtful), size)

    def frame(known: Unsettled | None) -> Steps[Any]:
        queries = yield Work(partial(_points, selection, stretches, known), size)
        points = (yield Ask(queries, at_once)) if queries else []
        work = partial(totals_of.frame, points, list(doubtful.values()))
        return (yield Work(work, size + bytes_of(points)))

    try:
        return (yield from frame(unsettled))
    except IncompleteResultError:
        # A tag may be another in answers than it is stored, as one with a carriage return.
        return (yield from frame(None))


def _doubtful(unsettled: Unsettled, windows: Windows, label: Edge) -> dict[int, _Window]:
    labels = sorted({time for doubt in unsettled.doubts for time in doubt.windows})
    return {time: _Window(time, *windows.around(time, label)) for time in labels}


def _points(selection: Selection, stretches: list[_Stretch], unsettled: Unsettled | None) -> list[Query]:
    return [_flux.points(selection, stretch.of(selection, unsettled)) for stretch in stretches]


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
    return {field: _arguments.number(number, argument) for field, number in given.items()}
