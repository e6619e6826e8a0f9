"""`tools.servers` puts Toxiproxy before a server: faults begin and end as told."""

from __future__ import annotations

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.tools.conftest import COMPILER, LONG
from tools.servers import ServerError, _toxiproxy, toxiproxy

if TYPE_CHECKING:
    from collections.abc import Callable


def echo(listener: socket.socket) -> None:
    """Send back what comes, over one connection."""
    connection, _ = listener.accept()
    with connection, contextlib.suppress(OSError):
        while got := connection.recv(65_536):
            connection.sendall(got)


@pytest.mark.parametrize(("reset", "end"), [(False, b""), (True, ConnectionResetError)])
def test_toxiproxy_cuts(reset: bool, end: bytes | type[OSError]) -> None:  # noqa: FBT001 - a parameter of the test
    """A connection ends after as many bytes as asked, in an orderly way or not; past it, it is whole."""
    with (
        toxiproxy() as server,
        socket.create_server(("127.0.0.1", 0)) as listener,
        ThreadPoolExecutor(1) as pool,
        server.before("127.0.0.1", listener.getsockname()[1]) as proxy,
    ):
        for cut, size in ((True, 1_000), (False, 1_000)):
            pool.submit(echo, listener)
            with contextlib.ExitStack() as fault:
                if cut:
                    fault.enter_context(proxy.cut(10, reset=reset))
                with socket.create_connection(("127.0.0.1", proxy.port), timeout=LONG) as connection:
                    connection.sendall(b"x" * size)
                    got = read(connection, size)
            assert got == ((b"x" * 10, end) if cut else (b"x" * size, None))


def flood(listener: socket.socket) -> socket.socket:
    """Send over one connection until a second passes in which nothing more goes; give it."""
    connection, _ = listener.accept()
    connection.settimeout(1)
    with contextlib.suppress(TimeoutError):
        while True:
            connection.sendall(bytes(65_536))
    return connection


def test_toxiproxy_ends_a_fault_of_a_client_that_does_not_read() -> None:
    """The fault ends, its connection too, and the next one is whole."""
    with (
        toxiproxy() as server,
        socket.create_server(("127.0.0.1", 0)) as listener,
        ThreadPoolExecutor(1) as pool,
        server.before("127.0.0.1", listener.getsockname()[1]) as proxy,
    ):
        with (
            proxy.fault("bandwidth", rate=1_000_000),
            socket.create_connection(("127.0.0.1", proxy.port), timeout=LONG) as connection,
            pool.submit(flood, listener).result() as flooding,
        ):
            with proxy.fault("latency", stream="upstream", latency=1):
                pass
            flooding.settimeout(LONG)
            with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
                flooding.sendall(bytes(1 << 26))
        pool.submit(echo, listener)
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=LONG) as connection:
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


def test_toxiproxy_needs_go(program: Callable[[str, str], None]) -> None:
    """Without it, the error says so; where there is one it is built, beforehand and once."""
    with pytest.raises(ServerError, match="install Go"):
        toxiproxy()
    _toxiproxy.prepare()

    program("go", COMPILER.format(calls="/dev/null"))
    _toxiproxy.prepare()
    program("go", "exit 1")
    _toxiproxy.prepare()
