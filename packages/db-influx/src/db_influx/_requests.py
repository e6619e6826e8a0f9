"""What each step becomes: requests to the server, their attempts, and errors of `db_core.errors`.

Everything here is a generator of `_io`'s steps, so that both wires share it.
"""

from __future__ import annotations

import gzip
import json
import re
import ssl
import sys
import time
from contextlib import ExitStack, suppress
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from db_core.annotated_csv import BatchDecoder
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
from db_core.secret import Secret
from db_influx._attempts import Again, pause_before, retry_after, too_late
from db_influx._certificates import context
from db_influx._http import HeadReader, MalformedHeadError, unpacker
from db_influx._io import CallLimits, Connect, Pause, Receive, Resolve, Send, Tls
from db_influx._steps import AskAtMost, AskJson, Batch, Download, Post, Reduced, Stream, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_core.annotated_csv import Answer
    from db_core.frame import Frame
    from db_core.http_body import HttpBody
    from db_influx._http import Gunzip, Head
    from db_influx._io import Connection, Io, Pool
    from db_influx._options import Transport
    from db_influx._settings import InfluxSettings
    from db_influx._steps import Query, Step

__all__ = ["Server", "ask", "perform"]

_T = TypeVar("_T")

# Bytes of a body that are decoded at once, at first and at most. More of them are fewer ways to a thread.
_CHUNK = 1 << 17
_LARGEST_CHUNK = 1 << 19
_SMALL = 1 << 16  # bytes of a body that leave at once
_LONGEST_JSON = 1 << 26  # bytes
_ROW = 16  # bytes that a decoded value takes
_EXCERPT = 200  # characters of an answer in a message
# A page of a proxy, say. Other types are not looked at: some proxies send CSV as text/plain.
_NO_ANSWER = ("text/html", "application/xhtml+xml", "application/json")
_RETRIED = (429, 502, 503, 504)
_SHORTEST_TOKEN = 8  # that errors do not show
_AGENT = f"db-influx/{version('db-influx')} Python/{sys.version_info.major}.{sys.version_info.minor}"
_ID = re.compile("[0-9a-fA-F]{16}")
# A query for an unknown organization is refused with 400, where a write is with 404.
_NO_ORGANIZATION = re.compile(r"failed to decode request body: organization\b.*not found", re.DOTALL)


class Server:
    """A server, who asks, and how: all that a request needs besides what it is about."""

    def __init__(self, settings: InfluxSettings, transport: Transport) -> None:
        token = settings.token.get_secret_value()
        self.secret = Secret(token, shortest=_SHORTEST_TOKEN)
        self.transport = transport
        self.url = settings.url
        parts = urlsplit(settings.url)
        self.host = parts.hostname or ""
        is_tls = parts.scheme == "https"
        self.port = parts.port or (443 if is_tls else 80)
        self._path = quote(parts.path, safe="/%!$&'()*+,;=:@~")
        # Queries and writes take what has the form of an ID for one; the lists of buckets and mappings don't.
        self._org = {"orgID" if _ID.fullmatch(settings.org) else "org": settings.org}
        name = self.host.rstrip(".")
        self.tls = Tls(partial(context, transport), name) if is_tls else None
        shown = f"[{name}]" if ":" in name else _ascii(name)
        self._headers = (
            ("Host", shown if parts.port is None else f"{shown}:{parts.port}"),
            ("Authorization", f"Token {token}"),
            ("User-Agent", _AGENT),
        )

    def request(
        self, path: str, parameters: dict[str, str], headers: dict[str, str], body: bytes | None
    ) -> _Request:
        """Return a request: a GET, or a POST if it has a body."""
        target = f"{self._path}/{path}?{urlencode(self._org | parameters)}"
        length = () if body is None else (("Content-Length", str(len(body))),)
        return _Request(
            "GET" if body is None else "POST", target, (*self._headers, *headers.items(), *length), body
        )

    def limits(self, silence: float | None, *, endless: bool = False) -> CallLimits:
        """Return the limits of a call that begins now.

        Args:
            silence: Seconds the server may be silent; None is the settings'.
            endless: It has no deadline, as the caller's own time counts too.
        """
        transport = self.transport
        deadline = None if endless else transport.deadline
        end = None if deadline is None else time.monotonic() + deadline
        return CallLimits(transport.timeout if silence is None else silence, deadline, end, transport.retries)


