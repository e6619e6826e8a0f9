"""What goes wrong between the manager and InfluxDB: always the right error, never data that is not whole.

The server is real wherever it can be made to fail so; a peer gives the answers that no InfluxDB gives.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
import pickle
import signal
import socket
import threading
import time
import traceback
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DatabaseError,
    IncompleteResultError,
    NotFoundError,
    OperationTimeoutError,
    ParseError,
    QueryError,
    SchemaConflictError,
    WriteError,
)
from tools import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_influx import InfluxManager
    from tests.influx.conftest import Peer, Store

BUCKET = "nobody-made-this-bucket"
T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
DAY = 86_400_000_000_000
SPAN = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
FRAME = pd.DataFrame({"v": [1.0]}, index=pd.DatetimeIndex(["2026-01-01"], tz="UTC"))

# Two tables, as a raw read is answered; each row is a whole one.
ANSWER = (
    b"#datatype,string,long,dateTime:RFC3339,double,string,string\r\n"
    b"#group,false,false,false,false,true,true\r\n"
    b"#default,_result,,,,,\r\n"
    b",result,table,_time,_value,_field,k\r\n"
    b",,0,2026-01-01T00:00:00Z,1,v,a\r\n"
    b",,0,2026-01-01T00:00:01Z,2,v,a\r\n"
    b",,1,2026-01-01T00:00:00Z,3,v,b\r\n"
    b"\r\n"
)

GZIPPED = b"\r\nContent-Encoding: gzip\r\n"  # behind a status line
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"

CALLS: dict[str, Callable[[InfluxManager], Any]] = {
    "read": lambda manager: manager.read(*SPAN, "m", "v", BUCKET),
    "read raw": lambda manager: manager.read(*SPAN, "m", "v", BUCKET, interval=None),
    "read_all_fields": lambda manager: manager.read_all_fields(*SPAN, "m", BUCKET),
    "read_accumulated_value": lambda manager: manager.read_accumulated_value(*SPAN, "m", "v", BUCKET, 60),
    "in seconds": lambda manager: manager.read_accumulated_value_in_seconds(*SPAN, "m", "v", BUCKET, 60),
    "average": lambda manager: manager.read_average_value_in_seconds(BUCKET, "m", "v", 60),
    "last": lambda manager: manager.read_last_data_point(BUCKET, "m", "v"),
    "measurements": lambda manager: manager.get_measurements_on_bucket(BUCKET),
    "fields": lambda manager: manager.get_fields(BUCKET, "m"),
    "query": lambda manager: manager.query("buckets()"),
    "split": lambda manager: manager.query("buckets()", split=True),
}
WRITE: dict[str, Callable[[InfluxManager], Any]] = {
    "write": lambda manager: manager.synchronous_write(BUCKET, FRAME, "m")
}

each_read = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
each_call = pytest.mark.parametrize("call", (CALLS | WRITE).values(), ids=CALLS | WRITE)


def http(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """Give an HTTP answer with its length."""
    size = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """Give an HTTP answer in chunks."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


# --- What the server says -------------------------------------------------------


@each_call
def test_a_bucket_that_is_not_there_is_not_found(
    manager: InfluxManager, call: Callable[[InfluxManager], Any], request: pytest.FixtureRequest
) -> None:
    """Each method that names a bucket says that it is not there: no empty frame, no empty list."""
    if request.node.callspec.id in ("query", "split"):
        call = lambda manager: manager.query(f'from(bucket: "{BUCKET}") |> range(start: 0)')  # noqa: E731

    with pytest.raises(NotFoundError, match=f'"{BUCKET}"'):
        call(manager)


@each_call
def test_an_organization_that_is_not_there_is_not_found(
    make_manager: Callable[..., InfluxManager], call: Callable[[InfluxManager], Any]
) -> None:
    """The organization is named in the error."""
    with pytest.raises(NotFoundError, match="nobody"):
        call(make_manager(org="nobody"))


