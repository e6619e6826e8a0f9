# Made by tools/stub.py from the signatures in _base.py, methods/ and the managers: change those instead.
"""Time series in InfluxDB 2.x, read into and written from pandas, polars and Arrow.

Errors are those of `db_core`.
"""

import os
from collections.abc import (
    AsyncGenerator,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from types import TracebackType
from typing import Any, Generic, Literal, Self, overload
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl
import pyarrow as pa
from influxdb_client.client.bucket_api import BucketsApi
from influxdb_client.client.query_api import QueryApi
from influxdb_client.client.query_api_async import QueryApiAsync
from influxdb_client.client.write_api import WriteApi
from influxdb_client.client.write_api_async import WriteApiAsync
from typing_extensions import TypeVar

from db_core.errors import Rejection, UnwrittenPoint
from db_core.frame import AnyFrame, Into
from db_core.line_protocol import Duplicates
from db_core.observed import Retry
from db_influx._aggregates import AggFunc
from db_influx._async_manager import Opening
from db_influx._async_point_writer import AsyncPointWriter
from db_influx._backup import File, Folder
from db_influx._bucket import Bucket
from db_influx._connection import Connection
from db_influx._flux import Tags
from db_influx._options import (
    Closed,
    Edge,
    Gaps,
    Missing,
    OnReset,
    Options,
    PerField,
    Protocol,
)
from db_influx._parquet import ParquetFile
from db_influx._point_writer import PointWriter
from db_influx._progress import Progress
from db_influx._times import Instant, Length
from db_influx.plans.partitions import Layout

__all__ = [
    "AsyncInfluxManager",
    "AsyncPointWriter",
    "Bucket",
    "InfluxManager",
    "ParquetFile",
    "Partition",
    "PointWriter",
    "Progress",
    "Snapshot",
]

_FrameT_co = TypeVar("_FrameT_co", default=pd.DataFrame, covariant=True)

class AsyncInfluxManager(Generic[_FrameT_co]):
    @overload
    def __init__(self: AsyncInfluxManager[pd.DataFrame], url: str | None = None, org: str | None = None,
        token: str | None = None, *, timeout: float = 60.0, connect_timeout: float = 10.0,
        deadline: float | None = 3600.0, retries: int = 3, max_parallel: int = 4, gzip: bool = False,
        into: Literal["pandas"] = "pandas", tz: str | ZoneInfo = "UTC", missing: Missing = "warn",
        protocol: Protocol = "auto", verify: bool = True, ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None, on_retry: Callable[[Retry], object] | None = None,
        tracing: bool | None = None) -> None: ...
    @overload
    def __init__(self: AsyncInfluxManager[pl.DataFrame], url: str | None = None, org: str | None = None,
        token: str | None = None, *, timeout: float = 60.0, connect_timeout: float = 10.0,
        deadline: float | None = 3600.0, retries: int = 3, max_parallel: int = 4, gzip: bool = False,
        into: Literal["polars"], tz: str | ZoneInfo = "UTC", missing: Missing = "warn",
        protocol: Protocol = "auto", verify: bool = True, ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None, on_retry: Callable[[Retry], object] | None = None,
        tracing: bool | None = None) -> None: ...
    @overload
    def __init__(self: AsyncInfluxManager[pa.Table], url: str | None = None, org: str | None = None,
        token: str | None = None, *, timeout: float = 60.0, connect_timeout: float = 10.0,
        deadline: float | None = 3600.0, retries: int = 3, max_parallel: int = 4, gzip: bool = False,
        into: Literal["arrow"], tz: str | ZoneInfo = "UTC", missing: Missing = "warn",
        protocol: Protocol = "auto", verify: bool = True, ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None, on_retry: Callable[[Retry], object] | None = None,
        tracing: bool | None = None) -> None: ...
    @overload
    def __init__(self: AsyncInfluxManager[AnyFrame], url: str | None = None, org: str | None = None,
        token: str | None = None, *, timeout: float = 60.0, connect_timeout: float = 10.0,
        deadline: float | None = 3600.0, retries: int = 3, max_parallel: int = 4, gzip: bool = False,
        into: Into, tz: str | ZoneInfo = "UTC", missing: Missing = "warn", protocol: Protocol = "auto",
        verify: bool = True, ca_cert: str | None = None, client_cert: str | tuple[str, str] | None = None,
        on_retry: Callable[[Retry], object] | None = None, tracing: bool | None = None) -> None: ...
    @overload
    def read(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, interval: Length | None = "10m", agg_func: AggFunc = "mean", *,
        label: Edge = "stop", create_empty: bool = False, into: None = None, timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, _FrameT_co]: ...
    @overload
    def read(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, interval: Length | None = "10m", agg_func: AggFunc = "mean", *,
        label: Edge = "stop", create_empty: bool = False, into: Literal["pandas"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, pd.DataFrame]: ...
    @overload
    def read(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, interval: Length | None = "10m", agg_func: AggFunc = "mean", *,
        label: Edge = "stop", create_empty: bool = False, into: Literal["polars"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, pl.DataFrame]: ...
    @overload
    def read(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, interval: Length | None = "10m", agg_func: AggFunc = "mean", *,
        label: Edge = "stop", create_empty: bool = False, into: Literal["arrow"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, pa.Table]: ...
    @overload
    def read_all_fields(self, start: Instant, stop: Instant | None, msname: str, bucket: str,
        tags: Tags | None = None, *, into: None = None, timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, _FrameT_co]: ...
    @overload
    def read_all_fields(self, start: Instant, stop: Instant | None, msname: str, bucket: str,
        tags: Tags | None = None, *, into: Literal["pandas"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, pd.DataFrame]: ...
    @overload
    def read_all_fields(self, start: Instant, stop: Instant | None, msname: str, bucket: str,
        tags: Tags | None = None, *, into: Literal["polars"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, pl.DataFrame]: ...
    @overload
    def read_all_fields(self, start: Instant, stop: Instant | None, msname: str, bucket: str,
        tags: Tags | None = None, *, into: Literal["arrow"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, pa.Table]: ...
    @overload
    def read_accumulated_value(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, timestep: Length, tags: Tags | None = None, *,
        into: None = None, timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> Coroutine[Any, Any, _FrameT_co]: ...
    @overload
    def read_accumulated_value(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, timestep: Length, tags: Tags | None = None, *,
        into: Literal["pandas"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> Coroutine[Any, Any, pd.DataFrame]: ...
    @overload
    def read_accumulated_value(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, timestep: Length, tags: Tags | None = None, *,
        into: Literal["polars"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> Coroutine[Any, Any, pl.DataFrame]: ...
    @overload
    def read_accumulated_value(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, timestep: Length, tags: Tags | None = None, *,
        into: Literal["arrow"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> Coroutine[Any, Any, pa.Table]: ...
    @overload
    def read_accumulated_value_in_seconds(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, duration: Length, tags: Tags | None = None, *,
        into: None = None, timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> Coroutine[Any, Any, _FrameT_co]: ...
    @overload
    def read_accumulated_value_in_seconds(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, duration: Length, tags: Tags | None = None, *,
        into: Literal["pandas"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> Coroutine[Any, Any, pd.DataFrame]: ...
    @overload
    def read_accumulated_value_in_seconds(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, duration: Length, tags: Tags | None = None, *,
        into: Literal["polars"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> Coroutine[Any, Any, pl.DataFrame]: ...
    @overload
    def read_accumulated_value_in_seconds(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, duration: Length, tags: Tags | None = None, *,
        into: Literal["arrow"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> Coroutine[Any, Any, pa.Table]: ...
    @overload
    def read_average_value_in_seconds(self, bucket: str, measurement: str, fields: str | Iterable[str],
        duration: Length, tags: Tags | None = None, *, into: None = None, timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, _FrameT_co]: ...
    @overload
    def read_average_value_in_seconds(self, bucket: str, measurement: str, fields: str | Iterable[str],
        duration: Length, tags: Tags | None = None, *, into: Literal["pandas"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, pd.DataFrame]: ...
    @overload
    def read_average_value_in_seconds(self, bucket: str, measurement: str, fields: str | Iterable[str],
        duration: Length, tags: Tags | None = None, *, into: Literal["polars"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, pl.DataFrame]: ...
    @overload
    def read_average_value_in_seconds(self, bucket: str, measurement: str, fields: str | Iterable[str],
        duration: Length, tags: Tags | None = None, *, into: Literal["arrow"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, pa.Table]: ...
    @overload
    def read_last_data_point(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, with_time: Literal[False] = False, timeout: float | None = None,
        missing: Missing | None = None) -> Coroutine[Any, Any, dict[str, Any]]: ...
    @overload
    def read_last_data_point(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, with_time: Literal[True], timeout: float | None = None,
        missing: Missing | None = None) -> Coroutine[Any, Any, dict[str, tuple[pd.Timestamp, Any]]]: ...
    @overload
    def read_last_data_points(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: None = None, timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, _FrameT_co]: ...
    @overload
    def read_last_data_points(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: Literal["pandas"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, pd.DataFrame]: ...
    @overload
    def read_last_data_points(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: Literal["polars"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, pl.DataFrame]: ...
    @overload
    def read_last_data_points(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: Literal["arrow"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, pa.Table]: ...
    @overload
    def read_batches(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, *, batch_rows: int = 65536, into: None = None,
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> AsyncGenerator[_FrameT_co]: ...
    @overload
    def read_batches(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, *, batch_rows: int = 65536, into: Literal["pandas"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> AsyncGenerator[pd.DataFrame]: ...
    @overload
    def read_batches(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, *, batch_rows: int = 65536, into: Literal["polars"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> AsyncGenerator[pl.DataFrame]: ...
    @overload
    def read_batches(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, *, batch_rows: int = 65536, into: Literal["arrow"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> AsyncGenerator[pa.Table]: ...
    def partitions(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, *, every: Length | None = None, rows: int | None = None,
        interval: Length | None = None, agg_func: AggFunc = "mean", timestep: Length | None = None,
        dense: bool = False, connect: Callable[[], InfluxManager] | None = None, timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, by: Iterable[str] | None = None, on_reset: OnReset = "null",
        rollover: PerField | None = None, quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> Coroutine[Any, Any, list[Partition[_FrameT_co]]]: ...
    @overload
    def read_partition(self, partition: Partition[Any], columns: str | Iterable[str] | None = None, *,
        into: None = None, timeout: float | None = None) -> Coroutine[Any, Any, _FrameT_co]: ...
    @overload
    def read_partition(self, partition: Partition[Any], columns: str | Iterable[str] | None = None, *,
        into: Literal["pandas"], timeout: float | None = None) -> Coroutine[Any, Any, pd.DataFrame]: ...
    @overload
    def read_partition(self, partition: Partition[Any], columns: str | Iterable[str] | None = None, *,
        into: Literal["polars"], timeout: float | None = None) -> Coroutine[Any, Any, pl.DataFrame]: ...
    @overload
    def read_partition(self, partition: Partition[Any], columns: str | Iterable[str] | None = None, *,
        into: Literal["arrow"], timeout: float | None = None) -> Coroutine[Any, Any, pa.Table]: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[False] = False,
        into: None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, _FrameT_co]: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[True],
        into: None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, list[_FrameT_co]]: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[False] = False,
        into: Literal["pandas"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, pd.DataFrame]: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[True],
        into: Literal["pandas"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, list[pd.DataFrame]]: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[False] = False,
        into: Literal["polars"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, pl.DataFrame]: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[True],
        into: Literal["polars"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, list[pl.DataFrame]]: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[False] = False,
        into: Literal["arrow"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, pa.Table]: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[True],
        into: Literal["arrow"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, list[pa.Table]]: ...
    @overload
    def query_batches(self, flux: str, params: Mapping[str, object] | None = None, *, batch_rows: int = 65536,
        into: None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> AsyncGenerator[_FrameT_co]: ...
    @overload
    def query_batches(self, flux: str, params: Mapping[str, object] | None = None, *, batch_rows: int = 65536,
        into: Literal["pandas"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> AsyncGenerator[pd.DataFrame]: ...
    @overload
    def query_batches(self, flux: str, params: Mapping[str, object] | None = None, *, batch_rows: int = 65536,
        into: Literal["polars"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> AsyncGenerator[pl.DataFrame]: ...
    @overload
    def query_batches(self, flux: str, params: Mapping[str, object] | None = None, *, batch_rows: int = 65536,
        into: Literal["arrow"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> AsyncGenerator[pa.Table]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[False] = False, into: None = None,
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, _FrameT_co]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[True], into: None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, list[_FrameT_co]]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[False] = False, into: Literal["pandas"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, pd.DataFrame]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[True], into: Literal["pandas"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, list[pd.DataFrame]]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[False] = False, into: Literal["polars"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, pl.DataFrame]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[True], into: Literal["polars"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, list[pl.DataFrame]]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[False] = False, into: Literal["arrow"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, pa.Table]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[True], into: Literal["arrow"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, list[pa.Table]]: ...
    @overload
    def query_influxql_batches(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, batch_rows: int = 65536, into: None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> AsyncGenerator[_FrameT_co]: ...
    @overload
    def query_influxql_batches(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, batch_rows: int = 65536, into: Literal["pandas"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> AsyncGenerator[pd.DataFrame]: ...
    @overload
    def query_influxql_batches(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, batch_rows: int = 65536, into: Literal["polars"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> AsyncGenerator[pl.DataFrame]: ...
    @overload
    def query_influxql_batches(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, batch_rows: int = 65536, into: Literal["arrow"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> AsyncGenerator[pa.Table]: ...
    def get_measurements_on_bucket(self, bucket: str, *,
        timeout: float | None = None) -> Coroutine[Any, Any, list[str]]: ...
    def get_fields(self, bucket: str, measurement: str, *,
        timeout: float | None = None) -> Coroutine[Any, Any, list[str]]: ...
    def get_tags(self, bucket: str, measurement: str, *,
        timeout: float | None = None) -> Coroutine[Any, Any, list[str]]: ...
    def get_tag_values(self, bucket: str, measurement: str, tag: str, *,
        timeout: float | None = None) -> Coroutine[Any, Any, list[str]]: ...
    def snapshot(self, bucket: str, start: Instant, stop: Instant | None = None, *,
        folder: str | os.PathLike[str] | None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Opening[Snapshot[_FrameT_co]]: ...
    def write_parquet(self, folder: str | os.PathLike[str], start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str] | None, bucket: str, tags: Tags | None = None, *,
        name: str = "{measurement}-{year}-{month}.parquet", timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> Coroutine[Any, Any, list[ParquetFile]]: ...
    def synchronous_write(self, bucket: str, data: object, data_frame_measurement_name: str,
        tags: Mapping[str, str] | None = None, *, tag_columns: Sequence[str] = (),
        time_column: str | None = None, duplicates: Duplicates = "error", timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, None]: ...
    def check_write(self, bucket: str, data: object, data_frame_measurement_name: str,
        tags: Mapping[str, str] | None = None, *, tag_columns: Sequence[str] = (),
        time_column: str | None = None, duplicates: Duplicates = "error",
        timeout: float | None = None) -> Coroutine[Any, Any, list[Rejection]]: ...
    def writer(self, bucket: str, measurement: str | None = None, *, tags: Mapping[str, str] | None = None,
        tag_columns: str | Sequence[str] = (), time_column: str = "time", max_rows: int = 50000,
        max_seconds: float = 1.0, max_bytes: int = 4194304, max_buffer: int = 67108864,
        spool: str | os.PathLike[str] | None = None,
        on_refused: Callable[[UnwrittenPoint], object] | None = None,
        timeout: float | None = None) -> AsyncPointWriter: ...
    def server_version(self, *, timeout: float | None = None) -> Coroutine[Any, Any, str]: ...
    def list_buckets(self, *, timeout: float | None = None) -> Coroutine[Any, Any, list[Bucket]]: ...
    def create_bucket(self, name: str, *, retention: Length | None = None,
        timeout: float | None = None) -> Coroutine[Any, Any, Bucket]: ...
    def delete_bucket(self, name: str, *, timeout: float | None = None) -> Coroutine[Any, Any, None]: ...
    def count(self, bucket: str, measurement: str, start: Instant | None = None, stop: Instant | None = None,
        tags: Tags | None = None, *, timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None) -> Coroutine[Any, Any, dict[str, int]]: ...
    def time_range(self, bucket: str, measurement: str, tags: Tags | None = None, *,
        timeout: float | None = None,
        missing: Missing | None = None) -> Coroutine[Any, Any, tuple[pd.Timestamp, pd.Timestamp] | None]: ...
    def delete(self, bucket: str, start: Instant, stop: Instant | None, measurement: str | None = None,
        tags: Tags | None = None, *, timeout: float | None = None,
        tz: str | ZoneInfo | None = None) -> Coroutine[Any, Any, None]: ...
    def copy(self, bucket: str, to_bucket: str, *, start: Instant, stop: Instant | None,
        measurement: str | None = None, fields: str | Iterable[str] | None = None, tags: Tags | None = None,
        to: AsyncInfluxManager[Any] | None = None, timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        progress: Callable[[Progress], object] | None = None) -> Coroutine[Any, Any, list[str]]: ...
    async def aclose(self) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None) -> None: ...
    async def get_write_api(self, tags: Mapping[str, str] | None = None) -> WriteApiAsync: ...
    async def get_buckets_api(self) -> BucketsApi: ...
    async def get_query_api(self) -> QueryApiAsync: ...

class InfluxManager(Generic[_FrameT_co]):
    @overload
    def __init__(self: InfluxManager[pd.DataFrame], url: str | None = None, org: str | None = None,
        token: str | None = None, *, timeout: float = 60.0, connect_timeout: float = 10.0,
        deadline: float | None = 3600.0, retries: int = 3, max_parallel: int = 4, gzip: bool = False,
        into: Literal["pandas"] = "pandas", tz: str | ZoneInfo = "UTC", missing: Missing = "warn",
        protocol: Protocol = "auto", verify: bool = True, ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None, on_retry: Callable[[Retry], object] | None = None,
        tracing: bool | None = None) -> None: ...
    @overload
    def __init__(self: InfluxManager[pl.DataFrame], url: str | None = None, org: str | None = None,
        token: str | None = None, *, timeout: float = 60.0, connect_timeout: float = 10.0,
        deadline: float | None = 3600.0, retries: int = 3, max_parallel: int = 4, gzip: bool = False,
        into: Literal["polars"], tz: str | ZoneInfo = "UTC", missing: Missing = "warn",
        protocol: Protocol = "auto", verify: bool = True, ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None, on_retry: Callable[[Retry], object] | None = None,
        tracing: bool | None = None) -> None: ...
    @overload
    def __init__(self: InfluxManager[pa.Table], url: str | None = None, org: str | None = None,
        token: str | None = None, *, timeout: float = 60.0, connect_timeout: float = 10.0,
        deadline: float | None = 3600.0, retries: int = 3, max_parallel: int = 4, gzip: bool = False,
        into: Literal["arrow"], tz: str | ZoneInfo = "UTC", missing: Missing = "warn",
        protocol: Protocol = "auto", verify: bool = True, ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None, on_retry: Callable[[Retry], object] | None = None,
        tracing: bool | None = None) -> None: ...
    @overload
    def __init__(self: InfluxManager[AnyFrame], url: str | None = None, org: str | None = None,
        token: str | None = None, *, timeout: float = 60.0, connect_timeout: float = 10.0,
        deadline: float | None = 3600.0, retries: int = 3, max_parallel: int = 4, gzip: bool = False,
        into: Into, tz: str | ZoneInfo = "UTC", missing: Missing = "warn", protocol: Protocol = "auto",
        verify: bool = True, ca_cert: str | None = None, client_cert: str | tuple[str, str] | None = None,
        on_retry: Callable[[Retry], object] | None = None, tracing: bool | None = None) -> None: ...
    @overload
    def read(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, interval: Length | None = "10m", agg_func: AggFunc = "mean", *,
        label: Edge = "stop", create_empty: bool = False, into: None = None, timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> _FrameT_co: ...
    @overload
    def read(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, interval: Length | None = "10m", agg_func: AggFunc = "mean", *,
        label: Edge = "stop", create_empty: bool = False, into: Literal["pandas"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> pd.DataFrame: ...
    @overload
    def read(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, interval: Length | None = "10m", agg_func: AggFunc = "mean", *,
        label: Edge = "stop", create_empty: bool = False, into: Literal["polars"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> pl.DataFrame: ...
    @overload
    def read(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, interval: Length | None = "10m", agg_func: AggFunc = "mean", *,
        label: Edge = "stop", create_empty: bool = False, into: Literal["arrow"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> pa.Table: ...
    @overload
    def read_all_fields(self, start: Instant, stop: Instant | None, msname: str, bucket: str,
        tags: Tags | None = None, *, into: None = None, timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None) -> _FrameT_co: ...
    @overload
    def read_all_fields(self, start: Instant, stop: Instant | None, msname: str, bucket: str,
        tags: Tags | None = None, *, into: Literal["pandas"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None) -> pd.DataFrame: ...
    @overload
    def read_all_fields(self, start: Instant, stop: Instant | None, msname: str, bucket: str,
        tags: Tags | None = None, *, into: Literal["polars"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None) -> pl.DataFrame: ...
    @overload
    def read_all_fields(self, start: Instant, stop: Instant | None, msname: str, bucket: str,
        tags: Tags | None = None, *, into: Literal["arrow"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None) -> pa.Table: ...
    @overload
    def read_accumulated_value(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, timestep: Length, tags: Tags | None = None, *,
        into: None = None, timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> _FrameT_co: ...
    @overload
    def read_accumulated_value(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, timestep: Length, tags: Tags | None = None, *,
        into: Literal["pandas"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> pd.DataFrame: ...
    @overload
    def read_accumulated_value(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, timestep: Length, tags: Tags | None = None, *,
        into: Literal["polars"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> pl.DataFrame: ...
    @overload
    def read_accumulated_value(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, timestep: Length, tags: Tags | None = None, *,
        into: Literal["arrow"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> pa.Table: ...
    @overload
    def read_accumulated_value_in_seconds(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, duration: Length, tags: Tags | None = None, *,
        into: None = None, timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> _FrameT_co: ...
    @overload
    def read_accumulated_value_in_seconds(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, duration: Length, tags: Tags | None = None, *,
        into: Literal["pandas"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> pd.DataFrame: ...
    @overload
    def read_accumulated_value_in_seconds(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, duration: Length, tags: Tags | None = None, *,
        into: Literal["polars"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> pl.DataFrame: ...
    @overload
    def read_accumulated_value_in_seconds(self, start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str], bucket: str, duration: Length, tags: Tags | None = None, *,
        into: Literal["arrow"], timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> pa.Table: ...
    @overload
    def read_average_value_in_seconds(self, bucket: str, measurement: str, fields: str | Iterable[str],
        duration: Length, tags: Tags | None = None, *, into: None = None, timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, by: Iterable[str] | None = None) -> _FrameT_co: ...
    @overload
    def read_average_value_in_seconds(self, bucket: str, measurement: str, fields: str | Iterable[str],
        duration: Length, tags: Tags | None = None, *, into: Literal["pandas"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, by: Iterable[str] | None = None) -> pd.DataFrame: ...
    @overload
    def read_average_value_in_seconds(self, bucket: str, measurement: str, fields: str | Iterable[str],
        duration: Length, tags: Tags | None = None, *, into: Literal["polars"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, by: Iterable[str] | None = None) -> pl.DataFrame: ...
    @overload
    def read_average_value_in_seconds(self, bucket: str, measurement: str, fields: str | Iterable[str],
        duration: Length, tags: Tags | None = None, *, into: Literal["arrow"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, by: Iterable[str] | None = None) -> pa.Table: ...
    @overload
    def read_last_data_point(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, with_time: Literal[False] = False, timeout: float | None = None,
        missing: Missing | None = None) -> dict[str, Any]: ...
    @overload
    def read_last_data_point(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, with_time: Literal[True], timeout: float | None = None,
        missing: Missing | None = None) -> dict[str, tuple[pd.Timestamp, Any]]: ...
    @overload
    def read_last_data_points(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: None = None, timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, by: Iterable[str] | None = None) -> _FrameT_co: ...
    @overload
    def read_last_data_points(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: Literal["pandas"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, by: Iterable[str] | None = None) -> pd.DataFrame: ...
    @overload
    def read_last_data_points(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: Literal["polars"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, by: Iterable[str] | None = None) -> pl.DataFrame: ...
    @overload
    def read_last_data_points(self, bucket: str, measurement: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: Literal["arrow"], timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, by: Iterable[str] | None = None) -> pa.Table: ...
    @overload
    def read_batches(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, *, batch_rows: int = 65536, into: None = None,
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> Generator[_FrameT_co]: ...
    @overload
    def read_batches(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, *, batch_rows: int = 65536, into: Literal["pandas"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> Generator[pd.DataFrame]: ...
    @overload
    def read_batches(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, *, batch_rows: int = 65536, into: Literal["polars"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> Generator[pl.DataFrame]: ...
    @overload
    def read_batches(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, *, batch_rows: int = 65536, into: Literal["arrow"],
        timeout: float | None = None, missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        max_parallel: int | None = None, protocol: Protocol | None = None,
        progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> Generator[pa.Table]: ...
    def partitions(self, start: Instant, stop: Instant | None, msname: str, fields: str | Iterable[str],
        bucket: str, tags: Tags | None = None, *, every: Length | None = None, rows: int | None = None,
        interval: Length | None = None, agg_func: AggFunc = "mean", timestep: Length | None = None,
        dense: bool = False, connect: Callable[[], InfluxManager] | None = None, timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, by: Iterable[str] | None = None, on_reset: OnReset = "null",
        rollover: PerField | None = None, quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> list[Partition[_FrameT_co]]: ...
    @overload
    def read_partition(self, partition: Partition[Any], columns: str | Iterable[str] | None = None, *,
        into: None = None, timeout: float | None = None) -> _FrameT_co: ...
    @overload
    def read_partition(self, partition: Partition[Any], columns: str | Iterable[str] | None = None, *,
        into: Literal["pandas"], timeout: float | None = None) -> pd.DataFrame: ...
    @overload
    def read_partition(self, partition: Partition[Any], columns: str | Iterable[str] | None = None, *,
        into: Literal["polars"], timeout: float | None = None) -> pl.DataFrame: ...
    @overload
    def read_partition(self, partition: Partition[Any], columns: str | Iterable[str] | None = None, *,
        into: Literal["arrow"], timeout: float | None = None) -> pa.Table: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[False] = False,
        into: None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> _FrameT_co: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[True],
        into: None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> list[_FrameT_co]: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[False] = False,
        into: Literal["pandas"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> pd.DataFrame: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[True],
        into: Literal["pandas"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> list[pd.DataFrame]: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[False] = False,
        into: Literal["polars"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> pl.DataFrame: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[True],
        into: Literal["polars"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> list[pl.DataFrame]: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[False] = False,
        into: Literal["arrow"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> pa.Table: ...
    @overload
    def query(self, flux: str, params: Mapping[str, object] | None = None, *, split: Literal[True],
        into: Literal["arrow"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> list[pa.Table]: ...
    @overload
    def query_batches(self, flux: str, params: Mapping[str, object] | None = None, *, batch_rows: int = 65536,
        into: None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Generator[_FrameT_co]: ...
    @overload
    def query_batches(self, flux: str, params: Mapping[str, object] | None = None, *, batch_rows: int = 65536,
        into: Literal["pandas"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Generator[pd.DataFrame]: ...
    @overload
    def query_batches(self, flux: str, params: Mapping[str, object] | None = None, *, batch_rows: int = 65536,
        into: Literal["polars"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Generator[pl.DataFrame]: ...
    @overload
    def query_batches(self, flux: str, params: Mapping[str, object] | None = None, *, batch_rows: int = 65536,
        into: Literal["arrow"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Generator[pa.Table]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[False] = False, into: None = None,
        timeout: float | None = None, progress: Callable[[Progress], object] | None = None) -> _FrameT_co: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[True], into: None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> list[_FrameT_co]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[False] = False, into: Literal["pandas"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> pd.DataFrame: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[True], into: Literal["pandas"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> list[pd.DataFrame]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[False] = False, into: Literal["polars"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> pl.DataFrame: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[True], into: Literal["polars"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> list[pl.DataFrame]: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[False] = False, into: Literal["arrow"],
        timeout: float | None = None, progress: Callable[[Progress], object] | None = None) -> pa.Table: ...
    @overload
    def query_influxql(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, split: Literal[True], into: Literal["arrow"], timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> list[pa.Table]: ...
    @overload
    def query_influxql_batches(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, batch_rows: int = 65536, into: None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Generator[_FrameT_co]: ...
    @overload
    def query_influxql_batches(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, batch_rows: int = 65536, into: Literal["pandas"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Generator[pd.DataFrame]: ...
    @overload
    def query_influxql_batches(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, batch_rows: int = 65536, into: Literal["polars"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Generator[pl.DataFrame]: ...
    @overload
    def query_influxql_batches(self, influxql: str, params: Mapping[str, object] | None = None, *,
        bucket: str | None = None, batch_rows: int = 65536, into: Literal["arrow"],
        timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Generator[pa.Table]: ...
    def get_measurements_on_bucket(self, bucket: str, *, timeout: float | None = None) -> list[str]: ...
    def get_fields(self, bucket: str, measurement: str, *, timeout: float | None = None) -> list[str]: ...
    def get_tags(self, bucket: str, measurement: str, *, timeout: float | None = None) -> list[str]: ...
    def get_tag_values(self, bucket: str, measurement: str, tag: str, *,
        timeout: float | None = None) -> list[str]: ...
    def snapshot(self, bucket: str, start: Instant, stop: Instant | None = None, *,
        folder: str | os.PathLike[str] | None = None, timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> Snapshot[_FrameT_co]: ...
    def write_parquet(self, folder: str | os.PathLike[str], start: Instant, stop: Instant | None, msname: str,
        fields: str | Iterable[str] | None, bucket: str, tags: Tags | None = None, *,
        name: str = "{measurement}-{year}-{month}.parquet", timeout: float | None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, max_parallel: int | None = None,
        protocol: Protocol | None = None, progress: Callable[[Progress], object] | None = None,
        by: Iterable[str] | None = None) -> list[ParquetFile]: ...
    def synchronous_write(self, bucket: str, data: object, data_frame_measurement_name: str,
        tags: Mapping[str, str] | None = None, *, tag_columns: Sequence[str] = (),
        time_column: str | None = None, duplicates: Duplicates = "error", timeout: float | None = None,
        progress: Callable[[Progress], object] | None = None) -> None: ...
    def check_write(self, bucket: str, data: object, data_frame_measurement_name: str,
        tags: Mapping[str, str] | None = None, *, tag_columns: Sequence[str] = (),
        time_column: str | None = None, duplicates: Duplicates = "error",
        timeout: float | None = None) -> list[Rejection]: ...
    def writer(self, bucket: str, measurement: str | None = None, *, tags: Mapping[str, str] | None = None,
        tag_columns: str | Sequence[str] = (), time_column: str = "time", max_rows: int = 50000,
        max_seconds: float = 1.0, max_bytes: int = 4194304, max_buffer: int = 67108864,
        spool: str | os.PathLike[str] | None = None,
        on_refused: Callable[[UnwrittenPoint], object] | None = None,
        timeout: float | None = None) -> PointWriter: ...
    def server_version(self, *, timeout: float | None = None) -> str: ...
    def list_buckets(self, *, timeout: float | None = None) -> list[Bucket]: ...
    def create_bucket(self, name: str, *, retention: Length | None = None,
        timeout: float | None = None) -> Bucket: ...
    def delete_bucket(self, name: str, *, timeout: float | None = None) -> None: ...
    def count(self, bucket: str, measurement: str, start: Instant | None = None, stop: Instant | None = None,
        tags: Tags | None = None, *, timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None) -> dict[str, int]: ...
    def time_range(self, bucket: str, measurement: str, tags: Tags | None = None, *,
        timeout: float | None = None,
        missing: Missing | None = None) -> tuple[pd.Timestamp, pd.Timestamp] | None: ...
    def delete(self, bucket: str, start: Instant, stop: Instant | None, measurement: str | None = None,
        tags: Tags | None = None, *, timeout: float | None = None,
        tz: str | ZoneInfo | None = None) -> None: ...
    def copy(self, bucket: str, to_bucket: str, *, start: Instant, stop: Instant | None,
        measurement: str | None = None, fields: str | Iterable[str] | None = None, tags: Tags | None = None,
        to: InfluxManager[Any] | None = None, timeout: float | None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None,
        progress: Callable[[Progress], object] | None = None) -> list[str]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None) -> None: ...
    def get_write_api(self, tags: Mapping[str, str] | None = None) -> WriteApi: ...
    def get_buckets_api(self) -> BucketsApi: ...
    def get_query_api(self) -> QueryApi: ...

class Partition(Generic[_FrameT_co]):
    connection: Connection
    layout: Layout
    within: tuple[int, int]
    conditions: tuple[tuple[str, tuple[str, ...]], ...]
    @property
    def start(self) -> pd.Timestamp: ...
    @property
    def stop(self) -> pd.Timestamp: ...
    @property
    def earliest(self) -> pd.Timestamp: ...
    @property
    def latest(self) -> pd.Timestamp: ...
    @property
    def schema(self) -> dict[str, str]: ...
    def __init__(self, connection: Connection, layout: Layout, within: tuple[int, int],
        conditions: tuple[tuple[str, tuple[str, ...]], ...] = ()) -> None: ...
    @overload
    def read(self, columns: str | Iterable[str] | None = None, *, into: None = None) -> _FrameT_co: ...
    @overload
    def read(self, columns: str | Iterable[str] | None = None, *,
        into: Literal["pandas"]) -> pd.DataFrame: ...
    @overload
    def read(self, columns: str | Iterable[str] | None = None, *,
        into: Literal["polars"]) -> pl.DataFrame: ...
    @overload
    def read(self, columns: str | Iterable[str] | None = None, *, into: Literal["arrow"]) -> pa.Table: ...
    @overload
    def empty(self, columns: str | Iterable[str] | None = None, *, into: None = None) -> _FrameT_co: ...
    @overload
    def empty(self, columns: str | Iterable[str] | None = None, *,
        into: Literal["pandas"]) -> pd.DataFrame: ...
    @overload
    def empty(self, columns: str | Iterable[str] | None = None, *,
        into: Literal["polars"]) -> pl.DataFrame: ...
    @overload
    def empty(self, columns: str | Iterable[str] | None = None, *, into: Literal["arrow"]) -> pa.Table: ...
    def narrowed(self, start: Instant | None = None, stop: Instant | None = None,
        tags: Tags | None = None) -> Partition[_FrameT_co] | None: ...
    def checked_columns(self, columns: str | Iterable[str] | None) -> tuple[str, ...] | None: ...
    def __dask_tokenize__(self) -> Any: ...

class Snapshot(Generic[_FrameT_co]):
    def __init__(self, files: Sequence[Sequence[File]], folder: Folder | None, *, start: int, stop: int,
        options: Options) -> None: ...
    @overload
    @classmethod
    def open(cls, path: str | os.PathLike[str], bucket: str | None = None, *,
        into: Literal["pandas"] = "pandas", tz: str | ZoneInfo = "UTC",
        missing: Missing = "warn") -> Snapshot[pd.DataFrame]: ...
    @overload
    @classmethod
    def open(cls, path: str | os.PathLike[str], bucket: str | None = None, *, into: Literal["polars"],
        tz: str | ZoneInfo = "UTC", missing: Missing = "warn") -> Snapshot[pl.DataFrame]: ...
    @overload
    @classmethod
    def open(cls, path: str | os.PathLike[str], bucket: str | None = None, *, into: Literal["arrow"],
        tz: str | ZoneInfo = "UTC", missing: Missing = "warn") -> Snapshot[pa.Table]: ...
    @overload
    @classmethod
    def open(cls, path: str | os.PathLike[str], bucket: str | None = None, *, into: Into,
        tz: str | ZoneInfo = "UTC", missing: Missing = "warn") -> Snapshot[AnyFrame]: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None) -> None: ...
    def measurements(self) -> list[str]: ...
    def fields(self, measurement: str) -> list[str]: ...
    @overload
    def read(self, start: Instant | None, stop: Instant | None, msname: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None) -> _FrameT_co: ...
    @overload
    def read(self, start: Instant | None, stop: Instant | None, msname: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: Literal["pandas"], missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None) -> pd.DataFrame: ...
    @overload
    def read(self, start: Instant | None, stop: Instant | None, msname: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: Literal["polars"], missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None) -> pl.DataFrame: ...
    @overload
    def read(self, start: Instant | None, stop: Instant | None, msname: str, fields: str | Iterable[str],
        tags: Tags | None = None, *, into: Literal["arrow"], missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None) -> pa.Table: ...
    @overload
    def read_all_fields(self, start: Instant | None, stop: Instant | None, msname: str,
        tags: Tags | None = None, *, into: None = None, missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None) -> _FrameT_co: ...
    @overload
    def read_all_fields(self, start: Instant | None, stop: Instant | None, msname: str,
        tags: Tags | None = None, *, into: Literal["pandas"], missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None) -> pd.DataFrame: ...
    @overload
    def read_all_fields(self, start: Instant | None, stop: Instant | None, msname: str,
        tags: Tags | None = None, *, into: Literal["polars"], missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None) -> pl.DataFrame: ...
    @overload
    def read_all_fields(self, start: Instant | None, stop: Instant | None, msname: str,
        tags: Tags | None = None, *, into: Literal["arrow"], missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None) -> pa.Table: ...
    @overload
    def read_batches(self, start: Instant | None, stop: Instant | None, msname: str,
        fields: str | Iterable[str], tags: Tags | None = None, *, batch_rows: int = 65536, into: None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        by: Iterable[str] | None = None) -> Generator[_FrameT_co]: ...
    @overload
    def read_batches(self, start: Instant | None, stop: Instant | None, msname: str,
        fields: str | Iterable[str], tags: Tags | None = None, *, batch_rows: int = 65536,
        into: Literal["pandas"], missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        by: Iterable[str] | None = None) -> Generator[pd.DataFrame]: ...
    @overload
    def read_batches(self, start: Instant | None, stop: Instant | None, msname: str,
        fields: str | Iterable[str], tags: Tags | None = None, *, batch_rows: int = 65536,
        into: Literal["polars"], missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        by: Iterable[str] | None = None) -> Generator[pl.DataFrame]: ...
    @overload
    def read_batches(self, start: Instant | None, stop: Instant | None, msname: str,
        fields: str | Iterable[str], tags: Tags | None = None, *, batch_rows: int = 65536,
        into: Literal["arrow"], missing: Missing | None = None, tz: str | ZoneInfo | None = None,
        by: Iterable[str] | None = None) -> Generator[pa.Table]: ...
    @overload
    def read_accumulated_value(self, start: Instant | None, stop: Instant | None, msname: str,
        fields: str | Iterable[str], timestep: Length, tags: Tags | None = None, *, into: None = None,
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> _FrameT_co: ...
    @overload
    def read_accumulated_value(self, start: Instant | None, stop: Instant | None, msname: str,
        fields: str | Iterable[str], timestep: Length, tags: Tags | None = None, *, into: Literal["pandas"],
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> pd.DataFrame: ...
    @overload
    def read_accumulated_value(self, start: Instant | None, stop: Instant | None, msname: str,
        fields: str | Iterable[str], timestep: Length, tags: Tags | None = None, *, into: Literal["polars"],
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> pl.DataFrame: ...
    @overload
    def read_accumulated_value(self, start: Instant | None, stop: Instant | None, msname: str,
        fields: str | Iterable[str], timestep: Length, tags: Tags | None = None, *, into: Literal["arrow"],
        missing: Missing | None = None, tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None,
        on_reset: OnReset = "null", rollover: PerField | None = None, max_rate: PerField | None = None,
        gaps: Gaps = "book", quality: bool = False, closed: Closed = "right",
        label: Edge = "stop") -> pa.Table: ...
    def write_parquet(self, folder: str | os.PathLike[str], start: Instant | None = None,
        stop: Instant | None = None, msname: str | Iterable[str] | None = None,
        fields: str | Iterable[str] | None = None, tags: Tags | None = None, *,
        name: str = "{measurement}-{year}-{month}.parquet", missing: Missing | None = None,
        tz: str | ZoneInfo | None = None, by: Iterable[str] | None = None) -> list[ParquetFile]: ...
