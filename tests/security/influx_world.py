"""A world of numbers, each written under a hostile text in one kind of name, and how reads are asked for it.

Beside them stand canaries, in the same bucket and in another.
"""

from __future__ import annotations

import inspect
import math
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd
from influxdb_client.rest import ApiException

from db_core.errors import InvalidArgumentError
from tests.influx.conftest import Store
from tests.security.hostile import TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from influxdb_client import InfluxDBClient

    from db_influx import InfluxManager, Snapshot

NOW = datetime.now(UTC).replace(microsecond=0)
INDEX = pd.DatetimeIndex([NOW - timedelta(minutes=4), NOW - timedelta(minutes=2)], name="time").as_unit("ns")
CANARY = 777_777.0

KINDS = ("measurement", "field", "tag key", "tag value", "tag column", "bucket")
WRITES = ("synchronous_write", "check_write")
WRITTEN = ("bucket", "data", "data_frame_measurement_name", "tags", "tag_columns", "time_column")
# The arguments that one call of each read has, beside the names.
READS = {
    "read": {"interval": "1m", "agg_func": "last"},
    "read_all_fields": {},
    "read_accumulated_value": {"timestep": 1},
    "read_accumulated_value_in_seconds": {"duration": 60},
    "read_average_value_in_seconds": {"duration": 3_600},
    "read_last_data_point": {},
    "read_last_data_points": {},
    "read_batches": {},
    "partitions": {"every": "1d", "interval": "1m", "agg_func": "last"},
    "snapshot": {},
    "write_parquet": {},
    "get_measurements_on_bucket": {},
    "get_fields": {},
    "get_tags": {},
    "get_tag_values": {},
    "count": {},
    "time_range": {},
}


@dataclass(frozen=True)
class Place:
    """Where a number was written: under a hostile text in one of these names."""

    bucket: str
    measurement: str = "m"
    field: str = "v"
    key: str = "k"
    value: str = "x"


@dataclass
class World:
    """What was written, place by text; and what was refused."""

    home: Store
    other: Store
    buckets: dict[str, Store]
    written: dict[tuple[str, str], tuple[Place, float]]
    refused: dict[tuple[str, str], InvalidArgumentError]

    def place(self, kind: str, text: str) -> Place:
        """Give the place that has the text in this kind of name."""
        home = self.home.name
        return {
            "measurement": Place(home, measurement=text),
            "field": Place(home, "fields", field=text),
            "tag key": Place(home, "keys", key=text),
            "tag value": Place(home, "values", value=text),
            "tag column": Place(home, "columns", key=text),
            "bucket": Place(text),
        }[kind]

    def canaries(self) -> list[Any]:
        """Give every point of a canary, in both buckets."""
        return [point for store in (self.home, self.other) for point in store.points("canary")]


@contextmanager
def filled(official: InfluxDBClient, manager: InfluxManager) -> Iterator[World]:
    """Write a number under each text in each kind of name, through `synchronous_write`; and canaries."""
    api = official.buckets_api()

    def make(name: str) -> Store:
        made = api.create_bucket(bucket_name=name)
        return Store(made.name, made.id, official)

    run = uuid.uuid4().hex
    world = World(make(f"home-{run}"), make(f"other-{run}"), {}, {}, {})
    try:
        moments = [round(moment.timestamp()) * 1_000_000_000 for moment in INDEX]
        for store in (world.home, world.other):
            store.write(*(f"canary,k=canary canary={CANARY} {moment}" for moment in moments))
            store.write(*(f"canary,k=canary v={CANARY} {moment}" for moment in moments))
            for name in ("fields", "keys", "values", "columns"):
                store.write(*(f"{name},k=canary,q=canary canary={CANARY},v={CANARY} {at}" for at in moments))
        for number, (name, text) in enumerate(TEXTS.items(), 1):
            with suppress(ApiException):  # no bucket can have this name
                if "\ud800" not in text:  # the server would take it for another
                    world.buckets[name] = make(text)
            for kind in KINDS:
                if kind != "bucket" or name in world.buckets:
                    write(manager, world, kind, name, float(number))
        yield world
    finally:
        for store in (world.home, world.other, *world.buckets.values()):
            api.delete_bucket(store.number)


def frame_of(columns: dict[str, list[Any]]) -> pd.DataFrame:
    """Give a frame at the two times, whose columns may have any name: by itself pandas takes UTF-8 only."""
    frame = pd.DataFrame(dict(enumerate(columns.values())), index=INDEX)
    return frame.set_axis(pd.Index(list(columns), dtype=object), axis="columns")


def write(manager: InfluxManager, world: World, kind: str, name: str, number: float) -> None:
    """Write two points, 0 and the number, and note whether they were taken."""
    place = world.place(kind, TEXTS[name])
    frame = frame_of({place.field: [0.0, number]})
    options: dict[str, Any] = {"tags": {place.key: place.value}}
    if kind == "tag column":
        frame = frame_of({place.field: [0.0, number], place.key: [place.value] * 2})
        options = {"tag_columns": [place.key]}
    try:
        manager.synchronous_write(place.bucket, frame, place.measurement, **options)
    except InvalidArgumentError as error:
        world.refused[kind, name] = error
    else:
        world.written[kind, name] = place, number


def call(manager: InfluxManager, method: str, place: Place, **options: Any) -> set[Any]:
    """Call a read for a place and give all numbers, or all names, that it finds."""
    values = {
        "start": NOW - timedelta(hours=1),
        "stop": NOW + timedelta(hours=1),
        "msname": place.measurement,
        "measurement": place.measurement,
        "fields": place.field,
        "bucket": place.bucket,
        "tag": place.key,
        "tags": {place.key: place.value},
    }
    wanted = inspect.signature(getattr(manager, method)).parameters
    arguments = {name: value for name, value in values.items() if name in wanted} | READS[method] | options
    if method == "snapshot":
        with manager.snapshot(**arguments) as snapshot:
            return read_of(snapshot, place)
    if method == "partitions":
        return {number for part in manager.partitions(**arguments) for number in numbers(part.read())}
    if method == "write_parquet":
        with TemporaryDirectory() as folder:
            files = manager.write_parquet(folder, **{"by": []} | arguments)
            assert [Path(folder)] * len(files) == [file.path.parent for file in files]
            return {number for file in files for number in numbers(pd.read_parquet(file.path))}
    found = getattr(manager, method)(**arguments)
    if method == "read_batches":
        return {number for frame in found for number in numbers(frame)}
    if isinstance(found, pd.DataFrame):
        return numbers(found)
    return set(found.values() if isinstance(found, dict) else found or ())


def read_of(snapshot: Snapshot, place: Place) -> set[Any]:
    """Give all numbers that a snapshot has of a place."""
    tags = {place.key: place.value}
    return numbers(snapshot.read(None, None, place.measurement, place.field, tags, missing="ignore"))


def numbers(frame: pd.DataFrame) -> set[Any]:
    """Give the numbers of a frame."""
    cells = frame.select_dtypes("number").astype("float64").to_numpy().ravel().tolist()
    return {cell for cell in cells if not math.isnan(cell)}


def expected(method: str, place: Place, number: float) -> set[Any]:
    """Give what a read finds of a place where 0 and then the number were written."""
    return {
        "read_average_value_in_seconds": {number / 2},
        "read_last_data_point": {number},
        "read_last_data_points": {number},
        "get_measurements_on_bucket": {place.measurement},
        "get_fields": {place.field},
        "get_tags": {place.key},
        "get_tag_values": {place.value},
        "count": {2},
        "time_range": set(INDEX),
    }.get(method, {0.0, number})
