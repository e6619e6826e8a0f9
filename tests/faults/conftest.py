"""Servers of our own with Toxiproxy before them; what is stored, seen past both; and what is left behind.

`FAULT_ROUNDS` is how often the matrix is run, once if it is not set; with more, a table ends the run.
"""

from __future__ import annotations

import gc
import os
import threading
import time
import uuid
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from db_core.errors import DatabaseError
from db_influx import AsyncInfluxManager, InfluxManager
from db_redis import AsyncRedisClient, RedisClient
from tests.awaited import AwaitedManager
from tests.faults.values import Clients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from tools import servers

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
LONG = 60.0  # seconds in which every call has to end; all deadlines given are far shorter
_OPEN = Path("/proc/self/fd")
_TALLY: Counter[tuple[str, str, str]] = Counter()
_LOST: Counter[tuple[str, str]] = Counter()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of servers from what is under test."""
    for variable in [name for name in os.environ if name.upper().startswith(("INFLUXDB_", "REDIS_"))]:
        monkeypatch.delenv(variable)


# --- Servers ------------------------------------------------------------------------


@pytest.fixture(scope="session")
def toxiproxy(servers: ModuleType) -> Iterator[servers.Toxiproxy]:
    """Give the Toxiproxy that all tests share."""
    with servers.toxiproxy() as proxy:
        yield proxy


@pytest.fixture(scope="session")
def influx(servers: ModuleType) -> Iterator[servers.InfluxDB]:
    """Give an InfluxDB that may be killed; each test has a measurement of its own."""
    with servers.influxdb(own=True) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(servers: ModuleType) -> Iterator[servers.Redis]:
    """Give a Redis that may be killed, and answers when what was saved is on the disk."""
    with servers.redis(options=["--appendfsync", "always"]) as server:
        yield server


@pytest.fixture
def before_influx(toxiproxy: servers.Toxiproxy, influx: servers.InfluxDB) -> Iterator[servers.Proxy]:
    """Give a proxy of the test's own before InfluxDB."""
    with toxiproxy.before("127.0.0.1", int(influx.url.rpartition(":")[2])) as proxy:
        yield proxy


@pytest.fixture
def before_redis(toxiproxy: servers.Toxiproxy, redis_server: servers.Redis) -> Iterator[servers.Proxy]:
    """Give a proxy of the test's own before Redis."""
    with toxiproxy.before(redis_server.host, redis_server.port) as proxy:
        yield proxy


@pytest.fixture(params=[RedisClient, AsyncRedisClient], ids=["sync", "asyncio"])
def make(request: pytest.FixtureRequest) -> Clients:
    """Give what makes clients of Redis: first of the one kind, then of the other."""
    return Clients(request.param, f"test-{uuid.uuid4()}")


@dataclass(frozen=True)
class Managers:
    """Makes managers of one kind, as contexts; those of asyncio need no `await`."""

    kind: type[InfluxManager | AsyncInfluxManager]

    def __str__(self) -> str:
        return "sync" if self.kind is InfluxManager else "asyncio"

    def __call__(self, url: str, org: str, token: str, **options: Any) -> Any:
        """Make one."""
        made = self.kind(url, org, token, **options)
        return made if isinstance(made, InfluxManager) else AwaitedManager(made)


@pytest.fixture(params=[InfluxManager, AsyncInfluxManager], ids=["sync", "asyncio"])
def managers(request: pytest.FixtureRequest) -> Managers:
    """Give what makes managers of InfluxDB: first of the one kind, then of the other."""
    return Managers(request.param)


