"""Bodies of HTTP messages, at the surface; the native crate's tests have a twin of the parser."""

from __future__ import annotations

import threading
from http.client import HTTPResponse
from io import BytesIO
from typing import TYPE_CHECKING, cast

import pytest

from db_core import IncompleteResultError
from db_core.http_body import HttpBody

if TYPE_CHECKING:
    import socket


def chunks(*payloads: bytes) -> bytes:
    """Write payloads as chunks, and the end."""
    return b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in payloads) + b"0\r\n\r\n"


def as_http_client_reads(message: bytes) -> bytes:
    """Read a chunked body with the standard library."""

    class Socket:
        def makefile(self, mode: str) -> BytesIO:
            assert mode == "rb"
            return BytesIO(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + message)

    response = HTTPResponse(cast("socket.socket", Socket()))
    response.begin()
    return response.read()


def test_a_body_of_chunks_is_what_the_standard_library_reads() -> None:
    """Whatever the pieces in which it comes; extensions and trailers are dropped."""
    message = b'5\r\nhello\r\n0B ; a="b"\r\n, \r\nworld!\n\r\n000\r\nX: 1\r\n\r\n'
    expected = as_http_client_reads(message)
    for size in (1, 2, 3, 7, len(message)):
        body = HttpBody(None)
        found = b"".join(body.feed(message[at : at + size]) for at in range(0, len(message), size))
        assert (expected, True, 0) == (found, body.complete, body.excess)


def test_a_body_of_a_length_ends_there() -> None:
    """What comes after it is counted, and given to nobody."""
    body = HttpBody(5)

    assert (b"abc", False) == (body.feed(b"abc"), body.complete)
    assert (b"de", True, 2) == (body.feed(b"defg"), body.complete, body.excess)
    assert (b"", 3) == (body.feed(b"h"), body.excess)


def test_a_body_of_no_bytes_is_complete_before_any_come() -> None:
    """As of an answer with the length 0; one of chunks is not."""
    assert (True, 0) == (HttpBody(0).complete, HttpBody(0).excess)
    assert not HttpBody(None).complete


@pytest.mark.parametrize("size", [100, 1 << 20])
def test_what_follows_the_last_chunk_is_counted(size: int) -> None:
    """For short pieces and for long ones, for which the GIL is released."""
    payload = bytes(range(256)) * (size // 256) + b"x"
    body = HttpBody(None)

    assert payload == body.feed(chunks(payload) + b"HTTP/1.1")
    assert (True, 8) == (body.complete, body.excess)


def test_malformed_chunks_are_an_incomplete_result() -> None:
    """The error says what was expected and what came."""
    body = HttpBody(None)
    body.feed(b"3\r\nabc")

    with pytest.raises(IncompleteResultError, match=r"expected a CRLF after a chunk, got the byte 'd'"):
        body.feed(b"d")


@pytest.mark.parametrize("length", [-1, 1 << 64])
def test_a_length_is_one_of_64_bits(length: int) -> None:
    """A negative or a larger one is refused as Python refuses such integers."""
    with pytest.raises(OverflowError):
        HttpBody(length)


def test_a_body_may_be_fed_by_several_threads() -> None:
    """Each piece is taken whole, after another."""
    body, rounds = HttpBody(None), 50
    piece = b"%x\r\n%s\r\n" % (1 << 16, b"x" * (1 << 16))
    lengths: list[int] = []

    def feed() -> None:
        lengths.extend(len(body.feed(piece)) for _ in range(rounds))

    threads = [threading.Thread(target=feed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [1 << 16] * 4 * rounds == lengths
    body.feed(b"0\r\n\r\n")
    assert body.complete