@each_call
def test_a_wrong_token_is_an_authentication_error_without_the_token(
    make_manager: Callable[..., InfluxManager],
    call: Callable[[InfluxManager], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The error is a PermissionError, too; the token is in no message, cause, traceback or log."""
    caplog.set_level(logging.DEBUG)
    manager = make_manager(token="very-secret-token")

    with pytest.raises(AuthenticationError) as caught:
        call(manager)

    assert isinstance(caught.value, PermissionError)
    said = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(manager)
    assert "very-secret-token" not in said
    assert "very-secret-token" not in repr(pickle.loads(pickle.dumps(caught.value)))


# --- No server ------------------------------------------------------------------


@each_call
def test_a_refused_connection_is_a_failed_connection(
    make_manager: Callable[..., InfluxManager], call: Callable[[InfluxManager], Any]
) -> None:
    """Nothing listens: the error names the address and is a ConnectionError, too."""
    manager = make_manager(url="http://127.0.0.1:9", retries=0)

    with pytest.raises(ConnectionFailedError, match=r"http://127\.0\.0\.1:9 .*[Rr]efused") as caught:
        call(manager)

    assert isinstance(caught.value, ConnectionError)
    assert caught.value.__cause__ is not None


def test_an_unknown_host_is_a_failed_connection(make_manager: Callable[..., InfluxManager]) -> None:
    """A name that does not resolve is no timeout."""
    with pytest.raises(ConnectionFailedError, match=r"nowhere\.invalid"):
        make_manager(url="http://nowhere.invalid:8086", retries=0).query("buckets()")


@pytest.fixture(scope="module")
def mortal() -> Iterator[servers.InfluxDB]:
    """Give an InfluxDB of our own, which may be stopped and killed."""
    with servers.influxdb(own=True) as server:
        yield server


def test_a_killed_server_is_a_failed_connection_until_it_is_back(
    mortal: servers.InfluxDB, make_manager: Callable[..., InfluxManager]
) -> None:
    """After a kill both reads and writes fail; what was accepted is there when the server is back."""
    manager = make_manager(url=mortal.url, org=mortal.org, token=mortal.token, retries=0)
    manager.synchronous_write("default", FRAME, "m")

    mortal.kill()
    try:
        with pytest.raises(ConnectionFailedError):
            manager.read(*SPAN, "m", "v", "default", interval=None)
        with pytest.raises(ConnectionFailedError):
            manager.synchronous_write("default", FRAME, "m")
    finally:
        mortal.restart()

    assert [1.0] == manager.read(*SPAN, "m", "v", "default", interval=None)["v"].tolist()


def test_a_server_killed_in_the_middle_of_its_answer_gives_no_data(
    mortal: servers.InfluxDB, make_manager: Callable[..., InfluxManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows have arrived when the server dies: an error, and none of them is returned."""
    manager = make_manager(url=mortal.url, org=mortal.org, token=mortal.token, retries=0)
    whole = manager._transport.query
    arrived: list[int] = []

    def killed_after_the_first_chunk(*arguments: Any, **options: Any) -> Iterator[bytes]:
        for chunk in whole(*arguments, **options):
            if not arrived:
                mortal.kill()
            arrived.append(len(chunk))
            yield chunk

    monkeypatch.setattr(manager._transport, "query", killed_after_the_first_chunk)
    try:
        with pytest.raises((IncompleteResultError, ConnectionFailedError)):
            manager.query(
                'import "generate"\ngenerate.from(count: 300000, fn: (n) => n, '
                "start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z)"
            )
    finally:
        mortal.restart()

    assert arrived


def test_a_stopped_server_is_a_timeout(
    mortal: servers.InfluxDB, make_manager: Callable[..., InfluxManager]
) -> None:
    """A server that does not move is waited for as long as was said; then it is a TimeoutError."""
    manager = make_manager(url=mortal.url, org=mortal.org, token=mortal.token, retries=0)
    manager.query("buckets()")

    os.kill(mortal.pid, signal.SIGSTOP)
    try:
        begin = time.monotonic()
        with pytest.raises(OperationTimeoutError) as caught:
            manager.query("buckets()", timeout=0.2)
        took = time.monotonic() - begin
    finally:
        os.kill(mortal.pid, signal.SIGCONT)

    assert isinstance(caught.value, TimeoutError)
    assert 0.2 <= took < 2
    assert len(manager.query("buckets()")) > 0


# --- Silence ----------------------------------------------------------------------


@each_call
def test_a_silent_server_is_a_timeout(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], call: Callable[[InfluxManager], Any]
) -> None:
    """The connection stands and nothing comes: the manager's timeout ends it."""
    with pytest.raises(OperationTimeoutError):
        call(call_peer(peer(None), timeout=0.05))


def test_a_calls_timeout_wins_over_the_managers(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """`timeout` of a call ends it long before that of the manager would; a timedelta it is not."""
    manager = call_peer(peer(None), timeout=60)

    with pytest.raises(OperationTimeoutError):
        manager.read(*SPAN, "m", "v", BUCKET, timeout=0.05)
    with pytest.raises(OperationTimeoutError):
        manager.synchronous_write(BUCKET, FRAME, "m", timeout=0.05)
    with pytest.raises(OperationTimeoutError):
        manager.get_fields(BUCKET, "m", timeout=0.05)


def test_silence_in_the_middle_of_an_answer_is_a_timeout(call_peer: Callable[..., InfluxManager]) -> None:
    """Most of the answer is there and then nothing: an error, not the part."""
    done = threading.Event()

    def most(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(http(ANSWER, length=len(ANSWER) + 100))
            done.wait(10)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        pool.submit(most, listener)
        manager = call_peer(None, url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.1)
        try:
            with pytest.raises(OperationTimeoutError):
                manager.read(*SPAN, "m", "v", BUCKET)
        finally:
            done.set()


# --- Cut answers ------------------------------------------------------------------


def test_the_whole_answer_is_read(peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]) -> None:
    """What the cuts below are cut from is a good answer."""
    got = call_peer(peer(http(ANSWER))).read(*SPAN, "m", "v", BUCKET, interval=None)

    assert [("a", 1.0), ("a", 2.0), ("b", 3.0)] == list(
        zip(got.index.get_level_values("k"), got["v"], strict=True)
    )


@pytest.mark.parametrize("way", ["length", "close", "chunks", "aborted", "gzip"])
def test_an_answer_cut_anywhere_is_incomplete(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], way: str
) -> None:
    """Wherever a byte is the last one, HTTP ends well or not: an error, never the rows before it."""
    ends: dict[str, Callable[[bytes], bytes]] = {
        "length": http,  # HTTP ends well
        "close": lambda part: b"HTTP/1.0 200 OK\r\n\r\n" + part,
        "chunks": lambda part: chunked(*[part] * bool(part)),  # HTTP ends well
        "aborted": lambda part: chunked(*[part] * bool(part), end=b""),
        "gzip": lambda part: http(gzip.compress(part), "Content-Encoding: gzip"),
    }
    cuts = list(range(0, len(ANSWER), 1 if way == "length" else 7))
    server = peer(*(ends[way](ANSWER[:cut]) for cut in cuts))
    manager = call_peer(server)

    for cut in cuts:
        with pytest.raises((IncompleteResultError, ParseError)) as caught:
            manager.read(*SPAN, "m", "v", BUCKET, interval=None)
        assert isinstance(caught.value, IncompleteResultError), (cut, caught.value)
    assert len(cuts) == len(server.requests)


@each_read
def test_each_read_refuses_a_cut_answer(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], call: Callable[[InfluxManager], Any]
) -> None:
    """An answer without its end mark, with HTTP at its best, is data for no method."""
    with pytest.raises(IncompleteResultError) as caught:
        call(call_peer(peer(http(ANSWER[:-2]))))

    assert isinstance(caught.value, EOFError)


