"""Answers that are no annotated CSV, no HTTP, or to another question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import (
    ConnectionFailedError,
    IncompleteResultError,
    ParseError,
    QueryError,
    SchemaConflictError,
    WriteError,
)
from tests.influx.answers import ANSWER, http
from tests.influx.calls import BUCKET, CALLS, FRAME, SPAN, each_read
from tests.peer import PATIENCE, silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.peer import Peer


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
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], head: bytes
) -> None:
    """A 204 has none; one that is announced with it could be taken for the next answer."""
    server = peer((b"HTTP/1.1 204 No Content\r\n" + head + b"\r\n\r\n", silence), http(ANSWER))
    manager = call_peer(server)

    manager.synchronous_write(BUCKET, FRAME, "m")

    assert 3 == len(manager.query("any"))
    assert 2 == server.connections


@pytest.mark.parametrize("status", ["200 OK", "400 Bad Request"])
def test_a_chunk_of_less_than_nothing_is_a_broken_answer(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], status: str
) -> None:
    """A reader that takes it for a length would read to the end of the stream."""
    head = f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
    server = peer((head.encode() + ANSWER, silence))  # there is no end but the client's
    manager = call_peer(server)

    with pytest.raises((IncompleteResultError, QueryError), match="expected a chunk's size"):
        manager.query("any")

    manager.close()
    assert server.closed.acquire(timeout=PATIENCE)


@pytest.mark.parametrize("length", [2**63, 2**64, 10**20 - 1])
def test_a_length_beyond_64_bits_is_one_that_is_not_reached(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], length: int
) -> None:
    """The answer is cut off, whatever number its head says."""
    head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    with pytest.raises(IncompleteResultError, match="the connection was closed"):
        call_peer(peer(head.encode() + ANSWER)).query("any")


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
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(text)

    with pytest.raises(ParseError, match="unexpected columns in the answer"):
        ask(call_peer(peer(head + text), retries=0))
