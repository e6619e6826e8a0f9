"""`RedisClient` against a real Redis; against a misbehaving peer only for what no Redis does."""

from __future__ import annotations

import contextlib
import copy
import gc
import json
import logging
import math
import os
import pickle
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from db_core.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    InvalidArgumentError,
    OperationTimeoutError,
    QueryError,
    SerializationError,
)
from db_redis import RedisClient
from db_redis._expiry import milliseconds as _milliseconds
from tools import servers

if TYPE_CHECKING:
    from collections.abc import Callable

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    LEAVES, lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts), max_leaves=20
)

without_deadline = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until `condition` holds, at most so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.005)
    return False


# --- Saving and reading -------------------------------------------------------


@without_deadline
@given(value=VALUES)
def test_what_is_saved_is_json_and_is_read_back(
    client: RedisClient, plain: redis.Redis, namespace: str, value: object
) -> None:
    """The standard library finds the value in the stored bytes, and so does the client."""
    client.save_in_redis("k", value)

    expected = json.dumps(value, sort_keys=True)
    assert expected == json.dumps(json.loads(plain.get(f"{namespace}:k") or b""), sort_keys=True)
    assert expected == json.dumps(client.safe_read_from_redis("k"), sort_keys=True)


@without_deadline
@given(value=VALUES)
def test_what_others_saved_as_json_is_read(
    client: RedisClient, plain: redis.Redis, namespace: str, value: object
) -> None:
    """Values written without this client, by json of the standard library, are read the same."""
    plain.set(f"{namespace}:k", json.dumps(value))

    assert json.dumps(value, sort_keys=True) == json.dumps(client.safe_read_from_redis("k"), sort_keys=True)


def test_a_missing_key_is_none_or_the_default(client: RedisClient) -> None:
    """Only a key that does not exist gives `default`."""
    assert client.safe_read_from_redis("nothing") is None
    assert 0.0 == client.safe_read_from_redis("nothing", default=0.0)


def test_a_stored_null_is_none_whatever_the_default(client: RedisClient) -> None:
    """So `default` tells a missing key from a null."""
    client.save_in_redis("k", None)

    assert client.safe_read_from_redis("k", default="missing") is None


def test_a_value_that_cannot_be_stored_changes_nothing(client: RedisClient) -> None:
    """The error leads to the part at fault, and what was there stays."""
    client.save_in_redis("k", "before")

    value = {"meters": [{"power": 2**64}]}
    with pytest.raises(SerializationError) as caught:
        client.save_in_redis("k", value)
    assert "$.meters[0].power" == caught.value.path
    with pytest.raises(SerializationError):
        client.save_in_redis_with_expiration("k", value, 60)

    assert "before" == client.safe_read_from_redis("k")


@pytest.mark.parametrize(
    "stored", [b"", b"hunter2", b"\x80\x04\x95hunter2", b'{"hunter2": NaN}', b"[18446744073709551616]"]
)
def test_a_stored_value_that_is_not_json_is_an_error(
    client: RedisClient, plain: redis.Redis, namespace: str, stored: bytes
) -> None:
    """The error names the key, quotes nothing, and `default` does not hide it."""
    plain.set(f"{namespace}:k", stored)

    with pytest.raises(SerializationError, match="'k'") as caught:
        client.safe_read_from_redis("k", default="hidden")

    assert "hunter2" not in "".join(traceback.format_exception(caught.value)).replace(repr(stored), "")


def test_a_key_of_another_kind_is_an_error(client: RedisClient, plain: redis.Redis, namespace: str) -> None:
    """Reading a Redis list gives the server's own words and code."""
    plain.rpush(f"{namespace}:list", 1)

    with pytest.raises(
        QueryError, match=r"'list'.*WRONGTYPE Operation against a key holding the wrong kind"
    ) as caught:
        client.safe_read_from_redis("list", default="hidden")

    assert "WRONGTYPE" == caught.value.code


