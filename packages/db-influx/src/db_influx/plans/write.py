"""Points to the server, body by body, and which of them it refused.

Of a body the server takes what it can, and says how many points it does not,
but names only the first. Even that number is of one shard, which is a week, say:
it answers with the first shard's failure, and keeps to itself those of the others.
So only a 204 tells that points were stored. Writing a point again changes nothing,
as it carries its time; so a body with refused points is written again by halves,
until each part is taken, or refused whole. A refused row costs some thirty small
requests.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from db_core.errors import DatabaseError, Rejection, WriteError
from db_influx._points import Points, library
from db_influx._steps import Post, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_core.line_protocol import Encoder
    from db_influx._steps import Steps

__all__ = ["merged", "size_of", "write"]

_BODY_BYTES = 4 << 20
_VALUE = 20  # bytes of a value with its name, about
_MOST_REQUESTS = 500  # to find out which rows were refused
_MOST_NAMED = 3  # rejections in a message
_DROPPED = re.compile(r" ?dropped=(\d{1,18})\b")


def write(bucket: str, data: Any, points: Callable[[], Points]) -> Steps[None]:
    """Write all points that the server takes; what it refuses is an error in the end.

    Args:
        bucket: Name of the bucket.
        data: The frame.
        points: Makes the points of it.
    """
    size = size_of(data)
    sorted_out: Points = yield Work(points, size)
    lines: Encoder = yield Work(sorted_out.encoder, size)
    search = _Search(bucket, lines)
    accepted, row, status = 0, 0, None
    rejected: list[Rejection] = []
    while (made := (yield Work(partial(lines.body, _BODY_BYTES), _BODY_BYTES))) is not None:
        body, points_in_it = made
        refused: list[Rejection] = []
        stop = row + points_in_it
        try:
            if refusal := (yield from _refusal(bucket, body)):
                lost, reason, status = refusal
                # What is known if the search breaks.
                refused = [Rejection(row, stop, min(lost, points_in_it), reason)]
                refused = yield from search.narrow(row, stop, lost, reason)
        except DatabaseError as error:
            if not row and not refused:
                raise
            known = list(merged(rejected + refused)) if rejected or refused else []
            told = f"; {_message(known, len(lines))}" if known else ""
            after = refused[-1].stop if refused else row
            rest = Rejection(after, len(lines), len(lines) - after, f"not known to be written: {error}")
            unwritten = [*known, rest] if after < len(lines) else known
            raise WriteError(
                f"{accepted} of {len(lines)} points were written, then: {error}{told}",
                accepted=accepted,
                rejected=unwritten,
                frame=(yield Work(partial(_rows, data, unwritten), size)),
                status=getattr(error, "status", None),
            ) from error
        rejected += refused
        accepted += points_in_it - sum(one.stop - one.start for one in refused)
        row = stop
        del body, made
    if rejected:
        joined = list(merged(rejected))
        raise WriteError(
            _message(joined, len(lines)),
            accepted=accepted,
            rejected=joined,
            frame=(yield Work(partial(_rows, data, joined), size)),
            status=status,
        )


def size_of(data: Any) -> int:
    """Return about how many bytes of line protocol a frame becomes; much for a stream of unknown length."""
    match getattr(data, "shape", None):
        case (int(rows), int(columns)):
            return rows * columns * _VALUE
    return _BODY_BYTES


class _Search:
    """Finds refused rows, within a budget of requests."""

    def __init__(self, bucket: str, lines: Encoder) -> None:
        self._bucket = bucket
        self._lines = lines
        self._left = _MOST_REQUESTS

    def narrow(self, start: int, stop: int, lost: int, reason: str) -> Steps[list[Rejection]]:
        """Return the rejections among rows that lost at least so many points, one of them for this reason."""
        if lost >= stop - start or self._left <= 0:
            return [Rejection(start, stop, min(lost, stop - start), reason)]
        middle = (start + stop) // 2
        lost_before, reason_before = yield from self._again(start, middle)
        if not lost_before:
            return (yield from self.narrow(middle, stop, lost, reason))
        found = yield from self.narrow(start, middle, lost_before, reason_before)
        lost_after, reason = yield from self._again(middle, stop)
        if lost_after:
            found += yield from self.narrow(middle, stop, lost_after, reason)
        return found

    def _again(self, start: int, stop: int) -> Steps[tuple[int, str]]:
        """Write rows again; return how many points were lost, and the reason for the first."""
        self._left -= 1
        lines: bytes = yield Work(partial(self._lines.rows, start, stop), _BODY_BYTES)
        refusal = yield from _refusal(self._bucket, lines)
        return refusal[:2] if refusal else (0, "")


def _refusal(bucket: str, body: bytes) -> Steps[tuple[int, str, int | None] | None]:
    """Write a body; return how many points were lost at least, why, and the status, if any were."""
    try:
        yield Post(bucket, body)
    except WriteError as error:
        # The last one: a measurement's name before it may hold anything.
        found = list(_DROPPED.finditer(str(error)))
        if not found:
            raise
        return max(1, int(found[-1][1])), str(error)[: found[-1].start()], error.status
    return None


def merged(rejected: list[Rejection]) -> Iterator[Rejection]:
    """Join neighbours that are refused for the same reason; there is at least one."""
    last = rejected[0]
    for one in rejected[1:]:
        whole = last.points == last.stop - last.start and one.points == one.stop - one.start
        if whole and last.stop == one.start and last.reason == one.reason:
            last = Rejection(last.start, one.stop, last.points + one.points, last.reason)
        else:
            yield last
            last = one
    yield last


def _message(rejected: list[Rejection], points: int) -> str:
    lost = sum(one.points for one in rejected)
    least = "" if all(one.points == one.stop - one.start for one in rejected) else "at least "
    named = [
        f"row {one.start}: {one.reason}"
        if one.stop == one.start + 1
        else f"{one.points} of rows {one.start} to {one.stop - 1}: {one.reason}"
        for one in rejected[:_MOST_NAMED]
    ]
    more = len(rejected) - len(named)
    told = f"{'; '.join(named)}{f'; and {more} more' if more else ''}"
    return f"{least}{lost} of {points} points were refused: {told}"


def _rows(data: Any, rejected: list[Rejection]) -> Any:
    """Return the rejected rows of a pandas or polars frame or a pyarrow Table."""
    match library(data):
        case "pandas":
            return data.iloc[_numbers(rejected)]
        case "polars":
            return data[_numbers(rejected)]
        case "pyarrow" if hasattr(data, "slice"):
            import pyarrow as pa

            # Not `take`, which has not all types.
            parts = [data.slice(one.start, one.stop - one.start) for one in rejected]
            return pa.concat_tables(parts) if isinstance(data, pa.Table) else pa.concat_batches(parts)
    return None


def _numbers(rejected: list[Rejection]) -> list[int]:
    return [row for one in rejected for row in range(one.start, one.stop)]