@pytest.mark.parametrize(
    "cut",
    [
        pytest.param(lambda body: http(body, length=len(body) + 1), id="shorter than its length"),
        pytest.param(lambda body: chunked(body, end=b""), id="chunks without an end"),
        pytest.param(lambda body: chunked(body, end=b"5\r\nab"), id="cut chunk"),
        pytest.param(lambda body: chunked(body, end=b"zz\r\n"), id="chunk without a length"),
        pytest.param(lambda body: http(gzip.compress(body)[:-30], "Content-Encoding: gzip"), id="cut gzip"),
        pytest.param(lambda body: http(b"\x1f\x8b" + body, "Content-Encoding: gzip"), id="broken gzip"),
    ],
)
def test_an_answer_that_http_breaks_off_is_incomplete(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], cut: Callable[[bytes], bytes]
) -> None:
    """All rows and the end mark have come, and still HTTP says that something is missing."""
    with pytest.raises(IncompleteResultError):
        call_peer(peer(cut(ANSWER))).read(*SPAN, "m", "v", BUCKET, interval=None)


def test_a_cut_between_two_results_is_incomplete(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """After a first result with its end mark, half a second result is not taken for the end."""
    manager = call_peer(peer(http(ANSWER + b"\r\n" + ANSWER[:-2])))

    with pytest.raises(IncompleteResultError):
        manager.query("any")


@each_read
def test_an_answer_that_ends_by_closing_is_incomplete(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], call: Callable[[InfluxManager], Any]
) -> None:
    """A connection that closes behind a table, as of HTTP/1.0, may have had another one to bring."""
    with pytest.raises(IncompleteResultError, match="neither a length nor chunks"):
        call(call_peer(peer(b"HTTP/1.0 200 OK\r\n\r\n" + ANSWER)))


