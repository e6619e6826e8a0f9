"""`AsyncPointWriter`: a buffered writer with a task that sends."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, Self

from db_influx._arguments import invalid
from db_influx._outbox import PIECE
from db_influx._point import as_point

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType

    from db_influx._outbox import Job, Outbox, Outcome
    from db_influx._point import PointLayout

__all__ = ["AsyncPointWriter"]

_AT_ONCE = 256  # points that are taken before the loop has a turn


class AsyncPointWriter:
    """`PointWriter` for asyncio: the same methods and errors, but each is awaited, and `close` is `aclose`.

    `AsyncInfluxManager.writer` makes it. It belongs to the event loop that first uses it, and may be shared
    between its tasks. Use it in an ``async with`` block, whose end flushes it. A task that is cancelled while
    it waits for `flush` takes nothing back: the points go out by and by.
    """

    def __init__(
        self,
        outbox: Outbox,
        layout: PointLayout,
        deliver: Callable[[Job], Coroutine[Any, Any, Outcome]],
        deadline: float | None,
    ) -> None:
        self._outbox = outbox
        self._layout = layout
        self._deliver = deliver
        self._deadline = deadline
        self._process = os.getpid()
        self._changed = asyncio.Event()
        self._taken = 0
        self._is_over = False
        self._is_in_block = False  # or closing: so the points are not left alone if the task is cancelled
        self._task: asyncio.Task[None] | None = None

    @property
    def error(self) -> Exception | None:
        """The error that the last attempt to deliver a batch failed with; None if it succeeded."""
        return self._outbox.error

    async def write(self, data: object) -> None:
        """Take a point, lines of text or a frame; wait while `max_buffer` is full; see `PointWriter`."""
        point: Any = data
        if type(data) is not dict and (point := as_point(data)) is None:
            await self._write_frame(data)
            return
        self._begin()
        self._taken += 1
        if self._taken % _AT_ONCE == 0:
            await asyncio.sleep(0)
        if self._outbox.is_blocked:
            await self._wait(self._outbox.has_space)
        if self._outbox.add(point):
            self._tell()

    async def _write_frame(self, data: Any) -> None:
        self._begin()
        lines = await asyncio.to_thread(self._layout.frame_encoder, data)
        taken = 0
        while piece := lines.body(PIECE):
            await asyncio.sleep(0)
            if self._outbox.is_blocked:
                await self._wait(self._outbox.has_space, f"; {taken} of {len(lines)} rows were taken")
            self._outbox.add_lines(*piece)
            self._tell()
            taken += piece[1]

    async def flush(self) -> None:
        """Send all points; when this returns, they are stored or spooled. See `PointWriter.flush`."""
        if self._is_over:
            raise invalid("data", f"can't be flushed: {self._outbox.closed}")
        self._begin()
        await self._flush()

    async def _flush(self) -> None:
        batches, failures = self._outbox.cut(), self._outbox.failures
        self._outbox.hurry()
        self._tell()
        await self._wait(lambda: self._outbox.is_flushed(batches, failures))
        if (losses := self._outbox.losses()) is not None:
            raise losses

    async def aclose(self) -> None:
        """Flush, and take no more points. See `PointWriter.close`."""
        if self._is_over or os.getpid() != self._process:
            return
        self._begin()
        self._is_in_block = True
        self._outbox.close("the writer is closed; make another one")
        try:
            await self._flush()
        except asyncio.CancelledError:
            self._is_in_block = False
            if self._task is not None and self._task.done():
                self._end()
            raise
        except Exception as error:
            await self._stop()
            if self._outbox.is_empty:
                raise
            raise self._outbox.left(error) from error
        await self._stop()

    async def _stop(self) -> None:
        self._is_over = True
        self._tell()
        if self._task is not None:
            await asyncio.wait([self._task])
        self._outbox.release()

    async def __aenter__(self) -> Self:
        self._begin()
        self._is_in_block = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{', closed' if self._outbox.closed else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a writer can't be pickled, as it has points; make one in each process")

    # Waits

    def _begin(self) -> None:
        """Start the task that sends; another one if it was cancelled, as a loop that ends cancels all."""
        if os.getpid() != self._process:
            raise invalid("data", "can't be written by a forked process; make a writer in it")
        if self._is_over:
            return
        if self._task is not None and self._task.get_loop() is not asyncio.get_running_loop():
            raise invalid("data", "can't be written in another event loop; make a writer in it")
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="db-influx_writer")

    def _tell(self) -> None:
        """Wake all who wait for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _wait(self, is_over: Callable[[], bool], told: str = "") -> None:
        """Wait for a change after which `is_over`."""
        end = None if self._deadline is None else time.monotonic() + self._deadline
        while not is_over():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise self._outbox.too_late(self._deadline, told)
            if self._is_over:
                raise invalid("data", f"can't be delivered: {self._outbox.closed}")
            self._begin()
            await self._change(left)

    async def _work(self) -> None:
        """Do the next jobs, until the writer is closed."""
        try:
            while not self._is_over:
                job = self._outbox.next()
                if job is None:
                    await self._change(self._outbox.pause())
                    continue
                try:
                    outcome = await self._deliver(job)
                except Exception as error:  # noqa: BLE001 - flush raises it
                    self._outbox.failed(job, error)
                else:
                    self._outbox.delivered(job, outcome)
                self._tell()
        except asyncio.CancelledError:
            if self._is_in_block:
                self._tell()
                raise
            self._end()  # the loop ends, and nobody has closed the writer
            raise

    def _end(self) -> None:
        """Keep the points in the spool, or raise the error about them."""
        self._is_over = True
        self._outbox.close("its event loop has ended; make another one")
        why: Exception = RuntimeError("the event loop ended before the writer was closed")
        try:
            self._outbox.keep_all()
        except Exception as error:  # noqa: BLE001 - it is the cause of what is raised
            why = error
        finally:
            self._outbox.release()
        self._tell()
        # asyncio hands the error of a task to the loop's exception handler.
        losses = self._outbox.losses() if self._outbox.is_empty else self._outbox.left(why)
        if losses is not None:
            raise losses
