"""Tell what a call does: a line of the log for each request, and a warning for each retry.

A client has one `Observer`. Each call of a public method is a `Call`, a context manager. While it runs, all
code below it finds it by `current_call`, also in the threads and tasks of the call.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Token
    from types import TracebackType

__all__ = ["Aside", "Call", "Observer", "current_call"]

_CURRENT: ContextVar[Call | None] = ContextVar("db_core_call", default=None)


def current_call() -> Call | None:
    """Return the call that runs, or None."""
    return _CURRENT.get()


class Observer:
    """What the calls of one client tell, and to whom.

    Args:
        name: The name of the package, and of its logger.
        translate: Returns the error to show for one of an attempt, and the name of the method. None means
            that errors can be shown as they are.
    """

    def __init__(self, name: str, translate: Callable[[Exception, str], Exception] | None = None) -> None:
        self.logger = logging.getLogger(name)
        self.translate = translate

    @property
    def is_logged(self) -> bool:
        """Whether anybody wants a line for each request."""
        return self.logger.isEnabledFor(logging.DEBUG)

    def call(self, method: str, bucket: str | None = None) -> Call:
        """Return a call of a public method that begins now.

        Args:
            method: The method's name.
            bucket: The bucket that it is about, if there is one.
        """
        return Call(self, method, bucket)


class Call:
    """One call of a public method.

    Attributes:
        method: The method's name.
        retries: How many requests of this call were repeated so far.
    """

    __slots__ = ("_bucket", "_observer", "_token", "method", "retries")

    def __init__(self, observer: Observer, method: str, bucket: str | None) -> None:
        self._observer = observer
        self._bucket = bucket
        self._token: Token[Call | None] | None = None
        self.method = method
        self.retries = 0

    def __enter__(self) -> Self:
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def resume(self) -> None:
        """Become the current call."""
        self._token = _CURRENT.set(self)

    def leave(self) -> None:
        """Be the current call no more."""
        if self._token is not None:
            with suppress(ValueError):  # a coroutine that is garbage is closed in another context
                _CURRENT.reset(self._token)
            self._token = None

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
        self._observer.logger.debug("%s %s", self.method, text)

    def retry(self, error: Exception, attempt: int, seconds: float) -> None:
        """Tell that a request is sent again.

        Args:
            error: The error of the last attempt.
            attempt: The number of this attempt, from 1.
            seconds: The seconds until the next one.
        """
        self.retries += 1
        if self._observer.translate is not None:
            error = self._observer.translate(error, self.method)
        where = "" if self._bucket is None else f" bucket={self._bucket!r}"
        reason = " ".join(str(error).split())  # a line, whatever a server says
        self._observer.logger.warning(
            "%s%s attempt %d failed, the next one begins in %.3f s: %s: %s",
            *(self.method, where, attempt, seconds, type(error).__name__, reason),
        )


class Aside:
    """Let the caller of an iterator run, to whom the call's context does not belong."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    def __enter__(self) -> None:
        self._call.leave()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.resume()
