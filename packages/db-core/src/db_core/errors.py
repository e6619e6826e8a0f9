"""The exception tree of db-core, db-influx and db-redis.

Every error is a `DatabaseError`, and also the built-in error that it resembles, so both
`except DatabaseError` and `except ConnectionError` catch it. Every error can be pickled
with its attributes. No error contains a secret.
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
    "MissingLibraryError",
    "NotFoundError",
    "OperationTimeoutError",
    "ParseError",
    "QueryError",
    "Rejection",
    "SchemaConflictError",
    "SerializationError",
    "UnwrittenPoint",
    "WriteError",
]


class DatabaseError(Exception):
    """The base class of every error that these packages raise on purpose.

    Attributes:
        status: The HTTP status of the answer of InfluxDB that the error is about; None if there is none.
    """

    status: int | None = None


class ConfigurationError(DatabaseError, ValueError):
    """Settings are missing or malformed. The message names each argument and variable."""


class MissingLibraryError(ConfigurationError, ImportError):
    """An optional library is not installed. The message has the command that installs it."""


class InvalidArgumentError(DatabaseError, ValueError):
    """An argument of a call is invalid. Nothing was sent.

    Attributes:
        argument: The argument's name, as in the signature.
    """

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


class ConnectionFailedError(DatabaseError, ConnectionError):
    """The server could not be reached, or the connection broke.

    Attributes:
        code: The first word of Redis's answer, such as ``"LOADING"``, if it sent one.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class OperationTimeoutError(DatabaseError, TimeoutError):
    """The server did not answer in time."""


class AuthenticationError(DatabaseError, PermissionError):
    """The server refused the credentials, or they lack a permission.

    Attributes:
        code: The first word of Redis's answer, such as ``"NOPERM"``.
    """

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class ComputationFailedError(DatabaseError, RuntimeError):
    """The function that computes a cached value failed in another process. The message names its error."""


class NotFoundError(DatabaseError, LookupError):
    """The bucket or organization does not exist, or the token may not read it."""


class QueryError(DatabaseError):
    """The server refused a request, or aborted it. The message quotes the server.

    Attributes:
        code: The server's error code, such as ``"invalid"``, if it sent one.
        status: The HTTP status; 200 when the error arrived after some rows.
    """

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class DiskSpaceError(DatabaseError, OSError):
    """A disk of this machine has too little space for a file. No part of the file is left."""


class IncompleteResultError(DatabaseError, EOFError):
    """An answer was cut off, or a part of the stored data is missing. No part of it is returned."""


class ParseError(DatabaseError, ValueError):
    """An answer does not have the form in which InfluxDB sends it, or a file of stored points is damaged.

    Attributes:
        offset: Byte offset of the faulty record in the answer or file, counted from 0.
        table: Table of that record, counted from 0 over the whole answer.
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
    """Several series have a value for the same row and column. The message names the tags that differ."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Rows of a frame whose points were not written.

    Attributes:
        start: The first of these rows, counted from 0.
        stop: The first row after these rows.
        points: How many points of these rows were refused. This is a lower bound if it would have taken too
            long to find out which ones.
        reason: The server's message about the first of the points, or the error after which it is not known
            whether they were written.
    """

    start: int
    stop: int
    points: int
    reason: str


@dataclass(frozen=True, slots=True)
class UnwrittenPoint:
    """A point of a buffered writer that was not written, or is not known to be.

    Attributes:
        line: The point in line protocol. It can be written again.
        reason: What the server said about it, or what broke before it was known to be written.
    """

    line: str
    reason: str


class WriteError(DatabaseError):
    """The server did not accept every point.

    Attributes:
        accepted: How many points the server has stored for certain: the points of rows outside of
            `rejected`.
        rejected: The rows that were refused or not sent, in order, with reasons. They can be written again.
        frame: The rejected rows, as a frame of the same library; None if no row is known.
        status: The HTTP status of the refusal, or of the error that ended the write.
        points: The points of a buffered writer that were not written.
    """

    def __init__(
        self,
        message: str,
        *,
        accepted: int | None = None,
        rejected: Sequence[Rejection] = (),
        frame: Any = None,
        status: int | None = None,
        points: Sequence[UnwrittenPoint] = (),
    ) -> None:
        super().__init__(message)
        self.accepted = accepted
        self.rejected = tuple(rejected)
        self.frame = frame
        self.status = status
        self.points = tuple(points)


class CopyError(DatabaseError):
    """A copy of points stopped before its end. The cause of this error says why.

    Copying again changes no point that is already copied.

    Attributes:
        copied: The measurements that are copied completely.
        measurement: The measurement that is not complete.
        until: At least the points before this time are copied of that measurement; RFC 3339 text.
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
        path: Path of the part inside the value, such as ``$.meters[3].power``; None for a frame.
    """

    def __init__(self, message: str, *, path: str | None = None) -> None:
        super().__init__(message)
        self.path = path
