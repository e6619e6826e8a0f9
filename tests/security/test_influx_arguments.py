"""Every argument of `InfluxManager` that can be given a text, against every hostile text.

The text names exactly the data that was written under it, or it is refused with an error that names
the argument. A canary in the same bucket, and one in another, are never found, changed or removed.
"""

from __future__ import annotations

import inspect
import math
import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from influxdb_client.rest import ApiException

from db_core.errors import ConfigurationError, DatabaseError, InvalidArgumentError, NotFoundError
from db_influx import InfluxManager
from tests.influx.calls import PART
from tests.security.hostile import TEXTS, text_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from influxdb_client import InfluxDBClient

    from db_influx import Snapshot
    from tests.influx.conftest import Store
    from tests.peer import Peer
    from tools import servers

NOW = datetime.now(UTC).replace(microsecond=0)
INDEX = pd.DatetimeIndex([NOW - timedelta(minutes=4), NOW - timedelta(minutes=2)], name="time").as_unit("ns")
CANARY = 777_777.0

# What each argument is. An argument that is not here fails the first test.
PLACES = {
    "msname": "measurement",
    "measurement": "measurement",
    "fields": "field",
    "bucket": "bucket",
    "tag": "tag key",
}
CHOICES = (
    *("start", "stop", "every", "interval", "timestep", "duration", "agg_func", "label", "tz", "into"),
    *("on_reset", "rollover", "max_rate", "gaps", "closed", "duplicates", "missing", "protocol", "retention"),
)
WRITES = ("synchronous_write", "check_write")
SETTINGS = ("url", "org", "token", "ca_cert", "client_cert", "into", "tz", "missing", "protocol")
WRITTEN = ("bucket", "data", "data_frame_measurement_name", "tags", "tag_columns", "time_column")
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
# Calls of methods that change something.
CHANGES: dict[str, dict[str, Any]] = {
    "create_bucket": {"name": "b"},
    "delete_bucket": {"name": "b"},
    "delete": {"bucket": "b", "start": "-1h", "stop": None},
    "copy": {"bucket": "b", "to_bucket": "c", "start": "-1h", "stop": None},
}
CASES = {
    *(("__init__", argument) for argument in SETTINGS),
    *((method, argument) for method in WRITES for argument in (*WRITTEN, "duplicates")),
    *((method, argument) for method in ("query", "query_batches") for argument in ("flux", "params", "into")),
    *(
        (method, argument)
        for method in ("query_influxql", "query_influxql_batches")
        for argument in ("influxql", "params", "bucket", "into")
    ),
    ("get_write_api", "tags"),
    ("create_bucket", "name"),
    ("create_bucket", "retention"),
    ("delete_bucket", "name"),
    *(("delete", argument) for argument in ("bucket", "start", "stop", "measurement", "tags", "tz")),
    *(("copy", argument) for argument in ("bucket", "to_bucket", "start", "stop", "measurement", "fields")),
    *(("copy", argument) for argument in ("tags", "to", "missing", "tz")),
    *((method, "folder") for method in ("snapshot", "write_parquet")),
    ("snapshot", "progress"),
    ("partitions", "connect"),
    *(("read_partition", argument) for argument in ("partition", "columns", "into")),
    ("write_parquet", "name"),
    *(
        (method, argument)
        for method in READS
        for argument in inspect.signature(getattr(InfluxManager, method)).parameters
        if argument in (*PLACES, *CHOICES, "tags", "by")
    ),
}


def test_every_argument_that_can_be_given_a_text_has_a_case() -> None:
    """Derived from the signatures, so that a new argument needs one too."""
    ours = {(method, argument) for method, argument in text_arguments(InfluxManager) if method != "close"}

    assert ours == CASES


# --- Names ------------------------------------------------------------------------


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


KINDS = ("measurement", "field", "tag key", "tag value", "tag column", "bucket")
ARGUMENTS = {
    "measurement": ("data_frame_measurement_name",),
    "field": ("data",),
    "tag key": ("tags",),
    "tag value": ("tags",),
    "tag column": ("data", "tag_columns"),
    "bucket": ("bucket",),
}