# --- Expiration ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("expiration", "milliseconds"),
    [
        (60, 60_000),
        (1, 1_000),
        (60.0, 60_000),
        (90.5, 90_500),
        (1000.001, 1_000_001),
        (timedelta(minutes=2), 120_000),
        (timedelta(days=30, milliseconds=1), 2_592_000_001),
        (9e15, 9_000_000_000_000_000_000),
    ],
)
def test_the_key_lives_as_long_as_asked(
    client: RedisClient, plain: redis.Redis, namespace: str, expiration: float | timedelta, milliseconds: int
) -> None:
    """Redis counts down from the very milliseconds; ten seconds are left for a slow machine."""
    client.save_in_redis_with_expiration("k", [1], expiration)

    left = plain.pttl(f"{namespace}:k")
    assert milliseconds - 10_000 < left <= milliseconds
    assert [1] == client.safe_read_from_redis("k")


@without_deadline
@given(st.integers(1, 10**12))
@example(1001)  # 1.001 * 1000 falls short of 1001
def test_an_expiration_keeps_its_milliseconds(milliseconds: int) -> None:
    """Neither a float nor a timedelta loses one."""
    assert milliseconds == _milliseconds(milliseconds / 1000)
    assert milliseconds == _milliseconds(timedelta(milliseconds=milliseconds))


def test_an_expired_key_is_missing(client: RedisClient, plain: redis.Redis, namespace: str) -> None:
    """After its time the key is gone, for this client and for any."""
    client.save_in_redis_with_expiration("k", 1, 0.05)

    assert within(10, lambda: client.safe_read_from_redis("k", default="gone") == "gone")
    assert not plain.exists(f"{namespace}:k")


def test_saving_again_sets_the_expiration_anew(
    client: RedisClient, plain: redis.Redis, namespace: str
) -> None:
    """The last save decides, be it with an expiration or without."""
    client.save_in_redis_with_expiration("k", 1, 10)
    client.save_in_redis_with_expiration("k", 2, 1000)
    assert 900_000 < plain.pttl(f"{namespace}:k")

    client.save_in_redis("k", 3)
    assert plain.pttl(f"{namespace}:k") == -1  # Redis: exists, never expires


@pytest.mark.parametrize(
    "expiration",
    [
        0,
        -1,
        0.0009,
        -0.5,
        math.nan,
        math.inf,
        -math.inf,
        10**16,
        10**5000,
        1e300,
        timedelta(0),
        timedelta(seconds=-1),
        timedelta(microseconds=999),
        True,
        "60",
        None,
        1j,
    ],
    ids=lambda expiration: (
        f"{type(expiration).__name__}-{str(expiration)[:8] if not isinstance(expiration, int) else ''}"
    ),
)
def test_an_expiration_out_of_range_is_refused(client: RedisClient, expiration: Any) -> None:
    """Nothing is sent, and the argument is named."""
    with pytest.raises(InvalidArgumentError, match="expiration_in_seconds") as caught:
        client.save_in_redis_with_expiration("k", 1, expiration)

    assert "expiration_in_seconds" == caught.value.argument
    assert "missing" == client.safe_read_from_redis("k", default="missing")


# --- Keys and namespaces ------------------------------------------------------

HOSTILE_KEYS = [
    "größe/電力",
    "two words",
    "line\r\nSET other 1\r\n",
    "quote'\"`\\",
    "nul\0byte",
    "${HOME} %s {0} *?[a]",
    "{slot}",
    ":",
    "x" * 10_000,
]


@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=lambda key: repr(key[:12]))
def test_a_key_is_taken_literally(client: RedisClient, plain: redis.Redis, namespace: str, key: str) -> None:
    """Whatever the text, Redis holds that key and no other; as bytes it is the same key."""
    client.save_in_redis(key, key)

    assert [f"{namespace}:{key}".encode()] == plain.keys(f"{namespace}:*")
    assert key == client.safe_read_from_redis(key)
    assert key == client.safe_read_from_redis(key.encode())


def test_a_key_may_be_any_bytes(client: RedisClient, plain: redis.Redis, namespace: str) -> None:
    """Bytes that are no text are a key like any."""
    client.save_in_redis_with_expiration(b"\xff\x00\n", 1, 60)

    assert b"1" == plain.get(namespace.encode() + b":\xff\x00\n")
    assert 1 == client.safe_read_from_redis(b"\xff\x00\n")


