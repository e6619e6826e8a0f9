"""What a write would meet: faults of the frame, the bucket's retention, and the types it already holds."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from db_core.errors import NotFoundError, Rejection
from db_influx import _flux, _times
from db_influx._fetch import TEXT, VALUE, columns
from db_influx._writing import merged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from db_core.annotated_csv import Answer
    from db_influx._flux import Query
    from db_influx._points import Points

__all__ = ["preview"]

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


def preview(
    ask: Callable[[Sequence[Query]], list[Answer]], bucket: str, points: Points, now: int
) -> list[Rejection]:
    """Give what would be refused or dropped; the server is asked only if the frame has no fault itself."""
    found = points.problems()
    if not found and len(points.frame):
        times = array("q", points.encoder().times())
        found = [*_too_old(ask, bucket, times, now), *_conflicts(ask, bucket, points, times)]
    return list(merged(found)) if found else []


def _too_old(
    ask: Callable[[Sequence[Query]], list[Answer]], bucket: str, times: array[int], now: int
) -> Iterator[Rejection]:
    [answer] = ask([_flux.retention(bucket)])
    found = columns(answer, retentionPeriod=("int64",))
    kept = [nanos for buckets, _ in found for nanos in buckets["retentionPeriod"]]
    if not kept:
        message = f"bucket {bucket!r} not found"
        raise NotFoundError(message)
    if kept[0]:
        oldest = now - kept[0]
        reason = f"older than the {kept[0] // 1_000_000_000} seconds that the bucket keeps"
        for row, time in enumerate(times):
            if time < oldest:
                yield Rejection(row, row + 1, 1, reason)


def _conflicts(
    ask: Callable[[Sequence[Query]], list[Answer]], bucket: str, points: Points, times: array[int]
) -> Iterator[Rejection]:
    """Compare the types of fields with those stored in the shards of the frame's times, or near them."""
    fields = points.fields
    start = max(_times.EARLIEST, min(times) - _SHARD)
    stop = min(_times.LATEST, max(times) + _SHARD)
    selection = _flux.Selection(bucket, points.measurement, tuple(fields), (), start, stop)
    [answer] = ask([_flux.newest(selection)])
    stored: dict[str, set[str]] = {}
    for series, kinds in columns(answer, _field=TEXT, _value=VALUE):
        for field in set(series["_field"]):
            stored.setdefault(field, set()).add(kinds["_value"])
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
            yield Rejection(0, rows, values, reason)
