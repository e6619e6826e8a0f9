"""Many keys at once, scanning and expiry, of both clients, against a real Redis."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import redis

from db_core.errors import ConfigurationError, InvalidArgumentError, QueryError, SerializationError
from db_redis import AsyncRedisClient, RedisClient
from db_redis._expiry import Expiry

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

MANY = {f"k{number}": {"number": number, "text": "ü" * (number % 50)} for number in range(2500)}


def commands(plain: redis.Redis) -> Counter[str]:
    """Count the commands that Redis has carried out so far, by name."""
    return Counter(
        {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in plain.info("commandstats").items()}
    )


# --- Saving, reading, deleting many -------------------------------------------


@pytest.mark.parametrize("options", [{}, {"atomic": True}, {"expiration_in_seconds": 60}], ids=str)
@pytest.mark.parametrize("chunk_bytes", [1, 1000, 1 << 20])
def test_many_are_saved_as_json_and_read_back(
    store: Any, plain: redis.Redis, namespace: str, chunk_bytes: int, options: dict[str, Any]
) -> None:
    """However they are cut, each is a key of its own, and a missing one is absent."""
    store.save_many(MANY, chunk_bytes=chunk_bytes, **options)

    stored = plain.mget([f"{namespace}:{key}" for key in MANY])
    assert list(MANY.values()) == [json.loads(value) for value in stored]
    read = store.read_many(["missing", *MANY, "missing too"], chunk_bytes=chunk_bytes)
    assert list(MANY.items()) == list(read.items())


@pytest.mark.parametrize("options", [{}, {"atomic": True, "expiration_in_seconds": 60}], ids=str)
def test_chunks_are_bounded_by_bytes(
    make: Callable[..., Any], plain: redis.Redis, options: dict[str, Any]
) -> None:
    """Each is one round trip: here of 4 pairs, 25 bytes with namespace, key and value each."""
    store = make(namespace="n" * 9)
    pairs = {f"key{number:02d}": "eight888" for number in range(10)}
    before = commands(plain)
    store.save_many(pairs, chunk_bytes=4 * 25 + 24, **options)
    after = commands(plain)
    name = "exec" if options else "mset"

    assert 3 == after[name] - before.get(name, 0)
    assert 10 == store.delete_many(pairs)


def test_a_value_larger_than_a_chunk_is_saved_alone(store: Any) -> None:
    """A bound is no limit."""
    values = {"a": 1, "large": "x" * 10_000, "b": 2}
    store.save_many(values, chunk_bytes=100)

    assert values == store.read_many(values, chunk_bytes=100)


def test_reading_asks_for_fewer_keys_where_values_are_large(store: Any, plain: redis.Redis) -> None:
    """1,000 keys at first; of values of 10,000 bytes, chunks of 100,000 bytes then hold 9."""
    store.save_many({f"k{number:04d}": "x" * 10_000 for number in range(1018)})
    before = commands(plain)["mget"]
    store.read_many([f"k{number:04d}" for number in range(1018)], chunk_bytes=100_000)

    assert 3 == commands(plain)["mget"] - before


def test_keys_come_back_as_they_were_given(store: Any) -> None:
    """Text as text, bytes as bytes; a key asked for twice is there once."""
    store.save_many({"größe": 1, b"\xff": 2})

    assert {"größe": 1, b"\xff": 2} == store.read_many(["größe", b"\xff", "größe"])
    assert {"größe".encode(): 1} == store.read_many(iter(["größe".encode()]))
    assert {} == store.read_many([])
    store.save_many({})
    assert 0 == store.delete_many([])


def test_a_stored_null_is_there(store: Any) -> None:
    """Only a key that does not exist is absent."""
    store.save_many({"a": None})

    assert {"a": None} == store.read_many(["a", "b"])


def test_what_can_not_be_stored_stops_all(store: Any) -> None:
    """The error names key and path, and nothing is sent, not even what comes before it."""
    with pytest.raises(SerializationError, match=r"'b'.*\$\[1\]") as caught:
        store.save_many({"a": 1, "b": [0, 2**64]}, chunk_bytes=1)

    assert "$[1]" == caught.value.path
    assert {} == store.read_many(["a", "b"])


def test_what_is_not_json_is_named(store: Any, plain: redis.Redis, namespace: str) -> None:
    """Among many, the key at fault."""
    store.save_many({"a": 1, "c": 3})
    for wrong in (b"hunter2", b"[18446744073709551616]"):
        plain.set(f"{namespace}:b", wrong)
        with pytest.raises(SerializationError, match="'b'") as caught:
            store.read_many(["a", "b", "c"])
        assert "hunter2" not in str(caught.value)


def test_a_key_that_holds_no_value_is_an_error(store: Any, plain: redis.Redis, namespace: str) -> None:
    """It is not taken for a missing one, though MGET says nil of both."""
    store.save_many({"a": 1})
    plain.rpush(f"{namespace}:list", 1)

    with pytest.raises(QueryError, match=r"'list'.*WRONGTYPE") as caught:
        store.read_many(["a", "missing", "list"])
    assert "WRONGTYPE" == caught.value.code


def test_a_failure_in_the_middle_says_how_far_it_was(servers: ModuleType, make: Callable[..., Any]) -> None:
    """Redis runs out of memory between two chunks; what was saved is there."""
    with servers.redis(own=True) as small, redis.Redis(small.host, small.port) as admin:
        admin.config_set("maxmemory", admin.info("memory")["used_memory"] + 3_000_000)
        store = make(host=small.host, port=small.port, password=None)
        values = {f"k{number}": "x" * 1_000_000 for number in range(20)}
        with pytest.raises(QueryError, match=r"after (\d+) of 20 keys.*OOM") as caught:
            store.save_many(values, chunk_bytes=1)
        saved = admin.dbsize()

    assert f"after {saved} of 20 keys" in str(caught.value)
    assert 0 < saved < 20
    assert "xxx" not in str(caught.value)


def test_an_atomic_chunk_is_seen_whole(store: Any, plain: redis.Redis, namespace: str) -> None:
    """A chunk with an expiry is a transaction where asked, else a pipeline."""
    before = commands(plain)
    store.save_many({"a": 1, "b": 2}, 60)
    assert before["multi"] == commands(plain)["multi"]
    store.save_many({"a": 1, "b": 2}, 60, atomic=True)
    assert before["multi"] + 1 == commands(plain)["multi"]
    assert 59_000 < plain.pttl(f"{namespace}:b") <= 60_000


def test_deleting_says_how_many_there_were(store: Any, plain: redis.Redis, namespace: str) -> None:
    """Of any kind, and of this namespace only."""
    store.save_many({"a": 1, "b": 2, b"\xff": 3})
    plain.rpush(f"{namespace}:list", 1)
    plain.set(f"{namespace}-other:a", 1)

    assert 3 == store.delete_many(["a", "list", b"\xff", "missing", "a"])
    assert [f"{namespace}:b".encode()] == plain.keys(f"{namespace}:*")
    assert 1 == plain.delete(f"{namespace}-other:a")


@pytest.mark.parametrize("keys", [["ok", ""], [1], "text", b"bytes", None, 5, ["lone \ud800"]], ids=ascii)
def test_unusable_keys_are_refused(store: Any, keys: Any) -> None:
    """In every method that takes many, before anything is sent."""
    for method in (store.read_many, store.delete_many):
        with pytest.raises(InvalidArgumentError, match="`keys`") as caught:
            method(keys)
        assert "keys" == caught.value.argument


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        (({1: 2},), "mapping"),
        (({"": 2},), "mapping"),
        (([("a", 1)],), "mapping"),
        (({"a": 1, b"a": 2},), "mapping"),
        (({"a": 1}, -1), "expiration_in_seconds"),
    ],
    ids=repr,
)
def test_an_unusable_mapping_is_refused(store: Any, arguments: tuple[Any, ...], argument: str) -> None:
    """The argument is named."""
    with pytest.raises(InvalidArgumentError, match=f"`{argument}`") as caught:
        store.save_many(*arguments)
    assert argument == caught.value.argument
    assert {} == store.read_many(["a"])


@pytest.mark.parametrize("atomic", ["no", "", 0, 1, None, []])
def test_what_is_neither_true_nor_false_is_refused(store: Any, atomic: Any) -> None:
    """A text that says no would be true."""
    with pytest.raises(InvalidArgumentError, match="`atomic` must be True or False") as caught:
        store.save_many({"a": 1}, atomic=atomic)
    assert "atomic" == caught.value.argument
    assert {} == store.read_many(["a"])


@pytest.mark.parametrize("chunk_bytes", [0, -1, 1.5, True, None])
def test_unusable_chunks_are_refused(store: Any, chunk_bytes: Any) -> None:
    """They are of whole bytes."""
    for call in (
        lambda: store.save_many({"a": 1}, chunk_bytes=chunk_bytes),
        lambda: store.read_many(["a"], chunk_bytes=chunk_bytes),
    ):
        with pytest.raises(InvalidArgumentError, match="`chunk_bytes`"):
            call()


# --- Scanning -----------------------------------------------------------------


def test_scanning_gives_the_keys_of_the_namespace(make: Callable[..., Any], namespace: str) -> None:
    """All of them, as they were saved, and none of a namespace that its pattern would match."""
    inside, outside = make(namespace=f"{namespace}:a*"), make(namespace=f"{namespace}:ab")
    inside.save_many(MANY | {b"\xff": 0, "größe": 1})
    outside.save_many({"other": 1})

    assert {*MANY, b"\xff", "größe"} == set(inside.scan())
    assert ["größe"] == list(inside.scan("gr*"))
    assert {f"k{number}" for number in range(10)} == set(inside.scan("k?", count=7))
    assert ["other"] == list(outside.scan())


def test_scanning_goes_by_small_steps(store: Any, plain: redis.Redis) -> None:
    """Redis is asked for a part at a time, so it is never busy for long; KEYS is never used."""
    store.save_many(MANY)
    before = commands(plain)
    found = set(store.scan(count=100))
    after = commands(plain)

    assert set(MANY) == found
    assert 20 <= after["scan"] - before.get("scan", 0)
    assert before.get("keys", 0) == after.get("keys", 0)


@pytest.mark.parametrize(
    ("match", "count"), [("", 10), (None, 10), (1, 10), ("\ud800", 10), ("*", 0), ("*", "10")]
)
def test_an_unusable_scan_is_refused(store: Any, match: Any, count: Any) -> None:
    """At once, not when it is first asked for a key."""
    client = getattr(store, "client", store)
    with pytest.raises(InvalidArgumentError, match=r"`(match|count)`"):
        client.scan(match, count=count)


def test_keys_of_our_own_are_no_users(make: Callable[..., Any], plain: redis.Redis, namespace: str) -> None:
    """They are not listed, and can't be written over; nor are those of a namespace within the namespace."""
    store = make()
    for own in ("", "inner:", "inner:deeper:"):
        plain.set(f"{namespace}:{own}__db_redis__:lock:k", 1)
    plain.set(f"{namespace}:inner:k", 1)

    assert ["inner:k"] == list(store.scan())
    assert ["k"] == list(make(namespace=f"{namespace}:inner").scan())
    listed = list(make(namespace=None).scan(f"{namespace}*"))
    assert [f"{namespace}:inner:k"] == listed
    for key in ("__db_redis__:lock:k", "inner:__db_redis__:lock:k", b"__db_redis__:\xff"):
        for call in (
            lambda key=key: store.save_in_redis(key, 1),
            lambda key=key: store.read_many([key]),
            lambda key=key: store.delete_many(["a", key]),
        ):
            with pytest.raises(InvalidArgumentError, match="reserved for locks"):
                call()
    for inside in ("__db_redis__", "a:__db_redis__", "__db_redis__:a"):
        with pytest.raises(ConfigurationError, match=r"`namespace`.*reserved for locks"):
            make(namespace=inside)


