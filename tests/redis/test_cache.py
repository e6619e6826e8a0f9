"""Values that are computed once: by one of many threads, tasks and processes, on a real Redis."""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import redis

from db_core.errors import (
    AuthenticationError,
    ConnectionFailedError,
    InvalidArgumentError,
    OperationTimeoutError,
    QueryError,
    SerializationError,
)
from db_redis import AsyncRedisClient, RedisClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tools import servers


class Count:
    """A function that counts its calls, and gives their number."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        """Give the number of this call."""
        self.calls += 1
        return self.calls


def lock_of(namespace: str, key: str = "k") -> str:
    """Give the name of a key's lock."""
    return f"{namespace}:__db_redis__:lock:{{{namespace}:{key}}}"


# --- One value ----------------------------------------------------------------


def test_a_value_is_computed_once(store: Any, plain: redis.Redis, namespace: str) -> None:
    """Then it is read, by any reader, until it expires; nothing else is left in Redis."""
    count = Count()
    assert 1 == store.get_or_compute("k", count, ttl=100)
    assert 1 == store.get_or_compute("k", count, ttl=100)
    assert 1 == store.safe_read_from_redis("k")
    assert 90 < store.ttl("k") <= 100
    assert [f"{namespace}:k".encode()] == plain.keys(f"*{namespace}*")

    store.delete_many(["k"])
    assert 2 == store.get_or_compute("k", count, ttl=100)


def test_a_null_is_a_value(store: Any) -> None:
    """It is not computed again."""
    calls: list[None] = []
    for _ in range(2):
        assert store.get_or_compute("k", lambda: calls.append(None), ttl=60) is None
    assert [None] == calls


def test_all_callers_get_the_same(store: Any) -> None:
    """What the first one computed it gets as the others do: as JSON has it, or as a type."""

    @dataclasses.dataclass
    class Meter:
        name: str
        pair: tuple[int, int]

    for _ in range(2):
        assert {"name": "m", "pair": [1, 2]} == store.get_or_compute("k", lambda: Meter("m", (1, 2)), ttl=60)
        assert Meter("m", (1, 2)) == store.get_or_compute("t", lambda: Meter("m", (1, 2)), ttl=60, type=Meter)


def test_a_stale_value_is_computed_anew(store: Any, plain: redis.Redis, namespace: str) -> None:
    """In the last `stale` seconds of its life, by the one caller who gets the lock."""
    count = Count()
    assert 1 == store.get_or_compute("k", count, ttl=100, stale=50)
    assert 140 < store.ttl("k") <= 150
    store.touch("k", 51)
    assert 1 == store.get_or_compute("k", count, ttl=100, stale=50)
    store.touch("k", 49.9)
    assert 2 == store.get_or_compute("k", count, ttl=100, stale=50)
    assert 140 < store.ttl("k") <= 150

    store.touch("k", 49.9)
    plain.set(lock_of(namespace), "another's", px=60_000)
    assert 2 == store.get_or_compute("k", count, ttl=100, stale=50)  # and does not wait
    assert 2 == count.calls


def test_a_value_without_an_end_is_fresh(store: Any) -> None:
    """As when it was saved by hand."""
    store.save_in_redis("k", "by hand")
    assert "by hand" == store.get_or_compute("k", Count(), ttl=1, stale=1)


def test_what_the_function_raises_comes_out(store: Any, plain: redis.Redis, namespace: str) -> None:
    """Nothing is saved, and the lock is given back, also when it is an error of redis-py."""
    for error in (ZeroDivisionError("by zero"), redis.ConnectionError("its own"), KeyboardInterrupt()):

        def fails(error: BaseException = error) -> None:
            raise error

        with pytest.raises(type(error)) as caught:
            store.get_or_compute("k", fails, ttl=60, on_outage="compute")
        assert error is caught.value
        assert 0 == plain.exists(f"{namespace}:k", lock_of(namespace))


