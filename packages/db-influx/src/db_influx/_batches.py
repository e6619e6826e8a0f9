"""A long read in bounded memory: slices as wide as their rows, and the bytes of these, allow.

How dense points lie, and how long their texts are, is not known before they are
read. So a slice that has too many rows or bytes is given up and asked for again,
narrower; one that has few makes the next one wider.
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
_MOST_ROOM = 2  # times the bytes, before a slice is given up
_GROWTH = 8  # times as wide, at most, as the slice before


def slices(
    selection: Selection,
    rows: int,
    room: int,
    ask: Callable[[Selection, tuple[int, int] | None], tuple[Answer, int] | None],
) -> Iterator[Answer]:
    """Yield the answers of consecutive slices of about `rows` rows, or of fewer whose text fills the room.

    Slices without any row are left out.

    Args:
        selection: What to read.
        rows: How many rows a slice should have; none has more than four times as many, unless they
            all share one timestamp.
        room: How many bytes the text of a slice should have at most; none has more than twice as many, unless
            its rows share one timestamp.
        ask: Gives the answer to a selection and the bytes of its text, or None if it has more rows or bytes
            than the numbers beside it.
    """
    start, width = selection.start, _FIRST_WIDTH
    while start < selection.stop:
        width = min(width, selection.stop - start)
        limits = (rows * _MOST, room * _MOST_ROOM) if width > 1 else None
        found = ask(replace(selection, start=start, stop=start + width), limits)
        if found is None:
            width = max(1, width // _MOST)
            continue
        answer, size = found
        held = answer.rows
        if held:
            yield answer  # which uses it up
        del answer, found
        start += width
        # Nine tenths of the rows wanted, as a slice with a few too many ends in a small frame.
        by_rows = width * rows * 9 // max(1, held * 10)
        by_room = width * room * 9 // max(1, size * 10)
        width = min(width * _GROWTH, by_rows + 1, by_room + 1)
