"""`RedisClient`: JSON values under keys, where a missing key is never mistaken for a failure."""

from __future__ import annotations

from datetime import timedelta
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.client import Pipeline
from redis.cluster import ClusterPipeline
from redis.retry import Retry

from db_core.errors import ConfigurationError, InvalidArgumentError, QueryError, SerializationError
from db_redis._codec import decode, encode
from db_redis._errors import THEIRS, translate

if TYPE_CHECKING:
    from types import TracebackType

    from db_redis._settings import RedisSettings

__all__ = ["RedisClient"]

_SHORTEST_EXPIRATION = 0.001  # seconds: Redis counts milliseconds
_LONGEST_EXPIRATION = 9e15  # seconds: Redis adds it to its clock, in 64 bits of milliseconds


class RedisClient:
    """Saves values as JSON under keys, and reads them back.

    Safe to share between threads, and across a fork. A context manager. It pickles by its
    settings, password included, unless it was made from `client`.

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

    Raises:
        ConfigurationError: A setting is malformed, or given along with `client`.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        password: str | None = None,
        *,
        db: int | None = None,
        username: str | None = None,
        ssl: bool | None = None,
        socket_timeout: float | None = None,
        socket_connect_timeout: float | None = None,
        client: redis.Redis | redis.RedisCluster | None = None,
        namespace: str | None = None,
    ) -> None:
        connection: dict[str, object] = {
            "host": host,
            "port": port,
            "password": password,
            "db": db,
            "username": username,
            "ssl": ssl,
            "socket_timeout": socket_timeout,
            "socket_connect_timeout": socket_connect_timeout,
        }
        if client is None:
            settings = _load_settings(connection)
            self._set_up(_connect(settings), settings, namespace)
        else:
            _check_given(client, connection)
            self._set_up(client, None, namespace)

    def _set_up(
        self, client: redis.Redis | redis.RedisCluster, settings: RedisSettings | None, namespace: str | None
    ) -> None:
        self._client = client
        self._settings = settings  # None if the client was given
        self._namespace = namespace
        self._prefix = _prefix(namespace)

    def save_in_redis(self, key: str | bytes, value: object) -> None:
        """Save `value` under `key`, in place of what was there, its expiry included.

        Args:
            key: Text or bytes, not empty.
            value: Anything with a JSON form: dict with text keys, list, tuple, str, int of 64 bits,
                finite float, bool, None, dataclass, Enum, datetime, date, time, UUID.

        Raises:
            InvalidArgumentError: The key is unusable. Nothing was sent.
            SerializationError: The value has no JSON form; `path` leads to the part. Nothing was sent.
            ConnectionFailedError: Redis can't be reached, or the connection broke.
            OperationTimeoutError: Redis did not answer in time; whether it saved is unknown.
            AuthenticationError: Redis refused the password, or the user may not do this.
            QueryError: Redis refused the command; the text is its own.
        """
        self._save(key, value)

    def save_in_redis_with_expiration(
        self, key: str | bytes, value: object, expiration_in_seconds: float | timedelta
    ) -> None:
        """Save `value` under `key` and have Redis remove it later; both in one command.

        Args:
            key: Text or bytes, not empty.
            value: Anything with a JSON form, see `save_in_redis`.
            expiration_in_seconds: Seconds from now, or a timedelta; at least 0.001.
                Kept to the millisecond.

        Raises:
            InvalidArgumentError: The key or the expiration is unusable. Nothing was sent.
            SerializationError: As for `save_in_redis`, and so for all others.
        """
        self._save(key, value, "PX", _milliseconds(expiration_in_seconds))

    def safe_read_from_redis(self, key: str | bytes, *, default: object = None) -> Any:
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
        name = self._name(key)
        try:
            stored = self._client.get(name)
            if isinstance(stored, str):  # from a given client that decodes answers
                stored = self._client.get_encoder().encode(stored)
            return default if stored is None else decode(stored)
        except THEIRS as error:
            raise self._translate(error, f"reading {key!r}") from error
        except (SerializationError, UnicodeDecodeError) as error:
            raise SerializationError(f"the value of {key!r} can't be read: {error}") from error

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

    def __repr__(self) -> str:
        # The username is left out with the password: it is half of what gets one in.
        if self._settings:
            place = f"host={self._settings.host!r}, port={self._settings.port}, db={self._settings.db}"
        else:
            place = f"client=<{type(self._client).__name__}>"
        return f"{type(self).__name__}({place}, namespace={self._namespace!r})"

    def __getstate__(self) -> tuple[RedisSettings, str | None]:
        if self._settings is None:
            raise TypeError(
                "a RedisClient made from `client` can't be pickled: its connections belong to this process"
            )
        return self._settings, self._namespace

    def __setstate__(self, state: tuple[RedisSettings, str | None]) -> None:
        settings, namespace = state
        self._set_up(_connect(settings), settings, namespace)

    def _save(self, key: str | bytes, value: object, *options: str | int) -> None:
        name = self._name(key)
        text = encode(value)
        try:
            # Not `set`: weighing its fifteen options takes it longer than encoding a small value.
            reply = self._client.execute_command("SET", name, text, *options)  # type: ignore[no-untyped-call]
        except THEIRS as error:
            raise self._translate(error, f"saving {key!r}") from error
        if reply is not True:
            raise QueryError(f"saving {key!r} failed: Redis answered neither OK nor an error")

    def _name(self, key: object) -> bytes:
        """Give the key as Redis has it."""
        if not isinstance(key, str | bytes) or not key:
            raise InvalidArgumentError(
                f"`key` must be text or bytes, and not empty, not {key!r}", argument="key"
            )
        if isinstance(key, str):
            try:
                key = key.encode()
            except UnicodeEncodeError as error:
                raise InvalidArgumentError(f"`key` has no UTF-8 form: {error}", argument="key") from error
        return self._prefix + key

    def _translate(self, error: Exception, doing: str) -> Exception:
        return translate(error, doing, self._client.get_connection_kwargs().get("password"))


def _load_settings(connection: dict[str, object]) -> RedisSettings:
    # Imported here, so that `import db_redis` does not load pydantic.
    from db_core.settings import load
    from db_redis._settings import RedisSettings

    return load(RedisSettings, connection)


def _connect(settings: RedisSettings) -> redis.Redis:
    return redis.Redis(
        host=settings.host,
        port=settings.port,
        db=settings.db,
        username=settings.username,
        password=settings.password.get_secret_value() if settings.password else None,
        ssl=settings.ssl,
        socket_timeout=settings.socket_timeout,
        socket_connect_timeout=settings.socket_connect_timeout,
        # By default redis-py tries everything eleven times: a silent server would hold a call for a
        # minute. Here only a broken connection is tried again, for about a second at most, and a
        # timeout means what it says.
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), 3, (redis.ConnectionError,)),
    )


def _check_given(client: object, connection: dict[str, object]) -> None:
    # A pipeline is a `redis.Redis` too, but only queues; an asyncio client would save nothing unawaited.
    is_client = isinstance(client, redis.Redis | redis.RedisCluster)
    if not is_client or isinstance(client, Pipeline | ClusterPipeline):
        raise ConfigurationError(
            f"`client` must be a redis.Redis or redis.RedisCluster, not {type(client).__name__}"
        )
    given = [f"`{name}`" for name, value in connection.items() if value is not None]
    if given:
        raise ConfigurationError(f"`client` has its own connection; it excludes {', '.join(given)}")


def _prefix(namespace: object) -> bytes:
    if namespace is None:
        return b""
    if not isinstance(namespace, str) or not namespace:
        raise ConfigurationError("`namespace` must be text, and not empty")
    try:
        return f"{namespace}:".encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"`namespace` has no UTF-8 form: {error}") from error


def _milliseconds(expiration: float | timedelta) -> int:
    seconds = expiration.total_seconds() if isinstance(expiration, timedelta) else expiration
    if isinstance(seconds, bool) or not isinstance(seconds, Real):
        raise InvalidArgumentError(
            f"`expiration_in_seconds` must be int, float or timedelta, not {type(expiration).__name__}",
            argument="expiration_in_seconds",
        )
    if not _SHORTEST_EXPIRATION <= seconds <= _LONGEST_EXPIRATION:  # NaN is never within
        raise InvalidArgumentError(
            f"`expiration_in_seconds` must be from {_SHORTEST_EXPIRATION} to {_LONGEST_EXPIRATION} seconds",
            argument="expiration_in_seconds",
        )
    # numpy's integers would overflow.
    return int(seconds) * 1000 if isinstance(seconds, Integral) else round(float(seconds) * 1000)
