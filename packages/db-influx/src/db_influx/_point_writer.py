"""`PointWriter`: a buffered writer with a thread that sends."""

from __future__ import annotations

import atexit
import os
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, NoReturn, Self

from db_influx._arguments import invalid
from db_influx._outbox import PIECE
from db_influx._point import as_point

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from db_influx._outbox import Job, Outbox, Outcome
    from db_influx._point import PointLayout

__all__ = ["PointWriter"]


class PointWriter:
    """Takes points one by one and sends them in batches; `InfluxManager.writer` makes it.

    It may be shared between threads. Use it in a ``with`` block, whose end flushes it. A forked process
    can't use it, and it can't be pickled.
    """

    def __init__(
        self,
        outbox: Outbox,
        layout: PointLayout,
        deliver: Callable[[Job], Outcome],
        deadline: float | None,
    ) -> None:
        self._outbox = outbox
        self._layout = layout
        self._deliver = deliver
        self._deadline = deadline
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._is_over = False
        self._death: BaseException | None = None  # what the thread ended with before its time
        # Not one that the interpreter waits for at its end, as `_at_exit` has to run first.
        self._thread = threading.Thread(target=self._work, name="db-influx_writer", daemon=True)
        self._thread.start()
        atexit.register(self._at_exit)

    @property
    def error(self) -> Exception | None:
        """The error that the last attempt to deliver a batch failed with; None if it succeeded."""
        return self._outbox.error

    def write(self, data: object) -> None:
        """Take a point, lines of text or a frame; wait while `max_buffer` is full.

        Args:
            data: One of

                - a mapping with ``fields``, and if need be ``measurement``, ``tags`` and ``time``;
                - a row: a mapping or a dataclass, whose items are tags (`tag_columns`), the time
                  (`time_column`) and fields, of the writer's measurement;
                - a line of line protocol, or several, with times in nanoseconds;
                - a frame as `synchronous_write` takes it.

                The time is a datetime, a pandas Timestamp, a numpy datetime64, ISO 8601 text, or an int of
                nanoseconds. An int of seconds raises no error, and the point is stored in 1970. A time
                without a zone is in UTC, whatever `tz` is. A point without a time gets that of this call.
                Types are as in frames. None and NaN are left out.

        Raises:
            InvalidArgumentError: `data` can't be written as it is. Nothing of it was taken.
            OperationTimeoutError: The server has taken nothing for the manager's `deadline`. `data` was not
                taken; of a frame, the message tells how many rows were.
            WriteError: There is no space, as it is full of refused points. `data` was not taken.
        """
        point: Any = data
        if type(data) is not dict and (point := as_point(data)) is None:
            self._write_frame(data)
            return
        self._check()
        with self._lock:
            if self._outbox.is_blocked:
                self._wait(self._outbox.has_space)
            if self._outbox.add(point):
                self._changed.notify_all()

    def _write_frame(self, data: Any) -> None:
        self._check()
        lines = self._layout.frame_encoder(data)
        taken = 0
        while piece := lines.body(PIECE):
            with self._lock:
                if self._outbox.is_blocked:
                    self._wait(self._outbox.has_space, f"; {taken} of {len(lines)} rows were taken")
                self._outbox.add_lines(*piece)
                self._changed.notify_all()
            taken += piece[1]

    def flush(self) -> None:
        """Send all points; when this returns, the server has stored them, or the spool has them on the disk.

        Raises:
            WriteError: The server refused points that `on_refused` was not told of: `points` has them. All
                others are written.
            DatabaseError: The points could not be sent, or kept in the spool. They are still here, and the
                next flush tries again. Also if a spool keeps them, but for a reason that does not go away:
                `AuthenticationError` and `NotFoundError`.
            OSError: A file of the spool can't be written, read or removed. The points are still here.
            RuntimeError: The thread that sends has ended, as `on_retry` raised a SystemExit, say. `close`
                raises an error that has the points.
        """
        self._check()
        with self._lock:
            if self._is_over:
                raise invalid("data", f"can't be flushed: {self._outbox.closed}")
            self._flush()

    def _flush(self) -> None:
        batches, failures = self._outbox.cut(), self._outbox.failures
        self._outbox.hurry()
        self._changed.notify_all()
        self._wait(lambda: self._outbox.is_flushed(batches, failures))
        if (losses := self._outbox.losses()) is not None:
            raise losses

    def close(self) -> None:
        """Flush, and take no more points.

        Raises:
            WriteError: Points could not be written: `points` has them.
            DatabaseError: As for `flush`, if a spool keeps the points.
        """
        if self._is_over or os.getpid() != self._process:
            return
        self._check_thread()
        with self._lock:
            self._outbox.close("the writer is closed; make another one")
            try:
                self._flush()
            except Exception as error:
                self._stop()
                if self._outbox.is_empty:
                    raise
                raise self._outbox.left(error) from error
            self._stop()

    def _stop(self) -> None:
        self._is_over = True
        self._changed.notify_all()
        self._lock.release()
        try:
            self._thread.join()
        finally:
            self._lock.acquire()
        self._outbox.release()
        atexit.unregister(self._at_exit)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{', closed' if self._outbox.closed else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a writer can't be pickled, as it has points; make one in each process")

    def _at_exit(self) -> None:
        if os.getpid() == self._process:
            try:
                warnings.warn(f"{self!r} was not closed in time", ResourceWarning, stacklevel=1)
            finally:  # the warning may be an error
                self.close()

    # Waits

    def _check(self) -> None:
        if os.getpid() != self._process:
            raise invalid("data", "can't be written by a forked process; make a writer in it")

    def _check_thread(self) -> None:
        if threading.current_thread() is self._thread:
            raise RuntimeError("`on_refused` can't wait for the writer that calls it")

    def _wait(self, is_over: Callable[[], bool], told: str = "") -> None:
        """Wait for a change after which `is_over`."""
        end = None if self._deadline is None else time.monotonic() + self._deadline
        while not is_over():
            self._check_thread()
            if self._death is not None:
                raise RuntimeError(_told(self._death)) from self._death
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise self._outbox.too_late(self._deadline, told)
            self._changed.wait(left)

    def _work(self) -> None:
        """Do the next jobs, until the writer is closed. What ends this before is for who waits."""
        try:
            self._do_jobs()
        except BaseException as error:  # noqa: BLE001 - flush and close raise an error that tells of it
            with self._lock:
                self._death = error
                self._outbox.close(_told(error))
                self._changed.notify_all()

    def _do_jobs(self) -> None:
        while (job := self._next()) is not None:
            outcome = failure = None
            try:
                outcome = self._deliver(job)
            except Exception as error:  # noqa: BLE001 - flush raises it
                failure = error
            with self._lock:
                if outcome is not None:
                    self._outbox.delivered(job, outcome)
                elif failure is not None:
                    self._outbox.failed(job, failure)
                self._changed.notify_all()
            del job, outcome, failure

    def _next(self) -> Job | None:
        """Wait for the next job; None once the writer is closed."""
        with self._lock:
            while not self._is_over:
                if (job := self._outbox.next()) is not None:
                    return job
                self._changed.wait(self._outbox.pause())
        return None


def _told(death: BaseException) -> str:
    return f"the thread that sends has ended with {type(death).__name__}: {death}"
