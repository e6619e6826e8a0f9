"""Tables as text: CSV, JSON Lines, line protocol, and for people."""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, types

from db_core import to_line_protocol
from db_core.errors import SerializationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from db_influx.cli._files import Stream

__all__ = ["csv_lines", "for_people", "json_lines", "plain", "point_lines"]

_WHOLE = 1e12
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def plain(table: Any) -> Any:
    """Return a table whose texts are texts, and no dictionaries, which differ from batch to batch."""
    return _with(table, types.is_dictionary, lambda column: column.cast(column.type.value_type))


def csv_lines(table: Any, *, header: bool) -> bytes:
    """Return a table as CSV; a null is an empty cell, and an empty text a quoted one."""
    buffer = pa.BufferOutputStream()
    csv.write_csv(_readable(table), buffer, csv.WriteOptions(include_header=header))
    return buffer.getvalue().to_pybytes()  # type: ignore[no-any-return]


def json_lines(table: Any) -> bytes:
    """Return a table as JSON Lines: an object for each row, with nulls.

    Raises:
        SerializationError: A number is NaN or infinite, for which JSON has no words.
    """
    names = table.column_names
    rows = zip(*(column.to_pylist() for column in _readable(table).columns), strict=True)
    try:
        return "".join([f"{_JSON.encode(dict(zip(names, row, strict=True)))}\n" for row in rows]).encode()
    except ValueError as error:
        found = next(
            name
            for name, column in zip(names, table.columns, strict=True)
            if types.is_floating(column.type) and not all(map(math.isfinite, column.drop_null().to_pylist()))
        )
        message = f"column {found!r} has a NaN or an infinity, which JSON can't hold; write another format"
        raise SerializationError(message) from error


def point_lines(table: Any, measurement: str, tag_columns: Sequence[str]) -> bytes:
    """Return a table as line protocol."""
    return to_line_protocol(table, measurement, tag_columns=tag_columns, duplicates="last")


def for_people(table: Any, stream: Stream) -> bytes:
    """Return a table for people, as wide as the terminal; floats have twelve digits at most."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, column in zip(table.column_names, table.columns, strict=True):
        is_number = types.is_integer(column.type) or types.is_floating(column.type)
        shown.add_column(Text(_visible(name)), justify="right" if is_number else "left", overflow="fold")
    cells = [
        ["" if value is None else _visible(_shown(value)) for value in column.to_pylist()]
        for column in _readable(table, short=True).columns
    ]
    for row in zip(*cells, strict=True):
        shown.add_row(*map(Text, row))
    text = io.StringIO()
    console = Console(
        file=text,
        width=None if stream.is_terminal else 1_000,
        force_terminal=stream.is_terminal,
        color_system="auto" if stream.is_terminal else None,
    )
    console.print(shown)
    lines = (
        text.getvalue().splitlines() if stream.is_terminal else map(str.rstrip, text.getvalue().splitlines())
    )
    return "".join(f"{line}\n" for line in lines).encode()


def _shown(value: object) -> str:
    if isinstance(value, float):  # as 0.1 + 0.2; before the point, no digit is left out
        return repr(value if abs(value) >= _WHOLE else float(f"{value:.12g}"))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _visible(text: str) -> str:
    """Return a text with what a terminal would obey, or not show, written as an escape."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _readable(table: Any, *, short: bool = False) -> Any:
    """Return a table whose times are RFC 3339 text.

    Args:
        table: The table.
        short: Leave out the fractions of seconds of a column that has none.
    """
    return _with(table, types.is_timestamp, lambda column: _rfc3339(column, short=short))


def _with(table: Any, chosen: Callable[[Any], bool], change: Callable[[Any], Any]) -> Any:
    for place, field in enumerate(table.schema):
        if chosen(field.type):
            table = table.set_column(place, field.name, change(table.column(place)))
    return table


def _rfc3339(column: Any, *, short: bool) -> Any:
    if short and pc.all(pc.equal(pc.subsecond(column), 0)).as_py() is not False:
        column = column.cast(pa.timestamp("s", column.type.tz))
    offset = "Z" if column.type.tz in (None, "UTC") else "%Ez"
    return pc.strftime(column, f"%Y-%m-%dT%H:%M:%S{offset}")
