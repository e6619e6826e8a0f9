"""A bucket exported to Parquet by the command line, against reading it in batches: time and memory.

    python -m tools.servers -- python -m benchmarks.export_bucket 50000000 [ROUNDS]

Writes so many points (values of two fields of 20 meters, a second apart), then takes both ways in turn, each
in a process of its own, and prints the seconds and the most memory of each round, and the medians' ratio.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.peak_memory import peak
from db_influx import InfluxManager
from db_influx.cli import main as command_line

if TYPE_CHECKING:
    from collections.abc import Callable

_BUCKET = "benchmark-export"
_METERS, _FIELDS = 20, ["energy", "power"]
_START = pd.Timestamp("2026-01-01T00:00:00Z")
_AT_ONCE = 10_000  # rows of each meter


def main() -> None:
    """Measure, or do one job of it and print what that took."""
    if sys.argv[1] in _JOBS:
        begin = time.perf_counter()
        _JOBS[sys.argv[1]]()
        print(json.dumps({"seconds": time.perf_counter() - begin, "peak": peak()}))
        return
    points, rounds = int(sys.argv[1]), int((sys.argv[2:] or ["3"])[0])
    print(f"{_fill(points // len(_FIELDS) // _METERS):,} points")
    found: dict[str, list[float]] = {job: [] for job in _JOBS}
    for _ in range(rounds):
        for job, seconds in found.items():
            command = [sys.executable, "-m", "benchmarks.export_bucket", job]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
            told = json.loads(done.stdout.splitlines()[-1])
            seconds.append(told["seconds"])
            print(f"{job}: {told['seconds']:.1f} s, peak {told['peak'] / 2**20:.0f} MiB")
    print(f"export / batches: {median(found['export']) / median(found['batches']):.2f}")


def _fill(rows: int) -> int:
    """Write so many rows of each meter, and return the number of points."""
    random = np.random.default_rng(7)
    with InfluxManager() as manager:
        if _BUCKET in [bucket.name for bucket in manager.list_buckets()]:
            manager.delete_bucket(_BUCKET)
        manager.create_bucket(_BUCKET)
        for first in range(0, rows, _AT_ONCE):
            count = min(_AT_ONCE, rows - first)
            times = _START + pd.to_timedelta(np.arange(first, first + count), unit="s")
            index = pd.DatetimeIndex(np.tile(times.as_unit("ns"), _METERS), tz="UTC")
            columns = {field: random.random(count * _METERS).round(3) for field in _FIELDS}
            meters = np.repeat([f"meter-{number}" for number in range(_METERS)], count)
            frame = pd.DataFrame({"meter": meters, **columns}, index)
            manager.synchronous_write(_BUCKET, frame, "load", tag_columns=["meter"])
    return rows * _METERS * len(_FIELDS)


def _batches() -> None:
    with InfluxManager(into="arrow") as manager:
        edges = manager.time_range(_BUCKET, "load")
        assert edges is not None
        stop = edges[1] + pd.Timedelta(1, "ns")
        for _ in manager.read_batches(edges[0], stop, "load", _FIELDS, _BUCKET, batch_rows=1 << 17):
            pass


def _export() -> None:
    folder = Path(tempfile.mkdtemp())
    sys.argv = ["db-influx", "export", _BUCKET, str(folder)]
    try:
        command_line()
    except SystemExit as end:
        assert not end.code, end.code
    finally:
        shutil.rmtree(folder)


_JOBS: dict[str, Callable[[], None]] = {"batches": _batches, "export": _export}

if __name__ == "__main__":
    main()
