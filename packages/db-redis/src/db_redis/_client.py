"""`RedisClient`: JSON values and frames under keys, where a failure is never mistaken for a missing key.

The steps of `_operations`, `_frames` and `_cache` do the work of its methods. This module has their
documentation, and waits for Redis.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, TypeVar, cast, overload

import redis
from redis.client import Pipeline
from redis.cluster import ClusterPipeline

from db_core.observed import Aside
from db_redis import _cache, _connect, _frames, _operations
from db_redis._arguments import key_maker
from db_redis._base import DECODED, BaseClient
from db_redis._errors import THEIRS
from db_redis._pool import Pool, disconnect_idle
from db_redis._retries import Retry
from db_redis._steps import Command, Compute, FailedPartway, Outcome, Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from typing_extensions import TypeVar as TypeVarWithDefault

    from db_core.frame import Into
    from db_core.observed import Call
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
# Each thread takes one; Redis accepts as many by default. redis-py alone would refuse the 101st.
_MAX_CONNECTIONS = 10_000


class RedisClient(BaseClient):
    """Save values as JSON, and frames as Arrow, under keys, and read them back.

    Threads and forked processes may share a client. It is a context manager. It can be pickled, unless it was
    made from `client`; the pickle contains its settings with the password.

    If a call is interrupted, for example by Ctrl-C or a signal handler that raises, its connection is closed,
    so that its reply never reaches another call. Whether the call took effect is unknown. If you passed a
    `client`, all its idle connections are closed, since another thread may have taken the interrupted one.

    Values are converted to JSON as follows:

    - dict, list, tuple, str, int, float, bool and None have JSON forms.
    - A dataclass becomes an object of all its fields. A pydantic model becomes its dump by alias, in which
      each part is dumped by its own type. An Enum becomes its value, and a set a sorted list.
    - datetime, date, time, pandas Timestamp, numpy datetime64 and polars' times become ISO 8601 texts with
      all their digits, also nanoseconds. Timedeltas become ISO 8601 durations, with days of 24 hours.
    - Decimal and UUID become texts. numpy scalars become numbers, and arrays nested lists. NaT, NA and
      masked values become null.
    - A Series becomes a list, or an object if its index is more than row numbers. A DataFrame becomes a list
      with an object for each row, in which the index levels come first.
    - A dict's keys that are not text become the text of their JSON form.
    - Integers of more than 64 bits, bytes, and two keys with the same text raise an error. An
      `orjson.Fragment` is written without a check.

    Args:
        host: Name or address of the server. Default: ``REDIS_HOST``, then localhost.
        port: Port of the server. Default: ``REDIS_PORT``, then 6379.
        password: Password of the user. Default: ``REDIS_PASSWORD``, then none.
        db: Number of the database. Default: ``REDIS_DB``, then 0.
        username: Name of an ACL user. Default: ``REDIS_USERNAME``, then Redis's default user.
        ssl: Whether to use TLS, with the certificate verified. Default: ``REDIS_SSL``, then no.
        socket_timeout: Seconds to wait for a reply. Default: ``REDIS_SOCKET_TIMEOUT``, then 5.
        socket_connect_timeout: Seconds to wait for a connection.
            Default: ``REDIS_SOCKET_CONNECT_TIMEOUT``, then 5.
        client: A `redis.Redis` (from a Sentinel too) or `redis.RedisCluster` to use instead of
            all of the above. It stays yours: `close` leaves it open.
        namespace: Text to put before every key, with a colon.
        nan: What to do with NaN and the infinities, which JSON lacks. ``"null"`` writes null, ``"error"``
            raises a SerializationError, and ``"string"`` writes "NaN", "Infinity" or "-Infinity".
        default_ttl: Seconds, or a timedelta, after which keys expire. A call may pass another expiry. None
            means that keys do not expire.
        ttl_jitter: A fraction, at least 0 and below 1. Every expiry is shortened by a random part of
            this fraction, so that keys that were written together do not expire together.
        on_retry: A function that is called with a `db_core.Retry` before each retry, in the thread of the
            call or in the event loop. An error that it raises ends the call, and is raised as it is. It
            can't be given with `client`, which retries by its own settings.
        tracing: Whether each call makes a span and a duration of OpenTelemetry, if the program has set that
            up. None means what ``DB_TRACING`` says, and yes where that is not set.

    Raises:
        ConfigurationError: A setting is malformed, or given along with `client`.
    """

    _client: redis.Redis | redis.RedisCluster

    def save_in_redis(self, key: Key, value: object) -> None:
        """Save `value` under `key`. This replaces the old value and its expiry.

        Args:
            key: Text or bytes, not empty.
            value: Anything that has a JSON form, see the class.

        Raises:
            InvalidArgumentError: The key is invalid. Nothing was sent.
            SerializationError: The value has no JSON form. `path` leads to the part. Nothing was sent.
            ConnectionFailedError: Redis can't be reached, or the connection broke.
            OperationTimeoutError: Redis did not reply in time. Whether it saved the value is unknown.
            AuthenticationError: Redis refused the password, or the user lacks a permission.
            QueryError: Redis refused the command. The message quotes Redis.
        """
        self._run(_operations.save(self._options, key, value), "save_in_redis", key)

    def save_in_redis_with_expiration(
        self, key: Key, value: object, expiration_in_seconds: Expiration
    ) -> None:
        """Save `value` under `key` with an expiry, in one command.

        Args:
            key: Text or bytes, not empty.
            value: Anything that has a JSON form, see the class.
            expiration_in_seconds: Seconds from now, or a timedelta, also numpy's; at least 0.001.
                It is rounded to a millisecond and shortened by `ttl_jitter`.

        Raises:
            InvalidArgumentError: The key or the expiration is invalid. Nothing was sent.
            DatabaseError: Any other error of `save_in_redis`.
        """
        steps = _operations.save(self._options, key, value, expiration_in_seconds, expires=True)
        self._run(steps, "save_in_redis_with_expiration", key)

    def safe_read_from_redis(self, key: Key, *, default: object = None) -> Any:
        """Read the value saved under `key`.

        Args:
            key: Text or bytes, not empty.
            default: What to return if the key does not exist. A stored null is returned as None.

        Returns:
            The JSON value as dict, list, str, int, float, bool or None; or `default`.

        Raises:
            InvalidArgumentError: The key is invalid. Nothing was sent.
            SerializationError: The stored text is not JSON.
            ConnectionFailedError: Redis can't be reached, or the connection broke.
            OperationTimeoutError: Redis did not reply in time.
            AuthenticationError: Redis refused the password, or the user lacks a permission.
            QueryError: Redis refused the command, as for a key that has a list. The message quotes Redis.
        """
        # This does not go through `_run`, which would add a tenth to the fastest of all calls.
        if self._observer.is_logged:
            return self._run(_operations.read(self._options, key, default), "safe_read_from_redis", key)
        name = self._options.keys.name(key)
        with self._observer.call("safe_read_from_redis"):
            try:
                stored = self._client.execute_command("GET", name, **self._raw)  # type: ignore[no-untyped-call]
            except THEIRS as error:
                raise self._translate(error, "safe_read_from_redis", key) from error
            except BaseException as error:  # noqa: BLE001 - it is raised again
                self._drop_unread_replies()
                raise self._error_to_raise(error, "safe_read_from_redis", key)  # noqa: B904 - it has its cause
            return default if stored is None else _operations.decode_value(key, stored)

    def read_as(self, key: Key, type: Any, *, default: Any = None) -> Any:  # noqa: A002 - the plainest name
        """Read the value saved under `key` as a dataclass, a pydantic model, or any type that pydantic reads.

        Types are strict: a text is not read as a number, except "NaN", "Infinity" and "-Infinity", which
        ``nan="string"`` writes. ISO 8601 texts are read as datetime, date, time and timedelta (to the
        microsecond; further digits are dropped), lists as tuples and sets. A datetime whose offset has
        seconds is read as the same moment in UTC.

        Args:
            key: Text or bytes, not empty.
            type: The type to read, such as ``Meter`` or ``list[Meter]``.
            default: What to return if the key does not exist.

        Returns:
            An instance of `type`, or `default`.

        Raises:
            InvalidArgumentError: The key is invalid, or `type` is not a type that can be read.
            SerializationError: The stored value is not of the type. `path` leads to the part.
            DatabaseError: Any other error of `safe_read_from_redis`.
        """
        return self._run(_operations.read_as(self._options, key, type, default), "read_as", key)

    def save_many(
        self,
        mapping: Mapping[Any, object],
        expiration_in_seconds: Expiration | None = None,
        *,
        atomic: bool = False,
        chunk_bytes: int = _operations.CHUNK_BYTES,
    ) -> None:
        """Save many values, in chunks of one round trip each.

        Every value is converted to JSON before anything is sent.

        Args:
            mapping: Values by key. Keys are text or bytes.
            expiration_in_seconds: As for `save_in_redis_with_expiration`; by default `default_ttl`.
            atomic: Whether other clients see all of a chunk or nothing. On a Cluster the keys of a
                chunk are then in one slot, so only keys with a common ``{tag}`` share a chunk.
            chunk_bytes: The most bytes of keys and values in a chunk. A larger value has its own chunk.

        Raises:
            InvalidArgumentError: A key or another argument is invalid. Nothing was sent.
            SerializationError: A value has no JSON form. The message names its key. Nothing was sent.
            DatabaseError: Any other error of `save_in_redis`. The message says how many keys were
                saved before; those of the chunk that failed may be saved too.
        """
        steps = _operations.save_many(
            self._options, mapping, expiration_in_seconds, atomic=atomic, chunk_bytes=chunk_bytes
        )
        self._run(steps, "save_many")

    def read_many(
        self, keys: Iterable[_KeyT], *, chunk_bytes: int = _operations.CHUNK_BYTES
    ) -> dict[_KeyT, Any]:
        """Read many values, in chunks of one round trip each.

        Args:
            keys: Text or bytes.
            chunk_bytes: About how many bytes to ask for in one round trip. The mean size of the values
                read so far sets the number of keys.

        Returns:
            Values by key, in the order of `keys`. A key that does not exist is absent.

        Raises:
            InvalidArgumentError: A key is invalid. Nothing was sent.
            SerializationError: A stored text is not JSON. The message names the key.
            QueryError: A key has a value of another kind, such as a frame, or Redis refused a command.
            DatabaseError: Any other error of `safe_read_from_redis`.
        """
        return self._run(_operations.read_many(self._options, keys, chunk_bytes=chunk_bytes), "read_many")

    def delete_many(self, keys: Iterable[Key]) -> int:
        """Delete keys, with values of any kind.

        Args:
            keys: Text or bytes.

        Returns:
            The number of keys that existed.

        Raises:
            InvalidArgumentError: A key is invalid. Nothing was sent.
            DatabaseError: Any other error of `save_in_redis`.
        """
        return self._run(_operations.delete_many(self._options, keys), "delete_many")

    def save_frame(
        self,
        key: Key,
        frame: object,
        expiration_in_seconds: Expiration | None = None,
        *,
        piece_bytes: int = _frames.PIECE_BYTES,
    ) -> None:
        """Save a frame with all its types, index and labels. This replaces the old value.

        It is stored as Arrow IPC, compressed if that makes it smaller, in one Redis hash that
        `touch`, `ttl` and `delete_many` accept like any key. A reader sees the old frame or the new one.

        Args:
            key: Text or bytes, not empty.
            frame: A pandas or polars DataFrame, a pyarrow Table, or any frame with Arrow's
                PyCapsule protocol. A pandas frame keeps its index, labels, dtypes and flags. It can't
                have Interval, Sparse or complex dtypes, Arrow's extension types, objects of several
                types, or index names that are neither text, number nor tuple.
            expiration_in_seconds: As for `save_in_redis_with_expiration`; by default `default_ttl`.
            piece_bytes: The most bytes of a piece. A frame is written, sent and stored in pieces.

        Raises:
            InvalidArgumentError: An argument is invalid. Nothing was sent.
            SerializationError: A column can't be kept exactly. The message names it. Nothing was sent.
            DatabaseError: Any other error of `save_in_redis`. The old value stays.
        """
        steps = _frames.save_frame(self._options, key, frame, expiration_in_seconds, piece_bytes=piece_bytes)
        self._run(steps, "save_frame", key)

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
            into: ``"pandas"``, ``"polars"`` or ``"arrow"`` (a pyarrow Table). The frame may have been saved
                from another of these. In polars and Arrow the index of a pandas frame becomes the first
                columns, except a RangeIndex, which is left out.
            default: What to return if the key does not exist.

        Returns:
            The frame, or `default`.

        Raises:
            InvalidArgumentError: The key or `into` is invalid.
            MissingLibraryError: The library that `into` names is not installed.
            SerializationError: The stored hash is not a frame, or `into` has no type for a column.
            IncompleteResultError: A piece was missing in each of several reads.
            QueryError: The key has a value of another kind, or Redis refused a command.
            DatabaseError: Any other error of `safe_read_from_redis`.
        """
        return self._run(_frames.read_frame(self._options, key, into, default), "read_frame", key)

    def get_or_compute(
        self,
        key: Key,
        function: Callable[[], Any],
        *,
        ttl: Expiration,
        stale: Expiration | None = None,
        lock_timeout: Expiration = 60.0,
        on_outage: OnOutage = "error",
        type: Any = None,  # noqa: A002 - the plainest name
    ) -> Any:
        """Read the value under `key`. If there is none, one caller computes and saves it.

        The other callers wait for it, or get the old value for `stale` seconds. If the computing caller dies
        or takes longer than `lock_timeout`, another one computes. If `function` fails, the waiting callers
        get its error too. If there is a stale value, all of them get this value, and a warning is logged.

        Args:
            key: Text or bytes, not empty.
            function: Function without arguments that computes the value. If it raises an error, nothing is
                saved, and the caller gets the error, or the stale value if there is one.
            ttl: Seconds, or a timedelta, for which a value is fresh.
            stale: Seconds after `ttl` in which one caller computes, and the others still get the old
                value. The computing caller gets it too if `function` fails.
            lock_timeout: Seconds that computing may take before another caller computes too.
            on_outage: What to do if Redis can't be reached or can't write, for example since its memory is
                full or it is a replica. ``"error"`` raises an error, and ``"compute"`` computes the value
                without the cache.
            type: The type to read the value as; see `read_as`. By default, the JSON value is returned.

        Returns:
            The value as it is read from Redis, also for the caller that computed it.

        Raises:
            InvalidArgumentError: An argument is invalid.
            SerializationError: The value has no JSON form, or the stored one is not JSON or not of `type`.
            ComputationFailedError: The function failed in another process. The message names the error.
            DatabaseError: Any other error of `save_in_redis`.
        """
        _cache.check_function(function, may_be_asynchronous=False)
        policy = _cache.make_policy(ttl, stale, lock_timeout, on_outage, type)
        steps = _cache.get_or_compute(self._options, key, function, policy)
        return self._run(steps, "get_or_compute", key)

    def cached(
        self,
        *,
        ttl: Expiration,
        stale: Expiration | None = None,
        key: str | Callable[..., Key] | None = None,
        lock_timeout: Expiration = 60.0,
        on_outage: OnOutage = "error",
        type: Any = None,  # noqa: A002 - the plainest name
    ) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
        """Decorate a function so that its results are cached by its arguments.

        Args:
            ttl: As for `get_or_compute`.
            stale: As for `get_or_compute`.
            key: A text to put before the arguments. The default is the module and name of the function, which
                must be made by ``def`` outside of other functions, so that no other function has the same
                name. Or a function that takes the same arguments and returns the key, which methods
                need. Arguments are written as JSON if that describes them completely. Otherwise they are
                hashed, part by part, by the state that `copy` would use to copy them.
            lock_timeout: As for `get_or_compute`.
            on_outage: As for `get_or_compute`.
            type: As for `get_or_compute`.

        Raises:
            InvalidArgumentError: An argument is invalid, or the function needs `key`. A call raises it if an
                argument can't be described completely, or is an object without ``__eq__``.
        """
        policy = _cache.make_policy(ttl, stale, lock_timeout, on_outage, type)

        def decorate(function: Callable[_P, _T]) -> Callable[_P, _T]:
            _cache.check_function(function, may_be_asynchronous=False)
            make_key = key_maker(function, key)

            @functools.wraps(function)
            def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
                name = make_key(args, kwargs)
                compute = functools.partial(function, *args, **kwargs)
                steps = _cache.get_or_compute(self._options, name, compute, policy)
                result: _T = self._run(steps, "cached", name)
                return result

            return call

        return decorate

    def scan(self, match: Key = "*", *, count: int = 1000) -> Iterator[Key]:
        """Iterate over the keys of the namespace, without blocking Redis.

        A key that exists during the whole scan is returned at least once, and perhaps twice. A key that is
        added or deleted meanwhile may be returned or not. Redis promises no more.

        Args:
            match: A pattern with ``*``, ``?`` and ``[…]`` for the key after the namespace.
            count: About how many keys Redis looks at in one round trip.

        Returns:
            Keys as text, or as bytes if they are not UTF-8. On a Cluster, the keys of all nodes.

        Raises:
            InvalidArgumentError: `match` or `count` is invalid.
            DatabaseError: Any other error of `safe_read_from_redis`, while iterating.
        """
        options: Any = _operations.scan_options(self._options, match, count) | self._raw
        return self._scan(options)

    def _scan(self, options: dict[str, Any]) -> Iterator[Key]:
        with self._observer.call("scan") as call:
            found = 0
            try:
                for name in self._client.scan_iter(**options):
                    found += 1
                    if (key := self._options.keys.key(name)) is not None:
                        with Aside(call):
                            yield key
            except THEIRS as error:
                raise self._translate(error, "scan", None) from error
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - it is raised again
                self._drop_unread_replies()
                raise self._error_to_raise(error, "scan", None)  # noqa: B904 - it has its cause
            finally:
                if call.is_logged:  # redis-py sends the commands, so this is one line for all of them
                    call.request(command="SCAN", keys=found)

    def touch(self, key: Key, expiration_in_seconds: Expiration | None = None) -> bool:
        """Set a new expiry of a key, counted from now.

        Args:
            key: Text or bytes, not empty.
            expiration_in_seconds: As for `save_in_redis_with_expiration`; by default `default_ttl`.

        Returns:
            Whether the key exists.

        Raises:
            InvalidArgumentError: An argument is invalid, or there is neither an expiration nor `default_ttl`.
            DatabaseError: Any other error of `save_in_redis`.
        """
        return self._run(_operations.touch(self._options, key, expiration_in_seconds), "touch", key)

    def ttl(self, key: Key) -> float | None:
        """Return the seconds until a key expires; infinity if it does not expire, None if it does not exist.

        Raises:
            InvalidArgumentError: The key is invalid.
            DatabaseError: Any other error of `safe_read_from_redis`.
        """
        return self._run(_operations.ttl(self._options, key), "ttl", key)

    def close(self) -> None:
        """Close the connections, unless they belong to a `client` that you passed.

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

    # --- Waiting ---

    def _run(self, steps: Steps[_T], method: str, subject: object = None) -> _T:
        """Take the steps of a method. An error is thrown into the method, which may handle it.

        If the method's result is an `Outcome`, this is the call's outcome.
        """
        result: Any = None
        with self._observer.call(method) as call:
            take_step = self._take_step
            if call.is_logged:
                take_step = functools.partial(self._take_step_and_log, call)
            try:
                step = next(steps)
                while True:
                    try:
                        reply = take_step(step)
                    except BaseException as error:  # noqa: BLE001 - it is raised again
                        if not isinstance(error, THEIRS):
                            self._drop_unread_replies()
                        step = steps.throw(self._as_redis_error(error))
                    else:
                        step = steps.send(reply)
            except StopIteration as end:
                result = end.value
            except (*THEIRS, FailedPartway) as error:
                raise self._translate(error, method, subject) from error
            if isinstance(result, Outcome):  # of a function of the caller, whose error is raised as it is
                return cast("_T", result.get())
            return cast("_T", result)

    def _take_step_and_log(self, call: Call, step: Step) -> Any:
        began, retries = time.monotonic(), call.retries
        reply = None
        try:
            reply = self._take_step(step)
        finally:
            self._log(call, step, reply, time.monotonic() - began, call.retries - retries)
        return reply

    def _take_step(self, step: Step) -> Any:
        if isinstance(step, Command):
            return self._client.execute_command(*step.args, **(self._raw if step.raw else DECODED))  # type: ignore[no-untyped-call]
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        if isinstance(step, Compute):
            try:
                return Outcome(step.function())
            except BaseException as error:  # noqa: BLE001 - it is raised after the lock is released
                return Outcome(error=error)
        with self._client.pipeline(transaction=step.atomic) as pipeline:
            for args in step.commands:
                pipeline.execute_command(*args, **(self._raw if step.raw else DECODED))
            return pipeline.execute(raise_on_error=False)

    def _drop_unread_replies(self) -> None:
        """Close the idle connections of a `client` that was passed, as one may hold the reply to this call.

        Our own pool has closed the connection already.
        """
        if not self._settings:
            disconnect_idle(self._client)

    @staticmethod
    def _make_client(settings: RedisSettings | Url) -> redis.Redis:
        made: redis.Redis
        if isinstance(settings, _connect.Url):
            made = _connect.from_url(redis.Redis, settings, Retry, _MAX_CONNECTIONS)
        else:
            made = redis.Redis(**_connect.connection_options(settings, Retry, _MAX_CONNECTIONS))
        return redis.Redis.from_pool(Pool.like(made.connection_pool))

    @staticmethod
    def _check_client(client: object) -> None:
        _connect.check_given(client, (redis.Redis, redis.RedisCluster), (Pipeline, ClusterPipeline), "redis")

    @staticmethod
    def _is_cluster(client: object) -> bool:
        return isinstance(client, redis.RedisCluster)
