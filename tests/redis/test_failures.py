"""What comes of a Redis that refuses, is gone or hangs: one of our errors, which shows no secret."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import ssl
import traceback
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import redis

from db_core.errors import AuthenticationError, ConnectionFailedError, OperationTimeoutError, QueryError
from db_redis import RedisClient
from tests.peer import read_nothing, read_some, silence

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.peer import Peer
    from tools import servers


# --- When Redis refuses, or is not there ----------------------------------------


def test_a_wrong_password_is_an_authentication_error(guarded: servers.Redis) -> None:
    """So is none at all; never None, never the default."""
    for password in ("hunter2", None):
        with RedisClient(guarded.host, guarded.port, password) as client:
            with pytest.raises(AuthenticationError, match="'k'"):
                client.safe_read_from_redis("k", default="hidden")
            with pytest.raises(AuthenticationError, match="'k'"):
                client.save_in_redis("k", 1)


def test_a_user_without_the_permission_is_an_authentication_error(guarded: servers.Redis) -> None:
    """A user who may only read, and some keys only, is told so when doing more."""
    with redis.Redis(guarded.host, guarded.port, password=guarded.password) as admin:
        admin.acl_setuser(
            "reader", enabled=True, passwords=["+hunter2"], keys=["open:*"], commands=["+get"], reset=True
        )
        admin.set("open:k", 1)
    with RedisClient(guarded.host, guarded.port, "hunter2", username="reader") as client:
        assert 1 == client.safe_read_from_redis("open:k")
        with pytest.raises(AuthenticationError, match="NOPERM"):
            client.save_in_redis("open:k", 2)
        with pytest.raises(AuthenticationError, match="NOPERM"):
            client.safe_read_from_redis("closed:k", default="hidden")


def test_a_full_server_is_a_query_error(guarded: servers.Redis) -> None:
    """What Redis refuses to store is an error with its own words and code."""
    with (
        redis.Redis(guarded.host, guarded.port, password=guarded.password) as admin,
        RedisClient(guarded.host, guarded.port, guarded.password) as client,
    ):
        admin.config_set("maxmemory", 1)
        try:
            with pytest.raises(QueryError, match="OOM command not allowed") as caught:
                client.save_in_redis("k", 1)
        finally:
            admin.config_set("maxmemory", 0)
    assert "OOM" == caught.value.code


def test_a_replica_that_may_not_write_is_a_query_error(servers: ModuleType) -> None:
    """A read-only replica says so."""
    with servers.redis(own=True) as replica, redis.Redis(replica.host, replica.port) as admin:
        admin.replicaof("127.0.0.1", 1)
        with (
            RedisClient(replica.host, replica.port) as client,
            pytest.raises(QueryError, match="READONLY") as caught,
        ):
            client.save_in_redis("k", 1)
    assert "READONLY" == caught.value.code


def test_a_database_that_does_not_exist_is_a_query_error(server: servers.Redis) -> None:
    """Redis has 16 of them, unless told otherwise."""
    client = RedisClient(server.host, server.port, server.password, db=1_000_000)

    with client, pytest.raises(QueryError, match="DB index is out of range") as caught:
        client.safe_read_from_redis("k")

    assert "ERR" == caught.value.code


def test_a_killed_server_is_a_connection_error_until_it_is_back(servers: ModuleType) -> None:
    """Neither call returns anything while it is down; after a restart the same client works on."""
    with servers.redis(own=True) as mortal, RedisClient(mortal.host, mortal.port) as client:
        client.save_in_redis("k", 1)
        mortal.kill()
        with pytest.raises(ConnectionFailedError, match="'k'") as caught:
            client.safe_read_from_redis("k", default="hidden")
        with pytest.raises(ConnectionFailedError, match="'k'"):
            client.save_in_redis("k", 2)
        mortal.restart()

        assert isinstance(caught.value.__cause__, redis.ConnectionError)
        assert 1 == client.safe_read_from_redis("k")


def test_an_unknown_host_is_a_connection_error() -> None:
    """The message tells which host."""
    client = RedisClient("no-such-host.invalid")

    with client, pytest.raises(ConnectionFailedError, match=r"no-such-host\.invalid"):
        client.safe_read_from_redis("k")


def test_a_server_that_hangs_is_a_timeout(servers: ModuleType) -> None:
    """It is given `socket_timeout`; later calls get their own answers, not the late one."""
    with (
        servers.redis(own=True) as paused,
        RedisClient(paused.host, paused.port, socket_timeout=1) as client,
    ):
        client.save_in_redis("a", 1)
        client.save_in_redis("b", 2)
        os.kill(paused.pid, signal.SIGSTOP)
        try:
            with pytest.raises(OperationTimeoutError, match="'a'"):
                # It stops in its own time, and may answer until then.
                [client.safe_read_from_redis("a", default="hidden") for _ in range(1_000)]
        finally:
            os.kill(paused.pid, signal.SIGCONT)

        assert 2 == client.safe_read_from_redis("b")


def test_the_timeouts_reach_redis_py() -> None:
    """Both have a default, as a call without one could hang for ever."""
    options = RedisClient(socket_connect_timeout=1.5)._client.get_connection_kwargs()

    assert (5.0, 1.5) == (options["socket_timeout"], options["socket_connect_timeout"])


def test_a_peer_that_never_answers_is_a_timeout(peer: Callable[..., Peer]) -> None:
    """It is given `socket_timeout` once, not eleven times as by redis-py."""
    server = peer(silence, read=read_some)
    with (
        RedisClient("127.0.0.1", server.port, socket_timeout=0.2) as client,
        pytest.raises(OperationTimeoutError),
    ):
        client.save_in_redis("k", 1)
    assert 1 == server.connections


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$1000\r\nonly this", b"SSH-2.0-OpenSSH_9.2\r\n", b"\0\0\0"],
    ids=repr,
)
def test_a_peer_that_is_no_redis_is_a_connection_error(peer: Callable[..., Peer], answer: bytes) -> None:
    """Garbage, a cut answer and a closed door are all errors."""
    with (
        RedisClient("127.0.0.1", peer(answer, read=read_some).port, socket_timeout=1) as client,
        pytest.raises(ConnectionFailedError),
    ):
        client.safe_read_from_redis("k", default="hidden")


def test_no_tls_where_tls_was_asked_for_is_a_connection_error(server: servers.Redis) -> None:
    """It never falls back to plain text."""
    client = RedisClient(server.host, server.port, ssl=True, socket_timeout=1)

    with client, pytest.raises((ConnectionFailedError, OperationTimeoutError)):
        client.save_in_redis("k", 1)


def test_a_save_that_is_not_confirmed_is_an_error(plain: redis.Redis, namespace: str) -> None:
    """Only OK counts; here a given client makes something else of it."""
    plain.set_response_callback("SET", lambda _reply: None)

    with pytest.raises(QueryError, match="'k'"):
        RedisClient(client=plain, namespace=namespace).save_in_redis("k", 1)


# --- Secrets --------------------------------------------------------------------


def test_secrets_show_nowhere(guarded: servers.Redis, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the repr, in no log at any level, and in no error or its causes."""
    caplog.set_level(logging.DEBUG)
    client = RedisClient(guarded.host, guarded.port, "hunter2-wrong", username="hunter2-user", namespace="n")

    with client, pytest.raises(AuthenticationError) as caught:
        client.safe_read_from_redis("k")

    expected = f"RedisClient(host='{guarded.host}', port={guarded.port}, db=0, namespace='n')"
    assert expected == repr(client) == str(client)
    text = traceback.TracebackException.from_exception(caught.value, capture_locals=False)
    assert "hunter2" not in "".join(line for line in text.format() if "RedisClient(" not in line)
    assert "hunter2" not in caplog.text


