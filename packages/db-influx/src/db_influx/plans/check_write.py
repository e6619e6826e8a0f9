"""What a write would meet: faults of the frame, the bucket's retention, and the types it already holds."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from db_core.errors import NotFoundError, Rejection
from db_influx import _flux, _times
from db_influx._steps import Ask, Work
from db_influx.plans.columns import TEXT, VALUE, columns
from db_influx.plans.write import merged, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx._points import Points
    from db_influx._steps import Steps

__all__ = ["check_write"]

# A shard is a week at most, unless its bucket was made with longer ones; in it a field has one type.
_SHARD = 7 * 86_400 * 1_000_000_000

_NAMES = {
    "float64": "float",
    "int64": "integer",
    "uint64": "unsigned integer",
    "bool": "boolean",
    "string": "string",
    "dictionary": "string",
}


def check_write(bucket: str, data: Any, points: Callable[[], Points], now: int) -> Steps[list[Rejection]]:
    """Return what would be refused or dropped; the server is asked only if the frame has no fault itself.

    Args:
        bucket: Name of the bucket.
        data: The frame.
        points: Makes the points of it.
        now: Nanoseconds since the epoch.
    """
    size = size_of(data)
    sorted_out: Points = yield Work(points, size)
    found = yield Work(sorted_out.problems, size)
    if not found and len(sorted_out.frame):
        times = array("q", (yield Work(lambda: sorted_out.encoder().times(), size)))
        found = [
            *(yield from _too_old(bucket, times, now)),
            *(yield from _conflicts(bucket, sorted_out, times)),
        ]
    return list(merged(found)) if found else []


def _too_old(bucket: str, times: array[int], now: int) -> Steps[list[Rejection]]:
    [answer] = yield Ask([_flux.retention(bucket)], 1)
    found = columns(answer, retentionPeriod=("int64",))
    kept = [nanos for buckets, _ in found for nanos in buckets["retentionPeriod"]]
    if not kept:
        message = f"bucket {bucket!r} not found"
        raise NotFoundError(message)
    if not kept[0]:
        return []
    oldest = now - kept[0]
    reason = f"older than the {kept[0] // 1_000_000_000} seconds that the bucket keeps"
    return [Rejection(row, row + 1, 1, reason) for row, time in enumerate(times) if time < oldest]


def _conflicts(bucket: str, points: Points, times: array[int]) -> Steps[list[Rejection]]:
    """Compare the types of fields with those stored in the shards of the frame's times, or near them."""
    fields = points.fields
    start = max(_times.EARLIEST, min(times) - _SHARD)
    stop = min(_times.LATEST, max(times) + _SHARD)
    selection = _flux.Selection(bucket, points.measurement, tuple(fields), (), start, stop)
    [answer] = yield Ask([_flux.newest(selection)], 1)
    stored: dict[str, set[str]] = {}
    for series, kinds in columns(answer, _field=TEXT, _value=VALUE):
        for field in set(series["_field"]):
            stored.setdefault(field, set()).add(kinds["_value"])
    rejected = []
    rows = len(points.frame)
    held = dict(zip(points.frame.columns, points.frame.batch.columns(), strict=True))
    for field in fields:
        others = sorted(_NAMES.get(other, other) for other in stored.get(field, set()))
        written = held[field].written()
        if written is None:
            continue
        name, values = written
        if others and name not in others:
            reason = f"column {field!r}: {name}, where the bucket holds {' and '.join(others)}"
            rejected.append(Rejection(0, rows, values, reason))
    return rejected
