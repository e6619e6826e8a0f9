"""A proxy before a server that passes all bytes on, and keeps those of the clients."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote_plus, urlsplit

if TYPE_CHECKING:
    from types import TracebackType


class Recorder:
    """A proxy on a free port of 127.0.0.1.

    Args:
        url: Address of the server.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (str(parts.hostname), parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._sent: list[bytes] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def sent(self) -> str:
        """All that clients sent, also what was encoded for a URL."""
        return unquote_plus(b"".join(self._sent).decode(errors="replace"))

    def forget(self) -> None:
        """Keep nothing of what was sent until now."""
        self._sent.clear()

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for one in self._sockets:
            end(one)
        for thread in self._threads[1:]:
            thread.join()
        for one in (self._listener, *self._sockets):
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            self._sockets += client, server
            self._start(self._pass, client, server, self._sent)
            self._start(self._pass, server, client, [])

    def _pass(self, source: socket.socket, target: socket.socket, kept: list[bytes]) -> None:
        with suppress(OSError):  # one side is gone, and the other learns of it
            while chunk := source.recv(65_536):
                kept.append(chunk)
                target.sendall(chunk)
        end(target)

    def _start(self, function: object, *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()


def end(one: socket.socket) -> None:
    """Tell a peer that nothing more comes."""
    with suppress(OSError):  # it is closed already
        one.shutdown(socket.SHUT_RDWR)
