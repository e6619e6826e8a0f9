"""Writes of rows: each task writes its Arrow batches by `synchronous_write`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa  # noqa: TID253 - only who uses Spark imports this
from pyspark.sql.datasource import DataSourceArrowWriter, WriterCommitMessage
from pyspark.sql.types import LongType, TimestampType

from db_core.errors import InvalidArgumentError, Rejection, WriteError
from db_influx._arguments import invalid
from db_influx._points import Points
from db_influx.spark._arrow import EXACT, UNSIGNED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyspark.sql.types import StructType

    from db_influx.spark._options import Writing

__all__ = ["Writer"]

_MOST_NAMED = 5  # refused rows in a message


class Writer(DataSourceArrowWriter):
    """Writes the rows of tasks.

    Args:
        options: What the options say.
        schema: The columns of the rows.
        overwrite: Whether existing data should be replaced, which is refused.

    Raises:
        InvalidArgumentError: A column is missing or of another type, or the mode is "overwrite".
    """

    def __init__(self, options: Writing, schema: StructType, *, overwrite: bool) -> None:
        if overwrite:
            reason = (
                "must be 'append', not 'overwrite', which would delete points. A written point replaces the "
                "values of one with the same tags and time"
            )
            raise invalid("mode", reason)
        self._options = options
        self._layout = dict(options.arguments)
        types = {field.name: field.dataType for field in schema.fields}
        for name in self._layout["tag_columns"]:
            if name not in types:
                raise invalid("tag_columns", f"must name columns ({', '.join(types)}), not {name!r}")
        self._unsigned = [name for name, kind in types.items() if kind == UNSIGNED]
        time = self._layout["time_column"]
        self._unused = None
        wanted = time, TimestampType(), "time_column"
        if options.nanoseconds == "column":
            if time == EXACT:
                raise invalid(
                    "time_column", f"must name the timestamps, which are not written, instead of {EXACT!r}"
                )
            if time in self._layout["tag_columns"]:
                raise invalid(
                    "tag_columns", f"can't have {time!r}, which is not written, since {EXACT!r} has the times"
                )
            self._unused, self._layout["time_column"] = time, EXACT
            wanted = EXACT, LongType(), "nanoseconds"
        name, kind, option = wanted
        if types.get(name) != kind:
            found = f"is {types[name].simpleString()}" if name in types else "is missing"
            raise invalid(option, f"needs a column {name!r} of {kind.simpleString()}, which {found}")

    def write(self, iterator: Iterator[pa.RecordBatch]) -> WriterCommitMessage:
        """Write the rows of a task; when this returns, every point was accepted.

        Raises:
            InvalidArgumentError: A row can't be written. The message names it.
            WriteError: A point was refused. The message names its row.
        """
        for batch in iterator:
            if len(batch):
                self._write(self._prepared(pa.table(batch)))
        return WriterCommitMessage()

    def _prepared(self, rows: pa.Table) -> pa.Table:
        """Return rows with types that can be written, and without columns that have no values."""
        for name in self._unsigned:
            try:
                column = rows.column(name).cast(pa.uint64())
            except pa.ArrowInvalid as error:
                values = rows.column(name).to_pylist()
                row = next(row for row, one in enumerate(values) if one is not None and not 0 <= one < 2**64)
                reason = f"column {name!r} is decimal(20,0), which is written as unsigned: {error}"
                told = self._told(rows, [Rejection(row, row + 1, 1, reason)])
                raise InvalidArgumentError(f"`data`: {reason}{told}", argument="data") from error
            rows = rows.set_column(rows.schema.get_field_index(name), name, column)
        if self._options.nanoseconds == "column":
            times = rows.column(EXACT).cast(pa.timestamp("ns", "UTC"))
            rows = rows.set_column(rows.schema.get_field_index(EXACT), EXACT, times)
            if self._unused in rows.column_names:
                rows = rows.drop_columns([self._unused])
        return rows

    def _write(self, rows: pa.Table) -> None:
        options = self._options
        manager = options.place.manager()
        try:
            manager.synchronous_write(options.bucket, rows, options.measurement, **self._layout)
        except WriteError as error:
            if not error.rejected:
                raise
            raise WriteError(
                f"{error}{self._told(rows, error.rejected)}",
                accepted=error.accepted,
                rejected=error.rejected,
                frame=error.frame,
                status=error.status,
            ) from error
        except InvalidArgumentError as error:
            layout = {name: value for name, value in self._layout.items() if name != "timeout"}
            problems = Points.of(rows, options.measurement, layout.pop("tags", None), **layout).problems()
            message = f"{error}{self._told(rows, problems)}"
            raise InvalidArgumentError(message, argument=error.argument) from error

    def _told(self, rows: pa.Table, rejected: Sequence[Rejection]) -> str:
        """Name the first rows of rejections by their tags and times, as a task's row numbers say nothing.

        The times are those of UTC.
        """
        names = [*self._layout["tag_columns"], self._layout["time_column"]]
        numbers = [
            row for one in rejected for row in range(one.start, min(one.stop, one.start + _MOST_NAMED))
        ]
        columns = {name: _shown(rows.column(name)) for name in names}
        named = [
            {name: str(column[row]) for name, column in columns.items()}
            for row in dict.fromkeys(numbers[:_MOST_NAMED])
        ]
        return f". Among the rows: {', '.join(map(str, named))}" if named else ""


def _shown(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column for a message: times as text in UTC.

    Spark has zones that Python has not, such as GMT+8, and years beyond 9999.
    """
    if not pa.types.is_timestamp(column.type):
        return column
    return column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
