"""Files of `export` and `import`: written from Arrow tables, and read as such, batch by batch."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import csv, ipc, parquet, types

from db_core import to_line_protocol
from db_core.errors import ParseError, SchemaConflictError
from db_influx.cli._columns import TYPES
from db_influx.cli._files import destination
from db_influx.cli._text import csv_lines, json_lines, plain, point_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from db_influx.cli._columns import Columns

__all__ = ["frame_of", "parquet_counts", "read_file", "read_others", "schema_of", "tags_in", "write_file"]

_BATCH = 1 << 16  # rows
_BLOCK = 4 << 20  # bytes of text
_PARSE, _READ = csv.ParseOptions(newlines_in_values=True), csv.ReadOptions(block_size=_BLOCK)


def schema_of(about: dict[str, Any]) -> Any:
    """Return the columns of a measurement's files: tags, time, fields."""
    columns = [(tag, pa.string()) for tag in about["tags"]]
    columns.append(("time", pa.timestamp("ns", "UTC")))
    columns += [(field, TYPES[kind]) for field, kind in about["fields"].items()]
    return pa.schema([(about["columns"].get(name, name), kind) for name, kind in columns])


def table_of(frame: Any, about: dict[str, Any]) -> Any:
    """Return the table of a pandas frame as it is read, whose names may have a NUL."""
    plain_frame = frame.reset_index()
    plain_frame.columns = [about["columns"].get(name, name) for name in plain_frame.columns]
    for name in [about["columns"].get(tag, tag) for tag in about["tags"]]:
        plain_frame[name] = plain_frame[name].astype(object)  # no category
    return pa.Table.from_pandas(plain_frame, schema_of(about), preserve_index=False)


def frame_of(table: Any, about: dict[str, Any]) -> Any:
    """Return the pandas frame of such a table, with the names that are stored."""
    import pandas as pd

    kinds = {
        pa.int64(): pd.Int64Dtype(),
        pa.uint64(): pd.UInt64Dtype(),
        pa.bool_(): pd.BooleanDtype(),
    }
    names = {column: name for name, column in about["columns"].items()}
    return table.to_pandas(types_mapper=kinds.get).rename(columns=names)


def parquet_counts(path: Path, fields: list[str]) -> tuple[int, dict[str, int]]:
    """Return how many rows a Parquet file has, and how many values each field has, by its own statistics."""
    with parquet.ParquetFile(path) as file:
        metadata = file.metadata
        places = [file.schema_arrow.get_field_index(name) for name in fields]
        points = [
            sum(_values(metadata.row_group(group), place) for group in range(metadata.num_row_groups))
            for place in places
        ]
        return metadata.num_rows, _some(dict(zip(fields, points, strict=True)))


def _values(group: Any, place: int) -> int:
    return group.num_rows - group.column(place).statistics.null_count  # type: ignore[no-any-return]


def tags_in(path: Path, format_: str) -> list[str]:
    """Return the columns of dictionaries of texts, which are the tags in the Parquet files that we write."""
    with _readable(path, format_):
        if format_ == "parquet":
            schema = parquet.read_schema(path)
        elif format_ == "arrow":
            with pa.OSFile(str(path)) as file, _opened(file) as reader:
                schema = reader.schema
        else:
            return []
    return [
        field.name
        for field in schema
        if types.is_dictionary(field.type)
        and (types.is_string(field.type.value_type) or types.is_large_string(field.type.value_type))
    ]


def _some(points: dict[str, int]) -> dict[str, int]:
    return {field: count for field, count in points.items() if count}


def write_file(
    path: Path, format_: str, tables: Iterator[Any], measurement: str, about: dict[str, Any]
) -> tuple[int, dict[str, int]]:
    """Write tables to a file, whole or not at all. Without rows there is no file.

    Returns:
        How many rows there are, and how many values each field has.
    """
    rows, points = 0, dict.fromkeys(about["fields"], 0)
    with closing(tables):  # type: ignore[type-var]
        first = next(tables, None)
        if first is None:
            path.unlink(missing_ok=True)
            return 0, {}
        with destination(str(path)) as stream:
            write, end = _writer(stream, format_, measurement, about)
            table = first
            while table is not None:
                made = table_of(table, about) if about["columns"] else plain(table)
                write(made)
                rows += len(made)
                for field in points:
                    points[field] += len(made) - made.column(about["columns"].get(field, field)).null_count
                table = next(tables, None)
            end()
    return rows, _some(points)


def _writer(
    stream: Any, format_: str, measurement: str, about: dict[str, Any]
) -> tuple[Callable[[Any], object], Callable[[], object]]:
    """Return a function that writes a table, and one that ends the file."""
    if format_ == "arrow":
        writer = ipc.new_file(stream, schema_of(about))
        return lambda table: writer.write_table(table.cast(schema_of(about))), writer.close
    if format_ == "parquet":
        of_parquet = parquet.ParquetWriter(stream, schema_of(about), compression="zstd")
        return of_parquet.write_table, of_parquet.close
    if format_ == "line":
        return lambda table: stream.write(_lines_of(table, measurement, about)), lambda: None
    if format_ == "jsonl":
        return lambda table: stream.write(json_lines(table)), lambda: None
    header = [True]

    def write(table: Any) -> None:
        stream.write(csv_lines(table, header=bool(header)))
        header.clear()

    return write, lambda: None


