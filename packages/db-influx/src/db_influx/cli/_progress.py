"""How far a long command is, on stderr, where that is a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["rows_done"]


@contextmanager
def rows_done(what: str, *, wanted: bool = True) -> Iterator[Callable[[int], None]]:
    """Show how many rows are done, and how many a second.

    Args:
        what: What is being done, as "Reading".
        wanted: Whether to show anything at all.

    Returns:
        A function that is called with the number of each further rows.
    """
    if not wanted or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,} rows"),
        TextColumn("{task.fields[rate]} rows/s"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None, rate="0")

        def advance(rows: int) -> None:
            progress.advance(task, rows)
            now = progress.tasks[0]
            elapsed = now.elapsed or 0
            progress.update(task, rate=f"{now.completed / elapsed:,.0f}" if elapsed else "0")

        yield advance
