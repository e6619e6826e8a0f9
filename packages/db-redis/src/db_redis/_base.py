"""The base of `RedisClient` and `AsyncRedisClient`: construction, `repr`, pickling and errors."""

from __future__ import annotations

import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

import redis
from redis.client import NEVER_DECODE

from db_core.chain import package_of
from db_core.errors import ConfigurationError
from db_core.foreign import shown
from db_core.observed import Observer
from db_redis import _connect
from db_redis._errors import THEIRS, translate
from db_redis._expiry import Expiry
from db_redis._keys import Keys
from db_redis._operations import Options
from db_redis._steps import Command, FailedPartway, Pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_core.errors import DatabaseError
    from db_core.observed import Call, Retry
    from db_redis._connect import Url
    from db_redis._expiry import Expiration
    from db_redis._settings import RedisSettings
    from db_redis._steps import Step
    from db_redis._values import Nan

__all__ = ["DECODED", "BaseClient"]

DECODED: dict[str, bool] = {}
_RAW = {NEVER_DECODE: True}
_PARSE_ERRORS = (AttributeError, TypeError, ValueError)
_NAN = ("null", "error", "string")
# What an error says that a method was doing.
_DOING = {
    "save_in_redis": "saving",
    "save_in_redis_with_expiration": "saving",
    "safe_read_from_redis": "reading",
    "read_as": "reading",
    "save_many": "saving many",
    "read_many": "reading many",
    "delete_many": "deleting many",
    "save_frame": "saving the frame",
    "read_frame": "reading the frame",
    "get_or_compute": "computing",
    "cached": "computing",
    "scan": "scanning",
    "touch": "touching",
    "ttl": "looking at",
}


