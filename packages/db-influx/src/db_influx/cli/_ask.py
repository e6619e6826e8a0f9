"""The question before something is lost."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from db_core.errors import InvalidArgumentError

__all__ = ["YesOption", "confirm"]

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def confirm(question: str, *, yes: bool) -> None:
    """Ask at a terminal whether to go on, and end the run if not; elsewhere `--yes` is needed.

    Raises:
        InvalidArgumentError: Nobody can be asked.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        message = f"{question} Nobody can answer here: give --yes to do it, or run it at a terminal."
        raise InvalidArgumentError(message, argument="yes")
    typer.confirm(question, err=True, abort=True)
