"""Writes of points, body by body, and the search for the rows that the server refused.

The server stores the points of a body that it can, and answers with the number of
those that it refused, but names only the first. Even that number is of one shard, such
as a week: the failures of other shards are not in the answer. So only a 204 proves that
points were stored. Writing a point again changes nothing, as it carries its time. So
a body with refused points is written again by halves, until each part is stored or
refused whole. A refused row costs some thirty small requests.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from db_core.errors import DatabaseError, Rejection, WriteError
from db_influx._points import Points, library
from db_influx._steps import Post, Report, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_core.line_protocol import Encoder
    from db_influx._steps import Steps

__all__ = ["Search", "merged", "refusal", "size_of", "write"]

_BODY_BYTES = 4 << 20
_VALUE = 20  # bytes of a value with its name, about
_MOST_REQUESTS = 500  # to find the refused rows of a write
_MOST_NAMED = 3  # rejections in a message
# How many points were refused at least, the first's reason, and the status; None if all were written.
Refusal: TypeAlias = tuple[int, str, int | None] | None
_DROPPED = re.compile(r" ?dropped=(\d{1,18})\b")


def write(bucket: str, data: Any, check: Callable[[], Points]) -> Steps[None]:
    """Write all points that the server takes; raise an error in the end if it refused any.

    Args:
        bucket: Name of the bucket.
        data: The frame.
        check: Checks the frame's layout and returns its points.
    """
    size = size_of(data)
    checked: Points = yield Work(check, size)
    lines: Encoder = yield Work(checked.encoder, size)
    search = Search(lines, partial(refusal, bucket))
    accepted, row, status = 0, 0, None
    rejected: list[Rejection] = []
    bodies: list[tuple[bytes, int]] = []

    def encode() -> None:
        if (encoded := lines.body(_BODY_BYTES)) is not None:
            bodies.append(encoded)

    yield Report(of_rows=len(lines))
    yield Work(encode, _BODY_BYTES)
    while bodies:
        body, count = bodies.pop()
        refused: list[Rejection] = []
        stop = row + count
        meanwhile = encode if stop < len(lines) else None
        try:
            if answer := (yield from refusal(bucket, body, count, meanwhile)):
                lost, reason, status = answer
                # In case the search fails.
                refused = [Rejection(row, stop, min(lost, count), reason)]
                refused = yield from search.narrow(row, stop, lost, reason)
        except DatabaseError as error:
            if not row and not refused:
                raise
            unwritten = merged(rejected + refused)
            refusals = f"; {_message(unwritten, len(lines))}" if unwritten else ""
            after = refused[-1].stop if refused else row
            if after < len(lines):
                reason = f"not known to be written: {error}"
                unwritten.append(Rejection(after, len(lines), len(lines) - after, reason))
            raise WriteError(
                f"{accepted} of {len(lines)} points were written. Then the write failed: {error}{refusals}",
                accepted=accepted,
                rejected=unwritten,
                frame=(yield Work(partial(_rows, data, unwritten), size)),
                status=getattr(error, "status", None),
            ) from error
        rejected += refused
        accepted += count - sum(one.stop - one.start for one in refused)
        row = stop
        del body
        yield Report(count, 1)
    if rejected:
        rejected = merged(rejected)
        raise WriteError(
            _message(rejected, len(lines)),
            accepted=accepted,
            rejected=rejected,
            frame=(yield Work(partial(_rows, data, rejected), size)),
            status=status,
        )


def size_of(data: Any) -> int:
    """Return about how many bytes of line protocol a frame becomes; much for a stream of unknown length."""
    match getattr(data, "shape", None):
        case (int(rows), int(columns)):
            return rows * columns * _VALUE
    return _BODY_BYTES


class Lines(Protocol):
    """The lines of points."""

    def rows(self, start: int, stop: int) -> bytes:
        """Return some of them."""


class Search:
    """Search for refused rows, with a limited number of requests."""

    def __init__(self, lines: Lines, write: Callable[[bytes, int], Steps[Refusal]]) -> None:
        self._lines = lines
        self._write = write
        self._left = _MOST_REQUESTS

    def narrow(self, start: int, stop: int, lost: int, reason: str) -> Steps[list[Rejection]]:
        """Find the refused rows among rows with at least `lost` refused points, one of them for `reason`."""
        if lost >= stop - start or self._left <= 0:
            return [Rejection(start, stop, min(lost, stop - start), reason)]
        middle = (start + stop) // 2
        lost_before, reason_before = yield from self._again(start, middle)
        if not lost_before:
            return (yield from self.narrow(middle, stop, lost, reason))
        rejected = yield from self.narrow(start, middle, lost_before, reason_before)
        lost_after, reason = yield from self._again(middle, stop)
        if lost_after:
            rejected += yield from self.narrow(middle, stop, lost_after, reason)
        return rejected

    def _again(self, start: int, stop: int) -> Steps[tuple[int, str]]:
        """Write rows again; return how many points were refused, and the reason for the first."""
        self._left -= 1
        lines: bytes = yield Work(partial(self._lines.rows, start, stop), _BODY_BYTES)
        answer = yield from self._write(lines, stop - start)
        return answer[:2] if answer else (0, "")


def refusal(
    bucket: str, body: bytes, rows: int | None, meanwhile: Callable[[], None] | None = None
) -> Steps[Refusal]:
    """Write a body; if points were refused, return how many at least, the first's reason, and the status."""
    try:
        yield Post(bucket, body, rows, meanwhile)
    except WriteError as error:
        # The last one, since the name of a measurement before it may look the same.
        dropped = list(_DROPPED.finditer(str(error)))
        if not dropped:
            raise
        return max(1, int(dropped[-1][1])), str(error)[: dropped[-1].start()], error.status
    return None


def merged(rejected: list[Rejection]) -> list[Rejection]:
    """Join neighbours that are refused for the same reason."""
    joined = rejected[:1]
    for one in rejected[1:]:
        last = joined[-1]
        is_whole = _is_whole(last) and _is_whole(one)
        if is_whole and last.stop == one.start and last.reason == one.reason:
            joined[-1] = Rejection(last.start, one.stop, last.points + one.points, last.reason)
        else:
            joined.append(one)
    return joined


def _is_whole(one: Rejection) -> bool:
    return one.points == one.stop - one.start


def _message(rejected: list[Rejection], points: int) -> str:
    lost = sum(one.points for one in rejected)
    least = "" if all(map(_is_whole, rejected)) else "at least "
    named = [
        f"row {one.start}: {one.reason}"
        if one.stop == one.start + 1
        else f"{one.points} of rows {one.start} to {one.stop - 1}: {one.reason}"
        for one in rejected[:_MOST_NAMED]
    ]
    if len(rejected) > len(named):
        named.append(f"and {len(rejected) - len(named)} more")
    return f"{least}{lost} of {points} points were refused: {'; '.join(named)}"


def _rows(data: Any, rejected: list[Rejection]) -> Any:
    """Return the rejected rows of a pandas or polars frame or a pyarrow Table."""
    match library(data):
        case "pandas":
            return data.iloc[_numbers(rejected)]
        case "polars":
            return data[_numbers(rejected)]
        case "pyarrow" if hasattr(data, "slice"):
            import pyarrow as pa

            # Not by `take`, which lacks some types.
            parts = [data.slice(one.start, one.stop - one.start) for one in rejected]
            return pa.concat_tables(parts) if isinstance(data, pa.Table) else pa.concat_batches(parts)
    return None


def _numbers(rejected: list[Rejection]) -> list[int]:
    return [row for one in rejected for row in range(one.start, one.stop)]
