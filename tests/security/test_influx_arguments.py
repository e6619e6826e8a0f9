"""Every argument of `InfluxManager` that can be given a text, against every hostile text.

The text names exactly the data that was written under it, or it is refused with an error that names
the argument. A canary in the same bucket, and one in another, are never found, changed or removed.
"""

from __future__ import annotations

import inspect
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from db_core.errors import ConfigurationError, InvalidArgumentError, NotFoundError
from db_influx import InfluxManager
from tests.influx.calls import PART
from tests.security.hostile import TEXTS, text_arguments
from tests.security.influx_world import (
    CANARY,
    NOW,
    READS,
    WRITES,
    WRITTEN,
    Place,
    World,
    call,
    expected,
    frame_of,
    read_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.peer import Peer

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
    "progress",
)
SETTINGS = ("url", "org", "token", "ca_cert", "client_cert", "into", "tz", "missing", "protocol", "on_retry")
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
    *(
        (method, argument)
        for method in ("query", "query_batches")
        for argument in ("flux", "params", "into", "progress")
    ),
    *(
        (method, argument)
        for method in ("query_influxql", "query_influxql_batches")
        for argument in ("influxql", "params", "bucket", "into", "progress")
    ),
    *(("writer", argument) for argument in ("bucket", "measurement", "tags", "tag_columns", "time_column")),
    *(("writer", argument) for argument in ("spool", "on_refused")),
    ("get_write_api", "tags"),
    ("create_bucket", "name"),
    ("create_bucket", "retention"),
    ("delete_bucket", "name"),
    *(("delete", argument) for argument in ("bucket", "start", "stop", "measurement", "tags", "tz")),
    *(("copy", argument) for argument in ("bucket", "to_bucket", "start", "stop", "measurement", "fields")),
    *(("copy", argument) for argument in ("tags", "to", "missing", "tz", "progress")),
    ("synchronous_write", "progress"),
    *((method, "folder") for method in ("snapshot", "write_parquet")),
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

ARGUMENTS = {
    "measurement": ("data_frame_measurement_name",),
    "field": ("data",),
    "tag key": ("tags",),
    "tag value": ("tags",),
    "tag column": ("data", "tag_columns"),
    "bucket": ("bucket",),
}


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


def test_no_text_is_a_function_for_retries() -> None:
    """The error names the argument."""
    for text in TEXTS.values():
        with pytest.raises(ConfigurationError, match="`on_retry`"):
            InfluxManager("http://127.0.0.1:9", "o", "t", on_retry=text)  # type: ignore[call-overload]


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
