"""The log of `db_influx`: a line for each request, a warning for each retry, and no secret in either."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core import observed
from db_core.observed import current_call
from tests.influx.answers import ONE_ROW, http
from tests.influx.writers import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from db_influx import InfluxManager
    from tests.influx.conftest import Store
    from tests.peer import Peer

    Log: TypeAlias = pytest.LogCaptureFixture

LINES = [f"m,meter=A v={value}.5 176722560000000000{value}" for value in range(3)]
SPAN = ("2026-01-01", "2026-01-02")
T0, DAY = 1_767_225_600_000_000_000, 86_400_000_000_000
FLUX = "from(bucket: params.bucket) |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z)"
SAYS = http(ONE_ROW)


@pytest.fixture
def log(caplog: Log) -> Log:
    """Return the log, of which every line is kept."""
    caplog.set_level(logging.DEBUG, "db_influx")
    return caplog


def fields(line: str) -> dict[str, str]:
    """Return the fields of a line, and the method that it begins with."""
    method, rest = line.split(" ", 1)
    return {"method": method} | dict(re.findall(r"(\w+)=('.*?'|\S+)", rest))


def requests(log: Log) -> list[dict[str, str]]:
    """Return the fields of all requests."""
    return [fields(one.getMessage()) for one in log.records if one.levelno == logging.DEBUG]


def warnings(log: Log) -> list[str]:
    """Return the warnings."""
    return [one.getMessage() for one in log.records if one.levelno == logging.WARNING]


def test_a_write_is_a_line(either: Any, store: Store, log: Log) -> None:
    """It has the method, the bucket, the points and bytes sent, and how long it took."""
    times = pd.date_range("2026-01-01", periods=3, freq="s", tz="UTC")
    either.synchronous_write(store.name, pd.DataFrame({"v": [1.5, 2.5, 3.5]}, times), "m")

    [line] = requests(log)

    body = sum(len(f"m v={value} 1767225600000000000\n") for value in (1.5, 2.5, 3.5))
    assert {
        "method": "synchronous_write",
        "bucket": repr(store.name),
        "status": "204",
    }.items() <= line.items()
    assert {"rows": "3", "sent": str(body), "received": "0", "attempt": "1"}.items() <= line.items()
    assert 0 < float(line["seconds"])


def test_the_rows_of_a_write_are_its_points(either: Any, own_store: Store, log: Log) -> None:
    """However many lines a text has: of a frame, of a writer, and of the points beside a refused one."""
    times = pd.date_range("2026-01-01", periods=3, freq="s", tz="UTC")
    either.synchronous_write(own_store.name, pd.DataFrame({"t": ["a\nb\n"] * 3}, times), "m")
    assert ["3"] == [line["rows"] for line in requests(log)]

    log.clear()
    with either.writer(own_store.name, "m", on_refused=lambda _: None, **NEVER) as writer:
        writer.write({"t": "a\nb", "time": 1})
        writer.write('m t="c\nd" 2\nm t="e" 3')
        writer.write({"t": 1.0, "time": 4})
    sent = [(line["status"], line.get("rows")) for line in requests(log)]
    assert [
        ("422", None),
        ("204", "2"),
        ("204", "1"),
    ] == sent  # all; a half; of the other, what is not refused


def test_a_read_is_a_line_for_each_request(either: Any, own_store: Store, log: Log) -> None:
    """The last one has the rows of the answer, and the bytes of its body."""
    own_store.write(*LINES)

    assert 3 == len(either.read(*SPAN, "m", "v", own_store.name, interval=None))

    lines = requests(log)
    assert {"read"} == {line["method"] for line in lines}
    assert {repr(own_store.name)} == {line["bucket"] for line in lines}
    assert {"200"} == {line["status"] for line in lines}
    assert ("'POST /api/v2/query'", "3") == (lines[-1]["request"], lines[-1]["rows"])
    assert 100 < int(lines[-1]["received"]) < 10_000
    assert 100 < int(lines[-1]["sent"])


def test_requests_of_threads_know_their_call(either: Any, own_store: Store, log: Log) -> None:
    """The slices of a read go out from threads or tasks of their own."""
    own_store.write(
        *(f"m v={day} {1_767_225_600_000_000_000 + day * 86_400_000_000_000}" for day in range(8))
    )

    assert 8 == len(
        either.read("2026-01-01", "2026-01-09", "m", "v", own_store.name, interval=None, max_parallel=4)
    )

    lines = [line for line in requests(log) if "rows" in line]
    assert 8 == sum(int(line["rows"]) for line in lines)
    assert 4 <= len(lines)
    assert {"read"} == {line["method"] for line in lines}


def test_batches_are_a_line_for_each_answer(either: Any, own_store: Store, log: Log) -> None:
    """Also where the answer is handed on while it arrives."""
    own_store.write(*LINES)

    assert [2, 1] == [
        len(frame) for frame in either.query_batches(FLUX, {"bucket": own_store.name}, batch_rows=2)
    ]

    [line] = requests(log)
    assert ("query_batches", "3") == (line["method"], line["rows"])
    assert "bucket" not in line


@pytest.mark.usefixtures("at_once")
def test_a_retry_is_a_warning_with_its_reason(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], log: Log
) -> None:
    """And each attempt is a line, with its number."""
    server = peer(b"", SAYS)

    call_peer(server, retries=1).query("any")

    reason = f"ConnectionFailedError: {server.url} can't be reached: the connection was closed"
    [told] = warnings(log)
    assert told.startswith("query attempt 1 failed, the next one begins in 0.000 s: ConnectionFailedError: ")
    assert reason.partition(": the")[0] in told
    assert ["1", "2"] == [line["attempt"] for line in requests(log)]
    assert [None, "200"] == [line.get("status") for line in requests(log)]


@pytest.mark.usefixtures("at_once")
def test_no_line_shows_the_token(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], log: Log
) -> None:
    """Also where a proxy repeats the request that it could not hand on, in several lines."""
    said = b"can't reach the server:\nAuthorization: Token very-secret-token\nAccept: any"
    page = b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)

    call_peer(peer(page, SAYS), retries=1, token="very-secret-token").query("any")

    [told] = warnings(log)
    assert "Authorization: Token *** Accept: any" in told
    assert "very-secret-token" not in log.text


def test_a_query_is_not_logged(manager: InfluxManager, log: Log) -> None:
    """Its text and its parameters may hold values."""
    manager.query("buckets() |> filter(fn: (r) => r.name != params.secret)", {"secret": "swordfish"})

    assert 1 == len(requests(log))
    assert "swordfish" not in log.text
    assert "filter" not in log.text


def test_without_a_log_no_line_is_made(
    manager: InfluxManager, store: Store, caplog: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call does not pay for what nobody reads."""
    caplog.set_level(logging.INFO, "db_influx")
    store.write(*LINES)
    made: list[dict[str, object]] = []
    monkeypatch.setattr(observed.Call, "request", lambda _, **known: made.append(known))

    manager.read(*SPAN, "m", "v", store.name)

    assert [] == made