def test_a_value_without_a_json_form_is_an_error(store: Any, plain: redis.Redis, namespace: str) -> None:
    """It names key and path, and the lock is given back."""
    with pytest.raises(SerializationError, match="'k'") as caught:
        store.get_or_compute("k", lambda: [1j], ttl=60)
    assert "$[0]" == caught.value.path
    assert 0 == plain.exists(f"{namespace}:k", lock_of(namespace))


def test_a_key_of_another_kind_is_an_error(store: Any, plain: redis.Redis, namespace: str) -> None:
    """With and without `stale`."""
    plain.rpush(f"{namespace}:k", 1)
    for stale in (None, 60):
        with pytest.raises(QueryError, match="WRONGTYPE"):
            store.get_or_compute("k", Count(), ttl=60, stale=stale)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"ttl": 0}, "ttl"),
        ({"ttl": "60"}, "ttl"),
        ({"ttl": 60, "stale": 0}, "stale"),
        ({"ttl": 60, "lock_timeout": -1}, "lock_timeout"),
        ({"ttl": 60, "on_outage": "ignore"}, "on_outage"),
        ({"ttl": 60, "type": 1}, "type"),
    ],
    ids=str,
)
def test_an_unusable_argument_is_named(store: Any, options: dict[str, Any], argument: str) -> None:
    """By both ways, before anything is computed."""
    count = Count()
    client = getattr(store, "client", store)
    for call in (lambda: store.get_or_compute("k", count, **options), lambda: client.cached(**options)):
        with pytest.raises(InvalidArgumentError, match=f"`{argument}`") as caught:
            call()
        assert argument == caught.value.argument
    assert 0 == count.calls


def test_what_is_no_function_is_refused(store: Any) -> None:
    """So is an asynchronous one where nobody would await it."""

    async def waits() -> int:
        return 1

    client = getattr(store, "client", store)
    functions: list[Any] = [7, None] + ([waits] if client is store else [])
    for function in functions:
        for call in (
            lambda function=function: store.get_or_compute("k", function, ttl=60),
            lambda function=function: client.cached(ttl=60)(function),
        ):
            with pytest.raises(InvalidArgumentError, match="`function`") as caught:
                call()
            assert "function" == caught.value.argument


# --- Many callers -------------------------------------------------------------


def test_one_thread_computes_and_the_others_wait(client: RedisClient) -> None:
    """All get its value, and none computed beside it: nobody is let in before all are there."""
    callers = 200
    everybody = threading.Barrier(callers)
    is_computing, others_wait = threading.Event(), threading.Event()
    count = Count()

    def compute() -> int:
        is_computing.set()
        assert others_wait.wait(60)
        return count()

    def call(_: int) -> Any:
        everybody.wait()
        return client.get_or_compute("k", compute, ttl=60)

    with ThreadPoolExecutor(callers) as pool:
        calls = [pool.submit(call, number) for number in range(callers)]
        assert is_computing.wait(60)
        others_wait.set()
        values = [done.result() for done in calls]

    assert [1] * callers == values
    assert 1 == count.calls


def test_one_task_computes_and_the_others_wait(server: servers.Redis, namespace: str) -> None:
    """The same on one event loop, with an asynchronous function."""
    started: list[int] = []

    async def main() -> list[Any]:
        async with AsyncRedisClient(server.host, server.port, server.password, namespace=namespace) as client:
            go, has_started = asyncio.Event(), asyncio.Event()

            async def compute() -> int:
                started.append(1)
                has_started.set()
                await go.wait()
                return 7

            tasks = [asyncio.create_task(client.get_or_compute("k", compute, ttl=60)) for _ in range(300)]
            await has_started.wait()
            for _ in range(50):
                await client.ttl("k")  # the others have their turns
            go.set()
            return await asyncio.gather(*tasks)

    assert [7] * 300 == asyncio.run(main())
    assert [1] == started


