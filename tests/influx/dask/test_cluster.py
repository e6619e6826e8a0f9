"""Dask on two processes: the same results, also where one is killed; and no graph has the token."""

from __future__ import annotations

import logging
import os
import pickle
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import cloudpickle
import pandas as pd
import pytest
from distributed import Client, LocalCluster, wait

from db_core.errors import ConfigurationError, WriteError
from db_influx import InfluxManager
from db_influx.dask import read_dask, write_dask
from tests.influx.dask.conftest import FIELDS, assert_same, in_order_of_time
from tests.peer import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.influx.conftest import Store
    from tests.influx.dask.conftest import Meters, Relay
    from tools import servers


@pytest.fixture(scope="module")
def client(server: servers.InfluxDB) -> Iterator[Client]:
    """Return the client of two processes that were spawned, and whose environment has the token."""
    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(processes=True, env={"INFLUXDB_TOKEN": server.token}, **options) as cluster,
        Client(cluster, set_as_default=False) as made,
    ):
        made.wait_for_workers(2, timeout=PATIENCE)
        yield made


def computed(client: Client, frame: Any) -> Any:
    """Compute on the cluster."""
    return client.compute(frame).result(timeout=PATIENCE)


def connect(url: str, org: str, token: str) -> InfluxManager:
    """Return a manager that has the token."""
    return InfluxManager(url, org, token)


@pytest.mark.parametrize("question", [{}, {"interval": "1h", "agg_func": "max"}])
def test_two_processes_read_what_one_reads(
    client: Client, manager: InfluxManager, meters: Meters, question: dict[str, Any]
) -> None:
    """In values, types and order; nothing but the graph is sent to them, and the token is their own."""
    asked: Any = {**meters.range, "fields": ["power", "n"], **question}
    expected = manager.read(**{"interval": None, **asked}, by=["meter"])

    found = computed(client, read_dask(manager, **asked, every="9h"))

    assert_same(in_order_of_time(expected, n="Int64"), found)


def test_a_killed_worker_changes_no_result(
    client: Client, relay: Relay, relayed: InfluxManager, meters: Meters
) -> None:
    """It dies while the server answers its question; another reads its partitions."""
    frame = read_dask(relayed, **meters.range, fields=FIELDS, every="9h")
    relay.open.clear()
    future = client.compute(frame)
    for _ in range(2):
        assert relay.held.acquire(timeout=PATIENCE)
    pids = client.run(os.getpid)
    address, busy = next((address, keys) for address, keys in client.processing().items() if keys)

    os.kill(pids[address], signal.SIGKILL)
    relay.open.set()

    assert busy
    assert_same(meters.frame, future.result(timeout=PATIENCE))
    client.wait_for_workers(2, timeout=PATIENCE)
    assert pids != client.run(os.getpid)


def test_a_write_by_two_processes_can_be_repeated(
    client: Client, manager: InfluxManager, store: Store, meters: Meters, msname: str
) -> None:
    """What is read is written as it was, and written again it is the same."""
    frame = read_dask(manager, **meters.range, fields=FIELDS, every="9h")
    expected = [point._replace(measurement=msname) for point in store.points(meters.name)]
    write = write_dask(frame, manager, meters.bucket, msname, tag_columns=["meter"], compute=False)

    for _ in range(2):
        assert len(meters.frame) == computed(client, write)
        assert expected == store.points(msname)


def test_a_refused_point_is_an_error_of_the_caller(
    client: Client, manager: InfluxManager, store: Store, meters: Meters, msname: str
) -> None:
    """With all that the error knows, although it was raised in another process."""
    store.write(f'{msname} power="text" {pd.Timestamp("2026-03-28", tz="UTC").value}')
    frame = read_dask(manager, **meters.range, fields=["power"], tags={"meter": "A"}, every="1d")
    write = write_dask(frame[["power"]], manager, store.name, msname, compute=False)

    with pytest.raises(WriteError, match="field type conflict") as caught:
        computed(client, write)

    error = caught.value
    assert sum(one.points for one in error.rejected) == len(error.frame)
    assert ["power"] == list(error.frame.columns)


def test_persisted_partitions_are_used_again(
    client: Client, relay: Relay, relayed: InfluxManager, meters: Meters
) -> None:
    """The same read, made again, finds them by their keys, and asks the server for nothing of them."""
    question: dict[str, Any] = {**meters.range, "fields": FIELDS, "every": "1d"}
    kept = client.persist(read_dask(relayed, **question))
    with client.as_current():
        wait(kept, timeout=PATIENCE)
    assert 4 <= len(relay.queries())
    again = read_dask(relayed, **question)
    relay.queries()

    found = computed(client, client.persist(again))

    assert [] == relay.queries()
    assert_same(meters.frame, found)


def test_a_function_returns_the_manager_of_a_worker(
    client: Client, server: servers.InfluxDB, relay: Relay, meters: Meters
) -> None:
    """`connect` decides where a worker reads and writes, with which token."""
    made = partial(connect, relay.url, server.org, server.token)
    with InfluxManager(server.url, server.org, server.token) as manager:
        frame = read_dask(manager, **meters.range, fields=FIELDS, every="1d", connect=made)
    assert [] == relay.queries()

    assert_same(meters.frame, computed(client, frame))
    assert 4 <= len(relay.queries())


def without_token() -> None:
    """Forget the token of this process."""
    del os.environ["INFLUXDB_TOKEN"]


def with_token(token: str) -> None:
    """Remember it."""
    os.environ["INFLUXDB_TOKEN"] = token


def test_a_worker_without_a_token_says_so(
    client: Client, manager: InfluxManager, server: servers.InfluxDB, meters: Meters
) -> None:
    """The error names the variable."""
    client.run(without_token)
    try:
        with pytest.raises(ConfigurationError, match="INFLUXDB_TOKEN"):
            computed(client, read_dask(manager, **meters.range, fields="power", every="1d"))
    finally:
        client.run(with_token, server.token)


@pytest.mark.parametrize("made_by", [None, "a function"])
def test_the_token_is_nowhere_in_a_graph(
    client: Client,
    manager: InfluxManager,
    server: servers.InfluxDB,
    meters: Meters,
    msname: str,
    caplog: pytest.LogCaptureFixture,
    made_by: str | None,
) -> None:
    """Not in its pickles, texts and keys, and not in what is logged while it is computed."""
    made: Callable[[], InfluxManager] | None = InfluxManager if made_by else None
    caplog.set_level(logging.DEBUG)
    frame = read_dask(manager, **meters.range, fields=FIELDS, every="1d", connect=made)
    write = write_dask(frame, manager, meters.bucket, msname, compute=False, connect=made)
    texts = [caplog.text]
    for one in (frame, frame.optimize(), frame[["power"]], write):
        graph: Any = one.__dask_graph__()
        pickles = [pickle.dumps(one), cloudpickle.dumps(graph)]
        texts += [pickled.decode("latin-1") for pickled in pickles]
        texts += [repr(one), repr(dict(graph)), repr(list(graph)), repr(one.expr), str(one.expr)]
    if made is None:
        computed(client, frame)
        texts += [repr(client.get_worker_logs()), repr(client.get_scheduler_logs()), caplog.text]

    assert all(server.url in text for text in texts[1:3])
    assert [] == [text for text in texts if server.token in text]
