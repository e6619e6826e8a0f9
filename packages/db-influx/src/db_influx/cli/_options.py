"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import typer

from db_core.errors import InvalidArgumentError

__all__ = [
    "ALL_TIME",
    "BucketArgument",
    "ByOption",
    "Edge",
    "FieldsArgument",
    "MeasurementArgument",
    "Missing",
    "MissingOption",
    "ProtocolOption",
    "StartOption",
    "StopOption",
    "TagsOption",
    "TzOption",
    "per_field",
    "tags_of",
]

Edge: TypeAlias = Literal["start", "stop"]
Missing: TypeAlias = Literal["warn", "raise", "ignore"]
Protocol: TypeAlias = Literal["auto", "influxql", "flux"]

# The first and the last time that InfluxDB holds.
ALL_TIME = "1677-09-21T00:12:43.145224194Z", "2262-04-11T23:47:16.854775806Z"

BucketArgument = Annotated[str, typer.Argument(help="Name of the bucket.")]
MeasurementArgument = Annotated[str, typer.Argument(help="Name of the measurement.")]
FieldsArgument = Annotated[
    list[str] | None, typer.Argument(help="Names of fields; without any, all of them.")
]
_TIME = "2026-07-01, 2026-07-01T12:30:00Z, now() or, counted back from now, -30d"
StartOption = Annotated[
    str, typer.Option(metavar="TIME", help=f"First time: {_TIME}. Without an offset it is in --tz.")
]
StopOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="First time after the range, as --start; without it, now.")
]
TagsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        metavar="KEY=VALUE",
        help="Only series with this tag. With several values of a key, one of them; KEY= is no such tag.",
    ),
]
ByOption = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY", help="A tag that is a column; without any, the tags that differ."),
]
TzOption = Annotated[
    str | None, typer.Option(metavar="ZONE", help="Time zone, such as Europe/Lisbon; without it, UTC.")
]
MissingOption = Annotated[
    Missing | None,
    typer.Option(help="What to do about names that do not exist; without it, warn."),
]
ProtocolOption = Annotated[
    Protocol | None, typer.Option(help="Language in which stored points are read; without it, auto.")
]


def tags_of(given: list[str] | None) -> dict[str, list[str]] | None:
    """Return the values of each tag, as managers take them."""
    found: dict[str, list[str]] = {}
    for one in given or ():
        key, equals, value = one.partition("=")
        if not key or not equals:
            raise InvalidArgumentError(f"`tag` must be KEY=VALUE, not {one!r}", argument="tag")
        found.setdefault(key, []).append(value)
    return found or None


def per_field(given: list[str] | None, name: str) -> float | dict[str, float] | None:
    """Return a number of all fields, or one for each field.

    Args:
        given: "3.5", or "FIELD=3.5" for each.
        name: Name of the option.
    """
    if not given:
        return None
    message = f"`{name}` must be a number, or FIELD=NUMBER for each field, not {' '.join(given)!r}"
    try:
        numbers = {field: float(number) for field, _, number in (one.rpartition("=") for one in given)}
    except ValueError as error:
        raise InvalidArgumentError(message, argument=name) from error
    if len(given) == 1 and "=" not in given[0]:
        return numbers[""]
    if "" in numbers:
        raise InvalidArgumentError(message, argument=name)
    return numbers