# --- Expiry -------------------------------------------------------------------


def test_touch_and_ttl(store: Any, plain: redis.Redis, namespace: str) -> None:
    """How long a key has left: infinity if it stays, None if it is not there."""
    store.save_in_redis("k", 1)

    assert math.inf == store.ttl("k")
    assert store.ttl("missing") is None
    assert store.touch("k", timedelta(minutes=2)) is True
    assert 110 < store.ttl("k") <= 120
    assert 110_000 < plain.pttl(f"{namespace}:k") <= 120_000
    assert store.touch("missing", 60) is False
    with pytest.raises(InvalidArgumentError, match="no `default_ttl`"):
        store.touch("k")


def test_the_default_ttl_is_for_all_that_says_nothing(make: Callable[..., Any]) -> None:
    """An expiry that is given wins."""
    store = make(default_ttl=timedelta(seconds=100))
    store.save_in_redis("one", 1)
    store.save_many({"two": 2})
    store.save_in_redis_with_expiration("three", 3, 1000)
    store.save_many({"four": 4}, 1000)

    for key in ("one", "two"):
        assert 90 < store.ttl(key) <= 100
    for key in ("three", "four"):
        assert 900 < store.ttl(key) <= 1000
        assert store.touch(key)
        assert 90 < store.ttl(key) <= 100


