"""Attempts, deadlines and what is stopped: against peers that fail as a real server won't on demand."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from db_core.errors import (
    ConnectionFailedError,
    DatabaseError,
    IncompleteResultError,
    OperationTimeoutError,
    QueryError,
    WriteError,
)
from db_influx._call import Again, Call
from db_influx._flux import bind
from tests.scripted import PATIENCE, Scripted, read_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_influx import InfluxManager
    from tests.scripted import Turn

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


def says(body: bytes, head: bytes = HEAD) -> Turn:
    """Answer, and close."""
    return lambda connection: connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def says_until_it_closes(body: bytes) -> Turn:
    """Answer without a length, so that HTTP ends well wherever it is cut."""
    return lambda connection: connection.sendall(HEAD + b"\r\n" + body)


def breaks_off(connection: socket.socket) -> None:
    """Answer less than was promised."""
    connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE[:-40])


def resets(connection: socket.socket) -> None:
    """Say nothing, and reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def hangs_up(_: socket.socket) -> None:
    """Say nothing, and close."""


def is_silent(connection: socket.socket) -> None:
    """Say nothing until the other side closes."""
    while connection.recv(65_536):
        pass


def drips(connection: socket.socket) -> None:
    """Answer byte by byte, too slowly to ever end and too fast to be silent."""
    connection.sendall(HEAD + b"Content-Length: 1000000000\r\n\r\n")
    stopped = threading.Event()
    while not stopped.wait(0.02):
        connection.sendall(b"#")


def done(connection: socket.socket) -> None:
    """Accept a write."""
    connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


def refuses(points: object) -> Turn:
    """Refuse so many points of a write, and close."""
    said = (
        f'{{"code":"unprocessable entity","message":"partial write: field type conflict dropped={points}"}}'
    )
    head = b"HTTP/1.1 422 Unprocessable Entity\r\nConnection: close\r\n\r\n"
    return lambda connection: connection.sendall(head + said.encode())


@pytest.fixture
def scripted() -> Iterator[Callable[..., Scripted]]:
    """Give a function that starts a peer with these turns."""
    with ExitStack() as at_end:

        def start(*turns: Turn, read: Callable[..., bytes] = read_request) -> Scripted:
            peer = Scripted(turns, read)
            at_end.callback(peer.close)
            return peer

        yield start


@pytest.fixture
def call(make_manager: Callable[..., InfluxManager]) -> Callable[..., InfluxManager]:
    """Give a function that makes a manager on a peer."""

    def make(peer: Scripted, **options: Any) -> InfluxManager:
        return make_manager(**{"url": peer.url, "token": "t", "org": "o"} | options)

    return make


BROKEN = {
    "broken off": breaks_off,
    "reset": resets,
    "hung up": hangs_up,
    "cut in a row": says(ROWS[:-9]),
    "cut at a row's end": says(ROWS),
    "cut before its first row": says(b""),
    "perhaps cut behind a table": says_until_it_closes(WHOLE),
}


@pytest.mark.parametrize("turn", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_asked_for_again(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager], turn: Turn
) -> None:
    """The whole of it, so no row comes twice; without retries it is an error."""
    peer = scripted(turn, says(WHOLE))
    assert [1.5, 2.5] == call(peer).query("any")["_value"].tolist()
    assert peer.requests[0] == peer.requests[1]

    with pytest.raises((IncompleteResultError, ConnectionFailedError)):
        call(scripted(turn), retries=0).query("any")


