"""The question before something is lost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from db_core.errors import InvalidArgumentError
from db_influx.cli._ends import say

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["YesOption", "confirm"]

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def confirm(question: str, *, yes: bool, details: Callable[[], str] | None = None) -> None:
    """Ask at a terminal whether to go on, and end the run if not; elsewhere `--yes` is needed.

    Args:
        question: The question.
        yes: It is answered already.
        details: A function that returns what to show before it.

    Raises:
        InvalidArgumentError: Nobody can be asked.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        message = f"{question} Nobody can answer here: give --yes to do it, or run it at a terminal."
        raise InvalidArgumentError(message, argument="yes")
    if details is not None:
        say(details())
    try:
        typer.confirm(question, err=True, abort=True)
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):  # typer ends as after a "no" otherwise
            raise KeyboardInterrupt from None
        raise