@pytest.fixture(scope="module")
def shared(server: servers.InfluxDB) -> Iterator[InfluxManager]:
    """Give a manager that the whole module shares."""
    with InfluxManager(server.url, server.org, server.token, missing="ignore") as manager:
        yield manager


@pytest.fixture(scope="module")
def world(official: InfluxDBClient, shared: InfluxManager) -> Iterator[World]:
    """Write a number under each text in each kind of name, through `synchronous_write`; and canaries."""
    from tests.influx.conftest import Store

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
                    write(shared, world, kind, name, float(number))
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


def test_what_is_written_is_there_under_its_name_and_nothing_else_is(world: World) -> None:
    """All points of all buckets, read around the code under test, are those written; canaries are whole."""
    expected = sorted(
        (place.bucket, place.measurement, ((place.key, place.value),), place.field, value)
        for place, number in world.written.values()
        for value in (0.0, number)
    )
    stores = (world.home, world.other, *world.buckets.values())
    found = sorted(
        (store.name, point.measurement, tuple(point.tags.items()), point.field, point.value)
        for store in stores
        for point in store.points()
        if point.value != CANARY
    )

    assert expected == found
    assert 8 == len(world.canaries())


def test_only_what_line_protocol_cannot_carry_is_refused(world: World) -> None:
    """By an error that names the argument; all other texts were written, so the tests below see them."""
    for (kind, name), error in world.refused.items():
        assert error.argument in ARGUMENTS[kind], (kind, name)
        assert f"`{error.argument}`" in str(error), (kind, name)
        text = TEXTS[name]
        is_uncarried = "\n" in text or text.endswith("\\") or "\ud800" in text
        assert is_uncarried or (kind, name) in {
            ("measurement", "line protocol comment"),
            ("measurement", "backslash before a quote"),
            ("field", "backslash before a quote"),
        }
    assert 20 <= len(world.buckets)
    assert {name for kind, name in world.written if kind == "bucket"} == set(world.buckets)


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


NAMES = [
    (method, argument, kind)
    for method, argument in sorted(CASES)
    if method in READS and argument in (*PLACES, "tags")
    for kind in ([PLACES[argument]] if argument in PLACES else ["tag key", "tag value"])
]


@pytest.mark.filterwarnings("ignore:InfluxQL knows bucket '/")
@pytest.mark.parametrize(("method", "argument", "kind"), NAMES)
def test_a_name_finds_what_was_written_under_it_and_nothing_else(
    shared: InfluxManager, world: World, method: str, argument: str, kind: str
) -> None:
    """The number of each text comes back for that text alone; what holds none finds none, or is refused."""
    for name, text in TEXTS.items():
        place = world.place(kind, text)
        written = world.written.get((kind, name))
        try:
            found = call(shared, method, place)
        except InvalidArgumentError as error:
            if method == "write_parquet" and "\0" in text:  # no name in Arrow has one
                continue
            assert written is None, name
            assert error.argument == argument, name
            assert f"`{argument}`" in str(error), name
            continue
        except NotFoundError:
            assert (kind, None) == ("bucket", world.buckets.get(name)), name
            continue
        assert found == (expected(method, *written) if written else set()), name
    assert 8 == len(world.canaries())


RAW = [("read", {"interval": None}), ("read_all_fields", {}), ("read_batches", {})]


@pytest.mark.filterwarnings("ignore:InfluxQL knows bucket '/")
@pytest.mark.parametrize(
    ("method", "options", "kind"),
    [
        (method, options, kind)
        for method, options in RAW
        for kind in ("measurement", "field", "tag key", "tag value", "bucket")
        if (method, kind) != ("read_all_fields", "field")
    ],
)
def test_influxql_finds_what_was_written_under_a_name_and_nothing_else(
    shared: InfluxManager, world: World, method: str, options: dict[str, Any], kind: str
) -> None:
    """Insisting on InfluxQL; it has no database for a bucket whose name starts with a slash."""
    for name, text in TEXTS.items():
        place = world.place(kind, text)
        written = world.written.get((kind, name))
        try:
            found = call(shared, method, place, **options, protocol="influxql", missing="ignore")
        except InvalidArgumentError:
            assert written is None, name
            continue
        except NotFoundError:
            assert ("bucket", True) == (kind, name == "path" or name not in world.buckets), name
            continue
        assert found == (expected(method, *written) if written else set()), name
    assert 8 == len(world.canaries())