@pytest.mark.parametrize("encoding", ["identity, chunked", "gzip, chunked", "chunked, chunked", "identity"])
def test_chunks_by_another_name_are_no_end(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], encoding: str
) -> None:
    """http.client reads them until the connection closes, whatever else the head says."""
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {encoding}\r\nContent-Length: 9999\r\n\r\n"
    with pytest.raises(IncompleteResultError):
        call_peer(peer(head.encode() + ANSWER)).query("any")


GZIP_CUTS: dict[str, Callable[[], bytes]] = {
    "behind a table": lambda: _flushed(ANSWER),
    "between members": lambda: gzip.compress(ANSWER) + gzip.compress(ANSWER)[:15],
    "before its checksum": lambda: gzip.compress(ANSWER)[:-8],
}


def _flushed(text: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("cut", GZIP_CUTS.values(), ids=GZIP_CUTS)
def test_a_gzip_stream_without_its_end_is_incomplete(
    peer: Callable[..., Peer],
    call_peer: Callable[..., InfluxManager],
    cut: Callable[[], bytes],
    asked: bool,  # noqa: FBT001 - a case
) -> None:
    """What came makes whole tables, and HTTP ends well: only gzip's own end tells."""
    for answer in (http(cut(), "Content-Encoding: gzip"), chunked(cut()).replace(b"\r\n", GZIPPED, 1)):
        with pytest.raises(IncompleteResultError):
            call_peer(peer(answer), gzip=asked).query("any")
    whole = http(gzip.compress(ANSWER), "Content-Encoding: gzip")
    assert 3 == len(call_peer(peer(whole), gzip=asked).query("any"))


def test_an_answer_packed_in_another_way_is_an_error(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """Only gzip is ever asked for."""
    with pytest.raises(ParseError, match="not asked for"):
        call_peer(peer(http(zlib.compress(ANSWER), "Content-Encoding: deflate"))).query("any")


def test_a_caller_s_own_exceptions_are_left_alone(call_peer: Callable[..., InfluxManager]) -> None:
    """However many there are, in whatever way they hang together, and whatever they say."""

    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    manager = call_peer(None, url="http://127.0.0.1:9")
    one, other = MuteError(), MuteError()
    one.__cause__, other.__cause__ = other, one

    def nested(depth: int) -> None:
        try:
            try:
                manager.query("any")
            except ConnectionFailedError as error:
                raise MuteError from error
        except MuteError:
            if depth:
                nested(depth - 1)

    try:
        raise one
    except MuteError:
        nested(40)  # walked along each way, this would not end
    assert other is one.__cause__
    assert one is other.__cause__


def test_one_cut_slice_fails_the_whole_read(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """Of four slices three come whole; the read is an error and not three quarters of the data."""
    manager = call_peer(peer(http(b"\r\n"), http(b"\r\n"), http(ANSWER[:-2]), http(b"\r\n")))

    with pytest.raises(IncompleteResultError):
        manager.read("2026-01-01", "2026-02-01", "m", "v", BUCKET, interval=None, max_parallel=4)


# --- Garbage ----------------------------------------------------------------------

HTML = b"<!DOCTYPE html>\n<html><body><h1>Please log in</h1></body></html>\n"


@each_read
@pytest.mark.parametrize("body", [HTML, b"\x00\xff\xfe\n" * 50, b'{"ok": true}\n', b"a,b\r\n1,2\r\n\r\n"])
def test_an_answer_that_is_no_annotated_csv_is_a_parse_error(
    peer: Callable[..., Peer],
    call_peer: Callable[..., InfluxManager],
    call: Callable[[InfluxManager], Any],
    body: bytes,
) -> None:
    """A login page with HTTP 200, bytes, JSON or plain CSV: an error that says where."""
    with pytest.raises(ParseError) as caught:
        call(call_peer(peer(http(body))))

    assert isinstance(caught.value, ValueError)
    assert 0 == caught.value.offset


@pytest.mark.parametrize("body", [HTML.rstrip(b"\n"), b"\x00\xff\xfe" * 50, b"<html>"])
def test_garbage_without_a_line_is_an_error_too(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], body: bytes
) -> None:
    """Where no line ends, nothing tells garbage from a cut answer; it is no data either way."""
    with pytest.raises((ParseError, IncompleteResultError)):
        call_peer(peer(http(body))).query("buckets()")


@pytest.mark.parametrize("answer", [b"", b"\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00" * 100, HTML])
def test_what_is_no_http_is_a_failed_connection(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], answer: bytes
) -> None:
    """A peer that hangs up or speaks something else has not answered."""
    manager = call_peer(peer(answer))

    with pytest.raises(ConnectionFailedError):
        manager.query("buckets()")
    with pytest.raises(ConnectionFailedError):
        manager.synchronous_write(BUCKET, FRAME, "m")


def test_a_refusal_that_is_no_json_is_told_as_it_is(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """A proxy's page with an error status: status and text are in the error."""
    manager = call_peer(peer(http(HTML, status="500 Internal Server Error")))

    with pytest.raises(QueryError, match=r"(?s)HTTP 500.*Please log in") as caught:
        manager.query("buckets()")
    assert 500 == caught.value.status
    with pytest.raises(WriteError, match=r"(?s)HTTP 500.*Please log in") as refused:
        manager.synchronous_write(BUCKET, FRAME, "m")
    assert 500 == refused.value.status
    assert refused.value.accepted is None


@pytest.mark.parametrize("status", ["200 OK", "202 Accepted"])
def test_a_write_is_accepted_only_when_the_server_says_so(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], status: str
) -> None:
    """InfluxDB answers 204; a login page with 200 has not stored a point."""
    with pytest.raises(WriteError):
        call_peer(peer(http(HTML, status=status))).synchronous_write(BUCKET, FRAME, "m")


@pytest.mark.parametrize("head", [b"Content-Length: 250", b"Transfer-Encoding: chunked"])
def test_a_connection_that_may_still_bring_a_body_is_not_used_again(
    call_peer: Callable[..., InfluxManager], head: bytes
) -> None:
    """A 204 has none; one that is announced with it could be taken for the next answer."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def serve() -> None:
            with listener.accept()[0] as first:
                first.recv(65_536)
                first.sendall(b"HTTP/1.1 204 No Content\r\n" + head + b"\r\n\r\n")
                with listener.accept()[0] as second:
                    second.recv(65_536)
                    second.sendall(http(ANSWER))

        serving = pool.submit(serve)
        listener.settimeout(10)
        manager = call_peer(None, url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        manager.synchronous_write(BUCKET, FRAME, "m")
        assert 3 == len(manager.query("any"))
        serving.result()


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
def test_a_chunk_of_less_than_nothing_is_a_broken_answer(
    call_peer: Callable[..., InfluxManager], status: str
) -> None:
    """http.client would read to the end of the stream, in one piece and without a bound."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def serve() -> None:
            with listener.accept()[0] as connection, suppress(ConnectionResetError):
                connection.recv(65_536)
                head = f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
                connection.sendall(head.encode() + ANSWER)
                connection.recv(1)  # there is no end but the client's

        serving = pool.submit(serve)
        listener.settimeout(10)
        manager = call_peer(None, url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises((IncompleteResultError, QueryError), match="IncompleteRead"):
            manager.query("any")
        manager.close()
        serving.result()


@pytest.mark.parametrize("parameter", ["boundary*=a; boundary*0=b", "boundary*=idna''x"])
def test_headers_that_http_client_stumbles_over_are_malformed(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], parameter: str
) -> None:
    """It takes the parameters of a multipart answer apart, and lets out what fails there."""
    manager = call_peer(peer(http(ANSWER, f"Content-Type: multipart/x; {parameter}")))
    with pytest.raises(ConnectionFailedError, match="headers of its answer are malformed"):
        manager.query("any")


def test_a_conflict_of_types_names_both_series(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """An integer that no float holds, beside a float of another series, is an error that names both."""
    integers = ANSWER.replace(b"double", b"long").replace(b",1,v", b",9007199254740993,v")
    floats = ANSWER.replace(b",a\r\n", b",c\r\n").replace(b",b\r\n", b",d\r\n")
    manager = call_peer(peer(http(integers[:-2] + b"\r\n" + floats)))

    with pytest.raises(SchemaConflictError, match="9007199254740993") as caught:
        manager.read(*SPAN, "m", "v", BUCKET, interval=None)

    assert "k=a" in str(caught.value)


@pytest.mark.parametrize("call", ["measurements", "fields"])
def test_names_are_sorted_whatever_order_they_come_in(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], call: str
) -> None:
    """The order of the server's answer does not show."""
    head = b"#datatype,string,long,string\r\n#group,false,false,false\r\n#default,_result,,\r\n"
    rows = b",result,table,_value\r\n,,0,b\r\n,,0,B\r\n,,0,a\r\n\r\n"

    assert ["B", "a", "b"] == CALLS[call](call_peer(peer(http(head + rows))))


# --- Redirects --------------------------------------------------------------------


@each_call
@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
def test_a_redirect_is_an_error_and_carries_the_token_nowhere(
    peer: Callable[..., Peer],
    call_peer: Callable[..., InfluxManager],
    call: Callable[[InfluxManager], Any],
    status: str,
) -> None:
    """The other host gets no request at all; the error says where the server pointed to, or its status."""
    thief = peer(http(ANSWER))
    server = peer(http(b"", f"Location: {thief.url}/api/v2/query", status=status))

    with pytest.raises((QueryError, WriteError), match=status[:3]):
        call(call_peer(server))

    assert server.requests
    assert [] == thief.requests


# --- Requests ---------------------------------------------------------------------


def test_the_token_travels_in_its_header_only(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """Neither the request line nor the body holds it."""
    server = peer(http(b"\r\n"), NO_CONTENT)
    manager = call_peer(server)

    manager.query("buckets()")
    manager.synchronous_write(BUCKET, FRAME, "m")

    for request in server.requests:
        [line] = [line for line in request.split(b"\r\n") if b"peer-token" in line]
        assert b"Authorization: Token peer-token" == line


def test_gzip_compresses_both_ways(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """A manager with `gzip` sends gzip and says that it reads it; one without does neither."""
    answers = [http(gzip.compress(ANSWER), "Content-Encoding: gzip"), NO_CONTENT]
    packed, plain = peer(*answers), peer(http(ANSWER), answers[1])

    for server, options in ((packed, {"gzip": True}), (plain, {})):
        manager = call_peer(server, **options)
        assert 3 == len(manager.read(*SPAN, "m", "v", BUCKET, interval=None))
        manager.synchronous_write(BUCKET, FRAME, "m")

    heads, bodies = zip(*(r.split(b"\r\n\r\n", 1) for r in (*packed.requests, *plain.requests)), strict=True)
    line = f"m v=1.0 {T0}\n".encode()
    assert line == zlib.decompress(bodies[1], wbits=31)
    assert line == bodies[3]
    assert b"Accept-Encoding: gzip" in heads[0]
    assert b"Content-Encoding: gzip" in heads[1]
    assert b"Accept-Encoding: identity" in heads[2]
    assert b"Content-Encoding" not in heads[3]


# --- Retries ----------------------------------------------------------------------


@pytest.mark.parametrize("status", ["429 Too Many", "502 Bad Gateway", "503 Unavailable", "504 Timeout"])
def test_a_busy_server_is_asked_again(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], status: str
) -> None:
    """What the server did not take is sent once more, the same; then it is done."""
    busy = http(b"busy", "Retry-After: 0", status=status)
    reading = peer(busy, http(ANSWER))
    writing = peer(busy, NO_CONTENT)

    got = call_peer(reading, retries=1).read(*SPAN, "m", "v", BUCKET, interval=None)
    call_peer(writing, retries=1).synchronous_write(BUCKET, FRAME, "m")

    assert 3 == len(got)
    assert reading.requests[0] == reading.requests[1]
    assert writing.requests[0] == writing.requests[1]


def test_a_server_that_stays_busy_is_an_error(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """After the last retry the server's own words are raised."""
    said = json.dumps({"code": "unavailable", "message": "come back later"}).encode()
    server = peer(http(said, "Retry-After: 0", status="503 Unavailable"))

    with pytest.raises(QueryError, match="come back later") as caught:
        call_peer(server, retries=2).query("buckets()")

    assert ("unavailable", 503) == (caught.value.code, caught.value.status)
    assert 3 == len(server.requests)


@pytest.mark.parametrize("status", ["400 Bad", "401 No", "403 No", "404 None", "422 Bad", "500 Oops"])
def test_a_refusal_is_not_repeated(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], status: str
) -> None:
    """What the server has understood and refused would be refused again."""
    server = peer(http(b"no", status=status))

    with pytest.raises(DatabaseError):
        call_peer(server, retries=3).query("buckets()")

    assert 1 == len(server.requests)


# --- Threads and processes ----------------------------------------------------------


def test_threads_share_a_manager(manager: InfluxManager, store: Store, msname: str) -> None:
    """Eight threads write and read their own series at once; each finds exactly what it wrote."""
    together = threading.Barrier(8)

    def work(thread: int) -> list[list[float]]:
        together.wait(10)
        found = []
        for turn in range(10):
            index = pd.DatetimeIndex([pd.Timestamp(T0 + turn, tz="UTC")])
            value = float(100 * thread + turn)
            tags = {"thread": str(thread)}
            manager.synchronous_write(store.name, pd.DataFrame({"v": [value]}, index=index), msname, tags)
            frame = manager.read(*SPAN, msname, "v", store.name, tags, interval=None)
            found.append(frame["v"].tolist())
            last = manager.read_last_data_point(store.name, msname, "v", tags)
            found.append([last["v"]])
            assert msname in manager.get_measurements_on_bucket(store.name)
        return found

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))

    for thread, found in enumerate(results):
        values = [float(100 * thread + turn) for turn in range(10)]
        assert [part for turn in range(10) for part in (values[: turn + 1], [values[turn]])] == found


