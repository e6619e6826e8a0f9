"""Every argument of the Redis clients that can be given a text, against every hostile text.

The text is exactly the key that was written, within the namespace, or it is refused with an error that
names the argument. What other namespaces hold is never found, changed or removed.
"""

from __future__ import annotations

import asyncio
import json
import pickle
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from db_core.errors import ConfigurationError, DatabaseError, InvalidArgumentError
from db_redis import AsyncRedisClient, RedisClient
from tests.awaited import Awaited
from tests.security.hostile import TEXTS, text_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

    from tools import servers

FRAME = pd.DataFrame({"v": [1.5]})
BY_KEY: dict[str, Callable[[Any, str], Any]] = {
    "save_in_redis": lambda client, key: client.save_in_redis(key, {"is": key}),
    "save_in_redis_with_expiration": lambda client, key: client.save_in_redis_with_expiration(
        key, {"is": key}, 60
    ),
    "save_frame": lambda client, key: client.save_frame(key, FRAME, piece_bytes=64),
    "get_or_compute": lambda client, key: client.get_or_compute(key, lambda: {"is": key}, ttl=60),
    "save_many": lambda client, key: client.save_many({key: {"is": key}}),
    "safe_read_from_redis": lambda client, key: client.safe_read_from_redis(key),
    "read_as": lambda client, key: client.read_as(key, dict[str, str]),
    "read_frame": lambda client, key: client.read_frame(key),
    "read_many": lambda client, key: client.read_many([key]),
    "delete_many": lambda client, key: client.delete_many([key]),
    "touch": lambda client, key: client.touch(key, 60),
    "ttl": lambda client, key: client.ttl(key),
}
CHOICES: dict[tuple[str, str], Callable[[Any, Any], Any]] = {
    ("save_in_redis_with_expiration", "expiration_in_seconds"): lambda client, text: (
        client.save_in_redis_with_expiration("k", 1, text)
    ),
    ("save_many", "expiration_in_seconds"): lambda client, text: client.save_many({"k": 1}, text),
    ("save_frame", "expiration_in_seconds"): lambda client, text: client.save_frame("k", FRAME, text),
    ("touch", "expiration_in_seconds"): lambda client, text: client.touch("k", text),
    ("read_frame", "into"): lambda client, text: client.read_frame("k", text),
    ("read_as", "type"): lambda client, text: client.read_as("k", text),
    ("save_many", "mapping"): lambda client, text: client.save_many(text),
    ("read_many", "keys"): lambda client, text: client.read_many(text),
    ("delete_many", "keys"): lambda client, text: client.delete_many(text),
    **{
        ("get_or_compute", argument): lambda client, text, argument=argument: client.get_or_compute(
            "k", **{"function": lambda: 1, "ttl": 60} | {argument: text}
        )
        for argument in ("function", "ttl", "stale", "lock_timeout", "on_outage", "type")
    },
    **{
        ("cached", argument): lambda client, text, argument=argument: client.cached(
            **{"ttl": 60} | {argument: text}
        )
        for argument in ("ttl", "stale", "lock_timeout", "on_outage", "type")
    },
}
SETTINGS = ("host", "password", "username", "client", "namespace", "nan", "default_ttl", "on_retry")
OF_URL = ("url", "namespace", "nan", "default_ttl", "on_retry")
# What a text in `default` or `value` is, is data: it comes back as it is.
DATA = {
    ("safe_read_from_redis", "default"),
    ("read_as", "default"),
    ("read_frame", "default"),
    ("save_in_redis", "value"),
    ("save_in_redis_with_expiration", "value"),
    ("save_frame", "frame"),
}
CASES = {
    *((method, "key") for method in BY_KEY if method not in ("save_many", "read_many", "delete_many")),
    *CHOICES,
    *DATA,
    *(("__init__", argument) for argument in SETTINGS),
    *(("from_url", argument) for argument in OF_URL),
    ("cached", "key"),
    ("scan", "match"),
}


