"""The rows that a write would lose: by faults of the frame, the bucket's retention or types of fields."""

from __future__ import annotations

from array import array
from functools import partial
from typing import TYPE_CHECKING, Any

from db_core.errors import InvalidArgumentError, NotFoundError, Rejection
from db_influx import _flux, _times
from db_influx._field_types import KINDS
from db_influx._points import unusable
from db_influx._steps import Ask, Work
from db_influx.plans.columns import TEXT, VALUE, columns
from db_influx.plans.frames import bytes_of
from db_influx.plans.write import merged, size_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_core.annotated_csv import Answer
    from db_influx._points import Points
    from db_influx._steps import Steps

__all__ = ["check_write"]

# A field has one type per shard, which is a week at most unless the bucket was made with longer ones.
_SHARD = 7 * 86_400 * 1_000_000_000

# The words of `Column.written` for the types in a frame.
_NAMES = {kind: name for name, kind in KINDS.items()} | {"uint64": "unsigned integer", "dictionary": "string"}


def check_write(bucket: str, data: Any, check: Callable[[], Points], now: int) -> Steps[list[Rejection]]:
    """Return the rows that would be refused or dropped; the server is asked only if the frame has no fault.

    Args:
        bucket: Name of the bucket.
        data: The frame.
        check: Checks the frame's layout and returns its points.
        now: Nanoseconds since the epoch.
    """
    size = size_of(data)
    rejected: list[Rejection]
    try:
        checked: Points = yield Work(check, size)
    except InvalidArgumentError as error:
        rejected = (yield Work(partial(unusable, data), size)) if error.argument == "data" else []
        if not rejected:
            raise
        return rejected
    rejected = yield Work(checked.problems, size)
    if not rejected and len(checked.frame):
        times, first, last = yield Work(partial(_times_of, checked), size)
        oldest, reason = yield from _oldest(bucket, now)
        rejected = yield Work(partial(_too_old, times, oldest, reason), size)
        rejected += yield from _conflicts(bucket, checked, first, last, size)
    rejected = yield Work(partial(merged, rejected), size)
    return rejected


def _times_of(points: Points) -> tuple[array[int], int, int]:
    """Return the times of all points, the first and the last."""
    times = array("q", points.encoder().times())
    return times, min(times), max(times)


def _oldest(bucket: str, now: int) -> Steps[tuple[int, str]]:
    """Ask since when the bucket keeps points; return that time, and the reason to refuse earlier ones."""
    [answer] = yield Ask([_flux.retention(bucket)], 1)
    kept = [
        nanos for rows, _ in columns(answer, retentionPeriod=("int64",)) for nanos in rows["retentionPeriod"]
    ]
    if not kept:
        message = f"bucket {bucket!r} not found"
        raise NotFoundError(message)
    oldest = now - kept[0] if kept[0] else _times.EARLIEST
    return oldest, f"older than the {kept[0] // 1_000_000_000} seconds that the bucket keeps"


def _too_old(times: array[int], oldest: int, reason: str) -> list[Rejection]:
    return [Rejection(row, row + 1, 1, reason) for row, time in enumerate(times) if time < oldest]


def _conflicts(bucket: str, points: Points, first: int, last: int, size: int) -> Steps[list[Rejection]]:
    """Compare the types of fields with those stored in the shards of the frame's times, or near them."""
    start, stop = max(_times.EARLIEST, first - _SHARD), min(_times.LATEST, last + _SHARD)
    selection = _flux.Selection(bucket, points.measurement, tuple(points.fields), (), start, stop)
    answers = yield Ask([_flux.newest(selection)], 1)
    stored: dict[str, set[str]] = yield Work(partial(_stored, *answers), bytes_of(answers))
    conflicts: list[Rejection] = yield Work(partial(_conflicting, points, stored), size)
    return conflicts


def _stored(answer: Answer) -> dict[str, set[str]]:
    """Return the types of each field's values."""
    stored: dict[str, set[str]] = {}
    for series, kinds in columns(answer, _field=TEXT, _value=VALUE):
        for field in set(series["_field"]):
            stored.setdefault(field, set()).add(_NAMES[kinds["_value"]])
    return stored


def _conflicting(points: Points, stored: dict[str, set[str]]) -> list[Rejection]:
    rejected = []
    fields = set(points.fields)
    for field, column in zip(points.frame.columns, points.frame.batch.columns(), strict=True):
        types = stored.get(field, set())
        if types and field in fields and (written := column.written()) and written[0] not in types:
            name, values = written
            reason = f"column {field!r}: {name}, where the bucket holds {' and '.join(sorted(types))}"
            rejected.append(Rejection(0, len(points.frame), values, reason))
    return rejected
