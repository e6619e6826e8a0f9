"""An interrupt at any moment of a call: no later call has its reply, nor a connection that is half made."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import hiredis
import pandas as pd
import pytest
import redis
from redis.connection import Connection

from db_core.errors import QueryError
from db_redis import RedisClient
from tests.redis.conftest import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools import servers

VALUES = {f"k{number}": number for number in range(5)}


class Alarm(Exception):  # noqa: N818 - as a handler of SIGALRM raises
    """What bounds a call from outside."""


@pytest.fixture(params=["own", "url", "given", "given with one connection"])
def client(request: pytest.FixtureRequest, guarded: servers.Redis, namespace: str) -> Iterator[RedisClient]:
    """Give a client that has a password and a database to say, of each kind."""
    host, port = guarded.host, guarded.port
    with contextlib.ExitStack() as at_end:
        if request.param == "own":
            client = RedisClient(host, port, PASSWORD, db=1, namespace=namespace)
        elif request.param == "url":
            client = RedisClient.from_url(f"redis://:{PASSWORD}@{host}:{port}/1", namespace=namespace)
        else:
            one = request.param != "given"
            theirs = redis.Redis(host, port, 1, PASSWORD, single_connection_client=one)
            client = RedisClient(client=at_end.enter_context(theirs), namespace=namespace)
        at_end.enter_context(client)
        client.save_many(VALUES)
        yield client
        client.delete_many(VALUES)


@pytest.fixture(autouse=True)
def _replies_come_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no reply there yet when redis-py looks whether an idle connection has one."""
    looks = Connection.can_read

    def sees_none(connection: Connection, timeout: float = 0) -> bool:
        looks(connection, timeout)
        return False

    monkeypatch.setattr(Connection, "can_read", sees_none)


def interrupt(monkeypatch: pytest.MonkeyPatch, method: str, error: BaseException) -> None:
    """Raise an error once, in place of a method of redis-py's connections."""
    whole = getattr(Connection, method)

    def interrupted(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(Connection, method, whole)
        raise error

    monkeypatch.setattr(Connection, method, interrupted)


FRAME = pd.DataFrame({"v": range(1000)})

CALLS: dict[str, Callable[[RedisClient], object]] = {
    "read": lambda client: client.safe_read_from_redis("k0"),
    "read_many": lambda client: client.read_many(["k0", "k1"]),
    "save": lambda client: client.save_in_redis("k0", 0),
    "save in a pipeline": lambda client: client.save_many({"k0": 0, "k1": 1}, 60),
    "scan": lambda client: list(client.scan()),
    "frame": lambda client: client.save_frame("frame", FRAME, piece_bytes=2000),
}


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), Alarm(), ValueError("late")], ids=["Ctrl-C", "alarm", "ValueError"]
)
@pytest.mark.parametrize("call", CALLS)
def test_no_later_call_has_the_reply_of_an_interrupted_one(
    client: RedisClient, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    """The command is sent, and its reply not read when it comes."""
    interrupt(monkeypatch, "read_response", error)

    with pytest.raises(type(error)):
        CALLS[call](client)

    assert VALUES == {key: client.safe_read_from_redis(key) for key in VALUES}


@pytest.mark.parametrize("method", ["on_connect_check_health", "read_response"])
def test_no_later_call_has_a_connection_that_is_half_made(
    client: RedisClient, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """It comes before the password is said, or before it is said which database."""
    pool = getattr(client._client, "connection_pool")  # noqa: B009 - a Cluster has none
    pool.disconnect()
    pool.reset()  # so that the next connection is one that never was connected
    interrupt(monkeypatch, method, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        client.safe_read_from_redis("k0")

    assert VALUES == {key: client.safe_read_from_redis(key) for key in VALUES}


def test_what_a_caller_handles_costs_no_connection(client: RedisClient, guarded: servers.Redis) -> None:
    """A call from within an `except` is a call like others; and so is the next of one that Redis refused."""
    with redis.Redis(guarded.host, guarded.port, password=PASSWORD) as admin:
        client.save_many(VALUES, 60)
        before = admin.info("stats")["total_connections_received"]
        try:
            {}["not in a cache of another kind"]
        except KeyError:
            client.safe_read_from_redis("k0")
            client.save_many(VALUES, 60)
        with pytest.raises(QueryError):
            client.read_frame("k0")
        client.safe_read_from_redis("k0")

        assert before == admin.info("stats")["total_connections_received"]


def test_code_without_a_module_may_handle_an_error_too(client: RedisClient) -> None:
    """As a console's, or timeit's."""
    code = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    got = client.safe_read_from_redis('k3')"
    there = {"client": client, "__builtins__": __builtins__}
    exec(code, there)

    assert 3 == there["got"]


def test_an_error_thrown_into_a_scan_comes_out_as_it_is(client: RedisClient) -> None:
    """It is no reply that could not be read."""
    keys = client.scan()
    next(keys)

    with pytest.raises(ValueError, match="mine"):
        keys.throw(ValueError("mine"))  # type: ignore[attr-defined]


def test_hiredis_makes_no_integer_text(
    guarded: servers.Redis, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it does, an interrupt ends the process; so it gets none, from connecting on."""
    packed: list[tuple[Any, ...]] = []
    whole: Any = hiredis.pack_command

    def pack(words: tuple[Any, ...]) -> bytes:
        packed.append(words)
        made: bytes = whole(words)
        return made

    def kinds() -> set[type]:
        return {type(word) for command in packed for word in command}

    monkeypatch.setattr(hiredis, "pack_command", pack)
    address = {"host": guarded.host, "port": guarded.port, "password": PASSWORD, "db": 1}
    with RedisClient(**address, namespace=namespace, default_ttl=60) as client:
        call_all(client)
        assert 7 == len(list(client.scan(count=1)))
        assert 7 == client.delete_many([*VALUES, "frame", "computed"])
    assert {b"HELLO", b"SELECT", b"SET", b"SCAN", b"EVAL", b"PEXPIRE"} <= {words[0] for words in packed}
    assert {str, bytes} == kinds()

    with redis.Redis(**address) as given:
        given.ping()  # what it says on connecting is redis-py's own
        packed.clear()
        call_all(RedisClient(client=given, namespace=namespace, default_ttl=60))
    assert {str, bytes} >= kinds()


def call_all(client: RedisClient) -> None:
    """Send each command that has a number."""
    client.save_in_redis("k0", 1)
    client.save_in_redis_with_expiration("k0", 1, 60)
    client.save_many(VALUES, 60)
    client.touch("k0")
    client.save_frame("frame", FRAME)
    client.save_frame("frame", FRAME, piece_bytes=2000)
    client.get_or_compute("computed", lambda: 1, ttl=60, stale=60)
