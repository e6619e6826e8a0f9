"""A real InfluxDB, a bucket of the test's own, and ways around the code under test."""

from __future__ import annotations

import csv
import gc
import io
import json
import os
import threading
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from influxdb_client import BucketRetentionRules, InfluxDBClient, Permission, PermissionResource
from influxdb_client.client.write_api import SYNCHRONOUS

from db_core.errors import DatabaseError
from db_influx import AsyncInfluxManager, InfluxManager
from tests.awaited import AwaitedManager
from tests.influx.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from tests.peer import Peer
    from tools import servers


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide `INFLUXDB_*` from the manager under test; by the time of a test, `server` has used them."""
    for variable in [name for name in os.environ if name.upper().startswith("INFLUXDB_")]:
        monkeypatch.delenv(variable)


@pytest.fixture(scope="session")
def server(servers: ModuleType) -> Iterator[servers.InfluxDB]:
    """Give the InfluxDB that all tests share; it may hold data of others."""
    with servers.influxdb() as server:
        yield server


@pytest.fixture(scope="session")
def official(server: servers.InfluxDB) -> Iterator[InfluxDBClient]:
    """Give influxdb-client itself, to see and to make what is stored without the code under test."""
    with InfluxDBClient(server.url, server.token, org=server.org) as client:
        yield client


@dataclass(frozen=True)
class Store:
    """A bucket, written and read around the code under test."""

    name: str
    number: str
    client: InfluxDBClient

    def write(self, *lines: str) -> None:
        """Store lines of line protocol as they are, with nanoseconds."""
        api = self.client.write_api(write_options=SYNCHRONOUS)
        with api:
            api.write(self.name, record="\n".join(lines).encode())

    def points(self, measurement: str | None = None) -> list[Point]:
        """Give what is stored, sorted by time, read from the server's answer by hand."""
        chosen = f"|> filter(fn: (r) => r._measurement == {json.dumps(measurement)})" if measurement else ""
        answer = self.client.query_api().query_raw(
            f'from(bucketID: "{self.number}") |> range(start: 1677-09-21T00:12:43.145224194Z, '
            f"stop: 2262-04-11T23:47:16.854775806Z) {chosen}"
        )
        found, kinds, names = [], list[str](), list[str]()
        with io.TextIOWrapper(io.BytesIO(answer.data), encoding="utf-8", newline="") as text:
            for row in csv.reader(text):
                if not row:
                    names = []
                elif row[0] == "#datatype":
                    kinds, names = row, []
                elif row[0] == "" and not names:
                    names = row
                elif row[0] == "":
                    found.append(
                        _point(dict(zip(names[3:], zip(kinds[3:], row[3:], strict=True), strict=True)))
                    )
        return sorted(found, key=lambda point: (point.time, repr(point)))


class Point(NamedTuple):
    """One stored value: its place, the server's name of its type, and nanoseconds."""

    measurement: str
    tags: dict[str, str]
    field: str
    kind: str
    value: object
    time: int


def _text(cell: str) -> str:
    # The server writes a line feed as two characters.
    return cell.replace("\r\n", "\n")


_CONVERT: dict[str, Callable[[str], object]] = {
    "long": int,
    "unsignedLong": int,
    "double": float,
    "boolean": "true".__eq__,
    "string": _text,
}


def _point(cells: dict[str, tuple[str, str]]) -> Point:
    own = ("_start", "_stop", "_time", "_value", "_field", "_measurement")
    kind, value = cells["_value"]
    moment = cells["_time"][1]
    seconds = int(datetime.fromisoformat(f"{moment[:19]}+00:00").timestamp())
    return Point(
        cells["_measurement"][1],
        {name: text for name, (_, text) in cells.items() if name not in own and text},
        cells["_field"][1],
        kind,
        _CONVERT[kind](value),
        seconds * 1_000_000_000 + int(moment[20:-1].ljust(9, "0")),
    )


def _bucket(client: InfluxDBClient, name: str | None = None, shard: int | None = None) -> Iterator[Store]:
    rules = BucketRetentionRules(type="expire", every_seconds=0, shard_group_duration_seconds=shard)
    bucket = client.buckets_api().create_bucket(
        bucket_name=name or f"test-{uuid.uuid4()}", retention_rules=[rules] if shard else None
    )
    yield Store(bucket.name, bucket.id, client)
    client.buckets_api().delete_bucket(bucket)


@pytest.fixture(scope="module")
def store(official: InfluxDBClient) -> Iterator[Store]:
    """Give a bucket that the tests of a module share, each with a measurement of its own."""
    yield from _bucket(official)


@pytest.fixture(scope="module")
def daily(official: InfluxDBClient) -> Iterator[Store]:
    """Give a bucket as `store`, whose shards are days: a field may have another type on another day."""
    yield from _bucket(official, shard=86_400)


@pytest.fixture
def own_store(official: InfluxDBClient) -> Iterator[Store]:
    """Give an empty bucket of the test's own."""
    yield from _bucket(official)