@pytest.mark.parametrize("kind", [RedisClient, AsyncRedisClient])
def test_every_argument_that_can_be_given_a_text_has_a_case(kind: type) -> None:
    """Derived from the signatures, so that a new argument needs one too."""
    assert CASES == {case for case in text_arguments(kind) if case[1] != "cls"}


@pytest.fixture(params=[RedisClient, AsyncRedisClient], ids=["sync", "asyncio"])
def make(request: pytest.FixtureRequest, redis_server: servers.Redis) -> Iterator[Callable[..., Any]]:
    """Give a function that makes either client."""
    with asyncio.Runner() as runner, ExitStack() as at_end:

        def make(**options: Any) -> Any:
            client = request.param(**{"host": redis_server.host, "port": redis_server.port} | options)
            if isinstance(client, RedisClient):
                return at_end.enter_context(client)
            at_end.callback(lambda: runner.run(client.aclose()))
            return Awaited(client, runner)

        yield make


@dataclass
class Canaries:
    """Keys of other namespaces, and of none, under the hostile texts themselves."""

    plain: redis.Redis
    before: dict[bytes, bytes]

    def are_whole(self) -> bool:
        """Say whether each is there as it was."""
        names = list(self.before)
        return list(self.before.values()) == self.plain.mget(names)


@pytest.fixture
def canaries(plain: redis.Redis) -> Canaries:
    """Write every hostile text as a key of the namespace `other` and of none."""
    carried = [text.encode() for text in TEXTS.values() if "\ud800" not in text]
    before = {prefix + text: b'"canary"' for prefix in (b"other:", b"") for text in carried}
    before |= {b"canary": b'"canary"', b"mine": b'"canary"', b"mine2:a": b'"canary"'}
    plain.mset(before)
    return Canaries(plain, before)


@pytest.mark.parametrize("method", BY_KEY)
def test_a_key_is_its_bytes_and_no_others(
    make: Callable[..., Any], canaries: Canaries, plain: redis.Redis, method: str
) -> None:
    """What is written under it is there, under its UTF-8 bytes in its namespace, and nowhere else."""
    client = make(namespace="mine")
    for name, text in TEXTS.items():
        if "\ud800" in text:
            with pytest.raises(InvalidArgumentError, match=r"^`(key|keys|mapping)` ") as caught:
                BY_KEY[method](client, text)
            assert caught.value.argument in ("key", "keys", "mapping")
            continue
        others = set(plain.keys())
        stored = f"mine:{text}".encode()
        if method in ("save_in_redis", "save_in_redis_with_expiration", "get_or_compute", "save_many"):
            BY_KEY[method](client, text)
            assert {"is": text} == json.loads(plain.get(stored)), name
        elif method == "save_frame":
            BY_KEY[method](client, text)
            assert b"hash" == plain.type(stored), name
        elif method == "read_frame":
            assert BY_KEY[method](client, text) is None
            client.save_frame(text, FRAME)
            assert_frame_equal(FRAME, BY_KEY[method](client, text))
        else:
            missing = {"read_many": {}, "delete_many": 0, "touch": False}.get(method)
            assert missing == BY_KEY[method](client, text), name
            plain.set(stored, json.dumps({"is": text}))
            value = {"is": text}
            there: Any = {"read_many": {text: value}, "delete_many": 1, "touch": True, "ttl": float("inf")}
            assert there.get(method, value) == BY_KEY[method](client, text), name
        assert set(plain.keys()) - others <= {stored}, name
        assert canaries.are_whole(), name


@pytest.mark.parametrize(("method", "argument"), CHOICES)
def test_what_is_no_choice_is_refused_before_anything_is_sent(
    make: Callable[..., Any], method: str, argument: str
) -> None:
    """No hostile text is a time, a kind, a function, or several keys."""
    nowhere = make(host="127.0.0.1", port=9)
    for name, text in TEXTS.items():
        with pytest.raises(InvalidArgumentError) as caught:
            CHOICES[method, argument](nowhere, text)
        assert argument == caught.value.argument, name
        assert f"`{argument}`" in str(caught.value), name


