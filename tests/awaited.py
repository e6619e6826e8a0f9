"""Asyncio clients used without `await`, so that one test holds both kinds to the same words."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Coroutine

    from db_influx import AsyncInfluxManager, AsyncPointWriter
    from db_redis import AsyncRedisClient


class Awaited:
    """An `AsyncRedisClient` on a loop of its own, used as if it were a `RedisClient`."""

    def __init__(self, client: AsyncRedisClient, runner: asyncio.Runner) -> None:
        self.client = client
        self._runner = runner

    def run(self, awaited: Coroutine[Any, Any, Any]) -> Any:
        """Wait for something else on that loop."""
        return self._runner.run(awaited)

    def close(self) -> None:
        """Close the client."""
        self._runner.run(self.client.aclose())

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*arguments: Any, **options: Any) -> Any:
            given = method(*arguments, **options)
            return self._runner.run(given if asyncio.iscoroutine(given) else _listed(given))

        return call


async def _result(given: Awaitable[Any]) -> Any:
    return await given


async def _listed(given: AsyncIterator[Any]) -> list[Any]:
    return [part async for part in given]


class AwaitedManager:
    """An `AsyncInfluxManager` used from any thread as if it were an `InfluxManager`.

    Its loop runs in a thread of its own as long as the `with` block.
    """

    def __init__(self, manager: AsyncInfluxManager) -> None:
        self.manager = manager

    def __enter__(self) -> Self:
        loops: SimpleQueue[asyncio.AbstractEventLoop] = SimpleQueue()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._live(loops),))
        self._thread.start()
        self._loop = loops.get()
        return self

    async def _live(self, loops: SimpleQueue[asyncio.AbstractEventLoop]) -> None:
        async with self.manager:
            loops.put(asyncio.get_running_loop())
            await self._end.wait()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def run(self, awaited: Coroutine[Any, Any, Any]) -> Any:
        """Wait for something on that loop."""
        return asyncio.run_coroutine_threadsafe(awaited, self._loop).result()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.manager, name)

        def call(*arguments: Any, **options: Any) -> Any:
            given = method(*arguments, **options)
            if name == "writer":
                return AwaitedWriter(self, given)
            return _Frames(self, given) if hasattr(given, "__aiter__") else self.run(_result(given))

        return call


class _Frames:
    """The frames of an asynchronous iterator, one by one."""

    def __init__(self, owner: AwaitedManager, frames: AsyncGenerator[Any]) -> None:
        self._owner = owner
        self._frames = frames

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        try:
            return self._owner.run(self._next())
        except StopAsyncIteration:
            raise StopIteration from None

    async def _next(self) -> Any:
        return await anext(self._frames)

    def close(self) -> None:
        """Leave the rest."""
        self._owner.run(self._frames.aclose())


class AwaitedWriter:
    """An `AsyncPointWriter` used as if it were a `PointWriter`."""

    def __init__(self, owner: AwaitedManager, writer: AsyncPointWriter) -> None:
        self._owner = owner
        self.writer = writer
        owner.run(writer.__aenter__())

    @property
    def error(self) -> Exception | None:
        """The error of the last attempt."""
        return self.writer.error

    def write(self, data: object) -> None:
        """Write."""
        self._owner.run(self.writer.write(data))

    def flush(self) -> None:
        """Flush."""
        self._owner.run(self.writer.flush())

    def close(self) -> None:
        """Close."""
        self._owner.run(self.writer.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
