"""Consumption per window: the totals to read, and the points to read where a total fell.

The storage engine computes the last and the smallest total of each window, and
the last point of each series before the range and the first in it. A meter that
only counts up needs no more. Where a window's smallest total lies below the last
total before it, the total fell in between, however high the last one is again.
The points of such windows are read where the policy needs them, and so are those
of windows that seem to exceed a highest rate; and only those of the same series.
The arithmetic is native: `db_core.meter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from http import HTTPStatus
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from db_core import meter
from db_core.errors import IncompleteResultError, QueryError
from db_influx import _arguments, _flux, _times
from db_influx._steps import Ask, Work
from db_influx._windows import Windows
from db_influx.plans.frames import bytes_of

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

    from db_core.frame import Frame
    from db_core.meter import Unsettled
    from db_influx._flux import Query, Selection
    from db_influx._options import Closed, ConsumptionOptions, Edge, Options
    from db_influx._steps import Steps

__all__ = ["ConsumptionSpec", "consumption", "consumption_spec"]

_LABELS: tuple[Edge, ...] = ("start", "stop")
_CLOSED: tuple[Closed, ...] = ("right", "left")

_MOST_STRETCHES = 64  # whose points are read; where there are more, the nearest are joined


class ConsumptionSpec(NamedTuple):
    """The windows of consumption, and how totals become consumption.

    Attributes:
        windows: The windows.
        label: The edge of a window that is its time.
        policy: How totals become consumption: arguments of `db_core.meter.Consumption`.
    """

    windows: Windows
    label: Edge
    policy: dict[str, Any]

    @property
    def needs_labels(self) -> bool:
        """Tell whether the policy needs the labels of all windows, those without a total too."""
        return bool(self.policy["quality"] or self.policy["gaps"] != "book")


def consumption_spec(
    selection: Selection, every: tuple[str, str], keywords: ConsumptionOptions, options: Options
) -> ConsumptionSpec:
    """Return the windows and the policy of a read of consumption, checked.

    Args:
        selection: What to read; fields are named.
        every: Length of the windows, and the name of its argument.
        keywords: Keywords of the call.
        options: The zone of the windows.

    Raises:
        InvalidArgumentError: A keyword is unusable.
    """
    label = _arguments.choice(keywords.get("label", "stop"), "label", _LABELS)
    closed = _arguments.choice(keywords.get("closed", "right"), "closed", _CLOSED)
    fields = selection.fields or ()
    policy: dict[str, Any] = {
        "on_reset": keywords.get("on_reset", "null"),
        "rollover": _per_field(keywords.get("rollover"), fields, "rollover"),
        "max_rate": _per_field(keywords.get("max_rate"), fields, "max_rate"),
        "gaps": keywords.get("gaps", "book"),
        "quality": _arguments.flag(keywords.get("quality", False), "quality"),
    }
    meter.Consumption((), fields=fields, **policy)  # checks which values go together
    length, argument = every
    windows = Windows(length, options.tz, selection.start, selection.stop, closed, argument)
    return ConsumptionSpec(windows, label, policy)


def consumption(
    selection: Selection,
    spec: ConsumptionSpec,
    labels: array[int] | None,
    kinds: Mapping[str, str],
    options: Options,
) -> Steps[Frame]:
    """Read the totals of meters and return their consumption in each window.

    Args:
        selection: What to read; fields are named. Its range is closed as the windows are.
        spec: The windows and the policy.
        labels: The labels of all windows, if the policy needs them.
        kinds: The types of the fields, as far as they are known.
        options: The number of parallel queries, and the form of the frame.
    """
    windows, label, policy = spec
    at_once = options.max_parallel
    fields = selection.fields or ()
    # `windows.late` is added to all times; `meter.Consumption` subtracts it again.
    selection = replace(selection, start=selection.start + windows.late, stop=selection.stop + windows.late)
    before = [_flux.last_before(selection)] if selection.start > _times.EARLIEST else []
    first = [_flux.series(selection)]
    totals = _flux.windows(selection, windows, "last", label=label)
    lows = [] if policy["on_reset"] == "keep" else _flux.windows(selection, windows, "min", label=label)
    queries = {"before": before, "first": first, "totals": totals, "lows": lows}
    try:
        answers = iter((yield Ask(list(chain.from_iterable(queries.values())), at_once, counts=True)))
    except QueryError as error:
        # 2.9.1 panics over the smallest of texts, even of none. So the error may be that of a text field.
        if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            points = yield Ask([*before, *first], at_once)
            check = partial(meter.Consumption, points, fields=fields, by=options.by)
            yield Work(lambda: check().frame(), bytes_of(points))
        raise
    by_name: dict[str, Any] = {name: [next(answers) for _ in sent] for name, sent in queries.items()}
    size = sum(map(bytes_of, by_name.values())) + 8 * len(labels or ())
    work = partial(
        meter.Consumption,
        **by_name,
        fields=fields,
        kinds=kinds,
        by=options.by,
        tz=options.tz,
        grid=labels,
        **windows.as_arguments(label),
        **policy,
    )
    meters: meter.Consumption = yield Work(work, size)
    del answers, by_name, work  # `meters` has the same totals
    # With `by`, two series of one meter may have totals in one window.
    if not options.by and policy["on_reset"] not in ("restart", "rollover") and not policy["max_rate"]:
        whole: Frame = yield Work(meters.frame, size)
        return whole
    unsettled: Unsettled = yield Work(meters.unsettled, size)
    doubtful: dict[int, _Window] = yield Work(partial(_doubtful, unsettled, windows, label), size)
    stretches: list[_Stretch] = yield Work(partial(_stretches, unsettled, doubtful), size)

    def frame(known: Unsettled | None) -> Steps[Frame]:
        queries = yield Work(partial(_points, selection, stretches, known), size)
        points = (yield Ask(queries, at_once, counts=True)) if queries else []
        work = partial(meters.frame, points, list(doubtful.values()))
        made: Frame = yield Work(work, size + bytes_of(points))
        return made

    try:
        return (yield from frame(unsettled))
    except IncompleteResultError:
        # An answer may spell a tag otherwise than it is stored, as one with a carriage return.
        return (yield from frame(None))


def _doubtful(unsettled: Unsettled, windows: Windows, label: Edge) -> dict[int, _Window]:
    labels = sorted({time for doubt in unsettled.doubts for time in doubt.windows})
    return {time: _Window(time, *windows.around(time, label)) for time in labels}


def _points(selection: Selection, stretches: list[_Stretch], unsettled: Unsettled | None) -> list[Query]:
    return [_flux.raw(stretch.of(selection, unsettled), with_field=True) for stretch in stretches]


class _Window(NamedTuple):
    """A window whose points are read."""

    label: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A range of time whose points are read, of some fields of some series."""

    start: int
    stop: int
    fields: frozenset[str]
    series: frozenset[int]

    @property
    def size(self) -> int:
        """Measure for the number of points."""
        return (self.stop - self.start) * len(self.series) * len(self.fields)

    def with_(self, other: _Stretch) -> _Stretch:
        """Return a stretch that covers both, and the time between them."""
        start, stop = min(self.start, other.start), max(self.stop, other.stop)
        return _Stretch(start, stop, self.fields | other.fields, self.series | other.series)

    def of(self, selection: Selection, unsettled: Unsettled | None) -> Selection:
        """Return the selection of these points, or without `unsettled`, that of all series.

        It is made tag by tag, so that some more series may be read, which do no harm.
        """
        tags = []
        for number, name in enumerate(unsettled.tags if unsettled else ()):
            known = [series[number] or "" for series in unsettled.series] if unsettled else []
            values = {known[series] for series in self.series}
            # A condition that all values meet is not needed.
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
    """Return stretches that cover all doubtful windows, do not overlap, and are not too many."""
    fields: dict[int, set[str]] = {}
    series: dict[int, set[int]] = {}
    for doubt in unsettled.doubts:
        for label in doubt.windows:
            fields.setdefault(label, set()).add(doubt.field)
            series.setdefault(label, set()).update(doubt.series)
    stretches: list[_Stretch] = []
    for label in sorted(fields):
        _, start, stop = windows[label]
        window = _Stretch(start, stop, frozenset(fields[label]), frozenset(series[label]))
        last = stretches[-1] if stretches else None
        if last and (last.stop, last.fields, last.series) == (start, window.fields, window.series):
            stretches[-1] = last.with_(window)
        else:
            stretches.append(window)
    if stretches:
        # One query for twice the points takes less time than many queries.
        whole = reduce(_Stretch.with_, stretches)
        if whole.size < 2 * sum(stretch.size for stretch in stretches):
            return [whole]
    if len(stretches) <= _MOST_STRETCHES:
        return stretches
    costs = [
        (one.with_(two).size - one.size - two.size, number)
        for number, (one, two) in enumerate(pairwise(stretches), 1)
    ]
    apart = {number for _, number in sorted(costs)[len(stretches) - _MOST_STRETCHES :]}
    joined = [stretches[0]]
    for number, stretch in enumerate(stretches[1:], start=1):
        if number in apart:
            joined.append(stretch)
        else:
            joined[-1] = joined[-1].with_(stretch)
    return joined


def _per_field(value: object, fields: Sequence[str], argument: str) -> dict[str, float]:
    """Return a number for each field; a single number counts for every field."""
    if value is None:
        return {}
    numbers = value if isinstance(value, Mapping) else dict.fromkeys(fields, value)
    unknown = [field for field in numbers if field not in fields]
    if unknown:
        known = ", ".join(fields)
        raise _arguments.invalid(argument, f"must name fields of the read ({known}), not {unknown[0]!r}")
    return {field: _arguments.number(number, argument) for field, number in numbers.items()}
