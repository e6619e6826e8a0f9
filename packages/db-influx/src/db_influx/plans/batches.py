"""A long read in bounded memory: slices as wide as their rows, and the bytes of these, allow.

How dense points lie, and how long their texts are, is not known before they are
read. So a slice that has too many rows or bytes is given up and asked for again,
narrower; one that has few makes the next one wider.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from db_core.annotated_csv import room_of_batch
from db_influx import _flux
from db_influx._steps import Ask, AskAtMost, Batch
from db_influx.plans.frames import converted, wide
from db_influx.plans.schema import Schema

if TYPE_CHECKING:
    from db_influx._flux import Selection
    from db_influx._options import Options
    from db_influx._steps import Steps
    from db_influx.plans.schema import Databases

__all__ = ["batches"]

_FIRST_WIDTH = 3_600 * 1_000_000_000  # nanoseconds
_MOST = 4  # times the rows wanted, before a slice is given up
_MOST_ROOM = 2  # times the bytes, before a slice is given up
_GROWTH = 8  # times as wide, at most, as the slice before


def batches(databases: Databases, selection: Selection, batch_rows: int, options: Options) -> Steps[None]:
    """Read points as they are stored, and hand on frames of at most so many rows.

    A slice has about as many values as a frame holds, or fewer whose text fills the room of a batch. None
    has more than four times the values or twice the bytes, unless its rows share one timestamp.
    """
    # The whole range's series tell what differs, and each field's type, before the first slice.
    schema = yield from Schema.of(databases, selection, options)
    yield from schema.check_types([selection])
    answers = yield Ask([_flux.series(selection)], 1)
    series = yield from wide(answers, selection.fields, options, kinds=schema.kinds(selection.fields))
    yield from schema.check_frame(selection, series, options)
    options, kinds = replace(options, by=tuple(series.index[:-1])), series.kinds
    rows, room = batch_rows * len(selection.fields or ()), room_of_batch(batch_rows)
    start, width = selection.start, _FIRST_WIDTH
    while start < selection.stop:
        width = min(width, selection.stop - start)
        limits = (rows * _MOST, room * _MOST_ROOM) if width > 1 else None
        part = replace(selection, start=start, stop=start + width)
        found = yield AskAtMost(_flux.raw(part), limits)
        if found is None:
            width = max(1, width // _MOST)
            continue
        answer, size = found
        del found
        held = answer.rows
        if held:
            frame = yield from wide([answer], selection.fields, options, kinds=kinds)
            for first in range(0, len(frame), batch_rows):
                yield Batch((yield from converted(frame.slice(first, batch_rows), options.into)))
            del frame
        del answer
        start += width
        # Nine tenths of the rows wanted, as a slice with a few too many ends in a small frame.
        by_rows = width * rows * 9 // max(1, held * 10)
        by_room = width * room * 9 // max(1, size * 10)
        width = min(width * _GROWTH, by_rows + 1, by_room + 1)