@dataclass(frozen=True)
class Bucket:
    """A bucket, read and written by influxdb-client, past every proxy. Nothing of it stays open."""

    server: servers.InfluxDB
    name: str

    @contextmanager
    def _client(self) -> Iterator[InfluxDBClient]:
        with InfluxDBClient(
            self.server.url, self.server.token, org=self.server.org, timeout=int(LONG * 1_000)
        ) as client:
            yield client

    def write(self, lines: list[str]) -> None:
        """Store lines of line protocol."""
        with self._client() as client, client.write_api(write_options=SYNCHRONOUS) as api:
            api.write(self.name, record="\n".join(lines).encode())

    def values(self, measurement: str, field: str = "v") -> dict[int, Any]:
        """Give a field's values by time in nanoseconds, of a measurement with one series."""
        flux = (
            f'from(bucket: "{self.name}") |> range(start: 0, stop: 2100-01-01T00:00:00Z) '
            f'|> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}") '
            '|> keep(columns: ["_time", "_value"])'
        )
        with self._client() as client:
            tables = client.query_api().query_raw(flux).data.decode()
        lines = [line.split(",")[3:] for line in tables.splitlines() if line.startswith(",,")]
        times = pd.to_datetime([time for time, _ in lines], format="ISO8601", utc=True).as_unit("ns")
        return dict(zip(times.asi8.tolist(), (float(value) for _, value in lines), strict=True))

    def count(self, measurement: str, field: str = "v") -> int:
        """Say how many values a field has."""
        flux = (
            f'from(bucket: "{self.name}") |> range(start: 0, stop: 2100-01-01T00:00:00Z) '
            f'|> filter(fn: (r) => r._measurement == "{measurement}" and r._field == "{field}") |> count()'
        )
        with self._client() as client:
            return sum(row["_value"] for table in client.query_api().query(flux) for row in table.records)


@pytest.fixture(scope="session")
def bucket(influx: servers.InfluxDB) -> Bucket:
    """Give the bucket that InfluxDB is set up with."""
    return Bucket(influx, "default")


@pytest.fixture
def msname() -> str:
    """Give a measurement of the test's own."""
    return f"m{uuid.uuid4().hex}"


# --- What comes back, and what is left ----------------------------------------------


def outcome(call: Callable[[], object], expected: object, *errors: type[DatabaseError]) -> str:
    """Make a call that may succeed with what is expected, or fail with one of these errors; say which."""
    begun = time.monotonic()
    try:
        got = call()
    except DatabaseError as error:
        if not isinstance(error, errors):
            raise
        came = type(error).__name__
    else:
        # Not shown by pytest: a difference of thousands of rows takes it minutes.
        if expected != got:
            pytest.fail(f"other data than expected: {str(got)[:500]}")
        came = "whole"
    assert time.monotonic() - begun < LONG
    return came


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Callable[..., str]:
    """Give a function that counts what came back, and points lost, for the table; it gives back what came."""
    kind = f", {request.getfixturevalue('managers')}" if "managers" in request.fixturenames else ""

    def count(fault: str, tried: str, came: str, lost: int = 0) -> str:
        tried += kind
        _TALLY[fault, tried, came] += 1
        _LOST[fault, tried] += lost
        assert 0 == lost, f"{lost} acknowledged points are gone: {fault}, {tried}, {request.node.name}"
        return came

    return count


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the table."""
    if ROUNDS == 1 or not _TALLY:
        return
    terminalreporter.section("faults")
    terminalreporter.line("| fault | what was tried | times | what came back | acknowledged points lost |")
    terminalreporter.line("| --- | --- | --- | --- | --- |")
    for fault, tried in sorted({key[:2] for key in _TALLY}):
        came = {key[2]: times for key, times in _TALLY.items() if key[:2] == (fault, tried)}
        told = ", ".join(f"{name} {times}" for name, times in sorted(came.items()))
        times = sum(came.values())
        terminalreporter.line(f"| {fault} | {tried} | {times} | {told} | {_LOST[fault, tried]} |")


def resident(name: str = "VmRSS") -> int:
    """Give this process's memory in bytes; with "VmHWM" the most there was since `forget_peak`."""
    [line] = [
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:")
    ]
    return int(line.split()[1]) << 10


def forget_peak() -> None:
    """Begin to look for the most memory anew."""
    Path("/proc/self/clear_refs").write_text("5")


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Collect no garbage until the end of the test: what goes, goes by itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _open_files() -> dict[str, str]:
    found = {}
    for link in _OPEN.iterdir() if _OPEN.exists() else ():
        try:
            target = str(link.readlink())
        except FileNotFoundError:  # that of the listing itself
            continue
        if not target.startswith("/proc/"):
            found[link.name] = target
    return found


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """See that no thread, socket or other file of a test is left; the shared servers are there before it.

    Not even for the garbage collector, which comes when it comes.
    """
    threads, files = set(threading.enumerate()), _open_files()
    yield
    more = set(threading.enumerate()) - threads
    for thread in more:
        thread.join(LONG)
    assert [] == [thread.name for thread in more if thread.is_alive()]
    assert {} == dict(_open_files().items() - files.items())
