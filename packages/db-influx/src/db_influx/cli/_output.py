"""Writes tables to stdout or into a file, in any of the formats, batch by batch."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from db_core.errors import InvalidArgumentError, SchemaConflictError
from db_influx.cli import _formats
from db_influx.cli._ends import say
from db_influx.cli._files import destination
from db_influx.cli._progress import Told, bar
from db_influx.cli._text import csv_lines, for_people, json_lines, plain, point_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from db_influx.cli._files import Stream
    from db_influx.cli._formats import Format

__all__ = ["write_rows", "write_tables"]


def write_rows(
    rows: Sequence[dict[str, Any]], kinds: dict[str, str], output: str | None, format_: Format | None
) -> None:
    """Write rows that are here as a whole.

    Args:
        rows: The rows.
        kinds: Arrow's name of the type of each column.
        output: Path of the file; None is stdout.
        format_: The format; None lets `output` say it.
    """
    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in kinds.items()])
    write_tables(iter([pa.Table.from_pylist(rows, schema)]), output, format_)


def write_tables(
    tables: Iterator[Any],
    output: str | None,
    format_: Format | None,
    *,
    limit: int | None = None,
    measurement: str | None = None,
    tag_columns: Sequence[str] = (),
    told: Told | None = None,
) -> int:
    """Write pyarrow Tables of one schema as they come, and return how many rows there were.

    Args:
        tables: The tables; a generator is closed in the end.
        output: Path of the file; None is stdout.
        format_: The format; None lets `output` say it.
        limit: Most rows.
        measurement: For line protocol: the measurement of all rows.
        tag_columns: For line protocol: the columns that are tags.
        told: The `progress` of the call that makes the tables.
    """
    kind = _formats.chosen(output, format_)
    if kind == "line" and measurement is None:
        raise InvalidArgumentError("`format`: only `read` writes line protocol", argument="format")
    most = _formats.most_rows(kind, limit)
    more = False
    rows = 0
    empty = True
    with (
        closing(cast("Generator[Any]", tables)) if hasattr(tables, "close") else _nothing(),
        destination(output) as stream,
        _writer(kind, stream, measurement, tag_columns) as write,
        # A table is shown when the bar is gone.
        bar("Reading", wanted=told is not None and (kind == "table" or not stream.is_terminal)) as show,
    ):
        if told is not None:
            told.show = show
        for table in tables:
            empty = False
            if most is not None and rows + len(table) > most:
                more = True
            part = plain(table if most is None else table.slice(0, most - rows))
            write(part)
            rows += len(part)
            if more or (limit is not None and rows >= limit):
                break
        if empty:  # a file of nothing is a whole file too
            write(pa.table({}))
    if more and limit is None:
        say(f"These are the first {most} rows: --limit shows more, --output writes all of them into a file.")
    return rows


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _writer(
    kind: Format, stream: Stream, measurement: str | None, tag_columns: Sequence[str]
) -> Iterator[Callable[[Any], None]]:
    """Return a function that writes a table; when the block ends, what was written is whole."""
    if kind in ("parquet", "arrow"):
        with _binary(kind, stream) as write:
            yield write
        return
    if kind == "table":
        kept: list[Any] = []
        yield kept.append
        if kept and kept[0].column_names:
            stream.write(for_people(pa.concat_tables(kept), stream))
        return
    first = True

    def write_text(table: Any) -> None:
        nonlocal first
        if kind == "csv":
            stream.write(csv_lines(table, header=first))
        elif kind == "jsonl":
            stream.write(json_lines(table))
        elif len(table):
            stream.write(point_lines(table, measurement or "", tag_columns))
        first = False

    yield _of_one_schema(write_text) if kind == "csv" else write_text


@contextmanager
def _binary(kind: Format, stream: Stream) -> Iterator[Callable[[Any], None]]:
    writers: list[Any] = []

    def make(schema: Any) -> Any:
        if kind == "arrow":
            return (pa.ipc.new_stream if stream.is_stdout else pa.ipc.new_file)(stream, schema)
        from pyarrow import parquet

        return parquet.ParquetWriter(stream, schema, compression="zstd")

    def write(table: Any) -> None:
        if not writers:
            writers.append(make(table.schema))
        writers[0].write_table(table)

    yield _of_one_schema(write)
    for writer in writers:
        writer.close()


def _of_one_schema(write: Callable[[Any], None]) -> Callable[[Any], None]:
    schema = None

    def checked(table: Any) -> None:
        nonlocal schema
        if schema is not None and table.schema != schema:
            message = (
                "the answer has tables of different columns or types, which this format can't hold one after "
                "the other: leave out --stream, and they are joined in memory; or write --format jsonl"
            )
            raise SchemaConflictError(message)
        schema = table.schema
        write(table)

    return checked
