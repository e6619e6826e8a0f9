"""How calls of `AsyncInfluxManager` end before their answer: an error, a limit, a cancellation, TLS."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import (
    ConnectionFailedError,
    IncompleteResultError,
    OperationTimeoutError,
    QueryError,
    WriteError,
)
from db_influx import AsyncInfluxManager, InfluxManager, _async_wire
from tests.influx.answers import ANSWER, http
from tests.peer import PATIENCE, endless, read_nothing, reset, silence, stall
from tests.security.conftest import front, pki

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.influx.conftest import Store
    from tests.peer import Peer, Turn
    from tests.security.certificates import Pki
    from tools import servers

__all__ = ["front", "pki"]

pytestmark = pytest.mark.usefixtures("nothing_left")

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
    b"#datatype,string,long,dateTime:RFC3339,double\r\n#group,false,false,false,false\r\n"
    b"#default,_result,,,\r\n,result,table,_time,_value\r\n"
)
ROWS = b",,0,2026-01-01T00:00:00Z,1.5\r\n" * 100
REFUSED = http(b'{"code":"invalid","message":"no Flux"}', status="400 Bad Request")
SLICES = ("2026-01-01", "2026-01-05", "m", "v", "b")  # four, of a day
LATE = 10 * PATIENCE  # seconds; no test waits so long


async def closed(server: Peer, connections: int = 1) -> bool:
    """Tell whether the peer has seen so many connections close."""
    return all([await asyncio.to_thread(server.closed.acquire, timeout=PATIENCE) for _ in range(connections)])


# --- Slices -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fails", "error"), [(REFUSED, QueryError), (reset, ConnectionFailedError)], ids=["refused", "reset"]
)
def test_a_slice_that_fails_ends_the_others_at_once(
    peer: Callable[..., Peer], fails: Turn, error: type[Exception]
) -> None:
    """Three of four are silent for ever; when the fourth fails, all connections are closed."""
    server = peer(silence, silence, silence, fails)

    async def main() -> None:
        manager = AsyncInfluxManager(server.url, "o", "t", retries=0, timeout=LATE)
        with pytest.raises(error) as caught:
            await manager.read(*SLICES, interval=None)
        assert not isinstance(caught.value, BaseExceptionGroup)
        assert None is caught.value.__context__ or not isinstance(
            caught.value.__context__, BaseExceptionGroup
        )
        assert await closed(server, 4)

    asyncio.run(main())


def test_a_call_that_is_cancelled_ends_every_slice(peer: Callable[..., Peer]) -> None:
    """Its connections are closed, and CancelledError comes out of it."""
    asked = threading.Semaphore(0)
    server = peer((lambda _: asked.release(), silence))

    async def main() -> None:
        manager = AsyncInfluxManager(server.url, "o", "t", timeout=LATE)
        task = asyncio.ensure_future(manager.read(*SLICES, interval=None))
        for _ in range(4):
            assert await asyncio.to_thread(asked.acquire, timeout=PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await closed(server, 4)
        assert {asyncio.current_task()} == asyncio.all_tasks()

    asyncio.run(main())


def test_errors_of_slices_are_not_kept(
    peer: Callable[..., Peer], kept_errors: Callable[[], list[object]]
) -> None:
    """Neither that of the call, with which its task ended, nor the others, with all that was received."""
    together = threading.Barrier(4)
    server = peer((lambda _: together.wait(PATIENCE), http(ANSWER, length=len(ANSWER) + 5)))

    async def main() -> None:
        async with AsyncInfluxManager(server.url, "o", "t", retries=0) as manager:
            task = asyncio.ensure_future(manager.read(*SLICES, interval=None))
            await asyncio.wait([task])
            assert isinstance(task.exception(), IncompleteResultError)
            del task
            assert [] == kept_errors()

    asyncio.run(main())
    assert 4 == len(server.requests)


def test_no_more_slices_are_asked_at_once_than_allowed(peer: Callable[..., Peer]) -> None:
    """Of eight days in eight slices, three."""
    server = peer(silence, silence, REFUSED)

    async def main() -> None:
        manager = AsyncInfluxManager(server.url, "o", "t", retries=0, timeout=LATE)
        with pytest.raises(QueryError):
            await manager.read(
                "2026-01-01", "2026-01-09", "m", "v", "b", interval="1d", agg_func="median", max_parallel=3
            )
        assert await closed(server, 3)

    asyncio.run(main())
    assert 3 == len(server.requests)


# --- Limits -----------------------------------------------------------------------

CALLS: dict[str, Callable[[AsyncInfluxManager], Any]] = {
    "slices": lambda m: m.read(*SLICES, interval=None),
    "query": lambda m: m.query("any"),
    "batches": lambda m: anext(m.read_batches(*SLICES)),
    "query in batches": lambda m: anext(m.query_batches("any")),
    "names": lambda m: m.get_measurements_on_bucket("b"),
    "write": lambda m: m.synchronous_write("b", FRAME, "m"),
}
FRAME = pd.DataFrame({"v": [1.5]}, index=pd.DatetimeIndex(["2026-01-01"], tz="UTC"))
LARGE = pd.DataFrame(
    {"v": ["x" * 100_000] * 40}, index=pd.date_range("2026-01-01", periods=40, freq="s", tz="UTC")
)


@pytest.mark.parametrize("limit", ["timeout", "deadline"])
def test_a_limit_ends_a_wait_in_the_middle_of_an_answer(peer: Callable[..., Peer], limit: str) -> None:
    """The server sends a start and is silent: for silence, or for the deadline of all."""
    server = peer((HEAD + ROWS, silence))
    manager = AsyncInfluxManager(server.url, "o", "t", retries=0, **{limit: 0.3})

    async def ending(call: str) -> type[BaseException]:
        # Batches of a query have no deadline of their own, as the caller's time counts too.
        own = 0.3 if call == "query in batches" and limit == "deadline" else None
        with pytest.raises((TimeoutError, WriteError)) as caught:
            async with asyncio.timeout(own):
                await CALLS[call](manager)
        return caught.type

    async def main() -> dict[str, type[BaseException]]:
        return dict(zip(CALLS, await asyncio.gather(*map(ending, CALLS)), strict=True))

    expected: dict[str, type[BaseException]] = dict.fromkeys(CALLS, OperationTimeoutError)
    expected["write"] = WriteError  # for which 200 is a refusal, whatever follows
    if limit == "deadline":
        expected["query in batches"] = TimeoutError
    assert expected == asyncio.run(main())


def test_a_callers_own_timeout_ends_a_call(peer: Callable[..., Peer]) -> None:
    """As asyncio has it: the call is cancelled, and its connection closed."""
    server = peer(silence)

    async def main() -> None:
        manager = AsyncInfluxManager(server.url, "o", "t", timeout=LATE)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await manager.query("any")
        assert await closed(server)

    asyncio.run(main())


def test_an_endless_answer_ends_at_the_deadline(peer: Callable[..., Peer]) -> None:
    """Though the server is never silent."""
    server = peer(endless(HEAD, ROWS))

    async def main() -> None:
        manager = AsyncInfluxManager(server.url, "o", "t", deadline=0.3)
        with pytest.raises(OperationTimeoutError, match=r"within its deadline of 0\.3 seconds"):
            await manager.query("any")
        assert await closed(server)

    asyncio.run(main())


# --- Uploads ----------------------------------------------------------------------


@pytest.fixture(params=["plain", "TLS"])
def upload(
    request: pytest.FixtureRequest, peer: Callable[..., Peer]
) -> Callable[..., tuple[Peer, AsyncInfluxManager]]:
    """Give a function that starts a peer, which reads no more than a request's start, and a manager on it."""
    secure = request.param == "TLS"
    files: Pki | None = request.getfixturevalue("pki") if secure else None

    def start(*turns: Turn, **options: Any) -> tuple[Peer, AsyncInfluxManager]:
        server = peer(
            *turns,
            read=lambda connection: connection.recv(1_000),
            context=files.server.context() if files else None,
        )
        server.listener.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096
        )  # so that the system takes little
        more = {"ca_cert": files.ca_cert} if files else {}
        return server, AsyncInfluxManager(server.url, "o", "t", **options | more)

    return start


