"""Read with a `LazyFrame` of polars: a query reads only the partitions, rows and fields that it needs.

This module needs ``pip install 'db-influx[polars]'``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from db_core.errors import MissingLibraryError
from db_influx import _arguments
from db_influx._manager import InfluxManager
from db_influx._options import PartitionOptions, takes
from db_influx._predicate import bounds
from db_influx._times import EARLIEST, LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pandas as pd
    import polars as pl
    from typing_extensions import Unpack

    import db_influx
    from db_influx import Partition
    from db_influx._aggregates import AggFunc
    from db_influx._flux import Tags
    from db_influx._times import Instant, Length

__all__ = ["scan_influx"]

_FIRST = 256  # this part of a partition is read first if few rows are wanted
_GROWTH = 4  # times as much is read next


@takes(PartitionOptions)
def scan_influx(
    manager: db_influx.InfluxManager[Any],
    start: Instant,
    stop: Instant | None,
    msname: str,
    fields: str | Iterable[str],
    bucket: str,
    tags: Tags | None = None,
    *,
    every: Length | None = None,
    rows: int | None = None,
    interval: Length | None = None,
    agg_func: AggFunc = "mean",
    timestep: Length | None = None,
    dense: bool = False,
    connect: Callable[[], db_influx.InfluxManager[Any]] | None = None,
    **options: Unpack[PartitionOptions],
) -> pl.LazyFrame:
    """Return a lazy frame. Its points are read when a query on it is collected.

    The arguments are those of `InfluxManager.partitions`. This function reads the types and the tags. A query
    then reads the partitions one after the other. With the streaming engine it needs memory for one
    partition, and for the query's own results. These parts of a query reach the server:

    - Columns: with `dense`, only the fields that the query needs are read. Without it, the other fields
      are read too, as they decide which rows exist.
    - Conditions on `time`: comparisons with times in the zone of the frame (`tz`), and `is_between`. polars
      itself refuses times of another zone or without a zone. Of stored points, only this range is read. Of
      windows, whole partitions are left out.
    - Conditions on tags: ``==``, `is_in`, `eq_missing` and `is_null`, with texts. They may be joined with
      ``&`` and ``|``, and with any other conditions.
    - `head`: partitions after the requested rows are not read. Of a partition of stored points, a part is
      read first, and then more.

    polars also applies all conditions to the rows that were read. So the result never depends on which
    conditions reached the server.

    Args:
        manager: Manager that divides the read. A manager like it, or the one that `connect` returns, reads
            the partitions.

    Returns:
        The lazy frame, with `time`, tags as categories, and values. Rows are in order of time, then of their
        tags. polars can serialize it if cloudpickle is installed. It does not contain the token: another
        process takes it from ``INFLUXDB_TOKEN``, or `connect` returns the manager. `collect` raises the
        errors of reads.

    Raises:
        MissingLibraryError: polars is not installed.
    """
    try:
        from polars.io.plugins import register_io_source
    except ImportError as error:
        message = "scan_influx needs polars, which is not installed: pip install 'db-influx[polars]'"
        raise MissingLibraryError(message) from error
    if not isinstance(manager, InfluxManager):
        raise _arguments.invalid("manager", f"must be an InfluxManager, not {type(manager).__name__}")
    partitions = manager.partitions(
        *(start, stop, msname, fields, bucket, tags),
        every=every,
        rows=rows,
        interval=interval,
        agg_func=agg_func,
        timestep=timestep,
        dense=dense,
        connect=connect,
        **options,
    )
    source = _Source(tuple(partitions))
    # Pure: a query that has the frame twice reads it once, so that both are of the same points.
    return register_io_source(source, schema=partitions[0].empty(into="polars").schema, is_pure=True)


@dataclass(frozen=True, slots=True)
class _Source:
    """What polars calls for the rows of a query."""

    partitions: tuple[Partition[Any], ...]

    def __call__(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        """Yield frames in the order of their rows.

        Args:
            with_columns: The columns of the frames; None is all.
            predicate: What their rows must fulfil.
            n_rows: How many rows are needed, counted before the predicate.
            batch_size: The most rows of a frame.
        """
        columns = with_columns
        if with_columns is not None and predicate is not None:
            columns = list(dict.fromkeys([*with_columns, *predicate.meta.root_names()]))
        parts: Iterable[Partition[Any]] = self.partitions
        if n_rows is not None:
            parts = _growing(self.partitions)
        elif predicate is not None:
            parts = _narrowed(self.partitions, predicate)
        left = n_rows
        for part in parts:
            if left == 0:
                return
            frame = part.read(columns, into="polars")
            if left is not None:
                frame = frame.head(left)
                left -= len(frame)
            if predicate is not None:
                frame = frame.filter(predicate)
            if with_columns is not None:
                frame = frame.select(with_columns)
            yield from frame.iter_slices(batch_size) if batch_size else (frame,)


def _narrowed(parts: Sequence[Partition[Any]], predicate: pl.Expr) -> Iterator[Partition[Any]]:
    """Yield the parts of partitions that may have rows for which a predicate is true."""
    layout = parts[0].layout
    needed = bounds(predicate, layout.tags, layout.options.tz)
    if needed.is_empty:
        return
    start = None if needed.first <= EARLIEST else _timestamp(needed.first)
    stop = None if needed.last >= LATEST else _timestamp(needed.last + 1)
    tags = {name: sorted(values, key=str) for name, values in needed.tags.items()}
    for part in parts:
        if (narrow := part.narrowed(start, stop, tags)) is not None:
            yield narrow


def _growing(parts: Sequence[Partition[Any]]) -> Iterator[Partition[Any]]:
    """Yield a small part of the first partition, and then more and more; windows are not cut."""
    length = 0
    for part in parts:
        begin, end = part.within
        if part.layout.reduction is not None:
            yield part
            continue
        length = length or max(1, (end - begin) // _FIRST)
        while begin < end:
            stop = min(begin + length, end)
            if (piece := part.narrowed(_timestamp(begin), _timestamp(stop))) is not None:
                yield piece
            begin, length = stop, length * _GROWTH


def _timestamp(nanoseconds: int) -> pd.Timestamp:
    import pandas as pd

    made: Any = pd.Timestamp(nanoseconds, unit="ns", tz="UTC")  # pandas has all times that InfluxDB has
    return made  # type: ignore[no-any-return]
