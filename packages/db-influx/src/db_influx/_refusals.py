"""Turns the answer of a server that refuses a request into an error of `db_core.errors`."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from db_core.errors import (
    AuthenticationError,
    DatabaseError,
    NotFoundError,
    ParseError,
    QueryError,
    WriteError,
)
from db_influx._attempts import Again, retry_after

if TYPE_CHECKING:
    from db_influx._exchange import Exchange
    from db_influx._http import Head
    from db_influx._io import Io
    from db_influx._server import Server

__all__ = ["EXCERPT", "read_start", "refusal"]

EXCERPT = 200  # characters of an answer in a message
_RETRIED = (429, 502, 503, 504)
# A query for an unknown organization is refused with 400, where a write is with 404.
_NO_ORGANIZATION = re.compile(r"failed to decode request body: organization\b.*not found", re.DOTALL)
# What the server says of its own work before it comes to the name.
_ORGANIZATION = re.compile(r"\A(?:failed to decode request body: )?organization (?:name )?")
_NO_BUCKET = re.compile(r'\Afailed to initialize execute state: could not find bucket (".*")\Z', re.DOTALL)
_NO_TOKEN = ("unauthorized access", "Unauthorized")  # the second is InfluxQL's


def refusal(server: Server, exchange: Exchange, kind: type[QueryError | WriteError]) -> Io[Exception]:
    """Return the error for a response that is not the expected one; reads the start of its body."""
    head = exchange.head
    text = yield from read_start(exchange)
    error = _refused(server, head, text, kind)
    if head.status not in _RETRIED:
        return error
    return Again(error, retry_after(head.headers.get("retry-after", "")))


def read_start(exchange: Exchange) -> Io[str]:
    """Read the start of a body. The rest, which may have no end, is dropped with its connection."""
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
        text = masked(text.strip())[:EXCERPT] or masked(head.reason)
        text = f"HTTP {head.status}: {text}"
    if head.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        if text in _NO_TOKEN:
            text = f"InfluxDB does not know the token, or the token is inactive ({text})"
        return _of(head, AuthenticationError(text))
    if head.status == HTTPStatus.NOT_FOUND or _NO_ORGANIZATION.match(text):
        text = _NO_BUCKET.sub(r"bucket \1 not found, or the token may not read it", text)
        return _of(head, NotFoundError(_ORGANIZATION.sub("organization ", text)))
    if kind is WriteError:
        return WriteError(text, status=head.status)
    return QueryError(text, code=code, status=head.status)


def _of(head: Head, error: DatabaseError) -> DatabaseError:
    error.status = head.status
    return error
