"""`on_retry`: a function that is told of each retry, and what happens if it raises an error."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import traceback
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from db_core.errors import (
    ConfigurationError,
    ConnectionFailedError,
    DatabaseError,
    InvalidArgumentError,
    WriteError,
)
from db_influx import AsyncInfluxManager, InfluxManager
from tests.awaited import AwaitedManager
from tests.influx.answers import NO_CONTENT, ONE_ROW, http
from tests.influx.writers import NEVER
from tests.peer import read_nothing, stall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_core import Retry
    from tests.influx.conftest import Store
    from tests.peer import Peer

pytestmark = pytest.mark.usefixtures("at_once")

SAYS = http(ONE_ROW)
FRAME = pd.DataFrame({"v": [1.0]}, index=pd.DatetimeIndex(["2026-01-01"], tz="UTC"))
SPAN = ("2026-01-01", "2026-01-05")


class OwnError(Exception):
    """An error of the program's own."""


def noted(_: Retry) -> None:
    """Be a hook that a pickle can name."""


@pytest.fixture(params=["sync", "asyncio"])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Return a function that makes a manager of each kind on a peer."""
    made: list[Any] = []

    def make(peer: Peer, **options: Any) -> Any:
        settings: dict[str, Any] = {"org": "o", "token": "peer-token", "retries": 2, "timeout": 5} | options
        kind = (
            InfluxManager
            if request.param == "sync"
            else lambda *a, **o: AwaitedManager(AsyncInfluxManager(*a, **o))
        )
        made.append(kind(peer.url, **settings).__enter__())
        return made[-1]

    yield make
    for manager in made:
        manager.__exit__(None, None, None)


def test_it_is_told_of_each_retry(peer: Callable[..., Peer], make: Callable[..., Any]) -> None:
    """With the method, the attempt, its error and the wait; not of the first attempt, nor of the success."""
    told: list[Retry] = []
    manager = make(peer(b"", b"", SAYS), on_retry=told.append)

    manager.query("any")

    assert [("query", 1), ("query", 2)] == [(one.method, one.attempt) for one in told]
    assert [ConnectionFailedError] * 2 == [type(one.error) for one in told]
    assert [0.0, 0.0] == [one.seconds for one in told]


def test_it_is_told_what_a_server_asks_to_wait(peer: Callable[..., Peer], make: Callable[..., Any]) -> None:
    """A Retry-After is the wait."""
    told: list[Retry] = []
    head = b"HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    make(peer(head, SAYS), on_retry=told.append).query("any")
    assert [(1, 0.0)] == [(one.attempt, one.seconds) for one in told]


def test_it_is_told_of_slices(peer: Callable[..., Peer], make: Callable[..., Any]) -> None:
    """Each has attempts of its own, and the same call."""
    told: list[Retry] = []
    empty = http(b"\r\n")
    manager = make(peer(b"", SAYS, empty, empty, empty, empty, empty), on_retry=told.append, max_parallel=2)

    manager.read(*SPAN, "m", "v", "b", interval=None, missing="ignore")

    assert [("read", 1)] == [(one.method, one.attempt) for one in told]


def test_its_error_ends_the_call(peer: Callable[..., Peer], make: Callable[..., Any]) -> None:
    """It is raised as it is, whatever the method makes of errors, and nothing is sent again."""

    def stops(_: Retry) -> None:
        raise OwnError("enough")

    for method, arguments in (
        ("query", ("any",)),
        ("synchronous_write", ("b", FRAME, "m")),
        ("read", (*SPAN, "m", "v", "b")),
    ):
        server = peer(b"")
        with pytest.raises(OwnError, match="enough"):
            getattr(make(server, on_retry=stops), method)(*arguments)
        assert 1 == len(server.requests)


def test_its_error_loses_no_point_of_a_writer(peer: Callable[..., Peer], make: Callable[..., Any]) -> None:
    """`flush` raises it, the points stay, and the next flush sends them."""
    fails = [True, False]

    def stops(_: Retry) -> None:
        if fails.pop(0):
            raise OwnError("enough")

    server = peer(b"", NO_CONTENT)
    with make(server, on_retry=stops).writer("b", **NEVER) as writer:
        writer.write("m v=1 1")
        with pytest.raises(OwnError, match="enough"):
            writer.flush()
        writer.flush()

    assert [b"m v=1 1\n"] * 2 == [request.rpartition(b"\r\n\r\n")[2] for request in server.requests]


@pytest.mark.parametrize("end", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_what_ends_the_thread_of_a_writer_is_told(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager], end: type[BaseException]
) -> None:
    """`flush` and `close` raise an error at once, also without a deadline. That of `close` has the points."""

    def ends(_: Retry) -> None:
        raise end("enough")

    told = f"the thread that sends has ended with {end.__name__}: enough"
    writer = call_peer(peer(b""), retries=1, deadline=None, on_retry=ends).writer("b", **NEVER)
    writer.write("m v=1 1")
    writer.write("m v=2 2")
    for _ in range(2):
        with pytest.raises(RuntimeError, match=told) as flushed:
            writer.flush()
    with pytest.raises(InvalidArgumentError, match=told):
        writer.write("m v=3 3")
    with pytest.raises(WriteError, match=f"2 points were not written: .*{told}") as closed:
        writer.close()
    writer.close()

    assert end is type(flushed.value.__cause__)
    assert ["m v=1 1", "m v=2 2"] == [point.line for point in closed.value.points]


@pytest.mark.usefixtures("at_once")
def test_the_locals_of_an_error_do_not_have_the_token(
    peer: Callable[..., Peer], make: Callable[..., Any]
) -> None:
    """Tools that report errors show those of each frame: that sends, waits for an answer, or reads one."""
    errors: list[Exception] = []
    busy = b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy"
    released = threading.Event()
    servers = [
        peer(b""),
        peer(busy),
        peer(http(ONE_ROW, length=100)),
        peer(stall(released), read=read_nothing),
    ]
    for server in servers:
        options = {
            "token": "very-secret-token",
            "timeout": 0.5,
            "on_retry": lambda one: errors.append(one.error),
        }
        with pytest.raises(DatabaseError) as caught:
            make(server, **options).query("any" * (1 << 22 if server is servers[-1] else 1))
        errors.append(caught.value)
    released.set()

    assert 3 * 3 + 1 == len(errors)
    shown = [traceback.TracebackException.from_exception(error, capture_locals=True) for error in errors]
    assert [] == [line for one in shown for line in one.format() if "Token very-secret-token" in line]


@pytest.mark.parametrize("kind", [InfluxManager, AsyncInfluxManager])
def test_only_a_plain_function_can_be_told(kind: Any) -> None:
    """Nothing would await one that is asynchronous."""

    async def asynchronous(_: Retry) -> None:
        await asyncio.sleep(0)

    for wrong in (1, "noted", asynchronous):
        with pytest.raises(ConfigurationError, match="`on_retry` must be a function"):
            kind("http://127.0.0.1:9", "o", "t", on_retry=wrong)


@pytest.mark.parametrize("kind", [InfluxManager, AsyncInfluxManager])
def test_a_pickle_has_it(kind: Any) -> None:
    """By its name, so that a function without one can't be pickled."""
    copy = pickle.loads(pickle.dumps(kind("http://127.0.0.1:9", "o", "t", on_retry=noted)))
    assert noted is copy._on_retry
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(kind("http://127.0.0.1:9", "o", "t", on_retry=lambda _: None))


