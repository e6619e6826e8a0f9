"""Time series in InfluxDB 2.x, read into and written from pandas, polars and Arrow.

Errors are those of `db_core`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from db_influx._async_manager import AsyncInfluxManager
    from db_influx._async_point_writer import AsyncPointWriter
    from db_influx._bucket import Bucket
    from db_influx._manager import InfluxManager
    from db_influx._parquet import ParquetFile
    from db_influx._partition import Partition
    from db_influx._point_writer import PointWriter
    from db_influx._progress import Progress
    from db_influx._snapshot import Snapshot

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

# Each is imported when it is first used, so that the command line's help does not wait for them.
_LAZY = {
    "AsyncInfluxManager": "_async_manager",
    "AsyncPointWriter": "_async_point_writer",
    "Bucket": "_bucket",
    "InfluxManager": "_manager",
    "ParquetFile": "_parquet",
    "Partition": "_partition",
    "PointWriter": "_point_writer",
    "Progress": "_progress",
    "Snapshot": "_snapshot",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(f"db_influx.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
