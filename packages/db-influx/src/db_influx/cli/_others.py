"""`import` of a file of columns: checked as a whole, and then written."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from db_core.errors import InvalidArgumentError, ParseError
from db_core.line_protocol import problems
from db_influx.cli._columns import TYPES, Columns
from db_influx.cli._ends import say
from db_influx.cli._folder import Folder, iso
from db_influx.cli._progress import bar
from db_influx.cli._tables import read_others, tags_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from db_influx import InfluxManager

__all__ = ["Layout", "write"]

_ROWS = 1 << 16  # of a table
_BY = re.compile(r"row (\d+)(?= has the same tags and time)")


@dataclass(frozen=True, slots=True)
class Layout:
    """What the command was told of a file.

    Attributes:
        measurement: The measurement; None where an export says it.
        tag_columns: The columns that are tags; None where the file or its export says it.
        tags: Tags of all points.
        types: The types of some columns.
        time_column: The column of times.
        precision: Unit of times that are whole numbers.
        duplicates: What to do about rows that overwrite each other.
    """

    measurement: str | None
    tag_columns: list[str] | None
    tags: dict[str, str]
    types: dict[str, Any]
    time_column: str
    precision: str
    duplicates: str


def write(manager: InfluxManager, bucket: str, source: Path, kind: str, layout: Layout) -> None:
    """Write the points of a file to a bucket; nothing is written unless all of its rows can be.

    Args:
        manager: The manager.
        bucket: Name of the bucket.
        source: Path of the file.
        kind: Its format.
        layout: What its columns are.

    Raises:
        InvalidArgumentError: A row can't be written, or would overwrite another one. Names it.
        SchemaConflictError: A value is of another type than its column. Names it.
    """
    if not source.is_file():
        source.stat()  # raises an error that says why, if there is nothing
        message = f"`source` must be a file, which is read twice, not {str(source)!r}"
        raise InvalidArgumentError(message, argument="source")
    layout = _completed(source, kind, layout)
    measurement = layout.measurement
    if not measurement:
        message = f"`measurement` is needed for {kind}: add --measurement NAME"
        raise InvalidArgumentError(message, argument="measurement")
    columns = Columns(source.name, layout.types, layout.time_column, layout.precision)

    def tables() -> Iterator[tuple[Sequence[int], Any]]:
        return read_others(source, kind, columns, _ROWS)

    rows = _check(source.name, tables(), layout)
    with bar("Importing") as show:
        done = 0
        for _, table in tables():
            manager.synchronous_write(
                bucket,
                table,
                measurement,
                layout.tags or None,
                tag_columns=layout.tag_columns or (),
                time_column=layout.time_column,
                duplicates="last",
            )
            done += len(table)
            show(done / rows, done)
    tags = ", ".join(layout.tag_columns or ()) or "no column"
    say(f"Imported: {rows:,} rows from {source}, with {tags} as tags")


def _completed(source: Path, kind: str, layout: Layout) -> Layout:
    """Return a layout with what the file, or the export in whose folder it is, says of it."""
    try:
        folder = Folder.read(source.parent)
    except ParseError:  # of another program, or damaged
        folder = None
    part = next((part for part in folder.parts if part["file"] == source.name), None) if folder else None
    if folder is None or part is None:
        tags = tags_in(source, kind) if layout.tag_columns is None else layout.tag_columns
        types = {**dict.fromkeys(tags, pa.string()), **layout.types} if kind == "csv" else layout.types
        return replace(layout, tag_columns=tags, types=types)
    about = folder.manifest["measurements"][part["measurement"]]
    if about["columns"]:
        message = (
            f"`source`: {source.name} has names that files can't have. Import its folder: {source.parent}"
        )
        raise InvalidArgumentError(message, argument="source")
    kinds = {name: TYPES[kind] for name, kind in about["fields"].items()}
    return replace(
        layout,
        measurement=layout.measurement or part["measurement"],
        tag_columns=about["tags"] if layout.tag_columns is None else layout.tag_columns,
        types={**dict.fromkeys(about["tags"], pa.string()), **kinds, **layout.types},
    )


def _check(name: str, tables: Iterator[tuple[Sequence[int], Any]], layout: Layout) -> int:
    """Check all rows, and return how many there are.

    Raises:
        InvalidArgumentError: A row can't be written, or would overwrite another one. Names it.
    """
    spans = _Spans(name, layout)
    rows, before = 0, None
    numbers_before: Sequence[int] = ()
    with bar("Checking") as show:
        for numbers, table in tables:
            if layout.time_column not in table.column_names:
                known = ", ".join(map(repr, table.column_names))
                message = f"`time_column`: {name} has no column {layout.time_column!r}, but {known}"
                raise InvalidArgumentError(message, argument="time_column")
            rows += len(table)
            if layout.duplicates == "last" or before is None:
                _raise_first(name, table, numbers, layout)
            else:  # together with the rows before it, which these may overwrite
                both = pa.concat_tables([before, table], promote_options="permissive")
                _raise_first(name, both, [*numbers_before, *numbers], layout)
                spans.check(numbers, table)
                spans.add(before)
            before, numbers_before = table, numbers
            show(None, rows)
    return rows


def _raise_first(name: str, table: Any, numbers: Sequence[int], layout: Layout) -> None:
    """Raise an error if a row can't be written, or would be overwritten."""
    found = problems(
        table,
        layout.measurement or "",
        tag_columns=layout.tag_columns or (),
        time_column=layout.time_column,
        tags=layout.tags,
        duplicates="last" if layout.duplicates == "last" else "error",
        most=1,
    )
    for row, column, fault in found:
        where = "" if row is None else f", row {numbers[row]}"
        where += "" if column is None else f", column {column!r}"
        fault = _BY.sub(lambda by: f"row {numbers[int(by[1])]}", fault)  # noqa: PLW2901 - in the words of a shell
        fault = fault.replace("to tag_columns;", "by --tag-column;")  # noqa: PLW2901 - as above
        fault = fault.replace('set duplicates to "last"', "add --duplicates last")  # noqa: PLW2901 - as above
        raise InvalidArgumentError(f"{name}{where}: {fault}", argument="source")


