"""`Outbox`: the points that a writer has not delivered yet, and the next job for them.

It waits for nothing and sends nothing. A writer asks for the next job, does it, and reports the result.
"""

from __future__ import annotations

import random
import time
from collections import deque
from itertools import starmap
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from db_core.errors import (
    AuthenticationError,
    DatabaseError,
    NotFoundError,
    OperationTimeoutError,
    UnwrittenPoint,
    WriteError,
)
from db_core.line_protocol import split_lines
from db_influx._arguments import invalid
from db_influx._spool import DamagedFileError

if TYPE_CHECKING:
    from db_core.line_protocol import PointEncoder
    from db_influx._spool import Spool

__all__ = ["PIECE", "Job", "Keep", "Limits", "Outbox", "Outcome", "Resend", "Send"]

PIECE = 1 << 16  # bytes of a frame that are added at once
_FIRST_PAUSE = 1.0  # seconds, at most, after a batch could not be sent; twice as long after each next time
_LONGEST_PAUSE = 30.0
_MOST_NAMED = 3  # reasons in a message


class Limits(NamedTuple):
    """When a batch is sent, and how much may wait.

    Attributes:
        max_rows, max_bytes: A batch with so many points or bytes is sent.
        max_seconds: A batch is sent so long after its first point.
        max_buffer: Bytes that wait to be sent before `write` waits too.
    """

    max_rows: int
    max_seconds: float
    max_bytes: int
    max_buffer: int


class Send(NamedTuple):
    """Send a batch of so many points."""

    body: bytes
    rows: int


class Keep(NamedTuple):
    """Put a batch into the spool."""

    body: bytes


class Resend(NamedTuple):
    """Send a file of the spool, and remove it."""

    name: str


Job: TypeAlias = Send | Keep | Resend


class Outcome(NamedTuple):
    """The result of a batch: refused points that the caller does not know yet, and why telling it failed."""

    unwritten: list[UnwrittenPoint]
    problem: BaseException | None = None


