"""Attempts, deadlines and what is stopped: against peers that fail as a real server won't on demand."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from db_core.errors import (
    ConnectionFailedError,
    IncompleteResultError,
    OperationTimeoutError,
    QueryError,
    WriteError,
)
from db_influx import AsyncInfluxManager, InfluxManager
from tests.peer import PATIENCE, read_http, reset, silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peer import Peer, Turn

pytestmark = pytest.mark.usefixtures("at_once")

SPAN = ("2026-01-01", "2026-01-05")
FRAME = pd.DataFrame({"v": [1.0]}, index=pd.DatetimeIndex(["2026-01-01"], tz="UTC"))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nConnection: close\r\n"
ROWS = (
    b"#datatype,string,long,dateTime:RFC3339,double\r\n#group,false,false,false,false\r\n"
    b"#default,_result,,,\r\n,result,table,_time,_value\r\n"
    b",,0,2026-01-01T00:00:00Z,1.5\r\n,,0,2026-01-01T00:00:01Z,2.5\r\n"
)
WHOLE = ROWS + b"\r\n"
EMPTY = b"\r\n"
BREAKS_OFF = HEAD + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE[:-40]
HANGS_UP = b""
DONE = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def says(body: bytes, head: bytes = HEAD) -> bytes:
    """Answer, and close."""
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def says_until_it_closes(body: bytes) -> bytes:
    """Answer without a length, so that HTTP ends well wherever it is cut."""
    return HEAD + b"\r\n" + body


def drips(connection: socket.socket) -> None:
    """Answer byte by byte, too slowly to ever end and too fast to be silent."""
    connection.sendall(HEAD + b"Content-Length: 1000000000\r\n\r\n")
    stopped = threading.Event()
    while not stopped.wait(0.02):
        connection.sendall(b"#")


def refuses(points: object) -> bytes:
    """Refuse so many points of a write, and close."""
    said = (
        f'{{"code":"unprocessable entity","message":"partial write: field type conflict dropped={points}"}}'
    )
    head = b"HTTP/1.1 422 Unprocessable Entity\r\nConnection: close\r\n\r\n"
    return head + said.encode()


@pytest.fixture
def call(call_peer: Callable[..., InfluxManager]) -> Callable[..., InfluxManager]:
    """Give a function that makes a manager on a peer, as patient as one is by default."""
    return partial(call_peer, retries=3, timeout=60.0)


BROKEN = {
    "broken off": BREAKS_OFF,
    "reset": reset,
    "hung up": HANGS_UP,
    "cut in a row": says(ROWS[:-9]),
    "cut at a row's end": says(ROWS),
    "cut before its first row": says(b""),
    "perhaps cut behind a table": says_until_it_closes(WHOLE),
}


@pytest.mark.parametrize("turn", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_asked_for_again(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager], turn: Turn
) -> None:
    """The whole of it, so no row comes twice; without retries it is an error."""
    server = peer(turn, says(WHOLE))
    assert [1.5, 2.5] == call(server).query("any")["_value"].tolist()
    assert server.requests[0] == server.requests[1]

    with pytest.raises((IncompleteResultError, ConnectionFailedError)):
        call(peer(turn), retries=0).query("any")


def test_one_slice_of_several_is_asked_for_again(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager]
) -> None:
    """Two slices give two rows each, whichever broke at first."""
    server = peer(BREAKS_OFF, says(WHOLE), says(WHOLE.replace(b"01-01T", b"01-03T")), says(EMPTY))

    got = call(server).read(*SPAN, "m", "v", "b", interval=None, max_parallel=2)

    assert 3 == len(server.requests)
    assert [1.5, 2.5] * 2 == got["v"].tolist()


def test_batches_are_asked_for_again_before_the_first(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager]
) -> None:
    """Later the rows given would come twice: it is an error."""
    server = peer(HANGS_UP, says(WHOLE))
    assert [1, 1] == [len(batch) for batch in call(server).query_batches("any", batch_rows=1)]

    long = WHOLE[:-2] + ROWS[-30:] * 30_000
    server = peer(says(long))
    given = []
    with pytest.raises(IncompleteResultError):
        given.extend(call(server).query_batches("any", batch_rows=1_000))
    assert 1 == len(server.requests)


@pytest.mark.parametrize("turn", [reset, HANGS_UP], ids=["reset", "hung up"])
def test_a_write_is_sent_again(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager], turn: Turn
) -> None:
    """The same points, which changes nothing if they had landed."""
    server = peer(turn, DONE)

    call(server).synchronous_write("b", FRAME, "m")

    assert server.requests[0] == server.requests[1]
    with pytest.raises(ConnectionFailedError):
        call(peer(turn), retries=0).synchronous_write("b", FRAME, "m")


def test_a_kept_connection_that_was_closed_is_no_error(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager]
) -> None:
    """A server may close an idle connection just when it is used again."""

    def keeps_open_and_hangs_up_on_the_next(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE)
        read_http(connection)

    manager = call(peer(keeps_open_and_hangs_up_on_the_next, says(WHOLE)))

    assert [2, 2] == [len(manager.query("any")) for _ in range(2)]


def test_attempts_run_out(peer: Callable[..., Peer], call: Callable[..., InfluxManager]) -> None:
    """Two retries are three attempts; the last one's error is raised, with its cause."""
    server = peer(HANGS_UP)

    with pytest.raises(ConnectionFailedError) as caught:
        call(server, retries=2).query("any")

    assert 3 == len(server.requests)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("said", ["3600", "Wed, 21 Oct 2465 07:28:00 GMT"])
