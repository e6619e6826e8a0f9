"""Compute consumption from the running totals of meters."""

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
    """The windows of one field of one meter whose points have to be read.

    Attributes:
        field: The field.
        series: The meter's series, as indices of `Unsettled.series`.
        windows: Labels of the windows in nanoseconds, sorted.
    """

    field: str
    series: list[int]
    windows: list[int]


class Unsettled(NamedTuple):
    """The windows whose consumption their totals leave open.

    Attributes:
        tags: Names of the tags.
        series: The value of each tag, or None, for every series that has totals.
        doubts: The windows, by field and meter. If there are none, `tags` and `series` are empty too.
    """

    tags: list[str]
    series: list[list[str | None]]
    doubts: list[Doubt]


def meter_differences(values: object, *, keys: Sequence[str] | None = None) -> Frame:
    """Return the differences of consecutive totals, within each series.

    Args:
        values: A `Frame`, a pandas DataFrame, or any frame with Arrow's PyCapsule protocol.
        keys: Columns that are returned unchanged. None means the index of a `Frame`, and no columns of
            other frames. Keys of strings identify the series. The rows of a series must be adjacent,
            and in order of time.

    Returns:
        The same columns. Each column that is not a key has the total minus the last total before it in
        the same series, in the unit of the total. float64 stays float64; int64 and uint64 become int64. A
        row without a total is null, and the next row counts from the last known total. The first total
        of a series is null.

    Raises:
        InvalidArgumentError: A key is not a column, a column is not numeric, or an integer difference
            exceeds 64 bits.
    """
    frame = Frame.of(values)
    missing = [key for key in keys or () if key not in frame.columns]
    if missing:
        message = f"`keys` must name columns of the frame ({', '.join(frame.columns)}), not {missing[0]!r}"
        raise InvalidArgumentError(message, argument="keys")
    if keys is None:
        # By position, since a field may have a tag's name.
        positions = list(range(len(frame.index)))
    else:
        positions = [position for position, name in enumerate(frame.columns) if name in keys]
    return frame.derive(_native.differences(frame.batch, keys=positions))


class Consumption:
    """The running totals of meters, from which `frame` computes consumption per window.

    A window's consumption is its last total minus the last total before the window, so the consumption of
    adjoining windows adds up. Answers are those of `db_core.pivot.pivot`: tables of `_time`, `_value`,
    `_field` and tags. They are read once, by the constructor, and not kept. All times are nanoseconds
    since the epoch.

    All tags together identify a series. The frame has the series of `totals`. Rows of the other answers
    that belong to no such series are ignored. With `by`, series with the same values of these tags are one
    meter: the newest `before` and the oldest `first` of all of them count.

    Args:
        totals: The last total of each window that has one. `_time` is the label of the window: its start
            or its stop.
        before: The last total before the range of each series and field, with its own time.
        first: The first total in the range, with its own time, of each series that has none before.
        lows: The smallest total of each window, labelled as `totals`. Without them, a reset is not
            detected if the total exceeds its old value again by the end of the window.
        fields: The fields, float64, int64 or uint64, in this order.
        kinds: Types of fields that are known from elsewhere, as for `db_core.pivot.pivot`.
        by: The tags that are the first columns. None means the tags that differ between the series of
            `totals`. An empty list raises an error if there are several series.
        tz: Zone of the time column.
        on_reset: What a total means that is below the one before. "null": the consumption is not known.
            "restart": the meter continued from 0. "rollover": it continued from 0 after it reached
            `rollover`. "keep": it counts backwards, and the difference is negative.
        rollover: For "rollover", the total of each field at which it continues from 0.
        max_rate: The most that each field rises per second. The consumption of a jump above it is not
            known. If the next total continues from before the jump or drop, only that one total was wrong,
            and only the consumption of its own window is not known.
        gaps: The windows to which the consumption over windows without a total belongs. "book": the
            window of the next total. "spread": all of them in equal parts, with the same sum. "null": none.
        grid: Labels of all windows of the range, ascending, as a buffer of int64. Without them no
            gap is detected.
        adjacent_since: A `before` total at or after this time is in the window directly before the first
            one. An older total leaves a gap.
        lead: The most nanoseconds from a label to the last instant of its window: 0 for labels at the stop.
        late: The nanoseconds by which all labels in the arguments are late. The labels of the frame are not
            late. It is 1 for windows that are closed at the right, since (a, b] is queried as
            [a + 1, b + 1). Then `lead` is 1 less.
        longest: The most nanoseconds of a window. A rate is measured over the longest time that is
            possible between two totals: from the start of one window to the stop of the other, unless both
            totals are points.
        quality: Append a column `FIELD_quality` for each field, with the gravest flag of each window: "ok",
            "first" (the series begins here), "gap", "rollover", "reset" or "implausible".
        edges: For `totals` that are all points of the range, with their own times: the edges of the windows,
            one more than there are windows, as a buffer of int64. Then every fall is detected, no window
            is unsettled, and `first`, `lows` and points are not needed.
        label: With `edges`, the edge of a window that is its time: "start" or "stop".

    Raises:
        AmbiguousSeriesError: `by` is empty, and there are several series.
        InvalidArgumentError: An argument is invalid, or there is not enough memory for `grid`.
        SchemaConflictError: A field has types that no one column can have.
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
            _refuse(
                "quality", f"`quality=True` would make a column {taken[0]}_quality, and a field has this name"
            )
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
        """Return the windows whose consumption their totals leave open. `frame` needs their points.

        These are the windows in which two series of one meter have a total. With "restart", "rollover" or
        `max_rate`, they are also the windows in which the total fell, or was below the last total before the
        window. With `max_rate`, they are also the windows that exceed it, measured between the ends of the
        windows, each with the window before it.

        Returns:
            The labels of the windows, by field and meter, with the series of each meter.

        Raises:
            AmbiguousSeriesError: Two series of one meter have a total at the same time before the range, or
                at its beginning.
            InvalidArgumentError: A field is not numeric.
        """
        tags, series, doubts = self._native.unsettled()
        return Unsettled(tags, series, [Doubt(*doubt) for doubt in doubts])

    def frame(self, points: Sequence[Answer] = (), refined: Sequence[tuple[int, int, int]] = ()) -> Frame:
        """Return the consumption of each window. It may be called again, with other points.

        Args:
            points: All totals of the windows in `refined`, with their own times. They replace the total of a
                window only for the field and meter for which `unsettled` returned this window. Each such
                window must have points.
            refined: Label, start and stop of these windows. The stop does not belong to the window.

        Returns:
            A frame whose index is the tags of `by` and `time`, which has the labels of the windows. The rows
            are sorted by the index. Values have the unit of the totals. float64 stays float64; int64 and
            uint64 become int64, exactly. A field without data is a column of nulls, of float64 unless
            `kinds` names its type. Null means that the consumption is not known. If a field has no total in
            a window in which another field has one, it is null there, which is a gap.

        Raises:
            AmbiguousSeriesError: Two series of one meter have a total in the same window.
            IncompleteResultError: `points` has none for a window in `refined`.
            InvalidArgumentError: A field is not numeric, an integer sum exceeds 64 bits, `rollover` is no
                integer and the totals are, `grid` does not ascend, or there are more windows without a total
                than fit into memory.
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
        _refuse("rollover", f'`rollover` needs `on_reset="rollover"`, not {on_reset!r}')
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
