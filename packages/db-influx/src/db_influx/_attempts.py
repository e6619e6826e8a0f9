"""When a request is repeated, and after how long: rules that wait for nothing."""

from __future__ import annotations

import random
import sys
import time
from dataclasses import replace
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from db_core.errors import DatabaseError, IncompleteResultError, OperationTimeoutError
from db_core.observed import current_call
from db_influx._io import Pause
from db_influx._steps import Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_core.secret import Secret
    from db_influx._io import CallLimits, Io

__all__ = ["Again", "attempts", "pause_before", "retry_after", "too_late"]

_T = TypeVar("_T")

_FIRST_PAUSE = 0.25  # seconds, at most, before the first retry; twice as long before each next one
_LONGEST_PAUSE = 30.0
_LONGEST_ASKED = 3_600.0  # seconds that a server may ask to wait where there is no deadline


class Again(Exception):  # noqa: N818 - it is no error until attempts run out
    """An attempt failed in a way that another one may not.

    Attributes:
        error: What the call fails with if there is none.
        after: Seconds that the server asks to wait; None leaves it to us.
    """

    def __init__(self, error: DatabaseError, after: float | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.after = after


def attempts(limits: CallLimits, secret: Secret, attempt: Callable[[CallLimits], Io[_T]]) -> Io[_T]:
    """Make an attempt, and others where they may help.

    Args:
        limits: The limits of the call.
        secret: What no log line may show.
        attempt: Makes an attempt within the limits, which have its number.
    """
    if limits.left == 0:
        raise too_late(limits)
    while True:
        try:
            return (yield from attempt(limits))
        except Again as again:
            error, after = again.error, again.after
        except IncompleteResultError as incomplete:
            error, after = incomplete, None
        except OperationTimeoutError as late:
            if limits.left == 0:  # then the wait was cut short, and its words are of no use
                raise too_late(limits) from late
            raise
        try:
            if limits.left == 0:
                raise too_late(limits, error) from error
            pause = pause_before(limits.attempt - 1, limits, after)
            if pause is None:
                raise error
            if (call := current_call()) is not None:
                secret.hide_in(error, sys.exception())
                # By the wire, which knows whether the call is over. That may be why the attempt failed.
                yield Work(partial(call.retry, error, limits.attempt, pause), 0)
        finally:
            del error  # or it holds its own traceback, and so what was sent, until garbage is collected
        yield Pause(pause)
        limits = replace(limits, attempt=limits.attempt + 1)


def pause_before(done: int, limits: CallLimits, after: float | None) -> float | None:
    """Return the seconds to wait before the next attempt; None if there is none.

    They are random up to a limit that doubles ("full jitter"; Marc Brooker, "Exponential Backoff And
    Jitter", AWS 2015), unless the server names them.

    Args:
        done: How many attempts failed before this one.
        limits: Has the retries, and the time that is left.
        after: Seconds that the server asks to wait.
    """
    pause = random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**done)) if after is None else after  # noqa: S311
    left = limits.left
    if done == limits.retries or pause >= (_LONGEST_ASKED if left is None else left):
        return None
    return pause


def too_late(limits: CallLimits, last: DatabaseError | None = None) -> OperationTimeoutError:
    """Return the error for a call whose deadline has passed; `last` is what its last attempt failed with."""
    told = "" if last is None or isinstance(last, OperationTimeoutError) else f": {last}"
    return OperationTimeoutError(
        f"the call did not end within its deadline of {limits.deadline:g} seconds{told}"
    )


def retry_after(value: str) -> float | None:
    """Return the seconds that a Retry-After header asks to wait; None if it is no number and no date."""
    try:
        if value.strip().isdecimal():
            return float(value)
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