def test_a_server_that_asks_for_more_time_than_there_is(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager], said: str
) -> None:
    """Its own error at once, instead of a wait for nothing."""
    head = f"HTTP/1.1 429 Too Many\r\nRetry-After: {said}\r\nConnection: close\r\n".encode()
    server = peer(says(b'{"code":"too many requests","message":"later"}', head))

    with pytest.raises(QueryError, match="later"):
        call(server, deadline=PATIENCE).query("any")

    assert 1 == len(server.requests)


@pytest.mark.parametrize("turn", [drips, silence], ids=["dripping", "silent"])
@pytest.mark.parametrize("parallel", [1, 4])
def test_a_call_ends_with_its_deadline(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager], turn: Turn, parallel: int
) -> None:
    """Whatever the server does; and its connections end with it."""
    server = peer(turn)

    with pytest.raises(OperationTimeoutError, match=r"within its deadline of 0\.2 seconds$"):
        call(server, deadline=0.2, timeout=PATIENCE).read(
            *SPAN, "m", "v", "b", interval=None, max_parallel=parallel
        )

    for _ in range(len(server.requests)):
        assert server.closed.acquire(timeout=PATIENCE)


def test_a_write_ends_with_its_deadline(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager]
) -> None:
    """A server that takes points and never says so."""
    with pytest.raises(OperationTimeoutError):
        call(peer(silence), deadline=0.2, timeout=PATIENCE).synchronous_write("b", FRAME, "m")


@pytest.mark.parametrize(
    "ask",
    [
        lambda manager: manager.read_last_data_point("b", "m", "v"),
        lambda manager: manager.check_write("b", FRAME, "m"),
    ],
    ids=["read_last_data_point", "check_write"],
)
def test_a_deadline_is_of_all_questions_together(
    peer: Callable[..., Peer],
    call: Callable[..., InfluxManager],
    ask: Callable[[InfluxManager], object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each is answered within two thirds of it, but not all of them."""
    buckets = ROWS.replace(b"double", b"long").replace(b"_value", b"retentionPeriod")
    kept = b"\r\n".join([*buckets.split(b"\r\n")[:4], b",,0,2026-01-01T00:00:00Z,0", b"", b""])

    clock = time.monotonic

    def answers(connection: socket.socket) -> None:
        late = 40.0 * len(server.requests)
        monkeypatch.setattr(time, "monotonic", lambda: clock() + late)
        connection.sendall(says(kept if b"buckets" in server.requests[-1] else EMPTY))

    server = peer(answers)
    with pytest.raises(OperationTimeoutError, match=r"within its deadline of 60 seconds$"):
        ask(call(server, deadline=60.0))
    assert 2 == len(server.requests)


def test_silent_addresses_of_a_host_share_the_time(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last address of four is reached, though each of the others might have taken all of the time."""
    server = peer(says(WHOLE))
    port = server.port
    with ExitStack() as at_end:
        silent = [f"127.0.0.{host}" for host in (2, 3, 4)]
        for host in silent:
            full = at_end.enter_context(socket.create_server((host, port), backlog=0))
            at_end.enter_context(socket.create_connection(full.getsockname()))  # more are left waiting
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in [*silent, "127.0.0.1"]]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *_: [one for one in found if host in ("many", one[4][0])]
        )

        assert [1.5, 2.5] == call(server, url=f"http://many:{port}", connect_timeout=0.8).query("any")[
            "_value"
        ].tolist()


