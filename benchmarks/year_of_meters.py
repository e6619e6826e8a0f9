"""A year of 200 meters, 105 million values: by a snapshot, to batches and to Parquet, against a download.

    python -m tools.servers -- python -m benchmarks.year_of_meters

Writes the data first, which takes minutes. Each way runs in a process of its own, by turns; printed are the
seconds and the most bytes that were resident, of each round.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks import peers
from benchmarks.data import wait_until_quiet
from benchmarks.peak_memory import peak
from db_influx import InfluxManager
from tools import servers

if TYPE_CHECKING:
    from collections.abc import Callable

_BUCKET = "year-of-meters"
_MEASUREMENT = "meters"
_METERS = 200
_FIELDS = ("energy", "power", "voltage", "current", "temperature")
_START = pd.Timestamp("2025-01-01", tz="UTC")
_STOP = pd.Timestamp("2026-01-01", tz="UTC")
_ROUNDS = 3
_METERS_A_WRITE = 10


def main() -> None:
    """Write the data and race the ways, or with an argument run the way of that name once."""
    if len(sys.argv) > 1:
        print(json.dumps(_WAYS[sys.argv[1]]()))
        return
    rows = _write()
    print(f"{rows * len(_FIELDS):,} values written", flush=True)
    seconds: dict[str, list[float]] = {name: [] for name in _WAYS}
    for number in range(_ROUNDS):
        for name in _WAYS if number % 2 == 0 else reversed(_WAYS):
            told = json.loads(_alone(name))
            assert told["rows"] in (rows, None), (name, told, rows)
            seconds[name].append(told["seconds"])
            print(f"{name:10} {told['seconds']:8.2f} s {told['peak'] / 2**20:8.0f} MiB", flush=True)
    for name in list(_WAYS)[1:]:
        ratios = sorted(plain / own for plain, own in zip(seconds["download"], seconds[name], strict=True))
        print(f"{name}: {statistics.median(ratios):.1f} times faster ({ratios[0]:.1f} to {ratios[-1]:.1f})")


def _alone(way: str) -> str:
    command = [sys.executable, "-m", "benchmarks.year_of_meters", way]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def _write() -> int:
    times = pd.date_range(_START, _STOP, freq="5min", inclusive="left", unit="ns", name="time")
    random = np.random.default_rng(20250101)
    with InfluxManager() as manager:
        buckets = manager.get_buckets_api()
        if buckets.find_bucket_by_name(_BUCKET) is None:
            buckets.create_bucket(bucket_name=_BUCKET)
            for first in range(0, _METERS, _METERS_A_WRITE):
                names = [f"meter-{number:03}" for number in range(first, first + _METERS_A_WRITE)]
                index = pd.MultiIndex.from_product([names, times], names=["meter", "time"])
                columns = {field: random.normal(230, 10, len(index)).round(2) for field in _FIELDS}
                energy = columns["energy"].reshape(len(names), -1).cumsum(axis=1).round(2)
                frame = pd.DataFrame({**columns, "energy": energy.ravel()}, index=index)
                manager.synchronous_write(_BUCKET, frame, _MEASUREMENT)
            wait_until_quiet(os.environ["INFLUXDB_URL"])
    return _METERS * len(times)


def _download() -> None:
    start, stop = (f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in (_START, _STOP))
    flux = f'from(bucket: "{_BUCKET}") |> range(start: {start}, stop: {stop})'
    with servers.influxdb() as server:
        peers.discard(server, f'{flux} |> drop(columns: ["_start", "_stop", "_measurement"])')


def _batches() -> int:
    with InfluxManager() as manager, manager.snapshot(_BUCKET, _START, _STOP) as snapshot:
        frames = snapshot.read_batches(_START, _STOP, _MEASUREMENT, _FIELDS, into="polars")
        return sum(map(len, frames))


def _parquet() -> int:
    folder = tempfile.mkdtemp()
    try:
        with InfluxManager() as manager, manager.snapshot(_BUCKET, _START, _STOP) as snapshot:
            return sum(written.rows for written in snapshot.write_parquet(folder))
    finally:
        shutil.rmtree(folder)


def _timed(job: Callable[[], int | None]) -> Callable[[], dict[str, float | None]]:
    def timed() -> dict[str, float | None]:
        begin = time.perf_counter()
        rows = job()
        return {"rows": rows, "seconds": time.perf_counter() - begin, "peak": peak()}

    return timed


_WAYS = {"download": _timed(_download), "batches": _timed(_batches), "parquet": _timed(_parquet)}

if __name__ == "__main__":
    main()
