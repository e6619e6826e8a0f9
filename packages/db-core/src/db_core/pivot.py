"""Long to wide: a read's tables as one row per series and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db_core import _native
from db_core.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Buffer

    from db_core.annotated_csv import Answer

__all__ = ["latest", "pivot"]


def pivot(
    answers: Sequence[Answer],
    *,
    fields: Sequence[str] | None = None,
    by: Sequence[str] | None = None,
    tag_columns: bool = False,
    empty_text: bool = False,
    renamed: Sequence[tuple[str, str, str]] = (),
    kinds: Mapping[str, str] | None = None,
    tz: str = "UTC",
    axis: Buffer | None = None,
    zeros: Sequence[str] = (),
    spreads: Sequence[tuple[str, str]] = (),
) -> Frame:
    """Pivot tables with the columns `_time`, `_value`, `_field` and tags.

    Where one field is asked for, `_field` may be absent: every table is that field's.
    A table without `_time` is an aggregate over the whole range; its row has the newest time among
    the tables of its series that have no `_value`.

    Args:
        answers: The slices of one read. They are used up, as each holds the times of every field, which
            the frame holds once.
        fields: The fields that become columns, in this order; None is every field found, by name.
        by: The tags that lead the frame; None is those that differ between series; none at all
            insists on one series.
        tag_columns: Append the other tags, by name.
        empty_text: An empty cell of a string field is an empty string, not a null.
        renamed: Where a query has several results, the name of the result, the field and the name of its
            column, by which `fields` and the other arguments know it.
        kinds: What fields are elsewhere, as `Frame.kinds` has it: a field that is absent here gets
            that type, one of another type unifies with it.
        tz: Zone of the time column.
        axis: Times at which every series has a row, with nulls where it has no value: ascending
            nanoseconds, as a buffer of int64.
        zeros: Columns whose absent integers are 0, as counts are.
        spreads: Columns of greatest values, each with the column of least values that is taken from it; the
            latter come last in `fields`, and are left out of the frame.

    Returns:
        A frame with the index: leading tags and `time`, by which its rows are sorted. A field that
        is absent is a float64 column of nulls.

    Raises:
        InvalidArgumentError: An answer was used up before, or a spread exceeds 64 bits.
        AmbiguousSeriesError: Two values meet in one cell.
        SchemaConflictError: A field has types that do not unify, or the frame would be large and nearly
            empty.
    """
    batch, levels = _native.pivot(
        answers,
        fields=fields,
        levels=by,
        tag_columns=tag_columns,
        empty_text=empty_text,
        renamed=renamed,
        kinds=list((kinds or {}).items()),
        tz=tz,
        axis=axis,
        zeros=zeros,
        spreads=spreads,
    )
    return Frame(batch, levels + 1)


def latest(frame: Frame) -> Frame:
    """Return the newest values of a pivot's frame: one row per combination of its levels.

    Args:
        frame: What `pivot` gave, sorted by its index.

    Returns:
        The same columns: in each field the last value that is no null, and the newest time of all.
    """
    return frame.derive(_native.latest(frame.batch, len(frame.index) - 1))
