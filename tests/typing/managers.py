"""The type of a frame follows from `into`: both type checkers check this file, nothing runs it.

pyarrow ships no types, so a Table is `Any` to both. A line marked `type: ignore` must be refused by both.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, assert_type

import pandas as pd
import polars as pl
import pyarrow as pa

from db_core.errors import Rejection, UnwrittenPoint
from db_core.frame import AnyFrame
from db_influx import (
    AsyncInfluxManager,
    AsyncPointWriter,
    Bucket,
    InfluxManager,
    ParquetFile,
    Partition,
    PointWriter,
    Snapshot,
)
from db_influx.polars import scan_influx

if TYPE_CHECKING:
    from db_core.frame import Into


def makes(into: Into) -> None:
    """A manager is of the kind of frame that it gives by default."""
    assert_type(InfluxManager(), InfluxManager[pd.DataFrame])
    assert_type(InfluxManager("http://localhost:8086", into="pandas"), InfluxManager[pd.DataFrame])
    assert_type(InfluxManager(into="polars"), InfluxManager[pl.DataFrame])
    assert_type(InfluxManager(into="arrow"), InfluxManager[pa.Table])
    assert_type(InfluxManager(into=into), InfluxManager[AnyFrame])
    assert_type(AsyncInfluxManager(), AsyncInfluxManager[pd.DataFrame])
    assert_type(AsyncInfluxManager(into="polars"), AsyncInfluxManager[pl.DataFrame])
    assert_type(AsyncInfluxManager(into="arrow"), AsyncInfluxManager[pa.Table])
    assert_type(AsyncInfluxManager(into=into), AsyncInfluxManager[AnyFrame])
    InfluxManager(into="csv")  # type: ignore[call-overload]
    AsyncInfluxManager(into="csv")  # type: ignore[call-overload]
    with InfluxManager(into="polars") as manager:
        assert_type(manager.query("flux"), pl.DataFrame)


def reads_by_default(
    plain: InfluxManager, polars: InfluxManager[pl.DataFrame], any_kind: InfluxManager[AnyFrame]
) -> None:
    """A call that names no kind returns the manager's; a manager of some kind is one of any kind."""
    assert_type(plain.read("-1d", None, "m", "power", "home"), pd.DataFrame)
    assert_type(polars.read("-1d", None, "m", "power", "home"), pl.DataFrame)
    assert_type(polars.read("-1d", None, "m", "power", "home", into=None), pl.DataFrame)
    assert_type(polars.read("-1d", None, "m", "power", "home", into="pandas"), pd.DataFrame)
    assert_type(any_kind.read("-1d", None, "m", "power", "home"), AnyFrame)
    any_kind = polars
    plain = polars  # type: ignore[assignment]


def reads(manager: InfluxManager, into: Into, text: str) -> None:
    """Return the frame that `into` names, or the union of those that it may name."""
    assert_type(manager.read("-1d", None, "m", "power", "home", into="arrow"), pa.Table)
    assert_type(manager.read("-1d", None, "m", "power", "home", interval="1h", into=into), AnyFrame)
    assert_type(manager.read_all_fields("-1d", None, "m", "home"), pd.DataFrame)
    assert_type(manager.read_all_fields("-1d", None, "m", "home", tz="UTC", into="polars"), pl.DataFrame)
    assert_type(manager.read_accumulated_value("-1d", None, "m", "kwh", "home", 60), pd.DataFrame)
    assert_type(
        manager.read_accumulated_value("-1d", None, "m", "kwh", "home", 60, quality=True, into="polars"),
        pl.DataFrame,
    )
    assert_type(
        manager.read_accumulated_value_in_seconds("-1d", None, "m", "kwh", "home", 60, into="polars"),
        pl.DataFrame,
    )
    assert_type(manager.read_average_value_in_seconds("home", "m", "power", 60), pd.DataFrame)
    assert_type(manager.read_average_value_in_seconds("home", "m", "power", 60, into="polars"), pl.DataFrame)
    assert_type(manager.read_last_data_points("home", "m", "power"), pd.DataFrame)
    assert_type(manager.read_last_data_points("home", "m", "power", by=["meter"], into=into), AnyFrame)
    manager.read("-1d", None, "m", "power", "home", into="csv")  # type: ignore[call-overload]
    manager.read("-1d", None, "m", "power", "home", into=text)  # type: ignore[call-overload]
    manager.read("-1d", None, "m", "power", "home", protocol="sql")  # type: ignore[call-overload]
    manager.read("-1d", None, "m", "power", "home", timout=5)  # type: ignore[call-overload]


