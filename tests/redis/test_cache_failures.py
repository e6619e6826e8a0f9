"""What callers get where the function fails that computes a value, or where Redis takes no writes."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import redis

from db_core.errors import ComputationFailedError, QueryError, SerializationError
from db_redis import AsyncRedisClient, RedisClient, _cache
from db_redis._steps import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from tools import servers

SECRET = "correct-horse-battery"


class OfflineError(Exception):
    """A meter does not answer."""


class Crowd:
    """Counts the callers that wait for another one's value, and tells when all do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
        self._waiting: set[object] = set()
        self._size = size
        self.is_complete = threading.Event()
        monkeypatch.setattr(_cache, "Pause", self._pause)

    def _pause(self, seconds: float) -> Pause:
        try:
            self._waiting.add(asyncio.current_task())
        except RuntimeError:
            self._waiting.add(threading.get_ident())
        if len(self._waiting) >= self._size:
            self.is_complete.set()
        return Pause(seconds)


# --- Redis takes no writes ------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of that Redis."""
    return tmp_path_factory.mktemp("redis")


@pytest.fixture(scope="module")
def own(servers: ModuleType, folder: Path) -> Iterator[servers.Redis]:
    """Give a Redis whose configuration is changed."""
    with servers.redis(options=["--dir", str(folder)]) as own:
        yield own


def fail_to_save(plain: redis.Redis, folder: Path) -> None:
    """Have Redis notice that it can't write its file."""
    shutil.rmtree(folder, ignore_errors=True)
    plain.config_set("save", "3600 1")
    plain.config_set("stop-writes-on-bgsave-error", "yes")
    plain.bgsave()
    end = time.monotonic() + 60
    while plain.info("persistence")["rdb_last_bgsave_status"] != "err":
        assert time.monotonic() < end
        time.sleep(0.005)


