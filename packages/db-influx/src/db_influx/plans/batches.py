"""A long read in bounded memory: the range is read in slices that are as wide as the memory allows.

The density of points and the length of their texts are not known before they are
read. So a slice that has too many rows or bytes is stopped and read again, narrower;
a slice that has few makes the next one wider.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from db_core.annotated_csv import text_bytes_of_batch
from db_core.errors import QueryError, SchemaConflictError
from db_influx._steps import Ask, AskAtMost, Batch, Report, part_of
from db_influx.plans.frames import converted, wide
from db_influx.plans.points import source
from db_influx.plans.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from db_influx._flux import Selection
    from db_influx._options import Options
    from db_influx._steps import Steps
    from db_influx.plans.points import Source
    from db_influx.plans.schema import Databases

__all__ = ["batches"]

_FIRST_WIDTH = 3_600 * 1_000_000_000  # nanoseconds
_MOST_ROWS = 4  # times the rows of a frame, before a slice is stopped
_MOST_BYTES = 2  # times the bytes of a frame, before a slice is stopped
_GROWTH = 8  # times the width of the slice before, at most


def batches(
    databases: Databases, selection: Selection, batch_rows: int, options: Options, *, raw: bool = False
) -> Steps[None]:
    """Read points as they are stored, in frames of at most `batch_rows` rows.

    With `raw`, they are of our own class, and all tags of the series are levels.

    A slice has about as many values as a frame, or fewer if their texts are long. No slice has more than
    four times the values or twice the bytes of a frame, unless its rows share one timestamp.
    """
    # The series of the whole range decide on the index and the types of all frames.
    schema = yield from Schema.of(databases, selection, options)
    points = source(schema, selection, options)
    parts = yield from points.parts([selection], may_divide=False)
    try:
        answers = (yield Ask([points.series(selection)], 1)) if parts else []
    except QueryError as error:
        if not points.must_leave(error, options):
            raise
        yield from batches(databases, selection, batch_rows, replace(options, protocol="flux"), raw=raw)
        return
    if not (yield from points.is_current(databases, selection.bucket)):
        yield from batches(databases, selection, batch_rows, options, raw=raw)
        return
    kinds = schema.kinds(selection.fields)
    series = yield from wide(answers, selection.fields, options, kinds=kinds, tag_columns=raw)
    yield from schema.check_frame(selection, series, options)
    if parts:
        *levels, _ = series.index
        fields = selection.fields or ()
        if raw:  # all other tags follow the fields
            levels += series.columns[len(series.index) + len(fields) :]
        types = [column.kind for column in series.batch.columns()[len(series.index) :]]
        options, kinds = replace(options, by=tuple(levels)), dict(zip(fields, types, strict=False))
        yield from _slices(databases, points, selection, kinds, batch_rows, options, raw=raw)


def _slices(
    databases: Databases,
    points: Source,
    selection: Selection,
    kinds: Mapping[str, str],
    batch_rows: int,
    options: Options,
    *,
    raw: bool,
) -> Steps[None]:
    """Read the range slice by slice; `kinds` are the types of all frames."""
    # Flux returns a row for each value, InfluxQL one for all fields of a time.
    values_of_row = 1 if points.database else len(selection.fields or ())
    rows, size = batch_rows * values_of_row, text_bytes_of_batch(batch_rows)
    start, width = selection.start, _FIRST_WIDTH
    is_checked, rest = True, None
    while start < selection.stop:
        width = min(width, selection.stop - start)
        limits = (rows * _MOST_ROWS, size * _MOST_BYTES) if width > 1 else None
        asked = replace(selection, start=start, stop=start + width)
        try:
            reply = yield AskAtMost(points.query(asked), limits)
        except QueryError as error:
            if not points.must_leave(error, options):
                raise
            options = replace(options, protocol="flux", missing="ignore")
            rest = replace(selection, start=start)
            break
        if reply is None:
            width = max(1, width // _MOST_ROWS)
            continue
        answer, received = reply
        del reply
        values, handed = answer.rows, 0
        if values:
            yield from _check_current(points, databases, selection)
            frame = yield from wide([answer], selection.fields, options, kinds=kinds)
            handed = len(frame)
            for first in range(0, len(frame), batch_rows):
                part = frame.slice(first, batch_rows)
                stop = start + width if first + batch_rows >= len(frame) else None
                yield Batch(part if raw else (yield from converted(part, options.into)), stop)
            del frame
        del answer
        start += width
        yield Report(handed, 1, share=(start - selection.start) / (selection.stop - selection.start))
        # Nine tenths of a frame's rows, since a slice with a few rows too many ends in a small frame.
        by_rows = width * rows * 9 // max(1, values * 10)
        by_bytes = width * size * 9 // max(1, received * 10)
        width = min(width * _GROWTH, by_rows + 1, by_bytes + 1)
        is_checked = bool(values)
    if not is_checked:
        yield from _check_current(points, databases, selection)
    if rest is not None:
        begun = (start - selection.start) / (selection.stop - selection.start)
        yield from part_of(batches(databases, rest, batch_rows, options, raw=raw), begun, 1.0)


def _check_current(points: Source, databases: Databases, selection: Selection) -> Steps[None]:
    if not (yield from points.is_current(databases, selection.bucket)):
        raise SchemaConflictError(
            f"a field of {selection.measurement!r} has another type, or bucket {selection.bucket!r} another "
            "database, since the read began. Read again"
        )
