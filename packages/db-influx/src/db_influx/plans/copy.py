"""A copy of points from bucket to bucket, or to another server: slices of a read, each written at once.

Memory is bounded by few fields at a time: frames have a row for each series and time, and where each
field has times of its own, nearly all of their cells are empty.

Points are read in InfluxQL, whose answers have texts and tags as they are. Flux's lose carriage returns.
But InfluxQL casts the values of a field with several types, so such a field is read in Flux, shard by shard.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from db_core.annotated_csv import split
from db_core.errors import CopyError, DatabaseError, InvalidArgumentError, SchemaConflictError, WriteError
from db_influx import _flux, _influxql, _times
from db_influx._points import Points
from db_influx._steps import Ask, Batch, Elsewhere, Post, Report, Work, part_of, through
from db_influx.plans.batches import batches
from db_influx.plans.buckets import allowed
from db_influx.plans.frames import bytes_of
from db_influx.plans.query import listed
from db_influx.plans.schema import Schema, no_database
from db_influx.plans.write import write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from db_core.annotated_csv import Answer
    from db_core.frame import Frame
    from db_influx._flux import Selection
    from db_influx._influxql import Database
    from db_influx._options import Options
    from db_influx._steps import Step, Steps
    from db_influx.plans.schema import Databases

__all__ = ["Target", "copy"]

_FIELDS = 16  # of a frame, at most
_VALUES = 1 << 18  # of a frame, about


class Target(NamedTuple):
    """Where points are copied to.

    Attributes:
        bucket: Name of the bucket.
        wire: The wire of the manager of its server; None if that is the one that is read from.
    """

    bucket: str
    wire: Any


def copy(databases: Databases, selection: Selection, target: Target, options: Options) -> Steps[None]:
    """Copy the points of a selection, and hand on the name of each measurement that has some.

    Args:
        databases: The known mappings of the manager.
        selection: What to copy; its measurement is empty for all of them.
        target: Where to.
        options: How to read.

    Raises:
        CopyError: Something failed when points had been written.
    """
    names, is_listed = [selection.measurement], not selection.measurement
    if is_listed:
        names = yield from listed(_flux.measurements(selection.bucket))
        options = replace(options, missing="ignore")
    copied: list[str] = []
    for place, name in enumerate(names):
        part = _Progress(selection.start)
        chosen = replace(selection, measurement=name)
        copying = _measurement(databases, chosen, target, options, part, is_listed=is_listed)
        try:
            yield from part_of(copying, place / len(names), (place + 1) / len(names))
        except DatabaseError as error:
            if not copied and not part.is_begun:
                raise
            until = _times.time_literal(part.until)
            raise CopyError(
                f"{len(copied)} of {len(names)} measurements were copied, and the points of {name!r} before "
                f"{until}. Then the copy failed: {error}",
                copied=names[:place],
                measurement=name,
                until=until,
            ) from error
        if part.is_begun:
            copied.append(name)
            yield Batch(name)


class _Progress:
    """How far a measurement is copied.

    Attributes:
        until: All points of the range before these nanoseconds are written.
        is_begun: Some may be written.
    """

    def __init__(self, start: int) -> None:
        self.until = start
        self.is_begun = False


def _measurement(
    databases: Databases,
    selection: Selection,
    target: Target,
    options: Options,
    progress: _Progress,
    *,
    is_listed: bool,
) -> Steps[None]:
    """Copy the points of a measurement; `is_listed` says that its name comes from Flux."""
    schema = yield from Schema.of(databases, selection, options)
    if schema.database is None or schema.types is None:
        raise no_database(selection.bucket)
    if is_listed and not schema.types:
        message = f"measurement {selection.measurement!r} can't be copied: its name has a carriage return"
        raise SchemaConflictError(message)
    yield from schema.check_found(selection, options, nothing=False)
    named = schema.types if selection.fields is None else selection.fields
    fields = [field for field in named if field in schema.types]
    mixed = schema.mixed(fields)
    exact = replace(options, by=None, missing="ignore", protocol="influxql")
    passes = [
        (replace(selection, fields=some), exact)
        for some in _few([field for field in fields if field not in mixed])
    ]
    for part, _ in passes:
        kinds = schema.kinds(part.fields)
        reason = _influxql.why_not(part, _influxql.raw(schema.database, part, kinds))
        if reason is not None:
            message = f"measurement {part.measurement!r} can't be copied exactly, since InfluxQL {reason}"
            raise SchemaConflictError(message)
    for field in mixed:
        one = replace(selection, fields=(field,))
        yield from _check_mixed(schema, schema.database, one)
        # It has one type in each shard, where Flux does not cast.
        passes += [(part, replace(exact, protocol="flux")) for part in schema.apart([one])]
    for number, (part, how) in enumerate(passes):
        told = progress if number == len(passes) - 1 else _Progress(selection.start)
        rows = max(1, _VALUES // len(part.fields or ()))
        try:
            frames = batches(databases, part, rows, how, raw=True)
            written = _written(frames, target, selection.measurement, told)
            yield from part_of(written, number / len(passes), (number + 1) / len(passes))
        finally:
            progress.is_begun = progress.is_begun or told.is_begun


def _check_mixed(schema: Schema, database: Database, selection: Selection) -> Steps[None]:
    """Refuse a field with several types whose points Flux would change: it loses carriage returns.

    Raises:
        SchemaConflictError: Names the field.
    """
    [field] = selection.fields or ()
    types = (schema.types or {})[field]
    reason = "it has text" if "string" in types else None
    for kind in dict.fromkeys("bool" if one == "boolean" else "float64" for one in types):
        if reason is None:
            query = _influxql.raw(database, selection, {field: kind}, limit=1)
            reason = _influxql.why_not(selection, query)
            # Without types, which would make another one an error.
            [answer] = yield Ask([replace(query, fields=None)], 1)
            if (yield Work(partial(_has_carriage_return, answer), bytes_of([answer]))):
                reason = "a tag has a carriage return"
    if reason is not None:
        raise SchemaConflictError(
            f"field {field!r} of {selection.measurement!r} can't be copied exactly, as it was written as "
            f"{' and '.join(types)} and {reason}. Copy the other fields, by `fields`"
        )


def _has_carriage_return(answer: Answer) -> bool:
    return any(
        "\r" in name or any("\r" in cell for cell in cells if isinstance(cell, str))
        for frame in split(answer)
        for name, cells in frame.to_pydict().items()
    )


def _few(fields: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for first in range(0, len(fields), _FIELDS):
        yield tuple(fields[first : first + _FIELDS])


def _written(frames: Steps[None], target: Target, measurement: str, progress: _Progress) -> Steps[None]:
    """Do the steps of a read, and write the frames that it hands on."""

    def do(step: Step) -> Steps[Any]:
        if not isinstance(step, Batch):
            return (yield step)
        try:
            yield from _posted(_write(step.frame, target.bucket, measurement), target)
        except WriteError as error:
            progress.is_begun = progress.is_begun or bool(error.accepted)
            raise
        progress.is_begun = True
        progress.until = max(progress.until, step.stop or progress.until)
        return None

    return through(frames, do)


def _write(frame: Frame, bucket: str, measurement: str) -> Steps[None]:
    *tags, time = frame.index
    layout: dict[str, Any] = {"tag_columns": tags, "time_column": time, "duplicates": "last"}
    check = partial(Points.of, frame, measurement, None, **layout)
    try:
        yield from allowed(write(bucket, frame, check), f"write bucket {bucket!r}")
    except InvalidArgumentError as error:
        message = f"{measurement!r} can't be written: {error.__cause__ or error}"
        raise WriteError(message, accepted=0) from error


def _posted(steps: Steps[None], target: Target) -> Steps[None]:
    """Do the steps of a write, whose requests go to the server of the target."""

    def do(step: Step) -> Steps[Any]:
        if isinstance(step, Report):  # the progress counts the slices of the read once they are written
            return None
        if target.wire is not None and isinstance(step, Post):
            step = Elsewhere(target.wire, step)
        return (yield step)

    return through(steps, do)