def test_one_slice_of_several_is_asked_for_again(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """Two slices give two rows each, whichever broke at first."""
    peer = scripted(breaks_off, says(WHOLE), says(WHOLE.replace(b"01-01T", b"01-03T")), says(EMPTY))

    got = call(peer).read(*SPAN, "m", "v", "b", interval=None, max_parallel=2)

    assert 3 == len(peer.requests)
    assert [1.5, 2.5] * 2 == got["v"].tolist()


def test_batches_are_asked_for_again_before_the_first(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """Later the rows given would come twice: it is an error."""
    peer = scripted(hangs_up, says(WHOLE))
    assert [1, 1] == [len(batch) for batch in call(peer).query_batches("any", batch_rows=1)]

    long = WHOLE[:-2] + ROWS[-30:] * 30_000
    peer = scripted(says(long))
    given = []
    with pytest.raises(IncompleteResultError):
        given.extend(call(peer).query_batches("any", batch_rows=1_000))
    assert 1 == len(peer.requests)


@pytest.mark.parametrize("turn", [resets, hangs_up], ids=["reset", "hung up"])
def test_a_write_is_sent_again(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager], turn: Turn
) -> None:
    """The same points, which changes nothing if they had landed."""
    peer = scripted(turn, done)

    call(peer).synchronous_write("b", FRAME, "m")

    assert peer.requests[0] == peer.requests[1]
    with pytest.raises(ConnectionFailedError):
        call(scripted(turn), retries=0).synchronous_write("b", FRAME, "m")


def test_a_kept_connection_that_was_closed_is_no_error(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """A server may close an idle connection just when it is used again."""

    def keeps_open_and_hangs_up_on_the_next(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE)
        read_request(connection)

    manager = call(scripted(keeps_open_and_hangs_up_on_the_next, says(WHOLE)))

    assert [2, 2] == [len(manager.query("any")) for _ in range(2)]


def test_attempts_run_out(scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]) -> None:
    """Two retries are three attempts; the last one's error is raised, with its cause."""
    peer = scripted(hangs_up)

    with pytest.raises(ConnectionFailedError) as caught:
        call(peer, retries=2).query("any")

    assert 3 == len(peer.requests)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("said", ["3600", "Wed, 21 Oct 2465 07:28:00 GMT"])
def test_a_server_that_asks_for_more_time_than_there_is(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager], said: str
) -> None:
    """Its own error at once, instead of a wait for nothing."""
    head = f"HTTP/1.1 429 Too Many\r\nRetry-After: {said}\r\nConnection: close\r\n".encode()
    peer = scripted(says(b'{"code":"too many requests","message":"later"}', head))

    with pytest.raises(QueryError, match="later"):
        call(peer, deadline=PATIENCE).query("any")

    assert 1 == len(peer.requests)


@pytest.mark.parametrize("turn", [drips, is_silent], ids=["dripping", "silent"])
@pytest.mark.parametrize("parallel", [1, 4])
def test_a_call_ends_with_its_deadline(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager], turn: Turn, parallel: int
) -> None:
    """Whatever the server does; and its connections end with it."""
    peer = scripted(turn)

    with pytest.raises(OperationTimeoutError, match=r"within its deadline of 0\.5 seconds$"):
        call(peer, deadline=0.5, timeout=PATIENCE).read(
            *SPAN, "m", "v", "b", interval=None, max_parallel=parallel
        )

    for _ in range(parallel):
        assert peer.closed.acquire(timeout=PATIENCE)