@pytest.mark.parametrize("key", ["", b"", None, 1, 1.5, ("a",), bytearray(b"a"), "lone \ud800"], ids=ascii)
def test_an_unusable_key_is_refused(client: RedisClient, key: Any) -> None:
    """In every method, before anything is sent."""
    for call in (
        lambda: client.save_in_redis(key, 1),
        lambda: client.save_in_redis_with_expiration(key, 1, 60),
        lambda: client.safe_read_from_redis(key, default=1),
    ):
        with pytest.raises(InvalidArgumentError, match="`key`") as caught:
            call()
        assert "key" == caught.value.argument


def test_namespaces_do_not_see_each_other(server: servers.Redis, plain: redis.Redis, namespace: str) -> None:
    """The same key in two namespaces is two keys; without a namespace the key is as given."""
    address = (server.host, server.port, server.password)
    with (
        RedisClient(*address, namespace=f"{namespace}:a") as first,
        RedisClient(*address, namespace=f"{namespace}:ä") as second,
        RedisClient(*address) as bare,
    ):
        first.save_in_redis("k", 1)
        second.save_in_redis_with_expiration("k", 2, 60)

        assert (1, 2) == (first.safe_read_from_redis("k"), second.safe_read_from_redis("k"))
        assert 1 == bare.safe_read_from_redis(f"{namespace}:a:k")
    assert b"2" == plain.get(f"{namespace}:ä:k")


@pytest.mark.parametrize("namespace", ["", b"bytes", 1, "lone \ud800"], ids=ascii)
def test_an_unusable_namespace_is_refused(namespace: Any) -> None:
    """It must be text, and not empty."""
    with pytest.raises(ConfigurationError, match="`namespace`"):
        RedisClient(namespace=namespace)


# --- Settings -----------------------------------------------------------------


def test_settings_come_from_the_environment(guarded: servers.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arguments, `REDIS_*` say where Redis is, at the time the client is made."""
    monkeypatch.setenv("REDIS_HOST", guarded.host)
    monkeypatch.setenv("REDIS_PORT", str(guarded.port))
    monkeypatch.setenv("REDIS_PASSWORD", guarded.password or "")
    monkeypatch.setenv("REDIS_DB", "3")
    client = RedisClient()
    monkeypatch.setenv("REDIS_PORT", "1")

    with client:
        client.save_in_redis("k", "three")
    with redis.Redis(guarded.host, guarded.port, 3, guarded.password) as plain:
        assert b'"three"' == plain.get("k")


def test_an_argument_wins_over_the_environment(
    server: servers.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given is used, whatever the variables say."""
    for variable in ("HOST", "PASSWORD", "USERNAME"):
        monkeypatch.setenv(f"REDIS_{variable}", "wrong.invalid")
    monkeypatch.setenv("REDIS_PORT", "not a port")

    with RedisClient(server.host, server.port, server.password or "", username="default") as client:
        assert client.safe_read_from_redis("no such key") is None


def test_without_any_setting_it_is_the_usual_place() -> None:
    """localhost, 6379, database 0."""
    assert "RedisClient(host='localhost', port=6379, db=0, namespace=None)" == repr(RedisClient())


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"port": "hunter2"}, "port"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": True}, "port"),
        ({"db": True}, "db"),
        ({"socket_timeout": True}, "socket_timeout"),
        ({"host": ""}, "host"),
        ({"host": "redis://:hunter2@localhost:6379"}, "host"),
        ({"host": "user:hunter2@localhost"}, "host"),
        ({"host": "a" * 64}, "host"),
        ({"host": 1}, "host"),
        ({"password": 1}, "password"),
        ({"db": -1}, "db"),
        ({"ssl": "hunter2"}, "ssl"),
        ({"username": 1}, "username"),
        ({"socket_timeout": 0}, "socket_timeout"),
        ({"socket_timeout": math.inf}, "socket_timeout"),
        ({"socket_connect_timeout": -1}, "socket_connect_timeout"),
    ],
    ids=str,
)
def test_a_malformed_setting_is_named_with_its_variable(arguments: dict[str, Any], name: str) -> None:
    """And its value is not quoted, as it may be a secret in the wrong place."""
    with pytest.raises(
        ConfigurationError, match=rf"`{name}` \(or REDIS_{name.upper()}\) is malformed"
    ) as caught:
        RedisClient(**arguments)

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.__cause__)


