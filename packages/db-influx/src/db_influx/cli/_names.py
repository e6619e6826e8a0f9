"""`measurements` and `fields`: the names that a bucket has."""

from __future__ import annotations

from typing import Annotated

import typer

from db_influx.cli._formats import FormatOption, OutputOption
from db_influx.cli._options import BucketArgument, MeasurementArgument
from db_influx.cli._settings import ProfileOption, TokenFileOption, connect

__all__ = ["fields", "measurements"]


def measurements(
    bucket: BucketArgument,
    *,
    output: OutputOption = None,
    format: FormatOption = None,  # noqa: A002 - the name of the option
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """List the measurements of a bucket."""
    from db_influx.cli._output import write_rows

    with connect(profile, token_file) as manager:
        names = manager.get_measurements_on_bucket(bucket)
    write_rows([{"measurement": name} for name in names], {"measurement": "string"}, output, format)


def fields(
    bucket: BucketArgument,
    measurement: MeasurementArgument,
    *,
    values: Annotated[
        str | None, typer.Option(metavar="KEY", help="List the values of this tag instead.")
    ] = None,
    output: OutputOption = None,
    format: FormatOption = None,  # noqa: A002 - the name of the option
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """List the fields and tags of a measurement."""
    from db_influx.cli._output import write_rows

    with connect(profile, token_file) as manager:
        if values is not None:
            rows = [{"value": one} for one in manager.get_tag_values(bucket, measurement, values)]
        else:
            rows = [{"name": one, "kind": "field"} for one in manager.get_fields(bucket, measurement)]
            rows += [{"name": one, "kind": "tag"} for one in manager.get_tags(bucket, measurement)]
    names = ["name", "kind"] if values is None else ["value"]
    write_rows(rows, dict.fromkeys(names, "string"), output, format)
