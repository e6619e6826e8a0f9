"""The data that is read: made from a seed, and written once a session, each set into its own bucket.

The frame that was written is also what a read has to give.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import urllib3

if TYPE_CHECKING:
    from db_influx import InfluxManager

MEASUREMENT = "e"
START = pd.Timestamp("2026-01-01", tz="UTC")

_ROWS_A_WRITE = 500_000
_LONGEST_WAIT = 120  # seconds


@dataclass(frozen=True, slots=True)
class Made:
    """Points to write: one row per meter and time, sorted, a column per field; `stop` is after the last."""

    frame: pd.DataFrame
    stop: pd.Timestamp


@dataclass(frozen=True, slots=True)
class DataSet:
    """Points that were written."""

    bucket: str
    frame: pd.DataFrame
    stop: pd.Timestamp

    @property
    def fields(self) -> list[str]:
        """Names of the fields."""
        return list(self.frame.columns)

    @property
    def period(self) -> dict[str, Any]:
        """Arguments of a read of all of it."""
        return {"start": START, "stop": self.stop, "msname": MEASUREMENT, "bucket": self.bucket}

    def pivoted(self) -> str:
        """Give the query that peers read it with: one row per time, the pivot done by the server."""
        return (
            f'from(bucket: "{self.bucket}")\n'
            f"  |> range(start: {START:%Y-%m-%dT%H:%M:%SZ}, stop: {self.stop:%Y-%m-%dT%H:%M:%SZ})\n"
            f'  |> filter(fn: (r) => r._measurement == "{MEASUREMENT}")\n'
            '  |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
        )


def points(scale: int) -> Made:
    """Make 1,000,000 rows of two fields in 20 series, one every ten seconds."""
    return _made(meters=20, rows=50_000 // scale, step="10s", fields=["power", "voltage"])


def many(scale: int) -> Made:
    """Make 10,000 series of 100 points of one field."""
    return _made(meters=10_000 // scale, rows=100, step="10s", fields=["power"])


def year(scale: int) -> Made:
    """Make a year of minutes of 20 meters: 10,512,000 points."""
    return _made(meters=20, rows=365 // scale * 24 * 60, step="1min", fields=["power"])


def totals(scale: int) -> Made:
    """Make a year of minutes of 20 meters that count up: 10,512,000 points."""
    made = _made(meters=20, rows=365 // scale * 24 * 60, step="1min", fields=["power"])
    meters = made.frame.index.levshape[0]  # type: ignore[attr-defined]
    counted = made.frame.power.to_numpy().reshape(meters, -1).cumsum(axis=1) / 60_000
    return Made(pd.DataFrame({"energy": counted.ravel().round(3)}, index=made.frame.index), made.stop)


def hourly_consumption(frame: pd.DataFrame) -> pd.DataFrame:
    """Work out the consumption of each hour: its last total less the last before it."""
    assert isinstance(frame.index, pd.MultiIndex)
    meters, minutes = frame.index.levels
    by_hour = frame.energy.to_numpy().reshape(len(meters), -1, 60)
    before = np.concatenate([by_hour[:, :1, 0], by_hour[:, :-1, -1]], axis=1)
    hours = pd.DatetimeIndex(minutes)[::60] + pd.Timedelta(hours=1)
    index = pd.MultiIndex.from_product([meters, hours], names=frame.index.names)
    return pd.DataFrame({"energy": (by_hour[:, :, -1] - before).ravel()}, index=index)


def hourly_means(frame: pd.DataFrame) -> pd.DataFrame:
    """Work out the hourly means of a year of minutes, each labelled by the end of its hour."""
    assert isinstance(frame.index, pd.MultiIndex)
    meters, minutes = frame.index.levels
    hours = pd.DatetimeIndex(minutes)[::60] + pd.Timedelta(hours=1)
    means = frame.power.to_numpy().reshape(len(meters), -1, 60).mean(axis=2)
    return pd.DataFrame(
        {"power": means.ravel()}, index=pd.MultiIndex.from_product([meters, hours], names=frame.index.names)
    )


def write(manager: InfluxManager, url: str, bucket: str, made: Made) -> DataSet:
    """Write points, and wait until the server has put them in order."""
    for start in range(0, len(made.frame), _ROWS_A_WRITE):
        manager.synchronous_write(bucket, made.frame.iloc[start : start + _ROWS_A_WRITE], MEASUREMENT)
    wait_until_quiet(url)
    return DataSet(bucket, made.frame, made.stop)


def _made(*, meters: int, rows: int, step: str, fields: list[str]) -> Made:
    random = np.random.default_rng(20260101)
    times = pd.date_range(START, periods=rows, freq=step, unit="ns", name="time")
    names = pd.Index([f"meter-{number:05}" for number in range(meters)], dtype="str", name="meter")
    levels = {"power": (1_000, 100, 3), "voltage": (230, 1.5, 2)}
    columns = {}
    for field in fields:
        mean, deviation, digits = levels[field]
        columns[field] = random.normal(mean, deviation, meters * rows).round(digits)
    frame = pd.DataFrame(columns, index=pd.MultiIndex.from_product([names, times]))
    return Made(frame, START + rows * pd.Timedelta(step))


def wait_until_quiet(url: str) -> None:
    """Wait until no compaction is queued and none has ended for two seconds: they take time from reads."""
    last = None
    for _ in range(_LONGEST_WAIT // 2):
        metrics = urllib3.request("GET", f"{url}/metrics", timeout=60).data.decode()
        queued = re.findall(r"^storage_compactions_queued\S* (\S+)", metrics, re.MULTILINE)
        ended = re.findall(r"^storage_compactions_duration_seconds_count\S* (\S+)", metrics, re.MULTILINE)
        state = sum(map(float, ended))
        if state == last and not any(map(float, queued)):
            return
        last = state
        time.sleep(2)