def _lines_of(table: Any, measurement: str, about: dict[str, Any]) -> bytes:
    if not about["columns"]:
        return point_lines(table, measurement, about["tags"])
    layout: dict[str, Any] = {"tag_columns": about["tags"], "time_column": "time", "duplicates": "last"}
    return to_line_protocol(frame_of(table, about), measurement, **layout)


def read_file(path: Path, format_: str, schema: Any) -> Iterator[Any]:
    """Yield the tables of a file of columns that is an export's.

    Args:
        path: Where it is.
        format_: parquet, arrow, csv or jsonl.
        schema: The columns with their types.

    Raises:
        ParseError: The file is damaged, or is of another format.
        SchemaConflictError: The file has other columns.
    """
    with _readable(path, format_):
        for batch in _READERS[format_](path, dict(zip(schema.names, schema.types, strict=True))):
            yield _as(pa.Table.from_batches([batch]), schema, path)


def read_others(path: Path, format_: str, columns: Columns, rows: int) -> Iterator[tuple[Sequence[int], Any]]:
    """Yield the tables of a file of columns of others, each with the numbers of its rows.

    Rows are counted from 1, and the names of CSV's columns are the first of them.

    Args:
        path: Where it is.
        format_: parquet, arrow, csv or jsonl.
        columns: What types its columns.
        rows: How many rows a table has at most.

    Raises:
        ParseError: The file is damaged, or is of another format.
        SchemaConflictError: A value is of another type than its column.
    """
    with _readable(path, format_):
        if format_ == "jsonl":
            for lines, objects in _objects(path, rows):
                yield lines, columns.of_json(objects, lines)
            return
        typed, first, texts = columns.of_columns, 1, {}
        if format_ == "csv":
            typed, first, texts = columns.of_text, 2, dict.fromkeys(_names(path), pa.string())
        for batch in _READERS[format_](path, texts):
            for start in range(0, len(batch), rows):
                table = pa.Table.from_batches([batch.slice(start, rows)])
                numbers = range(first, first + len(table))
                yield numbers, plain(typed(table, numbers))
                first += len(table)


def _names(path: Path) -> list[str]:
    """Return the names of the columns of CSV.

    Raises:
        SchemaConflictError: Two columns have one name.
    """
    with csv.open_csv(path, read_options=_READ, parse_options=_PARSE) as reader:
        names: list[str] = reader.schema.names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        message = f"{path} has two columns {twice[0]!r}"
        raise SchemaConflictError(message)
    return names


@contextmanager
def _readable(path: Path, format_: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise ParseError(f"{path} can't be read as {format_}: {error}", offset=0) from error


def _objects(path: Path, most: int) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
    """Yield the objects of JSON Lines, and the numbers of their lines."""
    numbers: list[int] = []
    objects: list[dict[str, Any]] = []
    with path.open(encoding="utf-8", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except ValueError as error:
                raise ParseError(
                    f"{path}, row {number}: expected a JSON object: {error}", offset=0
                ) from error
            if not isinstance(found, dict):
                raise ParseError(f"{path}, row {number}: expected a JSON object", offset=0)
            numbers.append(number)
            objects.append(found)
            if len(objects) == most:
                yield numbers, objects
                numbers, objects = [], []
    if objects:
        yield numbers, objects


def _as(table: Any, schema: Any, path: Path) -> Any:
    if table.column_names != schema.names:
        message = f"{path} has the columns {table.column_names}, and should have {schema.names}"
        raise SchemaConflictError(message)
    return table.cast(schema)


def _of_parquet(path: Path, _: Any) -> Iterator[Any]:
    with parquet.ParquetFile(path) as file:
        yield from file.iter_batches(_BATCH)


def _of_arrow(path: Path, _: Any) -> Iterator[Any]:
    with pa.OSFile(str(path)) as file, _opened(file) as reader:
        if isinstance(reader, ipc.RecordBatchStreamReader):
            yield from reader
            return
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


def _opened(file: Any) -> Any:
    try:
        return ipc.open_file(file)
    except pa.ArrowInvalid:
        file.seek(0)
        return ipc.open_stream(file)


def _of_csv(path: Path, kinds: dict[str, Any]) -> Iterator[Any]:
    convert = csv.ConvertOptions(
        column_types=kinds, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
    )
    with csv.open_csv(path, read_options=_READ, parse_options=_PARSE, convert_options=convert) as reader:
        yield from reader


def _of_jsonl(path: Path, kinds: dict[str, Any]) -> Iterator[Any]:
    from pyarrow import json as of_lines

    parse = of_lines.ParseOptions(explicit_schema=pa.schema(list(kinds.items())), newlines_in_values=False)
    with of_lines.open_json(path, of_lines.ReadOptions(block_size=_BLOCK), parse) as reader:
        yield from reader


_READERS: dict[str, Callable[[Path, Any], Iterator[Any]]] = {
    "parquet": _of_parquet,
    "arrow": _of_arrow,
    "csv": _of_csv,
    "jsonl": _of_jsonl,
}
