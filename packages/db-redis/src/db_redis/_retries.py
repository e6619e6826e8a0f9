"""redis-py's retries, of both halves, but not of a password or certificate that was refused: it stays so.

And what redis-py stumbles over on connecting is a broken connection.
"""

from __future__ import annotations

import ssl
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import redis.asyncio.retry
import redis.retry

from db_core.chain import empty_frames
from db_redis._errors import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["AsyncRetry", "Retry"]


class _Reasonable:
    """Mixed into a `Retry`: lets pass what another attempt would not change."""

    def call_with_retry(
        self,
        do: Callable[[], Any],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        *arguments: Any,
        **options: Any,
    ) -> Any:
        handled = sys.exception()  # by our caller: the last context of every error here

        def may_help(error: Exception) -> bool:
            empty_frames(error, "redis")  # nobody else meets the errors of all attempts
            # To redis-py a refused password is a broken connection, too.
            is_refusal = isinstance(error, REFUSED) or _is_of_certificate(error, handled)
            return not is_refusal and (is_retryable is None or is_retryable(error))

        return super().call_with_retry(do, fail, may_help, *arguments, **options)  # type: ignore[misc]


class Retry(_Reasonable, redis.retry.Retry):
    """For `redis.Redis`."""

    def call_with_retry(self, do: Callable[[], Any], *arguments: Any, **options: Any) -> Any:
        # The first attempt by itself: on the fastest of all calls the rest would be a twentieth.
        failed: list[Exception] = []
        try:
            return do()
        except Exception as error:  # noqa: BLE001 - it is raised again
            failed.append(error)

        def told() -> Any:
            try:
                if failed:
                    _raise_again(failed.pop())
                return do()
            except AttributeError as error:
                _stumble(error)

        return super().call_with_retry(told, *arguments, **options)


class AsyncRetry(_Reasonable, redis.asyncio.retry.Retry):
    """For `redis.asyncio.Redis`."""

    def call_with_retry(self, do: Callable[[], Any], *arguments: Any, **options: Any) -> Any:
        async def told() -> Any:
            try:
                return await do()
            except AttributeError as error:
                _stumble(error)

        return super().call_with_retry(told, *arguments, **options)


def _raise_again(error: Exception) -> NoReturn:
    """Raise an error with what it comes from, and not with what the caller handles."""
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context  # or the error and this frame hold each other until garbage is collected


def _stumble(error: AttributeError) -> NoReturn:
    """Raise what an error of redis-py 8.1 means, which takes any reply to HELLO for a map with a `get`."""
    if error.name != "get":
        raise error
    raise redis.ConnectionError("the reply to HELLO is none of Redis") from error


def _is_of_certificate(error: BaseException | None, handled: BaseException | None) -> bool:
    while error is not None and error is not handled:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
