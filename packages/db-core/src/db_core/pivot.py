"""From long to wide: the tables of a read become one row for each series and time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from db_core import _native
from db_core.errors import SchemaConflictError
from db_core.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Buffer

    from db_core.annotated_csv import Answer

__all__ = ["latest", "pivot"]

# Annotated CSV has its own names of types; these are those of fields.
_NAMES = {"double": "float", "long": "integer", "unsignedLong": "unsigned"}
_TYPE = re.compile(r"\b(?:double|long|unsignedLong)\b(?= in series | can't hold )")


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
    """Pivot tables with the columns `_time`, `_value`, `_field` and tags, or series of InfluxQL.

    A series of InfluxQL already has a column for each field. If `fields` is None, fields without any value
    are left out.

    If `fields` is one field, `_field` may be missing: every table then belongs to that field.
    A table without `_time` is an aggregate over the whole range. Its row has the newest time among
    the tables of its series that have no `_value`.

    Args:
        answers: The decoded answers of one read. They can't be used again, since their memory is released
            while the frame is built.
        fields: The fields that become columns, in this order. None means every field found, sorted by name.
        by: The tags that are the first columns. None means the tags that differ between series. An empty
            list raises an error if there are several series.
        tag_columns: Append the other tags of the series, sorted by name.
        empty_text: Whether an empty cell of a string field is an empty string instead of a null.
        renamed: For a query with several results: the name of the result, the field, and the name of the
            column, which `fields` and the other arguments use.
        kinds: Types of fields that are known from elsewhere, as in `Frame.kinds`. A field without values
            gets this type. A field of another type gets a type that both can have.
        tz: Zone of the time column.
        axis: Times at which every series has a row, with nulls where it has no value: ascending
            nanoseconds, as a buffer of int64.
        zeros: Columns in which missing integers are 0, such as counts.
        spreads: Columns of greatest values, each with the column of least values to subtract. The latter
            come last in `fields`, and are left out of the frame.

    Returns:
        A frame whose index is the tags of `by` and `time`. Its rows are sorted by the index. A field
        without values is a float64 column of nulls.

    Raises:
        InvalidArgumentError: `answers` were used before, or a spread exceeds 64 bits.
        AmbiguousSeriesError: Several series have a value for the same row and column.
        SchemaConflictError: A field has types that no one column can have, or the frame would be large and
            nearly empty.
    """
    try:
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
    except SchemaConflictError as error:
        found = _TYPE.sub(lambda name: _NAMES[name[0]], str(error))
        if " in series " not in found:
            raise
        message = (
            f"{found}. Read parts of the range in which it has one type, or write it again with one type."
        )
        raise SchemaConflictError(message) from error
    return Frame(batch, levels + 1)


def latest(frame: Frame) -> Frame:
    """Return the newest values of a frame of `pivot`, with one row for each combination of its levels.

    Args:
        frame: A frame that `pivot` returned, sorted by its index.

    Returns:
        The same columns, with the last value of each field that is not null, and the newest time.
    """
    return frame.derive(_native.latest(frame.batch, len(frame.index) - 1))
