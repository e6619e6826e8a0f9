"""`import`: what `export` wrote, or a file of others, into a bucket; and the check of an exported folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from db_core.errors import IncompleteResultError, InvalidArgumentError
from db_influx.cli._ends import say
from db_influx.cli._export import EXTENSIONS
from db_influx.cli._folder import verified
from db_influx.cli._options import tags_of
from db_influx.cli._progress import bar
from db_influx.cli._settings import ProfileOption, TokenFileOption, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from db_influx import InfluxManager
    from db_influx.cli._folder import Folder

__all__ = ["check_folder", "import_"]

FileFormat: TypeAlias = Literal["parquet", "line", "csv", "jsonl", "arrow"]
Precision: TypeAlias = Literal["s", "ms", "us", "ns"]

_OF_EXTENSION: dict[str, str] = {f".{extension}": kind for kind, extension in EXTENSIONS.items()}
_OF_EXTENSION[".ndjson"] = "jsonl"


def import_(
    source: Annotated[Path, typer.Argument(help="A folder of `export`, or a single file.")],
    bucket: Annotated[str, typer.Argument(help="Name of the bucket, which must be there.")],
    *,
    format: Annotated[  # noqa: A002 - the name of the option
        FileFormat | None,
        typer.Option(
            "--format", "-f", help="Format of a single file; without it, by its extension.", show_choices=True
        ),
    ] = None,
    measurement: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="For a single file that is no line protocol: its measurement. Not needed in the folder of "
            "its export.",
        ),
    ] = None,
    time_column: Annotated[
        str, typer.Option(metavar="NAME", help="For such a file: the column of times.")
    ] = "time",
    tag_column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="For such a file: a column that is a tag; may be given again. Without it, the tags are "
            "those of its export, if it is in that folder, or the dictionary columns of Parquet and Arrow.",
        ),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="For such a file: a tag of all points.")
    ] = None,
    type: Annotated[  # noqa: A002 - the name of the option
        list[str] | None,
        typer.Option(
            metavar="NAME=TYPE",
            help="For CSV and JSON Lines: the type of a column: float, integer, unsigned, boolean or string. "
            "Without it, its values tell; a column that has numbers and text is an error.",
        ),
    ] = None,
    duplicates: Annotated[
        Literal["error", "last"] | None,
        typer.Option(
            help="For such a file: what to do about rows with the same tags and time but different values, "
            "of which only the last would stay. error, or without it: refuse them. Each row is compared with "
            "some thousands of rows above it. A series that goes back to times further above is refused too. "
            "last: write them.",
            show_choices=True,
        ),
    ] = None,
    precision: Annotated[
        Precision,
        typer.Option(help="Unit of the times in line protocol, or of whole numbers in the column of times."),
    ] = "ns",
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Write what `export` wrote to a bucket, or the points of a single file.

    The checksums of a folder are verified before anything is written, and its counts of points afterwards. A
    single file of columns is checked as a whole before anything is written. Importing again changes nothing,
    so an import that was interrupted is simply run again.
    """
    given = {
        "measurement": measurement,
        "tag_column": tag_column,
        "tag": tag,
        "type": type,
        "duplicates": duplicates,
    }
    if source.is_dir():
        if any(given.values()) or format:
            message = "`source` is a folder, whose manifest says all that these options say: leave them out"
            raise InvalidArgumentError(message, argument="source")
        _folder(source, bucket, profile, token_file)
        return
    kind = _kind(source, format)
    if kind == "line" and (name := next((name for name, value in given.items() if value), None)):
        message = f"`{name}` is for files of columns, and line protocol says it of each point: leave it out"
        raise InvalidArgumentError(message, argument=name)
    constant, types = _constant(tag), _types(type)
    with connect(profile, token_file) as manager:
        if kind == "line":
            with bar("Importing") as show:
                _write_lines(manager, source, bucket, precision, show)
            return
        from db_influx.cli._others import Layout, write

        layout = Layout(
            measurement, tag_column, constant, types, time_column, precision, duplicates or "error"
        )
        write(manager, bucket, source, kind, layout)


def _kind(source: Path, format_: str | None) -> str:
    if format_ is not None:
        return format_
    kind = _OF_EXTENSION.get(source.suffix.lower())
    if kind is None:
        message = f"`source`: {source.name!r} ends with none of {' '.join(_OF_EXTENSION)}: add --format"
        raise InvalidArgumentError(message, argument="source")
    return kind