class BaseClient:
    """The part of a client that never waits. A subclass chooses redis-py's synchronous or asyncio half."""

    _client: Any
    _options: Options

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
        client: Any = None,
        namespace: str | None = None,
        nan: Nan = "null",
        default_ttl: Expiration | None = None,
        ttl_jitter: float = 0.0,
        on_retry: Callable[[Retry], object] | None = None,
        tracing: bool | None = None,
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
        behaviour = {
            "namespace": namespace,
            "nan": nan,
            "default_ttl": default_ttl,
            "ttl_jitter": ttl_jitter,
            "on_retry": on_retry,
            "tracing": tracing,
        }
        if client is None:
            settings = _connect.load_settings(connection)
            self._set_up(self._make_client(settings), settings, behaviour)
        else:
            self._check_client(client)
            _connect.check_excluded(connection | {"on_retry": on_retry})
            self._set_up(client, None, behaviour)

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        socket_timeout: float | None = None,
        socket_connect_timeout: float | None = None,
        namespace: str | None = None,
        nan: Nan = "null",
        default_ttl: Expiration | None = None,
        ttl_jitter: float = 0.0,
        on_retry: Callable[[Retry], object] | None = None,
        tracing: bool | None = None,
    ) -> Self:
        """Make a client from a URL. The environment is not read.

        Args:
            url: ``redis://[username:password@]host[:port][/db]``, ``rediss://`` for TLS, or
                ``unix://path``. redis-py's options may follow a question mark, as in
                ``?ssl_ca_certs=/etc/ssl/private-ca.pem``. They take precedence over the arguments.
            socket_timeout: Seconds to wait for a reply; by default 5.
            socket_connect_timeout: Seconds to wait for a connection; by default 5.
            namespace: As for the class, like `nan`, `default_ttl`, `ttl_jitter`, `on_retry` and `tracing`.

        Raises:
            ConfigurationError: The URL or an argument is malformed. The message does not quote the URL.
        """
        settings = _connect.url_settings(url, socket_timeout, socket_connect_timeout)
        behaviour = {
            "namespace": namespace,
            "nan": nan,
            "default_ttl": default_ttl,
            "ttl_jitter": ttl_jitter,
            "on_retry": on_retry,
            "tracing": tracing,
        }
        made = cls.__new__(cls)
        made.__setstate__((settings, behaviour))
        return made

    def _set_up(self, client: Any, settings: RedisSettings | Url | None, behaviour: dict[str, Any]) -> None:
        if not isinstance(behaviour["nan"], str) or behaviour["nan"] not in _NAN:
            choices = ", ".join(map(repr, _NAN))
            raise ConfigurationError(f"`nan` must be one of {choices}, not {shown(behaviour['nan'])}")
        self._options = Options(
            keys=Keys(behaviour["namespace"]),
            expiry=Expiry(behaviour["default_ttl"], behaviour["ttl_jitter"]),
            nan=cast("Nan", behaviour["nan"]),
            is_cluster=self._is_cluster(client),
        )
        self._client = client
        # Clients of our own settings leave bytes as they are. Others may have been told to decode replies.
        self._raw = _RAW if settings is None or isinstance(settings, _connect.Url) else DECODED
        self._observer = Observer(
            "db_redis",
            _connect.place_of(client),
            on_retry=behaviour["on_retry"],
            tracing=behaviour["tracing"],
            translate=partial(_as_ours, client, doing=None),
        )
        self._settings = settings  # None if the caller passed `client`
        self._behaviour = behaviour

    def __repr__(self) -> str:
        place = _connect.describe_place(self._settings, self._client)
        return f"{type(self).__name__}({place}, namespace={self._behaviour['namespace']!r})"

    def __getstate__(self) -> tuple[RedisSettings | Url, dict[str, Any]]:
        if self._settings is None:
            raise TypeError(
                f"a {type(self).__name__} made from `client` can't be pickled: "
                "its connections belong to this process"
            )
        return self._settings, self._behaviour

    def __setstate__(self, state: tuple[RedisSettings | Url, dict[str, Any]]) -> None:
        settings, behaviour = state
        self._set_up(self._make_client(settings), settings, behaviour)

    def _log(self, call: Call, step: Step, reply: Any, seconds: float, retries: int) -> None:
        """Log what was sent and received. The line shows no key and no value."""
        if not isinstance(step, Command | Pipeline):
            return
        commands = [step.args] if isinstance(step, Command) else step.commands
        call.request(
            command="+".join(dict.fromkeys(command[0] for command in commands)),
            commands=len(commands),
            sent=sum(_size(command) for command in commands),
            received=_size(reply),
            seconds=round(seconds, 6),
            attempt=1 + retries,
        )

    def _translate(self, error: Exception, method: str, subject: object) -> Exception:
        """Return our error for one of redis-py's."""
        what = f" {subject!r}" if isinstance(subject, str | bytes) else ""
        if isinstance(error, FailedPartway):
            what = f"{what}, {error},"
            error = cast("Exception", error.__cause__)
        return _as_ours(self._client, error, f"{_DOING[method]}{what}")

    def _as_redis_error(self, error: BaseException) -> BaseException:
        """Return `InvalidResponse` for a built-in error that redis-py raised over a malformed reply.

        An error of a `client` that the caller passed is returned as it is, since code of the caller's, such
        as a credential provider, may have raised it. So is one that a signal handler raised or that was
        thrown into a generator: redis-py's code did not raise it.
        """
        if self._settings is None or type(error) not in _PARSE_ERRORS:
            return error
        *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
        if package_of(innermost) != "redis":
            return error
        invalid = redis.InvalidResponse("the reply does not have the form that this command's replies have")
        invalid.__cause__ = error
        return invalid

    def _error_to_raise(self, error: BaseException, method: str, subject: object) -> BaseException:
        """Return the error to raise for a built-in one: ours if the reply was malformed, else the same."""
        theirs = self._as_redis_error(error)
        if not isinstance(theirs, THEIRS):
            return error
        ours = self._translate(theirs, method, subject)
        ours.__cause__ = theirs
        return ours

    # --- Supplied by each client ---

    @staticmethod
    def _make_client(settings: RedisSettings | Url) -> Any:
        raise NotImplementedError

    @staticmethod
    def _check_client(client: object) -> None:
        raise NotImplementedError

    @staticmethod
    def _is_cluster(client: object) -> bool:
        raise NotImplementedError


def _as_ours(client: Any, error: Exception, doing: str | None) -> DatabaseError:
    """Return our error for one of redis-py's; `doing` is as `translate` takes it."""
    return translate(error, doing, client.get_connection_kwargs().get("password"))


def _size(data: object) -> int:
    """Return how many bytes a command or a reply has, without what Redis's protocol adds."""
    if isinstance(data, bytes | str):
        return len(data)
    return sum(map(_size, data)) if isinstance(data, list | tuple) else 0