def test_data_come_back_as_they_are(make: Callable[..., Any], canaries: Canaries) -> None:
    """A value, a default, a label and a cell of a frame."""
    client = make(namespace="mine")
    for name, text in TEXTS.items():
        for method in ("safe_read_from_redis", "read_frame"):
            assert text == getattr(client, method)("none", default=text), name
        assert text == client.read_as("none", str, default=text), name
        if "\ud800" in text:
            for save in (
                lambda: client.save_in_redis("k", text),  # noqa: B023 - called here
                lambda: client.save_in_redis_with_expiration("k", {text: 1}, 60),  # noqa: B023
                # pandas with pyarrow has no such text, polars neither; a list in a cell is as near as it gets
                lambda: client.save_frame("k", pd.DataFrame({"v": [[text]]})),  # noqa: B023
            ):
                with pytest.raises(DatabaseError):
                    save()
            continue
        frame = pd.DataFrame({text: [text]}, index=[text])
        client.save_in_redis("k", {text: text})
        assert {text: text} == client.safe_read_from_redis("k"), name
        client.save_frame("f", frame)
        assert_frame_equal(frame, client.read_frame("f"))
    assert canaries.are_whole()


def test_a_namespace_is_its_bytes_and_no_others(
    make: Callable[..., Any], canaries: Canaries, plain: redis.Redis
) -> None:
    """Whatever it is called, it finds and deletes its own keys only; not as a pattern either."""
    for name, text in TEXTS.items():
        if "\ud800" in text:
            with pytest.raises(ConfigurationError, match="`namespace`"):
                make(namespace=text)
            continue
        client = make(namespace=text)
        client.save_in_redis("k", name)
        assert name == json.loads(plain.get(f"{text}:k".encode())), name
        assert ["k"] == list(client.scan()), name
        assert 1 == client.delete_many(client.scan("*")), name
        assert canaries.are_whole(), name


def test_a_pattern_finds_what_redis_says_and_only_in_its_namespace(
    make: Callable[..., Any], canaries: Canaries, plain: redis.Redis
) -> None:
    """Compared with Redis itself, asked in a database where the keys have no namespace."""
    client, elsewhere = make(namespace="mine"), make(namespace="m?ne", db=0)
    carried = {name: text for name, text in TEXTS.items() if "\ud800" not in text}
    client.save_many(dict.fromkeys(carried.values(), 1))
    plain.execute_command("SELECT", 1)
    plain.mset(dict.fromkeys([text.encode() for text in carried.values()], 1))
    oracle = {name: sorted(plain.keys(text.encode())) for name, text in carried.items()}
    plain.execute_command("SELECT", 0)

    for name, text in carried.items():
        found = sorted(key.encode() for key in client.scan(text))
        assert oracle[name] == found, name
        assert [] == list(elsewhere.scan(text)), name
    assert len(carried) == len(list(client.scan("*")))
    assert canaries.are_whole()
    with pytest.raises(DatabaseError, match="`match`"):
        list(client.scan(TEXTS["half a surrogate pair"]))


def test_locks_and_drafts_are_out_of_reach(make: Callable[..., Any], plain: redis.Redis) -> None:
    """Names of our own are no keys: not to be written, read, deleted or found."""
    client = make(namespace="mine")
    plain.set("mine:__db_redis__:lock:{mine:k}", "held")
    for method, call in BY_KEY.items():
        with pytest.raises(InvalidArgumentError, match="reserved for locks"):
            call(client, "__db_redis__:lock:{mine:k}")
        assert b"held" == plain.get("mine:__db_redis__:lock:{mine:k}"), method
    assert [] == list(client.scan("*lock*"))


def test_a_namespace_holds_those_that_begin_with_it_and_a_colon(make: Callable[..., Any]) -> None:
    """The limit that SECURITY.md tells: `plant` reaches into `plant:1` by the key `1:k`."""
    make(namespace="plant:1").save_in_redis("k", "inner")

    assert "inner" == make(namespace="plant").safe_read_from_redis("1:k")


