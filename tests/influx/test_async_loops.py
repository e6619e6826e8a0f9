"""`AsyncInfluxManager` and event loops: one after the other, at once, in threads, copies and forks."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from db_influx import AsyncInfluxManager
from tests.influx.answers import ANSWER
from tests.influx.test_fork import ends_well, in_a_child
from tests.peer import PATIENCE, endless, stall

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.influx.conftest import Store
    from tests.peer import Peer

pytestmark = pytest.mark.usefixtures("nothing_left")

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
SPAN = ("2026-01-01", "2026-01-05")
SERIES = 20
KEPT = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n"
    b"#datatype,string,long,dateTime:RFC3339,double\r\n#group,false,false,false,false\r\n"
    b"#default,_result,,,\r\n,result,table,_time,_value\r\n"
)
ROW = b",,0,2026-01-01T00:00:00Z,1.5\r\n"


@pytest.fixture
def measured(store: Store, msname: str) -> tuple[str, str]:
    """Store series with a value of their own, a point a day; give bucket and measurement."""
    store.write(
        *(
            f"{msname},k={number} v={number} {T0 + day * 86_400_000_000_000}"
            for number in range(SERIES)
            for day in range(4)
        )
    )
    return store.name, msname


async def use(manager: AsyncInfluxManager, measured: tuple[str, str]) -> bool:
    """Read every series by a task of its own, and tell whether each got its values."""
    bucket, msname = measured

    async def read(number: int) -> bool:
        frame = await manager.read(*SPAN, msname, "v", bucket, {"k": str(number)}, interval=None)
        return [float(number)] * 4 == frame["v"].tolist()

    return all(await asyncio.gather(*map(read, range(SERIES))))


def test_a_manager_is_made_outside_a_loop_and_used_by_one_after_the_other(
    make_async: Callable[..., AsyncInfluxManager], measured: tuple[str, str]
) -> None:
    """Nobody closes it: each loop leaves no connection open."""
    manager = make_async()
    for _ in range(5):
        assert asyncio.run(use(manager, measured))


def test_a_manager_is_made_inside_a_loop_and_used_by_another(
    make_async: Callable[..., AsyncInfluxManager], measured: tuple[str, str]
) -> None:
    """It belongs to none."""

    async def make() -> AsyncInfluxManager:
        manager = make_async()
        assert await use(manager, measured)
        return manager

    assert asyncio.run(use(asyncio.run(make()), measured))


def test_loops_in_threads_share_a_manager(
    make_async: Callable[..., AsyncInfluxManager], measured: tuple[str, str]
) -> None:
    """Four of them at once, each three times."""
    manager = make_async()
    together = threading.Barrier(4)

    def work(_: int) -> bool:
        together.wait(PATIENCE)
        return all(asyncio.run(use(manager, measured)) for _ in range(3))

    with ThreadPoolExecutor(4) as pool:
        assert [True] * 4 == list(pool.map(work, range(4)))


def test_two_loops_by_turns_keep_their_connections(peer: Callable[..., Peer]) -> None:
    """The second call of each loop opens none."""

    def again(connection: Any) -> None:
        while server.take(connection):
            connection.sendall(KEPT)

    server = peer((KEPT, again))
    manager = AsyncInfluxManager(server.url, "o", "t")
    with asyncio.Runner() as first, asyncio.Runner() as second:
        for runner in (first, second) * 3:
            assert 3 == len(runner.run(manager.query("any")))
        assert 2 == server.connections


def test_aclose_closes_what_is_idle_and_a_later_call_opens_anew(peer: Callable[..., Peer]) -> None:
    """As often as one likes; `async with` does it at its end."""
    server = peer(KEPT)

    async def main() -> None:
        async with AsyncInfluxManager(server.url, "o", "t") as manager:
            await manager.aclose()
            for connections in (1, 2):
                assert 3 == len(await manager.query("any"))
                assert connections == server.connections
                await manager.aclose()
                await manager.aclose()
                assert await asyncio.to_thread(server.closed.acquire, timeout=PATIENCE)
            await manager.query("any")
        assert await asyncio.to_thread(server.closed.acquire, timeout=PATIENCE)

    asyncio.run(main())


def test_a_call_under_way_where_a_manager_is_closed_ends_as_it_would(
    make_async: Callable[..., AsyncInfluxManager], measured: tuple[str, str]
) -> None:
    """And leaves no connection, though nothing closes it again."""

    async def main() -> bool:
        manager = make_async()
        task = asyncio.ensure_future(use(manager, measured))
        await asyncio.sleep(0)
        await manager.aclose()
        return await task

    assert asyncio.run(main())


def test_a_manager_that_is_dropped_closes_its_connections(peer: Callable[..., Peer]) -> None:
    """While its loop goes on."""
    server = peer(KEPT)

    async def main() -> bool:
        await AsyncInfluxManager(server.url, "o", "t").query("any")
        return await asyncio.to_thread(server.closed.acquire, timeout=PATIENCE)

    assert asyncio.run(main())


def test_a_copy_by_pickle_reads_the_same(
    make_async: Callable[..., AsyncInfluxManager], measured: tuple[str, str]
) -> None:
    """Also of one that is in use, on the same loop."""
    manager = make_async()

    async def main() -> list[bool]:
        task = asyncio.ensure_future(use(manager, measured))
        await asyncio.sleep(0)
        copy = pickle.loads(pickle.dumps(manager))
        assert repr(manager) == repr(copy)
        return [await use(copy, measured), await task]

    assert [True, True] == asyncio.run(main())


def test_a_connection_that_the_server_closed_meanwhile_is_not_used(peer: Callable[..., Peer]) -> None:
    """Though the loop has not looked at it since: its task blocked, say."""
    over = threading.Event()
    server = peer((KEPT, lambda connection: connection.shutdown(1), lambda _: over.set()), KEPT)

    async def main() -> None:
        async with AsyncInfluxManager(server.url, "o", "t", retries=0) as manager:
            assert 3 == len(await manager.query("any"))
            over.wait(PATIENCE)  # blocks the loop
            assert 3 == len(await manager.query("any"))

    asyncio.run(main())
    assert 2 == server.connections


# --- Iterators --------------------------------------------------------------------


@pytest.fixture
def endless_peer(peer: Callable[..., Peer]) -> Peer:
    """Start a peer whose answer has no end."""
    return peer(endless(HEAD, ROW * 100))


def test_an_iterator_that_is_closed_early_stops_its_transfer(endless_peer: Peer) -> None:
    """With `aclosing`, at the end of the block."""

    async def main() -> None:
        manager = AsyncInfluxManager(endless_peer.url, "o", "t")
        async with aclosing(manager.query_batches("any", batch_rows=10)) as frames:
            async for frame in frames:
                assert [1.5] * 10 == frame["_value"].tolist()
                break
        assert await asyncio.to_thread(endless_peer.closed.acquire, timeout=PATIENCE)

    asyncio.run(main())


def test_an_iterator_that_is_dropped_stops_its_transfer(endless_peer: Peer) -> None:
    """Without `aclosing`, soon after."""

    async def main() -> None:
        manager = AsyncInfluxManager(endless_peer.url, "o", "t")
        async for _ in manager.query_batches("any", batch_rows=10):
            break
        assert await asyncio.to_thread(endless_peer.closed.acquire, timeout=PATIENCE)

    asyncio.run(main())


def test_an_iterator_that_is_kept_ends_with_its_loop(endless_peer: Peer) -> None:
    """It has no more frames then."""
    kept = []

    async def main() -> None:
        manager = AsyncInfluxManager(endless_peer.url, "o", "t")
        frames = manager.query_batches("any", batch_rows=10)
        kept.append(frames)
        assert 10 == len(await anext(frames))

    asyncio.run(main())
    assert endless_peer.closed.acquire(timeout=PATIENCE)


def test_an_iterator_that_nobody_asked_opens_nothing(endless_peer: Peer) -> None:
    """It begins with the first frame that is asked for."""

    async def main() -> None:
        AsyncInfluxManager(endless_peer.url, "o", "t").query_batches("any")

    asyncio.run(main())
    assert 0 == endless_peer.connections


# --- Forks ------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_does_not_disturb_its_parents_loop(
    make_async: Callable[..., AsyncInfluxManager], measured: tuple[str, str]
) -> None:
    """From the middle of a running loop: the child reads on loops of its own, and the parent goes on."""
    manager = make_async()
    bucket, msname = measured

    def child() -> None:
        for _ in range(2):
            assert asyncio.run(use(manager, measured))

    async def main() -> None:
        assert await use(manager, measured)
        async with aclosing(manager.read_batches(*SPAN, msname, "v", bucket, batch_rows=10)) as frames:
            rows = len(await anext(frames))
            children = [in_a_child(child) for _ in range(2)]
            assert await use(manager, measured)
            async for frame in frames:
                rows += len(frame)
        assert 4 * SERIES == rows
        assert [True, True] == [await asyncio.to_thread(ends_well, one) for one in children]
        assert await use(manager, measured)

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_that_closes_an_iterator_leaves_its_parents_alone(peer: Callable[..., Peer]) -> None:
    """The parent's loop goes on to hear what comes, to the last row."""
    released = threading.Event()
    rows = 20_000
    text = HEAD.partition(b"\r\n\r\n")[2] + ROW * rows + b"\r\n"
    half = len(text) // 2
    server = peer(
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text[:half],
            stall(released),
            text[half:],
        )
    )

    async def main() -> int:
        manager = AsyncInfluxManager(server.url, "o", "t", timeout=PATIENCE / 4)
        async with aclosing(manager.query_batches("any", batch_rows=1_000)) as frames:

            async def close() -> None:
                await frames.aclose()

            found = len(await anext(frames))
            assert ends_well(in_a_child(lambda: asyncio.run(close())))
            released.set()
            return found + sum([len(frame) async for frame in frames])

    assert rows == asyncio.run(main())
