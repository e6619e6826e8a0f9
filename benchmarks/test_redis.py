"""Single values in Redis: ours against redis-py's own commands on ready bytes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis

from benchmarks.race import Peer
from db_redis import RedisClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.race import Race
    from tools.servers import Redis

KEY = "benchmark"
CALLS = 50
ROUNDS = 200
VALUE: dict[str, Any] = {
    "meter": "m-00042",
    "site": "Zürich",
    "time": "2025-01-01T00:00:00+00:00",
    "power": 12.345678901234,
    "voltage": 230.1,
    "energy": 123456789.125,
    "state": "on",
    "flags": [1, 2, 3],
    "ok": True,
}
# A value with a null takes another path: NaN would become null too, and is looked for.
VALUES = {"a value": VALUE, "a value with a null": VALUE | {"power": None}}


@pytest.fixture
def plain(redis_server: Redis) -> Iterator[redis.Redis]:
    """Give redis-py's own client."""
    with redis.Redis(redis_server.host, redis_server.port, password=redis_server.password) as client:
        yield client
        client.delete(KEY)


@pytest.fixture
def ours(redis_server: Redis) -> Iterator[RedisClient]:
    """Give our client."""
    with RedisClient(redis_server.host, redis_server.port, redis_server.password) as client:
        yield client


@pytest.mark.parametrize("name", VALUES)
def test_save(name: str, race: Race, plain: redis.Redis, ours: RedisClient) -> None:
    """Save one value."""
    value, ready = VALUES[name], as_json(VALUES[name])
    ours.save_in_redis(KEY, value)
    assert ready == plain.get(KEY)

    race(
        f"save {name}",
        lambda: ours.save_in_redis(KEY, value),
        Peer("redis-py set", lambda: plain.set(KEY, ready), within=1.15, repeat=CALLS),
        repeat=CALLS,
        rounds=ROUNDS,
    )


def test_save_with_expiration(race: Race, plain: redis.Redis, ours: RedisClient) -> None:
    """Save one value for a minute."""
    value, ready = VALUE, as_json(VALUE)
    ours.save_in_redis_with_expiration(KEY, value, 60)
    assert ready == plain.get(KEY)
    assert 59_000 < plain.pttl(KEY) <= 60_000

    race(
        "save a value with expiration",
        lambda: ours.save_in_redis_with_expiration(KEY, value, 60),
        Peer("redis-py set", lambda: plain.set(KEY, ready, px=60_000), within=1.15, repeat=CALLS),
        repeat=CALLS,
        rounds=ROUNDS,
    )


@pytest.mark.parametrize("name", VALUES)
def test_read(name: str, race: Race, plain: redis.Redis, ours: RedisClient) -> None:
    """Read one value."""
    plain.set(KEY, as_json(VALUES[name]))
    assert VALUES[name] == ours.safe_read_from_redis(KEY)

    race(
        f"read {name}",
        lambda: ours.safe_read_from_redis(KEY),
        Peer("redis-py get", lambda: plain.get(KEY), within=1.15, repeat=CALLS),
        repeat=CALLS,
        rounds=ROUNDS,
    )


def as_json(value: object) -> bytes:
    """Give the JSON of a value, by the standard library."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
