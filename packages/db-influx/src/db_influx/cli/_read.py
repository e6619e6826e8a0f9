"""`read` and `consumption`: what a measurement holds, as stored or by window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from db_core.errors import InvalidArgumentError, NotFoundError
from db_influx.cli import _formats
from db_influx.cli._formats import FormatOption, LimitOption, OutputOption
from db_influx.cli._options import (
    BucketArgument,
    ByOption,
    Edge,
    FieldsArgument,
    MeasurementArgument,
    MissingOption,
    ProtocolOption,
    StartOption,
    StopOption,
    TagsOption,
    TzOption,
    per_field,
    tags_of,
)
from db_influx.cli._progress import Told
from db_influx.cli._settings import ProfileOption, TokenFileOption, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from db_influx import InfluxManager

__all__ = ["consumption", "read"]

_ROWS = 65_536  # of a batch


def read(
    bucket: BucketArgument,
    measurement: MeasurementArgument,
    fields: FieldsArgument = None,
    *,
    start: StartOption,
    stop: StopOption = None,
    tag: TagsOption = None,
    interval: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            help="Length of a window, such as 10m, 1h, 1d or 1mo; days and longer ones are calendar days in "
            "--tz. Without it, points are read as they are stored.",
        ),
    ] = None,
    agg_func: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FUNCTION",
            help="What a window gives: count, first, last, max, mean, median, min, mode, skew, spread, "
            "stddev, sum or a quantile such as p95; several give a column each. Without it, mean.",
        ),
    ] = None,
    label: Annotated[Edge, typer.Option(help="The edge of a window that is its time.")] = "stop",
    create_empty: Annotated[
        bool, typer.Option("--create-empty", help="Also windows without points.")
    ] = False,
    by: ByOption = None,
    missing: MissingOption = None,
    protocol: ProtocolOption = None,
    tz: TzOption = None,
    limit: LimitOption = None,
    output: OutputOption = None,
    format: FormatOption = None,  # noqa: A002 - the name of the option
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Read points of a measurement, as stored or by window.

    The columns are the tags that differ (or --by), the time and the fields. Points as they are stored are
    read in bounded memory. Line protocol has all tags of each point.
    """
    kind = _formats.chosen(output, format)
    if interval is None and (agg_func or create_empty):
        name = "agg_func" if agg_func else "create_empty"
        message = f"`{name}` needs windows: give their length by --interval"
        raise InvalidArgumentError(message, argument=name)
    told = Told()
    options = {"missing": missing, "protocol": protocol, "tz": tz}
    with connect(profile, token_file, **options) as manager:
        names, tag_columns = _columns(manager, bucket, measurement, fields, by, all_tags=kind == "line")
        selection: dict[str, Any] = {
            "start": start,
            "stop": stop,
            "bucket": bucket,
            "msname": measurement,
            "fields": names,
            "tags": tags_of(tag),
            "by": tag_columns,
            "into": "arrow",
            "progress": told,
        }
        if interval is None:
            tables = _batches(manager, selection, _formats.most_rows(kind, limit))
        else:
            functions = agg_func or ["mean"]
            windows: dict[str, Any] = {
                "interval": interval,
                "label": label,
                "create_empty": create_empty,
                "agg_func": functions[0] if len(functions) == 1 else functions,
            }
            tables = (manager.read(**given) for given in [selection | windows])  # when it is asked for
        from db_influx.cli._output import write_tables

        write_tables(
            tables,
            output,
            kind,
            limit=limit,
            measurement=measurement,
            tag_columns=tag_columns or (),
            told=told,
        )


def _columns(
    manager: InfluxManager,
    bucket: str,
    measurement: str,
    fields: list[str] | None,
    by: list[str] | None,
    *,
    all_tags: bool,
) -> tuple[list[str], list[str] | None]:
    """Return the fields to read, and the tags that are columns; None is those that differ."""
    names = fields or manager.get_fields(bucket, measurement)
    if not names:
        message = f"no field to read: bucket {bucket!r} has no measurement {measurement!r}"
        raise NotFoundError(message)
    if all_tags and by is None:
        by = manager.get_tags(bucket, measurement)
    return names, by


def _batches(manager: InfluxManager, selection: dict[str, Any], most: int | None) -> Iterator[Any]:
    """Yield the points as they arrive, and if there are none, the empty frame."""
    found = False
    batches = manager.read_batches(**selection, batch_rows=min(_ROWS, max(most or _ROWS, 1_000)))
    for table in batches:
        found = True
        yield table
    if not found:
        yield manager.read(**selection, interval=None, missing="ignore")


def consumption(
    bucket: BucketArgument,
    measurement: MeasurementArgument,
    fields: Annotated[list[str], typer.Argument(help="Fields that are running totals.")],
    *,
    start: StartOption,
    stop: StopOption = None,
    timestep: Annotated[
        str, typer.Option(metavar="DURATION", help="Length of a window, such as 15m, 1h, 1d or 1mo.")
    ],
    tag: TagsOption = None,
    on_reset: Annotated[
        Literal["null", "restart", "rollover", "keep"],
        typer.Option(help="The consumption of a window in which the total fell."),
    ] = "null",
    rollover: Annotated[
        list[str] | None,
        typer.Option(metavar="[FIELD=]NUMBER", help="For --on-reset rollover: the total that is zero again."),
    ] = None,
    max_rate: Annotated[
        list[str] | None,
        typer.Option(metavar="[FIELD=]NUMBER", help="Most that a field may count per second."),
    ] = None,
    gaps: Annotated[
        Literal["book", "spread", "null"],
        typer.Option(help="Where the consumption over windows without a point goes."),
    ] = "book",
    quality: Annotated[
        bool, typer.Option("--quality", help="A column for each field that says how its windows are known.")
    ] = False,
    closed: Annotated[
        Literal["right", "left"], typer.Option(help="The edge that belongs to a window, and to the range.")
    ] = "right",
    label: Annotated[Edge, typer.Option(help="The edge of a window that is its time.")] = "stop",
    by: ByOption = None,
    missing: MissingOption = None,
    tz: TzOption = None,
    limit: LimitOption = None,
    output: OutputOption = None,
    format: FormatOption = None,  # noqa: A002 - the name of the option
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Read consumption per window, from meters that report running totals.

    A window's consumption is its last total less the last total before it.
    """
    kind = _formats.chosen(output, format)
    meter: dict[str, Any] = {
        "on_reset": on_reset,
        "gaps": gaps,
        "quality": quality,
        "closed": closed,
        "label": label,
        "rollover": per_field(rollover, "rollover"),
        "max_rate": per_field(max_rate, "max_rate"),
    }
    with connect(profile, token_file, missing=missing, tz=tz) as manager:
        _, tag_columns = _columns(manager, bucket, measurement, fields, by, all_tags=kind == "line")
        selection: dict[str, Any] = {
            "start": start,
            "stop": stop,
            "bucket": bucket,
            "msname": measurement,
            "fields": fields,
            "timestep": timestep,
            "tags": tags_of(tag),
            "by": tag_columns,
            "into": "arrow",
            "progress": (told := Told()),
        }
        tables = (manager.read_accumulated_value(**given) for given in [selection | meter])
        from db_influx.cli._output import write_tables

        write_tables(
            tables,
            output,
            kind,
            limit=limit,
            measurement=measurement,
            tag_columns=tag_columns or (),
            told=told,
        )