def _ascii(name: str) -> str:
    """Return how a host's name is spelled in a header; one that has no such spelling can't be resolved."""
    with suppress(UnicodeError):
        return name.encode("idna").decode("ascii")
    return name


class _Request(NamedTuple):
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


class _Exchange:
    """One attempt of a request. Closing it gives its connection back, if that can be used again."""

    head: Head
    is_sent: bool  # the whole request left

    def __init__(self, server: Server, pool: Pool, limits: CallLimits) -> None:
        self._server = server
        self._pool = pool
        self._limits = limits
        self._connection: Connection | None = None
        self._body: HttpBody | None = None
        self._gunzip: Gunzip | None = None
        self._payload: list[bytes] = []
        self._held = 0
        self._chunk = _CHUNK
        self._has_heard = False
        self.is_sent = False
        self._is_over = False

    def close(self) -> None:
        """Return the connection to the pool, or close it if the response is not at its end."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        excess = self._body is None or self._body.excess  # what nobody asked for
        if self.is_sent and self._is_over and self.head.is_reusable and not excess:
            self._pool.give_back(connection)
        else:
            connection.close()

    def begin(self, request: _Request) -> Io[Head]:
        """Send the request and return the head of its response.

        A small one is sent once more where a connection was kept and ends before anything comes.

        Raises:
            Again: Another attempt may help.
        """
        self._connection = self._pool.take()
        if self._connection is not None:
            try:
                return (yield from self._respond(request))
            except Again:
                # One that took much of a body was open.
                if self._has_heard or len(request.body or b"") > _SMALL:
                    raise
                # The server closed it as the request left, which says nothing of a new one.
                self._connection.close()
        self._connection = yield from self._connect()
        return (yield from self._respond(request))

    def _respond(self, request: _Request) -> Io[Head]:
        reader = HeadReader(request.method, request.target, request.headers)
        yield from self._send([reader.sent, request.body or b""])
        found: list[Head] = []

        def take(data: bytes) -> bool:
            self._check_time()
            self._has_heard = self._has_heard or bool(data)
            head = reader.feed(data)
            if head is not None:
                found.append(head)
            return head is not None

        try:
            yield Receive(self._connection, take, self._limits)
        except TimeoutError as error:
            late = f"did not answer in time: nothing came for {self._limits.silence:g} seconds"
            raise OperationTimeoutError(f"{self._server.url} {late}") from error
        except (OSError, MalformedHeadError) as error:
            raise self._unreachable(error) from error
        self.head = found[0]
        self._body = self.head.body()
        self._is_over = self._body is not None and self._body.complete
        if rest := reader.rest:
            self._take(rest)
        return self.head

    def _check_time(self) -> None:
        """Raise the error of a wait where no wait would: the server sends faster than is received."""
        if self._limits.left == 0:
            raise TimeoutError

    def _connect(self) -> Io[Connection]:
        """Try the addresses of the host, one after the other, within the time that a connection may take."""
        server = self._server
        seconds = min(self._limits.wait, server.transport.connect_timeout)
        end = time.monotonic() + seconds
        try:
            addresses = yield Resolve(server.host, server.port, seconds)
        except (OSError, UnicodeError) as error:
            raise self._no_connection(error, seconds) from error
        for number, address in enumerate(addresses):
            share = (end - time.monotonic()) / (len(addresses) - number)
            if share <= 0:
                raise self._no_connection(TimeoutError(), seconds)
            try:
                connection: Connection = yield Connect(address, server.port, server.tls, share)
            except (OSError, ValueError) as error:
                if isinstance(error, ssl.SSLError) or number + 1 == len(addresses):
                    raise self._no_connection(error, seconds) from error
            else:
                return connection
        raise self._unreachable(OSError("the host has no address"))

    def _no_connection(self, error: Exception, seconds: float) -> Exception:
        if not isinstance(error, TimeoutError):
            return self._unreachable(error)
        late = f"did not answer in time: no connection within {seconds:g} seconds"
        return Again(OperationTimeoutError(f"{self._server.url} {late}"))

    def _send(self, data: list[bytes]) -> Io[None]:
        try:
            self.is_sent = yield Send(self._connection, data, self._limits)
        except TimeoutError as error:
            late = (
                f"did not take the request in time: it did not leave within {self._limits.silence:g} seconds"
            )
            raise OperationTimeoutError(f"{self._server.url} {late}") from error
        except (ConnectionError, ssl.SSLError):
            # The server may have answered before it closed the connection. If not, receiving fails as well.
            pass
        except OSError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> Exception:
        failed = ConnectionFailedError(f"{self._server.url} can't be reached: {_reason(error)}")
        failed.__cause__ = error
        # What else TLS meets, a wrong certificate say, it meets again.
        is_final = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
        return failed if is_final or isinstance(error, ValueError) else Again(failed)

    def check_end(self) -> None:
        """Refuse a response of which nothing tells where it ends.

        Raises:
            IncompleteResultError: It has neither a length nor chunks.
        """
        if self._body is None:
            message = "the answer has neither a length nor chunks, as with HTTP/1.0"
            raise IncompleteResultError(f"{message}, so that nothing tells whether it is cut off")

    def unpack(self) -> None:
        """Have `read` unpack the body if it is packed.

        Raises:
            ParseError: It is packed in a way that was not asked for.
        """
        self._gunzip = unpacker(self.head)

    def read(self) -> Io[bytes]:
        """Return the next bytes of the body, some 128 KiB at first and 512 KiB later; none at its end.

        Raises:
            Again: The body was cut off.
            OperationTimeoutError: The server was silent.
        """
        if self._gunzip is None:
            return (yield from self._received())
        while True:
            data = b"" if self._gunzip.more else (yield from self._received())
            if not data and not self._gunzip.more:
                self._gunzip.check_end()
                return b""
            text: bytes = yield Work(partial(self._gunzip.feed, data), len(data))
            if text:
                return text

    def _received(self) -> Io[bytes]:
        if not self._payload and not self._is_over:
            try:
                self._check_time()
                yield Receive(self._connection, self._take, self._limits)
            except TimeoutError as error:
                message = "the server fell silent in the middle of its answer"
                raise OperationTimeoutError(message) from error
            except OSError as error:
                raise IncompleteResultError(f"the answer was cut off: {_reason(error)}") from error
        data = b"".join(self._payload)
        self._payload.clear()
        self._held = 0
        self._chunk = min(2 * self._chunk, _LARGEST_CHUNK)
        return data

    def _take(self, data: bytes) -> bool:
        """Take bytes of the body, none of them at the connection's end; tell whether they are enough."""
        payload = data
        if self._body is None:
            self._is_over = not data
        else:
            payload = self._body.feed(data)
            self._is_over = self._body.complete
            if not data and not self._is_over:
                raise IncompleteResultError("the answer was cut off: the connection was closed")
        if payload:
            self._payload.append(payload)
            self._held += len(payload)
        return self._is_over or self._held >= self._chunk