def queries(manager: InfluxManager, into: Into) -> None:
    """Return a frame, with `split` a list of frames, and batches one after the other."""
    assert_type(manager.query("flux"), pd.DataFrame)
    assert_type(manager.query("flux", into="polars"), pl.DataFrame)
    assert_type(manager.query("flux", split=True), list[pd.DataFrame])
    assert_type(manager.query("flux", {"name": 1}, split=True, into="polars"), list[pl.DataFrame])
    assert_type(manager.query("flux", split=True, into="arrow"), list[pa.Table])
    assert_type(manager.query_batches("flux"), Generator[pd.DataFrame])
    assert_type(manager.query_batches("flux", batch_rows=9, into="polars"), Generator[pl.DataFrame])
    assert_type(manager.query_influxql("SHOW DATABASES"), pd.DataFrame)
    assert_type(manager.query_influxql("text", {"v": 1.5}, bucket="home", into="polars"), pl.DataFrame)
    assert_type(manager.query_influxql("text", split=True), list[pd.DataFrame])
    assert_type(manager.query_influxql_batches("text", bucket="home"), Generator[pd.DataFrame])
    batches = manager.read_batches("-1d", None, "m", "power", "home", into=into)
    for frame in batches:
        assert_type(frame, AnyFrame)
    batches.close()


def snapshots(manager: InfluxManager, polars: InfluxManager[pl.DataFrame], into: Into) -> None:
    """The frames of a snapshot are those of its manager, or of `into`."""
    with manager.snapshot("home", "-30d") as snapshot:
        assert_type(snapshot, Snapshot)
        assert_type(snapshot.read("-1d", None, "m", "power"), pd.DataFrame)
        assert_type(snapshot.read_all_fields(None, None, "m", into="arrow"), pa.Table)
        assert_type(snapshot.read_batches(None, None, "m", "power", into="polars"), Generator[pl.DataFrame])
        assert_type(snapshot.write_parquet("folder"), list[ParquetFile])
    with polars.snapshot("home", "-30d") as of_polars:
        assert_type(of_polars.read_accumulated_value(None, None, "m", "kwh", 60), pl.DataFrame)
    assert_type(Snapshot.open("folder"), Snapshot[pd.DataFrame])
    assert_type(Snapshot.open("folder", "home", into="arrow"), Snapshot[pa.Table])
    assert_type(Snapshot.open("folder", into=into), Snapshot[AnyFrame])
    assert_type(manager.write_parquet("folder", "-1d", None, "m", None, "home"), list[ParquetFile])


def partitions(manager: InfluxManager, polars: InfluxManager[pl.DataFrame], into: Into) -> None:
    """The frames of a partition are those of its manager, or of `into`."""
    parts = manager.partitions("-1d", None, "m", "power", "home", every="1h", tz="UTC")
    assert_type(parts, list[Partition[pd.DataFrame]])
    assert_type(parts[0].read(), pd.DataFrame)
    assert_type(parts[0].read(["power"], into="polars"), pl.DataFrame)
    assert_type(parts[0].empty(into="arrow"), pa.Table)
    assert_type(parts[0].read(into=into), AnyFrame)
    assert_type(parts[0].narrowed("-1h"), Partition[pd.DataFrame] | None)
    [part, *_] = polars.partitions(
        "-1d", None, "m", "kwh", "home", rows=9, timestep=60, connect=InfluxManager
    )
    assert_type(part.read(), pl.DataFrame)
    assert_type(manager.read_partition(part), pd.DataFrame)
    assert_type(manager.read_partition(part, "kwh", into="polars"), pl.DataFrame)
    manager.partitions("-1d", None, "m", "power", "home", every="1h", gaps="book")  # type: ignore[call-arg]
    assert_type(scan_influx(polars, "-1d", None, "m", "power", "home", every="1h", tz="UTC"), pl.LazyFrame)


