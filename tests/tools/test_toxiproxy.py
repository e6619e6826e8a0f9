"""`tools.servers` puts Toxiproxy before a server: faults begin and end as told."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.peer import LOCALHOST, echo, read_nothing
from tests.tools.conftest import LONG

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.peer import Peer


@pytest.mark.parametrize(("reset", "end"), [(False, b""), (True, ConnectionResetError)])
def test_toxiproxy_cuts(
    servers: ModuleType, peer: Callable[..., Peer], *, reset: bool, end: bytes | type[OSError]
) -> None:
    """A connection ends after as many bytes as asked, in an orderly way or not; past it, it is whole."""
    with servers.toxiproxy() as server, server.before(LOCALHOST, peer(echo, read=read_nothing).port) as proxy:
        for cut, size in ((True, 1_000), (False, 1_000)):
            with contextlib.ExitStack() as fault:
                if cut:
                    fault.enter_context(proxy.cut(10, reset=reset))
                with socket.create_connection((LOCALHOST, proxy.port), timeout=LONG) as connection:
                    connection.sendall(b"x" * size)
                    got = read(connection, size)
            assert got == ((b"x" * 10, end) if cut else (b"x" * size, None))


def test_toxiproxy_ends_a_fault_of_a_client_that_does_not_read(
    servers: ModuleType, peer: Callable[..., Peer]
) -> None:
    """The fault ends, its connection too, and the next one is whole."""
    stuck, ended = threading.Event(), threading.Event()
    errors: list[OSError] = []

    def floods(connection: socket.socket) -> None:
        """Send until a second passes in which nothing more goes, and go on when the fault has ended."""
        connection.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while True:
                connection.sendall(bytes(65_536))
        stuck.set()
        ended.wait(LONG)
        connection.settimeout(LONG)
        try:
            connection.sendall(bytes(1 << 26))
        except OSError as error:
            errors.append(error)

    flooding = peer(floods, echo, read=read_nothing)
    with servers.toxiproxy() as server, server.before(LOCALHOST, flooding.port) as proxy:
        with (
            proxy.fault("bandwidth", rate=1_000_000),
            socket.create_connection((LOCALHOST, proxy.port), timeout=LONG),
        ):
            assert stuck.wait(LONG)
            with proxy.fault("latency", stream="upstream", latency=1):
                pass
            ended.set()
            assert flooding.closed.acquire(timeout=LONG)
        assert [True] == [isinstance(error, (ConnectionResetError, BrokenPipeError)) for error in errors]
        with socket.create_connection((LOCALHOST, proxy.port), timeout=LONG) as connection:
            connection.sendall(b"x" * 1_000)
            assert (b"x" * 1_000, None) == read(connection, 1_000)


def read(connection: socket.socket, size: int) -> tuple[bytes, bytes | type[OSError] | None]:
    """Read so many bytes; give them, and what ended them if they are fewer."""
    got = b""
    while len(got) < size:
        try:
            more = connection.recv(size)
        except ConnectionResetError:
            return got, ConnectionResetError
        if not more:
            return got, b""
        got += more
    return got, None
