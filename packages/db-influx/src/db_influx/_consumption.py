"""Consumption per window: which totals to ask for, and the second question where a total fell.

The storage engine gives, of each window, the last total and the smallest one;
of each series, the last point before the range and the first one in it. That
is all a meter needs that only counts up. Where a window's smallest total lies
below the last one before it, the total fell in between, however high the last
one is again. Such windows are asked for point by point where the policy makes
use of that, and so are those that seem to exceed a highest rate, for the times
of their points. The arithmetic is native: `db_core.meter`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from db_core.errors import InvalidArgumentError, QueryError
from db_influx import _checks, _flux, _times

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db_core.annotated_csv import Answer
    from db_core.frame import Frame
    from db_influx._flux import Query, Selection
    from db_influx._windows import Windows

__all__ = ["Gaps", "OnReset", "PerField", "Policy", "consumption"]

OnReset: TypeAlias = Literal["null", "restart", "rollover", "keep"]
Gaps: TypeAlias = Literal["book", "spread", "null"]
PerField: TypeAlias = "float | Mapping[str, float]"

_MOST_RANGES = 64  # of windows asked for point by point; more of them are asked for in one piece


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


def consumption(
    ask: Callable[[Sequence[Query]], list[Answer]],
    selection: Selection,
    cut: Windows,
    policy: Policy,
    *,
    label: Literal["start", "stop"],
    by: Sequence[str] | None,
    tz: str,
) -> Frame:
    """Read the totals of meters and give their consumption in each window.

    Args:
        ask: Sends queries and gives their answers, in order.
        selection: What to read; fields are named.
        cut: The windows.
        policy: What becomes of resets, gaps and implausible totals.
        label: Whether a window's start or stop is its time.
        by: Levels of the index, as for `InfluxManager`.
        tz: Zone of the index.
    """
    from db_core import meter

    fields = selection.fields or ()
    before = [_flux.last_before(selection)] if selection.start > _times.EARLIEST else []
    first = [_flux.first(selection)]
    totals = _flux.windows(selection, cut, "last", label=label)
    lows = [] if policy.on_reset == "keep" else _flux.windows(selection, cut, "min", label=label)
    try:
        answers = iter(ask([*before, *first, *totals, *lows]))
    except QueryError as error:
        # 2.9.1 panics over the smallest of texts; a first point shows whether that is it.
        if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            meter.consumption(ask(first), fields=fields, by=by)
        raise
    given = _Given(*([next(answers) for _ in queries] for queries in (before, first, totals, lows)))
    lead = cut.longest if label == "start" else 0
    unsettled: list[tuple[int, int, int]] = []
    points: list[Answer] = []
    # With `by`, two series of one meter may have totals in one window.
    if by or policy.on_reset in ("restart", "rollover") or policy.max_rate:
        labels = meter.unsettled(
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
        unsettled = _bounds(cut, label, labels)
        points = ask([_flux.raw(part) for part in _ranges(selection, unsettled)]) if unsettled else []
    return meter.consumption(
        given.totals,
        before=given.before,
        first=given.first,
        lows=given.lows,
        points=points,
        refined=unsettled,
        fields=fields,
        by=by,
        tz=tz,
        grid=cut.labels(label) if policy.quality or policy.gaps != "book" else None,
        adjacent_since=cut.before,
        lead=lead,
        longest=cut.longest,
        **policy.options(),
    )


class _Given(NamedTuple):
    """The answers to the first question."""

    before: list[Answer]
    first: list[Answer]
    totals: list[Answer]
    lows: list[Answer]


def _bounds(cut: Windows, label: str, wanted: Sequence[int]) -> list[tuple[int, int, int]]:
    """Give label, start and stop of the windows with these labels."""
    if not wanted:
        return []
    starts, stops = cut.labels("start"), cut.labels("stop")
    labels = starts if label == "start" else stops
    places = [bisect_left(labels, time) for time in wanted]
    return [(labels[place], starts[place], stops[place]) for place in places]


def _ranges(selection: Selection, windows: Sequence[tuple[int, int, int]]) -> list[Selection]:
    """Give the ranges that hold the windows: neighbours in one, and all in one if they are many."""
    ranges: list[tuple[int, int]] = []
    for _, start, stop in windows:
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], stop)
        else:
            ranges.append((start, stop))
    if len(ranges) > _MOST_RANGES:
        ranges = [(ranges[0][0], ranges[-1][1])]
    return [replace(selection, start=start, stop=stop) for start, stop in ranges]


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
