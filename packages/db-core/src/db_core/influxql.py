"""Read InfluxQL's answers in msgpack, as `/query` sends them with `epoch=ns`."""

from __future__ import annotations

from db_core._native import SeriesDecoder

__all__ = ["SeriesDecoder"]