def test_a_malformed_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Container platforms set REDIS_PORT to a URL when a service is named redis."""
    monkeypatch.setenv("REDIS_PORT", "tcp://10.0.0.1:6379")

    with pytest.raises(ConfigurationError, match="REDIS_PORT"):
        RedisClient()


# --- Given clients ------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"decode_responses": True}, {"decode_responses": True, "encoding": "latin-1"}], ids=str
)
@pytest.mark.parametrize("protocol", [2, 3])
def test_a_given_client_is_used_as_it_is(
    server: servers.Redis, namespace: str, protocol: int, options: dict[str, Any]
) -> None:
    """Whether it decodes answers or not, values and keys are the same."""
    with redis.Redis(
        server.host, server.port, password=server.password, protocol=protocol, **options
    ) as given_client:
        client = RedisClient(client=given_client, namespace=namespace)
        client.save_in_redis("größe", {"é": "電力"})
        client.save_in_redis_with_expiration(b"\xff", None, 60)

        assert {"é": "電力"} == client.safe_read_from_redis("größe")
        assert client.safe_read_from_redis(b"\xff", default=1) is None
        assert 1 == client.safe_read_from_redis("missing", default=1)


def test_a_url_may_ask_for_decoded_answers(server: servers.Redis, namespace: str) -> None:
    """The option is redis-py's; values are the same."""
    url = f"redis://:{server.password}@{server.host}:{server.port}?decode_responses=True&encoding=latin-1"
    with RedisClient.from_url(url, namespace=namespace) as client:
        client.save_in_redis("größe", {"é": "電力"})

        assert {"é": "電力"} == client.safe_read_from_redis("größe")
        assert {"größe": {"é": "電力"}} == client.read_many(["größe"])
        assert ["größe"] == list(client.scan())


def test_a_given_client_that_decodes_meets_bytes_that_are_no_text(
    server: servers.Redis, plain: redis.Redis, namespace: str
) -> None:
    """It is the same error as with any other value that is not JSON, and the connection lives on."""
    plain.set(f"{namespace}:k", b"\xff")
    plain.set(f"{namespace}:next", b"1")
    with redis.Redis(
        server.host, server.port, password=server.password, decode_responses=True
    ) as given_client:
        client = RedisClient(client=given_client, namespace=namespace)

        with pytest.raises(SerializationError, match="'k'"):
            client.safe_read_from_redis("k")
        assert 1 == client.safe_read_from_redis("next")


def test_a_given_client_stays_open(plain: redis.Redis, namespace: str) -> None:
    """Its owner closes it; until then it keeps the connection it has."""
    before = plain.client_id()

    with RedisClient(client=plain, namespace=namespace) as client:
        client.save_in_redis("k", 1)

    assert before == plain.client_id()