REFUSALS: dict[str, tuple[Callable[[redis.Redis, Path], Any], Callable[[redis.Redis], Any]]] = {
    "OOM": (
        lambda plain, _: plain.config_set("maxmemory", 1),
        lambda plain: plain.config_set("maxmemory", 0),
    ),
    "READONLY": (
        lambda plain, _: plain.replicaof("127.0.0.1", 1),
        lambda plain: plain.replicaof("NO", "ONE"),
    ),
    "NOREPLICAS": (
        lambda plain, _: plain.config_set("min-replicas-to-write", 1),
        lambda plain: plain.config_set("min-replicas-to-write", 0),
    ),
    "MISCONF": (fail_to_save, lambda plain: plain.config_set("stop-writes-on-bgsave-error", "no")),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_value_is_returned_where_redis_takes_no_writes(
    make: Callable[..., Any], own: servers.Redis, folder: Path, code: str
) -> None:
    """With `on_outage="compute"`, before the value is computed and after; else Redis's refusal is raised."""
    store = make(host=own.host, port=own.port, password=None)
    refuse, accept = REFUSALS[code]
    with redis.Redis(own.host, own.port) as plain:

        def refusing() -> int:
            refuse(plain, folder)
            return 7

        try:
            assert 7 == store.get_or_compute("k", refusing, ttl=60, lock_timeout=1, on_outage="compute")
            assert 8 == store.get_or_compute("k", lambda: 8, ttl=60, on_outage="compute")
            assert 9 == store.get_or_compute("k", lambda: 9, ttl=60, stale=60, on_outage="compute")
            with pytest.raises(QueryError) as caught:
                store.get_or_compute("k", lambda: 10, ttl=60)
            assert code == caught.value.code
        finally:
            accept(plain)
        assert 11 == store.get_or_compute("k", lambda: 11, ttl=60, on_outage="compute")
        assert 11 == store.safe_read_from_redis("k")


# --- The function fails while others wait -----------------------------------------


def test_waiting_threads_get_the_failure_that_they_waited_for(
    client: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function is called once, and the next caller calls it anew."""
    callers = 20
    crowd = Crowd(monkeypatch, callers - 1)
    error = OfflineError("meter 7")
    calls: list[None] = []

    def fails() -> None:
        calls.append(None)
        assert crowd.is_complete.wait(60)
        raise error

    def call(_: int) -> BaseException:
        with pytest.raises(OfflineError) as caught:
            client.get_or_compute("k", fails, ttl=60)
        return caught.value

    with ThreadPoolExecutor(callers) as pool:
        assert [error] * callers == list(pool.map(call, range(callers)))
    assert [None] == calls
    assert 1 == client.get_or_compute("k", lambda: 1, ttl=60)


def test_waiting_tasks_get_the_failure_that_they_waited_for(
    server: servers.Redis, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same on an event loop; also where the value has no JSON form."""
    callers = 50
    crowd = Crowd(monkeypatch, callers - 1)
    calls: list[None] = []

    async def unwritable() -> complex:
        calls.append(None)
        assert await asyncio.to_thread(crowd.is_complete.wait, 60)
        return 1j

    async def main() -> list[Any]:
        async with AsyncRedisClient(server.host, server.port, server.password, namespace=namespace) as client:
            waiting = (client.get_or_compute("k", unwritable, ttl=60) for _ in range(callers))
            return await asyncio.gather(*waiting, return_exceptions=True)

    assert [SerializationError] * callers == [type(error) for error in asyncio.run(main())]
    assert [None] == calls


def fail_when_told(address: tuple[Any, ...], namespace: str, has_lock: Any, others_wait: Any) -> None:
    """Hold the lock until others wait, and fail; runs in a process of its own."""

    def fails() -> None:
        has_lock.set()
        assert others_wait.wait(60)
        raise OfflineError(SECRET)

    with pytest.raises(OfflineError), RedisClient(*address, namespace=namespace) as client:
        client.get_or_compute("k", fails, ttl=60)


def test_a_failure_in_another_process_is_told(
    store: Any, server: servers.Redis, namespace: str, plain: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name of what it raised, and not by its text; who comes later computes at once."""
    context = multiprocessing.get_context("spawn")
    has_lock, others_wait = context.Event(), context.Event()
    address = (server.host, server.port, server.password)
    owner = context.Process(target=fail_when_told, args=(address, namespace, has_lock, others_wait))
    owner.start()
    assert has_lock.wait(60)

    def pause(seconds: float) -> Pause:
        others_wait.set()
        return Pause(seconds)

    monkeypatch.setattr(_cache, "Pause", pause)
    with pytest.raises(ComputationFailedError, match=r"'k' .*test_cache_failures\.OfflineError") as caught:
        store.get_or_compute("k", lambda: 1, ttl=60)
    owner.join()
    assert 0 == owner.exitcode
    assert SECRET not in str(caught.value)
    marks = plain.keys(f"*{namespace}*")
    assert all(0 < plain.pttl(mark) <= 10_000 for mark in marks)
    assert not any(SECRET.encode() in (plain.get(mark) or b"") for mark in marks)
    assert 2 == store.get_or_compute("k", lambda: 2, ttl=60)


def test_a_cancelled_computation_is_no_failure(
    server: servers.Redis, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited for it computes."""
    crowd = Crowd(monkeypatch, 1)

    async def main() -> Any:
        async with AsyncRedisClient(server.host, server.port, server.password, namespace=namespace) as client:
            has_started = asyncio.Event()

            async def hangs() -> None:
                has_started.set()
                await asyncio.Event().wait()

            owner = asyncio.create_task(client.get_or_compute("k", hangs, ttl=60))
            await has_started.wait()
            other = asyncio.create_task(client.get_or_compute("k", lambda: 1, ttl=60))
            assert await asyncio.to_thread(crowd.is_complete.wait, 60)
            owner.cancel()
            return await other

    assert 1 == asyncio.run(main())


# --- The function fails where a stale value is there ---------------------------------


def fails() -> None:
    """Raise what tells a secret."""
    raise OfflineError(SECRET)


def test_a_stale_value_is_used_where_the_function_fails(store: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Until it ends; the log says so, and tells no secret."""
    store.save_in_redis_with_expiration("k", "old", 50)
    with caplog.at_level(logging.WARNING, "db_redis"):
        for _ in range(2):
            assert "old" == store.get_or_compute("k", fails, ttl=100, stale=60)
    assert [("db_redis", logging.WARNING)] * 2 == [(one.name, one.levelno) for one in caplog.records]
    told = caplog.records[0].getMessage()
    assert "computing failed" in told
    assert "'k'" not in told
    assert f"OfflineError at {__file__}" in told
    assert SECRET not in caplog.text

    assert "new" == store.get_or_compute("k", lambda: "new", ttl=100, stale=60)
    assert 100 < store.ttl("k") <= 160


def test_a_failure_comes_out_once_the_stale_value_ended(
    store: Any, plain: redis.Redis, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where it ends while the function runs; and where it is not of the type that is asked for."""
    store.save_in_redis_with_expiration("k", "old", 50)

    def outlives_it() -> None:
        assert 1 == plain.delete(f"{namespace}:k")
        fails()

    for function in (outlives_it, fails):
        with pytest.raises(OfflineError):
            store.get_or_compute("k", function, ttl=100, stale=60)
    store.save_in_redis_with_expiration("k", "old", 50)
    with pytest.raises(OfflineError):
        store.get_or_compute("k", fails, ttl=100, stale=60, type=int)
    assert [] == caplog.records


def test_an_interrupt_comes_out_beside_a_stale_value(store: Any) -> None:
    """As it asks to end, and says nothing about the value."""
    store.save_in_redis_with_expiration("k", "old", 50)

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.get_or_compute("k", interrupted, ttl=100, stale=60)
    assert "old" == store.safe_read_from_redis("k")
