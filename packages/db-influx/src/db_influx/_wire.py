"""The wire of `InfluxManager`: sockets, threads and waits that block.

The queries of one step go out from threads of their own, so that decoding one answer does not hold up
another. Where one of them fails, or Ctrl-C comes, the sockets that the others wait for are shut down.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import threading
import time
import warnings
from collections import deque
from contextlib import closing, contextmanager, suppress
from contextvars import copy_context
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

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
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager

    from db_core.annotated_csv import Answer
    from db_core.observed import Call
    from db_influx._io import CallLimits, Io
    from db_influx._progress import Tell
    from db_influx._server import Server
    from db_influx._steps import Step, Steps

__all__ = ["Wire"]

_T = TypeVar("_T")

# It needs no file of its own, of which there may be none left.
_SELECTOR = getattr(selectors, "PollSelector", selectors.SelectSelector)
_NOT_SENT = getattr(socket, "TCP_NOTSENT_LOWAT", None)  # Windows has none
_PIECE = 1 << 18  # bytes that are received at once
_SMALL = 1 << 16  # bytes that are sent without listening meanwhile
_LEAST = 0.001  # seconds; a timeout of 0 would not wait at all
# Calls from a warning up to who called the method, or who iterates.
_CALLER = 8
_ITERATOR = 5


class Wire:
    """Does the steps of plans; safe to share between threads."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._pool = Pool()

    def close(self) -> None:
        """Close all connections, those in use when they are given back."""
        pool, self._pool = self._pool, Pool()
        pool.close()

    def run(self, plan: Steps[_T], call: Call, silence: float | None, progress: Tell | None = None) -> _T:
        """Do the steps of a plan and return its result; all of them share one deadline."""
        limits = self._server.limits(silence, Meter(progress) if progress else None)
        with call, self._server.secret.hidden():
            return _result(_drive(plan, lambda step: self._reply(step, limits, _CALLER)))

    def iterate(
        self, plan: Steps[None], call: Call, silence: float | None, progress: Tell | None = None
    ) -> Iterator[Any]:
        """Do the steps of a plan and yield the frames that it hands on; each step has its own deadline."""
        meter = Meter(progress) if progress else None
        driven = _drive(
            plan,
            lambda step: self._reply(step, self._server.limits(silence, meter), _ITERATOR),
            lambda step: self._stream(step, self._server.limits(silence, meter, endless=True)),
        )
        with call, self._server.secret.hidden(), closing(driven):
            for frame in driven:
                with Aside(call):
                    yield frame
                del frame  # the caller may be done with it

    def do(self, step: Post, limits: CallLimits) -> None:
        """Do a step of a plan of another manager."""
        with self._server.secret.hidden():
            self._reply(step, limits, _CALLER)

    def _reply(self, step: Step, limits: CallLimits, caller: int) -> Any:
        """Do a step of a plan; `caller` is how many calls above a warning points to."""
        reply: Any = None
        match step:
            case Ask():
                reply = self._ask(step, limits)
            case Work(function):
                reply = function()
            case Post(meanwhile=meanwhile) if meanwhile is not None:
                with _beside(meanwhile):
                    self._perform(perform(self._server, self._pool, step, limits), _Transfers())
            case Elsewhere(wire, other):
                wire.do(other, limits)
            case Report():
                if limits.meter is not None:
                    limits.meter.report(step)
            case Warn(message):
                warnings.warn(message, UserWarning, stacklevel=caller)
            case _:
                reply = self._perform(perform(self._server, self._pool, step, limits), _Transfers())
        return reply

    def _stream(self, step: Stream, limits: CallLimits) -> Generator[Any]:
        transfers = _Transfers()
        return _drive(perform(self._server, self._pool, step, limits), transfers.reply)

    def _perform(self, requests: Io[_T], transfers: _Transfers) -> _T:
        return _result(_drive(requests, transfers.reply))

    def _ask(self, step: Ask, limits: CallLimits) -> list[Answer]:
        meter = limits.meter if step.counts else None
        if meter is not None:
            meter.expect(len(step.queries))
        answers: dict[int, Answer] = {}
        with closing(self._answers(step, limits)) as found:
            for number, answers[number] in found:
                if meter is not None:
                    meter.done(answers[number].rows)
        return [answers[number] for number in range(len(step.queries))]

    def _answers(self, step: Ask, limits: CallLimits) -> Generator[tuple[int, Answer]]:
        """Send queries, and yield their numbers and answers as these come."""
        queries, transfers = step.queries, _Transfers()

        def answer(number: int, limits: CallLimits) -> Answer:
            return self._perform(ask(self._server, self._pool, queries[number], limits), transfers)

        if len(queries) == 1:
            yield 0, answer(0, limits)
            return
        # Not `concurrent.futures`: it refuses work once the main thread has ended, while other threads go on,
        # and Ctrl-C while it takes the futures' locks leaves them taken for ever.
        waiting = deque(range(len(queries)))
        ended: SimpleQueue[Any] = SimpleQueue()
        # The caller's function is called in the thread of the call, not in those of the transfers.
        counted = limits if limits.meter is None else replace(limits, meter=_Relay(ended))

        def work() -> None:
            with suppress(IndexError):
                while not transfers.is_over:
                    number = waiting.popleft()
                    try:
                        with transfers.part("query"):
                            found = answer(number, counted)
                        ended.put((number, found, None))
                    except BaseException as error:  # noqa: BLE001 - it is for the caller
                        ended.put((number, None, error))
            if transfers.is_over:
                _empty(ended)  # nobody takes the errors in it, whose frames hold it in turn

        found, failure = None, None
        try:
            for number in range(min(step.at_once, len(queries))):
                # Each has a context of its own, which knows the call: one context runs in one thread.
                run = copy_context().run
                threading.Thread(target=run, args=[work], name=f"db-influx_{number}").start()
            for _ in queries:
                number, found, failure = _next(ended, limits.meter)
                if failure is not None:
                    raise failure
                yield number, found
        finally:
            transfers.stop()
            _empty(ended)
            del found, failure  # or an error and they hold each other until garbage is collected


