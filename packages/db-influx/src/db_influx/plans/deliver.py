"""What a writer does about a batch: send it and find the refused points, or keep it in the spool."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from db_core.errors import UnwrittenPoint, WriteError
from db_core.line_protocol import split_lines
from db_influx._outbox import Keep, Outcome, Resend
from db_influx._steps import Work
from db_influx.plans import write

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx._outbox import Job
    from db_influx._spool import Spool
    from db_influx._steps import Steps

__all__ = ["deliver"]

_ON_DISK = 1 << 20  # the size of work that waits for a disk: it never holds up a loop
# What the server says about lines that it can't parse, and about bodies that are too long for it.
_OF_LINES = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)


def deliver(
    job: Job, bucket: str, spool: Spool | None, on_refused: Callable[[UnwrittenPoint], object] | None
) -> Steps[Outcome]:
    """Do a job, and return the refused points that `on_refused` was not told of."""
    if isinstance(job, Keep):
        yield Work(partial(_of(spool).put, job.body), _ON_DISK)
        return Outcome([])
    if not isinstance(job, Resend):
        return _told((yield from _send(bucket, job.body)), on_refused)
    body: bytes = yield Work(partial(_of(spool).read, job.name), _ON_DISK)
    outcome = _told((yield from _send(bucket, body)), on_refused)
    yield Work(partial(_of(spool).remove, job.name), _ON_DISK)
    return outcome


def _of(spool: Spool | None) -> Spool:
    if spool is None:
        raise TypeError("a job for a spool, and there is none")
    return spool


def _send(bucket: str, body: bytes) -> Steps[list[UnwrittenPoint]]:
    """Write a batch; return the points that the server refused."""
    answer = yield from _refusal(bucket, body)
    if answer is None:
        return []
    lost, reason, _ = answer
    lines = _Lines((yield Work(partial(split_lines, body), len(body))))
    rejected = yield from write.Search(lines, partial(_refusal, bucket)).narrow(
        0, len(lines.lines), lost, reason
    )
    refused = []
    for one in rejected:
        of_all = one.stop - one.start
        least = f" (at least {one.points} of {of_all} points with this one)" if one.points < of_all else ""
        texts = [line.decode().removesuffix("\n") for line in lines.lines[one.start : one.stop]]
        refused += [UnwrittenPoint(text, f"{one.reason}{least}") for text in texts]
    return refused


class _Lines:
    """The lines of a batch."""

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines

    def rows(self, start: int, stop: int) -> bytes:
        return b"".join(self.lines[start:stop])


def _refusal(bucket: str, body: bytes) -> Steps[write.Refusal]:
    """Write a body; return as `write.refusal`, also where one line had all of it refused."""
    try:
        return (yield from write.refusal(bucket, body))
    except WriteError as error:
        if error.status not in _OF_LINES:
            raise
        return 1, str(error).partition("\n")[0], error.status


def _told(refused: list[UnwrittenPoint], on_refused: Callable[[UnwrittenPoint], object] | None) -> Outcome:
    """Tell of each point; return those that could not be told of, and why."""
    if on_refused is None:
        return Outcome(refused)
    problem = None
    untold = []
    for one in refused:
        try:
            on_refused(one)
        except Exception as error:  # noqa: BLE001 - the next flush raises it
            problem = problem or error
            untold.append(one)
    return Outcome(untold, problem)
