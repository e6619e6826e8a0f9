"""What a writer does about a batch: send it and find the refused points, or keep it in the spool."""

from __future__ import annotations

import inspect
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
        return _told((yield from _send(bucket, job.body, job.rows)), on_refused)
    body: bytes = yield Work(partial(_of(spool).read, job.name), _ON_DISK)
    outcome = _told((yield from _send(bucket, body, None)), on_refused)
    yield Work(partial(_of(spool).remove, job.name), _ON_DISK)
    return outcome


def _of(spool: Spool | None) -> Spool:
    if spool is None:
        raise TypeError("a job for a spool, and there is none")
    return spool


def _send(bucket: str, body: bytes, rows: int | None) -> Steps[list[UnwrittenPoint]]:
    """Write a batch of so many points; return the points that the server refused."""
    try:
        answer = yield from write.refusal(bucket, body, rows)
    except WriteError as error:
        if _is_of_all(error):
            return (yield from _apart(bucket, body, error))
        answer = _of_lines(error)
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


def _is_of_all(error: WriteError) -> bool:
    """Tell whether no line of a body was stored, for some that the server can't parse or for its length."""
    return error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE or "unable to parse '" in str(error)


def _apart(bucket: str, body: bytes, error: WriteError) -> Steps[list[UnwrittenPoint]]:
    """Write the points of a body that the server accepts, after it accepted none; return as `_send`."""
    refused: list[UnwrittenPoint]
    refused, rest = yield Work(partial(_unparsable, body, str(error)), len(body))
    if refused:
        return refused + ((yield from _send(bucket, b"".join(rest), len(rest))) if rest else [])
    lines: list[bytes] = yield Work(partial(split_lines, body), len(body))
    if len(lines) == 1:
        return [UnwrittenPoint(body.decode().removesuffix("\n"), str(error))]
    # Too long, or its lines' errors were too many for one answer.
    for half in (lines[: len(lines) // 2], lines[len(lines) // 2 :]):
        refused += yield from _send(bucket, b"".join(half), len(half))
    return refused


def _unparsable(body: bytes, message: str) -> tuple[list[UnwrittenPoint], list[bytes]]:
    """Return the lines that the server says it can't parse, and the others.

    The server names each of them, in their order. If its message is cut off, none are returned.
    """
    refused, rest, at = [], [], 0
    for line in split_lines(body):
        text = line.decode().removesuffix("\n")
        start = f"unable to parse '{text}': "
        if message.startswith(start, at):
            end = message.find("\n", at + len(start))
            reason = message[at:] if end < 0 else message[at:end]
            refused.append(UnwrittenPoint(text, reason))
            at += len(reason) + 1
        else:
            rest.append(line)
    return (refused, rest) if at > len(message) else ([], [])


class _Lines:
    """The lines of a batch."""

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines

    def rows(self, start: int, stop: int) -> bytes:
        return b"".join(self.lines[start:stop])


def _refusal(bucket: str, body: bytes, rows: int) -> Steps[write.Refusal]:
    """Write a body; return as `write.refusal`, also where one line had all of it refused."""
    try:
        return (yield from write.refusal(bucket, body, rows))
    except WriteError as error:
        return _of_lines(error)


def _of_lines(error: WriteError) -> write.Refusal:
    if error.status not in _OF_LINES:
        raise error
    return 1, str(error).partition("\n")[0], error.status


def _told(refused: list[UnwrittenPoint], on_refused: Callable[[UnwrittenPoint], object] | None) -> Outcome:
    """Tell of each point; return those that could not be told of, and why."""
    if on_refused is None:
        return Outcome(refused)
    problem: BaseException | None = None
    untold = []
    for one in refused:
        try:
            answer = on_refused(one)
        except BaseException as error:  # noqa: BLE001 - also a SystemExit; the next flush raises it
            problem = problem or error
            untold.append(one)
            continue
        if inspect.iscoroutine(answer):
            answer.close()
            problem = problem or TypeError("`on_refused` must not be async, as nothing awaits it")
            untold.append(one)
    return Outcome(untold, problem)
