"""Where InfluxDB is and how it is spoken to: arguments, environment, and what is never shown."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from db_core.errors import (
    AuthenticationError,
    ConfigurationError,
    InvalidArgumentError,
    NotFoundError,
    SchemaConflictError,
)
from db_influx import InfluxManager

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.influx.conftest import Store
    from tests.peer import Peer
    from tools import servers

SECRET = "very-secret-token"
ADDRESS = "http://127.0.0.1:9"  # nothing listens there


def test_settings_come_from_the_environment(
    server: servers.InfluxDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without arguments, `INFLUXDB_URL`, `_ORG` and `_TOKEN` say where and who."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)

    with InfluxManager() as manager:
        assert len(manager.query("buckets()")) > 0


def test_the_organization_may_be_given_by_its_id(
    make_manager: Callable[..., InfluxManager], store: Store, msname: str
) -> None:
    """Every question finds it, also those about buckets and types, without which a read may give a part."""
    store.write(f"{msname} v=1i 1767225600000000000", f"{msname} v=1.5 1769904000000000000")
    number = store.client.buckets_api().find_bucket_by_id(store.number).org_id
    manager = make_manager(org=number)

    with pytest.raises(SchemaConflictError, match=r"'v'.*float and integer"):
        manager.read("2026-01-01", "2026-03-01", msname, "v", store.name, interval="1d", agg_func="count")
    with pytest.raises(NotFoundError, match=f"no field 'V' in '{msname}'"):
        manager.read("2026-01-01", "2026-03-01", msname, "V", store.name, missing="raise")


def test_an_argument_wins_over_the_environment(
    server: servers.InfluxDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the three, on its own."""
    good = {"url": server.url, "org": server.org, "token": server.token}
    for argument, value in good.items():
        for name, right in good.items():
            monkeypatch.setenv(f"INFLUXDB_{name.upper()}", ADDRESS if name == argument == "url" else right)
        if argument != "url":
            monkeypatch.setenv(f"INFLUXDB_{argument.upper()}", "wrong")
        options: dict[str, Any] = {argument: value}
        with InfluxManager(**options, retries=0) as manager:
            assert len(manager.query("buckets()")) > 0


def test_the_environment_is_read_when_the_manager_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at import, and not later: two managers made under two environments differ, and stay so."""
    monkeypatch.setenv("INFLUXDB_ORG", "org")
    monkeypatch.setenv("INFLUXDB_TOKEN", SECRET)
    monkeypatch.setenv("INFLUXDB_URL", "http://first:1")
    with InfluxManager() as first:
        monkeypatch.setenv("INFLUXDB_URL", "http://second:2")
        with InfluxManager() as second:
            assert "http://first:1" in repr(first)
            assert "http://second:2" in repr(second)


def test_importing_reads_no_environment_and_no_frame_library() -> None:
    """With nonsense in the environment the import succeeds; pandas and the like wait until they are used."""
    environment = {**os.environ, "INFLUXDB_URL": "nonsense"}
    heavy = ("influxdb_client", "numpy", "pandas", "polars", "pyarrow")
    code = f"import sys, db_influx; print([name for name in {heavy!r} if name in sys.modules])"

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert "[]" == done.stdout.strip()


def test_what_is_missing_is_named_with_its_variable() -> None:
    """One error names all that is missing, as argument and as variable; it is a ValueError, too."""
    with pytest.raises(ConfigurationError) as caught:
        InfluxManager()

    assert isinstance(caught.value, ValueError)
    for argument in ("url", "org", "token"):
        assert f"`{argument}`" in str(caught.value)
        assert f"INFLUXDB_{argument.upper()}" in str(caught.value)


def test_only_what_is_missing_is_named() -> None:
    """What was given is not complained about."""
    with pytest.raises(ConfigurationError) as caught:
        InfluxManager(ADDRESS, token=SECRET)

    assert "`org`" in str(caught.value)
    assert "`url`" not in str(caught.value)
    assert "`token`" not in str(caught.value)


@pytest.mark.parametrize("way", ["argument", "environment"])
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("url", "127.0.0.1:8086"),
        ("url", "localhost"),
        ("url", "ftp://localhost"),
        ("url", "http://"),
        ("url", "http://user:pass-word@localhost:8086"),
        ("url", "http://pass-word@localhost:8086"),
        ("url", "http://localhost:8086?token=pass-word"),
        ("url", "http://localhost:8086#pass-word"),
        ("url", "http://localhost:8086?"),
        ("url", "http://localhost:8086#"),
        ("url", "http://@localhost:8086"),
        ("url", "http://localhost:pass-word"),
        ("url", "http://localhost:99999"),
        ("url", "http://[::1"),
        ("url", "http://local host"),
        ("url", "http://local\r\nhost"),
        ("url", "http://localhost\r\nX: pass-word"),
        ("token", f"{SECRET}\r\nX-Injected: 1"),
        ("token", f"{SECRET}é"),
        ("token", f" {SECRET}"),
    ],
)
def test_what_is_malformed_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, way: str, argument: str, value: str
) -> None:
    """Argument and variable are named; the value, which may hold a secret, is nowhere."""
    settings = {"url": ADDRESS, "org": "o", "token": SECRET}
    if way == "argument":
        settings[argument] = value
    else:
        del settings[argument]
        monkeypatch.setenv(f"INFLUXDB_{argument.upper()}", value)

    with pytest.raises(ConfigurationError) as caught:
        InfluxManager(**settings)  # type: ignore[arg-type]

    assert f"`{argument}`" in str(caught.value)
    assert f"INFLUXDB_{argument.upper()}" in str(caught.value)
    said = "".join(traceback.format_exception(caught.value))
    assert SECRET not in said
    assert "pass-word" not in said


def test_an_empty_variable_is_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """`INFLUXDB_TOKEN=` is no token."""
    monkeypatch.setenv("INFLUXDB_TOKEN", "")

    with pytest.raises(ConfigurationError, match=r"`token`.*INFLUXDB_TOKEN.*missing"):
        InfluxManager(ADDRESS, "o")


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", float("inf")),
        ("timeout", float("nan")),
        ("timeout", "10"),
        ("timeout", True),
        ("timeout", None),
        ("deadline", 0),
        ("deadline", "60"),
        ("connect_timeout", -1),
        ("retries", -1),
        ("retries", 1.5),
        ("retries", True),
        ("retries", "3"),
        ("max_parallel", 0),
        ("max_parallel", 2.0),
        ("into", "excel"),
        ("into", None),
        ("into", ["pandas"]),
        ("tz", "Mars/Olympus"),
        ("tz", ""),
        ("tz", 1),
        ("tz", "../../etc/passwd"),
    ],
)
def test_an_option_that_is_unusable_is_named(argument: str, value: Any) -> None:
    """Options are checked when the manager is made, not at the first call."""
    with pytest.raises(InvalidArgumentError) as caught:
        InfluxManager(ADDRESS, "o", SECRET, **{argument: value})

    assert argument == caught.value.argument
    assert f"`{argument}`" in str(caught.value)


def test_options_are_keyword_only() -> None:
    """Only the seed's three may be given by place."""
    with pytest.raises(TypeError, match="positional"):
        InfluxManager(ADDRESS, "o", SECRET, 5.0)  # type: ignore[call-arg]


