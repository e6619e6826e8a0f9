"""Requests by hand-made replies of a wire: no socket is opened, and nothing waits."""

from __future__ import annotations

import gzip
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from db_core.annotated_csv import union
from db_core.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DatabaseError,
    IncompleteResultError,
    NotFoundError,
    OperationTimeoutError,
    ParseError,
    QueryError,
    WriteError,
)
from db_influx import _requests
from db_influx._flux import Query
from db_influx._io import CallLimits, Connect, Pause, Pool, Receive, Send
from db_influx._options import Transport
from db_influx._server import Server
from db_influx._settings import InfluxSettings
from db_influx._steps import AskAtMost, AskJson, Batch, Post, Reduced, Stream, Work
from tests.influx.answers import ANSWER

if TYPE_CHECKING:
    from collections.abc import Generator

ASK = Query("any")
OK = b"HTTP/1.1 200 OK\r\n"
SENT, NOT_ALL_SENT = True, False


START = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ROW = b",,1,2026-01-01T00:00:01Z,4,v,b\r\n"
LONG = ANSWER.removesuffix(b"\r\n") + ROW * 17_000  # more than is decoded at once


def chunk(data: bytes) -> bytes:
    """Return a chunk of a body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Line:
    """A connection that knows only what became of it."""

    def __init__(self, *, usable: bool = True) -> None:
        self.usable = usable
        self.closed = 0

    def close(self) -> None:
        """Count it."""
        self.closed += 1

    def is_usable(self) -> bool:
        """Tell what the test said."""
        return self.usable


class Wired:
    """A wire by hand: each step but `Work`, `Pause` and `Batch` takes the next reply.

    A reply that is an error is raised. That to `Receive` is a list of pieces, of which the last may be one.
    """

    def __init__(self, *replies: Any, **options: Any) -> None:
        settings: dict[str, Any] = {"url": "http://host.invalid:8086", "org": "o", "token": "a-long-token"}
        self.server = Server(InfluxSettings(**settings), Transport(**({"retries": 2} | options)))
        self.pool = Pool()
        self.replies = list(replies)
        self.steps: list[Any] = []
        self.frames: list[Any] = []

    def run(self, step: Any) -> Any:
        """Do one step of a plan."""
        call = self.server.limits(None)
        if isinstance(step, Query | Reduced):
            return self.drive(_requests.ask(self.server, self.pool, step, call))
        return self.drive(_requests.perform(self.server, self.pool, step, call))

    def drive(self, requests: Generator[Any, Any, Any]) -> Any:
        """Drive a request to its end."""
        reply: Any = None
        failure: Exception | None = None
        while True:
            try:
                step = requests.send(reply) if failure is None else requests.throw(failure)
            except StopIteration as end:
                return end.value
            reply = failure = None
            try:
                reply = self.reply(step)
            except Exception as error:  # noqa: BLE001 - it is for the generator to handle
                failure = error

    def reply(self, step: Any) -> Any:
        """Reply to one step."""
        if isinstance(step, Work):
            return step.function()
        self.steps.append(step)
        if isinstance(step, Batch):
            self.frames.append(step.frame)
        if isinstance(step, Batch | Pause):
            return None
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        if not isinstance(step, Receive):
            return reply
        for piece in reply:
            if isinstance(piece, Exception):
                raise piece
            if step.take(piece):
                return None
        pytest.fail("the pieces are not enough")

    @property
    def kinds(self) -> str:
        """The steps' names, in order."""
        return " ".join(type(step).__name__ for step in self.steps)

    def sent(self, number: int = 0) -> bytes:
        """The bytes of a request."""
        sends = [step for step in self.steps if isinstance(step, Send)]
        return b"".join(sends[number].data)


