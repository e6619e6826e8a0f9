"""`on_retry`: a function that is told of each retry, and what happens if it raises an error."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
import redis

from db_core.errors import ConfigurationError, ConnectionFailedError
from db_redis import AsyncRedisClient, RedisClient
from tests.peer import read_some

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_core import Retry
    from tests.peer import Peer

pytestmark = pytest.mark.usefixtures("at_once")


class OwnError(Exception):
    """An error of the program's own."""


def noted(_: Retry) -> None:
    """Be a hook that a pickle can name."""


def test_it_is_told_of_each_retry(make: Callable[..., Any], peer: Callable[..., Peer]) -> None:
    """With the method, the attempt, its error and the wait. Neither the key nor the password is told."""
    told: list[Retry] = []
    client = make(
        host="127.0.0.1", port=peer(b"", read=read_some).port, password="hunter2", on_retry=told.append
    )

    for method in ("safe_read_from_redis", "ttl"):
        with pytest.raises(ConnectionFailedError):
            getattr(client, method)("mellon")
        assert [(method, 1), (method, 2), (method, 3)] == [(one.method, one.attempt) for one in told]
        assert [ConnectionFailedError] * 3 == [type(one.error) for one in told]
        assert [0] * 3 == [one.seconds for one in told]
        assert [] == [one for one in told if "failed" in str(one.error)]  # which its class says
        assert [] == [one for one in told if "mellon" in str(one.error) or "hunter2" in str(one.error)]
        told.clear()


@pytest.mark.parametrize(
    "raised", [OwnError("enough"), redis.ConnectionError("enough"), AttributeError(name="get")]
)
def test_its_error_ends_the_call(
    make: Callable[..., Any], peer: Callable[..., Peer], raised: Exception
) -> None:
    """It is raised as it is, also one that redis-py or a method would handle."""

    def stops(_: Retry) -> None:
        raise raised

    server = peer(b"", read=read_some)
    client = make(host="127.0.0.1", port=server.port, on_retry=stops)
    for call in (
        lambda: client.safe_read_from_redis("k"),
        lambda: client.save_in_redis("k", 1),
        lambda: list(client.scan()),
        lambda: client.get_or_compute("k", lambda: 1, ttl=1, on_outage="compute"),
    ):
        with pytest.raises(type(raised)) as caught:
            call()
        assert raised is caught.value


@pytest.mark.parametrize("kind", [RedisClient, AsyncRedisClient])
def test_a_pickle_has_it(kind: Any) -> None:
    """By its name, so that a function without one can't be pickled."""
    copy = pickle.loads(pickle.dumps(kind(on_retry=noted)))
    assert noted is copy._behaviour["on_retry"]
    assert noted is kind.from_url("redis://localhost", on_retry=noted)._behaviour["on_retry"]
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(kind(on_retry=lambda _: None))


def test_a_given_client_can_not_have_it(plain: redis.Redis) -> None:
    """Its retries are redis-py's own, so that nothing would call the function."""
    with pytest.raises(ConfigurationError, match=r"its own connection and retries.*`on_retry`"):
        RedisClient(client=plain, on_retry=noted)
    with pytest.raises(ConfigurationError, match="`on_retry` must be a function"):
        RedisClient(on_retry="noted")  # type: ignore[arg-type]