@pytest.mark.parametrize("kind", ["measurement", "field", "tag key", "tag value"])
def test_a_snapshot_finds_what_was_written_under_a_name(
    shared: InfluxManager, world: World, kind: str
) -> None:
    """As a query does: a name is compared, and is part of nothing else."""
    with shared.snapshot(world.home.name, NOW - timedelta(hours=1), NOW + timedelta(hours=1)) as snapshot:
        for name, text in TEXTS.items():
            written = world.written.get((kind, name))
            try:
                found = read_of(snapshot, world.place(kind, text))
            except InvalidArgumentError:
                assert written is None, name
            else:
                assert found == ({0.0, written[1]} if written else set()), name


def test_a_name_of_files_stays_in_its_folder(shared: InfluxManager, world: World, tmp_path: Path) -> None:
    """Whatever the template or the measurement is, no file is written elsewhere."""
    place, _ = world.written["field", next(iter(TEXTS))]
    folder, start = tmp_path / "a" / "b", NOW - timedelta(hours=1)
    for text in TEXTS.values():
        with suppress(InvalidArgumentError):
            shared.write_parquet(
                folder, start, None, place.measurement, place.field, place.bucket, name=text, by=[]
            )
    assert [tmp_path / "a"] == list(tmp_path.iterdir())
    assert [folder] == list((tmp_path / "a").iterdir())


BY = [method for method, argument in sorted(CASES) if argument == "by"]


@pytest.mark.parametrize("method", BY)
def test_a_level_is_named_as_asked(shared: InfluxManager, world: World, method: str) -> None:
    """`by` is compared with the tags of the answer: it never enters a query, and finds nothing more."""
    for (kind, name), (place, number) in world.written.items():
        if kind == "tag key" and (method != "write_parquet" or "\0" not in TEXTS[name]):
            assert expected(method, place, number) == call(shared, method, place, by=[TEXTS[name]]), name


# --- Choices and settings: one of a list, a form, or refused ----------------------


def test_no_text_is_a_partition_or_the_name_of_its_columns() -> None:
    """Nor a function that returns a manager; nothing is sent."""
    with InfluxManager("http://127.0.0.1:9", "o", "t", retries=0) as nowhere:
        calls: dict[str, Callable[[Any], Any]] = {
            "partition": nowhere.read_partition,
            "columns": partial(nowhere.read_partition, PART),
            "connect": lambda text: nowhere.partitions("-1d", None, "m", "v", "b", every="1d", connect=text),
        }
        for argument, ask in calls.items():
            for name, text in TEXTS.items():
                with pytest.raises(InvalidArgumentError, match=f"`{argument}`") as caught:
                    ask(text)
                assert argument == caught.value.argument, name


@pytest.mark.parametrize(
    ("method", "argument"), sorted(case for case in CASES if case[1] in CHOICES and case[0] != "__init__")
)
def test_what_is_no_choice_is_refused_before_anything_is_sent(method: str, argument: str) -> None:
    """No hostile text is a time, a length, a function, a zone or the name of a kind."""
    alone: dict[str, Any] = {"interval": None} if (method, argument) == ("partitions", "timestep") else {}
    with InfluxManager("http://127.0.0.1:9", "o", "t", retries=0) as nowhere:
        for name, text in TEXTS.items():
            ask = partial(call, nowhere, method, Place("b"))
            if method in CHANGES:
                ask = partial(getattr(nowhere, method), **CHANGES[method])
            elif method not in READS:
                given: Any = ("b", frame_of({"v": [1.0, 2.0]}), "m") if method in WRITES else ("buckets()",)
                ask = partial(getattr(nowhere, method), *([PART] if method == "read_partition" else given))
            with pytest.raises(InvalidArgumentError) as caught:
                list(ask(**{argument: text}, **alone))
            assert argument == caught.value.argument, name
            assert f"`{argument}`" in str(caught.value), name


