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
    from collections.abc import Callable, Iterator
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
    """

    def __init__(self, retries: int = 0, deadline: float | None = None) -> None:
        self._retries = retries
        self._deadline = deadline
        self._end = None if deadline is None else time.monotonic() + deadline
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        if self._deadline is not None:
            self._timer = threading.Timer(self._deadline, self.cancel)
            self._timer.daemon = True
            self._timer.start()
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
        while True:
            try:
                return job()
            except Again as again:
                error, after = again.error, again.after
            except IncompleteResultError as incomplete:
                error, after = incomplete, None
            try:
                self._pause(error, after, done)
            finally:
                del error  # or it holds its own traceback, and so what was sent, until garbage is collected
            done += 1

    def _pause(self, error: DatabaseError, after: float | None, done: int) -> None:
        """Wait before the next attempt; raise the error if there is none."""
        self._fail_at_the_deadline(error)
        pause = after
        if pause is None:
            pause = random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**done))  # noqa: S311
        remaining = self.remaining
        try:
            if done == self._retries or pause >= (_LONGEST_ASKED if remaining is None else remaining):
                raise error
            if self._over.wait(pause):
                self._fail_at_the_deadline(error)
                raise error
        finally:
            del error

    def _fail_at_the_deadline(self, error: DatabaseError) -> None:
        if self.remaining == 0:
            message = f"the call did not end within its deadline of {self._deadline:g} seconds: {error}"
            raise OperationTimeoutError(message) from error

    @contextmanager
    def connecting(self, connections: set[socket.socket]) -> Iterator[None]:
        """Note the connections that this thread takes up in the block, and have the call hold them."""
        _thread.connecting = (self, connections)
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

    def release(self, connections: set[socket.socket]) -> None:
        """Leave connections alone from now on: others may use them."""
        with self._lock:
            self._sockets -= connections


_thread = threading.local()


def taken_up(connection: socket.socket) -> None:
    """Tell the call that is connecting in this thread, if any, of a connection."""
    connecting: tuple[Call, set[socket.socket]] | None = getattr(_thread, "connecting", None)
    if connecting is not None:
        call, connections = connecting
        connections.add(connection)
        call.hold(connection)


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        # Reset when it is closed: else a server with much to send would not see its end for a minute.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Not TLS's own: it would change the object that another thread reads from.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
