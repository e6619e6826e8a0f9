"""`AsyncInfluxManager`: the methods, each of which is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from db_influx._methods import Methods

if TYPE_CHECKING:
    from types import TracebackType

    from db_influx._requests import Server

__all__ = ["AsyncInfluxManager"]


class AsyncInfluxManager(Methods):
    """`InfluxManager` for asyncio: the same methods, arguments, answers and errors, but each is awaited.

    `query_batches` and `read_batches` return asynchronous iterators: ``async for`` goes through their
    frames. Close one that you leave before its end, by `contextlib.aclosing` say. Slices of a long read
    are tasks. What takes long, such as decoding and pivoting, runs in threads of the loop's default
    executor, so that the loop goes on. A task that is cancelled closes its connections. Points of a write
    that it interrupts may be stored.

    A manager can be made outside of a loop, shared between tasks, and used by several loops, each of
    which has connections of its own. It is an asynchronous context manager, and can be pickled. See
    `InfluxManager` for the common arguments and errors.
    """

    def _make_wire(self, server: Server) -> Any:
        from db_influx._async_wire import AsyncWire

        return AsyncWire(server)

    async def aclose(self) -> None:
        """Close all connections of the running loop; a later call opens new ones."""
        await self._wire.close()
        self._close_official()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
