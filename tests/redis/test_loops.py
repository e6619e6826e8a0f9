"""`AsyncRedisClient` on several event loops: each has connections of its own, and leaves none open."""

from __future__ import annotations

import asyncio
import copy
import gc
import multiprocessing
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio

from db_core.errors import ConnectionFailedError
from db_redis import AsyncRedisClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools import servers

KEYS = [f"k{number}" for number in range(20)]


@pytest.fixture
def name() -> str:
    """Give a name that the connections of one test have in Redis."""
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def client(server: servers.Redis, namespace: str, name: str) -> AsyncRedisClient:
    """Give the client under test, which no loop has used yet."""
    password = f":{server.password}@" if server.password else ""
    url = f"redis://{password}{server.host}:{server.port}?client_name={name}"
    return AsyncRedisClient.from_url(url, namespace=namespace)


@pytest.fixture
def connections(plain: redis.Redis, name: str) -> Callable[[int], bool]:
    """Give a function that says whether Redis has, or will have, so many connections of that name."""

    def are(number: int) -> bool:
        end = time.monotonic() + 60
        while number != len([one for one in plain.client_list() if one["name"] == name]):
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    return are


async def use(client: AsyncRedisClient) -> bool:
    """Save and read by several tasks, and say whether the values are right."""
    await asyncio.gather(*(client.save_in_redis(key, key) for key in KEYS))
    return {key: key for key in KEYS} == await client.read_many(KEYS) and set(KEYS) == {
        key async for key in client.scan()
    }


def test_each_run_of_asyncio_has_connections_of_its_own(
    client: AsyncRedisClient, connections: Callable[[int], bool]
) -> None:
    """And leaves none open, though nobody calls `aclose`."""
    for _ in range(5):
        assert asyncio.run(use(client))
        assert connections(0)
    gc.collect()  # what was left open would warn


def test_loops_in_threads_do_not_disturb_each_other(
    client: AsyncRedisClient, connections: Callable[[int], bool]
) -> None:
    """Eight at a time, with one client."""
    with ThreadPoolExecutor(8) as pool:
        runs = [pool.submit(asyncio.run, use(client)) for _ in range(16)]
        assert [True] * 16 == [run.result() for run in runs]
    assert connections(0)


def test_close_is_for_the_running_loop(client: AsyncRedisClient, connections: Callable[[int], bool]) -> None:
    """Another loop keeps its connections, and closes them itself, or with its end."""

    async def close_twice() -> None:
        await client.aclose()
        await client.aclose()

    async def read() -> Any:
        return await client.safe_read_from_redis("k")

    with asyncio.Runner() as first, asyncio.Runner() as second:
        for runner in (first, second):
            runner.run(client.save_in_redis("k", 1))
        assert connections(2)
        asyncio.run(close_twice())
        assert connections(2)
        second.run(close_twice())
        assert connections(1)
        assert 1 == first.run(read()) == second.run(read())
        first.run(close_twice())
        assert connections(1)
    assert connections(0)


def test_calls_under_way_where_a_client_is_closed_leave_no_connection(
    client: AsyncRedisClient, connections: Callable[[int], bool]
) -> None:
    """They end as they would, on new connections, and a later call opens its own."""

    async def close_midway() -> list[int]:
        await client.save_in_redis("k", 1)
        calls = [asyncio.ensure_future(client.safe_read_from_redis("k")) for _ in range(20)]
        await asyncio.sleep(0)
        await client.aclose()
        found = await asyncio.gather(*calls)
        assert connections(0)
        return [*found, await client.safe_read_from_redis("k")]

    assert [1] * 21 == asyncio.run(close_midway())
    assert connections(0)


def test_a_client_that_is_dropped_closes_its_connections(
    client: AsyncRedisClient, connections: Callable[[int], bool]
) -> None:
    """While its loop goes on."""

    async def main() -> bool:
        await copy.copy(client).save_in_redis("k", 1)
        gc.collect()
        return await asyncio.to_thread(connections, 0)

    assert asyncio.run(main())


def use_in_child(client: AsyncRedisClient, runner: asyncio.Runner, results: Any) -> None:
    """Use the parent's client, on a new loop and on the parent's; runs in a process of its own."""
    results.put([asyncio.run(use(client)), runner.run(use(client))])


def test_a_fork_opens_connections_of_its_own(client: AsyncRedisClient) -> None:
    """Though the parent's are open, idle and, to the child, as good as its own."""
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with asyncio.Runner() as runner:
        assert runner.run(use(client))
        child = context.Process(target=use_in_child, args=(client, runner, results))
        child.start()
        assert [True, True] == results.get(timeout=60)
        child.join()
        assert runner.run(use(client))


def test_a_given_client_says_that_it_is_of_another_loop(server: servers.Redis, namespace: str) -> None:
    """Where its connections are still open; one that was closed is as good as new."""
    given = redis.asyncio.Redis(host=server.host, port=server.port, password=server.password)
    client = AsyncRedisClient(client=given, namespace=namespace)
    with asyncio.Runner() as first:
        assert first.run(use(client))

        async def refused() -> str:
            with pytest.raises(ConnectionFailedError) as caught:
                await client.safe_read_from_redis("k1")
            return str(caught.value)

        assert "belong to another event loop" in asyncio.run(refused())
        first.run(given.aclose())

    async def again() -> bool:
        try:
            return await use(client)
        finally:
            await given.aclose()

    assert asyncio.run(again())