def test_an_answer_before_a_large_upload_has_ended_is_heard(
    upload: Callable[..., tuple[Peer, AsyncInfluxManager]],
) -> None:
    """A server that refuses a body need not read it."""

    def refuses(connection: socket.socket) -> None:
        connection.sendall(
            http(b'{"code":"request too large","message":"too large indeed"}', status="413 Large")
        )
        # As Go's server does: a close alone resets the connection and drops what has not left yet.
        connection.shutdown(socket.SHUT_WR)

    server, manager = upload(refuses, retries=1)
    with pytest.raises(WriteError, match="too large indeed"):
        asyncio.run(manager.synchronous_write("b", LARGE, "m"))
    assert 1 == len(server.requests)


def test_an_upload_that_breaks_off_is_sent_again(
    upload: Callable[..., tuple[Peer, AsyncInfluxManager]],
) -> None:
    """Whole, on a new connection."""

    def takes_all(connection: socket.socket) -> None:
        while not connection.recv(1 << 16).endswith(b"000000000\n"):
            pass
        connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    server, manager = upload(socket.socket.close, takes_all, retries=1)
    asyncio.run(manager.synchronous_write("b", LARGE, "m"))
    assert 2 == len(server.requests)


@pytest.mark.parametrize("limit", ["timeout", "deadline"])
def test_a_limit_ends_an_upload_that_nobody_takes(
    upload: Callable[..., tuple[Peer, AsyncInfluxManager]], limit: str
) -> None:
    """The error says which limit it was."""
    released = threading.Event()
    _, manager = upload(stall(released), retries=0, **{limit: 0.3})
    told = {
        "timeout": r"did not take the request in time: it received nothing for 0\.3 seconds",
        "deadline": r"within its deadline of 0\.3 seconds$",
    }
    with pytest.raises(OperationTimeoutError, match=told[limit]):
        asyncio.run(manager.synchronous_write("b", LARGE, "m"))
    released.set()