def test_a_write_ends_with_its_deadline(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """A server that takes points and never says so."""
    with pytest.raises(OperationTimeoutError):
        call(scripted(is_silent), deadline=0.5, timeout=PATIENCE).synchronous_write("b", FRAME, "m")


@pytest.mark.parametrize(
    "ask",
    [
        lambda manager: manager.read_last_data_point("b", "m", "v"),
        lambda manager: manager.check_write("b", FRAME, "m"),
    ],
    ids=["read_last_data_point", "check_write"],
)
def test_a_deadline_is_of_all_questions_together(
    scripted: Callable[..., Scripted],
    call: Callable[..., InfluxManager],
    ask: Callable[[InfluxManager], object],
) -> None:
    """Each is answered in time, but not all of them."""
    buckets = ROWS.replace(b"double", b"long").replace(b"_value", b"retentionPeriod")
    kept = b"\r\n".join([*buckets.split(b"\r\n")[:4], b",,0,2026-01-01T00:00:00Z,0", b"", b""])

    def answers(connection: socket.socket) -> None:
        threading.Event().wait(0.4)
        says(kept if b"buckets" in peer.requests[-1] else EMPTY)(connection)

    peer = scripted(answers)
    with pytest.raises(OperationTimeoutError, match=r"within its deadline of 0\.5 seconds$"):
        ask(call(peer, deadline=0.5))
    assert len(peer.requests) > 1


def test_silent_addresses_of_a_host_share_the_time(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last address of four is reached, though each of the others might have taken all of the deadline."""
    peer = scripted(says(WHOLE))
    port = peer.listener.getsockname()[1]
    with ExitStack() as at_end:
        silent = [f"127.0.0.{host}" for host in (2, 3, 4)]
        for host in silent:
            full = at_end.enter_context(socket.create_server((host, port), backlog=0))
            at_end.enter_context(socket.create_connection(full.getsockname()))  # more are left waiting
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in [*silent, "127.0.0.1"]]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *_: [one for one in found if host in ("many", one[4][0])]
        )

        assert [1.5, 2.5] == call(peer, url=f"http://many:{port}", deadline=2.0).query("any")[
            "_value"
        ].tolist()


def test_time_that_an_address_leaves_is_the_next_ones(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One refuses at once; the host is asked for once."""
    given: list[float] = []
    asked: list[str] = []
    peer = scripted(says(WHOLE))
    port = peer.listener.getsockname()[1]
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
    manager = call(peer, url=f"http://both:{port}", connect_timeout=20.0)

    assert [1.5, 2.5] == manager.query("any")["_value"].tolist()
    assert 1 == asked.count("both")
    assert [True, True] == [given[0] <= 10, given[1] > 19]


# A body of 4 MB.
LARGE = pd.DataFrame(
    {"v": ["x" * 100_000] * 40}, index=pd.date_range("2026-01-01", periods=40, freq="s", tz="UTC")
)


def test_a_slow_upload_is_no_slow_connection(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """A body may take longer than a connection, which is there by then."""

    def slow(connection: socket.socket) -> bytes:
        got = connection.recv(1_000)
        length = int(got.lower().partition(b"content-length: ")[2].split()[0])
        left = length - len(got.partition(b"\r\n\r\n")[2])
        while left and (piece := connection.recv(min(left, 1 << 16))):
            left -= len(piece)
            threading.Event().wait(0.02)
        return got

    peer = scripted(done, read=slow)
    manager = call(peer, timeout=PATIENCE, connect_timeout=0.3, retries=0)
    # Or the system takes all of it at once.
    peer.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    narrow = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)]
    manager._transport._pool.connection_pool_kw["socket_options"] = narrow

    manager.synchronous_write("b", LARGE, "m")


def test_a_server_that_takes_no_request_is_a_timeout(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """And nothing is sent again, as with a server that takes it and is silent."""
    given_up = threading.Event()

    def reads_nothing(_: socket.socket) -> bytes:
        given_up.wait(PATIENCE)
        return b""

    peer = scripted(hangs_up, read=reads_nothing)
    # Or the system may take the whole of it for the peer.
    peer.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)

    with pytest.raises(OperationTimeoutError, match=r"did not leave within 0\.2 seconds"):
        call(peer, timeout=0.2).synchronous_write("b", LARGE, "m")
    given_up.set()


def test_a_proxy_that_hides_the_buckets_is_warned_of(call: Callable[..., InfluxManager]) -> None:
    """The points are read, but nothing tells whether a field has several types."""
    page = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 8\r\n\r\nno entry"
    peer = Scripted((says(WHOLE),), buckets=page)
    try:
        with pytest.warns(UserWarning, match="a proxy hides /api/v2/buckets") as caught:
            got = call(peer).read(*SPAN, "m", "v", "b", interval=None, max_parallel=1)
    finally:
        peer.close()

    assert [1.5, 2.5] == got["v"].tolist()
    assert [__file__] == [one.filename for one in caught]


def test_a_call_that_ends_leaves_a_connection_it_gave_back_alone(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """The next call may have it before the first has looked at what came."""
    begun = threading.Event()
    ended = threading.Event()

    def twice(connection: socket.socket) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE
        connection.sendall(answer)
        peer.requests.append(read_request(connection))
        begun.set()
        ended.wait(PATIENCE)
        connection.sendall(answer)

    peer = scripted(twice, hangs_up)
    transport = call(peer)._transport
    first, second = Call(), Call()
    answers = [transport.query(bind("any", None), call=one) for one in (first, second)]
    assert WHOLE == next(answers[0])
    reader = threading.Thread(target=lambda: got.append(next(answers[1])))
    got: list[bytes] = []
    reader.start()
    assert begun.wait(PATIENCE)
    first.cancel()
    ended.set()
    reader.join(PATIENCE)

    assert [WHOLE] == got
    assert 2 == len(peer.requests)
    for answer in answers:
        answer.close()


def test_a_call_holds_a_connection_that_its_requests_pass_on(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """The first one's end is not the second one's: the call can still shut it down."""

    def once(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE)
        peer.requests.append(read_request(connection))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + WHOLE * 2_000)
        begun.set()
        is_silent(connection)

    begun = threading.Event()
    peer = scripted(once)
    transport = call(peer)._transport
    both = Call()
    first, second = (transport.query(bind("any", None), call=both) for _ in range(2))
    assert WHOLE == next(first)
    assert next(second).startswith(WHOLE)
    first.close()
    assert begun.wait(PATIENCE)
    both.cancel()

    assert peer.closed.acquire(timeout=PATIENCE)
    with pytest.raises(Again):
        list(second)


def test_an_error_in_one_slice_stops_the_others(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """At once, though they are silent; no thread stays behind."""
    before = set(threading.enumerate())
    refused = b'{"code":"invalid","message":"no such thing"}'
    peer = scripted(is_silent, is_silent, is_silent, says(refused, HEAD.replace(b"200 OK", b"400 Bad")))

    with pytest.raises(QueryError, match="no such thing"):
        call(peer, timeout=10 * PATIENCE, deadline=None).read(*SPAN, "m", "v", "b", interval=None)

    for _ in range(4):
        assert peer.closed.acquire(timeout=PATIENCE)
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("db-influx"):
            thread.join(PATIENCE)
            assert not thread.is_alive()


def test_pauses_are_cut_short_when_the_call_ends() -> None:
    """A thread that waits for its next attempt is not waited for."""
    call = Call(retries=5)
    begun = threading.Event()
    failed: list[DatabaseError] = []

    def job() -> None:
        begun.set()
        raise Again(QueryError("busy"), after=10 * PATIENCE)

    def run() -> None:
        try:
            call.attempt(job)
        except QueryError as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert begun.wait(PATIENCE)
    call.cancel()
    thread.join(PATIENCE)

    assert 1 == len(failed)


@pytest.mark.parametrize("said", ["9" * 5_000, "Fri, 31 Dec 99999 23:59:59 GMT", "9" * 11])
def test_a_retry_after_that_means_nothing_or_years_is_no_reason_to_hang(
    peer: Callable[..., Any], call_peer: Callable[..., InfluxManager], said: str
) -> None:
    """`query_batches` has no deadline; still it does not wait for years, and no ValueError comes out."""
    answer = f"HTTP/1.1 503 Service Unavailable\r\nRetry-After: {said}\r\nContent-Length: 0\r\n\r\n".encode()

    with pytest.raises(QueryError, match="503"):
        list(call_peer(peer(*[answer] * 3), retries=1).query_batches("any"))


def test_a_number_of_refused_points_that_is_none(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """More digits than Python takes for a number: the server's words, as of any other refusal."""
    with pytest.raises(WriteError, match="partial write: field type conflict dropped=999") as caught:
        call(scripted(refuses("9" * 5_000)), retries=0).synchronous_write("b", FRAME, "m")

    assert 422 == caught.value.status


@pytest.mark.parametrize("refused", [False, True])
def test_a_write_that_breaks_names_every_row_that_may_not_be_written(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager], *, refused: bool
) -> None:
    """Of three bodies the first is taken, or refused in part, and the second breaks."""
    busy = says(b'{"code":"unavailable","message":"busy"}', b"HTTP/1.1 503 Busy\r\nConnection: close\r\n")
    frame = pd.concat([LARGE, LARGE, LARGE])
    peer = scripted(refuses(1) if refused else done, busy)

    with pytest.raises(WriteError, match="then: busy") as caught:
        call(peer, retries=0).synchronous_write("b", frame, "m")

    error = caught.value
    first = peer.requests[0].partition(b"\r\n\r\n")[2].count(b"\n")
    assert 503 == error.status
    assert error.accepted == (0 if refused else first)
    rows = [row for one in error.rejected for row in range(one.start, one.stop)]
    assert list(range(error.accepted or 0, len(frame))) == rows
    assert frame.iloc[rows].equals(error.frame)
    assert "busy" in error.rejected[-1].reason


def test_rejected_rows_of_any_arrow_type_are_given_back(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """Of some types pyarrow picks no rows; a record batch stays one."""
    columns = {
        "time": pa.array([1, 2], pa.timestamp("ns", "UTC")),
        "v": pa.array(["a", "b"], pa.string_view()),
    }
    for data in (pa.table(columns), pa.record_batch(columns)):
        with pytest.raises(WriteError) as caught:
            call(scripted(refuses(2))).synchronous_write("b", data, "m", time_column="time")
        assert data == caught.value.frame


def test_a_search_for_refused_rows_that_breaks_still_tells_of_the_refusal(
    scripted: Callable[..., Scripted], call: Callable[..., InfluxManager]
) -> None:
    """Rows that may have been refused are all given back, with the server's words and what broke."""
    frame = pd.DataFrame({"v": [1, 2, 3, 4]}, index=pd.date_range("2026-01-01", periods=4, name="time"))
    manager = call(scripted(refuses(1), hangs_up), retries=0)

    told = r"then: .*at least 1 of 4 points were refused: 1 of rows 0 to 3"
    with pytest.raises(WriteError, match=told) as caught:
        manager.synchronous_write("b", frame, "m")

    assert 0 == caught.value.accepted
    assert [(0, 4, 1)] == [(one.start, one.stop, one.points) for one in caught.value.rejected]
    assert frame.equals(caught.value.frame)
    assert isinstance(caught.value.__cause__, ConnectionFailedError)
