"""OpenTelemetry's spans and durations of every method, by its conventions for clients of databases."""

from __future__ import annotations

import inspect
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from db_core.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DatabaseError,
    QueryError,
    SerializationError,
)
from db_redis import AsyncRedisClient, RedisClient
from tests.peer import read_some
from tests.traces import current_span

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from tests.peer import Peer
    from tests.traces import Traces
    from tools import servers

FRAME = pd.DataFrame({"a": [1]})
SILENT = {"aclose", "close", "from_url"}
METHODS: dict[str, Callable[[Any], object]] = {
    "save_in_redis": lambda c: c.save_in_redis("mellon", "swordfish"),
    "save_in_redis_with_expiration": lambda c: c.save_in_redis_with_expiration("mellon", "swordfish", 60),
    "safe_read_from_redis": lambda c: c.safe_read_from_redis("mellon"),
    "read_as": lambda c: c.read_as("mellon", str),
    "save_many": lambda c: c.save_many({"mellon": "swordfish", "mellon2": 2}),
    "read_many": lambda c: c.read_many(["mellon", "mellon2"]),
    "delete_many": lambda c: c.delete_many(["mellon"]),
    "save_frame": lambda c: c.save_frame("mellon", FRAME),
    "read_frame": lambda c: c.read_frame("mellon"),
    "get_or_compute": lambda c: c.get_or_compute("mellon", lambda: "swordfish", ttl=60),
    "cached": lambda c: cached(c)("swordfish"),
    "scan": lambda c: list(c.scan("mellon*")),
    "touch": lambda c: c.touch("mellon", 60),
    "ttl": lambda c: c.ttl("mellon"),
}
each_method = pytest.mark.parametrize("method", METHODS)


def cached(client: Any) -> Callable[[str], Any]:
    """Return a function whose results are cached, called as the client is."""
    if isinstance(client, RedisClient):
        return client.cached(ttl=60, key="mellon")(lambda word: word)

    async def echo(word: str) -> str:
        return word

    made = client.client.cached(ttl=60, key="mellon")(echo)
    return lambda word: client.run(made(word))


