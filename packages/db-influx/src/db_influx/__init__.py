"""Time series in InfluxDB 2.x, read into and written from pandas, polars and Arrow."""

from __future__ import annotations

from db_influx._async_manager import AsyncInfluxManager
from db_influx._manager import InfluxManager

__all__ = ["AsyncInfluxManager", "InfluxManager"]
