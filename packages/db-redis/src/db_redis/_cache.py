"""Values that are computed when they are missing, as steps: one caller computes, the others wait.

How fresh a value is, is told by how long its key has left: it lives `ttl` and then `stale` longer.
So what is stored is the value alone, which any reader reads, and no clock is compared with another.
"""

from __future__ import annotations

import contextlib
import inspect
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import redis.exceptions

from db_core.errors import (
    ConnectionFailedError,
    InvalidArgumentError,
    OperationTimeoutError,
    SerializationError,
)
from db_redis._codec import encode
from db_redis._errors import THEIRS, translate
from db_redis._expiry import milliseconds
from db_redis._operations import check, decoded, shaped, typed
from db_redis._steps import Call, Command, Outcome, Pause, Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_redis._expiry import Expiration
    from db_redis._keys import Key
    from db_redis._operations import Options
    from db_redis._steps import Steps

__all__ = ["OnOutage", "Policy", "check_function", "get_or_compute", "policy"]

OnOutage: TypeAlias = Literal["error", "compute"]

_SHORTEST_PAUSE = 0.005  # seconds; each pause of a waiting caller is half as long again
_LONGEST_PAUSE = 0.25
# Only its owner gives a lock back: after a long computation it may be another's.
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@dataclass(frozen=True, slots=True)
class Policy:
    """How a value is kept; times in milliseconds."""

    ttl: int
    stale: int
    lock_timeout: int
    computes_in_outage: bool
    decode: Callable[[bytes], Any]


def policy(
    ttl: Expiration, stale: Expiration | None, lock_timeout: Expiration, on_outage: object, kind: Any
) -> Policy:
    """Check how a value is to be kept.

    Raises:
        InvalidArgumentError: An argument is unusable.
    """
    if on_outage not in ("error", "compute"):
        raise InvalidArgumentError(
            f"`on_outage` must be 'error' or 'compute', not {on_outage!r}", argument="on_outage"
        )
    return Policy(
        ttl=milliseconds(ttl, "ttl"),
        stale=0 if stale is None else milliseconds(stale, "stale"),
        lock_timeout=milliseconds(lock_timeout, "lock_timeout"),
        computes_in_outage=on_outage == "compute",
        decode=typed(kind),
    )


def get_or_compute(options: Options, key: Key, function: Callable[[], Any], how: Policy) -> Steps[Outcome]:
    """Give the value under a key; where it is missing or stale, have one caller compute it."""
    name = options.keys.name(key)
    try:
        found = yield from _find_or_lock(options, key, name, how)
    except THEIRS as error:
        if not (how.computes_in_outage and _is_outage(error)):
            raise
        return _shaped(options, key, (yield Call(function)), how)[0]
    if isinstance(found, Outcome):
        return found
    outcome = Outcome()
    try:
        outcome, text = _shaped(options, key, (yield Call(function)), how)
        if text is not None:
            lifetime = (options.expiry.spread(how.ttl) or how.ttl) + how.stale
            yield Command(("SET", name, text, "PX", b"%d" % lifetime))
    except THEIRS as error:
        if not (how.computes_in_outage and _is_outage(error)):
            raise
    finally:
        yield from _release(found)
    return outcome


class _Lock(NamedTuple):
    """A lock that is held: its name, and what its owner knows it by."""

    name: bytes
    token: str


def _find_or_lock(options: Options, key: Key, name: bytes, how: Policy) -> Steps[Outcome | _Lock]:
    """Wait for a value, fresh or allowed to be stale, or for the lock."""
    stored, is_fresh = yield from _look(name, how)
    if is_fresh:
        return Outcome(decoded(key, stored, how.decode))
    lock = _Lock(options.keys.lock(name), uuid.uuid4().hex)
    pause = _SHORTEST_PAUSE
    while True:
        try:
            locked = yield from _try_lock(lock, how)
            # The one who had the lock before us may have computed it since we looked.
            stored, is_fresh = yield from _look(name, how)
        except BaseException:  # also where the answer is lost, the lock may be ours
            yield from _release(lock)
            raise
        if locked and not is_fresh:
            return lock
        if locked:
            yield from _release(lock)
        if stored is not None:
            return Outcome(decoded(key, stored, how.decode))
        yield Pause(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _try_lock(lock: _Lock, how: Policy) -> Steps[bool]:
    """Take a lock if nobody has it; say whether it is ours."""
    if (yield Command(("SET", *lock, "NX", "PX", b"%d" % how.lock_timeout))):
        return True
    # Where the answer to SET is lost, redis-py asks again, and is refused by our own lock.
    held = yield Command(("GET", lock.name), raw=True)
    return bool(held == lock.token.encode())


def _look(name: bytes, how: Policy) -> Steps[tuple[Any, bool]]:
    """Give what is stored, or None, and whether it is fresh."""
    if not how.stale:
        stored = yield Command(("GET", name), raw=True)
        return stored, stored is not None
    replies = yield Pipeline([("GET", name), ("PTTL", name)], raw=True)
    check(replies)
    stored, left = replies[0], shaped(replies[1], int)
    return stored, stored is not None and (left > how.stale or left == -1)


def _shaped(options: Options, key: Key, outcome: Outcome, how: Policy) -> tuple[Outcome, bytes | None]:
    """Give what was computed as a reader of the stored value has it, so that all callers have the same."""
    if outcome.error is not None:
        return outcome, None
    try:
        text = encode(outcome.value, options.nan)
    except SerializationError as error:
        raise SerializationError(f"the value computed for {key!r}: {error}", path=error.path) from error
    return Outcome(decoded(key, text, how.decode)), text


def _release(lock: _Lock) -> Steps[None]:
    """Give a lock back; if that fails, it expires, and what came before it matters more."""
    with contextlib.suppress(*THEIRS):
        yield Command(("EVAL", _RELEASE, b"1", *lock), to_the_end=True)


def _is_outage(error: Exception) -> bool:
    if isinstance(error, redis.exceptions.ClusterDownError):  # a refusal, but one of all keys
        return True
    return isinstance(translate(error, ""), ConnectionFailedError | OperationTimeoutError)


def check_function(function: object, *, may_be_asynchronous: bool) -> None:
    """Refuse what can't be computed with.

    Raises:
        InvalidArgumentError: It is no function, or is asynchronous where nobody awaits it.
    """
    if not callable(function):
        raise InvalidArgumentError(
            f"`function` must be a function, not {type(function).__name__}", argument="function"
        )
    if inspect.iscoroutinefunction(function) and not may_be_asynchronous:
        raise InvalidArgumentError(
            "`function` is asynchronous, which needs AsyncRedisClient", argument="function"
        )