def writes(manager: InfluxManager, told: list[UnwrittenPoint]) -> None:
    """A writer takes anything, and tells of points."""
    with manager.writer("home", "m", spool="folder", on_refused=told.append) as writer:
        assert_type(writer, PointWriter)
        assert_type(writer.write({"v": 1.5}), None)
        assert_type(writer.error, Exception | None)
    manager.writer("home", max_rows="many")  # type: ignore[arg-type]


def looks_up(manager: InfluxManager) -> None:
    """The newest point is a dict of values, or of pairs of time and value."""
    assert_type(manager.read_last_data_point("home", "m", "power"), dict[str, Any])
    with_time = manager.read_last_data_point("home", "m", "power", with_time=True)
    assert_type(with_time, dict[str, tuple[pd.Timestamp, Any]])


async def awaits(manager: AsyncInfluxManager, polars: AsyncInfluxManager[pl.DataFrame], into: Into) -> None:
    """Return the same, awaited."""
    assert_type(await manager.read("-1d", None, "m", "power", "home"), pd.DataFrame)
    assert_type(await manager.read("-1d", None, "m", "power", "home", into="polars"), pl.DataFrame)
    assert_type(await manager.read("-1d", None, "m", "power", "home", into="arrow"), pa.Table)
    assert_type(await manager.read_all_fields("-1d", None, "m", "home", into=into), AnyFrame)
    assert_type(await polars.read_all_fields("-1d", None, "m", "home"), pl.DataFrame)
    assert_type(await polars.read_accumulated_value("-1d", None, "m", "kwh", "home", 60), pl.DataFrame)
    assert_type(
        await polars.read_accumulated_value_in_seconds("-1d", None, "m", "kwh", "home", 60, into="pandas"),
        pd.DataFrame,
    )
    assert_type(await manager.read_average_value_in_seconds("home", "m", "power", 60), pd.DataFrame)
    assert_type(await manager.read_last_data_points("home", "m", "power", into="polars"), pl.DataFrame)
    assert_type(await manager.read_last_data_point("home", "m", "power"), dict[str, Any])
    assert_type(await manager.query("flux", split=True, into="polars"), list[pl.DataFrame])
    assert_type(await manager.query_influxql("text", bucket="home"), pd.DataFrame)
    assert_type(await manager.read_all_fields("-1d", None, "m", "home", protocol="flux"), pd.DataFrame)
    assert_type(await manager.get_fields("home", "m"), list[str])
    [part, *_] = await polars.partitions("-1d", None, "m", "power", "home", every="1h")
    assert_type(part.read(), pl.DataFrame)
    assert_type(await manager.read_partition(part), pd.DataFrame)
    assert_type(await manager.read_partition(part, ["power"], into=into), AnyFrame)
    assert_type(await manager.get_tags("home", "m"), list[str])
    assert_type(await manager.list_buckets(), list[Bucket])
    assert_type(await manager.count("home", "m"), dict[str, int])
    assert_type(await manager.copy("home", "b", start="-1d", stop=None, to=manager), list[str])
    assert_type(await manager.check_write("home", pd.DataFrame(), "m"), list[Rejection])
    await manager.read("-1d", None, "m", "power", "home", into="csv")  # type: ignore[call-overload]
    manager.read("-1d", None, "m", "power", "home").head()  # type: ignore[attr-defined]


async def goes_through(manager: AsyncInfluxManager) -> None:
    """Batches are an asynchronous generator."""
    assert_type(manager.query_batches("flux"), AsyncGenerator[pd.DataFrame])
    batches = manager.read_batches("-1d", None, "m", "power", "home", into="polars")
    async for frame in batches:
        assert_type(frame, pl.DataFrame)
    await batches.aclose()
    async with manager.snapshot("home", "-30d") as snapshot:
        assert_type(snapshot, Snapshot)
    assert_type(await manager.snapshot("home", "-30d"), Snapshot)
    assert_type(await manager.write_parquet("folder", "-1d", None, "m", None, "home"), list[ParquetFile])
    async with manager.writer("home", "m") as writer:
        assert_type(writer, AsyncPointWriter)
        assert_type(await writer.write({"v": 1.5}), None)
        await writer.flush()
    async with manager as same:
        assert_type(same, AsyncInfluxManager)
