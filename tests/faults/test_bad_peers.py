"""Peers that are no InfluxDB, or have no end: the right error, in bounded time and memory."""

from __future__ import annotations

import gzip
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import (
    ConnectionFailedError,
    DatabaseError,
    IncompleteResultError,
    OperationTimeoutError,
    ParseError,
    QueryError,
    WriteError,
)
from tests.faults.conftest import LONG, forget_peak, outcome, resident
from tests.peer import endless

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.faults.conftest import Managers
    from tests.peer import Peer, Turn

SPAN = ("2026-01-01", "2026-01-02")
FRAME = pd.DataFrame({"v": [1.0]}, index=pd.DatetimeIndex(["2026-01-01"], tz="UTC"))
MOST_MEMORY = 400 << 20  # what 64 MiB of a record take, some copies included; far less than is sent

READS: dict[str, Callable[[InfluxManager], object]] = {
    "read": lambda m: m.read(*SPAN, "m", "v", "b"),
    "read in slices": lambda m: m.read("2026-01-01", "2026-01-05", "m", "v", "b", interval=None),
    "read_all_fields": lambda m: m.read_all_fields(*SPAN, "m", "b"),
    "read_batches": lambda m: list(m.read_batches(*SPAN, "m", "v", "b")),
    "consumption": lambda m: m.read_accumulated_value(*SPAN, "m", "v", "b", 60),
    "query": lambda m: m.query("any"),
    "query_batches": lambda m: sum(len(frame) for frame in m.query_batches("any")),
}
each_read = pytest.mark.parametrize("kind", READS)


def write(manager: InfluxManager) -> None:
    """Write one point."""
    manager.synchronous_write("b", FRAME, "m")


@pytest.fixture
def ask(managers: Managers, peer: Callable[..., Peer], tally: Callable[..., str]) -> Callable[..., str]:
    """Give a function that makes a call on a peer, and says what came, or that it was None."""

    def ask(
        fault: str,
        call: Callable[[InfluxManager], object],
        turn: Turn,
        *errors: type[DatabaseError],
        match: str = "",
        **options: Any,
    ) -> str:
        options = {"retries": 0, "timeout": 10.0, "deadline": 30.0} | options
        caught: list[DatabaseError] = []

        def make_call() -> object:
            try:
                return call(manager)
            except DatabaseError as error:
                caught.append(error)
                raise

        server = peer(turn)
        with managers(server.url, "o", "t", **options) as manager:
            came = outcome(make_call, None, *errors)
            # While the error is held, and all that led to it: the connection must not be.
            assert server.closed.acquire(timeout=LONG / 4)
        assert match in str(caught)
        tried = next((kind for kind, read in READS.items() if read is call), "synchronous_write")
        return tally(fault, tried, came)

    return ask


def says(*parts: bytes) -> bytes:
    """Answer, and close."""
    return b"".join(parts)


OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
LENGTH = b"Content-Length: %d\r\n" % (10 << 30)
GZIP = b"Content-Encoding: gzip\r\n\r\n"
HTML = b"<!DOCTYPE html>\n<html><body><h1>Please log in</h1></body></html>\n"
CSV = (
    b"#datatype,string,long,dateTime:RFC3339,string\r\n#group,false,false,false,false\r\n"
    b"#default,_result,,,\r\n,result,table,_time,_value\r\n"
)
ROW = b",,0,2026-01-01T00:00:00Z,x\r\n"

