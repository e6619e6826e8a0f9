"""What the benchmarks share: the servers, the data in them, and the race."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis
import urllib3

from benchmarks import data
from benchmarks.race import Race
from db_influx import InfluxManager
from tools import servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

    from benchmarks.data import DataSet

SERVERS = pytest.StashKey[dict[str, str]]()  # their versions


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--quick`."""
    parser.addoption(
        "--quick",
        action="store_true",
        help="a fiftieth of the data and two rounds: shows that everything runs, not how fast it is",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Keep polars to one thread, which it must hear before it is imported."""
    os.environ["POLARS_MAX_THREADS"] = "1"
    config.stash[SERVERS] = {}
    # Said of every test whose check fails before anything is timed.
    config.addinivalue_line("filterwarnings", "ignore:Benchmark fixture was not used")


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Tell the report whether this was a try, and which servers there were."""
    output_json["quick"] = bool(config.getoption("--quick"))
    output_json["servers"] = config.stash.get(SERVERS, {})


@pytest.fixture(scope="session")
def quick(request: pytest.FixtureRequest) -> bool:
    """Whether `--quick` was given."""
    return bool(request.config.getoption("--quick"))


@pytest.fixture(scope="session")
def scale(quick: bool) -> int:  # noqa: FBT001 - a fixture
    """What to divide all sizes by."""
    return 50 if quick else 1


@pytest.fixture
def race(benchmark: BenchmarkFixture, quick: bool) -> Race:  # noqa: FBT001 - a fixture
    """Time ours and its peers by turns."""
    return Race(benchmark, rounds=2 if quick else 5)


@pytest.fixture(scope="session")
def influx(pytestconfig: pytest.Config) -> Iterator[servers.InfluxDB]:
    """Start InfluxDB, or take the one in the environment."""
    with servers.influxdb() as server:
        answer = urllib3.request("GET", f"{server.url}/ping")
        pytestconfig.stash[SERVERS]["InfluxDB"] = answer.headers["X-Influxdb-Version"].removeprefix("v")
        yield server


@pytest.fixture(scope="session")
def redis_server(pytestconfig: pytest.Config) -> Iterator[servers.Redis]:
    """Start Redis, or take the one in the environment."""
    with servers.redis() as server:
        with redis.Redis(server.host, server.port, password=server.password) as client:
            pytestconfig.stash[SERVERS]["Redis"] = client.info("server")["redis_version"]
        yield server


@pytest.fixture(scope="session")
def manager(influx: servers.InfluxDB) -> Iterator[InfluxManager]:
    """Give a manager as users make it, with every default."""
    with InfluxManager(influx.url, influx.org, influx.token) as made:
        yield made


class Buckets:
    """Makes buckets and removes them in the end."""

    def __init__(self, manager: InfluxManager) -> None:
        self._api = manager.get_buckets_api()
        self._made: list[object] = []

    def make(self) -> str:
        """Give the name of a new bucket."""
        name = f"bench-{time.time_ns()}"
        self._made.append(self._api.create_bucket(bucket_name=name))
        return name

    def remove(self) -> None:
        """Remove all that were made."""
        for bucket in self._made:
            self._api.delete_bucket(bucket)


@pytest.fixture(scope="session")
def buckets(manager: InfluxManager) -> Iterator[Buckets]:
    """Give buckets of one's own."""
    made = Buckets(manager)
    yield made
    made.remove()


@pytest.fixture(scope="session")
def points(manager: InfluxManager, influx: servers.InfluxDB, buckets: Buckets, scale: int) -> DataSet:
    """Write 1,000,000 rows of two fields in 20 series."""
    return data.write(manager, influx.url, buckets.make(), data.points(scale))


@pytest.fixture(scope="session")
def many(manager: InfluxManager, influx: servers.InfluxDB, buckets: Buckets, scale: int) -> DataSet:
    """Write 10,000 series of 100 points."""
    return data.write(manager, influx.url, buckets.make(), data.many(scale))


@pytest.fixture(scope="session")
def year(manager: InfluxManager, influx: servers.InfluxDB, buckets: Buckets, scale: int) -> DataSet:
    """Write a year of minutes of 20 meters."""
    return data.write(manager, influx.url, buckets.make(), data.year(scale))


@pytest.fixture(scope="session")
def totals(manager: InfluxManager, influx: servers.InfluxDB, buckets: Buckets, scale: int) -> DataSet:
    """Write a year of minutes of 20 meters that count up."""
    return data.write(manager, influx.url, buckets.make(), data.totals(scale))
