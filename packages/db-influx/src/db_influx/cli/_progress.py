"""How far a long command is, on stderr, where that is a terminal."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_influx import Progress

__all__ = ["Told", "bar"]


class Told:
    """Takes the progress of a call, and passes it to the display."""

    def __init__(self) -> None:
        self.show: Callable[[float | None, int], None] = lambda _, __: None

    def __call__(self, progress: Progress) -> None:
        self.show(progress.share, progress.rows)


@contextmanager
def bar(
    what: str, unit: str = "rows", *, wanted: bool = True
) -> Iterator[Callable[[float | None, int], None]]:
    """Show how much is done, how fast it goes, and how long it will take.

    Args:
        what: The work, such as "Reading".
        unit: The unit of the counts.
        wanted: Whether to show anything at all.

    Returns:
        A function that is called with the share that is done, from 0.0 to 1.0 or None if it is not known, and
        the count.
    """
    if not wanted or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _, __: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[count]:,} {task.fields[unit]}"),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None, count=0, rate=0.0, unit=unit)

        def show(share: float | None, count: int) -> None:
            elapsed = progress.tasks[0].elapsed or 0.0
            rate = count / elapsed if elapsed else 0.0
            total = None if share is None else 1.0
            progress.update(task, total=total, completed=share or 0.0, count=count, rate=rate)

        yield show