@pytest.mark.parametrize("argument", ["ca_cert", "client_cert", "into", "tz"])
def test_an_option_of_the_manager_is_refused(argument: str) -> None:
    """When it is made, by an error that names the option."""
    for name, text in TEXTS.items():
        options: dict[str, Any] = {argument: text}
        with pytest.raises(InvalidArgumentError) as caught:
            InfluxManager("http://127.0.0.1:9", "o", "t", **options)
        assert argument == caught.value.argument, name


@pytest.mark.parametrize("argument", ["url", "org", "token"])
def test_a_setting_is_sent_as_it_is_or_refused(peer: Callable[..., Peer], argument: str) -> None:
    """No text adds a line to the request, or changes where it goes."""
    server = peer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n\r\n")
    sent = 0
    for name, text in TEXTS.items():
        settings = {"url": server.url, "org": "o", "token": "t"}
        settings[argument] = f"{server.url}/{text}" if argument == "url" else text
        try:
            with InfluxManager(**settings, retries=0) as manager:  # type: ignore[arg-type]
                manager.query("buckets()")
        except ConfigurationError as error:
            assert f"`{argument}`" in str(error), name
            continue
        sent += 1
        assert sent == len(server.requests), name
        line, *headers = server.requests[-1].partition(b"\r\n\r\n")[0].decode("ascii").split("\r\n")
        method, address, version = line.split(" ")
        assert ("POST", "HTTP/1.1") == (method, version), name
        assert ["authorization"] == [
            header.partition(":")[0].lower() for header in headers if "njected" in header or "Token" in header
        ], name
        parts = urlsplit(address)
        if argument == "org":
            assert {"org": [text]} == parse_qs(parts.query), name
        elif argument == "url":
            assert {"org": ["o"]} == parse_qs(parts.query), name
            assert parts.path.endswith("/api/v2/query"), name
        else:
            assert f"Authorization: Token {text}" in headers, name
    assert 5 < sent


# --- Changes ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["measurement", "tag key", "tag value"])
def test_a_name_deletes_what_was_written_under_it_and_nothing_else(
    shared: InfluxManager, make_store: Callable[..., Store], kind: str
) -> None:
    """By any of these names; what is refused, or holds nothing, deletes nothing."""
    store = make_store("deleted")
    world = World(store, store, {}, {}, {})
    store.write(f"canary,k=canary,q=canary canary={CANARY} {INDEX[0].value}")
    for number, name in enumerate(TEXTS, 1):
        write(shared, world, kind, name, float(number))
    there = {name: {0.0, number} for name, (_, number) in world.written.items() for name in [name[1]]}

    for name, text in TEXTS.items():
        place = world.place(kind, text)
        tags = None if kind == "measurement" else {place.key: place.value}
        try:
            shared.delete(store.name, NOW - timedelta(hours=1), None, place.measurement, tags)
        except InvalidArgumentError as error:
            assert error.argument == ("tags" if tags else "measurement"), name
        else:
            there.pop(name, None)
        values = sorted(value for numbers_of in there.values() for value in numbers_of)
        assert sorted([*values, CANARY]) == sorted(point.value for point in store.points()), name
    assert {"NUL"} & set(world.written) <= set(there)
    assert 2 >= len(there)


@pytest.mark.parametrize("kind", ["measurement", "field", "tag key", "tag value"])
def test_a_name_copies_what_was_written_under_it_and_nothing_else(
    shared: InfluxManager, world: World, make_store: Callable[..., Store], kind: str
) -> None:
    """As in reads."""
    for name, text in TEXTS.items():
        place, target = world.place(kind, text), make_store("copied")
        try:
            shared.copy(
                place.bucket,
                target.name,
                start=NOW - timedelta(hours=1),
                stop=NOW + timedelta(hours=1),
                measurement=place.measurement,
                fields=place.field,
                tags={place.key: place.value},
            )
        except InvalidArgumentError:
            assert (kind, name) not in world.written, name
        written = world.written.get((kind, name))
        found = [(point.measurement, point.field, point.tags, point.value) for point in target.points()]
        tags = {place.key: place.value}
        expected = [
            (place.measurement, place.field, tags, value) for value in ((0.0, written[1]) if written else ())
        ]
        assert expected == found, name