def test_an_error_in_one_thread_is_not_anothers(manager: InfluxManager, store: Store, msname: str) -> None:
    """Half of the calls fail, and only they."""
    store.write(f"{msname} v=1 {T0}")

    def ask(turn: int) -> object:
        try:
            bucket = store.name if turn % 2 else "nowhere"
            return manager.read(*SPAN, msname, "v", bucket, interval=None)["v"].tolist()
        except NotFoundError:
            return "not found"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(ask, range(80)))

    assert ["not found", [1.0]] * 40 == results


def test_a_closed_manager_opens_again(manager: InfluxManager) -> None:
    """`close` gives back what is idle; a later call opens what it needs."""
    first = manager.query("buckets()")
    manager.close()
    manager.close()

    assert len(first) == len(manager.query("buckets()"))


def test_a_failed_request_leaves_the_callers_own_error_whole(
    call_peer: Callable[..., InfluxManager], peer: Callable[..., Peer]
) -> None:
    """An error that is being handled keeps its local variables, for debuggers and error trackers."""

    def fail() -> None:
        local = 7
        raise ValueError(local)

    try:
        fail()
    except ValueError as error:
        with pytest.raises(ConnectionFailedError):
            call_peer(peer(b"")).query("any")
        assert error.__traceback__ is not None
        inner = error.__traceback__.tb_next
        assert inner is not None
        assert 7 == inner.tb_frame.f_locals["local"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda manager: manager.read_last_data_point("b", "m", "v"),
        lambda manager: manager.read_last_data_point("b", "m", "v", with_time=True),
        lambda manager: manager.check_write("b", FRAME, "m"),
        lambda manager: manager.get_fields("b", "m"),
        lambda manager: manager.get_measurements_on_bucket("b"),
    ],
)
@pytest.mark.parametrize("change", [(b"_value", b"other"), (b"dateTime:RFC3339,double", b"string,double")])
def test_an_answer_to_another_question_is_a_parse_error(
    peer: Callable[..., Any],
    call_peer: Callable[..., InfluxManager],
    ask: Callable[[InfluxManager], Any],
    change: tuple[bytes, bytes],
) -> None:
    """A cache may mix them up."""
    text = (
        b"#datatype,string,long,dateTime:RFC3339,double,string\r\n#group,false,false,false,false,true\r\n"
        b"#default,_result,,,,\r\n,result,table,_time,_value,_field\r\n"
        b",,0,2026-01-01T00:00:00Z,1.5,v\r\n\r\n"
    ).replace(*change)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text)

    with pytest.raises(ParseError, match="another question"):
        ask(call_peer(peer(head + text), retries=0))