def _constant(given: list[str] | None) -> dict[str, str]:
    found = tags_of(given) or {}
    for key, values in found.items():
        if len(values) > 1:
            message = f"`tag`: a point has one value of {key!r}, not {' and '.join(map(repr, values))}"
            raise InvalidArgumentError(message, argument="tag")
    return {key: value for key, [value] in found.items()}


def _types(given: list[str] | None) -> dict[str, Any]:
    from db_influx.cli._columns import TYPES

    found = {}
    for one in given or ():
        name, _, kind = one.rpartition("=")
        if not name or kind not in TYPES:
            message = f"`type` must be NAME=TYPE, with a TYPE of {', '.join(TYPES)}, not {one!r}"
            raise InvalidArgumentError(message, argument="type")
        found[name] = TYPES[kind]
    return found


def _write_lines(manager: InfluxManager, source: Path, bucket: str, precision: str, show: Any) -> None:
    from db_influx.cli._lines import LineWriter, bodies

    writer = LineWriter(manager, bucket, precision)
    size, done, lines = source.stat().st_size, 0, 0
    for body in bodies(source):
        writer.write(body)
        done += len(body)
        lines += body.count(b"\n")
        show(done / size, lines)
    say(f"Imported: {done:,} bytes of line protocol from {source}")


def check_folder(path: Path) -> Folder:
    """Verify the folder of an export, by the checksums that its manifest has.

    Raises:
        FileNotFoundError: It has no manifest.
        IncompleteResultError: The export did not end, or files are missing or changed.
        ParseError: The manifest is damaged.
    """
    with bar("Checking", "bytes") as show:
        done = 0

        def told(size: int, of_all: int) -> None:
            nonlocal done
            done += size
            show(done / of_all if of_all else 1.0, done)

        folder = verified(path, told)
    say(f"Verified: {folder.rows:,} rows in {len(folder.parts):,} files, in {path}")
    return folder


def _folder(path: Path, bucket: str, profile: str | None, token_file: str | None) -> None:
    folder = check_folder(path)
    manifest = folder.manifest
    with connect(profile, token_file, missing="ignore") as manager:
        with bar("Importing") as show:
            rows = 0
            for part in folder.parts:
                for written in _write_part(manager, folder, part, bucket):
                    rows += written
                    show(rows / folder.rows, rows)
        lacking = list(_lacking(manager, manifest, bucket))
    if lacking:
        message = (
            f"bucket {bucket!r} lacks points after the import, as where it keeps points for a shorter time: "
        )
        raise IncompleteResultError(message + "; ".join(lacking[:3]))
    say(f"Imported: {folder.rows:,} rows from {path}")


def _write_part(manager: InfluxManager, folder: Folder, part: dict[str, Any], bucket: str) -> Iterator[int]:
    """Write the points of a file, and yield how many rows were written."""
    from db_influx.cli._lines import LineWriter, bodies
    from db_influx.cli._tables import frame_of, read_file, schema_of

    name, kind = part["measurement"], folder.manifest["selection"]["format"]
    path, about = folder.file(part), folder.manifest["measurements"][name]
    if kind == "line":
        writer = LineWriter(manager, bucket)
        for body in bodies(path):
            writer.write(body)
        yield part["rows"]
        return
    layout: dict[str, Any] = {"tag_columns": about["tags"], "time_column": "time", "duplicates": "last"}
    for table in read_file(path, kind, schema_of(about)):
        frame = frame_of(table, about) if about["columns"] else table
        manager.synchronous_write(bucket, frame, name, **layout)
        yield len(table)


def _lacking(manager: InfluxManager, manifest: dict[str, Any], bucket: str) -> Iterator[str]:
    """Yield a line for each field that has fewer points in the bucket than were exported."""
    expected: dict[str, dict[str, int]] = {}
    for part in manifest["parts"]:
        points = expected.setdefault(part["measurement"], {})
        for field, count in part["points"].items():
            points[field] = points.get(field, 0) + count
    for name, points in expected.items():
        found = manager.count(bucket, name, manifest["start"], manifest["stop"]) if points else {}
        for field, count in points.items():
            if found.get(field, 0) < count:
                yield f"field {field!r} of {name!r} has {found.get(field, 0):,} of {count:,} points"
