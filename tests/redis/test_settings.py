"""Where a `RedisClient` connects to: arguments, the environment, or a client that is given."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import redis

from db_core.errors import ConfigurationError, SerializationError
from db_redis import RedisClient

if TYPE_CHECKING:
    from tools import servers

# --- Settings -------------------------------------------------------------------


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


# --- Given clients --------------------------------------------------------------


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
