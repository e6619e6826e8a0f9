"""Time series in InfluxDB 2.x, read into and written from pandas, polars and Arrow."""

from __future__ import annotations

from db_influx._async_manager import AsyncInfluxManager
from db_influx._bucket import Bucket
from db_influx._manager import InfluxManager
from db_influx._parquet import ParquetFile
from db_influx._partition import Partition
from db_influx._snapshot import Snapshot

__all__ = ["AsyncInfluxManager", "Bucket", "InfluxManager", "ParquetFile", "Partition", "Snapshot"]