class _Spans:
    """From when to when the points of each series are, in the tables before the last one.

    So rows that overwrite each other are found, however far apart, without keeping all of them: a series that
    goes back into its span is refused.
    """

    def __init__(self, name: str, layout: Layout) -> None:
        self._name = name
        self._time = layout.time_column
        self._tags = layout.tag_columns or []
        self._spans: dict[tuple[Any, ...], tuple[int, int]] = {}

    def add(self, table: Any) -> None:
        """Take in the rows of a table."""
        for series, first, last in self._of(table):
            begin, end = self._spans.get(series, (first, last))
            self._spans[series] = min(begin, first), max(end, last)

    def check(self, numbers: Sequence[int], table: Any) -> None:
        """Raise an error if a series of a table goes back."""
        for series, first, last in self._of(table):
            begin, end = self._spans.get(series, (last + 1, first - 1))
            if first <= end and last >= begin:
                self._refuse(numbers, table, series, begin, end)

    def _of(self, table: Any) -> Iterator[tuple[tuple[Any, ...], int, int]]:
        """Yield the tags of each series of a table, and its first and its last time."""
        if not self._tags:
            ends = pc.min_max(self._times(table))
            yield (), ends["min"].as_py(), ends["max"].as_py()
            return
        keys = [str(place) for place in range(len(self._tags))]
        grouped = pa.table([*self._keys(table), self._times(table)], [*keys, "time"]).group_by(keys)
        ends = grouped.aggregate([("time", "min"), ("time", "max")])
        series = zip(*(ends.column(key).to_pylist() for key in keys), strict=True)
        yield from zip(series, ends["time_min"].to_pylist(), ends["time_max"].to_pylist(), strict=True)

    def _keys(self, table: Any) -> list[Any]:
        there = set(table.column_names)  # a column without a value so far is not
        return [table.column(tag) if tag in there else pa.nulls(len(table)) for tag in self._tags]

    def _times(self, table: Any) -> Any:
        times = table.column(self._time)
        return times.cast(pa.timestamp("ns", times.type.tz)).cast(pa.int64())

    def _refuse(
        self, numbers: Sequence[int], table: Any, series: tuple[Any, ...], begin: int, end: int
    ) -> None:
        rows = zip(*(key.to_pylist() for key in self._keys(table)), strict=True) if self._tags else None
        times = self._times(table).to_pylist()
        number, time = next(
            (number, time)
            for number, time, row in zip(numbers, times, rows or [()] * len(times), strict=True)
            if row == series and begin <= time <= end
        )
        named = ", ".join(f"{tag}={value}" for tag, value in zip(self._tags, series, strict=True))
        which = f"the series {named}" if named else "the file, which is a single series without tag columns,"
        fields = [field for field in table.schema if field.name not in self._tags]
        such = next((f" such as {field.name!r}" for field in fields if types.is_string(field.type)), "")
        message = (
            f"{self._name}, row {number}: {which} goes back to {iso(time)}, which is among its times further "
            "above. Rows so far apart are not compared, and this one may overwrite another. If a column"
            f"{such} tells series apart, add it by --tag-column. If not, sort the file by time; or, to keep "
            "the last value, add --duplicates last"
        )
        raise InvalidArgumentError(message, argument="source")
