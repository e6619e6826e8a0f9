"""A user with exactly the rights that the README lists may call every method, and needs each."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import DatabaseError
from db_redis import AsyncRedisClient, RedisClient, _frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

    from tools import servers

README = Path(__file__).parents[2] / "packages/db-redis/README.md"
FRAME = pd.DataFrame({"n": range(2000)})


def expect_wrong_type(store: Any) -> None:
    """Ask for a frame as if it were a value."""
    with pytest.raises(Exception, match="WRONGTYPE"):
        store.read_many(["f"])


def read_at_once(store: Any) -> None:
    """Read a frame as where it was replaced in each read before."""
    store.save_frame("f", FRAME)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_frames, "_ATTEMPTS", 1)
        store.read_frame("f")


def expect_failure(store: Any) -> None:
    """Compute with a function that fails, which leaves a mark."""
    with pytest.raises(ZeroDivisionError):
        store.get_or_compute("z", lambda: 1 / 0, ttl=60)


def cached(store: Any) -> None:
    """Call a function that is cached."""
    if isinstance(store, RedisClient):
        assert 1 == store.cached(ttl=60, key="one")(lambda: 1)()
        return

    async def one() -> int:
        return 1

    store.run(store.client.cached(ttl=60, key="one")(one)())


# Every public method that sends something; each call is of a client in an empty namespace.
CALLS: dict[str, list[Callable[[Any], object]]] = {
    "save_in_redis": [lambda store: store.save_in_redis("k", 1)],
    "save_in_redis_with_expiration": [lambda store: store.save_in_redis_with_expiration("k", 1, 60)],
    "safe_read_from_redis": [lambda store: store.safe_read_from_redis("k")],
    "read_as": [lambda store: store.read_as("k", int)],
    "save_many": [
        lambda store: store.save_many({"a": 1, "b": 2}),
        lambda store: store.save_many({"a": 1, "b": 2}, 60),
        lambda store: store.save_many({"a": 1, "b": 2}, atomic=True),
        lambda store: store.save_many({"a": 1, "b": 2}, 60, atomic=True),
    ],
    "read_many": [
        lambda store: store.read_many(["a", "missing"]),
        lambda store: (store.save_frame("f", FRAME), expect_wrong_type(store)),
    ],
    "delete_many": [lambda store: store.delete_many(["a", "missing"])],
    "save_frame": [
        lambda store: store.save_frame("f", FRAME),
        lambda store: store.save_frame("f", FRAME, 60),
        lambda store: store.save_frame("f", FRAME, piece_bytes=2000),
        lambda store: store.save_frame("f", FRAME, 60, piece_bytes=2000),
    ],
    "read_frame": [
        lambda store: (store.save_frame("f", FRAME, piece_bytes=2000), store.read_frame("f")),
        lambda store: store.read_frame("missing"),
        read_at_once,
    ],
    "get_or_compute": [
        lambda store: store.get_or_compute("c", lambda: 1, ttl=60),
        lambda store: store.get_or_compute("s", lambda: 1, ttl=60, stale=60),
        expect_failure,
    ],
    "cached": [cached],
    "scan": [lambda store: list(store.scan())],
    "touch": [lambda store: store.touch("k", 60)],
    "ttl": [lambda store: store.ttl("k")],
}


def listed() -> set[str]:
    """Give the commands that the README lists."""
    [table] = re.findall(r"An ACL user needs.*?\n\n(.*?)\n\n", README.read_text(), re.DOTALL)
    return {word.removeprefix("+") for word in re.findall(r"\+[a-z]+", table)}


@pytest.fixture
def user(plain: redis.Redis, namespace: str) -> Iterator[Callable[[set[str]], dict[str, Any]]]:
    """Give a function that makes a user who may do that, and gives the arguments of a client."""

    def allow(commands: set[str]) -> dict[str, Any]:
        rights = [f"+{command}" for command in sorted(commands)]
        rules = ("reset", "on", f">{namespace}", f"~{namespace}:*", *rights)
        plain.execute_command("ACL", "SETUSER", namespace, *rules)
        return {"username": namespace, "password": namespace}

    yield allow
    plain.execute_command("ACL", "DELUSER", namespace)


def denied(plain: redis.Redis, user: str) -> set[str]:
    """Give the commands that Redis refused to a user."""
    return {entry["object"] for entry in plain.acl_log() if entry["username"] == user}


@pytest.mark.parametrize("method", CALLS)
def test_the_rights_of_the_readme_suffice(
    make: Callable[..., Any],
    plain: redis.Redis,
    namespace: str,
    user: Callable[[set[str]], dict[str, Any]],
    server: servers.Redis,
    method: str,
) -> None:
    """Redis refuses nothing; also nothing that the client would do without."""
    store = make(host=server.host, port=server.port, **user(listed()))
    for call in CALLS[method]:
        call(store)
    assert set() == denied(plain, namespace) - {"client|setinfo", "client"}


def test_every_method_is_called() -> None:
    """Of both clients."""
    sending = {
        name
        for client in (RedisClient, AsyncRedisClient)
        for name, member in inspect.getmembers(client, callable)
        if not name.startswith("_") and name not in ("close", "aclose", "from_url")
    }
    assert sending == set(CALLS)


@pytest.mark.parametrize("command", sorted(listed()))
def test_each_right_of_the_readme_is_needed(
    make: Callable[..., Any],
    plain: redis.Redis,
    namespace: str,
    user: Callable[[set[str]], dict[str, Any]],
    server: servers.Redis,
    command: str,
) -> None:
    """Without it Redis refuses something."""
    store = make(host=server.host, port=server.port, **user(listed() - {command}))
    for calls in CALLS.values():
        for call in calls:
            try:
                call(store)
            except (DatabaseError, AssertionError):
                continue
    assert command in {entry.partition("|")[0] for entry in denied(plain, namespace)}