def test_time_that_an_address_leaves_is_the_next_ones(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One refuses at once; the host is asked for once."""
    given: list[float] = []
    asked: list[str] = []
    server = peer(says(WHOLE))
    port = server.port
    connect, find = socket.socket.connect, socket.getaddrinfo

    def noted(made: socket.socket, address: Any) -> None:
        given.append(made.gettimeout() or 0)
        connect(made, address)

    def both(host: str, *rest: Any) -> list[Any]:
        asked.append(host)
        names = ("127.0.0.9", "127.0.0.1") if host == "both" else (host,)
        return [one for name in names for one in find(name, *rest)]

    monkeypatch.setattr(socket.socket, "connect", noted)
    monkeypatch.setattr(socket, "getaddrinfo", both)
    manager = call(server, url=f"http://both:{port}", connect_timeout=20.0)

    assert [1.5, 2.5] == manager.query("any")["_value"].tolist()
    assert 1 == asked.count("both")
    assert [True, True] == [given[0] <= 10, given[1] > 19]


# A body of 4 MB.
LARGE = pd.DataFrame(
    {"v": ["x" * 100_000] * 40}, index=pd.date_range("2026-01-01", periods=40, freq="s", tz="UTC")
)


@pytest.mark.parametrize("kind", ["blocking", "asyncio"])
def test_an_upload_may_take_as_long_as_it_goes_on(peer: Callable[..., Peer], kind: str) -> None:
    """Longer than a connection may take to be made, and longer than the server may take nothing of it."""

    def slow(connection: socket.socket) -> bytes:
        got = connection.recv(1_000)
        length = int(got.lower().partition(b"content-length: ")[2].split()[0])
        left = length - len(got.partition(b"\r\n\r\n")[2])
        while left and (piece := connection.recv(min(left, 1 << 16))):
            left -= len(piece)
            threading.Event().wait(0.01)
        return got

    server = peer(DONE, read=slow)
    # Or the system takes all of it at once.
    server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    options: dict[str, Any] = {"timeout": 0.5, "connect_timeout": 0.4, "retries": 0}

    if kind == "asyncio":
        asyncio.run(AsyncInfluxManager(server.url, "o", "t", **options).synchronous_write("b", LARGE, "m"))
    else:
        with InfluxManager(server.url, "o", "t", **options) as manager:
            manager.synchronous_write("b", LARGE, "m")


def test_a_server_that_takes_no_request_is_a_timeout(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager]
) -> None:
    """And nothing is sent again, as with a server that takes it and is silent."""
    given_up = threading.Event()

    def reads_nothing(_: socket.socket) -> bytes:
        given_up.wait(PATIENCE)
        return b""

    server = peer(HANGS_UP, read=reads_nothing)
    # Or the system may take the whole of it for the peer.
    server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)

    with pytest.raises(OperationTimeoutError, match=r"received nothing for 0\.2 seconds"):
        call(server, timeout=0.2).synchronous_write("b", LARGE, "m")
    given_up.set()


def test_a_proxy_that_hides_the_buckets_is_warned_of(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager]
) -> None:
    """The points are read, but nothing tells whether a field has several types."""
    page = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 8\r\n\r\nno entry"
    server = peer(says(WHOLE), buckets=page)
    with pytest.warns(UserWarning, match="a proxy hides /api/v2/buckets") as caught:
        got = call(server).read(*SPAN, "m", "v", "b", interval=None, max_parallel=1)

    assert [1.5, 2.5] == got["v"].tolist()
    assert [__file__] == [one.filename for one in caught]


def test_an_error_in_one_slice_stops_the_others(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager]
) -> None:
    """At once, though they are silent; no thread stays behind."""
    before = set(threading.enumerate())
    refused = b'{"code":"invalid","message":"no such thing"}'
    server = peer(silence, silence, silence, says(refused, HEAD.replace(b"200 OK", b"400 Bad")))

    with pytest.raises(QueryError, match="no such thing"):
        call(server, timeout=10 * PATIENCE, deadline=None).read(*SPAN, "m", "v", "b", interval=None)

    for _ in range(4):
        assert server.closed.acquire(timeout=PATIENCE)
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("db-influx"):
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_pauses_are_cut_short_when_the_call_ends(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager]
) -> None:
    """A thread that waits for its next attempt is not waited for, and goes."""
    before = set(threading.enumerate())
    head = f"HTTP/1.1 503 Busy\r\nConnection: close\r\nRetry-After: {10 * PATIENCE}\r\n"
    busy = f"{head}Content-Length: 0\r\n\r\n".encode()
    refused = b'{"code":"invalid","message":"no such thing"}'
    server = peer(busy, says(refused, HEAD.replace(b"200 OK", b"400 Bad")))

    with pytest.raises(QueryError, match="no such thing"):
        call(server, deadline=None).read(*SPAN, "m", "v", "b", interval=None, max_parallel=2)

    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("db-influx"):
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.mark.parametrize("said", ["9" * 5_000, "Fri, 31 Dec 99999 23:59:59 GMT", "9" * 11])
def test_a_retry_after_that_means_nothing_or_years_is_no_reason_to_hang(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], said: str
) -> None:
    """`query_batches` has no deadline; still it does not wait for years, and no ValueError comes out."""
    head = f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {said}\r\nConnection: close\r\n".encode()

    with pytest.raises(QueryError, match="503"):
        list(call_peer(peer(says(b"", head)), retries=1).query_batches("any"))


def test_a_number_of_refused_points_that_is_none(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager]
) -> None:
    """More digits than Python takes for a number: the server's words, as of any other refusal."""
    with pytest.raises(WriteError, match="partial write: field type conflict dropped=999") as caught:
        call(peer(refuses("9" * 5_000)), retries=0).synchronous_write("b", FRAME, "m")

    assert 422 == caught.value.status


@pytest.mark.parametrize("refused", [False, True])
def test_a_write_that_breaks_names_every_row_that_may_not_be_written(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager], *, refused: bool
) -> None:
    """Of three bodies the first is taken, or refused in part, and the second breaks."""
    busy = says(b'{"code":"unavailable","message":"busy"}', b"HTTP/1.1 503 Busy\r\nConnection: close\r\n")
    frame = pd.concat([LARGE, LARGE, LARGE])
    server = peer(refuses(1) if refused else DONE, busy)

    with pytest.raises(WriteError, match="Then the write failed: busy") as caught:
        call(server, retries=0).synchronous_write("b", frame, "m")

    error = caught.value
    first = server.requests[0].partition(b"\r\n\r\n")[2].count(b"\n")
    assert 503 == error.status
    assert error.accepted == (0 if refused else first)
    rows = [row for one in error.rejected for row in range(one.start, one.stop)]
    assert list(range(error.accepted or 0, len(frame))) == rows
    assert frame.iloc[rows].equals(error.frame)
    assert "busy" in error.rejected[-1].reason