@pytest.fixture
def make_store(official: InfluxDBClient) -> Iterator[Callable[[str], Store]]:
    """Give a function that makes a bucket with a name that starts as asked."""
    with ExitStack() as at_end:

        def make(start: str) -> Store:
            made = _bucket(official, f"{start}{uuid.uuid4()}")
            at_end.callback(lambda: next(made, None))
            return next(made)

        yield make


@pytest.fixture
def msname() -> str:
    """Give a measurement of the test's own."""
    return f"m{uuid.uuid4().hex}"


@pytest.fixture
def make_manager(server: servers.InfluxDB) -> Iterator[Callable[..., InfluxManager]]:
    """Give a function that makes a manager on the real server; its options may be given."""
    with ExitStack() as at_end:

        def make(**options: Any) -> InfluxManager:
            settings: dict[str, Any] = {"url": server.url, "org": server.org, "token": server.token}
            return at_end.enter_context(InfluxManager(**settings | options))

        yield make


@pytest.fixture
def manager(make_manager: Callable[..., InfluxManager]) -> InfluxManager:
    """Give the manager under test."""
    return make_manager()


@pytest.fixture
def make_token(official: InfluxDBClient) -> Iterator[Callable[..., str]]:
    """Give a function that makes a token of rights: each an action, a type, and an ID or None for all."""
    [organization] = official.organizations_api().find_organizations(org=official.org)
    with ExitStack() as at_end:

        def make(*rights: tuple[str, str, str | None]) -> str:
            permissions = [
                Permission(
                    action=action, resource=PermissionResource(type=kind, id=number, org_id=organization.id)
                )
                for action, kind, number in rights
            ]
            api = official.authorizations_api()
            made = api.create_authorization(organization.id, permissions)
            at_end.callback(api.delete_authorization, made)
            return str(made.token)

        yield make


@pytest.fixture
def make_async(server: servers.InfluxDB) -> Callable[..., AsyncInfluxManager]:
    """Give a function that makes an `AsyncInfluxManager` on the real server; its loop closes it."""

    def make(**options: Any) -> AsyncInfluxManager:
        settings: dict[str, Any] = {"url": server.url, "org": server.org, "token": server.token}
        return AsyncInfluxManager(**settings | options)

    return make


@pytest.fixture(params=["sync", "asyncio"])
def make_either(
    request: pytest.FixtureRequest,
    make_manager: Callable[..., InfluxManager],
    make_async: Callable[..., AsyncInfluxManager],
) -> Iterator[Callable[..., Any]]:
    """Return a function that makes a manager of one kind, and then of the other."""
    with ExitStack() as at_end:

        def make(**options: Any) -> Any:
            if request.param == "sync":
                return make_manager(**options)
            return at_end.enter_context(AwaitedManager(make_async(**options)))

        yield make


@pytest.fixture
def either(make_either: Callable[..., Any]) -> Any:
    """Return a manager of one kind, and then of the other."""
    return make_either()


@pytest.fixture(params=["right", "left"])
def meter(store: Store, msname: str, request: pytest.FixtureRequest) -> Meter:
    """Give a meter without totals yet, whose windows hold either of their edges."""
    return Meter(store, msname, request.param)


@pytest.fixture
def nowhere() -> Iterator[InfluxManager]:
    """Return a manager on an address where nothing listens."""
    with InfluxManager("http://127.0.0.1:9", "o", "t", retries=0) as manager:
        yield manager


@pytest.fixture
def call_peer() -> Iterator[Callable[..., InfluxManager]]:
    """Give a function that makes a manager on a peer: no retries, a short patience."""
    with ExitStack() as at_end:

        def make(peer: Peer | None, **options: Any) -> InfluxManager:
            settings: dict[str, Any] = {"org": "o", "token": "peer-token", "retries": 0, "timeout": 5}
            address = {"url": peer.url} if peer else {}
            return at_end.enter_context(InfluxManager(**settings | address | options))

        yield make


def _open_files() -> dict[str, str]:
    """Give the open files of this process, sockets too, by number."""
    folder, found = Path("/proc/self/fd"), {}
    for link in folder.iterdir() if folder.exists() else ():
        try:
            target = str(link.readlink())
        except FileNotFoundError:  # that of the listing itself
            continue
        if not target.startswith("/proc/"):
            found[link.name] = target
    return found


@pytest.fixture
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """See that no thread, socket or other file of a test is left; not even for the garbage collector."""
    if "server" in request.fixturenames:
        request.getfixturevalue("official").ping()  # whose connection may have been idle for too long
    if "store" in request.fixturenames:
        request.getfixturevalue("store")
    threads, files = set(threading.enumerate()), _open_files()
    yield
    assert set() == {thread.name for thread in set(threading.enumerate()) - threads}
    assert {} == dict(_open_files().items() - files.items())


@pytest.fixture
def kept_errors() -> Iterator[Callable[[], list[object]]]:
    """Give a function that lists our errors that were made since and are still there without a collector."""

    def errors() -> list[object]:
        return [thing for thing in gc.get_objects() if issubclass(type(thing), DatabaseError)]

    gc.collect()
    gc.disable()
    before = errors()
    yield lambda: [error for error in errors() if all(error is not other for other in before)]
    gc.enable()
