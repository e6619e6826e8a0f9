"""Filters of Spark that leave out rows already at the server: on the time, and on values of tags.

Spark applies all of them again, so that what remains here may have more rows than it needs, and no fewer.
Its times are whole microseconds: the nanoseconds of a row, cut off. So each comparison of these is
a half-open range of nanoseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from pyspark.sql.datasource import (
    EqualNullSafe,
    EqualTo,
    GreaterThan,
    GreaterThanOrEqual,
    In,
    LessThan,
    LessThanOrEqual,
)

from db_core.errors import InvalidArgumentError
from db_influx import _times
from db_influx.spark._arrow import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyspark.sql.datasource import Filter

    from db_influx._partition import Partition

__all__ = ["narrowed"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_Range: TypeAlias = "tuple[int | None, int | None]"
# What a comparison leaves: from so many units after its value on, and before so many units after it.
_BOUNDS: dict[type, _Range] = {
    EqualTo: (0, 1),
    EqualNullSafe: (0, 1),
    GreaterThan: (1, None),
    GreaterThanOrEqual: (0, None),
    LessThan: (None, 0),
    LessThanOrEqual: (None, 1),
}


def narrowed(partitions: Iterable[Partition], filters: Iterable[Filter]) -> list[Partition]:
    """Return the partitions without the rows for which a filter is false.

    Args:
        partitions: The partitions of one read.
        filters: All of them must be true of a row.
    """
    remaining = list(partitions)
    for one in filters:
        names: tuple[str, ...] = getattr(one, "attribute", ())
        if not remaining or len(names) != 1:
            continue
        [name], layout = names, remaining[0].layout
        if name in layout.tags:
            values = _values(one)
            if values is not None:
                remaining = _having(remaining, name, values)
        elif name == "time" or (name == EXACT and EXACT not in layout.schema):
            remaining = _during(remaining, _range(one))
    return remaining


def _range(one: Filter) -> _Range:
    """Return the nanoseconds, half-open, that a filter on the time leaves."""
    value = getattr(one, "value", None)
    if isinstance(value, datetime):
        nanos, unit = (value - _EPOCH) // _MICROSECOND * 1_000, 1_000
    elif isinstance(value, int):
        nanos, unit = value, 1
    else:
        return None, None
    start, stop = _BOUNDS.get(type(one), (None, None))
    return None if start is None else nanos + start * unit, None if stop is None else nanos + stop * unit


def _values(one: Filter) -> list[str] | None:
    """Return the values of a tag that a filter leaves, null excluded; None if these are not known."""
    match one:
        case EqualTo(_, str(value)) | EqualNullSafe(_, str(value)):
            values = [value]
        case In(_, listed) if all(value is None or isinstance(value, str) for value in listed):
            values = [value for value in listed if value is not None]  # nothing equals null
        case _:
            return None
    return [value for value in values if value]  # no tag is an empty text


def _during(partitions: Sequence[Partition], within: _Range) -> list[Partition]:
    """Return the partitions within nanoseconds, which may lie outside of the times that InfluxDB has."""
    start, stop = within
    left = []
    for one in partitions:
        first, last = one.earliest.value, one.latest.value
        if (start is not None and start > last) or (stop is not None and stop <= first):
            continue
        begin = None if start is None or start <= first else _times.time_literal(start)
        end = None if stop is None or stop > last else _times.time_literal(stop)
        if (part := one.narrowed(begin, end)) is not None:
            left.append(part)
    return left


def _having(partitions: Sequence[Partition], tag: str, values: Sequence[str]) -> list[Partition]:
    """Return the partitions for the rows whose tag has one of the values."""
    if not values:
        return []
    try:
        parts = [one.narrowed(tags={tag: values}) for one in partitions]
    except InvalidArgumentError:  # a tag that no query can ask for
        return list(partitions)
    return [one for one in parts if one is not None]
