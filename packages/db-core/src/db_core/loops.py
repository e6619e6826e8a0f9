"""Keep one client for each asyncio event loop, since a connection works only on the loop that opened it.

An asynchronous generator waits for the end of each loop and then closes that loop's client. asyncio ends
the generators of a loop before it closes the loop, so `asyncio.run` and `asyncio.Runner` leave no connection
open, also without `close`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

__all__ = ["Borrowed", "ClientsByLoop"]


_ProcessLoop: TypeAlias = tuple[int, asyncio.AbstractEventLoop]  # process ID and loop
_CLOSING: set[asyncio.Task[None]] = set()  # a loop keeps only weak references to its tasks


class _Client(Protocol):
    async def aclose(self) -> None: ...


_C = TypeVar("_C", bound=_Client)


@dataclass(eq=False, slots=True)
class _LoopClient(Generic[_C]):
    """A loop's client, the generator that closes it, and how many blocks use it now."""

    client: _C
    closer: AsyncGenerator[None]
    finalizer: weakref.finalize[[_ProcessLoop, AsyncGenerator[None]], ClientsByLoop[_C]]
    users: int = 0
    is_closed: bool = False  # `close` was called; blocks that still use the client may open connections again


class ClientsByLoop(Generic[_C]):
    """Make one client for each event loop that asks for one."""

    def __init__(self, first: _C, make: Callable[[], _C]) -> None:
        """Keep the client of the first loop, and the function that makes the others."""
        self._unused = [first]
        self._make = make
        # The process is part of the key: a fork copies the loops, but their connections are the parent's.
        self._clients: dict[_ProcessLoop, _LoopClient[_C]] = {}

    async def of_running_loop(self) -> _LoopClient[_C]:
        """Return the client of the running loop. It is made if there is none."""
        place = os.getpid(), asyncio.get_running_loop()
        found = self._clients.get(place)
        if found is None:
            self._forget_closed_loops()
            try:
                client = self._unused.pop()  # only one of several threads gets it
            except IndexError:
                client = self._make()
            closer = _close_at_loop_end(client)
            # The finalizer keeps the client alive until its loop has closed it. A connection that is
            # collected as garbage before that warns.
            finalizer = weakref.finalize(self, _close_on, place, closer)
            finalizer.atexit = False
            found = self._clients[place] = _LoopClient(client, closer, finalizer)
            await anext(closer)  # the first step registers the generator with the loop
        return found

    async def close(self) -> None:
        """Close the connections of the running loop. Those of another loop can only be closed there."""
        self._forget_closed_loops()
        found = self._clients.pop((os.getpid(), asyncio.get_running_loop()), None)
        if found is not None:
            found.is_closed = True
            found.finalizer.detach()
            await found.closer.aclose()

    def _forget_closed_loops(self) -> None:
        for place in list(self._clients):
            process, loop = place
            if process == os.getpid() and loop.is_closed():
                found = self._clients.pop(place, None)
                if found is not None:
                    found.finalizer.detach()


class Borrowed(Generic[_C]):
    """Lend the client of the running loop to a block.

    If the client is closed meanwhile, the block opens new connections, and the last such block closes them.
    """

    __slots__ = ("_clients", "_loop_client")

    def __init__(self, clients: ClientsByLoop[_C]) -> None:
        self._clients = clients

    async def __aenter__(self) -> _C:
        self._loop_client = await self._clients.of_running_loop()
        self._loop_client.users += 1
        return self._loop_client.client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop_client.users -= 1
        if self._loop_client.is_closed and not self._loop_client.users:
            await self._loop_client.client.aclose()


def _close_on(place: _ProcessLoop, closer: AsyncGenerator[None]) -> None:
    """Have a loop close its client, whose owner no longer exists."""
    process, loop = place

    def close() -> None:
        task = loop.create_task(_aclose(closer))
        _CLOSING.add(task)
        task.add_done_callback(_CLOSING.discard)

    if process == os.getpid():
        with contextlib.suppress(RuntimeError):  # the loop is closed, and so are its connections
            loop.call_soon_threadsafe(close)


async def _aclose(closer: AsyncGenerator[None]) -> None:
    await closer.aclose()


async def _close_at_loop_end(client: _Client) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await client.aclose()
