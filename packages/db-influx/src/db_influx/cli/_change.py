"""`copy` and `delete`: points go to another bucket, or for good."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db_influx.cli._ask import YesOption, confirm
from db_influx.cli._ends import say
from db_influx.cli._formats import FormatOption, OutputOption
from db_influx.cli._options import (
    ALL_TIME,
    BucketArgument,
    StartOption,
    StopOption,
    TagsOption,
    TzOption,
    tags_of,
)
from db_influx.cli._progress import Told, bar
from db_influx.cli._settings import ProfileOption, TokenFileOption, connect

if TYPE_CHECKING:
    from db_influx import InfluxManager

__all__ = ["copy", "delete"]

_OnlyMeasurement = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only this measurement; without it, all of them.")
]


def copy(
    bucket: BucketArgument,
    to_bucket: Annotated[str, typer.Argument(help="Bucket to write, which must be there.")],
    *,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="First time; without it, from the first point on.")
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="First time after the range; without it, up to the last point."),
    ] = None,
    measurement: _OnlyMeasurement = None,
    field: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this field; without any, all of them.")
    ] = None,
    tag: TagsOption = None,
    to_profile: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Profile of the server to write to; without it, the same server."),
    ] = None,
    tz: TzOption = None,
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Copy points to another bucket, of this server or of another, in bounded memory.

    Copying again changes nothing. A point of the same series, field and time is replaced.
    """
    with ExitStack() as managers:
        source = managers.enter_context(connect(profile, token_file, tz=tz))
        target = None if to_profile is None else managers.enter_context(connect(to_profile))
        selection: dict[str, Any] = {
            "start": start or ALL_TIME[0],
            "stop": stop or ALL_TIME[1],
            "measurement": measurement,
            "fields": field,
            "tags": tags_of(tag),
        }
        told = Told()
        with bar("Copying") as told.show:
            copied = source.copy(bucket, to_bucket, **selection, to=target, progress=told)
    say(f"Copied: {', '.join(copied) or 'nothing, as nothing was found'}")


def delete(
    bucket: BucketArgument,
    *,
    start: StartOption,
    stop: StopOption = None,
    measurement: _OnlyMeasurement = None,
    tag: TagsOption = None,
    tz: TzOption = None,
    yes: YesOption = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Delete nothing, and write how many points of each field would go."),
    ] = False,
    output: OutputOption = None,
    format: FormatOption = None,  # noqa: A002 - the name of the option
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Delete points of a bucket.

    InfluxDB deletes whole points, by measurement and tags, never single fields. At a terminal, the command
    says how many points each field has and asks; elsewhere it needs --yes.
    """
    selection: dict[str, Any] = {
        "start": start,
        "stop": stop or datetime.now(UTC).isoformat(),
        "tags": tags_of(tag),
    }
    with connect(profile, token_file, tz=tz) as manager:
        if dry_run:
            from db_influx.cli._output import write_rows

            kinds = {"measurement": "string", "field": "string", "points": "int64"}
            write_rows(_counts(manager, bucket, measurement, selection), kinds, output, format)
            return
        confirm(
            f"Delete these points of bucket {bucket!r} for good?",
            yes=yes,
            details=lambda: _shown(selection, tag, _counts(manager, bucket, measurement, selection)),
        )
        manager.delete(bucket, measurement=measurement, **selection)


def _counts(
    manager: InfluxManager, bucket: str, measurement: str | None, selection: dict[str, Any]
) -> list[dict[str, Any]]:
    """Count the points of each field that a deletion is about."""
    names = manager.get_measurements_on_bucket(bucket) if measurement is None else [measurement]
    return [
        {"measurement": name, "field": field, "points": points}
        for name in names
        for field, points in manager.count(bucket, name, **selection).items()
    ]


def _shown(selection: dict[str, Any], tags: list[str] | None, counts: list[dict[str, Any]]) -> str:
    """Return what a deletion is about, for people."""
    lines = [f"  {one['measurement']!r} {one['field']!r}: {one['points']:,} points" for one in counts]
    chosen = f" with {' '.join(map(repr, tags))}" if tags else ""
    head = f"From {selection['start']} to {selection['stop']}{chosen}:"
    return "\n".join([head, *(lines or ["  no points"])])
