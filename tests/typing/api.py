"""The public API as its users write it: mypy and pyright check this file, nothing runs it.

A line marked `type: ignore` must be refused by both; each reports the mark if it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_type

import dask.dataframe as dd
import numpy as np
import pandas as pd

from db_core import (
    ConfigurationError,
    ConnectionFailedError,
    DatabaseError,
    Frame,
    OperationTimeoutError,
    ParseError,
    Retry,
    iter_annotated_csv,
    meter_differences,
    read_annotated_csv,
    to_line_protocol,
)
from db_influx import AsyncInfluxManager, Bucket, InfluxManager
from db_influx.dask import read_dask, write_dask
from db_redis import AsyncRedisClient, RedisClient

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

START = datetime(2026, 10, 1, tzinfo=UTC)


def makes() -> None:
    """Settings come from arguments or from the environment; options are keywords."""
    InfluxManager()
    InfluxManager("http://localhost:8086", "acme", "token", timeout=5, into="polars", tz="Europe/Lisbon")
    InfluxManager("http://localhost:8086", "acme", "token", 5)  # type: ignore[call-overload]
    InfluxManager(into="csv")  # type: ignore[call-overload]
    InfluxManager(missing="ignore")
    RedisClient()
    RedisClient("localhost", 6379, None, namespace="meters", socket_timeout=1.5)
    RedisClient(port="6379")  # type: ignore[arg-type]


def is_told(retry: Retry) -> None:
    """A retry has what a program counts."""
    assert_type((retry.method, retry.attempt, retry.seconds), tuple[str, int, float])
    assert_type(retry.error, Exception)


def is_observed() -> None:
    """A function is told of retries; spans are switched on and off."""
    InfluxManager(on_retry=is_told, tracing=False)
    AsyncInfluxManager(on_retry=print, tracing=None)
    RedisClient(on_retry=is_told, tracing=True)
    AsyncRedisClient.from_url("redis://localhost", on_retry=is_told)
    InfluxManager(on_retry="told")  # type: ignore[call-overload]


def reads(manager: InfluxManager) -> None:
    """Arguments go by position or by name; times are what users of pandas have."""
    manager.read(START, timedelta(hours=-1), "m", ["power"], "home", {"meter": ["A", "B"]}, "1h", "max")
    manager.read(pd.Timestamp(START), "2026-11-01", msname="m", fields="power", bucket="home", interval=None)
    manager.read_all_fields(START, "2026-11-01", "m", "home", into="arrow")
    manager.read_accumulated_value(START, "2026-11-01", "m", ["energy"], "home", 60, by=["meter"])
    manager.read_accumulated_value_in_seconds(
        START, "2026-11-01", "m", ["energy"], "home", 3600, closed="left"
    )
    manager.read_accumulated_value(START, "2026-11-01", "m", ["energy"], "home", 60, closed="both")  # type: ignore[call-overload]
    manager.read_average_value_in_seconds("home", "m", ["power"], 900)
    manager.query("from(bucket: params.name) |> range(start: 0)", {"name": "home"}, split=True)
    manager.read(
        "-30d", None, "m", {"power"}, "home", {"meter": {"A"}, "site": None}, np.timedelta64(15, "m")
    )
    manager.read(
        START.date(), np.datetime64("2026-11"), "m", pd.Index(["power"]), "home", interval=pd.offsets.Hour(2)
    )
    manager.read(
        START, None, "m", ["power"], "home", agg_func=["mean", "p95", ("quantile", 0.5)], missing="raise"
    )
    manager.read(START, None, "m", "power", "home", agg_func=("quantile", 0.95))
    manager.read(
        START, None, "m", ["kwh", "power"], "home", agg_func={"kwh": "last", "power": ["mean", "p5"]}
    )
    manager.read(START, None, "m", "power", "home", agg_func=0.95)  # type: ignore[call-overload]
    manager.read(START, None, "m", "power", "home", missing="never")  # type: ignore[call-overload]
    manager.read_last_data_points("home", "m", {"power"}, {"meter": {"A"}}, by=["meter"], into="polars")
    manager.read_last_data_points("home", "m", "power", None, ["meter"])  # type: ignore[call-overload]
    manager.read(None, None, "m", ["power"], "home")  # type: ignore[call-overload]
    manager.read(START, 5.0, "m", ["power"], "home")  # type: ignore[call-overload]
    manager.read(START, "2026-11-01", "m", ["power"], "home", label="middle")  # type: ignore[call-overload]


def looks_up(manager: InfluxManager) -> None:
    """What is not a frame has a type of its own."""
    assert_type(manager.get_measurements_on_bucket("home"), list[str])
    assert_type(manager.get_fields("home", "m"), list[str])
    with manager as same:
        assert_type(same, InfluxManager)


def manages(manager: InfluxManager, other: InfluxManager[pl.DataFrame], wrong: AsyncInfluxManager) -> None:
    """Managers may give frames of different kinds, but are both blocking or both not."""
    assert_type(manager.get_tags("home", "m"), list[str])
    assert_type(manager.get_tag_values("home", "m", "meter"), list[str])
    assert_type(manager.server_version(timeout=5), str)
    assert_type(manager.list_buckets(), list[Bucket])
    assert_type(manager.create_bucket("home", retention="30d"), Bucket)
    assert_type(manager.list_buckets()[0].retention, timedelta | None)
    assert_type(manager.count("home", "m", START, tz="Europe/Lisbon"), dict[str, int])
    assert_type(manager.time_range("home", "m", {"meter": "A"}), tuple[pd.Timestamp, pd.Timestamp] | None)
    manager.delete("home", START, None, "m", {"meter": ["A", "B"]})
    manager.delete("home", None, None)  # type: ignore[arg-type]
    manager.delete_bucket("home")
    assert_type(manager.copy("home", "b", start=START, stop="2026-11-01", fields="v", to=other), list[str])
    manager.copy("home", "b", start=START, stop=None, to=wrong)  # type: ignore[arg-type]
    manager.copy("home", "b", START, None)  # type: ignore[call-arg]


def writes(manager: InfluxManager, readings: pd.DataFrame) -> None:
    """Frames of pandas and of Arrow are written alike."""
    manager.synchronous_write("home", readings, "m", {"site": "north"}, tag_columns=["meter"])
    manager.synchronous_write("home", read_annotated_csv(b"\r\n"), "m", time_column="time")
    manager.synchronous_write("home", readings, "m", tag_columns=[1])  # type: ignore[list-item]
    manager.synchronous_write("home", readings, "m", duplicates="last")
    manager.check_write("home", readings, "m", duplicates="first")  # type: ignore[arg-type]


def caches(client: RedisClient) -> None:
    """A key is text or bytes; an expiry is seconds or a timedelta."""
    client.save_in_redis("key", {"power": 1.5})
    client.save_in_redis_with_expiration(b"key", [1, 2], timedelta(minutes=5))
    client.save_in_redis_with_expiration("key", None, 0.5)
    client.safe_read_from_redis("key", default=0)
    client.save_in_redis(1, "value")  # type: ignore[arg-type]
    assert_type(client.read_many(["a", "b"]), dict[str, Any])
    assert_type(client.read_many([b"a"]), dict[bytes, Any])
    client.save_many({"a": 1, b"b": [2]}, 60, atomic=True, chunk_bytes=1 << 16)
    client.save_many({"a": 1}, "60")  # type: ignore[arg-type]
    assert_type(client.delete_many(iter(["a"])), int)
    assert_type(client.scan("meters:*", count=10), Iterator[str | bytes])
    assert_type(client.ttl("a"), float | None)
    assert_type(client.touch("a", timedelta(hours=1)), bool)
    client.save_frame("a", pd.DataFrame(), 60, piece_bytes=1 << 20)
    client.get_or_compute("a", lambda: 1, ttl=60, stale=timedelta(minutes=5), on_outage="compute")
    client.get_or_compute("a", lambda: 1, ttl=60, on_outage="ignore")  # type: ignore[arg-type]
    assert_type(RedisClient.from_url("redis://localhost", nan="string", default_ttl=60), RedisClient)
    RedisClient(nan="nul")  # type: ignore[arg-type]

    @client.cached(ttl=60)
    def power(meter: str, day: int = 1) -> float:
        return len(meter) * 1.5 + day

    assert_type(power("m", day=2), float)
    power(1)  # type: ignore[arg-type]


async def awaits(client: AsyncRedisClient) -> None:
    """The same methods, awaited."""
    assert_type(await client.read_many(["a"]), dict[str, Any])
    assert_type(await client.ttl("a"), float | None)
    async for key in client.scan():
        assert_type(key, str | bytes)

    @client.cached(ttl=60)
    async def power(meter: str) -> float:
        return len(meter) * 1.5

    assert_type(await power("m"), float)
    async with client as same:
        assert_type(same, AsyncRedisClient)


def decodes(path: Path) -> None:
    """The native core stands alone."""
    frame = read_annotated_csv(path)
    assert_type(frame, Frame)
    assert_type(iter_annotated_csv(iter([b"\r\n"]), batch_rows=10), Iterator[Frame])
    assert_type(len(frame), int)
    assert_type(frame.columns, list[str])
    assert_type(frame.to_pandas(), pd.DataFrame)
    assert_type(to_line_protocol(frame, "m", tag_columns=["meter"], precision="s"), bytes)
    assert_type(meter_differences(frame), Frame)
    to_line_protocol(frame, "m", precision="min")  # type: ignore[arg-type]


def fails(error: DatabaseError) -> None:
    """Each error is also the built-in that it resembles."""
    if isinstance(error, ParseError):
        assert_type(error.offset, int | None)
    _connection: type[ConnectionError] = ConnectionFailedError
    _timeout: type[TimeoutError] = OperationTimeoutError
    _value: type[ValueError] = ConfigurationError


def in_dask(manager: InfluxManager[Any], frame: dd.DataFrame) -> None:
    """A Dask DataFrame is read and written with the arguments of partitions and of writes."""
    read_dask(manager, START, None, "m", {"power"}, "home", every="1d", tz="Europe/Lisbon", by=["meter"])
    read_dask(manager, START, None, "m", "kwh", "home", rows=10**6, timestep=60, on_reset="restart")
    read_dask(manager, START, None, "m", "power", "home", every="1d", into="polars")  # type: ignore[call-arg]
    write_dask(frame, manager, "home", "m", {"site": "x"}, tag_columns=["meter"], duplicates="last")
    write_dask(frame, manager, "home", "m", connect=InfluxManager, compute=False)
    write_dask(frame, manager, "home", "m", duplicates="first")  # type: ignore[arg-type]
    assert_type(read_dask(manager, START, None, "m", "power", "home", every="1d"), dd.DataFrame)