def test_a_cancelled_computation_gives_the_lock_back(
    server: servers.Redis, namespace: str, plain: redis.Redis
) -> None:
    """So the next caller need not wait for its end."""

    async def main() -> Any:
        async with AsyncRedisClient(server.host, server.port, server.password, namespace=namespace) as client:
            started = asyncio.Event()

            async def hangs() -> None:
                started.set()
                await asyncio.Event().wait()

            task = asyncio.create_task(client.get_or_compute("k", hangs, ttl=60, lock_timeout=600))
            await started.wait()
            assert 1 == plain.exists(lock_of(namespace))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert 0 == plain.exists(lock_of(namespace))
            return await client.get_or_compute("k", lambda: "next", ttl=60)

    assert "next" == asyncio.run(main())


@pytest.mark.parametrize("error", [asyncio.CancelledError(), redis.TimeoutError("lost")], ids=repr)
@pytest.mark.parametrize("command", ["SET", "GET"])
def test_a_lock_whose_answer_is_lost_is_given_back(
    make: Callable[..., Any], plain: redis.Redis, command: str, error: BaseException
) -> None:
    """As when the caller is cancelled, or times out, while Redis takes the lock or looks once more."""
    store = make()
    client = getattr(store, "client", store)
    ours = client._client.execute_command
    lock = client._options.keys.lock(client._options.keys.name("k"))

    def loses(*args: Any, **options: Any) -> Any:
        if args[0] == "SET":
            plain.set(lock, args[2], px=600_000)
        if args[0] == command and plain.exists(lock):
            raise error
        return ours(*args, **options)

    client._client.execute_command = loses
    with pytest.raises((asyncio.CancelledError, OperationTimeoutError)):
        store.get_or_compute("k", Count(), ttl=60)
    assert 0 == plain.exists(lock)


def test_who_asks_for_the_lock_twice_has_it(make: Callable[..., Any], plain: redis.Redis) -> None:
    """As redis-py asks again where an answer is lost, and Redis then refuses: the lock is there, and ours."""
    store = make()
    client = getattr(store, "client", store)
    ours = client._client.execute_command

    def asks_twice(*args: Any, **options: Any) -> Any:
        if args[0] == "SET" and "NX" in args:
            plain.set(args[1], args[2], nx=True, px=int(args[-1]))  # carried out; nobody hears of it
        return ours(*args, **options)

    client._client.execute_command = asks_twice
    assert 1 == store.get_or_compute("k", Count(), ttl=60, lock_timeout=600)
    assert 0 == plain.exists(client._options.keys.lock(client._options.keys.name("k")))


def test_a_task_cancelled_twice_gives_the_lock_back(
    server: servers.Redis, namespace: str, plain: redis.Redis
) -> None:
    """The second time while it does."""

    async def main() -> None:
        async with AsyncRedisClient(server.host, server.port, server.password, namespace=namespace) as client:
            has_started, releases = asyncio.Event(), asyncio.Event()
            ours = client._client.execute_command

            async def slow(*args: Any, **options: Any) -> Any:
                if args[0] == "EVAL":
                    releases.set()
                    await asyncio.sleep(0.05)
                return await ours(*args, **options)

            async def hangs() -> None:
                has_started.set()
                await asyncio.Event().wait()

            client._client.execute_command = slow  # type: ignore[method-assign]
            task = asyncio.create_task(client.get_or_compute("k", hangs, ttl=60, lock_timeout=600))
            await has_started.wait()
            task.cancel()
            await releases.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert 0 == plain.exists(lock_of(namespace))


def test_a_user_who_may_not_give_the_lock_back_has_the_value(
    server: servers.Redis, plain: redis.Redis, namespace: str
) -> None:
    """The lock expires by itself; what the function raises comes out too."""
    plain.execute_command("ACL", "SETUSER", namespace, "on", "nopass", "~*", "+@all", "-eval")
    try:
        client = redis.Redis(server.host, server.port, username=namespace, password="any")
        with RedisClient(client=client, namespace=namespace) as store:
            assert 1 == store.get_or_compute("k", Count(), ttl=60)
            with pytest.raises(ZeroDivisionError):
                store.get_or_compute("z", lambda: 1 / 0, ttl=60)
        client.close()
    finally:
        plain.execute_command("ACL", "DELUSER", namespace)


