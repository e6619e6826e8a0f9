"""The exception tree of db-core, db-influx and db-redis.

Every error is a `DatabaseError`, and also the built-in error that it resembles, so both
`except DatabaseError` and `except ConnectionError` catch it. Every error can be pickled
with its attributes. None holds a secret.
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
    "CopyError",
    "DatabaseError",
    "DiskSpaceError",
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
    """The base class of every error that these packages raise on purpose."""


class ConfigurationError(DatabaseError, ValueError):
    """Settings are missing or malformed. The message names each argument and variable."""


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
    """The function that computes a cached value failed in another process. The message names its error."""


class NotFoundError(DatabaseError, LookupError):
    """The bucket or organization does not exist, or may not be seen."""


class QueryError(DatabaseError):
    """The server refused or aborted a request. The message quotes the server.

    Attributes:
        code: The server's error code, such as ``"invalid"``, if it sent one.
        status: The HTTP status; 200 when the error arrived after some rows.
    """

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class DiskSpaceError(DatabaseError, OSError):
    """A disk of this machine has too little space for a file. Nothing of the file is left."""


class IncompleteResultError(DatabaseError, EOFError):
    """A response was cut off, or a part of what is stored is missing. Nothing of it is returned."""


class ParseError(DatabaseError, ValueError):
    """The response is not annotated CSV as InfluxDB writes it, or a file of stored points is damaged.

    Attributes:
        offset: Byte offset of the faulty record in the response or file, counted from 0.
        table: Table of that record, counted from 0 over the whole response.
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
    """Tables can't be joined into one frame: types of a column differ, or nearly all cells would be empty."""


class AmbiguousSeriesError(DatabaseError, ValueError):
    """Values of several series would fall into one cell. The message names the tags that differ."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Rows of a frame whose points were not written.

    Attributes:
        start: First row, counted from 0.
        stop: First row after them.
        points: How many of their points were refused. It is the least number if it would have taken too
            long to find out which.
        reason: What the server said about the first of them, or what broke before they were known to be
            written.
    """

    start: int
    stop: int
    points: int
    reason: str


class WriteError(DatabaseError):
    """Not every point was accepted.

    Attributes:
        accepted: How many points the server is known to have stored: those of rows outside of `rejected`.
        rejected: The rows that were refused or not sent, in order, with reasons. They can be written again.
        frame: The rejected rows, as a frame of the same library; None if no row is known.
        status: The HTTP status of the refusal, or of the error that ended the write.
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


class CopyError(DatabaseError):
    """A copy of points ended in the middle; its cause tells why.

    Copying again changes nothing that is copied already.

    Attributes:
        copied: The measurements that are copied whole.
        measurement: The one that is not.
        until: Of that one, all points of the range before this time are copied, at least; as RFC 3339 text.
    """

    def __init__(
        self,
        message: str,
        *,
        copied: Sequence[str] = (),
        measurement: str | None = None,
        until: str | None = None,
    ) -> None:
        super().__init__(message)
        self.copied = tuple(copied)
        self.measurement = measurement
        self.until = until


class SerializationError(DatabaseError, ValueError):
    """A value can't be written as JSON or read from it, or a frame as Arrow. Nothing was stored.

    Attributes:
        path: Where in the value, as in ``$.meters[3].power``; None for a frame.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path
