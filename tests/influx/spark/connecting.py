"""A function for the option `connect`."""

from __future__ import annotations

from functools import cache

from db_influx import InfluxManager


@cache
def manager() -> InfluxManager:
    """Return the manager of this process."""
    return InfluxManager(timeout=30)