@pytest.mark.parametrize("kind", [RedisClient, AsyncRedisClient])
def test_every_method_is_tested_here(kind: type) -> None:
    """A new method needs a span, and a line above."""
    public = {name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")}
    assert public - SILENT == METHODS.keys()


def expected(method: str, host: str, port: int) -> dict[str, Any]:
    """Return the attributes of a span, by the conventions. Its name is the method's."""
    return {
        "db.system.name": "redis",
        "db.operation.name": method,
        "db.namespace": "0",
        "server.address": host,
        "server.port": port,
    }


@each_method
def test_a_method_has_a_span_and_a_duration(
    store: Any, server: servers.Redis, traces: Traces, method: str
) -> None:
    """One of kind CLIENT, with these attributes and no others, and no key or value."""
    METHODS[method](store)

    [span] = traces.all
    assert (method, expected(method, server.host, server.port)) == (span.name, dict(span.attributes or {}))
    assert (SpanKind.CLIENT, StatusCode.UNSET, None) == (span.kind, span.status.status_code, span.parent)
    assert [] == list(span.events)
    assert span.instrumentation_scope is not None
    assert "db_redis" == span.instrumentation_scope.name
    assert "https://opentelemetry.io/schemas/1.33.0" == span.instrumentation_scope.schema_url
    [duration] = traces.durations()
    assert (dict(span.attributes or {}), 1) == (dict(duration.attributes), duration.count)
    assert "mellon" not in span.to_json()
    assert "swordfish" not in span.to_json()


@pytest.mark.usefixtures("at_once")
@each_method
def test_a_method_that_fails_has_an_error(make: Callable[..., Any], traces: Traces, method: str) -> None:
    """Its class is told, and not its text, which quotes the key. Each retry is a part of it."""
    with pytest.raises(ConnectionFailedError):
        METHODS[method](make(host="127.0.0.1", port=9))

    [span] = traces.calls
    attributes = expected(method, "127.0.0.1", 9) | {"error.type": "db_core.errors.ConnectionFailedError"}
    assert (method, attributes) == (span.name, dict(span.attributes or {}))
    assert (StatusCode.ERROR, None) == (span.status.status_code, span.status.description)
    assert [] == list(span.events)
    [duration] = traces.durations()
    assert attributes == dict(duration.attributes)
    retries = traces.parts("retry")
    assert [1, 2, 3] == [(one.attributes or {})["db_core.retry.attempt"] for one in retries[:3]]
    assert span.context is not None
    assert {span.context.span_id} == {one.parent.span_id for one in retries if one.parent}
    assert "mellon" not in "".join(one.to_json() for one in traces.all)


def test_a_refusal_has_the_code_of_redis(store: Any, traces: Traces) -> None:
    """The first word of its reply."""
    store.save_frame("k", FRAME)
    with pytest.raises(QueryError):
        store.safe_read_from_redis("k")

    assert "WRONGTYPE" == (traces.calls[-1].attributes or {})["db.response.status_code"]


def refuse_password(make: Callable[..., Any], guarded: servers.Redis, _: redis.Redis) -> None:
    """Ask with a wrong password."""
    make(host=guarded.host, port=guarded.port, password="wrong").ttl("k")


def refuse_permission(make: Callable[..., Any], server: servers.Redis, admin: redis.Redis) -> None:
    """Ask as a user who may not."""
    name = f"user-{uuid.uuid4()}"
    admin.acl_setuser(name, enabled=True, nopass=True, keys=["*"], commands=["+hello", "+client"])
    try:
        make(host=server.host, port=server.port, username=name, password="any").ttl("k")
    finally:
        admin.acl_deluser(name)


@pytest.mark.parametrize(
    ("refuse", "place", "code"),
    [(refuse_password, "guarded", "WRONGPASS"), (refuse_permission, "server", "NOPERM")],
)
def test_a_refused_user_has_the_code_of_redis(
    make: Callable[..., Any],
    request: pytest.FixtureRequest,
    plain: redis.Redis,
    traces: Traces,
    refuse: Any,
    place: str,
    code: str,
) -> None:
    """The error has it too."""
    with pytest.raises(AuthenticationError) as caught:
        refuse(make, request.getfixturevalue(place), plain)

    [call] = traces.calls
    assert (code, code) == (caught.value.code, (call.attributes or {})["db.response.status_code"])


@pytest.mark.usefixtures("at_once")
def test_a_redis_that_loads_has_its_code(
    make: Callable[..., Any], peer: Callable[..., Peer], traces: Traces
) -> None:
    """A connection that is broken by anything else has none."""
    for said, code in ((b"-LOADING the dataset\r\n", "LOADING"), (b"", None)):
        traces.clear()
        with pytest.raises(ConnectionFailedError) as caught:
            make(host="127.0.0.1", port=peer(said, read=read_some).port).ttl("k")
        [call] = traces.calls
        seen = (call.attributes or {}).get("db.response.status_code")
        assert (code, code) == (caught.value.code, seen)


def fails(*_: object) -> None:
    """Be a function whose results are cached."""
    raise ZeroDivisionError


async def fails_later(*_: object) -> None:
    """Be such a function for asyncio."""
    raise ZeroDivisionError


def call_cached(client: Any) -> None:
    """Call a cached function that fails."""
    if isinstance(client, RedisClient):
        client.cached(ttl=60, key="mellon")(fails)(1)
    else:
        client.run(client.client.cached(ttl=60, key="mellon")(fails_later)(1))


@pytest.mark.parametrize(
    ("method", "call", "kind"),
    [
        ("get_or_compute", lambda c: c.get_or_compute("mellon", fails, ttl=60), ZeroDivisionError),
        ("get_or_compute", lambda c: c.get_or_compute("mellon", object, ttl=60), SerializationError),
        ("cached", call_cached, ZeroDivisionError),
        ("safe_read_from_redis", lambda c: c.safe_read_from_redis("text"), SerializationError),
        ("read_as", lambda c: c.read_as("text", int), SerializationError),
    ],
)
def test_an_error_after_the_last_reply_is_on_the_span_too(
    store: Any, plain: redis.Redis, namespace: str, traces: Traces, method: str, call: Any, kind: Any
) -> None:
    """And on the duration: an error of the cache's function, or of a value that is not JSON."""
    plain.set(f"{namespace}:text", "not JSON")

    with pytest.raises(kind):
        call(store)

    [span] = traces.calls
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    assert (method, StatusCode.ERROR) == (span.name, span.status.status_code)
    assert name == (span.attributes or {})["error.type"]
    [duration] = traces.durations()
    assert name == duration.attributes["error.type"]


def test_the_function_of_a_cache_runs_in_the_span(store: Any, traces: Traces) -> None:
    """What it does in turn is a part of the call, after which the span around it is the current one again."""
    seen: list[int] = []

    def compute() -> int:
        seen.append(current_span())
        return 1

    with traces.tracer.start_as_current_span("job"):
        outer = current_span()
        store.get_or_compute("k", compute, ttl=60)
        assert outer == current_span()

    [call] = traces.calls
    assert call.context is not None
    assert [call.context.span_id] == seen


def test_a_scan_is_the_current_span_between_no_keys(client: Any, traces: Traces) -> None:
    """It ends where it is left, without an error."""
    client.save_many({f"k{number}": number for number in range(3)})
    keys = client.scan()
    traces.clear()
    with traces.tracer.start_as_current_span("job"):
        outer = current_span()
        next(keys)
        assert outer == current_span()
    keys.close()

    [call] = traces.calls
    assert (StatusCode.UNSET, True) == (call.status.status_code, call.parent is not None)


def test_places_are_told_as_they_are_given(
    server: servers.Redis, plain: redis.Redis, peer: Callable[..., Peer], traces: Traces
) -> None:
    """A socket has no port; a client that was passed, or a URL, says where it is; the database is a text."""
    made = [
        RedisClient.from_url("unix:///nowhere/redis.sock?db=3"),
        RedisClient.from_url(f"redis://u:hunter2@127.0.0.1:{peer(b'', read=read_some).port}/2"),
        RedisClient(client=plain),
    ]
    for client in made:
        with suppress(DatabaseError):
            client.ttl("k")

    names = ("server.address", "server.port", "db.namespace")
    seen = [tuple((call.attributes or {}).get(name) for name in names) for call in traces.calls]
    assert [("/nowhere/redis.sock", None, "3"), (server.host, server.port, "0")] == [seen[0], seen[2]]
    assert ("127.0.0.1", "2") == (seen[1][0], seen[1][2])
    assert "hunter2" not in "".join(one.to_json() for one in traces.all)
