"""Reads of a range: points as they are stored, values per window, consumption, and means over all of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from db_core.errors import QueryError
from db_influx import _flux, _times
from db_influx._aggregates import Aggregate, aggregates, check_types
from db_influx._steps import Ask, Work
from db_influx._windows import Windows
from db_influx.plans.consumption import consumption
from db_influx.plans.downsample import DownsampleSpec, average, downsample
from db_influx.plans.frames import converted, wide
from db_influx.plans.points import source
from db_influx.plans.schema import Schema

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping

    from db_core.frame import Frame, Into
    from db_influx._aggregates import AggFunc
    from db_influx._flux import Selection
    from db_influx._options import Edge, Options
    from db_influx._steps import Steps
    from db_influx._times import Length
    from db_influx.plans.consumption import ConsumptionSpec
    from db_influx.plans.schema import Databases

__all__ = ["accumulated", "downsample_spec", "downsampled", "handed", "last_mean", "stored"]


def handed(plan: Steps[Frame], into: Into) -> Steps[Any]:
    """Do a plan and hand its frame over to pandas, polars or pyarrow."""
    return (yield from converted((yield from plan), into))


def stored(
    databases: Databases,
    selection: Selection,
    options: Options,
    *,
    tag_columns: bool = False,
    kinds: Mapping[str, str] | None = None,
) -> Steps[Frame]:
    """Read points as they are stored, in slices.

    Args:
        databases: The known mappings of the manager.
        selection: What to read.
        options: How it is read.
        tag_columns: Append the tags that are not index levels.
        kinds: The types of the fields in the frame; None is those that they have.
    """
    while True:
        schema = yield from Schema.of(databases, selection, options)
        points = source(schema, selection, options)
        parts = yield from points.parts(_flux.slices(selection, options.max_parallel))
        queries = [points.query(part) for part in parts]
        try:
            answers = (yield Ask(queries, options.max_parallel, counts=True)) if queries else []
        except QueryError as error:
            if not points.must_leave(error, options):
                raise
            options = replace(options, protocol="flux")
            continue
        if (yield from points.is_current(databases, selection.bucket)):
            break
        del answers  # a field has another type since, or the bucket another database
    kinds = schema.kinds(selection.fields) if kinds is None else kinds
    frame = yield from wide(answers, selection.fields, options, tag_columns=tag_columns, kinds=kinds)
    del answers  # the frame has their values
    yield from schema.check_frame(selection, frame, options)
    return frame


def downsample_spec(
    selection: Selection,
    interval: Length,
    agg_func: AggFunc,
    label: Edge,
    options: Options,
    *,
    create_empty: bool,
) -> DownsampleSpec:
    """Return the windows and columns of a downsampled read; see `InfluxManager.read` for the arguments."""
    every = _times.duration(interval, "interval")
    windows = Windows(every, options.tz, selection.start, selection.stop)
    return DownsampleSpec(windows, aggregates(agg_func, selection.fields or ()), label, create_empty)


def downsampled(
    databases: Databases, selection: Selection, spec: DownsampleSpec, options: Options
) -> Steps[Frame]:
    """Read one value per window."""
    labels = (yield from _labels(spec, "`create_empty`")) if spec.create_empty else None
    schema = yield from Schema.of(databases, selection, options)
    yield from schema.check_types(
        [selection], newest=any(column.function == "last" for column in spec.columns)
    )
    check_types(spec.columns, schema.types, selection.measurement)
    frame = yield from downsample(selection, spec, labels, schema.types or {}, options)
    yield from schema.check_frame(selection, frame, options)
    return frame


def _labels(spec: DownsampleSpec | ConsumptionSpec, without: str) -> Steps[array[int]]:
    labels: array[int] = yield Work(partial(spec.windows.labels, spec.label, without), 8 * spec.windows.count)
    return labels


def accumulated(
    databases: Databases, selection: Selection, spec: ConsumptionSpec, options: Options
) -> Steps[Frame]:
    """Read consumption per window."""
    labels = (yield from _labels(spec, "`quality` and `gaps`")) if spec.needs_labels else None
    schema = yield from Schema.of(databases, selection, options)
    yield from schema.check_types([selection], newest=True)
    totals = [Aggregate(field, field, "consumption", "spread") for field in selection.fields or ()]
    check_types(totals, schema.types, selection.measurement, argument="fields")
    kinds = schema.kinds(selection.fields)
    frame = yield from consumption(selection, spec, labels, kinds, options)
    yield from schema.check_frame(selection, frame, options)
    return frame


def last_mean(databases: Databases, selection: Selection, options: Options) -> Steps[Frame]:
    """Read the mean of each field over the whole range."""
    schema = yield from Schema.of(databases, selection, options)
    yield from schema.check_types([selection], newest=True)
    frame = yield from average(selection, schema.types or {}, options)
    yield from schema.check_frame(selection, frame, options)
    return frame
