"""The wire of `AsyncInfluxManager`: asyncio's transports and tasks, and threads for what takes long.

The queries of one step are tasks of a group, so that an error of one, or a cancelled call, cancels the
others. A task that is cancelled closes its connection.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import warnings
from contextlib import aclosing, nullcontext, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

from db_core.loops import Borrowed, ClientsByLoop
from db_core.observed import Aside, part_of_call
from db_influx._io import (
    GATHERING,
    LONG_BODY,
    MOST_UNSENT,
    Connect,
    Pause,
    Pool,
    Receive,
    Resolve,
    Send,
    numeric,
)
from db_influx._progress import Meter
from db_influx._requests import ask, perform
from db_influx._steps import Ask, Batch, Elsewhere, Post, Report, Stream, Warn, Work

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator

    from db_core.annotated_csv import Answer
    from db_core.observed import Call
    from db_influx._io import CallLimits, Tls
    from db_influx._progress import Tell
    from db_influx._server import Server
    from db_influx._steps import Query, Reduced, Step, Steps

__all__ = ["AsyncWire"]

_T = TypeVar("_T")

# It needs no file of its own, of which there may be none left.
_SELECTOR = getattr(selectors, "PollSelector", selectors.SelectSelector)
_NOT_SENT = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # Windows has none
_LARGE = 1 << 16  # bytes that take long enough to be gone through in a thread
_PIECE = 1 << 16  # bytes that are sent at once
_MOST_AHEAD = 1 << 20  # bytes that a connection receives before anyone wants them
_CALLER = 4  # calls from a warning up to who awaits the method, or iterates


class _LoopPool(Pool):
    """The idle connections of one event loop."""

    async def aclose(self) -> None:
        """Close them; the loop does so in its next round."""
        self.close()
        await asyncio.sleep(0)


class AsyncWire:
    """Does the steps of plans; may be used by several event loops, each of which has its own connections."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pools = ClientsByLoop(_LoopPool(), _LoopPool)

    async def close(self) -> None:
        """Close the connections of the running loop, those in use when they are given back."""
        await self._pools.close()

    async def run(
        self, plan: Steps[_T], call: Call, silence: float | None, progress: Tell | None = None
    ) -> _T:
        """Do the steps of a plan and return its result; all of them share one deadline."""
        limits = self._server.limits(silence, Meter(progress) if progress else None)
        with call, self._server.secret.hidden():
            async with Borrowed(self._pools) as pool:
                return await _drive(plan, lambda step: self._reply(pool, step, limits))

    async def iterate(
        self, plan: Steps[None], call: Call, silence: float | None, progress: Tell | None = None
    ) -> AsyncGenerator[Any]:
        """Do the steps of a plan and yield the frames that it hands on; each step has its own deadline."""
        server = self._server
        meter = Meter(progress) if progress else None

        def stream(step: Stream) -> AsyncGenerator[Any]:
            requests = perform(server, pool, step, server.limits(silence, meter, endless=True))
            return _frames(requests, _reply_to_io)

        def reply(step: Step) -> Coroutine[Any, Any, Any]:
            return self._reply(pool, step, server.limits(silence, meter))

        with call, server.secret.hidden():
            async with Borrowed(self._pools) as pool, aclosing(_frames(plan, reply, stream)) as frames:
                async for frame in frames:
                    with Aside(call):
                        yield frame
                    del frame  # the caller may be done with it

    async def do(self, step: Post, limits: CallLimits) -> None:
        """Do a step of a plan of another manager."""
        with self._server.secret.hidden():
            async with Borrowed(self._pools) as pool:
                await self._reply(pool, step, limits)

    async def _reply(self, pool: Pool, step: Step, limits: CallLimits) -> Any:
        """Do a step of a plan."""
        reply: Any = None
        match step:
            case Ask():
                reply = await self._ask(pool, step, limits)
            case Work(function, size):
                reply = await _work(function, size)
            case Post(meanwhile=meanwhile) if meanwhile is not None:
                done = asyncio.create_task(asyncio.to_thread(meanwhile))
                try:
                    await _drive(perform(self._server, pool, step, limits), _reply_to_io)
                finally:
                    await done
            case Elsewhere(wire, other):
                await wire.do(other, limits)
            case Report():
                if limits.meter is not None:
                    limits.meter.report(step)
            case Warn(message):
                warnings.warn(message, UserWarning, stacklevel=_CALLER)
            case _:
                reply = await _drive(perform(self._server, pool, step, limits), _reply_to_io)
        return reply

    async def _ask(self, pool: Pool, step: Ask, limits: CallLimits) -> list[Answer]:
        queries, limit = step.queries, asyncio.Semaphore(step.at_once)
        meter = limits.meter if step.counts else None

        async def answer(query: Query | Reduced) -> Answer:
            async with limit:
                with part_of_call("query") if len(queries) > 1 else nullcontext():
                    found = await _drive(ask(self._server, pool, query, limits), _reply_to_io)
            if meter is not None:
                meter.done(found.rows)
            return found

        if meter is not None:
            meter.expect(len(queries))
        if len(queries) == 1:
            return [await answer(queries[0])]
        first: BaseException | None = None
        tasks: list[asyncio.Task[Answer]] = []
        group = asyncio.TaskGroup()
        try:
            async with group:
                tasks += map(group.create_task, map(answer, queries))
        except BaseExceptionGroup as errors:
            first = errors.exceptions[0]
            errors.with_traceback(None)  # in which a frame of the group holds it in turn
        finally:
            del group  # it holds the caller's task, which may end with the error
        if first is None:
            return [task.result() for task in tasks]
        try:
            raise first  # out here, where it has no group for its context, which would hold it in turn
        finally:
            del first, tasks


