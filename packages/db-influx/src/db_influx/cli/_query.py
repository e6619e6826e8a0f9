"""`query`: any Flux or InfluxQL."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from db_core.errors import InvalidArgumentError
from db_influx.cli._formats import FormatOption, LimitOption, OutputOption
from db_influx.cli._progress import Told
from db_influx.cli._settings import ProfileOption, TokenFileOption, connect

__all__ = ["query"]


def query(
    text: Annotated[str | None, typer.Argument(help="The query, if not in --file.")] = None,
    *,
    file: Annotated[
        str | None, typer.Option(metavar="PATH", help="A file with the query; - is standard input.")
    ] = None,
    influxql: Annotated[bool, typer.Option("--influxql", help="It is InfluxQL, not Flux.")] = False,
    bucket: Annotated[
        str | None,
        typer.Option(metavar="BUCKET", help="For --influxql: the bucket, if the text names no database."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A value that Flux uses as params.NAME and InfluxQL as $NAME. It is JSON, or else text.",
        ),
    ] = None,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Write the answer as it arrives, in bounded memory. Then all of its tables must have the "
            "same columns, unless the format is jsonl.",
        ),
    ] = False,
    limit: LimitOption = None,
    output: OutputOption = None,
    format: FormatOption = None,  # noqa: A002 - the name of the option
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Run a query, in Flux or InfluxQL.

    The tables of the answer are joined: columns in order of first appearance, absent cells empty.
    """
    if (text is None) == (file is None):
        raise InvalidArgumentError("a query must be given as TEXT or by --file, not both", argument="file")
    asked = text if text is not None else _read(str(file))
    if bucket is not None and not influxql:
        raise InvalidArgumentError("`bucket` is for --influxql; Flux names it itself", argument="bucket")
    given: dict[str, Any] = {"params": _params(param), "into": "arrow", "progress": (told := Told())}
    if bucket is not None:
        given["bucket"] = bucket
    with connect(profile, token_file) as manager:
        if stream:
            run: Any = manager.query_influxql_batches if influxql else manager.query_batches
            tables = run(asked, **given)
        else:
            run = manager.query_influxql if influxql else manager.query
            tables = (run(one, **given) for one in [asked])  # when it is asked for
        from db_influx.cli._output import write_tables

        write_tables(tables, output, format, limit=limit, told=told)


def _read(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"`file`: {path} is not UTF-8 text", argument="file") from error


def _params(given: list[str] | None) -> dict[str, Any] | None:
    found = {}
    for one in given or ():
        name, equals, value = one.partition("=")
        if not name or not equals:
            raise InvalidArgumentError(f"`param` must be NAME=VALUE, not {one!r}", argument="param")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found or None
