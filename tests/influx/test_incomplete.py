"""Answers that are cut off, wherever that is and by whatever: always an error, never a part of the data."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import ConnectionFailedError, IncompleteResultError, ParseError
from tests.influx.answers import ANSWER, GZIPPED, SERIES, chunked, http
from tests.influx.calls import BUCKET, CALLS, SPAN, each_read

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.peer import Peer


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


def test_an_answer_in_msgpack_cut_anywhere_is_incomplete(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """Also between its pieces, as the first says that more will come; the whole is read."""
    cuts = range(len(SERIES))
    manager = call_peer(peer(*(http(SERIES[:cut]) for cut in cuts), http(SERIES)))

    for _ in cuts:
        with pytest.raises(IncompleteResultError):
            manager.query_influxql("SELECT v FROM m GROUP BY *")
    whole = manager.query_influxql("SELECT v FROM m GROUP BY *")
    assert [("a", 1.0), ("a", 2.0), ("b", 3.0)] == list(zip(whole["k"], whole["v"], strict=True))


def test_a_statement_that_returns_nothing_may_have_an_empty_answer(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """DELETE and DROP MEASUREMENT are answered so; for any other statement an empty answer is cut off."""
    manager = call_peer(peer(http(b""), http(b""), http(b"")))

    assert 0 == len(manager.query_influxql("DELETE FROM m"))
    assert 0 == len(manager.query_influxql('drop measurement "m"'))
    with pytest.raises(IncompleteResultError):
        manager.query_influxql("SELECT v FROM m")


CSV_READS = {name: call for name, call in CALLS.items() if name != "query_influxql"}


@pytest.mark.parametrize("call", CSV_READS.values(), ids=CSV_READS)
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
    """Nothing tells where such an answer ends, whatever else the head says."""
    head = f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {encoding}\r\nContent-Length: 9999\r\n\r\n"
    with pytest.raises(ConnectionFailedError, match="Transfer-Encoding: chunked"):
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
    with pytest.raises(ParseError, match="expected gzip or none"):
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