async def _drive(steps: Generator[Any, Any, _T], reply_to: Callable[[Any], Coroutine[Any, Any, Any]]) -> _T:
    """Do the steps of a generator, and return its result."""
    reply: Any = None
    failure: Exception | None = None
    try:
        while True:
            step = steps.send(reply) if failure is None else steps.throw(failure)
            reply = failure = None
            try:
                reply = await reply_to(step)
            except Exception as error:  # noqa: BLE001 - it is for the generator to handle
                failure = error
    except StopIteration as end:
        return cast("_T", end.value)
    finally:
        step = reply = failure = None  # or an error and this frame hold each other until garbage is collected
        steps.close()


async def _frames(
    steps: Generator[Any, Any, None],
    reply_to: Callable[[Any], Coroutine[Any, Any, Any]],
    stream: Callable[[Stream], AsyncGenerator[Any]] | None = None,
) -> AsyncGenerator[Any]:
    """Do the steps of a generator, and yield the frames that it hands on."""
    reply: Any = None
    failure: Exception | None = None
    try:
        while True:
            step = steps.send(reply) if failure is None else steps.throw(failure)
            reply = failure = None
            if isinstance(step, Batch):
                yield step.frame
            elif isinstance(step, Stream) and stream is not None:
                async with aclosing(stream(step)) as frames:
                    async for frame in frames:
                        yield frame
            else:
                try:
                    reply = await reply_to(step)
                except Exception as error:  # noqa: BLE001 - it is for the generator to handle
                    failure = error
    except StopIteration:
        return
    finally:
        step = reply = failure = None
        steps.close()


async def _work(function: Callable[[], Any], size: int) -> Any:
    return function() if size < _LARGE else await asyncio.to_thread(function)


async def _reply_to_io(step: Any) -> Any:
    """Do a step of `_io`."""
    match step:
        case Receive(connection, take, limits):
            return await connection.receive(take, limits)
        case Work(function, size):
            return await _work(function, size)
        case Send(connection, data, limits):
            return await connection.send(data, limits)
        case Connect(address, port, tls, seconds):
            return await _connect(address, port, tls, seconds)
        case Resolve(host, port, seconds):
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(seconds):
                return numeric(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        case Pause(seconds):
            return await asyncio.sleep(seconds)


async def _connect(address: str, port: int, tls: Tls | None, seconds: float) -> _Connection:
    options: dict[str, Any] = {}
    async with asyncio.timeout(seconds):
        if tls is not None:
            options["ssl"] = await asyncio.to_thread(tls.context)  # which reads files
            options["server_hostname"] = tls.name
            options["ssl_handshake_timeout"] = seconds + 1  # after ours
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, address, port, **options)
    return connection


class _Connection(asyncio.Protocol):
    """A connection: asyncio's protocol of one, which keeps what came until it is asked for."""

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._process = os.getpid()
        self._pieces: list[bytes] = []
        self._size = 0
        self._received = 0  # bytes, since something was sent
        self._is_over = False
        self._is_lost = False  # asyncio has let go of it
        self._error: Exception | None = None
        self._is_full = False  # the system takes no more of what is sent
        self._changed: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # So that little is left to send when it says so. With 0, TLS would pause where nothing is left.
        self._transport.set_write_buffer_limits(high=1)
        if _NOT_SENT is not None:
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, _NOT_SENT, MOST_UNSENT)

    def data_received(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= _MOST_AHEAD:
            self._transport.pause_reading()
        self._tell()

    def eof_received(self) -> None:
        self._is_over = True
        self._tell()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_over = self._is_lost = True
        if error is not None:  # without the frames in which it was met, which hold what was sent, and this
            self._error = error.with_traceback(None)
        self._tell()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._tell()

    def _tell(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    async def _change(self, seconds: float) -> None:
        """Wait until something comes or leaves."""
        self._changed = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._changed
        finally:
            self._changed = None

    def close(self) -> None:
        """Close it at once."""
        # A fork shares the selector with its parent, and some versions of asyncio can't abort what is lost.
        if self._is_lost or os.getpid() != self._process:
            return
        with suppress(RuntimeError):  # the loop is closed, and so is the connection
            self._transport.abort()

    def is_usable(self) -> bool:
        """Tell whether it is idle: open, and nothing has come, not even its end."""
        if self._is_over or self._pieces or self._transport.is_closing():
            return False
        with _SELECTOR() as selector:  # what the loop has not looked at yet
            selector.register(self._transport.get_extra_info("socket"), selectors.EVENT_READ)
            return not selector.select(0)

    async def receive(self, take: Callable[[bytes], bool], limits: CallLimits) -> None:
        """Hand on what comes, piece by piece, until `take` returns True."""
        while True:
            while not self._pieces and not self._is_over:
                self._transport.resume_reading()
                await self._change(limits.wait)
            if not self._pieces and self._error is not None:
                raise ConnectionResetError(str(self._error)) from self._error
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            self._received += self._size
            self._size = 0
            if take(data):
                return
            if self._received > LONG_BODY and not self._is_over:
                self._transport.pause_reading()
                await asyncio.sleep(GATHERING)

    async def send(self, data: list[bytes], limits: CallLimits) -> bool:
        """Send all, or as much as the other side wants; tell whether it was all."""
        self._received = 0
        self._transport.resume_reading()
        # Piece by piece, as TLS hands on what it is given in one to a buffer without a limit.
        for part in [memoryview(part) for part in data]:
            for begin in range(0, len(part), _PIECE):
                if begin:
                    await asyncio.sleep(0)  # in which an answer that comes early is received
                if self._pieces or self._is_over or self._transport.is_closing():
                    return False
                self._transport.write(part[begin : begin + _PIECE])
                while self._is_full and not self._pieces and not self._is_over:
                    await self._change(limits.wait)
                if self._is_full:
                    return False
        return True