def test_the_token_is_shown_nowhere(
    call_peer: Callable[..., InfluxManager],
    peer: Callable[..., Peer],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not in a repr, an attribute's repr, an error, its causes, a log at DEBUG, or the address asked."""
    caplog.set_level(logging.DEBUG)
    server = peer(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    manager = call_peer(server, token=SECRET)

    with pytest.raises(AuthenticationError) as caught:
        manager.query("buckets()")

    shown = [repr(manager), str(manager), *map(repr, vars(manager).values()), caplog.text]
    shown += traceback.format_exception(caught.value)
    assert [] == [text for text in shown if SECRET in text]
    assert SECRET not in server.requests[0].split(b"\r\n")[0].decode()


def test_a_pickled_manager_is_one_that_works(
    make_manager: Callable[..., InfluxManager], store: Store
) -> None:
    """A copy has the settings and the options and opens connections of its own."""
    store.write("m v=1 1767225600000000000")
    manager = make_manager(into="polars", tz=ZoneInfo("Asia/Tokyo"), timeout=7.5, retries=0)
    span = ("2026-01-01", "2026-01-02", "m", "v", store.name)
    manager.read(*span)

    with pickle.loads(pickle.dumps(manager)) as copy:
        assert repr(manager) == repr(copy)
        assert manager.read(*span).equals(copy.read(*span))
        assert manager._transport == copy._transport
        assert manager._options == copy._options
        assert len(copy.get_buckets_api().find_buckets(limit=1).buckets) > 0


def test_a_manager_is_a_context_manager(server: servers.InfluxDB) -> None:
    """Its block gives the manager; at the end all connections are closed, the official client's, too."""
    with InfluxManager(server.url, server.org, server.token) as manager:
        manager.query("buckets()")
        manager.get_buckets_api().find_buckets(limit=1)
        assert 1 == len(manager._wire._pool)
        assert manager._official._client is not None
        official = manager._official._client.api_client.rest_client.pool_manager

    assert 0 == len(manager._wire._pool)
    assert 0 == len(official.pools)
    assert manager._official._client is None


def test_a_base_path_and_a_trailing_slash_are_kept_and_dropped(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """Behind a proxy the server may have a path; a slash at its end changes nothing."""
    server = peer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n\r\n")

    call_peer(server, url=f"{server.url}/influx/", org="my org & co").query("buckets()")

    assert b"POST /influx/api/v2/query?org=my+org+%26+co HTTP/1.1" == server.requests[0].split(b"\r\n")[0]
