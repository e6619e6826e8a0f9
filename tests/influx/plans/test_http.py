"""Heads of responses and packed bodies, from bytes in any split."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

import pytest

from db_core.errors import IncompleteResultError, ParseError
from db_influx._http import Gunzip, Head, HeadReader, MalformedHeadError, unpacker

if TYPE_CHECKING:
    from collections.abc import Iterable

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv; charset=utf-8\r\nContent-Length: 3\r\n\r\n"
LARGEST = 1 << 24  # bytes that are unpacked at once


def reader() -> HeadReader:
    """Return a reader of the response to some GET."""
    return HeadReader("GET", "/ping?a=b", [("Host", "h:1"), ("X", "y")])


def head_of(pieces: Iterable[bytes]) -> tuple[Head, bytes]:
    """Return the head that pieces make, and what came behind it, without the pieces that are left."""
    made = reader()
    for piece in pieces:
        if head := made.feed(piece):
            return head, made.rest
    pytest.fail("no head")


def test_a_request_is_what_http_says() -> None:
    """Its line, and its headers in order."""
    assert b"GET /ping?a=b HTTP/1.1\r\nHost: h:1\r\nX: y\r\n\r\n" == reader().sent


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_a_head_is_the_same_in_any_split(size: int) -> None:
    """With names in lower case; the body's bytes behind it are not lost."""
    whole = OK + b"abc"
    pieces = [whole[begin : begin + size] for begin in range(0, len(whole), size)]

    head, rest = head_of(pieces)

    assert (200, "OK", "text/csv") == (head.status, head.reason, head.media_type)
    assert "3" == head.headers["content-length"]
    assert head.is_reusable
    assert b"abc".startswith(rest)
    assert size < 1_000 or rest == b"abc"


@pytest.mark.parametrize("hellos", [1, 2, 500])
def test_informational_responses_are_passed_over(hellos: int) -> None:
    """100 Continue and 103 Early Hints, as many as there are: they may be longer than a head may be."""
    head, rest = head_of(
        [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" * hellos + OK + b"abc"]
    )
    assert (200, b"abc") == (head.status, rest)


@pytest.mark.parametrize("fold", [b"\r\n ", b"\r\n\t"])
def test_folded_headers_are_joined(fold: bytes) -> None:
    """An old way to write a long header on several lines."""
    head, _ = head_of([b"HTTP/1.1 200 OK\r\nX: a" + fold + b"b\r\nContent-Length: 0\r\n\r\n"])
    assert "a b" == head.headers["x"]


@pytest.mark.parametrize("piece", [1 << 10, 1 << 14, 1 << 20])
@pytest.mark.parametrize(
    "start", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nX: ", b""], ids=["reason", "header", "line"]
)
def test_a_head_that_is_too_long_is_refused(start: bytes, piece: int) -> None:
    """Above 16 KiB, however it comes."""
    pieces = [start or b"x", *[b"x" * piece] * (1 + (1 << 16) // piece)]
    with pytest.raises(MalformedHeadError, match="the head of the answer has more than 16384 bytes"):
        head_of(pieces)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x00\xff\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    ],
)
def test_what_is_no_head_is_refused(data: bytes) -> None:
    """Another protocol, or a damaged head."""
    with pytest.raises(MalformedHeadError):
        reader().feed(data)


def test_an_end_before_the_head_is_refused() -> None:
    """At the first byte as in the middle, except of what says 204."""
    for start in (b"", OK[:20], OK[:-1]):
        made = reader()
        if start:
            assert None is made.feed(start)
        with pytest.raises(MalformedHeadError, match="closed before an answer came"):
            made.feed(b"")


ACCEPTED = b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"


@pytest.mark.parametrize("size", range(13, len(ACCEPTED)))
def test_a_204_that_is_cut_is_still_one(size: int) -> None:
    """Once its status has come the write was accepted; the connection is not used again."""
    made = reader()
    head = made.feed(ACCEPTED[:size]) or made.feed(b"")
    assert head is not None
    assert (204, False) == (head.status, head.is_reusable)


@pytest.mark.parametrize("size", range(1, 13))
def test_half_a_status_is_none(size: int) -> None:
    """It may have been another."""
    made = reader()
    assert None is made.feed(ACCEPTED[:size])
    with pytest.raises(MalformedHeadError):
        made.feed(b"")


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", False),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", False),
    ],
)
def test_a_connection_is_used_again_where_the_next_response_is_sure(head: bytes, *, reusable: bool) -> None:
    """Not where the server closes it, or a body may follow where there is none."""
    assert reusable is head_of([head])[0].is_reusable


