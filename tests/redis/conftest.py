"""A real Redis, and a client of ours and one of redis-py's on it."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import redis

from db_redis import AsyncRedisClient, RedisClient
from tests.awaited import Awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from tools import servers

PASSWORD = "correct-horse-battery"


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until `condition` holds, at most so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return False


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide `REDIS_*` from the client under test; by the time of a test, `server` has used them."""
    for variable in [name for name in os.environ if name.upper().startswith("REDIS_")]:
        monkeypatch.delenv(variable)


@pytest.fixture(scope="session")
def server(servers: ModuleType) -> Iterator[servers.Redis]:
    """Give the Redis that all tests share; it may hold data of others."""
    with servers.redis() as server:
        yield server


@pytest.fixture(scope="session")
def guarded(servers: ModuleType) -> Iterator[servers.Redis]:
    """Give a Redis of our own that asks for `PASSWORD`."""
    with servers.redis(password=PASSWORD) as server:
        yield server


@pytest.fixture
def plain(server: servers.Redis) -> Iterator[redis.Redis]:
    """Give redis-py's client, to see what is really stored."""
    with redis.Redis(server.host, server.port, password=server.password) as plain:
        yield plain


@pytest.fixture
def namespace(plain: redis.Redis) -> Iterator[str]:
    """Give a namespace of the test's own, emptied at its end."""
    namespace = f"test-{uuid.uuid4()}"
    yield namespace
    for key in plain.scan_iter(f"{namespace}:*"):
        plain.delete(key)


@pytest.fixture
def client(server: servers.Redis, namespace: str) -> Iterator[RedisClient]:
    """Give the client under test."""
    with RedisClient(server.host, server.port, server.password, namespace=namespace) as client:
        yield client


@pytest.fixture(params=[RedisClient, AsyncRedisClient], ids=["sync", "asyncio"])
def make(
    request: pytest.FixtureRequest, server: servers.Redis, namespace: str
) -> Iterator[Callable[..., Any]]:
    """Give a function that makes either client, in the test's namespace unless told otherwise."""
    address = {"host": server.host, "port": server.port, "password": server.password}
    with asyncio.Runner() as runner, ExitStack() as at_end:

        def make(**options: Any) -> Any:
            options = (
                {"namespace": namespace} | ({} if {"host", "client"} & set(options) else address) | options
            )
            client = request.param(**options)
            if isinstance(client, RedisClient):
                return at_end.enter_context(client)
            at_end.callback(lambda: runner.run(client.aclose()))
            return Awaited(client, runner)

        yield make


@pytest.fixture
def store(make: Callable[..., Any]) -> Any:
    """Give the client under test: first the one, then the other."""
    return make()
