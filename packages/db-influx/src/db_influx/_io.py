"""What requests ask a wire to do, as small values: resolve, connect, send, receive, pause, work.

Only a wire opens sockets or waits. A step that lasts too long raises `TimeoutError`, one that fails another
`OSError`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar

from db_influx._steps import Batch, Work

if TYPE_CHECKING:
    import ssl

__all__ = [
    "GATHERING",
    "LONG_BODY",
    "MOST_UNSENT",
    "CallLimits",
    "Connect",
    "Connection",
    "Io",
    "Pause",
    "Pool",
    "Receive",
    "Resolve",
    "Send",
    "Tls",
    "numeric",
]

# InfluxDB sends 4 KB at a time. Within a long body a wire lets some gather before it waits for more, which
# leaves more of the processors to decoding and to the server.
LONG_BODY = 1 << 20  # bytes
GATHERING = 0.0005  # seconds
# The system would take megabytes of what is sent at once, and nothing would show how they leave over a slow
# line. So it takes little at a time, and a wait for it ends when the other side has taken some.
MOST_UNSENT = 1 << 17  # bytes
_MOST_IDLE = 1_000  # connections; those of 250 threads, with four slices each


class Connection(Protocol):
    """A connection of a wire."""

    def close(self) -> None:
        """Close it at once, whatever is under way."""

    def is_usable(self) -> bool:
        """Tell whether an idle connection is still open and has received nothing."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long the requests of one call may take, and who counts their bytes.

    Attributes:
        silence: Seconds that the server may be silent.
        deadline: Seconds that the call may take; None is without end.
        end: When the call ends, by `time.monotonic`; None is never.
        retries: How often a request is repeated.
        meter: Counts the progress of the call; None if nobody asks for it.
        attempt: The number of the attempt, from 1.
    """

    silence: float
    deadline: float | None
    end: float | None
    retries: int
    meter: Any = None
    attempt: int = 1

    @property
    def left(self) -> float | None:
        """Seconds to the end, at least 0; None is without end."""
        return None if self.end is None else max(0.0, self.end - time.monotonic())

    @property
    def wait(self) -> float:
        """Seconds that the next wait may last."""
        left = self.left
        return self.silence if left is None else min(self.silence, left)


class Tls(NamedTuple):
    """TLS for a connection: what makes its context, and the name that the certificate must have."""

    context: Callable[[], ssl.SSLContext]
    name: str


class Resolve(NamedTuple):
    """Look up a host within some seconds, if that can be; the reply is a list of its addresses, as text."""

    host: str
    port: int
    seconds: float


class Connect(NamedTuple):
    """Connect to an address, TLS included, within some seconds; the reply is a `Connection`."""

    address: str
    port: int
    tls: Tls | None
    seconds: float


class Send(NamedTuple):
    """Send bytes; the reply tells whether all of them left.

    They do not if the other side answers or closes before.
    """

    connection: Any
    data: list[bytes]
    limits: CallLimits


class Receive(NamedTuple):
    """Receive pieces and hand each to `take`, until it returns True; an empty one is the connection's end."""

    connection: Any
    take: Callable[[bytes], bool]
    limits: CallLimits


class Pause(NamedTuple):
    """Wait some seconds."""

    seconds: float


_T = TypeVar("_T")
Io: TypeAlias = Generator[Resolve | Connect | Send | Receive | Pause | Work | Batch, Any, _T]


class Pool:
    """Idle connections, the last used first; safe to share between threads."""

    def __init__(self) -> None:
        self._idle: deque[Connection] = deque()
        self._is_closed = False

    def __len__(self) -> int:
        return len(self._idle)

    def __del__(self) -> None:
        self.close()  # of a manager that was dropped

    def take(self) -> Connection | None:
        """Return a connection that can be used, or None."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_usable():
                return connection
            connection.close()

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request, unless the pool is closed or full."""
        if len(self._idle) >= _MOST_IDLE:
            connection.close()
            return
        self._idle.append(connection)
        self._drop_oldest()
        if self._is_closed:
            self.close()

    def _drop_oldest(self) -> None:
        """Close the connection that was idle for longest, if the other side has closed it.

        So those go that a burst of calls has left behind.
        """
        try:
            oldest = self._idle.popleft()
        except IndexError:
            return
        if oldest.is_usable():
            self._idle.appendleft(oldest)
        else:
            oldest.close()

    def close(self) -> None:
        """Close the idle connections, and later those that are in use."""
        self._is_closed = True
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return
            connection.close()


def numeric(found: list[Any]) -> list[str]:
    """Return the addresses that `getaddrinfo` found, as text; one of IPv6 may need its network interface."""
    return [f"{host}%{scope[1]}" if any(scope[1:]) else host for *_, (host, _, *scope) in found]
