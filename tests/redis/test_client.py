"""What a `RedisClient` saves in a real Redis and reads back: values, expirations, keys and namespaces."""

from __future__ import annotations

import json
import math
import traceback
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from db_core.errors import ConfigurationError, InvalidArgumentError, QueryError, SerializationError
from db_redis import RedisClient
from db_redis._expiry import milliseconds as _milliseconds
from tests.redis.conftest import within

if TYPE_CHECKING:
    import redis

    from tools import servers

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


# --- Saving and reading ---------------------------------------------------------


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


# --- Expiration -----------------------------------------------------------------


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


# --- Keys and namespaces --------------------------------------------------------


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