def ask(server: Server, pool: Pool, query: Query | Reduced, limits: CallLimits) -> Io[Answer]:
    """Send a query and decode its answer as it arrives; a query whose answer breaks off is sent again."""
    sent = query.query if isinstance(query, Reduced) else query

    def attempt() -> Io[Answer]:
        exchange = _Exchange(server, pool, limits)
        try:
            yield from _begin_query(server, exchange, sent)
            decoder = sent.decoder()
            while data := (yield from exchange.read()):
                yield Work(partial(decoder.feed, data), len(data))
            return decoder.finish()
        finally:
            exchange.close()

    answer = yield from _attempts(limits, attempt)
    if isinstance(query, Reduced):
        answer = yield Work(partial(query.reduce, answer), answer.rows * _ROW)
    return answer


def perform(server: Server, pool: Pool, step: Step, limits: CallLimits) -> Io[Any]:
    """Do a step that is one request; see `_steps`."""
    match step:
        case AskAtMost():
            return (yield from _attempts(limits, partial(_ask_at_most, server, pool, step, limits)))
        case AskJson():
            return (yield from _attempts(limits, partial(_ask_json, server, pool, step, limits)))
        case Download():
            return (yield from _attempts(limits, partial(_download, server, pool, step, limits)))
        case Post():
            return (yield from _attempts(limits, partial(_post, server, pool, step, limits)))
        case Stream():
            return (yield from _stream(server, pool, step, limits))
    raise TypeError(step)


