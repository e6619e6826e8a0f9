"""Reading by Dask: against a loop over batches, behind a slow network, by tiny partitions, and its memory."""

from __future__ import annotations

import gc
import math
import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

from benchmarks import data
from benchmarks.peak_memory import peak
from benchmarks.race import Peer
from benchmarks.sent import sent_by
from db_influx import InfluxManager
from db_influx._flux import Query
from db_influx.dask import read_dask
from tools import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.data import DataSet
    from benchmarks.race import Race

_LATENCY = 200  # milliseconds
_FAR_PARTITIONS = 48
_TINY_PARTITIONS = 1_000
_TINY = pd.Timedelta("100s")  # ten rows of a meter
_OVERHEAD = 0.005  # seconds of a partition
_MIB = 2**20


@contextmanager
def _processes(count: int, influx: servers.InfluxDB) -> Iterator[Client]:
    """Start worker processes of one thread each."""
    options: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(n_workers=count, env={"INFLUXDB_TOKEN": influx.token}, **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.wait_for_workers(count)
        yield client


def test_two_processes(
    race: Race, manager: InfluxManager, influx: servers.InfluxDB, year: DataSet, scale: int
) -> None:
    """Add up a year of minutes: by Dask on two processes, and by a loop over batches in this one."""
    rows = 500_000 // scale

    def by_batches() -> tuple[int, float]:
        frames = manager.read_batches(**year.period, fields="power", batch_rows=rows)
        parts = [(len(frame), frame["power"].sum()) for frame in frames]
        return sum(count for count, _ in parts), sum(part for _, part in parts)

    with _processes(2, influx) as client:

        def by_dask() -> tuple[int, float]:
            power = read_dask(manager, **year.period, fields="power", rows=rows)["power"]
            futures: Any = client.compute([power.count(), power.sum()])
            return futures[0].result(), futures[1].result()

        for count, power in (by_dask(), by_batches()):
            assert len(year.frame) == count
            assert math.isclose(year.frame["power"].sum(), power, rel_tol=1e-9)
        group = "add up a year of minutes of 20 meters, by Dask on two processes"
        race(group, by_dask, Peer("a loop over read_batches", by_batches, within=1.0))


def test_behind_latency(race: Race, influx: servers.InfluxDB, points: DataSet, scale: int) -> None:
    """Add up a million rows by 48 partitions, each answer of the server 200 ms late: four workers and one."""
    every = pd.Timedelta("3h" if scale == 1 else "3min")
    asked = {**points.period, "stop": data.START + _FAR_PARTITIONS * every}
    with (
        servers.toxiproxy() as toxiproxy,
        toxiproxy.before("127.0.0.1", int(influx.url.rpartition(":")[2])) as proxy,
        proxy.fault("latency", latency=_LATENCY),
        InfluxManager(f"http://127.0.0.1:{proxy.port}", influx.org, influx.token) as manager,
        _processes(1, influx) as one,
        _processes(4, influx) as four,
    ):
        frame = read_dask(manager, **asked, fields="power", every=every)
        assert frame.npartitions == _FAR_PARTITIONS

        def by(client: Client) -> float:
            found: float = client.compute(frame["power"].sum()).result()
            return found

        for client in (one, four):
            assert math.isclose(points.frame["power"].sum(), by(client), rel_tol=1e-9)
        group = f"add up 1,000,000 rows by {_FAR_PARTITIONS} partitions, {_LATENCY} ms latency, 4 workers"
        race(group, lambda: by(four), Peer("1 worker", lambda: by(one), faster=3), rounds=min(3, race.rounds))


def _tiny(manager: InfluxManager, points: DataSet, scale: int) -> tuple[dict[str, Any], Any, float]:
    """Return the arguments of a read of tiny partitions, its bare queries, and the sum of its points."""
    count = _TINY_PARTITIONS if scale == 1 else _TINY_PARTITIONS // 10
    asked = {**points.period, "stop": data.START + count * _TINY, "tags": {"meter": "meter-00000"}}
    asked |= {"fields": "power", "every": _TINY, "protocol": "flux"}
    here = read_dask(manager, **asked, connect=lambda: manager)
    own = sent_by(manager, lambda: here.compute(scheduler="synchronous"))
    own.queries = [query for query in own.queries if isinstance(query, Query)]
    own.parallel = 1
    assert count == len(own.queries)
    return asked, own, points.frame.loc["meter-00000"][: 10 * count]["power"].sum()


def test_tiny_partitions(race: Race, manager: InfluxManager, points: DataSet, scale: int) -> None:
    """Read partitions of ten rows one after another: what each takes beside the query for its points."""
    asked, own, _ = _tiny(manager, points, scale)
    count = len(own.queries)
    parts = manager.partitions(**asked)

    def alone() -> float:
        begin = time.perf_counter()
        for part in parts:
            part.read()
        between = time.perf_counter()
        own.discard_answers()
        return ((between - begin) - (time.perf_counter() - between)) / count / _OVERHEAD

    alone()
    group = "1,000 partitions of 10 rows read one by one, above the bare queries"
    race.limit(group, "5 ms each", alone)


def test_tiny_partitions_by_dask(
    race: Race, manager: InfluxManager, influx: servers.InfluxDB, points: DataSet, scale: int
) -> None:
    """Let Dask read them: what it adds itself is most of it."""
    asked, own, expected = _tiny(manager, points, scale)
    count = len(own.queries)
    frame = read_dask(manager, **asked)
    assert count == frame.npartitions
    with _processes(1, influx) as client:

        def of_limit() -> float:
            begin = time.perf_counter()
            found: float = client.compute(frame["power"].sum()).result()
            between = time.perf_counter()
            own.discard_answers()
            seconds = (between - begin) - (time.perf_counter() - between)
            assert math.isclose(expected, found, rel_tol=1e-9)
            return seconds / count / _OVERHEAD

        of_limit()  # what is imported and connected first
        race.limit("1,000 partitions of 10 rows by Dask, above the bare queries", "5 ms each", of_limit)


def test_memory_of_a_worker(
    race: Race, manager: InfluxManager, influx: servers.InfluxDB, year: DataSet
) -> None:
    """Add up a year of minutes by four partitions on one process, and see the most that it had."""
    every = (year.stop - data.START) / 4
    frame = read_dask(manager, **year.period, fields="power", every=every)
    with _processes(1, influx) as client:

        def of_limit() -> float:
            [before] = client.run(_forget_peak).values()
            largest, rows = client.compute(frame.map_partitions(_size, meta=np.empty((0, 2)))).result().T
            [most] = client.run(peak).values()
            assert len(year.frame) == rows.sum()
            return float((most - before) / (2 * largest.max() + 100 * _MIB))

        client.compute(frame.get_partition(0)["power"].head(1, compute=False)).result()  # imports
        race.limit("peak memory of a Dask worker, 4 partitions", "2 partitions + 100 MiB", of_limit)


def _size(frame: pd.DataFrame) -> Any:
    """Return the bytes and the rows of a partition, as a row."""
    return np.array([[frame.memory_usage(index=True, deep=True).sum(), len(frame)]], dtype="float64")


def _forget_peak() -> int:
    """Begin anew with the most bytes that this process had, and return those that it has."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    found = re.search(r"VmRSS:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024
