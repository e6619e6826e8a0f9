"""Many values, frames and cached calls in Redis: ours against redis-py by hand, and against other caches."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import aiocache
import numpy as np
import orjson
import pandas as pd
import pytest
import redis
from aiocache.serializers import JsonSerializer
from cashews import Cache
from dogpile.cache import make_region

from benchmarks.race import Peer
from db_redis import AsyncRedisClient, RedisClient
from db_redis._frames import PIECE_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from benchmarks.race import Race
    from tools.servers import Redis

NAMESPACE = "benchmark"
KEYS = 1000
CALLS = 200


def value(number: int) -> dict[str, Any]:
    """Give a value of some 200 bytes."""
    return {
        "meter": f"m-{number:05d}",
        "site": "Zürich",
        "time": "2025-01-01T00:00:00+00:00",
        "power": number * 1.23456789,
        "voltage": 230.1,
        "energy": 123456789.125 + number,
        "state": "on",
        "flags": [1, 2, 3],
        "ok": True,
    }


MANY = {f"meters:{number}": value(number) for number in range(KEYS)}
NAMES = [f"{NAMESPACE}:{key}" for key in MANY]


@pytest.fixture
def plain(redis_server: Redis) -> Iterator[Any]:
    """Give redis-py's own client, of an emptied namespace."""
    with redis.Redis(redis_server.host, redis_server.port, password=redis_server.password) as client:
        yield client
        for key in client.scan_iter(f"{NAMESPACE}*", count=10_000):
            client.unlink(key)


@pytest.fixture
def ours(redis_server: Redis) -> Iterator[RedisClient]:
    """Give our client."""
    address = (redis_server.host, redis_server.port, redis_server.password)
    with RedisClient(*address, namespace=NAMESPACE) as client:
        yield client


@pytest.mark.parametrize("seconds", [None, 60], ids=["for ever", "for a minute"])
def test_save_many(race: Race, plain: Any, ours: RedisClient, seconds: int | None) -> None:
    """Save 1,000 values."""

    def pipeline() -> None:
        batch = plain.pipeline(transaction=False)
        for name, part in zip(NAMES, MANY.values(), strict=True):
            batch.set(name, orjson.dumps(part), ex=seconds)
        batch.execute()

    def loop() -> None:
        for key, part in MANY.items():
            if seconds is None:
                ours.save_in_redis(key, part)
            else:
                ours.save_in_redis_with_expiration(key, part, seconds)

    def with_json() -> None:
        for name, part in zip(NAMES, MANY.values(), strict=True):
            plain.set(name, json.dumps(part), ex=seconds)

    ours.save_many(MANY, seconds)
    assert list(MANY.values()) == [json.loads(stored or b"") for stored in plain.mget(NAMES)]
    assert plain.ttl(NAMES[-1]) == (-1 if seconds is None else 60)

    race(
        f"save 1,000 values {'for ever' if seconds is None else 'for a minute'}",
        lambda: ours.save_many(MANY, seconds),
        Peer("a loop of single calls", loop, faster=15),
        Peer("redis-py pipeline and orjson", pipeline, within=1.3, repeat=20),
        Peer("redis-py set and json, one by one", with_json),
        repeat=20,
    )


def test_read_many(race: Race, plain: Any, ours: RedisClient) -> None:
    """Read 1,000 values."""

    def mget() -> dict[str, Any]:
        return {key: orjson.loads(stored) for key, stored in zip(MANY, plain.mget(NAMES), strict=True)}

    def loop() -> dict[str, Any]:
        return {key: ours.safe_read_from_redis(key) for key in MANY}

    def with_json() -> dict[str, Any]:
        return {key: json.loads(plain.get(name) or b"") for key, name in zip(MANY, NAMES, strict=True)}

    ours.save_many(MANY)
    assert MANY == ours.read_many(MANY) == mget() == loop() == with_json()

    race(
        "read 1,000 values",
        lambda: ours.read_many(MANY),
        Peer("a loop of single calls", loop, faster=15),
        Peer("redis-py mget and orjson", mget, within=1.3, repeat=20),
        Peer("redis-py get and json, one by one", with_json),
        repeat=20,
    )