class _Relay(NamedTuple):
    """Takes what a thread of a transfer counts to the thread of the call."""

    ended: SimpleQueue[Any]

    def received(self, size: int) -> None:
        """Count bytes of a body."""
        self.ended.put(size)


def _next(ended: SimpleQueue[Any], meter: Any) -> Any:
    """Wait for the next query that ends, and count the bytes that come meanwhile."""
    while isinstance(came := ended.get(), int):
        meter.received(came)
    return came


def _empty(queue: SimpleQueue[Any]) -> None:
    with suppress(Empty):
        while True:
            queue.get_nowait()


@contextmanager
def _beside(function: Callable[[], None]) -> Iterator[None]:
    """Call a function in a thread while the block goes on; it has ended when the block has."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - it is for the caller
            failures.append(error)

    thread = threading.Thread(target=copy_context().run, args=[work], name="db-influx_beside")
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if failures:
        raise failures.pop()


def _drive(
    steps: Generator[Any, Any, _T],
    reply_to: Callable[[Any], Any],
    stream: Callable[[Stream], Generator[Any]] | None = None,
) -> Generator[Any, None, _T]:
    """Do the steps of a generator, yield the frames that it hands on, and return its result."""
    reply: Any = None
    failure: Exception | None = None
    try:
        while True:
            step = steps.send(reply) if failure is None else steps.throw(failure)
            reply = failure = None
            if isinstance(step, Batch):
                yield step.frame
            elif isinstance(step, Stream) and stream is not None:
                yield from stream(step)
            else:
                try:
                    reply = reply_to(step)
                except Exception as error:  # noqa: BLE001 - it is for the generator to handle
                    failure = error
    except StopIteration as end:
        return cast("_T", end.value)
    finally:
        step = reply = failure = None  # or an error and this frame hold each other until garbage is collected
        steps.close()


def _result(driven: Generator[Any, None, _T]) -> _T:
    """Run a generator that yields nothing, and return its result."""
    try:
        next(driven)
    except StopIteration as end:
        return cast("_T", end.value)
    finally:
        driven.close()
    raise TypeError("a plan without an iterator handed on a frame")


class _Over(Exception):  # noqa: N818 - the error is another request's
    """Another request of the same step failed, or the caller was interrupted."""


class _Transfers:
    """What threads of one step wait for, so that all of them can be stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._waiting: set[_Socket] = set()
        self._parts: dict[object, AbstractContextManager[object]] = {}

    @property
    def is_over(self) -> bool:
        """Whether all waits were ended."""
        return self._over.is_set()

    def stop(self) -> None:
        """End all waits, now and later, and the parts of the call, which have no error by that."""
        with self._lock:
            self._over.set()
            for connection in self._waiting:
                connection.shut_down()
            parts, self._parts = self._parts, {}
        for part in parts.values():
            part.__exit__(None, None, None)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Return a block that is a part of the running call. `stop` ends it, if it has not ended before."""
        key = object()
        with self._lock:
            if self._over.is_set():
                raise _Over
            self._parts[key] = part = part_of_call(name)
            part.__enter__()
        try:
            yield
        except BaseException as error:
            if self._take_part(key):
                part.__exit__(type(error), error, error.__traceback__)
            raise
        if self._take_part(key):
            part.__exit__(None, None, None)

    def _take_part(self, key: object) -> bool:
        """Tell whether a part has not ended yet; afterwards it is for the caller to end."""
        with self._lock:
            return self._parts.pop(key, None) is not None

    @contextmanager
    def _watched(self, connection: _Socket) -> Iterator[_Socket]:
        with self._lock:
            if self._over.is_set():
                raise _Over
            self._waiting.add(connection)
        try:
            yield connection
        finally:
            with self._lock:
                self._waiting.discard(connection)

    def reply(self, step: Any) -> Any:
        """Do a step of `_io`."""
        match step:
            case Receive(connection, take, limits):
                with self._watched(connection):
                    return connection.receive(take, limits)
            case Work(function):
                if self.is_over:
                    raise _Over
                return function()
            case Send(connection, data, limits):
                with self._watched(connection):
                    return connection.send(data, limits)
            case Connect(address, port, tls, seconds):
                return self._connect(address, port, tls, seconds)
            case Resolve(host, port):
                return numeric(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
            case Pause(seconds):
                if self._over.wait(seconds):
                    raise _Over
        return None

    def _connect(self, address: str, port: int, tls: Any, seconds: float) -> _Socket:
        end = time.monotonic() + seconds
        # By its text, an address of IPv6 names the interface too.
        family, kind, _, _, place = socket.getaddrinfo(address, port, 0, socket.SOCK_STREAM)[0]
        connection = _Socket(socket.socket(family, kind))
        try:
            with self._watched(connection):
                connection.open(place, tls, end)
        except BaseException:
            connection.close()
            raise
        return connection


class _Socket:
    """A connection."""

    def __init__(self, plain: socket.socket) -> None:
        self._socket = plain
        self._seconds: float | None = None
        self._ahead: list[bytes] = []  # has come, and is not handed on yet
        self._received = 0  # bytes, since something was sent

    def open(self, place: Any, tls: Any, end: float) -> None:
        """Connect, and agree on TLS."""
        self._set_timeout(end - time.monotonic())
        self._socket.connect(place)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if _NOT_SENT is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, _NOT_SENT, MOST_UNSENT)
        if tls is not None:
            self._socket = tls.context().wrap_socket(
                self._socket, server_hostname=tls.name, do_handshake_on_connect=False
            )
            self._seconds = None
            self._set_timeout(end - time.monotonic())
            cast("ssl.SSLSocket", self._socket).do_handshake()

    def close(self) -> None:
        """Close it at once."""
        self._socket.close()

    def shut_down(self) -> None:
        """Have another thread, which waits for it, see its end."""
        with suppress(OSError):
            # Reset when it is closed: a server that waits for a window would not see the end for a minute.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Not TLS's own: it would change the object that the other thread reads from.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def is_usable(self) -> bool:
        """Tell whether it is idle: open, and nothing has come, not even its end."""
        self._set_timeout(0)
        try:
            socket.socket.recv(self._socket, 1, socket.MSG_PEEK)  # what TLS has not read yet
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def _set_timeout(self, seconds: float) -> None:
        if seconds != self._seconds:  # it is a system call
            if seconds < 0:
                raise TimeoutError
            self._socket.settimeout(seconds)
            self._seconds = seconds

    def receive(self, take: Callable[[bytes], bool], limits: CallLimits) -> None:
        """Hand on what comes, piece by piece, until `take` returns True."""
        while self._ahead:
            if take(self._ahead.pop(0)):
                return
        while True:
            self._set_timeout(0)
            if not self._hear():
                if self._received > LONG_BODY:
                    time.sleep(GATHERING)
                self._set_timeout(max(limits.wait, _LEAST))
                self._ahead.append(self._socket.recv(_PIECE))
            self._received += len(self._ahead[0])
            if take(self._ahead.pop()):
                return

    def send(self, data: list[bytes], limits: CallLimits) -> bool:
        """Send all, or as much as the other side wants; tell whether it was all."""
        self._received = 0
        if sum(map(len, data)) <= _SMALL:
            self._set_timeout(max(limits.wait, _LEAST))
            self._socket.sendall(b"".join(data))
            return True
        self._set_timeout(0)
        with _SELECTOR() as selector:
            selector.register(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            for part in [memoryview(part) for part in data]:
                sent = 0
                while sent < len(part):
                    ready = selector.select(limits.wait)
                    if not ready:
                        raise TimeoutError
                    if ready[0][1] & selectors.EVENT_READ and self._hear():
                        return False
                    if ready[0][1] & selectors.EVENT_WRITE:
                        with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                            sent += self._socket.send(part[sent : sent + _PIECE])
        return True

    def _hear(self) -> bool:
        """Receive what has come, without waiting; TLS's own messages are nothing to hear."""
        with suppress(BlockingIOError, ssl.SSLWantReadError):
            self._ahead.append(self._socket.recv(_PIECE))
            return True
        return False
