"""HTTP to InfluxDB: the only code here that opens sockets.

It takes ready requests, tries each once, gives bytes, and turns every failure
into an error of `db_core.errors`, or into `Again` where another attempt may
help. Nothing in it knows Flux, annotated CSV or frames.
"""

from __future__ import annotations

import errno
import gzip
import json
import re
import socket
import ssl
import sys
import time
import zlib
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage, HTTPResponse
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family
from urllib3.util.response import assert_header_parsing
from urllib3.util.retry import Retry

from db_core.chain import empty_frames
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
from db_influx._call import Again, Call, taken_up

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Generator, Iterator

    from db_influx._flux import Query
    from db_influx._settings import InfluxSettings

__all__ = ["Connection", "JsonRequest", "Transport"]

_CHUNK = 1 << 17
_LONGEST_JSON = 1 << 26  # bytes
_EXCERPT = 200  # characters of an answer in a message
# A page of a proxy, say. Other types are not looked at: some proxies send CSV as text/plain.
_NO_CSV = ("text/html", "application/xhtml+xml", "application/json")
_RETRIED = (429, 502, 503, 504)
# Connections that are kept: as many as 250 threads take, each with four slices at once. A smaller pool closes
# what does not fit, with a warning each.
_POOL = 1_000
_NUMERIC = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
_LONGEST_HEAD = 1 << 14  # bytes
_SHORTEST_TOKEN = 8  # that errors do not show
_LEAST = 0.001  # seconds; urllib3 takes no timeout of 0
_ID = re.compile("[0-9a-fA-F]{16}")
# A query for an unknown organization is refused with 400, where a write is with 404.
_NO_ORGANIZATION = re.compile(r"failed to decode request body: organization\b.*not found", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Connection:
    """How to speak to the server.

    Attributes:
        timeout: Seconds the server may be silent, per attempt.
        connect_timeout: Seconds a connection may take to be made.
        deadline: Seconds a call may take, retries included; None is without end.
        retries: How often a request is repeated whose connection failed or broke, or that was answered
            with 429, 502, 503 or 504.
        gzip: Compress what is sent and received.
        verify: Check the server's certificate.
        ca_cert: Path of the certificates to trust instead of the system's.
        client_cert: Path of a client certificate with its key, or a pair of paths.
    """

    timeout: float = 60.0
    connect_timeout: float = 10.0
    deadline: float | None = 3_600.0
    retries: int = 3
    gzip: bool = False
    verify: bool = True
    ca_cert: str | None = None
    client_cert: str | tuple[str, str] | None = None

    @property
    def cert_files(self) -> tuple[str | None, str | None]:
        """Paths of the client certificate and of its key."""
        if self.client_cert is None or isinstance(self.client_cert, str):
            return self.client_cert, None
        return self.client_cert


@dataclass(frozen=True, slots=True)
class JsonRequest:
    """A small request whose answer is JSON: a small value that can be pickled.

    Attributes:
        path: Path of the endpoint.
        parameters: Pairs of names and values for the address; the organization is added.
        form: Pairs for the body of a POST; None makes it a GET.
    """

    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    form: tuple[tuple[str, str], ...] | None = None


class _Watched:
    """A connection that the call it works for can shut down."""

    sock: socket.socket | None
    debuglevel = 0  # whatever http.client's is: it would print the token
    _let_go: Callable[[], None] | None = None

    def _new_conn(self) -> socket.socket:
        """Connect, with TLS, within the timeout: each address of the host gets its part of what is left."""
        connection: Any = self  # of urllib3
        name = connection._dns_host  # noqa: SLF001 - `host` is without the dot at its end
        whole, end = connection.timeout, time.monotonic() + connection.timeout
        try:
            addresses = _addresses(name, connection.port)
        except socket.gaierror as error:
            raise NameResolutionError(connection.host, connection, error) from error
        try:
            for number, address in enumerate(addresses):
                connection.host = address
                connection.timeout = max(_LEAST, (end - time.monotonic()) / (len(addresses) - number))
                try:
                    made: socket.socket = super()._new_conn()  # type: ignore[misc]
                except ConnectTimeoutError:  # to urllib3 a refusal is one too
                    if number + 1 == len(addresses):
                        raise
                else:
                    made.settimeout(max(_LEAST, end - time.monotonic()))
                    return made
        finally:
            connection.host, connection.timeout = name, whole
        raise NewConnectionError(connection, "the host has no address")

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self._tell()

    def putrequest(self, *arguments: Any, **options: Any) -> None:
        self._tell()  # of a connection that is kept from a request before
        super().putrequest(*arguments, **options)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        try:
            super().send(data)  # type: ignore[misc]
        except ssl.SSLEOFError as error:
            # As without TLS: urllib3 then looks for an answer, which may have come before the end.
            raise BrokenPipeError(errno.EPIPE, "the connection was closed") from error

    def _tell(self) -> None:
        if self.sock is not None:
            self._let_go = taken_up(self.sock)

    def let_go(self) -> None:
        """Have no call shut the connection down any more."""
        if self._let_go is not None:
            self._let_go()
            self._let_go = None


def _addresses(host: str, port: int) -> list[str]:
    """Give the addresses of a host, as text."""
    try:
        found = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
    except UnicodeError:
        return [host]  # urllib3 refuses it
    return [socket.getnameinfo(address, _NUMERIC)[0] for *_, address in found]


class _Head:
    """What the status line and the headers of an answer are read from."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self._left = _LONGEST_HEAD

    def readline(self, size: int) -> bytes:
        line = self._file.readline(min(size, self._left + 1))
        self._left -= len(line)
        if self._left < 0:  # Python takes the square of a header's length to take it apart
            raise HTTPException(f"the head of its answer has more than {_LONGEST_HEAD} bytes")
        if line in (b"\r\n", b"\n"):  # the end of one of 100 Continue; another one follows
            self._left = _LONGEST_HEAD
        return line

    def close(self) -> None:
        self._file.close()


class _Answer(HTTPResponse):
    """An answer whose headers can be read, all of them: urllib3 would log the others, whatever they hold."""

    def begin(self) -> None:
        file = self.fp
        head: Any = _Head(file)
        self.fp = head
        try:
            self._begin()
        finally:
            if self.fp is head:  # http.client closes what it can't read
                self.fp = file

    def _begin(self) -> None:
        try:
            super().begin()
        except (ValueError, TypeError, LookupError):  # by a Content-Type's parameters, which it takes apart
            raise HTTPException("the headers of its answer are malformed") from None
        try:
            assert_header_parsing(self.msg)
        except (urllib3.exceptions.HeaderParsingError, ValueError, TypeError, LookupError):
            if self.status != HTTPStatus.NO_CONTENT:
                raise HTTPException("the headers of its answer are malformed") from None
            self.headers = self.msg = HTTPMessage()  # there is nothing that they would tell about
        if self.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            self._end_without_body()

    def _end_without_body(self) -> None:
        """Read nothing, and let go of a connection on which a body was announced: it may come yet."""
        announced = self.headers.get("Transfer-Encoding") or self.headers.get("Content-Length", "0") != "0"
        self.will_close = bool(self.will_close or announced)
        self.chunked, self.length = False, 0

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise ValueError("a chunk's length is not below 0")  # http.client's way to say that it is none
        return size


class _Http(_Watched, HTTPConnection):
    response_class = _Answer


class _Https(_Watched, HTTPSConnection):
    response_class = _Answer


class _Lender:
    """A pool that no call holds a connection of once it is back: the next one may have it at once."""

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.let_go()
        super()._put_conn(conn)  # type: ignore[misc]


class _HttpPool(_Lender, HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(_Lender, HTTPSConnectionPool):
    ConnectionCls = _Https


class Transport:
    """A pool of connections to one server; safe to share between threads."""

    def __init__(self, settings: InfluxSettings, connection: Connection) -> None:
        self._settings = settings
        self._secret = Secret(settings.token.get_secret_value(), shortest=_SHORTEST_TOKEN)
        self._connection = connection
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        self._agent = f"db-influx/{version('db-influx')} Python/{python}"
        cert, key = connection.cert_files
        self._pool = urllib3.PoolManager(
            maxsize=_POOL,
            cert_reqs="CERT_REQUIRED" if connection.verify else "CERT_NONE",
            ca_certs=connection.ca_cert,
            cert_file=cert,
            key_file=key,
        )
        self._pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    @contextmanager
    def call(self, *, endless: bool = False, since: float | None = None) -> Iterator[Call]:
        """Give a new call, with the retries and, unless it is endless, the deadline of the settings.

        Errors leave it without the token, whatever they quote.

        Args:
            endless: Give it no deadline.
            since: When the time to the deadline began, by `time.monotonic`; None is now.
        """
        connection = self._connection
        with (
            self._secret.hidden(),
            Call(connection.retries, None if endless else connection.deadline, since=since) as call,
        ):
            yield call

    def close(self) -> None:
        """Close all connections, those in use when they are given back."""
        # `clear` alone leaves that to the garbage collector, which does not come while an error is kept.
        pools = [self._pool.pools.get(key) for key in self._pool.pools.keys()]  # noqa: SIM118 - it has no iterator
        self._pool.clear()
        for pool in pools:
            if pool is not None:
                pool.close()

    def query(
        self, query: Query, *, timeout: float | None = None, call: Call | None = None
    ) -> Generator[bytes]:
        """Send a query and yield its answer as it arrives.

        Closing the iterator early closes the connection, which stops the transfer.

        Args:
            query: What is asked.
            timeout: Seconds the server may be silent; None is the settings'.
            call: What the request is part of; it can shut the connection down.

        Raises:
            Again: Another attempt may help.
        """
        headers = {
            "Accept": "application/csv",
            "Accept-Encoding": "gzip" if self._connection.gzip else "identity",
            "Content-Type": "application/json",
        }
        with self._answer("api/v2/query", {}, query.body(), headers, timeout, call) as response:
            if response.status != HTTPStatus.OK:
                raise _refusal(response, QueryError, self._secret)
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind not in _NO_CSV:
                # Some tables end as answers do, so that the text itself can't tell.
                _check_end(response)
            with _receiving():
                if kind in _NO_CSV:
                    text = self._secret.masked(_start(response)).strip()
                    raise ParseError(f"the answer is {kind}, not CSV: {text[:_EXCERPT]}", offset=0)
                content = _unpacked(response)
                # Not `stream`, which gives each of the server's 4 KB pieces on its own: threads that wait
                # for the GIL that often made a read take a tenth longer.
                while chunk := content.read(_CHUNK):
                    yield chunk

    def ask_json(self, ask: JsonRequest, *, timeout: float | None = None, call: Call | None = None) -> Any:
        """Send a small request and return its JSON answer.

        Args:
            ask: What is asked.
            timeout: Seconds the server may be silent; None is the settings'.
            call: What the request is part of; it can shut the connection down.

        Raises:
            Again: Another attempt may help.
            ParseError: The answer is not JSON, or is longer than 64 MiB.
        """
        headers = {"Accept": "application/json"}
        body = None
        if ask.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(ask.form).encode()
        with self._answer(ask.path, dict(ask.parameters), body, headers, timeout, call) as response:
            if response.status != HTTPStatus.OK:
                raise _refusal(response, QueryError, self._secret)
            _check_end(response)
            pieces: list[bytes] = []
            with _receiving():
                content = _unpacked(response)
                # To the end, as only there urllib3 tells that an answer is cut off.
                while (piece := content.read(_CHUNK)) and len(pieces) <= _LONGEST_JSON // _CHUNK:
                    pieces.append(piece)
            text = b"".join(pieces)
            try:
                return json.loads(text)
            except (ValueError, RecursionError) as error:
                excerpt = self._secret.masked(text.decode("utf-8", "replace")).strip()[:_EXCERPT]
                message = f"expected JSON from {ask.path}, got {len(text)} bytes that are none: {excerpt}"
                raise ParseError(message, offset=0) from error

    def write(
        self, bucket: str, body: bytes, *, timeout: float | None = None, call: Call | None = None
    ) -> None:
        """Send line protocol with nanoseconds; returns when the server has accepted every point.

        Raises:
            WriteError: The server refused some or all points.
            Again: Another attempt may help; it does no harm, as every point carries its time.
        """
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if self._connection.gzip:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        parameters = {"bucket": bucket, "precision": "ns"}
        with self._answer("api/v2/write", parameters, body, headers, timeout, call) as response:
            if response.status != HTTPStatus.NO_CONTENT:
                raise _refusal(response, WriteError, self._secret)
            response.drain_conn()

    @contextmanager
    def _answer(
        self,
        endpoint: str,
        parameters: dict[str, str],
        body: bytes | None,
        headers: dict[str, str],
        timeout: float | None,
        call: Call | None,
    ) -> Generator[urllib3.BaseHTTPResponse]:
        call = call or Call()
        silence = self._connection.timeout if timeout is None else timeout
        remaining = call.remaining
        if remaining is not None:
            # A call that is over shuts its connections down, but knows of none before it is made.
            silence = max(_LEAST, min(silence, remaining))
        taken: set[socket.socket] = set()
        try:
            with call.connecting(silence, taken):
                response = self._send(endpoint, parameters, body, headers, silence, taken)
            with closing(response):
                yield response
        finally:
            call.release(taken)

    def _send(
        self,
        endpoint: str,
        parameters: dict[str, str],
        body: bytes | None,
        headers: dict[str, str],
        silence: float,
        taken: set[socket.socket],
    ) -> urllib3.BaseHTTPResponse:
        url = self._settings.url
        org = self._settings.org
        # Queries and writes take what has the form of an ID for one; the lists of buckets and mappings don't.
        named = {"orgID" if _ID.fullmatch(org) else "org": org}
        address = f"{url}/{endpoint}?{urlencode(named | parameters)}"
        connect = min(silence, self._connection.connect_timeout)
        try:
            return self._post(address, body, headers, urllib3.Timeout(connect=connect, read=silence))
        except urllib3.exceptions.ClosedPoolError:  # closed by another thread just now; there is a new one
            return self._send(endpoint, parameters, body, headers, silence, taken)
        except HTTPError as error:
            # Made by a function, as here it would hold this frame, which its traceback holds.
            raise _failure(url, error, silence=silence, connect=None if taken else connect) from error

    def _post(
        self, address: str, body: bytes | None, headers: dict[str, str], limits: urllib3.Timeout
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(
                "GET" if body is None else "POST",
                address,
                body=body,
                headers={
                    **headers,
                    "Authorization": f"Token {self._settings.token.get_secret_value()}",
                    "User-Agent": self._agent,
                },
                preload_content=False,
                decode_content=False,
                # A redirect could carry the token to another host.
                redirect=False,
                timeout=limits,
                retries=False,
            )
        except HTTPError as error:
            empty_frames(error, "urllib3")
            raise


@contextmanager
def _receiving() -> Generator[None]:
    """Turn what breaks while an answer's body arrives into our errors."""
    try:
        yield
    except urllib3.exceptions.ReadTimeoutError as error:
        empty_frames(error, "urllib3")
        message = "the server fell silent in the middle of its answer"
        raise OperationTimeoutError(message) from error
    except (HTTPError, OSError, EOFError, zlib.error) as error:
        empty_frames(error, "urllib3")
        message = f"the answer was cut off: {_reason(error)}"
        raise _again(IncompleteResultError(message), error) from error


def _failure(url: str, error: HTTPError, *, silence: float, connect: float | None) -> Exception:
    """The error for a request without an answer.

    Args:
        url: Address of the server.
        error: What urllib3 met.
        silence: Seconds that the server had to take the request, and then to answer.
        connect: Seconds that the connection had to be made; None if it was.
    """
    failed = ConnectionFailedError(f"{url} can't be reached: {_reason(error)}")
    if isinstance(error, NewConnectionError):  # a timeout in urllib3's tree
        return _again(failed, error)
    if isinstance(error, urllib3.exceptions.TimeoutError):
        late = f"{url} did not answer in time: "
        if connect is not None:
            return _again(OperationTimeoutError(f"{late}no connection within {connect:g} seconds"), error)
        return OperationTimeoutError(f"{late}nothing came for {silence:g} seconds")
    met = error.args[-1] if error.args else None
    if isinstance(met, TimeoutError):
        message = f"{url} did not take the request in time: it did not leave within {silence:g} seconds"
        return OperationTimeoutError(message)
    # What else TLS meets, a wrong certificate say, it meets again.
    if isinstance(error, urllib3.exceptions.ProtocolError) or isinstance(met, ssl.SSLEOFError):
        return _again(failed, error)
    return failed


def _check_end(response: urllib3.BaseHTTPResponse) -> None:
    """Refuse an answer whose end HTTP does not tell; http.client knows chunks by no other name."""
    encoding = response.headers.get("Transfer-Encoding")
    has_end = response.length_remaining is not None if encoding is None else encoding.lower() == "chunked"
    if not has_end:
        message = "the answer has neither a length nor chunks, as with HTTP/1.0"
        raise IncompleteResultError(f"{message}, so that nothing tells whether it is cut off")


def _unpacked(response: urllib3.BaseHTTPResponse) -> urllib3.BaseHTTPResponse | gzip.GzipFile:
    """Give an answer's content; urllib3 would take the start of a gzip stream for the whole."""
    match response.headers.get("Content-Encoding", "identity").strip().lower():
        case "identity":
            return response
        case "gzip" | "x-gzip":
            return gzip.GzipFile(fileobj=response, mode="rb")
    raise ParseError("the answer is packed in a way that was not asked for; gzip was, if anything", offset=0)


def _again(error: DatabaseError, cause: BaseException, after: float | None = None) -> Again:
    error.__cause__ = cause
    return Again(error, after)


def _reason(error: BaseException | None) -> str:
    """The reason in words, without the name of a connection object before it."""
    return re.sub(r"^\w+\([^)]*\): ", "", str(error)) or type(error).__name__


def _start(response: urllib3.BaseHTTPResponse) -> str:
    """Read the start of an answer's text, which is then masked and cut shorter."""
    try:
        return response.read(_CHUNK, decode_content=True).decode("utf-8", "replace")
    except urllib3.exceptions.DecodeError:  # its words are a header's
        return "it can't be unpacked"


def _refusal(
    response: urllib3.BaseHTTPResponse, kind: type[QueryError | WriteError], secret: Secret
) -> Exception:
    """The error for an answer that is not the expected one; reads its body."""
    error = _refused(response, kind, secret)
    if response.status not in _RETRIED:
        return error
    after = None
    if said := response.headers.get("Retry-After"):
        with suppress(urllib3.exceptions.InvalidHeader, ValueError, OverflowError):  # no date, no number
            after = Retry().parse_retry_after(said)
    return Again(error, after)


def _refused(
    response: urllib3.BaseHTTPResponse, kind: type[QueryError | WriteError], secret: Secret
) -> DatabaseError:
    try:
        # No more of an answer that may have no end: what is left of it goes with its connection.
        text = _start(response)
    except HTTPError as error:
        text = f"and no more, as the answer was cut off: {_reason(error)}"
    code = None
    try:
        said = json.loads(text)
        code, text = (secret.masked(str(said[key])) for key in ("code", "message"))
    except (ValueError, KeyError, TypeError, RecursionError):
        text = secret.masked(text.strip())[:_EXCERPT] or secret.masked(str(response.reason))
        text = f"HTTP {response.status}: {text}"
    if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return AuthenticationError(text)
    if response.status == HTTPStatus.NOT_FOUND or _NO_ORGANIZATION.match(text):
        return NotFoundError(text)
    if kind is WriteError:
        return WriteError(text, status=response.status)
    return QueryError(text, code=code, status=response.status)
