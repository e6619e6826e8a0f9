"""Tell what a call does: to the log, to the hook for retries, and to OpenTelemetry where a program uses it.

A client has one `Observer`. Each call of a public method is a `Call`, a context manager. While it runs, all
code below it finds it by `current_call`, also in the threads and tasks of the call. `traced` has the calls
with spans.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from traceback import print_exc
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

from db_core.errors import ConfigurationError
from db_core.foreign import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from contextvars import Token
    from types import TracebackType

    from db_core.traced import Tracing

__all__ = [
    "Aside",
    "Call",
    "Observer",
    "OnRetry",
    "Place",
    "Retry",
    "Stopped",
    "current_call",
    "part_of_call",
    "warn_of_tracing",
    "write_line",
]

_CURRENT: ContextVar[Call | None] = ContextVar("db_core_call", default=None)
_SWITCH = {
    "": None,
    **dict.fromkeys(("on", "true", "yes", "1"), True),
    **dict.fromkeys(("off", "false", "no", "0"), False),
}
_NOTHING: AbstractContextManager[object] = nullcontext()
_WARNED: set[tuple[str, type]] = set()


@dataclass(frozen=True, slots=True)
class Retry:
    """A request that failed and is sent again, as `on_retry` of a client is told of it.

    Attributes:
        method: Name of the method that was called, such as ``"read"``.
        attempt: Number of the attempt that failed. The first one is 1.
        error: The error of this attempt.
        seconds: Seconds until the next attempt begins.
    """

    method: str
    attempt: int
    error: Exception
    seconds: float


OnRetry: TypeAlias = "Callable[[Retry], object]"


class Stopped(BaseException):
    """A function of the caller raised an error. This ends the call, which then raises the error as it is.

    It is no `Exception`, so no code between takes it for an error of the server.

    Attributes:
        error: The function's error.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class Place(NamedTuple):
    """The server of a client.

    Attributes:
        system: What it is, as OpenTelemetry's conventions name it.
        address: Its host or socket, if it is known.
        port: Its port, if it has one.
        namespace: The database of all calls, if a call does not say it.
    """

    system: str
    address: str | None
    port: int | None
    namespace: str | None = None


class Observer:
    """What the calls of one client tell, and to whom.

    Args:
        package: Name of the package, and of its logger.
        place: The server of the client.
        on_retry: Function that is told of each retry.
        tracing: Whether calls make spans and durations. None means what ``DB_TRACING`` says, then yes.
        translate: Returns the error to show for one of an attempt. None means that errors can be shown as
            they are.

    Raises:
        ConfigurationError: `on_retry` or `tracing` is unusable.
    """

    def __init__(
        self,
        package: str,
        place: Place,
        *,
        on_retry: OnRetry | None,
        tracing: bool | None,
        translate: Callable[[Exception], Exception] | None = None,
    ) -> None:
        self.logger = logging.getLogger(package)
        self.on_retry = _checked_hook(on_retry)
        self.translate = translate
        self._package = package
        self._place = place
        self._is_traced = _is_traced(tracing, package)
        self._tracing: Tracing | None = None
        self._find: Callable[[str, Place], Tracing | None] | None = None

    @property
    def is_logged(self) -> bool:
        """Whether anybody wants a line for each request."""
        return self.logger.isEnabledFor(logging.DEBUG)

    def call(
        self, method: str, bucket: str | None = None, measurement: str | None = None, *, is_root: bool = False
    ) -> Call:
        """Return a call of a public method, to be entered.

        Args:
            method: The method's name.
            bucket: The bucket that it is about, if there is one.
            measurement: The measurement that it is about, if there is one.
            is_root: Whether it is no part of what the program does around it.
        """
        # A program that has not imported OpenTelemetry can't have set it up.
        if "opentelemetry.trace" in sys.modules and self._is_traced:
            if self._tracing is None:
                self._find_tracing()
            if self._tracing is not None:
                return self._tracing.call(self, method, bucket, measurement, is_root=is_root)
        return Call(self, method, bucket)

    def _find_tracing(self) -> None:
        try:
            if self._find is None:
                from db_core.traced import Tracing

                self._find = Tracing.found
            self._tracing = self._find(self._package, self._place)
        except Exception as error:  # noqa: BLE001 - the program's OpenTelemetry may raise anything
            self._is_traced = False
            warn_of_tracing(self.logger, error)


