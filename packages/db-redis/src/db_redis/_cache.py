"""`get_or_compute` and `cached`, as steps: one caller computes a missing value, the others wait for it.

A key lives for `ttl` and then for `stale`, so the time that it has left says whether its value is fresh.
Nothing is stored beside the value, so any reader can read it, and no two clocks are compared.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import traceback
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from weakref import WeakValueDictionary

from db_core.errors import (
    ComputationFailedError,
    ConnectionFailedError,
    InvalidArgumentError,
    OperationTimeoutError,
    QueryError,
    SerializationError,
)
from db_core.foreign import shown
from db_core.observed import write_line
from db_redis._codec import encode
from db_redis._errors import THEIRS, translate
from db_redis._expiry import milliseconds
from db_redis._operations import decode_value, decoder_for, expect_reply, raise_refusal
from db_redis._steps import Command, Compute, Outcome, Pause, Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_redis._expiry import Expiration
    from db_redis._keys import Key
    from db_redis._operations import Options
    from db_redis._steps import Steps

__all__ = ["OnOutage", "Policy", "check_function", "get_or_compute", "make_policy"]

OnOutage: TypeAlias = Literal["error", "compute"]

_SHORTEST_PAUSE = 0.005  # seconds; each pause of a waiting caller is half as long again
_LONGEST_PAUSE = 0.25
_FAILURE_LIFETIME = b"10000"  # milliseconds: much longer than the pauses of the callers who look for it
# The codes of a Redis that runs, but can't write, or even read, for now.
_OUTAGE_CODES = frozenset(
    ["BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN"]
)
_LOGGER = logging.getLogger("db_redis")
# Only the holder of a lock may delete it: after a long computation another caller may hold it.
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


@dataclass(frozen=True, slots=True)
class Policy:
    """How a value is kept. Times are in milliseconds."""

    ttl: int
    stale: int
    lock_timeout: int
    computes_in_outage: bool
    decode: Callable[[bytes], Any]

    def tolerates(self, error: Exception) -> bool:
        """Return whether the caller gets the value in spite of an error of Redis."""
        return self.computes_in_outage and _is_outage(error)


def make_policy(
    ttl: Expiration, stale: Expiration | None, lock_timeout: Expiration, on_outage: object, kind: Any
) -> Policy:
    """Check the arguments that say how a value is kept.

    Raises:
        InvalidArgumentError: An argument is unusable.
    """
    if not isinstance(on_outage, str) or on_outage not in ("error", "compute"):
        raise InvalidArgumentError(
            f"`on_outage` must be 'error' or 'compute', not {shown(on_outage)}", argument="on_outage"
        )
    return Policy(
        ttl=milliseconds(ttl, "ttl"),
        stale=0 if stale is None else milliseconds(stale, "stale"),
        lock_timeout=milliseconds(lock_timeout, "lock_timeout"),
        computes_in_outage=on_outage == "compute",
        decode=decoder_for(kind),
    )


def get_or_compute(options: Options, key: Key, function: Callable[[], Any], policy: Policy) -> Steps[Any]:
    """Return the value under a key, as an `Outcome`. If it is missing or stale, one caller computes it."""
    name = options.keys.name(key)
    lock = None
    try:
        found = yield from _find_or_lock(options, key, name, policy)
        if isinstance(found, Outcome):
            return found
        lock = found
    except THEIRS as error:
        if not policy.tolerates(error):
            raise
    try:
        outcome, text = _as_read_back(options, key, (yield Compute(function)), policy)
        if isinstance(outcome.error, Exception):
            return (yield from _stale_or_error(key, name, policy, lock, outcome.error))
        if lock is not None and text is not None:
            yield from _store(options, name, text, policy)
    finally:
        if lock is not None:
            yield from _release(lock)
    return outcome


def _store(options: Options, name: bytes, text: bytes, policy: Policy) -> Steps[None]:
    lifetime = (options.expiry.with_jitter(policy.ttl) or policy.ttl) + policy.stale
    try:
        yield Command(("SET", name, text, "PX", b"%d" % lifetime))
    except THEIRS as error:
        if not policy.tolerates(error):
            raise


def _stale_or_error(
    key: Key, name: bytes, policy: Policy, lock: _Lock | None, error: Exception
) -> Steps[Outcome]:
    """Return the stale value if there is one, as in RFC 5861; else the error, also to waiting callers."""
    with contextlib.suppress(*THEIRS, SerializationError):  # the function's own error matters more
        stored = (yield from _read_with_freshness(name, policy))[0] if policy.stale else None
        if stored is not None:
            value = decode_value(key, stored, policy.decode)
            # The error's text and traceback are not logged, as they may hold a secret.
            # Neither is the key.
            text = "computing failed, so the stale value was used: %s"
            write_line(_LOGGER, logging.WARNING, text, _type_and_place(error))
            return Outcome(value)
    if lock is not None:
        lock.error = error
        with contextlib.suppress(*THEIRS):
            yield Command(("SET", lock.failure_name, _type_name(error), "PX", _FAILURE_LIFETIME))
    return Outcome(error=error)


def _type_name(error: Exception) -> str:
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _type_and_place(error: Exception) -> str:
    """Return the type of an error and the place where it was raised."""
    places = [
        f" at {frame.f_code.co_filename}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return _type_name(error) + "".join(places[-1:])


class _Lock:
    """One caller's claim to a lock. It holds the lock while its token is what Redis has under `name`.

    Attributes:
        name: The lock's name in Redis.
        token: A random value that identifies the caller.
        error: What the caller's function raised, for other callers of this process who wait.
    """

    __slots__ = ("__weakref__", "error", "name", "token")

    def __init__(self, name: bytes, token: bytes, error: Exception | None = None) -> None:
        self.name = name
        self.token = token
        self.error = error

    @property
    def failure_name(self) -> bytes:
        """Where the holder stores that it failed. Only callers who saw its token look there."""
        return self.name + b":" + self.token


# The claims of this process, by token.
_LOCKS: WeakValueDictionary[bytes, _Lock] = WeakValueDictionary()


def _find_or_lock(options: Options, key: Key, name: bytes, policy: Policy) -> Steps[Outcome | _Lock]:
    """Wait for a value that is fresh or allowed to be stale, for the holder's failure, or for the lock."""
    stored, is_fresh = yield from _read_with_freshness(name, policy)
    if is_fresh:
        return Outcome(decode_value(key, stored, policy.decode))
    lock = _Lock(options.keys.lock(name), uuid.uuid4().hex.encode())
    _LOCKS[lock.token] = lock  # before other callers can see the token
    awaited = None
    pause = _SHORTEST_PAUSE
    while True:
        failure = None
        try:
            holder = yield from _try_lock(lock, policy)
            # The last holder may have saved the value since it was read above.
            stored, is_fresh = yield from _read_with_freshness(name, policy)
            if stored is None and awaited is not None and holder != awaited.token:
                failure = yield from _read_failure(awaited, key)
        except BaseException:  # the lock may be ours even if the reply was lost
            yield from _release(lock)
            raise
        if holder == lock.token:
            if not is_fresh and failure is None:
                return lock
            yield from _release(lock)
        if failure is not None:
            return Outcome(error=failure)
        if stored is not None:
            return Outcome(decode_value(key, stored, policy.decode))
        if holder is not None and (awaited is None or holder != awaited.token):
            awaited = _LOCKS.get(holder) or _Lock(lock.name, holder)
        yield Pause(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _try_lock(lock: _Lock, policy: Policy) -> Steps[bytes | None]:
    """Take a lock if nobody holds it. Return the token of who holds it now."""
    if (yield Command(("SET", lock.name, lock.token, "NX", "PX", b"%d" % policy.lock_timeout))):
        return lock.token
    # If the reply to SET is lost, redis-py sends it again, and our own lock refuses the second.
    holder: bytes | None = yield Command(("GET", lock.name), raw=True)
    return holder


def _read_failure(awaited: _Lock, key: Key) -> Steps[Exception | None]:
    """Return the error of a holder's computation, or one that names it if that was in another process."""
    if awaited.error is not None:
        return awaited.error
    stored = yield Command(("GET", awaited.failure_name), raw=True)
    if stored is None:
        return None
    raised = expect_reply(stored, bytes).decode("utf-8", "replace")
    return ComputationFailedError(f"computing {key!r} failed in another process, which raised {raised}")


def _read_with_freshness(name: bytes, policy: Policy) -> Steps[tuple[Any, bool]]:
    """Return the stored text, or None, and whether it is fresh."""
    if not policy.stale:
        stored = yield Command(("GET", name), raw=True)
        return stored, stored is not None
    replies = yield Pipeline([("GET", name), ("PTTL", name)], raw=True)
    raise_refusal(replies)
    stored, left = replies[0], expect_reply(replies[1], int)
    return stored, stored is not None and (left > policy.stale or left == -1)


def _as_read_back(
    options: Options, key: Key, outcome: Outcome, policy: Policy
) -> tuple[Outcome, bytes | None]:
    """Return a computed value as readers of the stored one get it, so that all get the same; and its text."""
    if outcome.error is not None:
        return outcome, None
    try:
        text = encode(outcome.value, options.nan)
        return Outcome(decode_value(key, text, policy.decode)), text
    except SerializationError as error:
        unwritable = SerializationError(f"the value computed for {key!r}: {error}", path=error.path)
        unwritable.__cause__ = error
        return Outcome(error=unwritable), None


def _release(lock: _Lock) -> Steps[None]:
    """Release a lock, if it is held."""
    with contextlib.suppress(*THEIRS):  # it expires then, and an earlier error matters more
        yield Command(("EVAL", _RELEASE, b"1", lock.name, lock.token), finish_if_cancelled=True)


def _is_outage(error: Exception) -> bool:
    ours = translate(error, "")
    if isinstance(ours, QueryError):
        return ours.code in _OUTAGE_CODES
    return isinstance(ours, ConnectionFailedError | OperationTimeoutError)


def check_function(function: object, *, may_be_asynchronous: bool) -> None:
    """Check the function that computes a value.

    Raises:
        InvalidArgumentError: It is not callable, or it is asynchronous and the client can't await it.
    """
    if not callable(function):
        raise InvalidArgumentError(
            f"`function` must be a function, not {type(function).__name__}", argument="function"
        )
    if inspect.iscoroutinefunction(function) and not may_be_asynchronous:
        raise InvalidArgumentError(
            "`function` is asynchronous, which needs AsyncRedisClient", argument="function"
        )
