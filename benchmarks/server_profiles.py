"""What InfluxDB's profiles of itself cost: `python -m benchmarks.server_profiles`.

InfluxDB watches its own memory and locks, to answer at /debug/pprof, unless it runs with
INFLUXD_PPROF_DISABLED=true. One server of each kind is read from by turns. Printed are the medians of the
ratios of each turn, and their middle halves.
"""

from __future__ import annotations

import os
from functools import partial

import pandas as pd

from benchmarks.turns import ratio
from db_influx import InfluxManager
from tools import servers

_MOST = 1_000_000  # rows
_CASES = {1: 400, 1_000: 400, 100_000: 100, _MOST: 20}  # rows of a read, and turns


def main() -> None:
    """Measure reads of each length, and print their ratios."""
    with servers.influxdb(own=True) as usual:
        os.environ["INFLUXD_PPROF_DISABLED"] = "true"
        with servers.influxdb(own=True) as without:
            profiled, plain = (InfluxManager(one.url, one.org, one.token) for one in (usual, without))
            with profiled, plain:
                _fill(profiled)
                _fill(plain)
                for rows, turns in _CASES.items():
                    told = ratio(partial(_read, profiled, rows), partial(_read, plain, rows), turns)
                    print(f"a read of {rows:,} rows: {told}")


def _fill(manager: InfluxManager) -> None:
    manager.create_bucket("home")
    times = pd.date_range("2026-01-01", periods=_MOST, freq="1s", tz="UTC")
    manager.synchronous_write("home", pd.DataFrame({"v": range(_MOST)}, times), "load")


def _read(manager: InfluxManager, rows: int) -> None:
    stop = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(seconds=rows)
    frame = manager.read("2026-01-01", stop, "load", "v", "home", interval=None)
    assert rows == len(frame)


if __name__ == "__main__":
    main()
