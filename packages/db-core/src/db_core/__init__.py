"""The errors, settings and native code of db-influx and db-redis.

Errors are imported at once. Everything else, with the native extension, is loaded when it is first used,
so that `import db_redis` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from db_core.errors import (
    AmbiguousSeriesError,
    AuthenticationError,
    ComputationFailedError,
    ConfigurationError,
    ConnectionFailedError,
    CopyError,
    DatabaseError,
    DiskSpaceError,
    IncompleteResultError,
    InvalidArgumentError,
    MissingLibraryError,
    NotFoundError,
    OperationTimeoutError,
    ParseError,
    QueryError,
    Rejection,
    SchemaConflictError,
    SerializationError,
    UnwrittenPoint,
    WriteError,
)

if TYPE_CHECKING:
    from db_core.annotated_csv import iter_annotated_csv, read_annotated_csv
    from db_core.frame import Frame
    from db_core.line_protocol import to_line_protocol
    from db_core.meter import meter_differences
    from db_core.observed import Retry

__all__ = [
    "AmbiguousSeriesError",
    "AuthenticationError",
    "ComputationFailedError",
    "ConfigurationError",
    "ConnectionFailedError",
    "CopyError",
    "DatabaseError",
    "DiskSpaceError",
    "Frame",
    "IncompleteResultError",
    "InvalidArgumentError",
    "MissingLibraryError",
    "NotFoundError",
    "OperationTimeoutError",
    "ParseError",
    "QueryError",
    "Rejection",
    "Retry",
    "SchemaConflictError",
    "SerializationError",
    "UnwrittenPoint",
    "WriteError",
    "iter_annotated_csv",
    "meter_differences",
    "read_annotated_csv",
    "to_line_protocol",
]

_LAZY = {
    "Frame": "db_core.frame",
    "iter_annotated_csv": "db_core.annotated_csv",
    "Retry": "db_core.observed",
    "meter_differences": "db_core.meter",
    "read_annotated_csv": "db_core.annotated_csv",
    "to_line_protocol": "db_core.line_protocol",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