def test_rejected_rows_of_any_arrow_type_are_given_back(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager]
) -> None:
    """Of some types pyarrow picks no rows; a record batch stays one."""
    columns = {
        "time": pa.array([1, 2], pa.timestamp("ns", "UTC")),
        "v": pa.array(["a", "b"], pa.string_view()),
    }
    for data in (pa.table(columns), pa.record_batch(columns)):
        with pytest.raises(WriteError) as caught:
            call(peer(refuses(2))).synchronous_write("b", data, "m", time_column="time")
        assert data == caught.value.frame


def test_a_search_for_refused_rows_that_breaks_still_tells_of_the_refusal(
    peer: Callable[..., Peer], call: Callable[..., InfluxManager]
) -> None:
    """Rows that may have been refused are all given back, with the server's words and what broke."""
    frame = pd.DataFrame({"v": [1, 2, 3, 4]}, index=pd.date_range("2026-01-01", periods=4, name="time"))
    manager = call(peer(refuses(1), HANGS_UP), retries=0)

    told = r"Then the write failed: .*at least 1 of 4 points were refused: 1 of rows 0 to 3"
    with pytest.raises(WriteError, match=told) as caught:
        manager.synchronous_write("b", frame, "m")

    assert 0 == caught.value.accepted
    assert [(0, 4, 1)] == [(one.start, one.stop, one.points) for one in caught.value.rejected]
    assert frame.equals(caught.value.frame)
    assert isinstance(caught.value.__cause__, ConnectionFailedError)
