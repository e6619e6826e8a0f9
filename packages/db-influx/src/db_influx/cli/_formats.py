"""Formats of what a command reads: their names and options."""

from __future__ import annotations

import sys
from pathlib import PurePath
from typing import Annotated, Literal, TypeAlias

import typer

from db_core.errors import InvalidArgumentError

__all__ = ["Format", "FormatOption", "LimitOption", "OutputOption", "chosen", "most_rows"]

Format: TypeAlias = Literal["table", "csv", "jsonl", "parquet", "arrow", "line"]

_SHOWN = 100  # rows of a table for people
_EXTENSIONS: dict[str, Format] = {
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".lp": "line",
}

OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="File to write, whole or not at all; without it, or as -, stdout.",
    ),
]
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        "-f",
        help="Without it: by the extension of --output (" + " ".join(_EXTENSIONS) + "); "
        "on stdout table at a terminal, and csv elsewhere.",
        show_choices=True,
    ),
]
LimitOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="ROWS", help="Stop after so many rows. A table has 100, unless it is given."),
]


def chosen(output: str | None, format_: Format | None) -> Format:
    """Return the format to write.

    Raises:
        InvalidArgumentError: The extension of `output` names none.
    """
    if format_ is not None:
        return format_
    if output in (None, "-"):
        return "table" if sys.stdout.isatty() else "csv"
    extension = PurePath(str(output)).suffix.lower()
    if extension not in _EXTENSIONS:
        message = f"`output`: {output!r} ends with none of {' '.join(_EXTENSIONS)}: add --format"
        raise InvalidArgumentError(message, argument="output")
    return _EXTENSIONS[extension]


def most_rows(format_: Format, limit: int | None) -> int | None:
    """Return how many rows are written at most; None is all of them."""
    return _SHOWN if format_ == "table" and limit is None else limit
