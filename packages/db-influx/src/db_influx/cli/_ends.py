"""How a run ends: its exit code, and what it says on stderr."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec

import typer

from db_core import errors

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HELP", "OutputClosedError", "ends", "open_streams", "run", "say"]

_P = ParamSpec("_P")

# The first entry with a class of the error has its code.
_CODES: tuple[tuple[int, str, tuple[type[BaseException], ...]], ...] = (
    (2, "usage", (errors.InvalidArgumentError,)),
    (3, "settings", (errors.ConfigurationError,)),
    (4, "server not reached", (errors.ConnectionFailedError, errors.OperationTimeoutError)),
    (5, "not allowed", (errors.AuthenticationError,)),
    (6, "not found", (errors.NotFoundError,)),
    (7, "refused by the server", (errors.QueryError,)),
    (8, "data incomplete or damaged", (errors.IncompleteResultError, errors.ParseError)),
    (
        9,
        "data does not fit the format or one table",
        (errors.SchemaConflictError, errors.AmbiguousSeriesError, errors.SerializationError),
    ),
    (10, "only a part written", (errors.WriteError, errors.CopyError)),
    (11, "file or disk", (errors.DiskSpaceError, OSError)),
    (1, "any other", (errors.DatabaseError,)),
)
_INTERRUPTED, _CLOSED = 130, 141

HELP = "Exit codes: 0 done, " + ", ".join(
    [f"{code} {meaning}" for code, meaning, _ in sorted(_CODES)]
    + [f"{_INTERRUPTED} interrupted", f"{_CLOSED} nobody reads the output"]
)


class OutputClosedError(Exception):
    """Who reads stdout wants no more, as `head` after ten lines."""


def ends(command: Callable[_P, None]) -> Callable[_P, None]:
    """Have a command say its errors on stderr, and end the run with the code of each."""

    @wraps(command)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> None:
        warnings.showwarning = _show_warning
        # A retry is no news here: without a handler, Python writes the warning of the log to stderr.
        logging.getLogger("db_influx").addHandler(logging.NullHandler())
        try:
            try:
                command(*args, **kwargs)
            finally:
                _flush()
        except OutputClosedError:
            _abandon_stdout()
            raise typer.Exit(_CLOSED) from None
        except (errors.DatabaseError, OSError) as error:
            raise typer.Exit(_said(error)) from None

    return wrapped


def run(app: Callable[[], object]) -> None:
    """Run the application, and end the process, also where it can't write help, which is no command."""
    try:
        app()
    except OSError as error:
        _abandon_stdout()
        sys.exit(_said(error))


def open_streams() -> None:
    """Have streams where the process got none: stdin is empty, stdout has no reader, stderr is lost."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends
    if sys.stdout is None:
        reader, writer = os.pipe()
        os.close(reader)
        sys.stdout = os.fdopen(writer, "w", encoding="utf-8")


def say(message: str) -> None:
    """Write a line to stderr."""
    print(_printable(message), file=sys.stderr)  # noqa: T201


def _said(error: BaseException) -> int:
    """Say an error on stderr; return its code."""
    say(f"Error: {_told(error)}")
    return next(code for code, _, classes in _CODES if isinstance(error, classes))


def _told(error: BaseException) -> str:
    """Return the message of an error, and the notes that were added to it."""
    told = [str(error) or type(error).__name__, *getattr(error, "__notes__", ())]
    if isinstance(error, errors.AuthenticationError):
        told.append("`db-influx check` shows which token is used, and what it may read and write.")
    return "\n".join(told)


def _printable(text: str) -> str:
    """Return a text whose control characters a terminal does not obey."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text
    )


def _flush() -> None:
    """Send what stdout still holds.

    Raises:
        OutputClosedError: Nobody reads it.
        OSError: It can't be written.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise OutputClosedError from error
    except OSError:
        _abandon_stdout()  # or it is written again when the process ends
        raise


def _abandon_stdout() -> None:
    """Have stdout lead nowhere, where an unfinished Parquet file still writes its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    say(f"Warning: {message}")
