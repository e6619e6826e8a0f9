"""Read the files of InfluxDB's shards: TSM, tombstones and write-ahead logs."""

from __future__ import annotations

from db_core._native import Answer, Shards

__all__ = ["Answer", "Shards"]
