"""Parquet files of a read: a file for each period, which a read in batches fills slice by slice."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from db_influx import _flux
from db_influx._parquet import Writer
from db_influx._steps import Batch, Work, part_of, through
from db_influx.plans.batches import batches
from db_influx.plans.query import listed, tag_keys
from db_influx.plans.schema import Schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db_influx._flux import Selection
    from db_influx._options import Options
    from db_influx._parquet import ParquetFile, Period
    from db_influx._steps import Step, Steps
    from db_influx.plans.schema import Databases

__all__ = ["write"]

_ROWS = 1 << 17  # of a frame that is written at once, at most
_VALUES = 1 << 20  # of such a frame, about; many fields would fill the memory otherwise
_VALUE = 16  # bytes


def write(
    databases: Databases, selection: Selection, files: Sequence[Period], options: Options
) -> Steps[None]:
    """Write points as they are stored, and hand on each file that has some."""
    schema = yield from Schema.of(databases, selection, options)
    yield from schema.check_found(selection, options, nothing=False)
    bucket, measurement = selection.bucket, selection.measurement
    if selection.fields is None:
        names: list[str] = yield from listed(_flux.fields(bucket, measurement))
        selection = replace(selection, fields=tuple(names))
    if options.by is None:
        keys = yield from tag_keys(bucket, measurement)
        options = replace(options, by=tuple(keys))
    options = replace(options, missing="ignore")  # it was told of the whole range
    rows = max(1, min(_ROWS, _VALUES // max(1, len(selection.fields or ()))))
    for number, period in enumerate(files if selection.fields else ()):
        part = replace(selection, start=period.start, stop=period.stop)
        with Writer(period.path) as writer:
            written = _written(batches(databases, part, rows, options), writer)
            yield from part_of(written, number / len(files), (number + 1) / len(files))
            file: ParquetFile | None = yield Work(writer.finish, _ROWS)
        if file is not None:
            yield Batch(file)


def _written(frames: Steps[None], writer: Writer) -> Steps[None]:
    """Do the steps of a plan, and write the frames that it hands on."""

    def do(step: Step) -> Steps[Any]:
        if not isinstance(step, Batch):
            return (yield step)
        table = step.frame
        yield Work(partial(writer.write, table), _VALUE * table.num_rows * table.num_columns)
        return None

    return through(frames, do)