def test_a_server_that_quotes_the_password_is_not_repeated(peer: Callable[..., Peer]) -> None:
    """Before Redis 6 the answer to an unknown HELLO held its arguments: here the words of a 5.0."""
    echo = b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `hunter2`, \r\n"

    with (
        RedisClient("127.0.0.1", peer(echo, read=read_some).port, "hunter2") as client,
        pytest.raises(QueryError, match="HELLO") as caught,
    ):
        client.safe_read_from_redis("k")

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.__cause__)


@pytest.mark.usefixtures("at_once")
def test_an_error_that_the_caller_handles_changes_no_retry_and_is_not_changed(
    peer: Callable[..., Peer],
) -> None:
    """It is the context of every error in the call, and none of its reasons."""
    server = peer(b"", read=read_nothing)
    handled = ssl.SSLCertVerificationError("of another server, while reading")
    try:
        raise handled
    except OSError:
        with (
            RedisClient("127.0.0.1", server.port, "reading") as client,
            pytest.raises(ConnectionFailedError),
        ):
            client.safe_read_from_redis("k")
    assert 4 == server.connections
    assert ("of another server, while reading",) == handled.args


FAILING: dict[str, Callable[[RedisClient], object]] = {
    "save": lambda client: client.save_in_redis("k", "x" * 100_000),
    "save in a pipeline": lambda client: client.save_many({"k": "x" * 100_000}, 60),
    "frame": lambda client: client.save_frame("k", pd.DataFrame({"v": range(100_000)})),
    "frame in pieces": lambda client: client.save_frame(
        "k", pd.DataFrame({"v": range(100_000)}), piece_bytes=10_000
    ),
}


@pytest.mark.parametrize("call", FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("server", ["full", "dead"])
def test_an_error_that_is_gone_keeps_nothing_of_its_call(
    servers: ModuleType, call: Callable[[RedisClient], object], server: str
) -> None:
    """Not even until garbage is collected: what was to be saved may be large."""
    with contextlib.ExitStack() as at_end:
        port = 9
        if server == "full":
            port = at_end.enter_context(servers.redis(options=["--maxmemory", "100kb"])).port
        client = at_end.enter_context(RedisClient("127.0.0.1", port))

        def fail() -> None:
            with contextlib.suppress(QueryError, ConnectionFailedError):
                call(client)
                pytest.fail("it was saved")

        fail()
        gc.collect()
        gc.disable()
        at_end.callback(gc.enable)
        fail()
        assert 0 == gc.collect()