# Each with the error of a read, and of a write.
GARBAGE: dict[str, tuple[Turn, type[DatabaseError], type[DatabaseError]]] = {
    "bytes": (says(b"\x00\xff\xfe" * 100), ConnectionFailedError, ConnectionFailedError),
    "another protocol": (says(b"SSH-2.0-OpenSSH_9.6\r\n"), ConnectionFailedError, ConnectionFailedError),
    "HTTP without CSV": (says(OK, b"Content-Length: 5\r\n\r\n\x00\xff\xfe\n\n"), ParseError, WriteError),
    "HTML with 200": (says(OK, b"Content-Type: text/html\r\n\r\n", HTML), ParseError, WriteError),
    "JSON with 200": (says(OK, b"Content-Type: application/json\r\n\r\n{}"), ParseError, WriteError),
    "HTML with 502": (
        says(b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n", HTML),
        QueryError,
        WriteError,
    ),
    "deep JSON with 500": (says(b"HTTP/1.1 500 Oops\r\n\r\n", b"[" * 100_000), QueryError, WriteError),
    "broken gzip": (
        says(OK, b"Content-Length: 1002\r\n", GZIP, b"\x1f\x8b" + b"x" * 1_000),
        IncompleteResultError,
        WriteError,
    ),
}


@each_read
@pytest.mark.parametrize("fault", GARBAGE)
def test_garbage_is_an_error(ask: Callable[..., str], fault: str, kind: str) -> None:
    """Of the kind that says what it is."""
    turn, error, _ = GARBAGE[fault]
    match = "Please log in" if "HTML" in fault else ""
    assert error.__name__ == ask(fault, READS[kind], turn, error, match=match)


@pytest.mark.parametrize("fault", GARBAGE)
def test_garbage_acknowledges_no_write(ask: Callable[..., str], fault: str) -> None:
    """Only 204 does."""
    turn, _, error = GARBAGE[fault]
    match = "Please log in" if "HTML" in fault else ""
    assert error.__name__ == ask(fault, write, turn, error, match=match)


def test_another_content_type_changes_nothing(managers: Managers, peer: Callable[..., Peer]) -> None:
    """A proxy that says text/plain of CSV, or nothing, hands on the same rows."""
    for kind in (b"text/plain", b"application/octet-stream", b"TEXT/CSV; charset=utf-8"):
        text = CSV + ROW + b"\r\n"
        head = b"Content-Length: %d\r\nContent-Type: %s\r\n\r\n" % (len(text), kind)
        server = peer(says(OK, head, text))
        with managers(server.url, "o", "t", retries=0) as manager:
            assert ["x"] == manager.query("any")["_value"].tolist()


def test_a_closed_manager_has_no_connection_though_its_error_is_kept(
    managers: Managers,
    peer: Callable[..., Peer],
) -> None:
    """An error holds all that led to it; idle connections are not left to its end."""
    server = peer(says(b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\nno"))
    with managers(server.url, "o", "t") as manager, pytest.raises(QueryError) as kept:
        manager.query("any")

    assert server.closed.acquire(timeout=LONG / 4)
    assert 400 == kept.value.status


@cache
def _gigabyte(of: bytes) -> bytes:
    """Give gzip of a gigabyte that is all the same: a megabyte."""
    return gzip.compress(of * ((64 << 20) // len(of)), compresslevel=9) * 16


def bomb(head: bytes, start: bytes, filling: bytes) -> Turn:
    """Answer with gzip of a start and of a gigabyte of the filling, packed when it is first needed."""
    return lambda connection: connection.sendall(head + gzip.compress(start) + _gigabyte(filling))


HTTP_500 = b"HTTP/1.1 500 Oops\r\n"
# What has no end, with the error of a read and of a write; None where it says nothing to that.
ENDLESS: dict[str, tuple[Turn, type[DatabaseError] | None, type[DatabaseError] | None]] = {
    "a status line without end": (
        endless(b"HTTP/1.1 200 ", b"x"),
        ConnectionFailedError,
        ConnectionFailedError,
    ),
    "a header without end": (endless(OK + b"X: ", b"x"), ConnectionFailedError, ConnectionFailedError),
    "headers without end": (endless(OK, b"X-Filler: 1\r\n"), ConnectionFailedError, ConnectionFailedError),
    "a row of 10 GB": (endless(OK + LENGTH + b"\r\n" + CSV + ROW, b"x"), ParseError, WriteError),
    "a cell in quotes of 10 GB": (
        endless(OK + LENGTH + b"\r\n" + CSV + b',,0,2026-01-01T00:00:00Z,"', b"x"),
        ParseError,
        WriteError,
    ),
    "a cell of lines of 10 GB": (
        endless(
            OK + LENGTH + b"\r\n" + CSV + b',,0,2026-01-01T00:00:00Z,"',
            b"a line of no length at all\r\n" * 1_000,
        ),
        ParseError,
        WriteError,
    ),
    "a row of cells of 10 GB": (endless(OK + LENGTH + b"\r\n" + CSV + ROW, b","), ParseError, WriteError),
    "an annotation of 10 GB": (endless(OK + LENGTH + b"\r\n#datatype", b",long"), ParseError, WriteError),
    "one chunk of 10 GB": (
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (10 << 30) + CSV, b"x"),
        ParseError,
        WriteError,
    ),
    "HTML without end": (
        endless(OK + b"Content-Type: text/html\r\n\r\n<html>", b"<p>no end</p>\n"),
        ParseError,
        WriteError,
    ),
    "a refusal without end": (endless(HTTP_500 + b"\r\n", b"Sorry! "), QueryError, WriteError),
    "a refusal of 10 GB": (
        endless(HTTP_500 + b"Content-Length: %d\r\n\r\n" % (10 << 30), b"Sorry! "),
        QueryError,
        WriteError,
    ),
    "a row in a gzip bomb": (bomb(OK + LENGTH + GZIP, CSV + ROW, b"x"), ParseError, WriteError),
    "a refusal in a gzip bomb": (bomb(HTTP_500 + GZIP, b"", b"Sorry! "), QueryError, WriteError),
}


@pytest.mark.parametrize("kind", ["read", "query_batches", "write"])
@pytest.mark.parametrize("fault", ENDLESS)
def test_what_has_no_end_is_an_error_in_bounded_memory(
    ask: Callable[..., str], fault: str, kind: str
) -> None:
    """Before it has filled the memory, and without waiting for its end."""
    turn, of_read, of_write = ENDLESS[fault]
    call, error = (write, of_write) if kind == "write" else (READS[kind], of_read)
    assert error is not None
    before = resident()
    forget_peak()
    assert error.__name__ == ask(fault, call, turn, error)
    assert resident("VmHWM") - before < MOST_MEMORY


@pytest.mark.parametrize("folded", [b"", b"\r\n ", b"\r\n \r\n "], ids=["one line", "folded", "blank"])
@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_header_that_takes_long_to_take_apart_is_refused(
    ask: Callable[..., str], kind: str, folded: bytes
) -> None:
    """Python's parser takes seconds for 64 KiB of semicolons, in which no deadline would be seen."""
    call = write if kind == "write" else READS[kind]
    turn = says(OK, b'Content-Type: multipart/mixed;"', (b";" * 6_500 + folded) * 10, b"\r\n\r\n")
    assert "ConnectionFailedError" == ask(
        "a Content-Type of 64 KiB", call, turn, ConnectionFailedError, match="more than 16384 bytes"
    )


@pytest.mark.parametrize("kind", ["read", "write"])
def test_hellos_without_end_last_as_long_as_the_deadline(ask: Callable[..., str], kind: str) -> None:
    """A server that says 100 Continue for ever is never silent."""
    call = write if kind == "write" else READS[kind]
    hellos = endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n")
    assert "OperationTimeoutError" == ask(
        "100 Continue without end", call, hellos, OperationTimeoutError, deadline=0.5
    )


def test_batches_of_long_rows_are_small(managers: Managers, peer: Callable[..., Peer]) -> None:
    """Rows of a megabyte: a batch is given long before it has its 65,536 rows."""
    row = ROW.replace(b"x", b"y" * (1 << 20))
    with managers(peer(endless(OK + LENGTH + b"\r\n" + CSV, row)).url, "o", "t", retries=0) as manager:
        batches = manager.query_batches("any")
        before = resident()
        forget_peak()
        lengths = [len(next(batches)) for _ in range(3)]
        batches.close()
    assert all(10 < length < 20 for length in lengths)
    assert resident("VmHWM") - before < MOST_MEMORY


def test_schemas_without_end_keep_no_memory(managers: Managers, peer: Callable[..., Peer]) -> None:
    """Tables of ever other columns and no rows: what is known of them is forgotten from time to time."""
    head = b"#datatype" + b",long" * 201 + b"\r\n"
    same = b"".join(b",c%d" % column for column in range(200)) + b"\r\n\r\n"

    def turn(connection: socket.socket) -> None:
        connection.sendall(OK + b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(20_000):
            table = head + b",%d%s" % (number, same)
            connection.sendall(b"%x\r\n%s\r\n" % (len(table), table))
        connection.sendall(b"0\r\n\r\n")

    with managers(peer(turn).url, "o", "t", retries=0) as manager:
        before = resident()
        forget_peak()
        assert [] == list(manager.query_batches("any"))
    assert resident("VmHWM") - before < 1 << 30  # of 1.5 GB
