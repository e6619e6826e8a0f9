"""redis-py's retries for both clients, except after a refused password or certificate, which stays refused.

redis-py raises `AttributeError` over a malformed reply while it connects. That counts as a broken connection.
"""

from __future__ import annotations

import ssl
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import redis.asyncio.retry
import redis.retry
from redis.backoff import ExponentialWithJitterBackoff

from db_core.chain import empty_frames
from db_core.observed import current_call
from db_redis._errors import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AsyncRetry", "Backoff", "Retry"]


class Backoff(ExponentialWithJitterBackoff):
    """The seconds before a retry, of which the running call is told."""

    def compute(self, failures: int) -> float:
        seconds = super().compute(failures)
        call, error = current_call(), sys.exception()  # redis-py calls this while it handles the error
        try:
            if call is not None and isinstance(error, redis.RedisError):
                call.retry(error, failures, seconds)
        finally:
            del error  # or it and this frame refer to each other until garbage is collected
        return seconds


class _SkipRefusals:
    """Mixed into a `Retry`: raises at once an error that another attempt would not change."""

    def call_with_retry(
        self,
        do: Callable[[], Any],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        *arguments: Any,
        **options: Any,
    ) -> Any:
        handled = sys.exception()  # the error that our caller handles; it ends the chain of every error here

        def may_help(error: Exception) -> bool:
            empty_frames(error, "redis")  # only here is the error of each attempt seen
            # redis-py's error for a refused password is also a ConnectionError.
            is_refusal = isinstance(error, REFUSED) or _is_certificate_error(error, handled)
            return not is_refusal and (is_retryable is None or is_retryable(error))

        return super().call_with_retry(do, fail, may_help, *arguments, **options)  # type: ignore[misc]


class Retry(_SkipRefusals, redis.retry.Retry):
    """Retries of `redis.Redis`."""

    def call_with_retry(self, do: Callable[[], Any], *arguments: Any, **options: Any) -> Any:
        # The first attempt takes this short way: the rest would add a twentieth to the fastest calls.
        failed: list[Exception] = []
        try:
            return do()
        except Exception as error:  # noqa: BLE001 - it is raised again
            failed.append(error)

        def attempt() -> Any:
            try:
                if failed:
                    _raise_again(failed.pop())
                return do()
            except AttributeError as error:
                _raise_as_broken(error)

        return super().call_with_retry(attempt, *arguments, **options)


class AsyncRetry(_SkipRefusals, redis.asyncio.retry.Retry):
    """Retries of `redis.asyncio.Redis`."""

    def call_with_retry(self, do: Callable[[], Any], *arguments: Any, **options: Any) -> Any:
        async def attempt() -> Any:
            try:
                return await do()
            except AttributeError as error:
                _raise_as_broken(error)

        return super().call_with_retry(attempt, *arguments, **options)


def _raise_again(error: Exception) -> NoReturn:
    """Raise an error with its own context, instead of the error that the caller handles."""
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context  # else the error and this frame refer to each other until garbage is collected


def _raise_as_broken(error: AttributeError) -> NoReturn:
    """Raise a ConnectionError if redis-py 8.1 failed over a reply to HELLO, which it expects to be a dict."""
    if error.name != "get":
        raise error
    raise redis.ConnectionError("the reply to HELLO is not one that Redis sends") from error


def _is_certificate_error(error: BaseException | None, handled: BaseException | None) -> bool:
    while error is not None and error is not handled:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