def test_frame(race: Race, plain: Any, ours: RedisClient, scale: int) -> None:
    """Save and read a frame of 1,000,000 rows of three floats."""
    rows = 1_000_000 // scale
    frame = pd.DataFrame(np.random.default_rng(1).random((rows, 3)), columns=["power", "voltage", "energy"])
    ready = frame.to_numpy().tobytes()
    pieces = [ready[start : start + PIECE_BYTES] for start in range(0, len(ready), PIECE_BYTES)]
    name = f"{NAMESPACE}:by hand"

    def there_and_back() -> pd.DataFrame:
        ours.save_frame("frame", frame)
        read: pd.DataFrame = ours.read_frame("frame")
        return read

    def copied() -> Any:
        plain.set(name, ready)
        return plain.get(name)

    def copied_in_pieces() -> list[bytes | None]:
        for number, piece in enumerate(pieces):
            plain.set(f"{name}:{number}", piece)
        return [plain.get(f"{name}:{number}") for number in range(len(pieces))]

    def as_json() -> pd.DataFrame:
        plain.set(name, frame.to_json(orient="split", double_precision=15))
        read: pd.DataFrame = pd.read_json(
            io.BytesIO(plain.get(name) or b""), orient="split", precise_float=True
        )
        return read

    pd.testing.assert_frame_equal(frame, there_and_back(), check_exact=True)
    assert ready == copied() == b"".join(map(bytes, copied_in_pieces()))  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(frame, as_json(), atol=1e-14)

    race(
        "save and read a frame of 1,000,000 x 3 floats",
        there_and_back,
        Peer("pandas' JSON through redis-py", as_json, faster=20),
        Peer("its bytes through redis-py", copied, within=1.5),
        Peer("its bytes in pieces as ours", copied_in_pieces, measure="times its time"),
    )


# --- Cached calls -------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The Redis:UserWarning")  # dogpile.cache's, on what redis-py deprecates
def test_cached_hit(race: Race, redis_server: Redis, plain: Any, ours: RedisClient) -> None:
    """Call a cached function whose value is there."""
    part = value(1)
    region = make_region(
        serializer=lambda given: json.dumps(given).encode(), deserializer=json.loads
    ).configure(
        "dogpile.cache.redis",
        expiration_time=600,
        arguments={
            "host": redis_server.host,
            "port": redis_server.port,
            "password": redis_server.password,
            "distributed_lock": True,
        },
    )
    name = f"{NAMESPACE}:by hand"

    def by_hand() -> Any:
        stored = plain.get(name)
        if stored is None:
            plain.set(name, json.dumps(part), ex=600)
            return part
        return json.loads(stored)

    cached = ours.cached(ttl=600, key="cached")(lambda: part)

    def dogpile() -> Any:
        return region.get_or_create(f"{NAMESPACE}:dogpile", lambda: part)

    for _ in range(2):
        assert part == by_hand() == cached() == dogpile()

    race(
        "call a cached function",
        cached,
        Peer("redis-py and json by hand", by_hand, repeat=CALLS),
        Peer("dogpile.cache, JSON", dogpile, repeat=CALLS),
        repeat=CALLS,
    )


@pytest.mark.filterwarnings("ignore:Call to deprecated:DeprecationWarning")  # aiocache's
def test_cached_hit_asyncio(race: Race, redis_server: Redis, plain: Any) -> None:
    """Await a cached function whose value is there."""
    assert plain.ping()
    part = value(1)
    address = {"host": redis_server.host, "port": redis_server.port, "password": redis_server.password}
    with asyncio.Runner() as runner:
        ours = AsyncRedisClient(**address, namespace=NAMESPACE)  # type: ignore[arg-type]
        theirs = aiocache.RedisCache(
            endpoint=redis_server.host,
            port=redis_server.port,
            password=redis_server.password,
            serializer=JsonSerializer(),
            namespace=f"{NAMESPACE}:aiocache:",
        )
        cashews = Cache()
        cashews.setup(
            f"redis://{redis_server.host}:{redis_server.port}",
            password=redis_server.password,
            pickle_type="json",
        )

        @ours.cached(ttl=600, stale=600, key="async")
        async def by_ours() -> Any:
            return part

        async def by_aiocache() -> Any:
            stored = await theirs.get("k")
            if stored is None:
                await theirs.set("k", part, ttl=600)
                return part
            return stored

        @cashews(ttl=600, key=f"{NAMESPACE}:cashews")
        async def by_cashews() -> Any:
            return part

        def often(call: Callable[[], Awaitable[Any]]) -> Callable[[], Any]:
            async def calls() -> Any:
                for _ in range(CALLS - 1):
                    await call()
                return await call()

            return lambda: runner.run(calls())

        jobs = [often(by_ours), often(by_aiocache), often(by_cashews)]
        for _ in range(2):
            assert [part] * 3 == [job() for job in jobs]

        race(
            f"await a cached function {CALLS} times",
            jobs[0],
            Peer("aiocache, JSON", jobs[1]),
            Peer("cashews, JSON", jobs[2]),
        )
        runner.run(ours.aclose())
        runner.run(theirs.close())
        runner.run(cashews.close())
