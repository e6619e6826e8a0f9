"""One call of a manager: its deadline, its attempts, and the connections it has under way.

Where a call ends early, by its deadline, by an error in one of its requests or
by Ctrl-C, its connections are shut down, so that no thread goes on waiting for
a server. Nothing here knows HTTP or what is asked.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self, TypeVar

from db_core.errors import DatabaseError, IncompleteResultError, OperationTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

__all__ = ["Again", "Call", "taken_up"]

_T = TypeVar("_T")

_FIRST_PAUSE = 0.25  # seconds, at most, before the first retry; twice as long before each next one
_LONGEST_PAUSE = 30.0
_LONGEST_ASKED = 3_600.0  # seconds that a server may ask to wait where there is no deadline


class Again(Exception):  # noqa: N818 - it is no error until attempts run out
    """An attempt failed in a way that another one may not.

    Attributes:
        error: What the call fails with if there is none.
        after: Seconds that the server asks to wait; None leaves it to us.
    """

    def __init__(self, error: DatabaseError, after: float | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.after = after


class Call:
    """What the requests of one call share; safe to share between threads.

    Args:
        retries: How often a request is repeated.
        deadline: Seconds after which the call is over; None is never.
        since: When these began to run, by `time.monotonic`; None is now.
    """

    def __init__(
        self, retries: int = 0, deadline: float | None = None, *, since: float | None = None
    ) -> None:
        self._retries = retries
        self._deadline = deadline
        began = time.monotonic() if since is None else since
        self._end = None if deadline is None else began + deadline
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        if (remaining := self.remaining) is not None:
            self._timer = threading.Timer(remaining, self.cancel)
            self._timer.daemon = True
            try:
                self._timer.start()
            except BaseException:  # Ctrl-C, while it waits for the thread to begin
                self._timer.cancel()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None  # which holds the call
        self.cancel()

    @property
    def remaining(self) -> float | None:
        """Seconds to the deadline, at least 0; None is without end."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def cancel(self) -> None:
        """End the call: shut down its connections, now and as they come."""
        with self._lock:
            self._over.set()
            for connection in self._sockets:
                _shut_down(connection)

    def attempt(self, job: Callable[[], _T]) -> _T:
        """Do a job, again where that may help, and give its result.

        The pauses are random up to a limit that doubles ("full jitter"; Marc Brooker, "Exponential
        Backoff And Jitter", AWS 2015), unless the server names one.
        """
        done = 0
        if self.remaining == 0:
            raise self._too_late()
        while True:
            try:
                return job()
            except Again as again:
                error, after = again.error, again.after
            except IncompleteResultError as incomplete:
                error, after = incomplete, None
            except OperationTimeoutError as late:
                if self.remaining == 0:  # then the wait was cut short, and its words are of no use
                    raise self._too_late() from late
                raise
            try:
                self._pause(error, after, done)
            finally:
                del error  # or it holds its own traceback, and so what was sent, until garbage is collected
            done += 1

    def _pause(self, error: DatabaseError, after: float | None, done: int) -> None:
        """Wait before the next attempt; raise the error if there is none."""
        remaining = self.remaining
        pause = after
        if pause is None:
            pause = random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**done))  # noqa: S311
        try:
            if remaining == 0:
                # What fails once its connection was shut down does not tell why.
                raise self._too_late(None if self._over.is_set() else error) from error
            if done == self._retries or pause >= (_LONGEST_ASKED if remaining is None else remaining):
                raise error
            if self._over.wait(pause):
                if self.remaining == 0:
                    raise self._too_late(error) from error
                raise error
        finally:
            del error

    def _too_late(self, last: DatabaseError | None = None) -> OperationTimeoutError:
        told = "" if last is None or isinstance(last, OperationTimeoutError) else f": {last}"
        return OperationTimeoutError(
            f"the call did not end within its deadline of {self._deadline:g} seconds{told}"
        )

    @contextmanager
    def connecting(self, silence: float, taken: set[socket.socket]) -> Iterator[None]:
        """Hold the connections that this thread takes up in the block.

        Args:
            silence: Seconds for which they may stand still, once they are made.
            taken: Where they are noted for as long as they are held.
        """
        _thread.connecting = (self, silence, taken)
        try:
            yield
        finally:
            _thread.connecting = None

    def hold(self, connection: socket.socket) -> None:
        """Shut down a connection when the call ends."""
        with self._lock:
            self._sockets.add(connection)
            if self._over.is_set():
                _shut_down(connection)

    def release(self, connections: Iterable[socket.socket]) -> None:
        """Leave connections alone from now on: others may use them."""
        with self._lock:
            self._sockets.difference_update(connections)


_thread = threading.local()


def taken_up(connection: socket.socket) -> Callable[[], None] | None:
    """Have the call that is connecting in this thread, if any, hold a connection; give what ends that."""
    connecting: tuple[Call, float, set[socket.socket]] | None = getattr(_thread, "connecting", None)
    if connecting is None:
        return None
    call, silence, taken = connecting
    connection.settimeout(silence)
    taken.add(connection)
    call.hold(connection)

    def let_go() -> None:
        # Nor is it released once more, with `taken`: another request of the same call may hold it by then.
        taken.discard(connection)
        call.release([connection])

    return let_go


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        # Reset when it is closed: else a server with much to send would not see its end for a minute.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Not TLS's own: it would change the object that another thread reads from.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