def http(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a response with its length, on a connection that stays open."""
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 " + status, length, *headers, b"", body])


NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


def begun(line: Line) -> list[Any]:
    """Return the replies up to a request that has left."""
    return [["192.0.2.1"], line, SENT]


def values(answer: Any) -> list[float]:
    """Return the values of an answer."""
    return list(union(answer).to_pydict()["_value"])


def test_a_query_is_resolved_connected_sent_and_received() -> None:
    """In this order; the connection is kept for the next request, which needs none of it."""
    line = Line()
    wired = Wired(*begun(line), [http(ANSWER)], SENT, [http(ANSWER)])

    assert [1.0, 2.0, 3.0] == values(wired.run(ASK)) == values(wired.run(ASK))

    assert "Resolve Connect Send Receive Send Receive" == wired.kinds
    assert ("host.invalid", 8086) == wired.steps[0][:2]
    assert ("192.0.2.1", 8086, None) == wired.steps[1][:3]
    head, _, body = wired.sent().partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/v2/query?org=o HTTP/1.1\r\nHost: host.invalid:8086\r\n")
    assert b"\r\nAuthorization: Token a-long-token\r\n" in head
    assert b"\r\nContent-Length: %d" % len(body) in head
    assert ASK.body() == body
    assert (1, 0) == (len(wired.pool), line.closed)


@pytest.mark.parametrize("size", [1, 10, 100])
def test_an_answer_is_the_same_in_any_pieces(size: int) -> None:
    """Of the head as of the body, in chunks or not, packed or not."""
    packed = gzip.compress(ANSWER)
    chunks = OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(ANSWER), ANSWER)
    for whole in (http(ANSWER), chunks, http(packed, b"Content-Encoding: gzip")):
        pieces = [whole[begin : begin + size] for begin in range(0, len(whole), size)]
        head = next(n for n in range(len(pieces) + 1) if b"\r\n\r\n" in b"".join(pieces[:n]))
        wired = Wired(*begun(Line()), pieces[:head], pieces[head:])
        assert [1.0, 2.0, 3.0] == values(wired.run(ASK))


def test_an_answer_is_reduced_as_soon_as_it_is_decoded() -> None:
    """By the function of the step."""
    wired = Wired(*begun(Line()), [http(ANSWER)])
    assert "seen" == wired.run(Reduced(ASK, lambda _: "seen"))  # type: ignore[arg-type, return-value]


def test_each_address_is_tried_within_the_time_for_all() -> None:
    """The first two refuse; the third has what is left."""
    line = Line()
    refused = ConnectionRefusedError("no")
    wired = Wired(["192.0.2.1", "192.0.2.2", "::1"], refused, TimeoutError(), line, SENT, [http(ANSWER)])
    wired.run(ASK)
    seconds = [step.seconds for step in wired.steps if isinstance(step, Connect)]
    assert 10 / 3 == pytest.approx(seconds[0], rel=0.1)
    assert sorted(seconds) == seconds
    assert seconds[-1] <= 10


FAILED: dict[str, tuple[list[Any], type[DatabaseError], str]] = {
    "unknown host": ([OSError("unknown")] * 3, ConnectionFailedError, "can't be reached: unknown"),
    "no address": ([[]] * 3, ConnectionFailedError, "the host has no address"),
    "refused": ([["a"], OSError("refused")] * 3, ConnectionFailedError, "can't be reached: refused"),
    "no connection in time": (
        [["a"], TimeoutError()] * 3,
        OperationTimeoutError,
        "did not answer in time: no connection within 10 seconds",
    ),
    "broken TLS": ([["a"], ssl.SSLEOFError("eof")] * 3, ConnectionFailedError, "eof"),
    "closed at once": (
        [["a"], Line(), SENT, [b""]] * 3,
        ConnectionFailedError,
        "the connection was closed before an answer came",
    ),
    "reset": ([["a"], Line(), SENT, [OSError("reset")]] * 3, ConnectionFailedError, "reset"),
    "reset in the request": (
        [["a"], Line(), BrokenPipeError("pipe"), [OSError("reset")]] * 3,
        ConnectionFailedError,
        "reset",
    ),
    "no more files": (
        [["a"], Line(), OSError("too many files")] * 3,
        ConnectionFailedError,
        "too many files",
    ),
    "cut": ([["a"], Line(), SENT, [http(ANSWER)[:-9]], [b""]] * 3, IncompleteResultError, "was cut off"),
    "no HTTP": ([["a"], Line(), SENT, [b"SSH-2.0\r\n\r\n"]] * 3, ConnectionFailedError, "can't be reached"),
    "reset in the answer": (
        [["a"], Line(), SENT, [http(ANSWER)[:-9]], OSError("reset")] * 3,
        IncompleteResultError,
        "was cut off: reset",
    ),
    "too many requests": (
        [["a"], Line(), SENT, [http(b"slower", status=b"429 Too Many")]] * 3,
        QueryError,
        "slower",
    ),
    "bad gateway": ([["a"], Line(), SENT, [http(b"", status=b"502 Bad Gateway")]] * 3, QueryError, "502"),
}


@pytest.mark.parametrize("case", FAILED)
def test_what_another_attempt_may_help_is_tried_again(case: str) -> None:
    """Three attempts with two pauses between them; no connection that failed is left open."""
    replies, error, match = FAILED[case]
    lines = {reply for reply in replies if isinstance(reply, Line)}
    wired = Wired(*replies)
    # Refusals whose body is whole leave a connection that the next attempt takes.
    if case in ("too many requests", "bad gateway"):
        wired.replies = [*replies[:4], *[SENT, replies[3]] * 2]
    with pytest.raises(error, match=match):
        wired.run(ASK)
    assert 2 == wired.kinds.count("Pause")
    assert [] == wired.replies
    wired.pool.close()
    assert all(line.closed for line in lines)


FINAL: dict[str, tuple[list[Any], type[DatabaseError], str]] = {
    "a wrong certificate": (
        [["a", "b"], ssl.SSLCertVerificationError("expired")],
        ConnectionFailedError,
        "expired",
    ),
    "silence": (
        [["a"], Line(), True, TimeoutError()],
        OperationTimeoutError,
        "it sent nothing for 60 seconds",
    ),
    "silence in the request": (
        [["a"], Line(), TimeoutError()],
        OperationTimeoutError,
        "it received nothing for 60 seconds",
    ),
    "silence in the answer": (
        [["a"], Line(), SENT, [http(ANSWER)[:-9]], TimeoutError()],
        OperationTimeoutError,
        "stopped sending in the middle",
    ),
    "HTML": (
        [["a"], Line(), SENT, [http(b"<html>log in", b"Content-Type: text/html")]],
        ParseError,
        "expected CSV, got text/html: <html>log in",
    ),
    "no length": (
        [["a"], Line(), SENT, [OK + b"\r\n"]],
        IncompleteResultError,
        "neither a length nor chunks",
    ),
    "packed in another way": (
        [["a"], Line(), SENT, [http(ANSWER, b"Content-Encoding: br")]],
        ParseError,
        "expected gzip or none",
    ),
    "no CSV": ([["a"], Line(), SENT, [http(b"\0\xff\n\n")]], ParseError, "byte 0"),
    "refused token": (
        [["a"], Line(), SENT, [http(b'{"code":"unauthorized","message":"no"}', status=b"401 U")]],
        AuthenticationError,
        "^no$",
    ),
    "no bucket": (
        [["a"], Line(), SENT, [http(b'{"code":"not found","message":"no bucket"}', status=b"404 N")]],
        NotFoundError,
        "^no bucket$",
    ),
    "refused": (
        [["a"], Line(), SENT, [http(b'{"code":"invalid","message":"no Flux"}', status=b"400 B")]],
        QueryError,
        "^no Flux$",
    ),
    "a token that comes back": (
        [["a"], Line(), SENT, [http(b"you sent a-long-token", status=b"400 B")]],
        QueryError,
        r"you sent \*\*\*$",
    ),
}


@pytest.mark.parametrize("case", FINAL)
def test_what_another_attempt_would_meet_again_is_raised(case: str) -> None:
    """At once. The connection is closed, unless the response was read to its end."""
    replies, error, match = FINAL[case]
    retried = 0 if case != "no length" else 2  # it is taken for one that was cut
    wired = Wired(*replies * (retried + 1))
    with pytest.raises(error, match=match):
        wired.run(ASK)
    assert retried == wired.kinds.count("Pause")
    wired.pool.close()
    assert all(reply.closed for reply in replies if isinstance(reply, Line))


def test_the_server_may_say_when_to_ask_again() -> None:
    """In its header Retry-After."""
    busy = http(b"", b"Retry-After: 7", status=b"503 Busy")
    wired = Wired(*begun(Line()), [busy], SENT, [http(ANSWER)])
    assert [1.0, 2.0, 3.0] == values(wired.run(ASK))
    assert [Pause(7.0)] == [step for step in wired.steps if isinstance(step, Pause)]


def test_a_call_that_is_over_asks_nothing() -> None:
    """Its deadline counts from the beginning of the call."""
    wired = Wired(deadline=1e-9)
    with pytest.raises(OperationTimeoutError, match="deadline"):
        wired.run(ASK)
    assert "" == wired.kinds


class Ending(CallLimits):
    """A call whose time is over when it has been looked at so often."""

    looks = 0

    @property
    def left(self) -> float:
        """Seconds, or none."""
        Ending.looks -= 1
        return 5.0 if Ending.looks > 0 else 0.0


@pytest.mark.parametrize("looks", range(1, 12))
@pytest.mark.parametrize("never", ["hellos", "rows"])
def test_a_deadline_ends_what_never_waits(looks: int, never: str) -> None:
    """A server that sends without end, faster than is received."""
    hello = b"HTTP/1.1 100 Continue\r\n\r\n"
    endless = [[START], *[[chunk(LONG)] for _ in range(20)]] if never == "rows" else [[hello] * 100]
    line = Line()
    wired = Wired(*begun(line), *endless)
    Ending.looks = looks
    with pytest.raises(OperationTimeoutError, match="within its deadline of 5 seconds"):
        wired.drive(_requests.ask(wired.server, wired.pool, ASK, Ending(60.0, 5.0, None, 0)))
    assert line.closed == ("Connect" in wired.kinds)


def test_an_idle_connection_that_is_over_is_not_used() -> None:
    """It is closed, and the next one looked at."""
    dead, good = Line(usable=False), Line()
    wired = Wired(SENT, [http(ANSWER)])
    wired.pool.give_back(good)
    wired.pool.give_back(dead)
    wired.run(ASK)
    assert "Send Receive" == wired.kinds
    assert (1, 0) == (dead.closed, good.closed)


@pytest.mark.parametrize(
    "response",
    [
        http(ANSWER, b"Connection: close"),
        http(ANSWER) + b"more than asked for",
        http(ANSWER).replace(b"1.1 200", b"1.0 200"),
    ],
    ids=["close", "excess", "1.0"],
)
def test_a_connection_of_which_the_next_response_is_not_sure_is_closed(response: bytes) -> None:
    """Its answer is whole all the same."""
    line = Line()
    wired = Wired(*begun(line), [response])
    assert [1.0, 2.0, 3.0] == values(wired.run(ASK))
    assert (0, 1) == (len(wired.pool), line.closed)


def test_a_connection_that_did_not_take_all_is_closed() -> None:
    """A server that answers before the request has left reads what is left of it as another one."""
    line = Line()
    wired = Wired(
        ["a"], line, NOT_ALL_SENT, [http(b'{"code":"x","message":"too large"}', status=b"413 Large")]
    )
    with pytest.raises(WriteError, match="too large"):
        wired.run(Post("b", b"m v=1 1\n"))
    assert 1 == line.closed


def test_a_write_that_did_not_leave_is_not_accepted() -> None:
    """Whoever says 204 before all of it was sent is not heard: it is sent again, on another connection."""
    first, second = Line(), Line()
    wired = Wired(["a"], first, False, [NO_CONTENT], ["a"], second, SENT, [NO_CONTENT])  # noqa: FBT003 - a reply
    wired.run(Post("b", b"m v=1 1"))
    assert [] == wired.replies
    assert (1, 0) == (first.closed, second.closed)


def test_a_kept_connection_that_ends_unheard_is_no_attempt() -> None:
    """The server closed it as the request left: another one is made at once."""
    kept, line = Line(), Line()
    wired = Wired(SENT, [b""], ["a"], line, SENT, [http(ANSWER)])
    wired.pool.give_back(kept)
    assert [1.0, 2.0, 3.0] == values(wired.run(ASK))
    assert "Send Receive Resolve Connect Send Receive" == wired.kinds
    assert (1, 0) == (kept.closed, line.closed)


def test_connections_of_a_burst_go_when_the_server_has_closed_them() -> None:
    """One with each connection that is given back; those that can be used stay."""
    lines = [Line() for _ in range(4)]
    pool = Pool()
    for line in lines:
        pool.give_back(line)
    for line in lines[:2]:
        line.usable = False
    for _ in range(3):
        assert lines[3] is pool.take()
        pool.give_back(lines[3])
    assert [1, 1, 0, 0] == [line.closed for line in lines]
    assert 2 == len(pool)


def test_a_write_is_accepted_by_204_alone() -> None:
    """With its bucket and precision; packed if the transport says so."""
    wired = Wired(*begun(Line()), [NO_CONTENT])
    wired.run(Post("b", b"m v=1 1\n"))
    assert wired.sent().startswith(b"POST /api/v2/write?org=o&bucket=b&precision=ns HTTP/1.1\r\n")
    assert wired.sent().endswith(b"\r\n\r\nm v=1 1\n")

    wired = Wired(*begun(Line()), [NO_CONTENT], gzip=True)
    wired.run(Post("b", b"m v=1 1\n"))
    head, _, body = wired.sent().partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert b"m v=1 1\n" == gzip.decompress(body)

    with pytest.raises(WriteError, match="HTTP 200: fine") as caught:
        Wired(*begun(Line()), [http(b"fine")]).run(Post("b", b"m v=1 1\n"))
    assert 200 == caught.value.status


def test_an_answer_above_the_limits_is_none_and_its_transfer_stops() -> None:
    """More than two rows, or more bytes: the connection is closed with the rest unread."""
    for limits in ((2, 1 << 20), (100, 10)):
        line = Line()
        assert None is Wired(*begun(line), [http(ANSWER)]).run(AskAtMost(ASK, limits))
        assert 1 == line.closed or limits == (2, 1 << 20)  # which came whole
    answer, size = Wired(*begun(Line()), [http(ANSWER)]).run(AskAtMost(ASK, None))
    assert (3, len(ANSWER)) == (answer.rows, size)


def test_json_is_asked_for_by_get_or_post() -> None:
    """With the organization in the address; what is no JSON is an error."""
    wired = Wired(*begun(Line()), [http(b'{"a": 1}')])
    assert {"a": 1} == wired.run(AskJson("api/v2/buckets", (("name", "b c"),)))
    assert wired.sent().startswith(b"GET /api/v2/buckets?org=o&name=b+c HTTP/1.1\r\n")

    wired = Wired(*begun(Line()), [http(b"[]")])
    assert [] == wired.run(AskJson("query", form=(("q", "SHOW x"),)))
    assert wired.sent().startswith(b"POST /query?org=o HTTP/1.1\r\n")
    assert wired.sent().endswith(b"\r\n\r\nq=SHOW+x")

    with pytest.raises(ParseError, match="expected JSON from query, got 6 bytes of other text: <html>"):
        Wired(*begun(Line()), [http(b"<html>")]).run(AskJson("query"))


class Sized(Wired):
    """A wire that notes how much is decoded at once."""

    sizes: list[int]

    def reply(self, step: Any) -> Any:
        """Reply to one step."""
        if isinstance(step, Work):
            self.sizes.append(step.size)
        return super().reply(step)


def test_a_long_answer_is_decoded_in_pieces_that_grow() -> None:
    """From 128 KiB to 512 KiB: each is a way to a thread for asyncio."""
    kib = 1 << 10
    text = LONG + ROW * 34_000
    parts = iter([chunk(text[begin : begin + 32 * kib]) for begin in range(0, len(text), 32 * kib)])
    taken = [[next(parts) for _ in range(count)] for count in (4, 8, 16, 16)]
    wired = Sized(*begun(Line()), [START], *taken, [*parts, chunk(b"\r\n"), chunk(b"")])
    wired.sizes = []
    wired.run(ASK)
    assert [128 * kib, 256 * kib, 512 * kib, 512 * kib] == wired.sizes[:-1]
    assert len(text) + 2 == sum(wired.sizes)


def test_a_stream_hands_on_frames_as_they_arrive() -> None:
    """Before the answer's end has come."""
    wired = Wired(*begun(Line()), [START], [chunk(LONG)], [chunk(b"\r\n"), chunk(b"")])
    wired.run(Stream(ASK, 1_000, "arrow"))
    assert 17_003 == sum(len(frame) for frame in wired.frames)
    assert {True} == {len(frame) <= 1_000 for frame in wired.frames}
    kinds = wired.kinds.split()
    assert kinds.index("Batch") < len(kinds) - 1 - kinds[::-1].index("Receive")


def test_a_stream_that_breaks_before_its_first_frame_is_asked_for_again() -> None:
    """As nobody has seen anything of it."""
    broken = [*begun(Line()), [START], [chunk(ANSWER[:200]), OSError("reset")]]
    wired = Wired(*broken, *begun(Line()), [http(ANSWER)])
    wired.run(Stream(ASK, 1_000, "arrow"))
    assert 3 == sum(len(frame) for frame in wired.frames)
    assert 1 == wired.kinds.count("Pause")


def test_a_stream_that_breaks_behind_its_first_frame_is_an_error() -> None:
    """Its rows would come twice."""
    wired = Wired(*begun(Line()), [START], [chunk(LONG)], [OSError("reset")])
    with pytest.raises(IncompleteResultError, match="cut off: reset"):
        wired.run(Stream(ASK, 1_000, "arrow"))
    assert 17_000 <= sum(len(frame) for frame in wired.frames)
    assert 0 == wired.kinds.count("Pause")


def test_a_request_that_is_closed_early_closes_its_connection() -> None:
    """Whatever it waits for: as a wire does where a call is cancelled."""
    for steps in range(3, 5):
        line = Line()
        replies = [None, ["a"], line, SENT, [http(ANSWER)[:-9]]]
        wired = Wired(*replies[1:])
        requests = _requests.ask(wired.server, wired.pool, ASK, wired.server.limits(None))
        step = next(requests)
        for _ in range(steps):
            step = requests.send(wired.reply(step))
        requests.close()
        assert (1, 0) == (line.closed, len(wired.pool))
