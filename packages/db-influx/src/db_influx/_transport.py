"""HTTP to InfluxDB: the only code here that opens sockets or waits.

It takes ready requests, gives bytes, and turns every failure into an error of
`db_core.errors`. Nothing in it knows Flux, annotated CSV or frames.
"""

from __future__ import annotations

import gzip
import json
import re
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import urllib3

from db_core.errors import (
    AuthenticationError,
    ConnectionFailedError,
    DatabaseError,
    IncompleteResultError,
    NotFoundError,
    OperationTimeoutError,
    QueryError,
    WriteError,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from db_influx._flux import Query
    from db_influx._settings import InfluxSettings

__all__ = ["Connection", "Transport"]

_CHUNK = 1 << 17
_RETRIED = (429, 502, 503, 504)
_CONNECT_SECONDS = 10.0
_BACKOFF_SECONDS = 0.25
_POOL = 16
# A query for an unknown organization is refused with 400, where a write is with 404.
_NO_ORGANIZATION = re.compile(r"failed to decode request body: organization\b.*not found", re.DOTALL)
_DROPPED = re.compile(r"dropped=(\d+)")


@dataclass(frozen=True, slots=True)
class Connection:
    """How to speak to the server.

    Attributes:
        timeout: Seconds the server may be silent, per attempt.
        retries: How often a request is repeated that did not reach the server, or that it answered
            with 429, 502, 503 or 504.
        gzip: Compress what is sent and received.
        verify: Check the server's certificate.
        ca_cert: Path of the certificates to trust instead of the system's.
        client_cert: Path of a client certificate with its key, or a pair of paths.
    """

    timeout: float = 60.0
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


class Transport:
    """A pool of connections to one server; safe to share between threads."""

    def __init__(self, settings: InfluxSettings, connection: Connection) -> None:
        self._settings = settings
        self._connection = connection
        cert, key = connection.cert_files
        self._pool = urllib3.PoolManager(
            maxsize=_POOL,
            cert_reqs="CERT_REQUIRED" if connection.verify else "CERT_NONE",
            ca_certs=connection.ca_cert,
            cert_file=cert,
            key_file=key,
        )

    def close(self) -> None:
        """Close all idle connections."""
        self._pool.clear()

    def query(self, query: Query, *, timeout: float | None = None) -> Generator[bytes]:
        """Send a query and yield its answer as it arrives.

        Closing the iterator early closes the connection, which stops the transfer.
        """
        headers = {
            "Accept": "application/csv",
            "Accept-Encoding": "gzip" if self._connection.gzip else "identity",
            "Content-Type": "application/json",
        }
        with closing(self._send("query", {}, query.body(), headers, timeout)) as response:
            if response.status != HTTPStatus.OK:
                raise _refusal(response, QueryError)
            try:
                # Not `stream`, which gives each of the server's 4 KB pieces on its own: threads that wait
                # for the GIL that often made a read take a tenth longer.
                while chunk := response.read(_CHUNK, decode_content=True):
                    yield chunk
            except urllib3.exceptions.ReadTimeoutError as error:
                message = "the server fell silent in the middle of its answer"
                raise OperationTimeoutError(message) from error
            except (urllib3.exceptions.HTTPError, OSError) as error:
                message = f"the answer was cut off: {_reason(error)}"
                raise IncompleteResultError(message) from error

    def write(self, bucket: str, body: bytes, *, timeout: float | None = None) -> None:
        """Send line protocol with nanoseconds; returns when the server has accepted every point.

        Raises:
            WriteError: The server refused some or all points.
        """
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if self._connection.gzip:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        parameters = {"bucket": bucket, "precision": "ns"}
        with closing(self._send("write", parameters, body, headers, timeout)) as response:
            if response.status != HTTPStatus.NO_CONTENT:
                raise _refusal(response, WriteError)
            response.drain_conn()

    def _send(
        self,
        endpoint: str,
        parameters: dict[str, str],
        body: bytes,
        headers: dict[str, str],
        timeout: float | None,
    ) -> urllib3.BaseHTTPResponse:
        address = (
            f"{self._settings.url}/api/v2/{endpoint}?{urlencode({'org': self._settings.org, **parameters})}"
        )
        silence = self._connection.timeout if timeout is None else timeout
        try:
            return self._pool.request(
                "POST",
                address,
                body=body,
                headers={**headers, "Authorization": f"Token {self._settings.token.get_secret_value()}"},
                preload_content=False,
                # A redirect could carry the token to another host.
                redirect=False,
                timeout=urllib3.Timeout(connect=min(silence, _CONNECT_SECONDS), read=silence),
                retries=urllib3.Retry(
                    total=self._connection.retries,
                    read=0,
                    redirect=0,
                    allowed_methods=None,
                    status_forcelist=_RETRIED,
                    raise_on_status=False,
                    backoff_factor=_BACKOFF_SECONDS,
                    backoff_jitter=_BACKOFF_SECONDS,
                ),
            )
        except urllib3.exceptions.HTTPError as error:
            cause = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
            # A refused connection counts as a timeout in urllib3's tree.
            refused = isinstance(cause, urllib3.exceptions.NewConnectionError)
            if isinstance(cause, urllib3.exceptions.TimeoutError) and not refused:
                message = f"{self._settings.url} did not answer in time: {_reason(cause)}"
                raise OperationTimeoutError(message) from error
            message = f"{self._settings.url} can't be reached: {_reason(cause)}"
            raise ConnectionFailedError(message) from error


def _reason(error: BaseException | None) -> str:
    """The reason in words, without the name of a connection object before it."""
    return re.sub(r"^\w+\([^)]*\): ", "", str(error)) or type(error).__name__


def _refusal(response: urllib3.BaseHTTPResponse, kind: type[QueryError | WriteError]) -> DatabaseError:
    """The error for an answer that is not the expected one; reads its body."""
    try:
        text = response.read(_CHUNK, decode_content=True).decode("utf-8", "replace")
        response.drain_conn()
    except urllib3.exceptions.HTTPError as error:
        text = f"and no more, as the answer was cut off: {_reason(error)}"
    code = None
    try:
        said = json.loads(text)
        code, text = str(said["code"]), str(said["message"])
    except (ValueError, KeyError, TypeError):
        text = f"HTTP {response.status}: {text.strip()[:200] or response.reason}"
    if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return AuthenticationError(text)
    if response.status == HTTPStatus.NOT_FOUND or _NO_ORGANIZATION.match(text):
        return NotFoundError(text)
    if kind is WriteError:
        return WriteError(text, rejected=[text], status=response.status)
    return QueryError(text, code=code, status=response.status)


def dropped(error: WriteError) -> int | None:
    """How many points of a body the server says it dropped."""
    # The last one: a measurement's name before it may hold anything.
    found = _DROPPED.findall(str(error))
    return int(found[-1]) if found else None
