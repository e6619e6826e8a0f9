"""Values that are computed when they are missing, as steps: one caller computes, the others wait.

How fresh a value is, is told by how long its key has left: it lives `ttl` and then `stale` longer.
So what is stored is the value alone, which any reader reads, and no clock is compared with another.
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
_MARK_LIFETIME = b"10000"  # milliseconds: long beyond the pause of those who look for it
# What Redis answers while it is there, but for now can't write, or read either.
_UNABLE = frozenset(
    ["BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY", "TRYAGAIN"]
)
_LOGGER = logging.getLogger("db_redis")
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

    def forgives(self, error: Exception) -> bool:
        """Tell whether an error of Redis leaves the caller with the value all the same."""
        return self.computes_in_outage and _is_outage(error)


def policy(
    ttl: Expiration, stale: Expiration | None, lock_timeout: Expiration, on_outage: object, kind: Any
) -> Policy:
    """Check how a value is to be kept.

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
        decode=typed(kind),
    )


def get_or_compute(options: Options, key: Key, function: Callable[[], Any], how: Policy) -> Steps[Outcome]:
    """Return the value under a key; where it is missing or stale, have one caller compute it."""
    name = options.keys.name(key)
    lock = None
    try:
        found = yield from _find_or_lock(options, key, name, how)
        if isinstance(found, Outcome):
            return found
        lock = found
    except THEIRS as error:
        if not how.forgives(error):
            raise
    try:
        outcome, text = _shaped(options, key, (yield Call(function)), how)
        if isinstance(outcome.error, Exception):
            return (yield from _stale_or_error(key, name, how, lock, outcome.error))
        if lock is not None and text is not None:
            yield from _store(options, name, text, how)
    finally:
        if lock is not None:
            yield from _release(lock)
    return outcome


def _store(options: Options, name: bytes, text: bytes, how: Policy) -> Steps[None]:
    lifetime = (options.expiry.spread(how.ttl) or how.ttl) + how.stale
    try:
        yield Command(("SET", name, text, "PX", b"%d" % lifetime))
    except THEIRS as error:
        if not how.forgives(error):
            raise


def _stale_or_error(
    key: Key, name: bytes, how: Policy, lock: _Lock | None, error: Exception
) -> Steps[Outcome]:
    """Return the stale value where there is one, as RFC 5861 has it; else the error, told to who waits."""
    with contextlib.suppress(*THEIRS, SerializationError):  # what the function raised matters more
        stored = (yield from _look(name, how))[0] if how.stale else None
        if stored is not None:
            value = decoded(key, stored, how.decode)
            # Neither the error's text nor its traceback, as a secret may be in them.
            _LOGGER.warning("computing %r failed, so its stale value was used: %s", key, _told(error))
            return Outcome(value)
    if lock is not None:
        lock.error = error
        with contextlib.suppress(*THEIRS):
            yield Command(("SET", lock.mark, _name(error), "PX", _MARK_LIFETIME))
    return Outcome(error=error)


def _name(error: Exception) -> str:
    kind = type(error)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _told(error: Exception) -> str:
    """Return the kind of an error and the place where it was raised."""
    places = [
        f" at {frame.f_code.co_filename}:{line}" for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    return _name(error) + "".join(places[-1:])


class _Lock:
    """A lock of one caller, who computes when Redis has given it.

    Attributes:
        name: The lock's name in Redis.
        token: What its owner knows it by.
        error: What the owner's function raised, for those of this process who wait for it.
    """

    __slots__ = ("__weakref__", "error", "name", "token")

    def __init__(self, name: bytes, token: bytes, error: Exception | None = None) -> None:
        self.name = name
        self.token = token
        self.error = error

    @property
    def mark(self) -> bytes:
        """Where the owner leaves word that it failed; only who has seen the token looks there."""
        return self.name + b":" + self.token


# Those who may have a lock, by token; those of other processes are not there.
_COMPUTING: WeakValueDictionary[bytes, _Lock] = WeakValueDictionary()


def _find_or_lock(options: Options, key: Key, name: bytes, how: Policy) -> Steps[Outcome | _Lock]:
    """Wait for a value, fresh or allowed to be stale, for the failure of who computes it, or for the lock."""
    stored, is_fresh = yield from _look(name, how)
    if is_fresh:
        return Outcome(decoded(key, stored, how.decode))
    lock = _Lock(options.keys.lock(name), uuid.uuid4().hex.encode())
    _COMPUTING[lock.token] = lock  # before anybody can see the token
    owner = None
    pause = _SHORTEST_PAUSE
    while True:
        failure = None
        try:
            holder = yield from _try_lock(lock, how)
            # The one who had the lock before us may have computed it since we looked.
            stored, is_fresh = yield from _look(name, how)
            if stored is None and owner is not None and holder != owner.token:
                failure = yield from _failure_of(owner, key)
        except BaseException:  # also where the answer is lost, the lock may be ours
            yield from _release(lock)
            raise
        if holder == lock.token:
            if not is_fresh and failure is None:
                return lock
            yield from _release(lock)
        if failure is not None:
            return Outcome(error=failure)
        if stored is not None:
            return Outcome(decoded(key, stored, how.decode))
        if holder is not None and (owner is None or holder != owner.token):
            owner = _COMPUTING.get(holder) or _Lock(lock.name, holder)
        yield Pause(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _try_lock(lock: _Lock, how: Policy) -> Steps[bytes | None]:
    """Take a lock if nobody has it; return the token of who has it now."""
    if (yield Command(("SET", lock.name, lock.token, "NX", "PX", b"%d" % how.lock_timeout))):
        return lock.token
    # Where the answer to SET is lost, redis-py asks again, and is refused by our own lock.
    held: bytes | None = yield Command(("GET", lock.name), raw=True)
    return held


def _failure_of(owner: _Lock, key: Key) -> Steps[Exception | None]:
    """Return what made the owner of a lock fail: the error, or of another process one that names it."""
    if owner.error is not None:
        return owner.error
    mark = yield Command(("GET", owner.mark), raw=True)
    if mark is None:
        return None
    raised = shaped(mark, bytes).decode("utf-8", "replace")
    return ComputationFailedError(f"computing {key!r} failed in another process, which raised {raised}")


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
    """Return what was computed as a reader of the stored value has it, so that all callers have the same."""
    if outcome.error is not None:
        return outcome, None
    try:
        text = encode(outcome.value, options.nan)
        return Outcome(decoded(key, text, how.decode)), text
    except SerializationError as error:
        told = SerializationError(f"the value computed for {key!r}: {error}", path=error.path)
        told.__cause__ = error
        return Outcome(error=told), None


def _release(lock: _Lock) -> Steps[None]:
    """Give a lock back; if that fails, it expires, and what came before it matters more."""
    with contextlib.suppress(*THEIRS):
        yield Command(("EVAL", _RELEASE, b"1", lock.name, lock.token), to_the_end=True)


def _is_outage(error: Exception) -> bool:
    meant = translate(error, "")
    if isinstance(meant, QueryError):
        return meant.code in _UNABLE
    return isinstance(meant, ConnectionFailedError | OperationTimeoutError)


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