def compute_until_killed(address: tuple[Any, ...], namespace: str, has_lock: Any) -> None:
    """Hold the lock for ever; runs in a process of its own."""

    def hangs() -> None:
        has_lock.set()
        signal.pause()

    RedisClient(*address, namespace=namespace).get_or_compute("k", hangs, ttl=60, lock_timeout=1)


def test_a_lock_does_not_outlive_its_owner_for_long(
    store: Any, server: servers.Redis, namespace: str
) -> None:
    """The process that computes is killed; after `lock_timeout` another caller computes."""
    context = multiprocessing.get_context("spawn")
    has_lock = context.Event()
    address = (server.host, server.port, server.password)
    owner = context.Process(target=compute_until_killed, args=(address, namespace, has_lock))
    owner.start()
    assert has_lock.wait(60)
    assert owner.pid
    os.kill(owner.pid, signal.SIGKILL)
    owner.join()

    assert "next" == store.get_or_compute("k", lambda: "next", ttl=60)


def test_a_lock_that_was_lost_is_not_taken_from_its_new_owner(
    store: Any, plain: redis.Redis, namespace: str
) -> None:
    """Who computes for longer than `lock_timeout` leaves the next one's lock alone."""

    def loses_it() -> int:
        plain.set(lock_of(namespace), "another's")
        return 1

    assert 1 == store.get_or_compute("k", loses_it, ttl=60)
    assert b"another's" == plain.get(lock_of(namespace))
    plain.delete(lock_of(namespace))


def test_who_gets_the_lock_late_does_not_compute_again(make: Callable[..., Any], plain: redis.Redis) -> None:
    """Between its look and its lock the value may have come."""
    store = make()
    client = getattr(store, "client", store)
    ours = client._client.execute_command
    count = Count()

    def saves_before_the_lock(*args: Any, **options: Any) -> Any:
        if args[0] == "SET" and "NX" in args:
            plain.set(client._options.keys.name("k"), b'"by another"', px=60_000)
        return ours(*args, **options)

    client._client.execute_command = saves_before_the_lock
    assert "by another" == store.get_or_compute("k", count, ttl=60)
    assert 0 == count.calls
    assert 0 == plain.exists(client._options.keys.lock(client._options.keys.name("k")))


# --- Outages ------------------------------------------------------------------


def test_an_outage_is_an_error_or_no_cache(servers: ModuleType, make: Callable[..., Any]) -> None:
    """By choice; also where Redis dies while the value is computed."""
    with servers.redis(own=True) as mortal:
        store = make(host=mortal.host, port=mortal.port, password=None)
        count = Count()

        def killing() -> int:
            mortal.kill()
            return count()

        assert 1 == store.get_or_compute("k", killing, ttl=60, lock_timeout=1, on_outage="compute")
        assert 2 == store.get_or_compute("k", count, ttl=60, stale=60, on_outage="compute")
        with pytest.raises(ConnectionFailedError, match="'k'"):
            store.get_or_compute("k", count, ttl=60)
        assert 2 == count.calls
        mortal.restart()
        with pytest.raises(ConnectionFailedError):
            store.get_or_compute("k", killing, ttl=60, lock_timeout=1)
        mortal.restart()

        assert 4 == store.get_or_compute("k", count, ttl=60, on_outage="compute")
        assert 4 == store.get_or_compute("k", count, ttl=60, on_outage="compute")


def test_a_refused_password_is_no_outage(make: Callable[..., Any], guarded: servers.Redis) -> None:
    """It would never end."""
    store = make(host=guarded.host, port=guarded.port, password="wrong")
    with pytest.raises(AuthenticationError):
        store.get_or_compute("k", Count(), ttl=60, on_outage="compute")
