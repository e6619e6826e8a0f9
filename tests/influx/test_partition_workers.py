"""Partitions in other processes: where they find the server and its token, and what they share."""

from __future__ import annotations

import asyncio
import base64
import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pytest

from db_core.errors import ConfigurationError, InvalidArgumentError
from db_influx import InfluxManager
from tests.influx.recorder import Recorder
from tests.influx.test_fork import ends_well, in_a_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import AsyncInfluxManager, Partition
    from tests.influx.conftest import Store
    from tools import servers

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
DAY = 86_400_000_000_000
SPAN = ("2026-01-01", "2026-01-05")
ROOT = Path(__file__).parents[2]
WORKER = """
import base64, pickle, sys
part = pickle.loads(base64.b64decode(sys.stdin.read()))
print(part.read()["v"].tolist())
"""


@pytest.fixture
def four_days(store: Store, msname: str) -> tuple[Any, ...]:
    """Store a point on each of four days; give the question for them."""
    store.write(*(f"{msname} v={day} {T0 + day * DAY}" for day in range(4)))
    return *SPAN, msname, "v", store.name


def worked(part: Partition, **environment: str) -> subprocess.CompletedProcess[str]:
    """Read a partition in a new process with this environment and no other settings."""
    return subprocess.run(
        [sys.executable, "-c", WORKER],
        input=base64.b64encode(pickle.dumps(part)).decode(),
        env={name: value for name, value in os.environ.items() if "INFLUX" not in name} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def connect() -> InfluxManager:
    """Return a manager of a worker's own, by a variable of its own."""
    url, org, token = os.environ["OUR_INFLUX"].split()
    return InfluxManager(url, org, token)


def test_a_worker_has_the_token_of_its_environment(
    manager: InfluxManager, server: servers.InfluxDB, four_days: tuple[Any, ...]
) -> None:
    """The address is the manager's; without a token there is an error that names the variable."""
    part = manager.partitions(*four_days, every="1d")[2]

    done = worked(part, INFLUXDB_TOKEN=server.token, INFLUXDB_URL="http://nowhere.invalid")
    assert ("[2.0]\n", "") == (done.stdout, done.stderr)
    failed = worked(part)
    assert 1 == failed.returncode
    assert "ConfigurationError" in failed.stderr.splitlines()[-1]
    assert "INFLUXDB_TOKEN" in failed.stderr.splitlines()[-1]


def test_a_worker_has_the_manager_of_a_function(
    manager: InfluxManager, server: servers.InfluxDB, four_days: tuple[Any, ...]
) -> None:
    """It is called where the partition is read, and nowhere else."""
    parts = manager.partitions(*four_days, every="1d", connect=connect)
    secret = f"{server.url} {server.org} {server.token}"

    done = worked(parts[3], OUR_INFLUX=secret)
    assert ("[3.0]\n", "") == (done.stdout, done.stderr)
    with pytest.raises(KeyError, match="OUR_INFLUX"):
        parts[3].read()
    assert parts[3].__dask_tokenize__() != manager.partitions(*four_days, every="1d")[3].__dask_tokenize__()


def test_a_function_that_returns_no_manager_is_told(
    manager: InfluxManager, make_async: Callable[..., AsyncInfluxManager], four_days: tuple[Any, ...]
) -> None:
    """Also one that returns an asynchronous manager, of which nobody would await the answer."""
    for made in (make_async(), None):
        [part, *_] = manager.partitions(
            *four_days, every="1d", connect=cast("Any", partial(lambda one: one, made))
        )
        with pytest.raises(InvalidArgumentError, match="`connect` must return an InfluxManager, not "):
            part.read()


def test_a_copy_in_the_same_process_needs_a_token_too(
    manager: InfluxManager,
    server: servers.InfluxDB,
    four_days: tuple[Any, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pickle has none, wherever it is read again; any manager reads a part that has none."""
    part = manager.partitions(*four_days, every="1d")[1]
    copy: Partition = pickle.loads(pickle.dumps(part))

    assert [1.0] == part.read()["v"].tolist()
    with pytest.raises(ConfigurationError, match="INFLUXDB_TOKEN"):
        copy.read()
    assert [1.0] == manager.read_partition(copy)["v"].tolist()
    monkeypatch.setenv("INFLUXDB_TOKEN", server.token)
    assert [1.0] == copy.read()["v"].tolist()


def test_parts_share_connections(
    make_manager: Callable[..., InfluxManager], server: servers.InfluxDB, four_days: tuple[Any, ...]
) -> None:
    """Those of a process are read by one manager, and one after the other over one connection."""
    recorder = Recorder(server.url)
    try:
        parts = make_manager(url=recorder.url, max_parallel=1).partitions(*four_days, every="1h")
        before = recorder.connections
        assert 4 == sum(len(part.read()) for part in parts)
        assert 96 == len(parts)
        assert 1 >= recorder.connections - before - 1
    finally:
        recorder.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_reads_too(manager: InfluxManager, four_days: tuple[Any, ...]) -> None:
    """With the token of its parent, and at once with it."""
    parts = manager.partitions(*four_days, every="1d")
    parts[0].read()  # leaves a connection open

    def job(day: int) -> None:
        for _ in range(5):
            assert [float(day)] == parts[day].read()["v"].tolist()

    children = [in_a_child(partial(job, day)) for day in range(4)]
    job(0)

    assert [True] * 4 == list(map(ends_well, children))


def test_an_asynchronous_manager_divides_and_reads_the_same(
    manager: InfluxManager, make_async: Callable[..., AsyncInfluxManager], four_days: tuple[Any, ...]
) -> None:
    """Partitions of either are equal, and read by either."""
    parts = manager.partitions(*four_days, every="1d")

    async def main() -> tuple[list[Partition], pl.DataFrame]:
        async with make_async() as other:
            made = await other.partitions(*four_days, every="1d")
            return made, await other.read_partition(parts[1], into="polars")

    made, frame = asyncio.run(main())

    assert parts == made
    assert parts[1].read(into="polars").equals(frame)
    assert [2.0] == made[2].read()["v"].tolist()


def test_a_part_is_of_the_kind_of_its_manager(
    make_manager: Callable[..., InfluxManager], four_days: tuple[Any, ...]
) -> None:
    """Where `into` does not say another; read by another manager, it is of that manager's kind."""
    [part, *_] = make_manager(into="polars").partitions(*four_days, every="1d")

    assert isinstance(part.read(), pl.DataFrame)
    assert isinstance(part.empty(), pl.DataFrame)
    assert isinstance(make_manager(into="polars").read_partition(part, into="polars"), pl.DataFrame)
    assert not isinstance(make_manager().read_partition(part), pl.DataFrame)