def test_an_upload_that_is_cancelled_closes_its_connection(
    upload: Callable[..., tuple[Peer, AsyncInfluxManager]],
) -> None:
    """Whose other side takes nothing."""
    begun, released = threading.Event(), threading.Event()
    server, manager = upload((lambda _: begun.set(), stall(released)), timeout=LATE)

    async def main() -> None:
        task = asyncio.ensure_future(manager.synchronous_write("b", LARGE, "m"))
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        released.set()
        assert await closed(server)

    asyncio.run(main())


# --- TLS --------------------------------------------------------------------------


def test_everything_works_over_tls_on_one_connection(
    server: servers.InfluxDB, store: Store, msname: str, pki: Pki, front: Callable[..., Peer]
) -> None:
    """Small and large requests and answers, one after the other: none has to connect again."""
    before = front(int(server.url.rpartition(":")[2]), pki.server)
    url = f"https://localhost:{before.port}"
    rows = 20_000
    index = pd.date_range("2026-01-01", periods=rows, freq="s", tz="UTC")
    data = pd.DataFrame({"v": [float(row) for row in range(rows)]}, index=index)

    async def main() -> None:
        async with AsyncInfluxManager(url, server.org, server.token, ca_cert=pki.ca_cert) as manager:
            for _ in range(2):
                await manager.synchronous_write(store.name, data, msname)
                frame = await manager.read("2026-01-01", "2026-01-02", msname, "v", store.name, interval=None)
                assert data["v"].tolist() == frame["v"].tolist()
                assert ["v"] == await manager.get_fields(store.name, msname)
                async with aclosing(manager.query_batches("buckets()")) as frames:
                    assert 0 < sum([len(frame) async for frame in frames])
            assert 1 == before.connections

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["another host", "expired", "self-signed", "unknown authority"])
def test_a_wrong_certificate_is_refused_and_not_tried_again(
    peer: Callable[..., Peer], pki: Pki, kind: str
) -> None:
    """In the words of the other manager; nothing is sent."""
    certificate, reason = pki.wrong[kind]
    told = []
    for manager_of in (InfluxManager, AsyncInfluxManager):
        server = peer(silence, context=certificate.context())
        manager: Any = manager_of(
            f"https://localhost:{server.port}", "o", "t", ca_cert=pki.ca_cert, retries=3
        )
        with pytest.raises(ConnectionFailedError, match=f"certificate verify failed: .*{reason}") as caught:
            asyncio.run(manager.query("any")) if manager_of is AsyncInfluxManager else manager.query("any")
        assert 1 == server.connections
        assert [] == server.requests
        told.append(str(caught.value).replace(str(server.port), "PORT"))
    assert told[0] == told[1]