def test_a_partition_does_not_have_it(make_manager: Callable[..., InfluxManager], store: Store) -> None:
    """It belongs to a process; another one may tell its own by `connect`."""
    store.write("m v=1 1767225600000000000")
    manager = make_manager(on_retry=lambda _: None)

    [part] = manager.partitions("2026-01-01", "2026-01-02", "m", "v", store.name, every="1d")

    assert part == pickle.loads(pickle.dumps(part))


def test_a_copy_is_a_call_of_the_manager_that_reads(
    make_either: Callable[..., Any],
    peer: Callable[..., Peer],
    store: Store,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its hook is told of retries on the other server, and lines about a write name the bucket there."""
    caplog.set_level(logging.DEBUG, "db_influx")
    store.write("m v=1 1767225600000000000")
    told: list[tuple[str, str]] = []
    busy = b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy"
    reads = make_either(on_retry=lambda one: told.append((one.method, str(one.error))))
    writes = make_either(url=peer(busy, NO_CONTENT).url, on_retry=lambda _: told.append(("other", "")))

    reads.copy(store.name, "there", start=SPAN[0], stop=SPAN[1], to=getattr(writes, "manager", writes))

    assert [("copy", "HTTP 503: busy")] == told
    lines = [one.getMessage() for one in caplog.records if one.name == "db_influx"]
    about = [line for line in lines if "bucket='there'" in line]
    assert about == [line for line in lines if "/api/v2/write" in line or " attempt 1 failed" in line]
    assert 3 == len(about)
    assert all(f"bucket='{store.name}'" in line for line in lines if line not in about)
