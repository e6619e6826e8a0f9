"""Consumption from the running totals of meters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from db_core import _native
from db_core.errors import InvalidArgumentError
from db_core.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["meter_differences"]


def meter_differences(values: object, *, keys: Sequence[str] | None = None) -> Frame:
    """Difference of consecutive totals, within each series.

    Args:
        values: A `Frame`, a pandas DataFrame, or any frame with Arrow's PyCapsule protocol.
        keys: Columns carried along; None is a `Frame`'s index, else none. Those of strings tell
            series apart, whose rows stand together; within a series, rows are in order of time.

    Returns:
        The same columns; each but the keys holds its total less the last total before it in the
        same series, in the total's unit. float64 stays float64; int64 and uint64 become int64. A
        row without a total is null, and the next counts from the last total known; the first total
        of a series is null.

    Raises:
        InvalidArgumentError: A key is no column, a column is not a number, or an integer difference
            exceeds 64 bits.
    """
    frame = Frame.of(values)
    missing = [key for key in keys or () if key not in frame.columns]
    if missing:
        message = f"`keys`: there is no column {missing[0]!r}; there are {', '.join(frame.columns)}"
        raise InvalidArgumentError(message, argument="keys")
    if keys is None:
        # By position, since a field may have a tag's name.
        positions = list(range(len(frame.index)))
    else:
        positions = [position for position, name in enumerate(frame.columns) if name in keys]
    return frame.derive(_native.differences(frame.batch, keys=positions))
