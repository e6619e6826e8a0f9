"""`buckets`: list, create and delete them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from db_influx.cli._ask import YesOption, confirm
from db_influx.cli._formats import FormatOption, OutputOption
from db_influx.cli._settings import ProfileOption, TokenFileOption, connect

__all__ = ["create_bucket", "delete_bucket", "list_buckets"]


def list_buckets(
    *,
    output: OutputOption = None,
    format: FormatOption = None,  # noqa: A002 - the name of the option
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """List the buckets that the token may read: name, retention and shard duration in seconds, ID."""
    from db_influx.cli._output import write_rows

    with connect(profile, token_file) as manager:
        found = manager.list_buckets()
    rows: list[dict[str, Any]] = [
        {
            "name": bucket.name,
            "retention_seconds": None if bucket.retention is None else int(bucket.retention.total_seconds()),
            "shard_seconds": int(bucket.shard_duration.total_seconds()),
            "id": bucket.id,
        }
        for bucket in found
    ]
    kinds = {"name": "string", "retention_seconds": "int64", "shard_seconds": "int64", "id": "string"}
    write_rows(rows, kinds, output, format)


def create_bucket(
    name: Annotated[str, typer.Argument(help="Name of the new bucket.")],
    *,
    retention: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="How long points are kept, such as 30d. Without it: for ever."),
    ] = None,
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Create a bucket."""
    with connect(profile, token_file) as manager:
        manager.create_bucket(name, retention=retention)


def delete_bucket(
    name: Annotated[str, typer.Argument(help="Name of the bucket.")],
    *,
    yes: YesOption = False,
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Delete a bucket and all of its points."""
    with connect(profile, token_file) as manager:
        confirm(f"Delete bucket {name!r} and all of its points?", yes=yes)
        manager.delete_bucket(name)