def test_a_bucket_is_made_filled_and_deleted_by_its_name_alone(
    shared: InfluxManager, world: World, make_store: Callable[..., Store]
) -> None:
    """Where the server takes the name; all other buckets stay as they are."""
    source = make_store("source")
    source.write(f"m v=1 {INDEX[0].value}")
    before = shared.list_buckets()
    made = 0
    for name, text in TEXTS.items():
        bucket = f"{text}{uuid.uuid4().hex}"
        try:
            shared.create_bucket(bucket)
        except DatabaseError:
            with pytest.raises((InvalidArgumentError, NotFoundError)):
                shared.delete_bucket(bucket)
            continue
        made += 1
        assert [bucket] == [one.name for one in shared.list_buckets() if one not in before], name
        assert ["m"] == shared.copy(source.name, bucket, start=NOW - timedelta(hours=1), stop=None), name
        assert ["m"] == shared.get_measurements_on_bucket(bucket), name
        shared.delete_bucket(bucket)
        assert before == shared.list_buckets(), name
    assert 20 <= made
    assert 8 == len(world.canaries())


def test_a_copy_goes_to_no_address(shared: InfluxManager) -> None:
    """`to` is a manager, never a text."""
    for name, text in TEXTS.items():
        with pytest.raises(InvalidArgumentError) as caught:
            shared.copy("b", "c", start="-1h", stop=None, to=text)  # type: ignore[arg-type]
        assert "to" == caught.value.argument, name


# --- Queries ----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["query", "query_batches"])
def test_a_parameter_is_a_value(shared: InfluxManager, world: World, method: str) -> None:
    """As a value, a name of one, and the name of a bucket: each is what it says, and no more."""

    def ask(flux: str, params: dict[str, Any]) -> list[Any]:
        found = getattr(shared, method)(flux, params)
        frames = [found] if method == "query" else list(found)
        return [value for frame in frames for value in frame["_value"]]

    table = 'import "array" array.from(rows: [{{_value: params[{}]}}])'
    for name, text in TEXTS.items():
        try:
            # The server leaves carriage returns out of what it sends.
            assert [text.replace("\r", "")] == ask(table.format('"a"'), {"a": text}), name
            assert ["x"] == ask(table.format('"a"'), {"a": "x", text: "y"}), name
            found = ask("from(bucket: params.a) |> range(start: -1h) |> last()", {"a": text})
        except InvalidArgumentError as error:
            assert "\ud800" in text
            assert "params" == error.argument
        except NotFoundError:
            assert name not in world.buckets, name
        else:
            assert [world.written["bucket", name][1]] == found, name


@pytest.mark.filterwarnings("ignore:InfluxQL knows bucket '/")
@pytest.mark.parametrize("method", ["query_influxql", "query_influxql_batches"])
def test_a_parameter_of_influxql_is_a_value(shared: InfluxManager, world: World, method: str) -> None:
    """As the value of a tag, as a name of one, and as the name of a bucket: each finds what it says."""

    def ask(influxql: str, params: dict[str, Any], bucket: str) -> list[float]:
        found = getattr(shared, method)(influxql, params, bucket=bucket)
        frames = [found] if method == "query_influxql" else list(found)
        return [value for frame in frames if "v" in frame for value in frame["v"]]

    text_of_tag = 'SELECT "v"::field FROM "values" WHERE "k"::tag = $a'
    for name, text in TEXTS.items():
        written = world.written.get(("tag value", name))
        try:
            found = ask(text_of_tag, {"a": text}, world.home.name)
            assert found == ([0.0, written[1]] if written else []), name
            assert [] == ask(text_of_tag, {"a": "no such value", text: "x"}, world.home.name), name
        except InvalidArgumentError as error:
            assert "\ud800" in text
            assert "params" == error.argument
            continue
        with suppress(NotFoundError):
            found = ask('SELECT "v"::field FROM "m"', {}, text)
            assert [0.0, world.written["bucket", name][1]] == found, name