def test_a_bodys_end_is_told_by_length_or_chunks() -> None:
    """Or by nothing but the connection's end; a 204 has none."""
    begin = b"HTTP/1.1 200 OK\r\n"
    long = head_of([begin + b"Content-Length: 3\r\n\r\n"])[0].body()
    chunks = head_of([begin + b"Transfer-Encoding: chunked\r\n\r\n"])[0].body()
    none = head_of([ACCEPTED])[0].body()
    assert long is not None
    assert (b"abc", True) == (long.feed(b"abc"), long.complete)
    assert chunks is not None
    assert (b"abc", True) == (chunks.feed(b"3\r\nabc\r\n0\r\n\r\n"), chunks.complete)
    assert none is not None
    assert none.complete
    assert None is head_of([begin + b"\r\n"])[0].body()


# --- Packed bodies ----------------------------------------------------------------


def unpacked(packed: bytes, size: int) -> bytes:
    """Unpack in pieces of a size, as the body of a response is, and look at the end."""
    made, text = Gunzip(), b""
    pieces = [packed[begin : begin + size] for begin in range(0, len(packed), size)]
    for piece in pieces:
        text += made.feed(piece)
        while made.more:
            text += made.feed(b"")
    made.check_end()
    return text


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
@pytest.mark.parametrize("members", [1, 2, 3])
def test_gzip_of_several_members_is_one_text(members: int, size: int) -> None:
    """As RFC 1952 has it, wherever the pieces end."""
    texts = [b"%d" % number * 50 for number in range(members)]
    assert b"".join(texts) == unpacked(b"".join(map(gzip.compress, texts)), size)


def test_a_bomb_is_unpacked_piece_by_piece() -> None:
    """At most 16 MiB at once; `more` says that there is more."""
    made = Gunzip()
    packed = gzip.compress(bytes(3 * LARGEST + 5), compresslevel=1)
    sizes = [len(made.feed(packed))]
    while made.more:
        sizes.append(len(made.feed(b"")))
    made.check_end()
    assert LARGEST == max(sizes)
    assert 3 * LARGEST + 5 == sum(sizes)


def test_gzip_that_is_cut_anywhere_is_incomplete() -> None:
    """In the header, the data, the checksum, and in a second member."""
    one = gzip.compress(b"some text")
    packed = one + gzip.compress(b"and more")
    for size in range(len(packed)):
        if size == len(one):  # a whole stream by itself
            continue
        with pytest.raises(IncompleteResultError, match="cut off"):
            unpacked(packed[:size], 1 << 20)


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_gzip_that_is_damaged_is_incomplete(size: int) -> None:
    """No gzip at all, a wrong checksum, or rubbish behind it."""
    good = gzip.compress(b"some text")
    for packed in (b"plain text", good[:-8] + bytes(8), good + b"rubbish"):
        with pytest.raises(IncompleteResultError, match="cut off"):
            unpacked(packed, size)


def test_what_was_not_asked_for_is_not_unpacked() -> None:
    """Gzip by both its names, or nothing."""

    def of(coding: str) -> Head:
        return Head(200, "OK", {"content-encoding": coding}, is_reusable=True)

    assert None is unpacker(Head(200, "OK", {}, is_reusable=True))
    assert None is unpacker(of("Identity"))
    for coding in ("gzip", "X-GZIP "):
        made = unpacker(of(coding))
        assert made is not None
        assert b"text" == made.feed(gzip.compress(b"text"))
    for coding in ("br", "deflate", "gzip, gzip"):
        with pytest.raises(ParseError, match="expected gzip or none"):
            unpacker(of(coding))
    with pytest.raises(IncompleteResultError):
        Gunzip().feed(zlib.compress(b"text"))
