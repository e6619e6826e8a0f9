"""OpenTelemetry's spans and durations of every method, by its conventions for clients of databases."""

from __future__ import annotations

import inspect
import pickle
import uuid
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pytest
from influxdb_client.client.write_api import SYNCHRONOUS
from opentelemetry.trace import SpanKind, StatusCode

from db_core.errors import AuthenticationError, ConnectionFailedError, InvalidArgumentError, NotFoundError
from db_influx import AsyncInfluxManager, InfluxManager
from tests.awaited import AwaitedManager
from tests.influx.calls import BUCKET, PART

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from influxdb_client import InfluxDBClient

    from tests.influx.conftest import Store
    from tests.traces import Traces
    from tools import servers

SPAN = ("2026-01-01", "2026-01-02")
T0 = 1_767_225_600_000_000_000
FRAME = pd.DataFrame({"v": [1.0]}, index=pd.DatetimeIndex(["2026-01-01"], tz="UTC"))
FLUX = "from(bucket: params.bucket) |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z)"
# They send nothing themselves: a writer's deliveries have spans, the others are influxdb-client's or close.
SILENT = {"aclose", "close", "get_buckets_api", "get_query_api", "get_write_api", "writer"}


class Method(NamedTuple):
    """How a method is called, and whether it is about one bucket, and one measurement."""

    call: Callable[[Any, str, Path], object]
    has_bucket: bool = True
    has_measurement: bool = True


def partition(manager: Any, bucket: str) -> Any:
    """Return a partition, which needs no span here."""
    return manager.partitions(*SPAN, "m", "v", bucket, every="1d")[0]


METHODS: dict[str, Method] = {
    "read": Method(lambda m, b, _: m.read(*SPAN, "m", "v", b)),
    "read_all_fields": Method(lambda m, b, _: m.read_all_fields(*SPAN, "m", b)),
    "read_accumulated_value": Method(lambda m, b, _: m.read_accumulated_value(*SPAN, "m", "v", b, 60)),
    "read_accumulated_value_in_seconds": Method(
        lambda m, b, _: m.read_accumulated_value_in_seconds(*SPAN, "m", "v", b, 3600)
    ),
    "read_average_value_in_seconds": Method(lambda m, b, _: m.read_average_value_in_seconds(b, "m", "v", 60)),
    "read_last_data_point": Method(lambda m, b, _: m.read_last_data_point(b, "m", "v")),
    "read_last_data_points": Method(lambda m, b, _: m.read_last_data_points(b, "m", "v")),
    "read_batches": Method(lambda m, b, _: list(m.read_batches(*SPAN, "m", "v", b))),
    "partitions": Method(lambda m, b, _: m.partitions(*SPAN, "m", "v", b, every="1d")),
    "read_partition": Method(lambda m, b, _: m.read_partition(partition(m, b))),
    "query": Method(lambda m, b, _: m.query(FLUX, {"bucket": b}), has_bucket=False, has_measurement=False),
    "query_batches": Method(
        lambda m, b, _: list(m.query_batches(FLUX, {"bucket": b})), has_bucket=False, has_measurement=False
    ),
    "query_influxql": Method(
        lambda m, b, _: m.query_influxql("SELECT v FROM m", bucket=b), has_measurement=False
    ),
    "query_influxql_batches": Method(
        lambda m, b, _: list(m.query_influxql_batches("SELECT v FROM m", bucket=b)), has_measurement=False
    ),
    "get_measurements_on_bucket": Method(
        lambda m, b, _: m.get_measurements_on_bucket(b), has_measurement=False
    ),
    "get_fields": Method(lambda m, b, _: m.get_fields(b, "m")),
    "get_tags": Method(lambda m, b, _: m.get_tags(b, "m")),
    "get_tag_values": Method(lambda m, b, _: m.get_tag_values(b, "m", "k")),
    "snapshot": Method(lambda m, b, _: m.snapshot(b, *SPAN).close(), has_measurement=False),
    "write_parquet": Method(lambda m, b, path: m.write_parquet(path, *SPAN, "m", "v", b)),
    "synchronous_write": Method(lambda m, b, _: m.synchronous_write(b, FRAME, "m")),
    "check_write": Method(lambda m, b, _: m.check_write(b, FRAME, "m")),
    "server_version": Method(lambda m, _, __: m.server_version(), has_bucket=False, has_measurement=False),
    "list_buckets": Method(lambda m, _, __: m.list_buckets(), has_bucket=False, has_measurement=False),
    "create_bucket": Method(lambda m, b, _: m.create_bucket(b), has_measurement=False),
    "delete_bucket": Method(lambda m, b, _: m.delete_bucket(b), has_measurement=False),
    "count": Method(lambda m, b, _: m.count(b, "m")),
    "time_range": Method(lambda m, b, _: m.time_range(b, "m")),
    "delete": Method(lambda m, b, _: m.delete(b, *SPAN, "m")),
    "copy": Method(lambda m, b, _: m.copy(b, f"{b}-copy", start=SPAN[0], stop=SPAN[1], measurement="m")),
}
each_method = pytest.mark.parametrize("method", METHODS)