@pytest.mark.parametrize("method", ["query", "query_batches", "query_influxql", "query_influxql_batches"])
def test_a_query_is_code_and_cannot_come_apart(shared: InfluxManager, world: World, method: str) -> None:
    """The text is the caller's code. What is no code is an error, and nothing is found by it."""
    for text in TEXTS.values():
        with pytest.raises(DatabaseError):
            list(getattr(shared, method)(text))
    assert 8 == len(world.canaries())


# --- Writes that write nothing, and the official writer ------------------------------


@pytest.mark.parametrize("argument", WRITTEN)
def test_a_check_writes_nothing(shared: InfluxManager, world: World, argument: str) -> None:
    """`check_write` takes the same texts, tells or refuses, and leaves every bucket as it was."""
    before = world.home.points() + world.other.points()
    kinds = {"data_frame_measurement_name": "measurement", "data": "field", "tag_columns": "tag column"}
    for name, text in TEXTS.items():
        place = world.place(kinds.get(argument, "measurement"), text if argument in kinds else "checked")
        frame = frame_of({place.field: [1.0, 2.0]})
        options: dict[str, Any] = {
            "tags": {"tags": {text: text}},
            "tag_columns": {"tag_columns": [text]},
            "time_column": {"time_column": text},
        }.get(argument, {})
        try:
            told = shared.check_write(
                text if argument == "bucket" else world.home.name, frame, place.measurement, **options
            )
        except InvalidArgumentError as error:
            assert error.argument in (argument, "data"), name
        except NotFoundError:
            assert ("bucket", None) == (argument, world.buckets.get(name)), name
        else:
            kind = {"tags": "tag key"}.get(argument, kinds.get(argument, ""))
            is_no_column = argument in ("tag_columns", "time_column")
            assert bool(told) == (is_no_column or (kind, name) in world.refused), name
    assert before == world.home.points() + world.other.points()


def test_a_column_of_times_may_have_any_name(shared: InfluxManager, make_store: Callable[..., Store]) -> None:
    """Its name is written nowhere."""
    store = make_store("times")
    expected = []
    for number, text in enumerate(TEXTS.values()):
        frame = frame_of({"v": [float(number)] * 2, text: list(INDEX)}).reset_index(drop=True)
        if "\ud800" in text:
            with pytest.raises(InvalidArgumentError, match="`time_column`"):
                shared.synchronous_write(store.name, frame, f"m{number}", time_column=text)
            continue
        shared.synchronous_write(store.name, frame, f"m{number}", time_column=text)
        expected += [(f"m{number}", {}, "v", float(number))] * 2

    found = [(point.measurement, point.tags, point.field, point.value) for point in store.points()]
    assert sorted(expected, key=repr) == sorted(found, key=repr)


def test_a_bucket_named_as_anothers_id_is_not_written_to(
    shared: InfluxManager, make_store: Callable[..., Store]
) -> None:
    """The server takes a name of a write for an ID first: a tenant could name a bucket after another's."""
    victim = make_store("victim")
    buckets = shared.get_buckets_api()
    trap = buckets.create_bucket(bucket_name=victim.number)
    frame = pd.DataFrame({"v": [1.0, 2.0]}, index=INDEX)
    try:
        for method in WRITES:
            for name in (victim.number, victim.number.upper()):
                with pytest.raises(InvalidArgumentError, match=r"`bucket` .* as a bucket ID") as caught:
                    getattr(shared, method)(name, frame, "m")
                assert "bucket" == caught.value.argument
        assert [] == victim.points()
        # The defect of the server that this is about.
        shared.get_write_api().write(victim.number, record="m v=1")
        assert 1 == len(victim.points())
    finally:
        buckets.delete_bucket(trap)