def _ask_at_most(
    server: Server, pool: Pool, step: AskAtMost, limits: CallLimits
) -> Io[tuple[Answer, int] | None]:
    rows, size = step.limits or (sys.maxsize, sys.maxsize)
    exchange = _Exchange(server, pool, limits)
    try:
        yield from _begin_query(server, exchange, step.query)
        decoder = step.query.decoder()
        held = 0
        while data := (yield from exchange.read()):
            yield Work(partial(decoder.feed, data), len(data))
            held += len(data)
            if decoder.rows > rows or held > size:
                return None
        return decoder.finish(), held
    finally:
        exchange.close()


def _stream(server: Server, pool: Pool, step: Stream, limits: CallLimits) -> Io[None]:
    """Hand on an answer as it arrives. It is asked for again only before the first frame."""
    decoder = BatchDecoder(step.batch_rows, decoder=step.query.decoder())
    exchange = _Exchange(server, pool, limits)

    def first() -> Io[list[Frame]]:
        nonlocal decoder, exchange
        exchange.close()
        decoder = BatchDecoder(step.batch_rows, decoder=step.query.decoder())
        exchange = _Exchange(server, pool, limits)
        yield from _begin_query(server, exchange, step.query)
        return (yield from _frames(exchange, decoder))

    try:
        frames = yield from _attempts(limits, first)
        while frames:
            for frame in frames:
                yield Batch((yield Work(partial(frame.release, step.into), len(frame) * _ROW)))
            frames = yield from _frames(exchange, decoder)
    finally:
        exchange.close()


def _frames(exchange: _Exchange, decoder: BatchDecoder) -> Io[list[Frame]]:
    """Return the next frames; none at the end of the answer."""
    while data := (yield from exchange.read()):
        frames: list[Frame] = yield Work(partial(decoder.feed, data), len(data))
        if frames:
            return frames
    return decoder.finish()


def _begin_query(server: Server, exchange: _Exchange, query: Query) -> Io[None]:
    headers = {
        "Accept": query.accept,
        "Accept-Encoding": "gzip" if server.transport.gzip else "identity",
        "Content-Type": query.content_type,
    }
    head = yield from exchange.begin(server.request(query.path, {}, headers, query.body()))
    if head.status != HTTPStatus.OK:
        raise (yield from _refusal(server, exchange, QueryError))
    if head.media_type in _NO_ANSWER:
        text = server.secret.masked((yield from _start(exchange))).strip()
        raise ParseError(f"the answer is {head.media_type}, not {query.format}: {text[:_EXCERPT]}", offset=0)
    # Some tables end as answers do, so that the text itself can't tell.
    exchange.check_end()
    exchange.unpack()


def _ask_json(server: Server, pool: Pool, step: AskJson, limits: CallLimits) -> Io[Any]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    body = None
    if step.form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(step.form).encode()
    exchange = _Exchange(server, pool, limits)
    try:
        head = yield from exchange.begin(server.request(step.path, dict(step.parameters), headers, body))
        if head.status != HTTPStatus.OK:
            raise (yield from _refusal(server, exchange, QueryError))
        exchange.check_end()
        exchange.unpack()
        text = bytearray()
        while (data := (yield from exchange.read())) and len(text) <= _LONGEST_JSON:
            text += data
    finally:
        exchange.close()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        excerpt = server.secret.masked(text.decode("utf-8", "replace")).strip()[:_EXCERPT]
        message = f"expected JSON from {step.path}, got {len(text)} bytes that are none: {excerpt}"
        raise ParseError(message, offset=0) from error


