"""A peer on a socket that does what it is told, for answers that no real server gives."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    Turn = Callable[[socket.socket], None]

UNKNOWN_BUCKET = (
    b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 49\r\n\r\n"
    b'{"code":"not found","message":"bucket not found"}'
)
PATIENCE = 60  # seconds; nothing waits so long unless it fails


class Scripted:
    """A peer that takes its turns connection by connection, and then the last one for ever.

    A turn comes when a request was read, which is one of HTTP unless `read` reads another. With a `context`
    it speaks TLS. Which fields there are is not known to it: such a question gets `buckets` for its answer,
    takes no turn, and is not among the requests.
    """

    def __init__(
        self,
        turns: tuple[Turn, ...],
        read: Callable[[socket.socket], bytes] | None = None,
        context: ssl.SSLContext | None = None,
        buckets: bytes = UNKNOWN_BUCKET,
    ) -> None:
        self._turns = turns
        self._read = read or read_request
        self._buckets = buckets
        self._lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self._scheme = "https" if context else "http"
        if context:
            self.listener = context.wrap_socket(self.listener, server_side=True)
        self.requests: list[bytes] = []
        self.closed = threading.Semaphore(0)  # how many connections the other side has closed
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self._scheme}://127.0.0.1:{self.listener.getsockname()[1]}"

    def close(self) -> None:
        """Stop, and wait for every turn to end."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        for _ in range(1_000):
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._take, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _take(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(PATIENCE)
            with suppress(OSError):
                request = self._read(connection)
                if request.startswith(b"GET /api/v2/buckets?"):
                    connection.sendall(self._buckets)
                    return
                with self._lock:
                    turn = self._turns[min(len(self.requests), len(self._turns) - 1)]
                    self.requests.append(request)
                turn(connection)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass
            self.closed.release()


def read_request(connection: socket.socket) -> bytes:
    """Read one request whole; b"" if there is none."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65_536)
        if not piece:
            return got
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < (int(lengths[0].split(b":")[1]) if lengths else 0):
        piece = connection.recv(65_536)
        if not piece:
            return b""
        body += piece
    return head + b"\r\n\r\n" + body
