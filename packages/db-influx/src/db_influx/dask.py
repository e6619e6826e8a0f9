"""Dask: a read as a `dask.dataframe`, partition by partition on its workers, and such a frame written.

It needs ``pip install 'db-influx[dask]'``. A worker finds its connection as a `Partition` does: from
``INFLUXDB_TOKEN``, or by `connect`. No graph has the token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from db_core.errors import ConfigurationError
from db_influx import _arguments
from db_influx._base import connection_of
from db_influx._manager import InfluxManager
from db_influx._options import PartitionOptions, WriteOptions, takes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import dask.dataframe as dd
    import pandas as pd
    from typing_extensions import Unpack

    import db_influx
    from db_influx import Partition
    from db_influx._aggregates import AggFunc
    from db_influx._connection import Connection
    from db_influx._flux import Tags
    from db_influx._times import Instant, Length

__all__ = ["read_dask", "write_dask"]


@takes(PartitionOptions)
def read_dask(
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
) -> dd.DataFrame:
    """Read into a Dask DataFrame, of which each partition is a `Partition`.

    Arguments are those of `InfluxManager.partitions`. While the graph is made, no partition is read. With
    `dense`, a computation that needs some columns asks the server for their fields alone.

    The same arguments make the same keys, in every process, so that persisted partitions are used again;
    also if something was written meanwhile. A read up to now has other keys each time.

    Args:
        manager: Divides the read, and tells the workers address, organization and transport.
        connect: Function without arguments that returns the manager on a worker; it must be picklable. It
            is called for each partition. None is a manager like this one, with the token of
            ``INFLUXDB_TOKEN``, that a worker keeps.

    Returns:
        The frame: rows in order of time, then of their tags. The index is `time`, and divisions are known.
        Tags are categories that are not known before they are read. Text has the dtype that Dask's option
        ``dataframe.convert-string`` says.

    Raises:
        ConfigurationError: Dask is not installed.
    """
    frames = _dask()
    from dask.dataframe.utils import clear_known_categories

    partitions: list[Partition[Any]] = _checked(manager).partitions(
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
    made: dd.DataFrame = frames.from_map(
        _read,
        partitions,
        meta=clear_known_categories(partitions[0].empty(into="pandas")),
        divisions=(*(one.earliest for one in partitions), partitions[-1].latest),
        label="read-influx",
    )
    return made


@takes(WriteOptions)
def write_dask(
    ddf: dd.DataFrame,
    manager: db_influx.InfluxManager[Any],
    bucket: str,
    measurement: str,
    tags: Mapping[str, str] | None = None,
    *,
    connect: Callable[[], db_influx.InfluxManager[Any]] | None = None,
    compute: bool = True,
    **options: Unpack[WriteOptions],
) -> Any:
    """Write a Dask DataFrame: each partition by `InfluxManager.synchronous_write`, on a worker.

    Writing the same points again changes nothing, as every point carries its time. So a write that failed, or
    whose worker died, can be repeated. What is said there of a frame is true of each partition here:
    it is checked before anything of it is sent, and `duplicates` are looked for in it.

    Args:
        ddf: The frame.
        manager: Tells the workers address, organization and transport.
        bucket: As for `InfluxManager.synchronous_write`.
        measurement: The measurement.
        tags: Tags of every point.
        connect: As for `read_dask`.
        compute: Write now. False returns a Dask scalar, and what computes it writes.
        tag_columns, time_column, duplicates: As for `InfluxManager.synchronous_write`.

    Returns:
        How many rows were written, or the scalar that is.

    Raises:
        ConfigurationError: Dask is not installed, or a worker has no token.
        InvalidArgumentError: A partition has a value that can't be written as it is.
        WriteError: Not every point of a partition was accepted. Rows are counted from its start, and `frame`
            has the refused ones. Partitions that were not written yet may be missing.
    """
    frames = _dask()
    if not isinstance(ddf, frames.DataFrame):
        raise _arguments.invalid("ddf", f"must be a Dask DataFrame, not {type(ddf).__name__}")
    written = ddf.map_partitions(
        _write,
        connection=connection_of(_checked(manager), connect),
        bucket=_arguments.written_bucket(bucket),
        measurement=_arguments.text(measurement, "measurement"),
        tags=tags,
        options=options,
        meta=("rows", "int64"),
    ).sum()
    return int(written.compute()) if _arguments.flag(compute, "compute") else written


def _dask() -> Any:
    try:
        import dask.dataframe
    except ImportError as error:
        message = "this needs dask.dataframe, which is not installed: pip install 'db-influx[dask]'"
        raise ConfigurationError(message) from error
    return dask.dataframe


def _checked(manager: object) -> Any:
    if not isinstance(manager, InfluxManager):
        raise _arguments.invalid("manager", f"must be an InfluxManager, not {type(manager).__name__}")
    return manager


def _read(partition: Partition[Any], columns: list[str]) -> pd.DataFrame:
    """Read a partition on a worker; as `columns` has no default, Dask always says which it needs."""
    return partition.read(columns, into="pandas")


def _write(
    frame: pd.DataFrame,
    connection: Connection,
    bucket: str,
    measurement: str,
    tags: Mapping[str, str] | None,
    options: WriteOptions,
) -> pd.Series[int]:
    """Write a partition on a worker; return how many rows it has."""
    import pandas as pd

    connection.manager().synchronous_write(bucket, frame, measurement, tags, **options)
    return pd.Series([len(frame)], name="rows", dtype="int64")