def test_a_given_client_excludes_connection_arguments(
    plain: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that are too much are named; the environment does not count."""
    with pytest.raises(ConfigurationError, match=r"`client`.*`host`, `password`, `db`"):
        RedisClient("localhost", password="hunter2", db=0, client=plain)

    monkeypatch.setenv("REDIS_HOST", "wrong.invalid")
    monkeypatch.setenv("REDIS_PORT", "not a port")
    assert "RedisClient(client=<Redis>, namespace='n')" == repr(RedisClient(client=plain, namespace="n"))


def test_what_only_looks_like_a_client_is_refused(plain: redis.Redis) -> None:
    """A pipeline only queues, an asyncio client only promises: neither would have saved."""
    sentinel = redis.Sentinel([])  # type: ignore[no-untyped-call]
    for unusable in (plain.pipeline(), redis.asyncio.Redis(), sentinel, "localhost", 6379):
        with pytest.raises(ConfigurationError, match="`client` must be"):
            RedisClient(client=unusable)  # type: ignore[arg-type]


# --- When Redis refuses, or is not there --------------------------------------


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


def test_a_replica_that_may_not_write_is_a_query_error() -> None:
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


def test_a_killed_server_is_a_connection_error_until_it_is_back() -> None:
    """Neither call returns anything while it is down; after a restart the same client works on."""
    with servers.redis(own=True) as mortal, RedisClient(mortal.host, mortal.port) as client:
        client.save_in_redis("k", 1)
        mortal.kill()
        began = time.monotonic()
        with pytest.raises(ConnectionFailedError, match="'k'") as caught:
            client.safe_read_from_redis("k", default="hidden")
        with pytest.raises(ConnectionFailedError, match="'k'"):
            client.save_in_redis("k", 2)
        took = time.monotonic() - began
        mortal.restart()

        assert took < 10
        assert isinstance(caught.value.__cause__, redis.ConnectionError)
        assert 1 == client.safe_read_from_redis("k")


def test_an_unknown_host_is_a_connection_error() -> None:
    """The message tells which host."""
    client = RedisClient("no-such-host.invalid")

    with client, pytest.raises(ConnectionFailedError, match=r"no-such-host\.invalid"):
        client.safe_read_from_redis("k")


def test_a_server_that_hangs_is_a_timeout() -> None:
    """It is given `socket_timeout`, once; later calls get their own answers, not the late one."""
    with (
        servers.redis(own=True) as paused,
        redis.Redis(paused.host, paused.port) as admin,
        RedisClient(paused.host, paused.port, socket_timeout=0.3) as client,
    ):
        client.save_in_redis("a", 1)
        client.save_in_redis("b", 2)
        admin.client_pause(1000)
        began = time.monotonic()
        with pytest.raises(OperationTimeoutError, match="'a'"):
            client.safe_read_from_redis("a", default="hidden")
        took = time.monotonic() - began
        admin.ping()  # is answered when the pause is over

        assert 0.3 <= took < 1
        assert 2 == client.safe_read_from_redis("b")


def test_the_timeouts_reach_redis_py() -> None:
    """Both have a default, as a call without one could hang for ever."""
    options = RedisClient(socket_connect_timeout=1.5)._client.get_connection_kwargs()

    assert (5.0, 1.5) == (options["socket_timeout"], options["socket_connect_timeout"])


def test_a_peer_that_never_answers_is_a_timeout(peer: Callable[[bytes | None], int]) -> None:
    """It is given `socket_timeout`, not redis-py's eleven times that."""
    with RedisClient("127.0.0.1", peer(None), socket_timeout=0.2) as client:
        began = time.monotonic()
        with pytest.raises(OperationTimeoutError):
            client.save_in_redis("k", 1)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$1000\r\nonly this", b"SSH-2.0-OpenSSH_9.2\r\n", b"\0\0\0"],
    ids=repr,
)
def test_a_peer_that_is_no_redis_is_a_connection_error(
    peer: Callable[[bytes | None], int], answer: bytes
) -> None:
    """Garbage, a cut answer and a closed door are all errors."""
    with (
        RedisClient("127.0.0.1", peer(answer), socket_timeout=1) as client,
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


# --- Secrets ------------------------------------------------------------------


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


def test_a_server_that_quotes_the_password_is_not_repeated(peer: Callable[[bytes | None], int]) -> None:
    """Before Redis 6 the answer to an unknown HELLO held its arguments: here the words of a 5.0."""
    echo = b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `hunter2`, \r\n"

    with (
        RedisClient("127.0.0.1", peer(echo), "hunter2") as client,
        pytest.raises(QueryError, match="HELLO") as caught,
    ):
        client.safe_read_from_redis("k")

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.__cause__)


# --- Threads, processes, lifetime ---------------------------------------------


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


def test_an_error_that_the_caller_handles_changes_no_retry_and_is_not_changed() -> None:
    """It is the context of every error in the call, and none of its reasons."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tried = []

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    tried.append(connection.close())

        thread = threading.Thread(target=hang_up)
        thread.start()
        handled = ssl.SSLCertVerificationError("of another server, while reading")
        try:
            raise handled
        except OSError:
            with (
                RedisClient("127.0.0.1", listener.getsockname()[1], "reading") as client,
                pytest.raises(ConnectionFailedError),
            ):
                client.safe_read_from_redis("k")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert 4 == len(tried)
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
    call: Callable[[RedisClient], object], server: str
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