@pytest.mark.parametrize("kind", [InfluxManager, AsyncInfluxManager])
def test_every_method_is_tested_here(kind: type) -> None:
    """A new method needs a span, and a line above."""
    public = {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}
    assert public - SILENT == METHODS.keys()


def expected(method: str, bucket: str, address: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the attributes of a span, by the conventions."""
    host, port = address.removeprefix("http://").split(":")
    attributes: dict[str, Any] = {
        "db.system.name": "influxdb",
        "db.operation.name": method,
        "server.address": host,
        "server.port": int(port),
    }
    target = f"{host}:{port}"
    if METHODS[method].has_bucket:
        target = attributes["db.namespace"] = bucket
    if METHODS[method].has_measurement:
        target = attributes["db.collection.name"] = "m"
    return f"{method} {target}", attributes


@pytest.fixture
def bucket(official: InfluxDBClient) -> Iterator[str]:
    """Return the name of a bucket that does not exist yet. It is deleted at the end, and so is its copy."""
    name = f"spans-{uuid.uuid4()}"
    yield name
    api = official.buckets_api()
    for one in (name, f"{name}-copy"):
        if (found := api.find_bucket_by_name(one)) is not None:
            api.delete_bucket(found)


@each_method
def test_a_method_has_a_span_and_a_duration(
    either: Any,
    server: servers.InfluxDB,
    official: InfluxDBClient,
    bucket: str,
    traces: Traces,
    tmp_path: Path,
    method: str,
) -> None:
    """One of kind CLIENT, with these attributes and no others, and nothing of what was asked or answered."""
    for name in () if method == "create_bucket" else (bucket, f"{bucket}-copy"):
        official.buckets_api().create_bucket(bucket_name=name)
    if method != "create_bucket":
        with official.write_api(write_options=SYNCHRONOUS) as api:
            api.write(bucket, record=f"m,k=swordfish v=1 {T0}")

    METHODS[method].call(either, bucket, tmp_path)

    span = traces.calls[-1]  # the partition to read comes from a call before
    assert ["partitions"] * (method == "read_partition") == [one.name.split()[0] for one in traces.calls[:-1]]
    assert expected(method, bucket, server.url) == (span.name, dict(span.attributes or {}))
    assert (SpanKind.CLIENT, StatusCode.UNSET, None) == (span.kind, span.status.status_code, span.parent)
    assert [] == list(span.events)
    assert span.instrumentation_scope is not None
    assert "db_influx" == span.instrumentation_scope.name
    [duration] = [one for one in traces.durations() if one.attributes["db.operation.name"] == method]
    assert (dict(span.attributes or {}), 1) == (dict(duration.attributes), duration.count)
    assert (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10) == duration.explicit_bounds
    assert "swordfish" not in "".join(one.to_json() for one in traces.all)


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
@each_method
def test_a_method_that_fails_has_an_error(kind: str, traces: Traces, tmp_path: Path, method: str) -> None:
    """Its class is told, and not its text, which may quote names and values."""
    settings: dict[str, Any] = {"url": "http://127.0.0.1:9", "org": "o", "token": "t", "retries": 0}
    made = InfluxManager(**settings) if kind == "sync" else AwaitedManager(AsyncInfluxManager(**settings))
    call = (lambda m, *_: m.read_partition(PART)) if method == "read_partition" else METHODS[method].call

    with made as manager, pytest.raises(ConnectionFailedError):
        call(manager, BUCKET, tmp_path)

    [span] = traces.calls
    name, attributes = expected(method, BUCKET, "http://127.0.0.1:9")
    attributes["error.type"] = "db_core.errors.ConnectionFailedError"
    assert (name, attributes) == (span.name, dict(span.attributes or {}))
    assert (StatusCode.ERROR, None) == (span.status.status_code, span.status.description)
    assert [] == list(span.events)
    [duration] = traces.durations()
    assert attributes == dict(duration.attributes)


def test_copies_of_a_manager_are_as_silent(
    server: servers.InfluxDB, store: Store, traces: Traces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pickle has the switch, and so has the manager that a partition makes."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    store.write(f"m v=1 {T0}")
    with InfluxManager(tracing=False) as silent, pickle.loads(pickle.dumps(silent)) as copy:
        copy.count(store.name, "m")
        assert 1 == len(pickle.loads(pickle.dumps(partition(silent, store.name))).read())
    assert [] == traces.all

    with InfluxManager() as manager:
        assert 1 == len(partition(manager, store.name).read())
    assert ["partitions", "read_partition"] == [call.name.split()[0] for call in traces.calls]


class Names(str, Enum):  # noqa: UP042 - a StrEnum is its text in any case
    """Names as a program may keep them."""

    MEASUREMENT = "m"


def test_names_are_plain_text(either: Any, store: Store, traces: Traces) -> None:
    """Also those of an enumeration; and what is no name is refused before there is a span."""
    either.synchronous_write(store.name, FRAME, Names.MEASUREMENT)
    with pytest.raises(InvalidArgumentError, match="`data_frame_measurement_name` must be non-empty text"):
        either.synchronous_write(store.name, "m", FRAME)

    [call] = traces.calls
    assert ("synchronous_write m", "m") == (call.name, (call.attributes or {})["db.collection.name"])


def test_a_refusal_has_its_status(either: Any, make_either: Callable[..., Any], traces: Traces) -> None:
    """The server's HTTP status, where the error comes from one of its answers."""
    with pytest.raises(AuthenticationError) as unauthorized:
        make_either(token="nobodys-token").delete_bucket("any")
    with pytest.raises(AuthenticationError) as unnamed:
        make_either(token="nobodys-token").query("buckets()")
    with pytest.raises(NotFoundError) as missing:
        either.synchronous_write("nobody-made-this-bucket", FRAME, "m")
    assert [401, 401, 404] == [one.value.status for one in (unauthorized, unnamed, missing)]
    assert ["401", "401", "404"] == [
        (call.attributes or {})["db.response.status_code"] for call in traces.calls
    ]
    traces.clear()
    with pytest.raises(Exception, match="undefined identifier") as caught:
        either.query("nonsense")
    with pytest.raises(NotFoundError):
        either.query_influxql("SELECT v FROM m", bucket="nobody-made-this-bucket")

    assert 400 == caught.value.status  # type: ignore[attr-defined]
    refused, unknown = traces.calls
    assert "400" == (refused.attributes or {})["db.response.status_code"]
    assert "db.response.status_code" not in (unknown.attributes or {})
    assert "db_core.errors.NotFoundError" == (unknown.attributes or {})["error.type"]
