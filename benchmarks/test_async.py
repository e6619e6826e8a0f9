"""The asyncio manager against the other one, on the same reads; and what its loop does meanwhile."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import data
from benchmarks.race import Peer
from benchmarks.test_read import fresh, same
from db_influx import AsyncInfluxManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.data import DataSet
    from benchmarks.race import Race
    from db_influx import InfluxManager
    from tools.servers import InfluxDB

AT_ONCE = 50
READS = 1_000


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """Give a loop that stays, as a program's does."""
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def own(influx: InfluxDB) -> AsyncInfluxManager:
    """Give a manager as users make it, with every default."""
    return AsyncInfluxManager(influx.url, influx.org, influx.token)


def test_points(
    race: Race, own: AsyncInfluxManager, runner: asyncio.Runner, manager: InfluxManager, points: DataSet
) -> None:
    """Read a million rows as they are stored, to pandas."""
    asked: dict[str, Any] = {**points.period, "fields": points.fields, "interval": None}

    def ours() -> Any:
        return runner.run(own.read(**asked))

    same(points.frame, ours())
    same(points.frame, manager.read(**asked))

    race(
        "read 1,000,000 rows x 2 fields, 20 series, with asyncio",
        ours,
        Peer("InfluxManager", lambda: manager.read(**asked), within=1.10),
    )


def test_many_reads(
    race: Race,
    own: AsyncInfluxManager,
    runner: asyncio.Runner,
    manager: InfluxManager,
    many: DataSet,
    scale: int,
) -> None:
    """Read a hundred rows a thousand times, by fifty tasks or threads."""
    meters = many.frame.index.get_level_values("meter").unique()[: READS // scale].tolist()

    def asked(meter: str) -> dict[str, Any]:
        return {**many.period, "fields": many.fields, "tags": {"meter": meter}, "interval": None}

    async def by_tasks() -> list[int]:
        left = iter(meters)

        async def work() -> list[int]:
            return [len(await own.read(**asked(meter))) for meter in left]

        found = await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return [rows for part in found for rows in part]

    def by_threads() -> list[int]:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(lambda meter: len(manager.read(**asked(meter))), meters))

    assert [100] * len(meters) == runner.run(by_tasks()) == by_threads()

    race(
        "1,000 reads of 100 rows, 50 at once",
        lambda: runner.run(by_tasks()),
        Peer("InfluxManager, 50 threads", by_threads, within=1.20),
    )


def test_heartbeat(race: Race, influx: InfluxDB, points: DataSet) -> None:
    """Leave the loop to its other tasks while a million rows are read."""
    asked = json.dumps([points.bucket, str(data.START), str(points.stop), points.fields])

    def of_limit() -> float:
        told = json.loads(fresh(["-m", "benchmarks.heartbeat", asked], influx.environment()))
        assert len(points.frame) == told["rows"]
        return float(told["late"])

    race.limit("heartbeat while 1,000,000 rows x 2 fields are read", "1 % of beats 10 ms late", of_limit)