def test_the_jitter_spreads_keys_written_together(make: Callable[..., Any]) -> None:
    """From what was asked down to less by the fraction; every key by its own."""
    store = make(ttl_jitter=0.5)
    store.save_many(MANY, 1000)
    left = [store.ttl(key) for key in list(MANY)[:200]]

    assert all(490 < seconds <= 1000 for seconds in left)
    assert min(left) < 600  # of 200 draws, but once in 10 ** 19
    assert max(left) > 900
    store.save_in_redis_with_expiration("k", 1, 1000)
    store.touch("k", 2000)
    assert 990 < store.ttl("k") <= 2000


def test_the_jitter_never_leaves_its_range() -> None:
    """Not even for the shortest expiry."""
    expiry = Expiry(None, 0.99)

    assert {1} == {expiry.lifetime(0.001) for _ in range(100)}
    draws = [expiry.lifetime(1) or 0 for _ in range(10_000)]
    assert 10 <= min(draws) < 50
    assert 950 < max(draws) <= 1000


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"default_ttl": 0}, "default_ttl"),
        ({"default_ttl": "60"}, "default_ttl"),
        ({"ttl_jitter": 1}, "ttl_jitter"),
        ({"ttl_jitter": -0.1}, "ttl_jitter"),
        ({"ttl_jitter": math.nan}, "ttl_jitter"),
        ({"ttl_jitter": None}, "ttl_jitter"),
        ({"nan": "nul"}, "nan"),
        ({"nan": None}, "nan"),
    ],
    ids=str,
)
def test_a_malformed_choice_is_named(options: dict[str, Any], name: str) -> None:
    """When the client is made."""
    for kind in (RedisClient, AsyncRedisClient):
        with pytest.raises(ConfigurationError, match=f"`{name}`"):
            kind(**options)


def test_what_becomes_of_nan_is_the_clients_choice(make: Callable[..., Any]) -> None:
    """In both ways to save."""
    for nan, expected in (("null", None), ("string", "NaN")):
        store = make(nan=nan)
        store.save_in_redis("k", math.nan)
        store.save_many({"m": [math.nan]})
        assert {"k": expected, "m": [expected]} == store.read_many(["k", "m"])
    store = make(nan="error")
    with pytest.raises(SerializationError):
        store.save_in_redis("k", math.nan)
    with pytest.raises(SerializationError):
        store.save_many({"m": [math.nan]})