@pytest.mark.parametrize("where", ["key", "argument"])
def test_a_cached_call_is_told_by_its_exact_arguments(
    redis_server: servers.Redis, canaries: Canaries, where: str
) -> None:
    """No two texts share a cached value, and none reaches another key."""
    with RedisClient(redis_server.host, redis_server.port, namespace="mine") as client:
        for _ in range(2):
            computed = []
            for text in TEXTS.values():
                if where == "key" and "\ud800" not in text:
                    cached = client.cached(ttl=60, key=text)(lambda: computed.append(1) or text)  # noqa: B023
                    assert text == cached()
                elif where == "argument" and "\ud800" not in text:
                    cached = client.cached(ttl=60, key="f")(lambda a, b: computed.append(1) or [a, b])  # noqa: B023
                    assert [text, ""] == cached(text, "")
                    assert ["", text] == cached("", text)
        assert [] == computed  # the second time all are there
        with pytest.raises(InvalidArgumentError, match="key"):
            client.cached(ttl=60, key="f")(lambda a: a)(TEXTS["half a surrogate pair"])
    assert canaries.are_whole()


@pytest.mark.parametrize("kind", [RedisClient, AsyncRedisClient])
def test_a_setting_is_taken_as_it_is_or_refused(kind: Any) -> None:
    """By an error that names it; a client is made, or not, without anything sent."""
    for name, text in TEXTS.items():
        for argument in ("client", "nan", "default_ttl", "on_retry"):
            with pytest.raises((ConfigurationError, InvalidArgumentError), match=f"`{argument}`"):
                kind(**{argument: text})
            if argument != "client":
                with pytest.raises((ConfigurationError, InvalidArgumentError), match=f"`{argument}`"):
                    kind.from_url("redis://localhost", **{argument: text})
        for argument in ("host", "namespace", "username", "password"):
            try:
                made = kind(**{argument: text})
            except ConfigurationError as error:
                assert f"`{argument}`" in str(error), name
            else:
                assert "\ud800" not in text
                assert argument in ("namespace", "username", "password") or not set(text) & set(" /@\n\r")
                assert text not in repr(made) or argument in ("host", "namespace"), name
        for url in (text, f"redis://localhost/{text}"):
            with pytest.raises(ConfigurationError, match="`url`"):
                kind.from_url(url)


def test_a_password_is_its_bytes(plain: redis.Redis, make: Callable[..., Any]) -> None:
    """And so is the name of a user: they get in as they are, and only with all of them."""
    for number, text in enumerate(TEXTS.values()):
        if "\ud800" in text:
            continue
        plain.execute_command(
            "ACL", "SETUSER", "hostile", "reset", "on", "~mine:*", "+@all", b">" + text.encode()
        )
        client = make(username="hostile", password=text, namespace="mine")
        client.save_in_redis("k", number)
        assert number == client.safe_read_from_redis("k")
        wrong = make(username="hostile", password=f"{text}x", namespace="mine")
        with pytest.raises(DatabaseError, match=r"(?i)wrongpass|invalid username"):
            wrong.safe_read_from_redis("k")
    plain.execute_command("ACL", "DELUSER", "hostile")


class Bomb:
    """Says so when it is unpickled."""

    went_off = False

    def __reduce__(self) -> Any:
        return setattr, (Bomb, "went_off", True)


def test_a_stored_pickle_is_not_loaded(
    make: Callable[..., Any], plain: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who can write to Redis runs nothing here: as a value, as a frame, and as a frame's piece."""
    monkeypatch.setattr(Bomb, "went_off", False)
    client = make(namespace="mine")
    plain.set("mine:value", pickle.dumps(Bomb()))
    client.save_frame("frame", FRAME)
    plain.hset("mine:frame", "0", pickle.dumps(Bomb()))

    for read in (
        lambda: client.safe_read_from_redis("value"),
        lambda: client.read_as("value", Bomb),
        lambda: client.read_many(["value"]),
        lambda: client.get_or_compute("value", lambda: 1, ttl=60),
        lambda: client.read_frame("value"),
        lambda: client.read_frame("frame"),
    ):
        with pytest.raises(DatabaseError):
            read()
    assert not Bomb.went_off
    pickle.loads(pickle.dumps(Bomb()))
    assert Bomb.went_off