def _download(server: Server, pool: Pool, step: Download, limits: CallLimits) -> Io[Any]:
    # Not compressed: shards hold little that gzip makes smaller, and it takes longer than a fast network.
    headers = {"Accept-Encoding": "identity"}
    exchange = _Exchange(server, pool, limits)
    with ExitStack() as at_end:
        at_end.callback(exchange.close)
        head = yield from exchange.begin(server.request(step.path, {}, headers, None))
        if head.status != HTTPStatus.OK:
            error = yield from _refusal(server, exchange, QueryError)
            # InfluxDB can't link the files of a shard while one is replaced, and says no more than this.
            if isinstance(error, QueryError) and head.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                raise Again(error)
            raise error
        exchange.check_end()
        exchange.unpack()
        sink = step.sink(head.headers.get("content-type", ""))
        at_end.callback(sink.close)
        received = 0
        while data := (yield from exchange.read()):
            yield Work(partial(sink.write, data), len(data))
            received += len(data)
            if step.received is not None:
                step.received(received)
        return (yield Work(sink.finish, received))


def _post(server: Server, pool: Pool, step: Post, limits: CallLimits) -> Io[None]:
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    body = step.body
    if server.transport.gzip:
        body = yield Work(partial(gzip.compress, body, compresslevel=1), len(body))
        headers["Content-Encoding"] = "gzip"
    parameters = {"bucket": step.bucket, "precision": "ns"}
    exchange = _Exchange(server, pool, limits)
    try:
        head = yield from exchange.begin(server.request("api/v2/write", parameters, headers, body))
        if head.status != HTTPStatus.NO_CONTENT:
            raise (yield from _refusal(server, exchange, WriteError))
        if not exchange.is_sent:
            message = f"{server.url} accepted points before all of them were sent, which InfluxDB does not"
            raise Again(ConnectionFailedError(message))
    finally:
        exchange.close()


def _attempts(limits: CallLimits, attempt: Callable[[], Io[_T]]) -> Io[_T]:
    """Make an attempt, and others where they may help."""
    done = 0
    if limits.left == 0:
        raise too_late(limits)
    while True:
        try:
            return (yield from attempt())
        except Again as again:
            error, after = again.error, again.after
        except IncompleteResultError as incomplete:
            error, after = incomplete, None
        except OperationTimeoutError as late:
            if limits.left == 0:  # then the wait was cut short, and its words are of no use
                raise too_late(limits) from late
            raise
        try:
            if limits.left == 0:
                raise too_late(limits, error) from error
            pause = pause_before(done, limits, after)
            if pause is None:
                raise error
        finally:
            del error  # or it holds its own traceback, and so what was sent, until garbage is collected
        yield Pause(pause)
        done += 1


def _refusal(server: Server, exchange: _Exchange, kind: type[QueryError | WriteError]) -> Io[Exception]:
    """Return the error for a response that is not the expected one; reads the start of its body."""
    head = exchange.head
    text = yield from _start(exchange)
    error = _refused(server, head, text, kind)
    if head.status not in _RETRIED:
        return error
    return Again(error, retry_after(head.headers.get("retry-after", "")))


def _start(exchange: _Exchange) -> Io[str]:
    """Read the start of a body: what is left of one that may have no end goes with its connection."""
    try:
        exchange.unpack()
        text = yield from exchange.read()
    except ParseError:
        return "it can't be unpacked"
    except (Again, DatabaseError) as error:
        return f"and no more, as {error}"
    return text.decode("utf-8", "replace")


def _refused(server: Server, head: Head, text: str, kind: type[QueryError | WriteError]) -> DatabaseError:
    masked = server.secret.masked
    code = None
    try:
        said = json.loads(text)
        code, text = (masked(str(said[key])) for key in ("code", "message"))
    except (ValueError, KeyError, TypeError, RecursionError):
        text = masked(text.strip())[:_EXCERPT] or masked(head.reason)
        text = f"HTTP {head.status}: {text}"
    if head.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return AuthenticationError(text)
    if head.status == HTTPStatus.NOT_FOUND or _NO_ORGANIZATION.match(text):
        return NotFoundError(text)
    if kind is WriteError:
        return WriteError(text, status=head.status)
    return QueryError(text, code=code, status=head.status)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
