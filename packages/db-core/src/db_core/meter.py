"""Consumption from the running totals of meters."""

from __future__ import annotations

import sys
from numbers import Real
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn, TypeAlias, get_args

from db_core import _native
from db_core.errors import InvalidArgumentError
from db_core.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Buffer

    from db_core.annotated_csv import Answer

__all__ = ["Consumption", "Doubt", "Gaps", "OnReset", "Unsettled", "meter_differences"]

OnReset: TypeAlias = Literal["null", "restart", "rollover", "keep"]
Gaps: TypeAlias = Literal["book", "spread", "null"]


class Doubt(NamedTuple):
    """The windows of one field of one meter whose points are worth asking for.

    Attributes:
        field: The field.
        series: The meter's series, as numbers in `Unsettled.series`.
        windows: Labels of the windows in nanoseconds, sorted.
    """

    field: str
    series: list[int]
    windows: list[int]


class Unsettled(NamedTuple):
    """Which windows of which series do not tell enough.

    Attributes:
        tags: Names of the tags.
        series: The value of each tag, or None, of every series that has totals.
        doubts: What is not settled; if there is nothing, `tags` and `series` are empty too.
    """

    tags: list[str]
    series: list[list[str | None]]
    doubts: list[Doubt]


def meter_differences(values: object, *, keys: Sequence[str] | None = None) -> Frame:
    """Difference of consecutive totals, within each series.

    Args:
        values: A `Frame`, a pandas DataFrame, or any frame with Arrow's PyCapsule protocol.
        keys: Columns carried along; None is a `Frame`'s index, else none. Those of strings tell
            series apart, whose rows stand together; within a series, rows are in order of time.

    Returns:
        The same columns; each but the keys holds its total less the last total before it in the
        same series, in the total's unit. float64 stays float64; int64 and uint64 become int64. A
        row without a total is null, and the next counts from the last total known; the first total
        of a series is null.

    Raises:
        InvalidArgumentError: A key is no column, a column is not a number, or an integer difference
            exceeds 64 bits.
    """
    frame = Frame.of(values)
    missing = [key for key in keys or () if key not in frame.columns]
    if missing:
        message = f"`keys`: there is no column {missing[0]!r}; there are {', '.join(frame.columns)}"
        raise InvalidArgumentError(message, argument="keys")
    if keys is None:
        # By position, since a field may have a tag's name.
        positions = list(range(len(frame.index)))
    else:
        positions = [position for position, name in enumerate(frame.columns) if name in keys]
    return frame.derive(_native.differences(frame.batch, keys=positions))


