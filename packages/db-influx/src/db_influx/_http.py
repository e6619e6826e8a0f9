"""One HTTP/1.1 exchange without I/O: the request's bytes, and the response's head and body from bytes.

h11 makes and reads the heads. The body goes to the native `HttpBody` as it is received, since InfluxDB sends
chunks of 4 KB, each of which would cost h11 some calls of Python.
"""

from __future__ import annotations

import re
import sys
import zlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from db_core.errors import IncompleteResultError, ParseError
from db_core.http_body import HttpBody

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Gunzip", "Head", "HeadReader", "MalformedHeadError", "unpacker"]

_LONGEST_HEAD = 1 << 14  # bytes
_TOO_LONG = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE  # h11's word for a head above that
_LARGEST_PIECE = 1 << 24  # bytes that are unpacked at once
_WITH_HEADER = 16 + zlib.MAX_WBITS  # zlib's way to say gzip
# A write was accepted if this much of the answer came, even if the rest is cut off or malformed.
_ACCEPTED = re.compile(rb"HTTP/1\.[01] 204[ \r\n]")


class MalformedHeadError(Exception):
    """A response does not begin as HTTP has it; the text says how."""


@dataclass(frozen=True, slots=True)
class Head:
    """The status and headers of a response.

    Attributes:
        status: Status code.
        reason: What the status line says of it.
        headers: Values by names in lower case.
        is_reusable: The connection can be used again after the body.
    """

    status: int
    reason: str
    headers: dict[str, str]
    is_reusable: bool

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def body(self) -> HttpBody | None:
        """Return a reader of the body; None if only the connection's end tells where it ends."""
        if self.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            return HttpBody(0)
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            return HttpBody(None)
        length = self.headers.get("content-length")
        return None if length is None else HttpBody(min(int(length), sys.maxsize))  # none is as long


class _Sent(bytes):
    """The head of a request. Its repr hides the token from tools that show the locals of an error."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes of a head>"


class HeadReader:
    """Makes the head of a request, and reads the head of its response.

    Attributes:
        sent: The bytes of the request's head.
    """

    def __init__(self, method: str, target: str, headers: Sequence[tuple[str, str]]) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        request = h11.Request(method=method, target=target, headers=list(headers))
        self.sent = _Sent(self._http.send(request) or b"")
        self._start = self._later = b""

    def feed(self, data: bytes) -> Head | None:
        """Return the head once it is complete; `rest` is then what came after it.

        Raises:
            MalformedHeadError: It is not a head of HTTP/1.1, is longer than 16 KiB, or is cut off.
        """
        self._start = (self._start + data[:16])[:16]
        try:
            return self._read(data)
        except (h11.RemoteProtocolError, MalformedHeadError) as error:
            if _ACCEPTED.match(self._start):
                return Head(HTTPStatus.NO_CONTENT, "", {}, is_reusable=False)
            too_long = getattr(error, "error_status_hint", None) == _TOO_LONG
            message = (
                f"the head of the answer has more than {_LONGEST_HEAD} bytes" if too_long else str(error)
            )
            raise MalformedHeadError(message) from None

    def _read(self, data: bytes) -> Head | None:
        if not data:
            raise MalformedHeadError("the connection was closed before an answer came")
        for begin in range(0, len(data), _LONGEST_HEAD):
            self._http.receive_data(data[begin : begin + _LONGEST_HEAD])
            while (event := self._http.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Response):
                    self._later = data[begin + _LONGEST_HEAD :]
                    return self._head(event)
                if not isinstance(event, h11.InformationalResponse):
                    raise MalformedHeadError("the answer has no status line")
        return None

    def _head(self, response: h11.Response) -> Head:
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in response.headers}
        no_body = response.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        # A body may come yet where none can be.
        announced = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        closes = "close" in headers.get("connection", "").lower() or response.http_version != b"1.1"
        return Head(
            response.status_code,
            response.reason.decode("latin-1"),
            headers,
            is_reusable=not closes and not (no_body and announced),
        )

    @property
    def rest(self) -> bytes:
        """The bytes that were received after the head."""
        return self._http.trailing_data[0] + self._later


class Gunzip:
    """Unpacks gzip, also of several members, and tells whether it ended."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_WITH_HEADER)
        self._packed = b""
        self._is_full = False

    def feed(self, data: bytes) -> bytes:
        """Unpack at most 16 MiB; `more` tells whether there is more.

        Raises:
            IncompleteResultError: It is not gzip, or is damaged.
        """
        packed = self._packed + data
        if self._member.eof and packed:
            self._member = zlib.decompressobj(_WITH_HEADER)
        try:
            text = self._member.decompress(packed, _LARGEST_PIECE)
        except zlib.error as error:
            raise IncompleteResultError(f"the answer was cut off: {error}") from error
        self._packed = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        self._is_full = len(text) == _LARGEST_PIECE
        return text

    @property
    def more(self) -> bool:
        """Whether `feed` left something, which it takes up with the next data or none."""
        return bool(self._packed) or self._is_full

    def check_end(self) -> None:
        """Raise an error if the stream did not end.

        Raises:
            IncompleteResultError: It did not.
        """
        if not self._member.eof or self._packed:
            raise IncompleteResultError("the answer was cut off: its gzip stream has no end")


def unpacker(head: Head) -> Gunzip | None:
    """Return what unpacks a body; None if it is plain.

    Raises:
        ParseError: It is packed in another way.
    """
    match head.headers.get("content-encoding", "identity").strip().lower():
        case "identity":
            return None
        case "gzip" | "x-gzip":
            return Gunzip()
    raise ParseError("unexpected content encoding of the answer: expected gzip or none", offset=0)
