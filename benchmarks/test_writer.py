"""Points one by one: how fast a buffered writer takes them, and how long it is until all are stored."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from influxdb_client.client.write_api import WriteOptions

from benchmarks import peers
from benchmarks.race import Peer
from benchmarks.test_write import MEASUREMENT, frame, fresh_buckets, ours, stored  # noqa: F401 - `frame` is a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.conftest import Buckets
    from benchmarks.race import Race
    from db_influx import InfluxManager
    from tools.servers import InfluxDB

ALL = "write 200,000 points x 4 fields one by one"


@pytest.fixture(scope="module")
def points(frame: pd.DataFrame) -> list[dict[str, Any]]:  # noqa: F811
    """Return the rows of the frame as points."""
    assert isinstance(frame.index, pd.DatetimeIndex)
    names = ["power", "voltage", "energy", "on"]
    columns = [frame.index.as_unit("ns").asi8.tolist(), *(frame[name].tolist() for name in ["meter", *names])]
    return [
        {
            "measurement": MEASUREMENT,
            "tags": {"meter": meter},
            "fields": dict(zip(names, values, strict=True)),
            "time": at,
        }
        for at, meter, *values in zip(*columns, strict=True)
    ]


def test_points_taken_a_second(
    race: Race, manager: InfluxManager, buckets: Buckets, points: list[dict[str, Any]]
) -> None:
    """By one thread, while the writer sends them to the server."""
    fresh = fresh_buckets(manager, buckets, race.rounds)

    def ratio() -> float:
        with manager.writer(next(fresh)) as writer:
            begin = time.perf_counter()
            for point in points:
                writer.write(point)
            return (time.perf_counter() - begin) / len(points) * 200_000

    race.limit("take 200,000 points x 4 fields", "200,000 points a second", ratio)


def test_writer(
    race: Race,
    manager: InfluxManager,
    influx: InfluxDB,
    buckets: Buckets,
    frame: pd.DataFrame,  # noqa: F811
    points: list[dict[str, Any]],
) -> None:
    """Write all points and close, each time into a bucket that has nothing but its shard."""
    fresh: Iterator[str] = fresh_buckets(manager, buckets, 3 * (race.rounds + 1))

    def one_by_one(bucket: str) -> None:
        with manager.writer(bucket) as writer:
            for point in points:
                writer.write(point)

    def theirs(bucket: str) -> None:
        options = WriteOptions(batch_size=50_000, flush_interval=1_000)
        with official_client.write_api(write_options=options) as api:
            for point in points:
                api.write(bucket, record=point)

    with peers.client(influx) as official_client:
        stored(manager, one_by_one, fresh, frame)
        stored(manager, theirs, fresh, frame)
        stored(manager, lambda bucket: ours(manager, bucket, frame), fresh, frame)

        race(
            ALL,
            lambda: one_by_one(next(fresh)),
            Peer("synchronous_write of the frame", lambda: ours(manager, next(fresh), frame), within=1.3),
            Peer("influxdb-client, batching", lambda: theirs(next(fresh)), faster=20),
        )
