"""redis-py's asyncio clients, one for each event loop: a connection works only on the loop that opened it.

Each is kept by an asynchronous generator that waits for its end. asyncio ends the generators of a loop
before it closes the loop, so `asyncio.run` and `asyncio.Runner` leave no connection open without `close`.
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

__all__ = ["Clients", "Lent"]


_Place: TypeAlias = tuple[int, asyncio.AbstractEventLoop]  # the process, and the loop
_CLOSING: set[asyncio.Task[None]] = set()  # which a loop alone does not keep


class _Client(Protocol):
    async def aclose(self) -> None: ...


_C = TypeVar("_C", bound=_Client)


@dataclass(eq=False, slots=True)
class _Kept(Generic[_C]):
    client: _C
    keeper: AsyncGenerator[None]
    dropped: weakref.finalize[[_Place, AsyncGenerator[None]], Clients[_C]]
    users: int = 0
    is_over: bool = False  # closed while it had users, who may open connections again


class Clients(Generic[_C]):
    """Makes a client for each event loop that asks for one."""

    def __init__(self, first: _C, make: Callable[[], _C]) -> None:
        """Take the client of the first loop, and what makes the others."""
        self._unused = [first]
        self._make = make
        # By process, too: after a fork the loops are there twice, and their connections are the parent's.
        self._kept: dict[_Place, _Kept[_C]] = {}

    async def here(self) -> _Kept[_C]:
        """Return what is kept for the running loop."""
        place = os.getpid(), asyncio.get_running_loop()
        kept = self._kept.get(place)
        if kept is None:
            self._forget_closed()
            try:
                client = self._unused.pop()  # by one of several threads
            except IndexError:
                client = self._make()
            keeper = _keep(client)
            # It is kept until then, so that no connection is garbage, which warns, before it is closed.
            dropped = weakref.finalize(self, _end, place, keeper)
            dropped.atexit = False
            kept = self._kept[place] = _Kept(client, keeper, dropped)
            await anext(keeper)  # asyncio hears of it by this
        return kept

    async def close(self) -> None:
        """Close the connections of the running loop; those of another are for that one to close."""
        self._forget_closed()
        kept = self._kept.pop((os.getpid(), asyncio.get_running_loop()), None)
        if kept is not None:
            kept.is_over = True
            kept.dropped.detach()
            await kept.keeper.aclose()

    def _forget_closed(self) -> None:
        for place in list(self._kept):
            process, loop = place
            if process == os.getpid() and loop.is_closed():
                kept = self._kept.pop(place, None)
                if kept is not None:
                    kept.dropped.detach()


class Lent(Generic[_C]):
    """Lends the client of the running loop for the time of a block.

    Who closes it meanwhile closes its connections, and the block opens new ones: the last block closes those.
    """

    __slots__ = ("_clients", "_kept")

    def __init__(self, clients: Clients[_C]) -> None:
        self._clients = clients

    async def __aenter__(self) -> _C:
        self._kept = await self._clients.here()
        self._kept.users += 1
        return self._kept.client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kept.users -= 1
        if self._kept.is_over and not self._kept.users:
            await self._kept.client.aclose()


def _end(place: _Place, keeper: AsyncGenerator[None]) -> None:
    """Have a loop close the connections of a client that was dropped."""
    process, loop = place

    def close() -> None:
        task = loop.create_task(_closed(keeper))
        _CLOSING.add(task)
        task.add_done_callback(_CLOSING.discard)

    if process == os.getpid():
        with contextlib.suppress(RuntimeError):  # the loop is closed, and so are they
            loop.call_soon_threadsafe(close)


async def _closed(keeper: AsyncGenerator[None]) -> None:
    await keeper.aclose()


async def _keep(client: _Client) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await client.aclose()
