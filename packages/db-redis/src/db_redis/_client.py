"""`RedisClient`: JSON values under keys, where a missing key is never mistaken for a failure.

The methods' work is in `_operations` and its neighbours, as steps; here is the waiting, and the words.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar, overload

import redis
from redis.client import Pipeline
from redis.cluster import ClusterPipeline

from db_redis import _cache, _connect, _frames, _operations
from db_redis._arguments import key_maker
from db_redis._base import DECODED, BaseClient
from db_redis._errors import THEIRS
from db_redis._pool import Pool, disconnect_idle
from db_redis._retries import Retry
from db_redis._steps import Call, Command, Incomplete, Outcome, Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from typing_extensions import TypeVar as TypeVarWithDefault

    from db_core.frame import Into
    from db_redis._cache import OnOutage
    from db_redis._connect import Url
    from db_redis._expiry import Expiration
    from db_redis._keys import Key
    from db_redis._settings import RedisSettings
    from db_redis._steps import Step, Steps

    _DefaultT = TypeVarWithDefault("_DefaultT", default=None)

__all__ = ["RedisClient"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_KeyT = TypeVar("_KeyT", str, bytes, str | bytes)
_MOST_CONNECTIONS = 10_000  # one for each thread: what Redis takes; redis-py would refuse the 101st


class RedisClient(BaseClient):
    """Saves values as JSON under keys, and reads them back.

    Safe to share between threads, and across a fork. A context manager. It pickles by its
    settings, password included, unless it was made from `client`.

    A call that is interrupted, as by Ctrl-C or a signal's handler that raises, gives its connection up, so
    its answer never reaches another call; whether it took effect is unknown. A `client` that is given
    gives up all that are idle: of several threads, one may have taken the connection before.

    What a value becomes: dict, list, tuple, str, int, float, bool and None are JSON's own. A
    dataclass is all its fields, a pydantic model its own dump by alias (its parts as the models
    they are), an Enum its value, a set a sorted list. datetime, date, time, pandas Timestamp, numpy
    datetime64 and polars' times are ISO 8601 texts with as many digits as they have, nanoseconds
    too; timedeltas ISO 8601 durations in days of 24 hours; Decimal and UUID texts. numpy scalars
    are numbers, arrays nested lists; NaT, NA and what is masked null. A Series is a list, or an
    object by its index where that says more than a count; a DataFrame a list of objects, one a row,
    index levels first. Keys of a dict that are no text become the text of their value. Integers
    beyond 64 bits, bytes, and two keys that become one are errors. What is in an `orjson.Fragment`
    is written as it is, unchecked.

    Args:
        host: Name or address; else ``REDIS_HOST``, else localhost.
        port: Else ``REDIS_PORT``, else 6379.
        password: Else ``REDIS_PASSWORD``, else none.
        db: Number of the database; else ``REDIS_DB``, else 0.
        username: Of an ACL user; else ``REDIS_USERNAME``, else the default user.
        ssl: Whether to use TLS, verified; else ``REDIS_SSL``, else no.
        socket_timeout: Seconds to wait for an answer; else ``REDIS_SOCKET_TIMEOUT``, else 5.
        socket_connect_timeout: Seconds to wait for a connection;
            else ``REDIS_SOCKET_CONNECT_TIMEOUT``, else 5.
        client: A `redis.Redis` (from a Sentinel too) or `redis.RedisCluster` to use instead of
            all of the above. It stays yours: `close` leaves it open.
        namespace: Put before every key, with a colon.
        nan: What becomes of NaN and the infinities, which JSON has not: ``"null"``; ``"error"``, a
            SerializationError; or ``"string"``: "NaN", "Infinity", "-Infinity".
        default_ttl: Seconds, or a timedelta, that a key lives if nothing else is said; else for ever.
        ttl_jitter: A fraction, at least 0 and below 1: every expiry is shorter by a random part of
            it, so that keys written together don't expire together.

    Raises:
        ConfigurationError: A setting is malformed, or given along with `client`.
    """

    _client: redis.Redis | redis.RedisCluster

    def save_in_redis(self, key: Key, value: object) -> None:
        """Save `value` under `key`, in place of what was there, its expiry included.

        Args:
            key: Text or bytes, not empty.
            value: Anything with a JSON form or a rule, see the class.

        Raises:
            InvalidArgumentError: The key is unusable. Nothing was sent.
            SerializationError: The value has no JSON form; `path` leads to the part. Nothing was sent.
            ConnectionFailedError: Redis can't be reached, or the connection broke.
            OperationTimeoutError: Redis did not answer in time; whether it saved is unknown.
            AuthenticationError: Redis refused the password, or the user may not do this.
            QueryError: Redis refused the command; the text is its own.
        """
        self._run(_operations.save(self._options, key, value), "saving", key)

    def save_in_redis_with_expiration(
        self, key: Key, value: object, expiration_in_seconds: Expiration
    ) -> None:
        """Save `value` under `key` and have Redis remove it later; both in one command.

        Args:
            key: Text or bytes, not empty.
            value: Anything with a JSON form or a rule, see the class.
            expiration_in_seconds: Seconds from now, or a timedelta, also numpy's; at least 0.001.
                Kept to the millisecond, but for `ttl_jitter`.

        Raises:
            InvalidArgumentError: The key or the expiration is unusable. Nothing was sent.
            SerializationError: As for `save_in_redis`, and so for all others.
        """
        steps = _operations.save(self._options, key, value, expiration_in_seconds, expires=True)
        self._run(steps, "saving", key)

    def safe_read_from_redis(self, key: Key, *, default: object = None) -> Any:
        """Read the value saved under `key`.

        Args:
            key: Text or bytes, not empty.
            default: What to return when the key does not exist. A stored null is None all the same.

        Returns:
            The value as JSON has it: dict, list, str, int, float, bool or None; or `default`.

        Raises:
            InvalidArgumentError: The key is unusable. Nothing was sent.
            SerializationError: What is stored there is not JSON.
            ConnectionFailedError: Redis can't be reached, or the connection broke.
            OperationTimeoutError: Redis did not answer in time.
            AuthenticationError: Redis refused the password, or the user may not do this.
            QueryError: Redis refused the command, as when the key holds a list; the text is its own.
        """
        # Not by `_run`: on the fastest of all calls it would be a tenth.
        name = self._options.keys.name(key)
        try:
            stored = self._client.execute_command("GET", name, **self._raw)  # type: ignore[no-untyped-call]
        except THEIRS as error:
            raise self._translate(error, "reading", key) from error
        except BaseException as error:  # noqa: BLE001 - it comes out again
            self._forget_replies()
            raise self._told(error, "reading", key)  # noqa: B904 - it has its cause
        return default if stored is None else _operations.decoded(key, stored)

    def read_as(self, key: Key, type: Any, *, default: Any = None) -> Any:  # noqa: A002 - says it best
        """Read the value saved under `key` as a dataclass, a pydantic model, or any type pydantic reads.

        Strict: a text is no number, but for "NaN", "Infinity" and "-Infinity", which ``nan="string"``
        writes. Texts in ISO 8601 are read as datetime, date, time and timedelta (to the microsecond;
        further digits are dropped), lists as tuples and sets. A datetime whose offset has seconds is
        read as the same moment in UTC.

        Args:
            key: Text or bytes, not empty.
            type: What to read it as, such as ``Meter`` or ``list[Meter]``.
            default: What to return when the key does not exist.

        Returns:
            An instance of `type`, or `default`.

        Raises:
            InvalidArgumentError: The key is unusable, or `type` is no type that can be read.
            SerializationError: What is stored is not of the type; `path` leads to the part.
            ConnectionFailedError: As for `safe_read_from_redis`, and so for all others.
        """
        return self._run(_operations.read_as(self._options, key, type, default), "reading", key)

    def save_many(
        self,
        mapping: Mapping[Any, object],
        expiration_in_seconds: Expiration | None = None,
        *,
        atomic: bool = False,
        chunk_bytes: int = _operations.CHUNK_BYTES,
    ) -> None:
        """Save many values, in chunks of one round trip each.

        Every value is made into JSON before anything is sent.

        Args:
            mapping: Keys, text or bytes, and their values.
            expiration_in_seconds: As for `save_in_redis_with_expiration`; else `default_ttl`.
            atomic: Nobody sees a part of a chunk. On a Cluster a chunk is then of one slot, so
                only keys with a common ``{tag}`` are in one.
            chunk_bytes: Most bytes of keys and values in a chunk; a larger value is a chunk alone.

        Raises:
            InvalidArgumentError: A key or another argument is unusable. Nothing was sent.
            SerializationError: A value has no JSON form; the text names its key. Nothing was sent.
            ConnectionFailedError: As for `save_in_redis`, and so for all others; the text says
                after how many keys. Those before are saved; those of the chunk may be.
        """
        steps = _operations.save_many(
            self._options, mapping, expiration_in_seconds, atomic=atomic, chunk_bytes=chunk_bytes
        )
        self._run(steps, "saving many")

    def read_many(
        self, keys: Iterable[_KeyT], *, chunk_bytes: int = _operations.CHUNK_BYTES
    ) -> dict[_KeyT, Any]:
        """Read many values, in chunks of one round trip each.

        Args:
            keys: Text or bytes.
            chunk_bytes: About how many bytes to ask for in one go; as sizes are not known before,
                it is kept by the mean of those read so far.

        Returns:
            Value by key, in the order of `keys`, the keys as they were given; a key that does not
            exist is absent.

        Raises:
            InvalidArgumentError: A key is unusable. Nothing was sent.
            SerializationError: What is stored under a key is not JSON; the text names it.
            QueryError: A key holds something else, such as a frame; or as for `safe_read_from_redis`.
            ConnectionFailedError: As for `safe_read_from_redis`, and so for all others.
        """
        return self._run(_operations.read_many(self._options, keys, chunk_bytes=chunk_bytes), "reading many")

    def delete_many(self, keys: Iterable[Key]) -> int:
        """Delete keys, whatever they hold.

        Args:
            keys: Text or bytes.

        Returns:
            How many there were.

        Raises:
            InvalidArgumentError: A key is unusable. Nothing was sent.
            ConnectionFailedError: As for `save_in_redis`, and so for all others.
        """
        return self._run(_operations.delete_many(self._options, keys), "deleting many")

    def save_frame(
        self,
        key: Key,
        frame: object,
        expiration_in_seconds: Expiration | None = None,
        *,
        piece_bytes: int = _frames.PIECE_BYTES,
    ) -> None:
        """Save a frame with all its types, index and labels, in place of what was there.

        Stored as Arrow IPC, compressed where that makes it smaller, in one Redis hash that
        `touch`, `ttl` and `delete_many` take like any key. A reader sees the old frame or the new.

        Args:
            key: Text or bytes, not empty.
            frame: A pandas or polars DataFrame, a pyarrow Table, or any frame with Arrow's
                PyCapsule protocol. Of pandas: index, labels, dtypes and flags; not Interval, Sparse
                and complex dtypes, Arrow's extension types, objects of several types, nor names of
                an index that are neither text, number nor tuple.
            expiration_in_seconds: As for `save_in_redis_with_expiration`; else `default_ttl`.
            piece_bytes: Most bytes of a piece: what is made, sent and held by Redis at a time.

        Raises:
            InvalidArgumentError: An argument is unusable. Nothing was sent.
            SerializationError: Something can't be kept exactly; names the column. Nothing was sent.
            ConnectionFailedError: As for `save_in_redis`, and so for all others; what was there stays.
        """
        steps = _frames.save_frame(self._options, key, frame, expiration_in_seconds, piece_bytes=piece_bytes)
        self._run(steps, "saving the frame", key)

    @overload
    def read_frame(
        self, key: Key, into: Literal["pandas"] = "pandas", *, default: _DefaultT = ...
    ) -> pd.DataFrame | _DefaultT: ...
    @overload
    def read_frame(
        self, key: Key, into: Literal["polars"], *, default: _DefaultT = ...
    ) -> pl.DataFrame | _DefaultT: ...
    @overload
    def read_frame(
        self, key: Key, into: Literal["arrow"], *, default: _DefaultT = ...
    ) -> pa.Table | _DefaultT: ...
    def read_frame(self, key: Key, into: Into = "pandas", *, default: Any = None) -> Any:
        """Read the frame saved under `key`.

        Args:
            key: Text or bytes, not empty.
            into: ``"pandas"``, ``"polars"`` or ``"arrow"`` (a pyarrow Table), whatever it was saved
                from. The index of a pandas frame is the first columns of the others, but for a
                RangeIndex, which has none.
            default: What to return when the key does not exist.

        Returns:
            The frame, or `default`.

        Raises:
            InvalidArgumentError: The key or `into` is unusable, or the library is not installed.
            SerializationError: What is stored is no frame, or a column has no place in `into`.
            IncompleteResultError: A piece was missing, also when it was read again.
            QueryError: The key holds something else; or as for `safe_read_from_redis`.
            ConnectionFailedError: As for `safe_read_from_redis`, and so for all others.
        """
        return self._run(_frames.read_frame(self._options, key, into, default), "reading the frame", key)

    def get_or_compute(
        self,
        key: Key,
        function: Callable[[], Any],
        *,
        ttl: Expiration,
        stale: Expiration | None = None,
        lock_timeout: Expiration = 60.0,
        on_outage: OnOutage = "error",
        type: Any = None,  # noqa: A002 - says it best
    ) -> Any:
        """Read the value under `key`; if there is none, have one caller compute and save it.

        The others wait for it, or take the old value where `stale` allows. If the computing caller
        dies or takes longer than `lock_timeout`, another one computes. If `function` fails, those who
        waited get its error too; where a stale value is there, all get that, and the log a warning.

        Args:
            key: Text or bytes, not empty.
            function: Computes the value; without arguments. What it raises comes out, and nothing is
                saved, unless there is a stale value.
            ttl: Seconds, or a timedelta, that a value is fresh.
            stale: Seconds after that in which one caller computes and the others still get the old value;
                that one, too, if `function` fails.
            lock_timeout: Seconds that computing may take before another caller tries.
            on_outage: If Redis can't be reached, or can't write for now, as without memory or on a
                replica: ``"error"``, or ``"compute"`` without the cache.
            type: What to read the value as, see `read_as`; else as JSON has it.

        Returns:
            The value as it is read from Redis, to the caller who computed it too.

        Raises:
            InvalidArgumentError: An argument is unusable.
            SerializationError: The value has no JSON form; or what is stored is not JSON, or not of `type`.
            ComputationFailedError: The function failed in another process; names what it raised there.
            ConnectionFailedError: As for `save_in_redis`, and so for all others.
        """
        _cache.check_function(function, may_be_asynchronous=False)
        how = _cache.policy(ttl, stale, lock_timeout, on_outage, type)
        return self._run(_cache.get_or_compute(self._options, key, function, how), "computing", key).get()

    def cached(
        self,
        *,
        ttl: Expiration,
        stale: Expiration | None = None,
        key: str | Callable[..., Key] | None = None,
        lock_timeout: Expiration = 60.0,
        on_outage: OnOutage = "error",
        type: Any = None,  # noqa: A002 - says it best
    ) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
        """Keep what a function returns, by its arguments; a decorator.

        Args:
            ttl: As for `get_or_compute`, and so for all others.
            stale: See there.
            key: A text to put before the arguments, else module and name of the function, which only a
                function that ``def`` made outside of others has for itself; or a function that gives the
                key for the same arguments, which methods need. Arguments are written as JSON where that
                tells all of them, else hashed, part by part, as `copy` would make them anew.
            lock_timeout: See there.
            on_outage: See there.
            type: See there.

        Raises:
            InvalidArgumentError: An argument is unusable, or the function needs `key`; on a call, an
                argument of the function does not tell all of itself, or is an object without ``__eq__``.
        """
        how = _cache.policy(ttl, stale, lock_timeout, on_outage, type)

        def decorate(function: Callable[_P, _T]) -> Callable[_P, _T]:
            _cache.check_function(function, may_be_asynchronous=False)
            make_key = key_maker(function, key)

            @functools.wraps(function)
            def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
                name = make_key(args, kwargs)
                compute = functools.partial(function, *args, **kwargs)
                steps = _cache.get_or_compute(self._options, name, compute, how)
                result: _T = self._run(steps, "computing", name).get()
                return result

            return call

        return decorate

    def scan(self, match: Key = "*", *, count: int = 1000) -> Iterator[Key]:
        """Go through the keys of the namespace, without blocking Redis.

        As Redis has it: a key that is there all the while comes at least once, perhaps twice; one
        that comes or goes meanwhile may or may not.

        Args:
            match: A pattern with ``*``, ``?`` and ``[…]`` for the key after the namespace.
            count: About how many keys Redis looks at in one go.

        Returns:
            Keys as text, or bytes where they are no UTF-8; of all nodes on a Cluster.

        Raises:
            InvalidArgumentError: `match` or `count` is unusable.
            ConnectionFailedError: As for `safe_read_from_redis`, and so for all others.
        """
        options: Any = _operations.scan_options(self._options, match, count) | self._raw
        return self._scan(options)

    def _scan(self, options: dict[str, Any]) -> Iterator[Key]:
        try:
            for name in self._client.scan_iter(**options):
                if (key := self._options.keys.key(name)) is not None:
                    yield key
        except THEIRS as error:
            raise self._translate(error, "scanning", None) from error
        except GeneratorExit:
            raise
        except BaseException as error:  # noqa: BLE001 - it comes out again
            self._forget_replies()
            raise self._told(error, "scanning", None)  # noqa: B904 - it has its cause

    def touch(self, key: Key, expiration_in_seconds: Expiration | None = None) -> bool:
        """Have a key live this long from now.

        Args:
            key: Text or bytes, not empty.
            expiration_in_seconds: As for `save_in_redis_with_expiration`; else `default_ttl`.

        Returns:
            Whether the key exists.

        Raises:
            InvalidArgumentError: An argument is unusable, or there is no expiration.
            ConnectionFailedError: As for `save_in_redis`, and so for all others.
        """
        return self._run(_operations.touch(self._options, key, expiration_in_seconds), "touching", key)

    def ttl(self, key: Key) -> float | None:
        """Give the seconds a key has left; infinity if it does not expire, None if it does not exist.

        Raises:
            InvalidArgumentError: The key is unusable.
            ConnectionFailedError: As for `safe_read_from_redis`, and so for all others.
        """
        return self._run(_operations.ttl(self._options, key), "looking at", key)

    def close(self) -> None:
        """Close the connections, unless they belong to a `client` that was given.

        A later call opens new ones, as in redis-py.
        """
        if self._settings:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- The waiting ---

    def _run(self, steps: Steps[_T], doing: str, subject: object = None) -> _T:
        """Do the steps of a method; an error is thrown into it first, as it may know what to do."""
        try:
            step = next(steps)
            while True:
                try:
                    reply = self._do(step)
                except BaseException as error:  # noqa: BLE001 - it comes out again
                    if not isinstance(error, THEIRS):
                        self._forget_replies()
                    step = steps.throw(self._meant(error))
                else:
                    step = steps.send(reply)
        except StopIteration as end:
            result: _T = end.value
            return result
        except (*THEIRS, Incomplete) as error:
            raise self._translate(error, doing, subject) from error

    def _do(self, step: Step) -> Any:
        if isinstance(step, Command):
            return self._client.execute_command(*step.args, **(self._raw if step.raw else DECODED))  # type: ignore[no-untyped-call]
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        if isinstance(step, Call):
            try:
                return Outcome(step.function())
            except BaseException as error:  # noqa: BLE001 - it is raised when the lock is given back
                return Outcome(error=error)
        with self._client.pipeline(transaction=step.atomic) as pipeline:
            for args in step.commands:
                pipeline.execute_command(*args, **(self._raw if step.raw else DECODED))
            return pipeline.execute(raise_on_error=False)

    def _forget_replies(self) -> None:
        """After an interrupt, see that no later call of a given client has a reply to this one.

        Our own pool has seen to it already.
        """
        if not self._settings:
            disconnect_idle(self._client)

    @staticmethod
    def _connect(settings: RedisSettings | Url) -> redis.Redis:
        made: redis.Redis
        if isinstance(settings, _connect.Url):
            made = _connect.from_url(redis.Redis, settings, Retry, _MOST_CONNECTIONS)
        else:
            made = redis.Redis(**_connect.connection_options(settings, Retry, _MOST_CONNECTIONS))
        return redis.Redis.from_pool(Pool.like(made.connection_pool))

    @staticmethod
    def _check_given(client: object) -> None:
        _connect.check_given(client, (redis.Redis, redis.RedisCluster), (Pipeline, ClusterPipeline), "redis")

    @staticmethod
    def _is_cluster(client: object) -> bool:
        return isinstance(client, redis.RedisCluster)
