"""The log of `db_redis`: a line for each round trip, a warning for each retry, and no key or value in it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core import observed
from db_core.errors import ConnectionFailedError
from db_core.observed import current_call
from tests.peer import read_some

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peer import Peer


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Return the log, of which every line is kept."""
    caplog.set_level(logging.DEBUG, "db_redis")
    return caplog


def requests(log: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    """Return the fields of all round trips, and the methods that their lines begin with."""
    found = []
    for record in log.records:
        if (record.name, record.levelno) == ("db_redis", logging.DEBUG):
            method, *fields = record.getMessage().split(" ")
            found.append({"method": method} | dict(field.split("=", 1) for field in fields))
    return found


def test_a_round_trip_is_a_line(store: Any, namespace: str, log: pytest.LogCaptureFixture) -> None:
    """It has the method, the command, the bytes of both ways, and how long it took."""
    store.save_in_redis("k", [1, 2])
    assert [1, 2] == store.safe_read_from_redis("k")

    saved, read = requests(log)

    assert {
        "method": "save_in_redis",
        "command": "'SET'",
        "commands": "1",
        "attempt": "1",
    }.items() <= saved.items()
    assert len("SET") + len(f"{namespace}:k") + len("[1,2]") == int(saved["sent"])
    assert {"method": "safe_read_from_redis", "command": "'GET'", "commands": "1"}.items() <= read.items()
    assert len("[1,2]") == int(read["received"])
    assert 0 < float(read["seconds"])


def test_many_keys_are_a_line_for_each_chunk(store: Any, log: pytest.LogCaptureFixture) -> None:
    """Of a pipeline the line has the number of its commands."""
    store.save_many({f"k{number}": number for number in range(3)}, 60, chunk_bytes=1)
    store.save_many({f"k{number}": number for number in range(3)}, 60)

    lines = requests(log)
    assert [("'SET'", "1")] * 3 + [("'SET'", "3")] == [(line["command"], line["commands"]) for line in lines]


def test_no_line_has_a_key_or_a_value(store: Any, log: pytest.LogCaptureFixture) -> None:
    """Of no method, also where a function fails and its old value is used."""

    def fails() -> None:
        raise ValueError("swordfish")

    store.save_in_redis("mellon", "swordfish")
    store.save_many({"mellon": "swordfish"})
    store.read_many(["mellon", "mellon2"])
    store.save_frame("mellon3", pd.DataFrame({"a": ["swordfish"]}))
    store.read_frame("mellon3")
    store.touch("mellon", 60)
    store.ttl("mellon")
    list(store.scan("mel*"))
    assert "swordfish" == store.get_or_compute("mellon", fails, ttl=1, stale=100)
    store.delete_many(["mellon"])

    lines = requests(log)
    assert 10 <= len(lines)
    [scanned] = [line for line in lines if line["method"] == "scan"]
    assert ("'SCAN'", "2") == (scanned["command"], scanned["keys"])
    assert any(record.levelno == logging.WARNING for record in log.records)
    text = "".join(record.getMessage() for record in log.records if record.name == "db_redis")
    assert "mellon" not in text
    assert "swordfish" not in text


@pytest.mark.usefixtures("at_once")
def test_a_retry_is_a_warning_with_its_reason(
    make: Callable[..., Any], peer: Callable[..., Peer], log: pytest.LogCaptureFixture
) -> None:
    """Three attempts follow the first one, and the last one's error is raised."""
    server = peer(b"", read=read_some)
    client = make(host="127.0.0.1", port=server.port, password="hunter2")

    with pytest.raises(ConnectionFailedError):
        client.save_in_redis("mellon", 1)

    told = [record.getMessage() for record in log.records if record.levelno == logging.WARNING]
    starts = [
        f"save_in_redis attempt {number} failed, the next one begins in 0.000 s: " for number in (1, 2, 3)
    ]
    assert [True] * 3 == [text.startswith(start) for text, start in zip(told, starts, strict=True)]
    assert [] == [text for text in told if ": ConnectionFailedError: " not in text or "saving" in text]
    assert "hunter2" not in log.text
    assert "mellon" not in "".join(told)
    [line] = requests(log)
    assert "4" == line["attempt"]


@pytest.mark.usefixtures("at_once")
def test_a_retry_quotes_redis_on_one_line(
    make: Callable[..., Any], peer: Callable[..., Peer], log: pytest.LogCaptureFixture
) -> None:
    """What Redis says is told as it is, but for what a terminal would obey, which is escaped."""
    server = peer(b"-LOADING \x1b[31mthe dataset\x00\r\n", read=read_some)

    with pytest.raises(ConnectionFailedError):
        make(host="127.0.0.1", port=server.port).ttl("mellon")

    told = [record.getMessage() for record in log.records if record.levelno == logging.WARNING]
    ends = [text.partition(" s: ")[2] for text in told]
    assert [r"ConnectionFailedError: LOADING \x1b[31mthe dataset\x00"] * 3 == ends


def test_without_a_log_no_line_is_made(
    store: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call does not pay for what nobody reads."""
    caplog.set_level(logging.INFO, "db_redis")
    made: list[dict[str, object]] = []
    monkeypatch.setattr(observed.Call, "request", lambda _, **known: made.append(known))

    store.save_in_redis("k", 1)
    store.safe_read_from_redis("k")

    assert [] == made


def test_a_scan_leaves_its_call_aside(client: Any) -> None:
    """Between the keys, and when it is left, no call is the current one."""
    client.save_many({"a": 1, "b": 2})
    first, second = client.scan(), client.scan()

    seen = [next(first) and current_call(), next(second) and current_call()]
    first.close()
    seen += [current_call(), *(current_call() for _ in second)]

    assert {None} == set(seen)
