"""What is saved in Redis, by either client; what each call on it gives."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from db_redis import AsyncRedisClient, RedisClient
from tests.awaited import Awaited

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE = {"name": "meter", "values": list(range(500))}
MANY = {f"many-{number}": [number] * 20 for number in range(200)}
FRAME = pd.DataFrame({"v": [number / 2 for number in range(5_000)], "t": ["text"] * 5_000})


def fill(client: Any) -> None:
    """Save what the calls read."""
    client.save_in_redis("value", VALUE)
    client.save_many(MANY)
    client.save_frame("frame", FRAME)


def _frame_as_lists(frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {name: frame[name].tolist() for name in frame}


# What is done, and what it gives, where `value`, `many-*` and `frame` are there.
CALLS: dict[str, tuple[Callable[[Any], object], object]] = {
    "safe_read_from_redis": (lambda c: c.safe_read_from_redis("value"), VALUE),
    "save_in_redis": (lambda c: c.save_in_redis("value", VALUE), None),
    "read_many": (lambda c: c.read_many(list(MANY)), MANY),
    "save_many": (lambda c: c.save_many(MANY), None),
    "read_frame": (lambda c: _frame_as_lists(c.read_frame("frame")), _frame_as_lists(FRAME)),
    "save_frame": (lambda c: c.save_frame("frame", FRAME), None),
    "get_or_compute": (
        # Each time another key, or it would wait for the lock of a caller that was cut off.
        lambda c: c.get_or_compute(uuid.uuid4().hex, lambda: VALUE, ttl=60),
        VALUE,
    ),
    "scan": (
        lambda c: sorted(set(c.scan("many-1*"))),
        sorted(key for key in MANY if key.startswith("many-1")),
    ),
}


def is_whole(client: Any) -> bool:
    """Say whether all that `fill` saves is there."""
    return all(
        CALLS[call][0](client) == CALLS[call][1]
        for call in ("safe_read_from_redis", "read_many", "read_frame")
    )


@dataclass(frozen=True)
class Clients:
    """Makes clients of one kind, in one namespace, as contexts; those of asyncio need no `await`."""

    kind: type[RedisClient | AsyncRedisClient]
    namespace: str

    def __str__(self) -> str:
        return "sync" if self.kind is RedisClient else "asyncio"

    def __call__(self, port: int, **options: Any) -> Any:
        """Make one."""
        return _Closing(self.kind("127.0.0.1", port, namespace=self.namespace, **options))


class _Closing(ExitStack):
    """A client that is closed at the end of its `with` block, used without `await`."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        self._made = client

    def __enter__(self) -> Any:
        super().__enter__()
        if isinstance(self._made, RedisClient):
            return self.enter_context(self._made)
        runner = self.enter_context(asyncio.Runner())
        self.callback(lambda: runner.run(self._made.aclose()))
        return Awaited(self._made, runner)
