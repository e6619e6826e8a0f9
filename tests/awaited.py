"""An asyncio client used without `await`, so that one test holds both clients to the same words."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from db_redis import AsyncRedisClient


class Awaited:
    """An `AsyncRedisClient` on a loop of its own, used as if it were a `RedisClient`."""

    def __init__(self, client: AsyncRedisClient, runner: asyncio.Runner) -> None:
        self.client = client
        self._runner = runner

    def run(self, awaited: Coroutine[Any, Any, Any]) -> Any:
        """Wait for something else on that loop."""
        return self._runner.run(awaited)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.client, name)

        def call(*arguments: Any, **options: Any) -> Any:
            given = method(*arguments, **options)
            return self._runner.run(given if asyncio.iscoroutine(given) else _listed(given))

        return call


async def _listed(given: AsyncIterator[Any]) -> list[Any]:
    return [part async for part in given]