class Outbox:
    """Points that gather, batches that wait, and what became of those that went out, in order.

    Attributes:
        is_blocked: No point can be added: the writer is closed, or too much waits.
        settled: How many batches the server has stored, or the spool has on the disk.
        failures: How many times a batch could not be delivered.
        error: What the last attempt to deliver failed with; None if it did not.
        closed: Why no more points are taken; None while they are.
    """

    def __init__(self, encoder: PointEncoder, limits: Limits, spool: Spool | None) -> None:
        self._encoder = encoder
        self._limits = limits
        self._spool = spool
        self._waiting: deque[tuple[bytes, int]] = deque()  # each with the number of its points
        self._size = 0  # bytes of what waits, and of the points that nobody was told of
        self._oldest: float | None = None  # when the first of the gathered points was added
        self._send_at = self._keep_at = 0.0
        self._longest = _FIRST_PAUSE
        self._away: Exception | None = None  # why the last batch could not be sent, if it could not
        self._failure: Exception | None = None  # the last one that `flush` raises
        self._unwritten: list[UnwrittenPoint] = []
        self._problem: BaseException | None = None  # the first one of `on_refused`
        self._damaged: list[DamagedFileError] = []
        self.is_blocked = False
        self.settled = 0
        self.failures = 0
        self.error: Exception | None = None
        self.closed: str | None = None

    # Points come

    def add(self, point: dict[str, Any] | str) -> bool:
        """Add a point or lines of text; return whether there is something to do that there was not."""
        now = time.time_ns()
        if type(point) is dict:
            is_enough = self._encoder.add(point, now)
        else:
            try:
                is_enough = self._encoder.add_text(point, now)  # type: ignore[arg-type]
            except UnicodeEncodeError as error:
                raise invalid("data", f"is not valid Unicode: {error}") from error
        return (is_enough or self._oldest is None) and self._added(is_enough=is_enough)

    def add_lines(self, lines: bytes, rows: int) -> bool:
        """Add lines of a frame; return as for `add`."""
        return self._added(is_enough=self._encoder.add_lines(lines, rows))

    def _added(self, *, is_enough: bool) -> bool:
        if self._oldest is None and len(self._encoder):
            self._oldest = time.monotonic()
        if is_enough:
            self.cut()
        return True

    def cut(self) -> int:
        """Make a batch of the gathered points; return how many batches there have been."""
        if len(self._encoder):
            # In one step: between two of them, a signal such as Ctrl-C may raise an error.
            self._waiting.extend(starmap(self._encoder.take, [()]))
            self._grow(len(self._waiting[-1][0]))
        self._oldest = None
        return self.settled + len(self._waiting)

    def _grow(self, size: int) -> None:
        self._size += size
        self.is_blocked = self.closed is not None or self._size >= self._limits.max_buffer

    def close(self, reason: str) -> None:
        """Take no more points."""
        self.closed = reason
        self.is_blocked = True

    def has_space(self) -> bool:
        """Tell whether a point can be added.

        Raises:
            InvalidArgumentError: The writer is closed.
            WriteError: There will be no space, since refused points take it until the caller knows them.
        """
        if self.closed is not None:
            raise invalid("data", f"can't be written: {self.closed}")
        if self.is_blocked and not self._waiting and (losses := self.losses()) is not None:
            raise losses
        return not self.is_blocked

    # Batches go

    def hurry(self) -> None:
        """Let the next attempt wait no longer; what a spool can keep needs none."""
        self._keep_at = 0.0
        if self._spool is None:
            self._send_at = 0.0

    def next(self) -> Job | None:
        """Return the next job, if there is one now."""
        now = time.monotonic()
        if self._oldest is not None and now >= self._oldest + self._limits.max_seconds:
            self.cut()
        names = self._spool.names if self._spool is not None else ()
        is_paused = now < self._send_at
        if self._waiting and self._is_kept() and now >= self._keep_at:
            return Keep(self._waiting[0][0])
        if is_paused:
            return None
        if names:
            return Resend(names[0])
        return Send(*self._waiting[0]) if self._waiting else None

    def _is_kept(self) -> bool:
        """Tell whether the next batch goes into the spool: others wait there, or no batch can be sent."""
        return self._spool is not None and (bool(self._spool.names) or self._away is not None)

    def pause(self) -> float | None:
        """Return the seconds until there is something to do; None if only a new point can change that."""
        due = [] if self._oldest is None else [self._oldest + self._limits.max_seconds]
        if self._waiting or (self._spool is not None and self._spool.names):
            due.append(self._send_at)
        if self._waiting and self._is_kept():
            due.append(self._keep_at)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def delivered(self, job: Job, outcome: Outcome) -> None:
        """Note that a batch was sent or kept."""
        if not isinstance(job, Resend):
            self._size -= len(self._waiting.popleft()[0])
            self.settled += 1
        if not isinstance(job, Keep):
            self.error = None
            self._away = None
            self._longest = _FIRST_PAUSE
            self._send_at = 0.0
        self._unwritten += outcome.unwritten
        self._problem = self._problem or outcome.problem
        self._grow(sum(len(one.line) for one in outcome.unwritten))

    def failed(self, job: Job, error: Exception) -> None:
        """Note that a batch could be neither sent nor kept; it stays where it is."""
        error.__traceback__ = None  # its frames hold what was sent
        if isinstance(error, DamagedFileError):
            self._damaged.append(error)
            return
        self.error = error
        now = time.monotonic()
        if isinstance(job, Keep):
            self._keep_at = now + _FIRST_PAUSE
        else:
            self._send_at = now + random.uniform(0, self._longest)  # noqa: S311
            self._longest = min(_LONGEST_PAUSE, 2 * self._longest)
            self._away = error
        if isinstance(job, Keep) or self._spool is None:
            self.failures += 1
            self._failure = error

    # What is told

    def is_flushed(self, batches: int, failures: int) -> bool:
        """Tell whether so many batches are stored or kept; raise the error of a failure since `failures`."""
        if self.settled >= batches:
            return True
        if self.failures > failures and self._failure is not None:
            raise self._failure.with_traceback(None)
        return False

    def losses(self) -> Exception | None:
        """Return the error about refused points and damaged files that nobody was told of, once."""
        if self._unwritten:
            return self._unwritten_error("were refused", [])
        if (damaged := self._take_damaged()) is not None:
            return damaged
        if self._away is not None and _is_lasting(self._away):
            return self._away.with_traceback(None)
        return None

    def _take_damaged(self) -> DamagedFileError | None:
        told, self._damaged = self._damaged, []
        return DamagedFileError("\n".join(map(str, told))) if told else None

    def left(self, error: Exception) -> WriteError:
        """Return the error about all points that could not be delivered; they are here no more."""
        self.cut()
        reason = f"not known to be written: {error}"
        lines = (line for body, _ in self._waiting for line in split_lines(body))
        points = [UnwrittenPoint(line.decode().removesuffix("\n"), reason) for line in lines]
        self._waiting.clear()
        return self._unwritten_error("were not written", points, error)

    def _unwritten_error(
        self, what: str, points: list[UnwrittenPoint], cause: BaseException | None = None
    ) -> WriteError:
        told, self._unwritten = self._unwritten + points, []
        causes = [one for one in (cause, self._problem, self._take_damaged()) if one is not None]
        self._problem = None
        self._size = sum(len(body) for body, _ in self._waiting)
        self._grow(0)
        reasons = list(dict.fromkeys(one.reason for one in told))
        named = "; ".join(reasons[:_MOST_NAMED])
        more = f"; and {len(reasons) - _MOST_NAMED} more reasons" if len(reasons) > _MOST_NAMED else ""
        error = WriteError(f"{len(told)} points {what}: {named}{more}", points=told)
        for one in causes[1:]:
            error.add_note(str(one))
        error.__cause__ = causes[0] if causes else None
        return error

    def too_late(self, deadline: float | None, told: str) -> OperationTimeoutError:
        """Return the error for a wait that was longer than the deadline."""
        why = "" if self.error is None else f". The last attempt failed: {self.error}"
        error = OperationTimeoutError(f"the points were not sent within {deadline:g} seconds{told}{why}")
        error.__cause__ = self.error
        return error

    @property
    def is_empty(self) -> bool:
        """Whether all points are delivered."""
        return not self._waiting and not len(self._encoder)

    def keep_all(self) -> None:
        """Put all points into the spool, if there is one, without a wait for anything but the disk."""
        self.cut()
        while self._spool is not None and self._waiting:
            self._spool.put(self._waiting[0][0])
            self._size -= len(self._waiting.popleft()[0])
            self.settled += 1

    def release(self) -> None:
        """Let another writer have the spool."""
        if self._spool is not None:
            self._spool.close()


def _is_lasting(error: Exception) -> bool:
    """Tell whether no wait mends an error: it is about rights, a place, or a disk, not about a connection."""
    return isinstance(error, AuthenticationError | NotFoundError) or not isinstance(error, DatabaseError)
