"""Read and write Dask DataFrames, whose partitions Dask's workers read and write.

This module needs ``pip install 'db-influx[dask]'``. A worker connects as a `Partition` does: with the token
of ``INFLUXDB_TOKEN``, or with the manager that `connect` returns. No graph has the token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from db_core.errors import MissingLibraryError
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
    """Read into a Dask DataFrame. Each of its partitions is a `Partition`.

    The arguments are those of `InfluxManager.partitions`. No partition is read while the graph is made. With
    `dense`, a computation that needs some columns asks the server only for their fields.

    The same arguments make the same keys in every process, so that Dask uses persisted partitions again, even
    if points were written meanwhile. A read up to now has other keys each time.

    Args:
        manager: Manager that divides the read. Workers use its address, organization and transport.
        connect: Function without arguments that returns the manager on a worker. It must be picklable, and
            is called for each partition. None means a manager like this one, with the token of
            ``INFLUXDB_TOKEN``, which the worker keeps.

    Returns:
        A Dask DataFrame. Rows are in order of time, then of their tags. The index is `time`, and divisions
        are known. Tags are unknown categories. Text has the dtype that Dask's option
        ``dataframe.convert-string`` names.

    Raises:
        MissingLibraryError: Dask is not installed.
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
    """Write a Dask DataFrame. Workers write each partition with `InfluxManager.synchronous_write`.

    Writing the same points again changes nothing, since every point has its time. So a write can be repeated
    if it failed, or if its worker died. Each partition is checked, also for `duplicates`, before any of its
    points are sent.

    Args:
        ddf: The frame.
        manager: Manager whose address, organization and transport the workers use.
        bucket: As for `InfluxManager.synchronous_write`.
        measurement: The measurement.
        tags: Tags of every point.
        connect: As for `read_dask`.
        compute: Write now. False returns a Dask scalar, whose computation writes the frame.
        tag_columns, time_column, duplicates: As for `InfluxManager.synchronous_write`.

    Returns:
        The number of rows written, or a Dask scalar of this number.

    Raises:
        MissingLibraryError: Dask is not installed.
        ConfigurationError: A worker has no token.
        InvalidArgumentError: A partition has a value that can't be written unchanged.
        WriteError: The server did not accept every point of a partition. Rows are counted from the start of
            the partition, and `frame` has the refused rows. Other partitions may not have been written.
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
        message = "Dask DataFrames need dask, which is not installed: pip install 'db-influx[dask]'"
        raise MissingLibraryError(message) from error
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
