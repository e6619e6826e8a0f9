"""The exception tree of db-core, db-influx and db-redis.

Every error is a `DatabaseError`, and also the built-in it resembles, so both
`except DatabaseError` and `except ConnectionError` do what they say. Every
error survives pickling with its attributes. None carries a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AmbiguousSeriesError",
    "AuthenticationError",
    "ComputationFailedError",
    "ConfigurationError",
    "ConnectionFailedError",
    "DatabaseError",
    "IncompleteResultError",
    "InvalidArgumentError",
    "NotFoundError",
    "OperationTimeoutError",
    "ParseError",
    "QueryError",
    "Rejection",
    "SchemaConflictError",
    "SerializationError",
    "WriteError",
]


class DatabaseError(Exception):
    """Root of every error raised on purpose by these packages."""


class ConfigurationError(DatabaseError, ValueError):
    """Settings are missing or malformed; names each argument and variable."""


class InvalidArgumentError(DatabaseError, ValueError):
    """An argument of a call is unusable; nothing was sent.

    Attributes:
        argument: The argument's name, as in the signature.
    """

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


class ConnectionFailedError(DatabaseError, ConnectionError):
    """The server could not be reached, or the connection broke."""


class OperationTimeoutError(DatabaseError, TimeoutError):
    """The server did not answer in time."""


class AuthenticationError(DatabaseError, PermissionError):
    """The server refused the credentials, or they lack a permission."""


class ComputationFailedError(DatabaseError, RuntimeError):
    """The function that computes a value for a cache failed in another process; names what it raised."""


class NotFoundError(DatabaseError, LookupError):
    """The bucket or organization does not exist, or may not be seen."""


class QueryError(DatabaseError):
    """The server refused or broke off a request; the text is its own.

    Attributes:
        code: The server's error code, such as ``"invalid"``, if it gave one.
        status: The HTTP status; 200 when the error arrived after some rows.
    """

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class IncompleteResultError(DatabaseError, EOFError):
    """The answer was cut off before its end mark; none of it is returned."""


class ParseError(DatabaseError, ValueError):
    """The answer is not annotated CSV as InfluxDB writes it.

    Attributes:
        offset: Byte offset of the offending record, counted from 0.
        table: Table in which it stands, counted from 0 over the whole answer.
        row: Row within that table, counted from 0.
    """

    def __init__(
        self,
        message: str,
        *,
        offset: int | None = None,
        table: int | None = None,
        row: int | None = None,
    ) -> None:
        super().__init__(message)
        self.offset = offset
        self.table = table
        self.row = row


class SchemaConflictError(DatabaseError, ValueError):
    """Tables make no one frame: a column's types do not unify, or nearly every cell would be empty."""


class AmbiguousSeriesError(DatabaseError, ValueError):
    """Values of several series would fall into one cell; names the tags that tell them apart."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Rows of a frame of which points were not written.

    Attributes:
        start: First row, counted from 0.
        stop: First row after them.
        points: How many of them were refused; all, unless finding out which would have taken too long:
            then at least so many.
        reason: The server's own text, about the first of them; or what broke before they were known to be
            written.
    """

    start: int
    stop: int
    points: int
    reason: str


class WriteError(DatabaseError):
    """Not every point was accepted.

    Attributes:
        accepted: How many points the server is known to have stored: those outside of `rejected`.
        rejected: Which rows were refused, or not reached, and why; in order. Written again they do no harm.
        frame: The rejected rows, as a frame of the kind that was to be written; None if no row is known.
        status: The HTTP status of the refusal, or of what ended the write.
    """

    def __init__(
        self,
        message: str,
        *,
        accepted: int | None = None,
        rejected: Sequence[Rejection] = (),
        frame: Any = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.accepted = accepted
        self.rejected = tuple(rejected)
        self.frame = frame
        self.status = status


class SerializationError(DatabaseError, ValueError):
    """A value can't be written as, or read from, JSON, or a frame Arrow; nothing was stored.

    Attributes:
        path: Where in the value, as in ``$.meters[3].power``; None for a frame.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path
