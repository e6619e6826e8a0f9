"""What several methods share: the points that a call is about, and the words for what a method returns."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from db_influx import _arguments, _flux, _times

if TYPE_CHECKING:
    from collections.abc import Iterable

    from db_influx._flux import Selection, Tags
    from db_influx._options import Edge
    from db_influx._times import Instant

__all__ = [
    "EVERY",
    "LABELS",
    "MINUTE",
    "Framed",
    "FramedIterator",
    "FramedOrList",
    "Manager",
    "Newest",
    "in_range",
    "selected",
]

# The result of a method, if arguments decide on its type. `tools/stub.py` writes the types for type checkers.
Framed: TypeAlias = Any  # a frame of the kind that `into` names
FramedIterator: TypeAlias = Any  # an iterator of these
FramedOrList: TypeAlias = Any  # one, or with `split` a list of these
Newest: TypeAlias = "dict[str, Any]"  # values, or with `with_time` pairs of time and value

# What a method takes; `tools/stub.py` knows how.
Manager: TypeAlias = Any  # a manager of the same class, with any kind of frames

EVERY: Any = object()  # in place of names: every field
LABELS: tuple[Edge, ...] = ("start", "stop")
MINUTE = timedelta(minutes=1)


def in_range(
    start: Instant,
    stop: Instant | None,
    measurement: str,
    fields: str | Iterable[str],
    bucket: str,
    tags: Tags | None,
    tz: str,
) -> Selection:
    """Return the points of a range, its arguments checked."""
    begin, end = _times.time_range(start, stop, time.time_ns(), tz)
    return selected(begin, end, _arguments.text(measurement, "msname"), fields, bucket, tags)


def selected(
    start: int, stop: int, measurement: str, fields: str | Iterable[str], bucket: str, tags: Tags | None
) -> Selection:
    """Return the points of a range in nanoseconds, its other arguments checked."""
    return _flux.Selection(
        bucket=_arguments.text(bucket, "bucket"),
        measurement=_arguments.text(measurement, "measurement"),
        fields=None if fields is EVERY else _arguments.names(fields, "fields"),
        tags=_flux.conditions(tags),
        start=start,
        stop=stop,
    )