def test_an_iterator_leaves_its_call_aside(manager: InfluxManager, store: Store) -> None:
    """Between its frames, and when it is left, no call is the current one."""
    store.write(*LINES)
    first, second = (manager.query_batches(FLUX, {"bucket": store.name}, batch_rows=1) for _ in range(2))

    seen = [current_call()]
    for _ in range(2):
        seen += [next(first) is None or current_call(), next(second) is None or current_call()]
    first.close()
    seen += [current_call(), *(current_call() for _ in second)]

    assert {None} == set(seen)


def test_an_interrupt_of_a_line_costs_no_connection(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], caplog: Log
) -> None:
    """Ctrl-C in a handler of the program's ends the call; the next one uses the same connection."""

    class Interrupted(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise KeyboardInterrupt(record.name)

    caplog.set_level(logging.DEBUG, "db_influx")
    kept = SAYS.replace(b"Connection: close\r\n", b"")
    server = peer((kept, lambda connection: server.take(connection), kept))  # noqa: PLW0108 - made later
    manager, handler = call_peer(server), Interrupted()
    logging.getLogger("db_influx").addHandler(handler)
    try:
        with pytest.raises(KeyboardInterrupt, match="db_influx"):
            manager.query("first")
    finally:
        logging.getLogger("db_influx").removeHandler(handler)

    assert 1 == len(manager.query("second"))
    assert (1, 2) == (server.connections, len(server.requests))


def test_nothing_is_set_up_at_import() -> None:
    """The packages leave the logging of the program alone."""
    program = (
        "import logging, db_core, db_influx, db_redis; db_influx.InfluxManager, db_redis.RedisClient;"
        "names = (None, 'db_core', 'db_influx', 'db_redis');"
        "print([(one.handlers, one.level, one.propagate) for one in map(logging.getLogger, names)])"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)

    assert f"{[([], logging.WARNING, True), *[([], logging.NOTSET, True)] * 3]}\n" == done.stdout
