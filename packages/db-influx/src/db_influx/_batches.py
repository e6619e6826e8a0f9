"""A long read in bounded memory: slices as wide as their rows allow.

How dense points lie is not known before they are read. So a slice that has too
many rows is given up and asked for again, narrower; one that has few makes the
next one wider.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_core.annotated_csv import Answer
    from db_influx._flux import Selection

__all__ = ["slices"]

_FIRST_WIDTH = 3_600 * 1_000_000_000  # nanoseconds
_MOST = 4  # times the rows wanted, before a slice is given up
_GROWTH = 8  # times as wide, at most, as the slice before


def slices(
    selection: Selection, rows: int, ask: Callable[[Selection, int | None], Answer | None]
) -> Iterator[Answer]:
    """Yield the answers of consecutive slices of about `rows` rows, those without any left out.

    Args:
        selection: What to read.
        rows: How many rows a slice should have; none has more than four times as many, unless they
            all share one timestamp.
        ask: Gives the answer to a selection, or None if it has more rows than the number beside it.
    """
    start, width = selection.start, _FIRST_WIDTH
    while start < selection.stop:
        width = min(width, selection.stop - start)
        limit = rows * _MOST if width > 1 else None
        answer = ask(replace(selection, start=start, stop=start + width), limit)
        if answer is None:
            width = max(1, width // _MOST)
            continue
        if answer.rows:
            yield answer
        start += width
        # Nine tenths of the rows wanted, as a slice with a few too many ends in a small frame.
        width = min(width * _GROWTH, width * rows * 9 // max(1, answer.rows * 10) + 1)
