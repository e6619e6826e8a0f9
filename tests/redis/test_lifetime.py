"""A `RedisClient` among threads, in a forked child, pickled and closed; and what its import loads."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from db_redis import RedisClient
from tests.redis.conftest import within

if TYPE_CHECKING:
    import redis

    from tools import servers


def test_threads_share_one_client(client: RedisClient) -> None:
    """Every thread reads what it wrote, many at a time."""
    start = threading.Barrier(8)

    def work(worker: int) -> list[object]:
        start.wait()
        read = []
        for step in range(100):
            client.save_in_redis(f"k{worker}", [worker, step])
            read.append(client.safe_read_from_redis(f"k{worker}"))
        return read

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))

    assert [[[worker, step] for step in range(100)] for worker in range(8)] == results


def test_a_thread_beyond_a_hundred_has_its_answer(client: RedisClient, plain: redis.Redis) -> None:
    """While all others wait for theirs, each on a connection of its own."""
    client.save_in_redis("k", 1)
    plain.client_pause(1000)  # milliseconds, in which Redis answers nobody
    with ThreadPoolExecutor(150) as pool:
        assert [1] * 150 == list(pool.map(lambda _: client.safe_read_from_redis("k"), range(150)))


def test_it_pickles_by_its_settings(guarded: servers.Redis) -> None:
    """A copy in another process has the address, the password and the namespace, and its own connections."""
    with RedisClient(guarded.host, guarded.port, guarded.password, namespace="pickled") as client:
        client.save_in_redis("k", 1)
        for duplicate in (pickle.loads(pickle.dumps(client)), copy.deepcopy(client)):
            with duplicate:
                assert repr(client) == repr(duplicate)
                assert 1 == duplicate.safe_read_from_redis("k")


def test_with_a_given_client_it_does_not_pickle(plain: redis.Redis) -> None:
    """The error says why."""
    with pytest.raises(TypeError, match="made from `client`"):
        pickle.dumps(RedisClient(client=plain))


def test_it_works_on_in_a_forked_child(client: RedisClient) -> None:
    """Parent and child don't take each other's answers."""
    client.save_in_redis("k", "parent")
    child = os.fork()
    if child == 0:
        try:
            client.save_in_redis("child", client.safe_read_from_redis("k"))
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert "parent" == client.safe_read_from_redis("child")


def test_close_closes_the_connections(client: RedisClient, plain: redis.Redis) -> None:
    """Redis no longer sees the client; closing twice does no harm, and a later call connects anew."""
    ours = str(client._client.client_id())

    client.close()
    client.close()

    assert within(10, lambda: ours not in {entry["id"] for entry in plain.client_list()})
    assert client.safe_read_from_redis("k") is None
    assert ours != str(client._client.client_id())


def test_the_import_is_light() -> None:
    """`import db_redis` loads neither the native extension nor pydantic nor any frame library."""
    code = "import sys, db_redis; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()

    heavy = {
        "db_core._native",
        "pydantic",
        "pydantic_settings",
        "numpy",
        "pandas",
        "polars",
        "pyarrow",
        "influxdb_client",
    }
    assert set() == heavy & set(loaded)
