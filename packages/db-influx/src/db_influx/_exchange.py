"""One attempt of a request: a connection, the head of the response, and its body as it arrives."""

from __future__ import annotations

import ssl
import time
from functools import partial
from typing import TYPE_CHECKING

from db_core.errors import ConnectionFailedError, IncompleteResultError, OperationTimeoutError
from db_core.observed import current_call
from db_influx._attempts import Again
from db_influx._http import HeadReader, MalformedHeadError, unpacker
from db_influx._io import Connect, Receive, Resolve, Send
from db_influx._steps import Work

if TYPE_CHECKING:
    from db_core.http_body import HttpBody
    from db_influx._http import Gunzip, Head
    from db_influx._io import CallLimits, Connection, Io, Pool
    from db_influx._server import Request, Server

__all__ = ["Exchange"]

# Bytes of a body that are decoded at once, at first and at most. More of them are fewer ways to a thread.
_CHUNK = 1 << 17
_LARGEST_CHUNK = 1 << 19
_SMALL = 1 << 16  # bytes of a body that leave at once


class Exchange:
    """One attempt of a request. Closing it gives its connection back, if that can be used again.

    Attributes:
        head: The head of the response.
        is_sent: Whether the whole request left.
        rows: How many rows the response or the request has, for the log.
    """

    head: Head
    is_sent: bool
    rows: int | None

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
        self._began = 0.0
        self._asked: Request | None = None
        self._came = 0  # bytes of the body
        self._status: int | None = None
        self.is_sent = False
        self.rows = None
        self._is_over = False

    def close(self) -> None:
        """Return the connection to the pool, or close it if the response is not at its end."""
        try:
            self._log()
        finally:  # also where Ctrl-C ends a handler of the program's log
            self._give_back()

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        excess = self._body is None or self._body.excess  # what nobody asked for
        if self.is_sent and self._is_over and self.head.is_reusable and not excess:
            self._pool.give_back(connection)
        else:
            connection.close()

    def _log(self) -> None:
        asked, self._asked = self._asked, None
        call = current_call()
        if asked is not None and call is not None and call.is_logged:
            call.request(
                request=f"{asked.method} {asked.target.partition('?')[0]}",
                status=self._status,
                rows=self.rows,
                sent=len(asked.body or b""),
                received=self._came,
                seconds=round(time.monotonic() - self._began, 6),
                attempt=self._limits.attempt,
            )

    def begin(self, request: Request) -> Io[Head]:
        """Send the request and return the head of its response.

        A small one is sent once more where a connection was kept and ends before anything comes.

        Raises:
            Again: Another attempt may help.
        """
        self._began = time.monotonic()
        self._asked = request
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

    def _respond(self, request: Request) -> Io[Head]:
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
            late = f"did not answer in time: it sent nothing for {self._limits.silence:g} seconds"
            raise OperationTimeoutError(f"{self._server.url} {late}") from error
        except (OSError, MalformedHeadError) as error:
            raise self._unreachable(error) from error
        self.head = found[0]
        self._status = self.head.status
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
                f"did not take the request in time: it received nothing for {self._limits.silence:g} seconds"
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
            message = "the answer has neither a length nor chunks, so it may have been cut off"
            raise IncompleteResultError(f"{message}. Let a proxy before InfluxDB speak HTTP/1.1")

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
                message = "the server stopped sending in the middle of its answer"
                raise OperationTimeoutError(message) from error
            except OSError as error:
                raise IncompleteResultError(f"the answer was cut off: {_reason(error)}") from error
        data = b"".join(self._payload)
        self._payload.clear()
        self._came += len(data)
        if self._limits.meter is not None and data:
            self._limits.meter.received(len(data))
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


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
