"""`watch`: the points of a measurement as they come."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from db_core.errors import NotFoundError
from db_influx.cli._files import destination
from db_influx.cli._options import (
    ALL_TIME,
    BucketArgument,
    FieldsArgument,
    MeasurementArgument,
    TagsOption,
    tags_of,
)
from db_influx.cli._settings import ProfileOption, TokenFileOption, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from db_influx import InfluxManager

__all__ = ["watch"]

RowFormat: TypeAlias = Literal["text", "csv", "jsonl"]

_LONGEST = 1_000_000.0  # seconds, some 11 days


def watch(
    bucket: BucketArgument,
    measurement: MeasurementArgument,
    fields: FieldsArgument = None,
    *,
    tag: TagsOption = None,
    every: Annotated[
        float, typer.Option(min=0.01, max=_LONGEST, metavar="SECONDS", help="How often the server is asked.")
    ] = 1.0,
    late: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=_LONGEST,
            metavar="SECONDS",
            help="A point is shown if it is written at most this long after its own time. The points of this "
            "time are read anew each time that the server is asked.",
        ),
    ] = 60.0,
    format: Annotated[  # noqa: A002 - the name of the option
        RowFormat | None,
        typer.Option(
            "--format", "-f", help="Without it: text at a terminal, and csv elsewhere.", show_choices=True
        ),
    ] = None,
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Show the points of a measurement as they are written, until Ctrl-C.

    Points that are there already are not shown. One that is written again with another value is shown again.
    The columns are the tags and fields that the measurement has when this begins.
    """
    from db_influx.cli._text import csv_lines, json_lines

    with connect(profile, token_file, missing="ignore") as manager, destination(None) as stream:
        names = fields or manager.get_fields(bucket, measurement)
        if not names:
            message = f"bucket {bucket!r} has no measurement {measurement!r}"
            raise NotFoundError(message)
        kind = format or ("text" if stream.is_terminal else "csv")
        selection: dict[str, Any] = {
            "msname": measurement,
            "fields": names,
            "bucket": bucket,
            "tags": tags_of(tag),
            "by": manager.get_tags(bucket, measurement),
        }
        try:
            is_first = True
            for table in _new(manager, selection, timedelta(seconds=late), every):
                if kind == "csv" and (is_first or len(table)):
                    stream.write(csv_lines(table, header=is_first))
                elif kind == "jsonl":
                    stream.write(json_lines(table))
                elif kind == "text":
                    stream.write("".join(map(_text, table.to_pylist())).encode())
                stream.flush()
                is_first = False
        except KeyboardInterrupt:
            return


def _new(manager: InfluxManager, selection: dict[str, Any], late: timedelta, every: float) -> Iterator[Any]:
    """Yield an empty table when it begins, and then the new rows each time that the server was asked."""
    import pyarrow as pa

    from db_influx.cli._text import plain

    pause = threading.Event()
    seen: set[tuple[Any, ...]] | None = None
    asked = datetime.now(UTC)
    while True:
        # From the last time on, as what was late then must not be too late now.
        begin, asked = asked - late, datetime.now(UTC)
        table = plain(manager.read(begin, ALL_TIME[1], **selection, interval=None, into="arrow")).sort_by(
            "time"
        )
        # As text, since equal values may have different types; these are few rows.
        rows = [tuple(map(repr, row.values())) for row in table.to_pylist()]
        if seen is None:
            yield table.slice(0, 0)
        else:
            yield table.filter(pa.array([row not in seen for row in rows], pa.bool_()))
        seen = set(rows)
        pause.wait(every)


def _text(row: dict[str, Any]) -> str:
    """Return a row as a line for people."""
    time = row.pop("time")
    cells = [f"{_shown(name)}={_shown(str(value))}" for name, value in row.items() if value is not None]
    return f"{time.isoformat()}  {'  '.join(cells)}\n"


def _shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
