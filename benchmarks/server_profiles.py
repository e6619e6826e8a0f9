"""What InfluxDB's profiles of itself cost: `python -m benchmarks.server_profiles`.

InfluxDB watches its own memory and locks, to answer at /debug/pprof, unless it runs with
INFLUXD_PPROF_DISABLED=true. One server of each kind is read from by turns. Printed are the medians of the
ratios of each turn, and their middle halves.
"""

from __future__ import annotations

import os
import random
import statistics
import time

import pandas as pd

from db_influx import InfluxManager
from tools import servers

_MOST = 1_000_000  # rows
_CASES = {1: 400, 1_000: 400, 100_000: 100, _MOST: 20}  # rows of a read, and turns


def main() -> None:
    """Measure reads of each length, and print their ratios."""
    with servers.influxdb(own=True) as usual:
        os.environ["INFLUXD_PPROF_DISABLED"] = "true"
        with servers.influxdb(own=True) as without:
            managers = [InfluxManager(one.url, one.org, one.token) for one in (usual, without)]
            for manager in managers:
                _fill(manager)
            for rows, turns in _CASES.items():
                print(f"a read of {rows:,} rows: {_ratio(managers, rows, turns)}")
            for manager in managers:
                manager.close()


def _fill(manager: InfluxManager) -> None:
    manager.create_bucket("home")
    times = pd.date_range("2026-01-01", periods=_MOST, freq="1s", tz="UTC")
    manager.synchronous_write("home", pd.DataFrame({"v": range(_MOST)}, times), "load")


def _ratio(managers: list[InfluxManager], rows: int, turns: int) -> str:
    """Return the ratio of the times without profiles and with them, in words."""
    stop = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(seconds=rows)
    seconds: dict[int, list[float]] = {0: [], 1: []}
    for turn in range(turns + 5):
        for which in random.sample((0, 1), 2):
            began = time.perf_counter()
            frame = managers[which].read("2026-01-01", stop, "load", "v", "home", interval=None)
            if turn >= 5:  # the first ones open connections and files
                seconds[which].append(time.perf_counter() - began)
            assert rows == len(frame)
    ratios = [without / usual for usual, without in zip(seconds[0], seconds[1], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    milliseconds = statistics.median(seconds[0]) * 1_000
    return f"{middle:.2f} of {milliseconds:.1f} ms ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
