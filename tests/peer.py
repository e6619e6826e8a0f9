"""A peer on a socket that plays a script: for answers that no real server gives.

One class serves the tests of both packages, as only the bytes differ. It waits for events alone: a request's
end, what a test sets, or the other side's close. `PATIENCE` bounds them where something fails.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    # What is done on a connection: bytes are sent, a function is called, and a tuple is played in its order.
    Turn: TypeAlias = bytes | Callable[[socket.socket], object] | tuple["Turn", ...]

UNKNOWN_BUCKET = (
    b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 49\r\n\r\n"
    b'{"code":"not found","message":"bucket not found"}'
)
PATIENCE = 60  # seconds; nothing waits so long unless it fails
LOCALHOST = "127.0.0.1"


# --- How a request is read --------------------------------------------------------


def read_http(connection: socket.socket) -> bytes:
    """Read one request of HTTP; return what came if it is not whole."""
    got = b""
    while b"\r\n\r\n" not in got:
        if not (piece := connection.recv(65_536)):
            return got
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *([0-9]+)", head)
    missing = int(length[1]) - len(body) if length else 0
    pieces = [got]
    while missing > 0 and (piece := connection.recv(65_536)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def read_some(connection: socket.socket) -> bytes:
    """Read what comes first of a request."""
    return connection.recv(65_536)


def read_nothing(_: socket.socket) -> bytes:
    """Leave the request unread, or to the turn."""
    return b""


# --- Turns that are more than bytes -----------------------------------------------


def silence(connection: socket.socket) -> None:
    """Say nothing until the other side closes."""
    while connection.recv(65_536):
        pass


def reset(connection: socket.socket) -> None:
    """Reset the connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def echo(connection: socket.socket) -> None:
    """Send back what comes, until the other side closes."""
    while got := connection.recv(65_536):
        connection.sendall(got)


def stall(released: threading.Event) -> Turn:
    """Say nothing until the test releases it."""
    return lambda _: released.wait(PATIENCE)


def endless(start: bytes, piece: bytes) -> Turn:
    """Send a start, and then the same piece until the other side has enough."""
    pieces = piece * (1 + (1 << 18) // len(piece))

    def turn(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(pieces)

    return turn


# --- The peer ---------------------------------------------------------------------


class Peer:
    """A peer that accepts connections until it is closed, and serves each in a thread of its own.

    It reads a request, plays the next turn, ends its half of the connection, and waits for the other side's
    end. The last turn is played for every later request. A whole answer of HTTP says `Connection: close`, or
    the next request may be sent before that end has come. The peer knows no bucket of InfluxDB: a question
    for one gets an answer of its own, takes no turn, and is not among the requests.

    Args:
        turns: What is done on the connections, in the order of their requests.
        read: Reads a request.
        context: Speaks TLS, with this.
        buckets: The answer to a question for buckets.
    """

    def __init__(
        self,
        *turns: Turn,
        read: Callable[[socket.socket], bytes] = read_http,
        context: ssl.SSLContext | None = None,
        buckets: bytes = UNKNOWN_BUCKET,
    ) -> None:
        self._turns = turns
        self._read = read
        self._context = context
        self._buckets = buckets
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.connections = 0  # that were accepted, whatever became of them
        self.closed = threading.Semaphore(0)  # how many connections the other side has closed
        self.listener = socket.create_server((LOCALHOST, 0))
        self.port: int = self.listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://{LOCALHOST}:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def take(self, connection: socket.socket) -> bytes:
        """Read one more request of a connection: a turn does that where a connection is used again."""
        request = self._read(connection)
        with self._lock:
            self.requests.append(request)
        return request

    def close(self) -> None:
        """Hang up on everybody, and wait for every turn to end."""
        self._hang_up(self.listener)  # wakes accept
        self._threads[0].join()
        self.listener.close()
        for connection in self._open:
            self._hang_up(connection)
        for thread in self._threads:
            thread.join()

    @staticmethod
    def _hang_up(open_one: socket.socket) -> None:
        with suppress(OSError):  # it is closed already
            # Not TLS's own: OpenSSL may crash where two threads use one connection.
            socket.socket.shutdown(open_one, socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # the peer is closed
                return
            self.connections += 1
            if self._context:
                connection = self._context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            connection.settimeout(PATIENCE)
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            with suppress(OSError):
                if self._context:
                    connection.do_handshake()  # type: ignore[attr-defined]
                request = self._read(connection)
                if request.startswith(b"GET /api/v2/buckets?"):
                    connection.sendall(self._buckets)
                    return
                with self._lock:
                    turn = self._turns[min(len(self.requests), len(self._turns) - 1)]
                    self.requests.append(request)
                _play(turn, connection)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
                silence(connection)
            self.closed.release()


def _play(turn: Turn, connection: socket.socket) -> None:
    if isinstance(turn, bytes):
        connection.sendall(turn)
    elif isinstance(turn, tuple):
        for part in turn:
            _play(part, connection)
    else:
        turn(connection)