@pytest.mark.parametrize("shown", [True, False])
def test_a_client_certificate_is_shown_where_it_is_demanded(
    server: servers.InfluxDB, pki: Pki, front: Callable[..., Peer], *, shown: bool
) -> None:
    """Without one nothing goes through."""
    before = front(int(server.url.rpartition(":")[2]), pki.server, pki.ca_cert)
    manager = AsyncInfluxManager(
        f"https://localhost:{before.port}",
        server.org,
        server.token,
        ca_cert=pki.ca_cert,
        client_cert=pki.client.both if shown else None,
        retries=0,
    )
    if shown:
        assert 0 < len(asyncio.run(manager.query("buckets()")))
    else:
        with pytest.raises(ConnectionFailedError, match=r"(?i)alert|reset|broken pipe|closed|eof"):
            asyncio.run(manager.query("buckets()"))


def test_a_silent_handshake_is_no_connection(peer: Callable[..., Peer]) -> None:
    """It takes no longer than a connection may."""
    url = f"https://127.0.0.1:{peer(silence, read=read_nothing).port}"
    manager = AsyncInfluxManager(url, "o", "t", connect_timeout=0.2, retries=0)
    with pytest.raises(OperationTimeoutError, match=r"no connection within 0\.2 seconds"):
        asyncio.run(manager.query("any"))


def test_what_speaks_no_tls_is_refused(peer: Callable[..., Peer]) -> None:
    """The error says what it met."""
    plain = peer(b"HTTP/1.1 400 Bad Request\r\n\r\n", read=lambda connection: connection.recv(1))
    manager = AsyncInfluxManager(f"https://127.0.0.1:{plain.port}", "o", "t", retries=0)
    with pytest.raises(ConnectionFailedError, match=r"(?i)wrong.version.number"):
        asyncio.run(manager.query("any"))


def test_a_small_request_over_tls_has_left_when_it_has(peer: Callable[..., Peer], pki: Pki) -> None:
    """A server that took it and is silent did not answer, which is not the same as that it takes nothing."""
    server = peer(b"", read=lambda connection: silence(connection) or b"", context=pki.server.context())
    manager = AsyncInfluxManager(server.url, "o", "t", ca_cert=pki.ca_cert, retries=0, timeout=0.3)
    with pytest.raises(OperationTimeoutError, match=r"it sent nothing for 0\.3 seconds"):
        asyncio.run(manager.read(*SLICES))


# --- Ctrl-C -----------------------------------------------------------------------

PROGRAM = """
import asyncio, sys
from db_influx import AsyncInfluxManager
async def main(call):
    async with AsyncInfluxManager(sys.argv[1], "o", "t") as manager:
        given = call(manager)
        if hasattr(given, "__aiter__"):
            [frame async for frame in given]
        else:
            await given
for call in [{calls}]:
    try:
        asyncio.run(main(call))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
# Each with the transfers that it has at once.
INTERRUPTED = {
    'manager.read("2026-01-01", "2026-01-05", "m", "v", "b", interval=None)': 4,
    'manager.query_batches("any", batch_rows=10_000_000)': 1,
}


def test_an_interrupt_ends_every_transfer(peer: Callable[..., Peer]) -> None:
    """KeyboardInterrupt comes out of `asyncio.run`, and the peer sees every connection close."""
    under_way = threading.Semaphore(0)
    server = peer((HEAD + ROWS * 100, lambda _: under_way.release(), endless(b"", ROWS)))
    program = PROGRAM.format(calls=", ".join(f"lambda manager: {call}" for call in INTERRUPTED))

    with subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", program, server.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout is not None
            for transfers in INTERRUPTED.values():
                for _ in range(transfers):
                    assert under_way.acquire(timeout=PATIENCE)
                child.send_signal(signal.SIGINT)
                assert "interrupted\n" == child.stdout.readline()
                for _ in range(transfers):
                    assert server.closed.acquire(timeout=PATIENCE)
            _, errors = child.communicate(timeout=PATIENCE)
        finally:
            child.kill()

    assert "Warning" not in errors


def test_a_connection_whose_last_bytes_left_behind_its_end_can_be_closed() -> None:
    """The loop has let go of it by then, and CPython 3.11 can't abort what it has let go of."""

    def read_all(peer: socket.socket) -> None:
        while peer.recv(1 << 20):
            pass

    async def main() -> None:
        loop = asyncio.get_running_loop()
        near, far = await asyncio.to_thread(connected)
        with far:
            _, connection = await loop.create_connection(_async_wire._Connection, sock=near)
            connection._transport.write(bytes(32 << 20))  # more than the system takes
            far.shutdown(socket.SHUT_WR)
            await connection._change(PATIENCE)  # the end has come
            await asyncio.to_thread(read_all, far)
            connection.close()

    asyncio.run(main())


def connected() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    near.settimeout(0)
    return near, far
