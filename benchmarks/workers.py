"""A year of 20 meters by partitions in worker processes: the time that it takes, and the memory of a worker.

    python -m tools.servers -- python -m benchmarks.workers

Reads 10,512,000 points by weekly partitions, each of which becomes hourly means in its worker: with 1, 2,
4 and 8 workers, straight from the server and with 200 ms before each of its answers (Toxiproxy), and by
one loop over `read_batches`. `--rounds N` does so N times, by turns. Prints the medians, and draws them into
docs/pictures/workers.svg. `--quick` takes a fiftieth of the data, and draws nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import matplotlib as mpl
import pandas as pd

from benchmarks import data
from benchmarks.peak_memory import peak
from db_influx import InfluxManager
from tools import servers

mpl.use("agg")

import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from benchmarks.data import DataSet
    from db_influx import Partition
    from db_influx._times import Instant

PICTURE = Path(__file__).parents[1] / "docs" / "pictures" / "workers.svg"
_WORKERS = (1, 2, 4, 8)
_LATENCY = 200  # milliseconds
_MIB = 2**20
_COLOURS = {"near": "#4477aa", "far": "#ee7733"}
_NAMES = {"near": "the server on the same machine", "far": f"{_LATENCY} ms before each answer"}

Results: TypeAlias = dict[tuple[str, int], tuple[float, float]]


def main() -> None:
    """Write the data, run all ways by turns, print the medians and draw them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    is_quick = given.quick
    with servers.influxdb() as influx, InfluxManager(influx.url, influx.org, influx.token) as near:
        os.environ |= {"INFLUXDB_ORG": influx.org, "INFLUXDB_TOKEN": influx.token}  # for the workers
        buckets = near.get_buckets_api()
        bucket = buckets.create_bucket(bucket_name=f"workers-{time.time_ns()}")
        try:
            written = data.write(near, influx.url, bucket.name, data.year(50 if is_quick else 1))
            with (
                servers.toxiproxy() as toxiproxy,
                toxiproxy.before("127.0.0.1", int(influx.url.rpartition(":")[2])) as proxy,
                proxy.fault("latency", latency=_LATENCY),
                InfluxManager(f"http://127.0.0.1:{proxy.port}", influx.org, influx.token) as far,
            ):
                urls = {"near": influx.url, "far": f"http://127.0.0.1:{proxy.port}"}
                results = _rounds({"near": near, "far": far}, urls, written, given.rounds)
        finally:
            buckets.delete_bucket(bucket)
    for (place, workers), (seconds, memory) in results.items():
        print(f"{place:5} {workers or 'loop':>5}  {seconds:7.2f} s  {memory / _MIB:6.0f} MiB a process")
    if not is_quick:
        _draw(results)


def _rounds(
    managers: dict[str, InfluxManager], urls: dict[str, str], written: DataSet, rounds: int
) -> Results:
    """Return the median seconds and the median of the most bytes of a process; no workers are the loop."""
    seen: dict[tuple[str, int], list[tuple[float, float]]] = {
        (place, workers): [] for place in managers for workers in (0, *_WORKERS)
    }
    for number in range(rounds):
        for place, workers in seen if number % 2 == 0 else reversed(seen):
            context = multiprocessing.get_context("spawn")
            begin = time.perf_counter()
            with ProcessPoolExecutor(workers or 1, context) as pool:
                if workers:
                    parts = managers[place].partitions(**written.period, fields="power", every="1w")
                    done = list(pool.map(_hourly, parts))
                else:
                    done = [pool.submit(_loop, urls[place], written.bucket, written.stop).result()]
            seconds = time.perf_counter() - begin
            assert len(written.frame) == sum(rows for rows, _ in done)
            seen[place, workers].append((seconds, max(memory for _, memory in done)))
    return {
        way: (statistics.median(one for one, _ in found), statistics.median(most for _, most in found))
        for way, found in seen.items()
    }


def _hourly(partition: Partition[pd.DataFrame]) -> tuple[int, int]:
    """Read a partition and work out its hourly means; return its rows and the most bytes of the process."""
    frame = partition.read(into="pandas")
    _means(frame, "meter")
    return len(frame), peak()


def _loop(url: str, bucket: str, stop: Instant) -> tuple[int, int]:
    """Read the same by batches in one process."""
    rows = 0
    with InfluxManager(url) as manager:
        frames = manager.read_batches(
            data.START, stop, data.MEASUREMENT, "power", bucket, by=["meter"], batch_rows=200_000
        )
        for frame in frames:
            _means(frame, "meter")
            rows += len(frame)
    return rows, peak()


def _means(frame: pd.DataFrame, meter: str) -> None:
    frame.groupby([meter, pd.Grouper(level="time", freq="1h")], observed=True)["power"].mean()


def _draw(results: Results) -> None:
    mpl.rcParams["svg.hashsalt"] = "workers"  # or each drawing has other names inside
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for place, colour in _COLOURS.items():
        seconds = [results[place, workers][0] for workers in _WORKERS]
        memory = [workers * results[place, workers][1] / _MIB for workers in _WORKERS]
        left.plot(_WORKERS, seconds, "o-", color=colour, label=_NAMES[place])
        left.axhline(results[place, 0][0], color=colour, linestyle=":", linewidth=1)
        right.plot(_WORKERS, memory, "o-", color=colour, label=_NAMES[place])
        right.axhline(results[place, 0][1] / _MIB, color=colour, linestyle=":", linewidth=1)
    for axis, title in ((left, "Seconds"), (right, "MiB of all workers together, at most")):
        axis.set_title(title, loc="left", fontsize=10)
        axis.set_xscale("log", base=2)
        axis.set_xticks(_WORKERS, list(map(str, _WORKERS)))
        axis.set_xlabel("worker processes (dotted: one loop over read_batches)", fontsize=8)
        axis.set_ylim(bottom=0)
        axis.grid(visible=True, alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    left.legend(fontsize=8, frameon=False)
    figure.savefig(PICTURE, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    main()
