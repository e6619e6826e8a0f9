"""A proxy before the real server that keeps what is sent to it."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from tests.peer import LOCALHOST, PATIENCE


class Recorder:
    """Hands bytes on between clients and a server, and keeps the Flux and InfluxQL of all queries.

    Args:
        url: Address of the server.

    Attributes:
        url: Its own address.
    """

    def __init__(self, url: str) -> None:
        there = urlsplit(url)
        self._there = there.hostname or LOCALHOST, there.port or 80
        self._listener = socket.create_server((LOCALHOST, 0))
        self.url = f"http://{LOCALHOST}:{self._listener.getsockname()[1]}"
        self._sent: list[bytearray] = []
        self._open: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        """Hang up, and wait for all threads."""
        for opened in self._open:
            with suppress(OSError):  # it is closed already
                opened.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for opened in self._open:
            opened.close()

    def clear(self) -> None:
        """Forget what was sent; no request may be under way."""
        for sent in self._sent:
            sent.clear()

    @property
    def connections(self) -> int:
        """How many connections there were."""
        return len(self._sent)

    @property
    def flux(self) -> list[str]:
        """The Flux queries that were sent, each on one line."""
        found = []
        for head, body in self._requests():
            if b"POST /api/v2/query?" in head:
                found.append(" ".join(json.loads(body)["query"].split()))
        return found

    @property
    def influxql(self) -> list[str]:
        """The bodies of all InfluxQL queries that were sent, as they are."""
        return [body.decode() for head, body in self._requests() if head.startswith(b"POST /query")]

    def _requests(self) -> list[tuple[bytes, bytes]]:
        found = []
        for sent in map(bytes, self._sent):
            rest = sent
            while rest:
                head, _, rest = rest.partition(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                [length] = [line[15:] for line in lines if line.startswith(b"content-length:")] or [b"0"]
                found.append((head, rest[: int(length)]))
                rest = rest[int(length) :]
        return found

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # it is closed
                return
            server = socket.create_connection(self._there, PATIENCE)
            sent = bytearray()
            self._sent.append(sent)
            self._open += [client, server]
            for pair in ((client, server, sent), (server, client, None)):
                self._threads.append(threading.Thread(target=self._hand_on, args=pair))
                self._threads[-1].start()

    @staticmethod
    def _hand_on(source: socket.socket, target: socket.socket, sent: bytearray | None) -> None:
        with suppress(OSError):
            while got := source.recv(65_536):
                if sent is not None:
                    sent += got  # before it is handed on, so that it is here when the answer is
                target.sendall(got)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
