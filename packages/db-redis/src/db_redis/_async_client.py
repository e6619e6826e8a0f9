"""`AsyncRedisClient`: the methods of `RedisClient` for asyncio, which await the same steps."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import time
import weakref
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar, cast, overload

import redis
import redis.asyncio
from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline

from db_core.loops import Borrowed, ClientsByLoop
from db_core.observed import Aside
from db_redis import _cache, _connect, _frames, _operations
from db_redis._arguments import key_maker
from db_redis._base import DECODED, BaseClient
from db_redis._errors import THEIRS
from db_redis._retries import AsyncRetry
from db_redis._steps import Command, Compute, FailedPartway, Outcome, Pause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from typing_extensions import TypeVar as TypeVarWithDefault

    from db_core.frame import Into
    from db_core.observed import Call
    from db_redis._cache import OnOutage
    from db_redis._connect import Url
    from db_redis._expiry import Expiration
    from db_redis._keys import Key
    from db_redis._settings import RedisSettings
    from db_redis._steps import Step, Steps

    _DefaultT = TypeVarWithDefault("_DefaultT", default=None)

__all__ = ["AsyncRedisClient"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_KeyT = TypeVar("_KeyT", str, bytes, str | bytes)
_MAX_CONNECTIONS = 100  # further tasks wait for a connection; redis-py alone would refuse them


class AsyncRedisClient(BaseClient):
    """`RedisClient` for asyncio, with the same arguments, methods, values and errors. Await each call.

    Only `close` has another name, `aclose`, as in redis-py. The client is an asynchronous context manager. If
    a call is cancelled, its connection is closed, so that its reply never reaches another call. Whether the
    call took effect is unknown.

    Several event loops can use one client, one after the other or each in its own thread, and also after a
    fork. Each loop has its own connections. `aclose` closes the connections of the running loop.
    `asyncio.run` and `asyncio.Runner` close them at the latest, when they end the loop. A `client` that you
    pass works on one loop only, as all clients of redis-py do.

    Args:
        client: A `redis.asyncio.Redis` (from a Sentinel too) or `redis.asyncio.RedisCluster`.

    The other arguments are those of `RedisClient`.
    """

    # The client that was passed, or that of the first event loop.
    _client: redis.asyncio.Redis | redis.asyncio.RedisCluster

    def _set_up(self, client: Any, settings: RedisSettings | Url | None, behaviour: dict[str, Any]) -> None:
        super()._set_up(client, settings, behaviour)
        self._clients = (
            None
            if settings is None
            else ClientsByLoop(client, functools.partial(self._make_client, settings))
        )
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None  # of a client that was passed

    async def save_in_redis(self, key: Key, value: object) -> None:
        """Do the same as `RedisClient.save_in_redis`."""
        await self._run(_operations.save(self._options, key, value), "save_in_redis", key)

    async def save_in_redis_with_expiration(
        self, key: Key, value: object, expiration_in_seconds: Expiration
    ) -> None:
        """Do the same as `RedisClient.save_in_redis_with_expiration`."""
        steps = _operations.save(self._options, key, value, expiration_in_seconds, expires=True)
        await self._run(steps, "save_in_redis_with_expiration", key)

    async def safe_read_from_redis(self, key: Key, *, default: object = None) -> Any:
        """Do the same as `RedisClient.safe_read_from_redis`."""
        return await self._run(_operations.read(self._options, key, default), "safe_read_from_redis", key)

    async def read_as(self, key: Key, type: Any, *, default: Any = None) -> Any:  # noqa: A002 - the plainest name
        """Do the same as `RedisClient.read_as`."""
        return await self._run(_operations.read_as(self._options, key, type, default), "read_as", key)

    async def save_many(
        self,
        mapping: Mapping[Any, object],
        expiration_in_seconds: Expiration | None = None,
        *,
        atomic: bool = False,
        chunk_bytes: int = _operations.CHUNK_BYTES,
    ) -> None:
        """Do the same as `RedisClient.save_many`."""
        steps = _operations.save_many(
            self._options, mapping, expiration_in_seconds, atomic=atomic, chunk_bytes=chunk_bytes
        )
        await self._run(steps, "save_many")

    async def read_many(
        self, keys: Iterable[_KeyT], *, chunk_bytes: int = _operations.CHUNK_BYTES
    ) -> dict[_KeyT, Any]:
        """Do the same as `RedisClient.read_many`."""
        return await self._run(
            _operations.read_many(self._options, keys, chunk_bytes=chunk_bytes), "read_many"
        )

    async def delete_many(self, keys: Iterable[Key]) -> int:
        """Do the same as `RedisClient.delete_many`."""
        return await self._run(_operations.delete_many(self._options, keys), "delete_many")

    async def save_frame(
        self,
        key: Key,
        frame: object,
        expiration_in_seconds: Expiration | None = None,
        *,
        piece_bytes: int = _frames.PIECE_BYTES,
    ) -> None:
        """Do the same as `RedisClient.save_frame`."""
        steps = _frames.save_frame(self._options, key, frame, expiration_in_seconds, piece_bytes=piece_bytes)
        await self._run(steps, "save_frame", key)

    @overload
    async def read_frame(
        self, key: Key, into: Literal["pandas"] = "pandas", *, default: _DefaultT = ...
    ) -> pd.DataFrame | _DefaultT: ...
    @overload
    async def read_frame(
        self, key: Key, into: Literal["polars"], *, default: _DefaultT = ...
    ) -> pl.DataFrame | _DefaultT: ...
    @overload
    async def read_frame(
        self, key: Key, into: Literal["arrow"], *, default: _DefaultT = ...
    ) -> pa.Table | _DefaultT: ...
    async def read_frame(self, key: Key, into: Into = "pandas", *, default: Any = None) -> Any:
        """Do the same as `RedisClient.read_frame`."""
        return await self._run(_frames.read_frame(self._options, key, into, default), "read_frame", key)

    async def get_or_compute(
        self,
        key: Key,
        function: Callable[[], Any],
        *,
        ttl: Expiration,
        stale: Expiration | None = None,
        lock_timeout: Expiration = 60.0,
        on_outage: OnOutage = "error",
        type: Any = None,  # noqa: A002 - the plainest name
    ) -> Any:
        """Do the same as `RedisClient.get_or_compute`; `function` may be asynchronous."""
        _cache.check_function(function, may_be_asynchronous=True)
        policy = _cache.make_policy(ttl, stale, lock_timeout, on_outage, type)
        steps = _cache.get_or_compute(self._options, key, function, policy)
        return await self._run(steps, "get_or_compute", key)

    def cached(
        self,
        *,
        ttl: Expiration,
        stale: Expiration | None = None,
        key: str | Callable[..., Key] | None = None,
        lock_timeout: Expiration = 60.0,
        on_outage: OnOutage = "error",
        type: Any = None,  # noqa: A002 - the plainest name
    ) -> Callable[[Callable[_P, Awaitable[_T]]], Callable[_P, Awaitable[_T]]]:
        """Do the same as `RedisClient.cached`, for asynchronous functions."""
        policy = _cache.make_policy(ttl, stale, lock_timeout, on_outage, type)

        def decorate(function: Callable[_P, Awaitable[_T]]) -> Callable[_P, Awaitable[_T]]:
            _cache.check_function(function, may_be_asynchronous=True)
            make_key = key_maker(function, key)

            @functools.wraps(function)
            async def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
                name = make_key(args, kwargs)
                compute = functools.partial(function, *args, **kwargs)
                steps = _cache.get_or_compute(self._options, name, compute, policy)
                result: _T = await self._run(steps, "cached", name)
                return result

            return call

        return decorate

    def scan(self, match: Key = "*", *, count: int = 1000) -> AsyncIterator[Key]:
        """Do the same as `RedisClient.scan`, for ``async for``."""
        options: Any = _operations.scan_options(self._options, match, count) | self._raw
        return self._scan(options)

    async def _scan(self, options: dict[str, Any]) -> AsyncIterator[Key]:
        with self._observer.call("scan") as call:
            found = 0
            try:
                async with self._borrowed() as client:
                    async for name in client.scan_iter(**options):
                        found += 1
                        if (key := self._options.keys.key(name)) is not None:
                            with Aside(call):
                                yield key
            except THEIRS as error:
                raise self._translate(error, "scan", None) from error
            except Exception as error:  # noqa: BLE001 - it is raised again
                raise self._error_to_raise(error, "scan", None)  # noqa: B904 - it has its cause
            finally:
                if call.is_logged:  # redis-py sends the commands, so this is one line for all of them
                    call.request(command="SCAN", keys=found)

    async def touch(self, key: Key, expiration_in_seconds: Expiration | None = None) -> bool:
        """Do the same as `RedisClient.touch`."""
        return await self._run(_operations.touch(self._options, key, expiration_in_seconds), "touch", key)

    async def ttl(self, key: Key) -> float | None:
        """Do the same as `RedisClient.ttl`."""
        return await self._run(_operations.ttl(self._options, key), "ttl", key)

    async def aclose(self) -> None:
        """Close the connections of the running event loop, unless they belong to a `client` that you passed.

        A later call opens new ones, as in redis-py. A call that is under way does so too, and closes them.
        """
        if self._clients is not None:
            await self._clients.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- Waiting ---

    async def _run(self, steps: Steps[_T], method: str, subject: object = None) -> _T:
        """Take the steps of a method, as `RedisClient` does."""
        task = asyncio.current_task()
        before = task.cancelling() if task else 0
        result: Any = None
        with self._observer.call(method) as call:
            take_step = self._take_step
            if call.is_logged:
                take_step = functools.partial(self._take_step_and_log, call)
            try:
                step = next(steps)
                while True:
                    try:
                        reply = await take_step(step)
                        # CPython 3.11's wait_for may lose a cancellation.
                        if task and task.cancelling() > before:
                            raise asyncio.CancelledError  # noqa: TRY301 - it is thrown into the steps
                    except BaseException as error:  # noqa: BLE001 - it is raised again
                        step = steps.throw(self._as_redis_error(error))
                    else:
                        step = steps.send(reply)
            except StopIteration as end:
                result = end.value
            except (*THEIRS, FailedPartway) as error:
                raise self._translate(error, method, subject) from error
            if isinstance(result, Outcome):  # of a function of the caller, whose error is raised as it is
                return cast("_T", result.get())
            return cast("_T", result)

    async def _take_step_and_log(self, call: Call, step: Step) -> Any:
        began, retries = time.monotonic(), call.retries
        reply = None
        try:
            reply = await self._take_step(step)
        finally:
            self._log(call, step, reply, time.monotonic() - began, call.retries - retries)
        return reply

    def _borrowed(self) -> AbstractAsyncContextManager[Any]:
        """Return a context manager that lends redis-py's client for the running loop."""
        if self._clients is not None:
            return Borrowed(self._clients)
        if self._loop is None:
            self._loop = weakref.ref(asyncio.get_running_loop())
        return contextlib.nullcontext(self._client)

    def _as_redis_error(self, error: BaseException) -> BaseException:
        is_elsewhere = self._loop is not None and self._loop() is not asyncio.get_running_loop()
        if not (is_elsewhere and type(error) is RuntimeError):
            return super()._as_redis_error(error)
        elsewhere = redis.ConnectionError(
            "the connections of the `client` that you passed belong to another event loop. "
            "Close it before that loop ends, or make a client for each loop"
        )
        elsewhere.__cause__ = error
        return elsewhere

    async def _take_step(self, step: Step) -> Any:
        if isinstance(step, Command):
            async with self._borrowed() as client:
                reply = client.execute_command(*step.args, **(self._raw if step.raw else DECODED))
                return await (_finish_if_cancelled(reply) if step.finish_if_cancelled else reply)
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        if isinstance(step, Compute):
            try:
                value = step.function()
                return Outcome(await value if inspect.isawaitable(value) else value)
            except BaseException as error:  # noqa: BLE001 - it is raised after the lock is released
                return Outcome(error=error)
        async with self._borrowed() as client, client.pipeline(transaction=step.atomic) as pipeline:
            for args in step.commands:
                pipeline.execute_command(*args, **(self._raw if step.raw else DECODED))
            return await pipeline.execute(raise_on_error=False)

    @staticmethod
    def _make_client(settings: RedisSettings | Url) -> redis.asyncio.Redis:
        if isinstance(settings, _connect.Url):
            made = _connect.from_url(redis.asyncio.Redis, settings, AsyncRetry, _MAX_CONNECTIONS)
        else:
            made = redis.asyncio.Redis(**_connect.connection_options(settings, AsyncRetry, _MAX_CONNECTIONS))
        refusing = made.connection_pool
        waiting = redis.asyncio.BlockingConnectionPool(
            max_connections=refusing.max_connections,
            timeout=None,  # each of the others has timeouts of its own
            connection_class=refusing.connection_class,
            **refusing.connection_kwargs,
        )
        return redis.asyncio.Redis.from_pool(waiting)

    @staticmethod
    def _check_client(client: object) -> None:
        kinds = (redis.asyncio.Redis, redis.asyncio.RedisCluster)
        _connect.check_given(client, kinds, (Pipeline, ClusterPipeline), "redis.asyncio")

    @staticmethod
    def _is_cluster(client: object) -> bool:
        return isinstance(client, redis.asyncio.RedisCluster)


async def _finish_if_cancelled(reply: Awaitable[Any]) -> Any:
    """Wait for a reply even if the task is cancelled, and raise the cancellation after it."""
    waited_for = asyncio.ensure_future(reply)
    cancelled = None
    while not waited_for.done():
        try:
            await asyncio.wait([waited_for])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not waited_for.cancelled():
            waited_for.exception()  # retrieved, as asyncio logs an exception that nobody retrieved
        raise cancelled
    return waited_for.result()