class Consumption:
    """Meters' running totals, which become consumption per window.

    A window's consumption is its last total less the last total before it, so windows side by side
    add up, over any range. Answers are those of `db_core.pivot.pivot`: tables of `_time`, `_value`,
    `_field` and tags. They are read once, here, and may be let go then. All times are nanoseconds
    since the epoch.

    A series is told by all its tags; the series of `totals` make the frame. Of the other answers,
    what belongs to none of them is left out. With `by`, series that agree in those tags are one
    meter, whichever of them has the newest `before` or the oldest `first`.

    Args:
        totals: The last total of each window that has one; `_time` is the window's label, its start
            or its stop.
        before: The last total before the range of each series and field, with its own time.
        first: The first total in the range, with its own time; for a series without one before.
        lows: The smallest total of each window, labelled as `totals`; without, a reset that the total
            has overtaken by the end of its window is not seen.
        fields: The fields, float64, int64 or uint64, in this order.
        kinds: What fields hold elsewhere, as for `db_core.pivot.pivot`.
        by: The tags that lead the frame; None is those that differ between the series of `totals`;
            none at all insists on one series.
        tz: Zone of the time column.
        on_reset: What a total below the one before means. "null": the step to it is not known;
            "restart": the meter began again at 0; "rollover": it went round at `rollover`; "keep": it
            counts backwards, and the difference is negative.
        rollover: For "rollover", per field the total at which it starts again from 0.
        max_rate: Per field, the most it rises per second. A jump above that is not known; where the
            next total goes on from before the jump or drop, that one total was wrong, and only its
            own window is not known.
        gaps: Where consumption over windows without a total goes. "book": into the window of the
            next total; "spread": evenly over all of them, its sum unchanged; "null": nowhere.
        grid: Labels of all windows of the range, ascending, as a buffer of int64; without them no
            gap is seen.
        adjacent_since: A `before` total at or after this time lies in the window right before the
            first; an older one leaves a gap.
        lead: How long before the last instant of its window a label lies at most: 0 for labels at the stop.
        late: By how much all labels given here come late; the frame's do not. It is 1 where windows are
            closed at the right: (a, b] is asked for as [a + 1, b + 1). Then `lead` is 1 less.
        longest: How long a window is at most. A rate is measured over the longest time there can be
            between two totals: from the start of a window to the stop of the other, unless both are
            points.
        quality: Append a column `FIELD_quality` per field: the gravest of what its windows' steps are,
            "ok", "first" (the series begins here), "gap", "rollover", "reset" or "implausible".
        edges: For `totals` that are all points of the range, with their own times: where windows begin and
            end, one more than there are windows, as a buffer of int64. Then every fall is seen, nothing is
            unsettled, and `first`, `lows` and points are not needed.
        label: With `edges`, the edge of a window that is its time: "start" or "stop".

    Raises:
        AmbiguousSeriesError: `by` is empty, and there are several series.
        InvalidArgumentError: An argument is none of these, or there is no memory for `grid`.
        SchemaConflictError: A field has types that do not unify.
    """

    __slots__ = ("_native",)

    def __init__(
        self,
        totals: Sequence[Answer],
        *,
        before: Sequence[Answer] = (),
        first: Sequence[Answer] = (),
        lows: Sequence[Answer] = (),
        fields: Sequence[str],
        kinds: Mapping[str, str] | None = None,
        by: Sequence[str] | None = None,
        tz: str = "UTC",
        on_reset: OnReset = "null",
        rollover: Mapping[str, float] | None = None,
        max_rate: Mapping[str, float] | None = None,
        gaps: Gaps = "book",
        grid: Buffer | None = None,
        adjacent_since: int | None = None,
        lead: int = 0,
        late: int = 0,
        longest: int = 0,
        quality: bool = False,
        edges: Buffer | None = None,
        label: Literal["start", "stop"] = "stop",
    ) -> None:
        ends, rates = dict(rollover or {}), dict(max_rate or {})
        _check_word("on_reset", on_reset, OnReset)
        _check_word("gaps", gaps, Gaps)
        _check_rollover(ends, on_reset, fields)
        for field, rate in rates.items():
            if not _is_number(rate) or not rate > 0:
                _refuse("max_rate", f"`max_rate` of {field!r} must be a number above 0, not {rate!r}")
        if quality and (taken := [field for field in fields if f"{field}_quality" in fields]):
            _refuse("quality", f"`quality=True` makes a column {taken[0]}_quality, which is a field too")
        self._native = _native.Consumption(
            totals,
            before=before,
            first=first,
            lows=lows,
            fields=fields,
            kinds=list((kinds or {}).items()),
            levels=by,
            tz=tz,
            on_reset=on_reset,
            rollover=list(ends.items()),
            max_rate=list(rates.items()),
            gaps=gaps,
            grid=grid,
            adjacent_since=adjacent_since,
            lead=lead,
            late=late,
            longest=longest,
            quality=quality,
            edges=edges,
            label=label,
        )

    def unsettled(self) -> Unsettled:
        """Find the windows of which one total does not tell enough: `frame` takes their points.

        Those in which two series of one meter have a total. With "restart", "rollover" or a highest rate,
        those in which the total fell, or was below the one before them. With a highest rate, those that
        exceed it by the distance of their ends, each with the one before.

        Returns:
            The windows' labels, by field and meter, with the series of each meter.

        Raises:
            AmbiguousSeriesError: Two totals of one meter stand before the range, or begin it, at one time.
            InvalidArgumentError: A field is not a number.
        """
        tags, series, doubts = self._native.unsettled()
        return Unsettled(tags, series, [Doubt(*doubt) for doubt in doubts])

    def frame(self, points: Sequence[Answer] = (), refined: Sequence[tuple[int, int, int]] = ()) -> Frame:
        """Return the consumption of each window; may be called again, with other points.

        Args:
            points: All totals of the windows in `refined`, with their own times. They take the place of the
                one only for the field of the meter that leaves the window `unsettled`, which must have some.
            refined: Label, start and stop of those windows; the stop is no part of its window.

        Returns:
            A frame with the index: leading tags and `time`, the windows' labels, by which its rows are
            sorted. In the totals' unit: float64 stays float64; int64 and uint64 become int64, exactly; a
            field without data is a column of nulls, of float64 unless `kinds` tells. Null is what is not
            known; a field without a total where another has one is null, and a gap.

        Raises:
            AmbiguousSeriesError: Two totals of one meter meet in one window.
            IncompleteResultError: `points` lacks those of a window in `refined`.
            InvalidArgumentError: A field is not a number, an integer sum exceeds 64 bits, integers can't have
                the `rollover`, `grid` does not ascend, or there are more windows without a total than the
                memory holds.
            SchemaConflictError: A field has another type in the points.
        """
        batch, levels = self._native.frame(points, refined)
        return Frame(batch, levels + 1)


def _check_word(argument: str, word: object, words: object) -> None:
    known = get_args(words)
    if word not in known:
        _refuse(argument, f"`{argument}` must be one of {', '.join(map(repr, known))}, not {word!r}")


def _check_rollover(ends: Mapping[str, float], on_reset: str, fields: Sequence[str]) -> None:
    if on_reset != "rollover" and ends:
        _refuse("rollover", f'`rollover` goes with `on_reset="rollover"`, not with {on_reset!r}')
    if on_reset == "rollover" and (missing := [field for field in fields if field not in ends]):
        _refuse("rollover", f'`on_reset="rollover"` needs the `rollover` of {missing[0]!r} too')
    for field, end in ends.items():
        if not _is_number(end) or not 0 < end <= sys.float_info.max or end != float(end):
            wanted = "a finite number above 0 that a double holds exactly"
            _refuse("rollover", f"`rollover` of {field!r} must be {wanted}, not {end!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _refuse(argument: str, message: str) -> NoReturn:
    raise InvalidArgumentError(message, argument=argument)