class Call:
    """One call of a public method.

    Attributes:
        method: The method's name.
        retries: How many requests of this call were repeated so far.
    """

    __slots__ = ("_bucket", "_observer", "_token", "method", "retries")
    _token: Token[Call | None]

    def __init__(self, observer: Observer, method: str, bucket: str | None) -> None:
        self._observer = observer
        self._bucket = bucket
        self.method = method
        self.retries = 0

    def __enter__(self) -> Self:
        self._token = _CURRENT.set(self)  # as `resume` does, without its own call
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()
        if isinstance(error, Stopped):
            own = error.error
            context = own.__context__
            try:
                raise own
            finally:
                own.__context__ = context  # or it and `error` refer to each other until garbage is collected
                del own, context

    def resume(self) -> None:
        """Become the current call."""
        self._token = _CURRENT.set(self)

    def leave(self) -> None:
        """Be the current call no more."""
        try:  # noqa: SIM105 - which would take as long as all the rest
            _CURRENT.reset(self._token)
        except ValueError:  # a coroutine that is garbage is closed in another context
            pass

    @property
    def is_current(self) -> bool:
        """Whether this is the call that runs here."""
        return _CURRENT.get() is self

    @property
    def is_logged(self) -> bool:
        """Whether anybody wants a line for each request."""
        return self._observer.is_logged

    def request(self, **fields: object) -> None:
        """Log a request that has ended. Ask `is_logged` first, as this makes the line in any case.

        Args:
            fields: What is known of the request. None leaves a field out.
        """
        known = {"bucket": self._bucket, **fields}
        text = " ".join(f"{name}={value!r}" for name, value in known.items() if value is not None)
        write_line(self._observer.logger, logging.DEBUG, "%s %s", self.method, text)

    def retry(self, error: Exception, attempt: int, seconds: float) -> None:
        """Tell that a request is sent again.

        Args:
            error: The error of the last attempt.
            attempt: The number of this attempt, from 1.
            seconds: The seconds until the next one.

        Raises:
            Stopped: `on_retry` raised an error.
        """
        self.retries += 1
        translate = self._observer.translate
        self._tell(Retry(self.method, attempt, translate(error) if translate else error, seconds))

    def _tell(self, retry: Retry) -> None:
        where = "" if self._bucket is None else f" bucket={self._bucket!r}"
        reason = _on_one_line(str(retry.error))
        write_line(
            self._observer.logger,
            logging.WARNING,
            "%s%s attempt %d failed, the next one begins in %.3f s: %s: %s",
            *(retry.method, where, retry.attempt, retry.seconds, type(retry.error).__name__, reason),
        )
        if self._observer.on_retry is not None:
            try:
                self._observer.on_retry(retry)
            except Exception as own:  # noqa: BLE001 - it is for whoever called the method
                raise Stopped(own) from None

    def part(self, name: str) -> AbstractContextManager[object]:  # noqa: ARG002 - it is for spans
        """Return a block that is a part of the call, such as one of several queries."""
        return _NOTHING

    @contextmanager
    def about(self, bucket: str) -> Iterator[None]:
        """Return a block in which lines name another bucket, as a copy has two."""
        own, self._bucket = self._bucket, bucket
        try:
            yield
        finally:
            self._bucket = own


class Aside:
    """Let the caller of an iterator run, to whom the call's context does not belong."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        self._call.leave()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._call.resume()


def current_call() -> Call | None:
    """Return the call that runs, or None."""
    return _CURRENT.get()


def part_of_call(name: str) -> AbstractContextManager[object]:
    """Return a block that is a part of the running call, such as one of several queries."""
    call = current_call()
    return _NOTHING if call is None else call.part(name)


def write_line(
    logger: logging.Logger, level: int, text: str, *args: object, error: Exception | None = None
) -> None:
    """Write a line to the log. A handler or filter that fails is shown on stderr, as Python's own are.

    A call must not fail because of its line, when the server has done what it asked.

    Args:
        logger: The logger.
        level: The level of the line.
        text: The format of the line.
        args: What to insert into it.
        error: An error whose traceback is shown below the line.
    """
    try:
        logger.log(level, text, *args, exc_info=error, stacklevel=2)
    except Exception:  # noqa: BLE001 - a handler may raise anything
        if logging.raiseExceptions:
            print_exc()


def warn_of_tracing(logger: logging.Logger, error: Exception) -> None:
    """Warn that OpenTelemetry failed, once for each package and class of error.

    Args:
        logger: The logger of the package.
        error: What OpenTelemetry, or a part that the program added to it, raised.
    """
    kind = (logger.name, type(error))
    if kind not in _WARNED:
        _WARNED.add(kind)
        text = "OpenTelemetry failed, so spans or durations are missing. This is told once"
        write_line(logger, logging.WARNING, text, error=error)


def _on_one_line(text: str) -> str:
    """Return a text with single spaces, in which what can't be printed is escaped, as a server wrote it."""
    words = " ".join(text.split())
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in words)


def _checked_hook(on_retry: object) -> OnRetry | None:
    if on_retry is None:
        return None
    from inspect import iscoroutinefunction

    if not callable(on_retry):
        raise ConfigurationError(f"`on_retry` must be a function or None, not {shown(on_retry)}")
    if iscoroutinefunction(on_retry) or iscoroutinefunction(type(on_retry).__call__):
        raise ConfigurationError(
            f"`on_retry` must be a function that is not async, as nothing awaits it. Got {shown(on_retry)}"
        )
    return on_retry


def _is_traced(tracing: object, package: str) -> bool:
    name = "`tracing`"
    if tracing is None:
        name = "DB_TRACING"
        text = os.environ.get(name, "").strip().lower()
        if text not in _SWITCH:
            words = ", ".join(word for word in _SWITCH if word)
            raise ConfigurationError(f"DB_TRACING is malformed: must be one of {words}")
        tracing = _SWITCH[text]
    if tracing is not None and not isinstance(tracing, bool):
        raise ConfigurationError(f"`tracing` must be True, False or None, not {shown(tracing)}")
    if tracing:
        try:
            import_module("opentelemetry.trace")
        except ImportError as error:
            extra = package.replace("_", "-")
            message = f"{name} needs opentelemetry-api: pip install '{extra}[otel]'"
            raise ConfigurationError(message) from error
    return tracing is not False
