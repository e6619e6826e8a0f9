"""What `RedisClient` and `AsyncRedisClient` have in common: being made, shown, copied; their errors."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Self, cast

import redis
from redis.client import NEVER_DECODE

from db_core.chain import package_of
from db_core.errors import ConfigurationError
from db_core.foreign import shown
from db_redis import _connect
from db_redis._errors import THEIRS, translate
from db_redis._expiry import Expiry
from db_redis._keys import Keys
from db_redis._operations import Options
from db_redis._steps import Incomplete

if TYPE_CHECKING:
    from db_redis._connect import Url
    from db_redis._expiry import Expiration
    from db_redis._settings import RedisSettings
    from db_redis._values import Nan

__all__ = ["DECODED", "BaseClient"]

DECODED: dict[str, bool] = {}
_RAW = {NEVER_DECODE: True}
_STUMBLES = (AttributeError, TypeError, ValueError)
_NAN = ("null", "error", "string")


class BaseClient:
    """A client, but for the waiting. A subclass says which half of redis-py it uses."""

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
        manner = {"namespace": namespace, "nan": nan, "default_ttl": default_ttl, "ttl_jitter": ttl_jitter}
        if client is None:
            settings = _connect.load_settings(connection)
            self._set_up(self._connect(settings), settings, manner)
        else:
            self._check_given(client)
            _connect.check_excluded(connection)
            self._set_up(client, None, manner)

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
    ) -> Self:
        """Make a client of a URL; the environment is not read.

        Args:
            url: ``redis://[username:password@]host[:port][/db]``, ``rediss://`` for TLS, or
                ``unix://path``; with redis-py's options after a question mark, such as
                ``?ssl_ca_certs=/etc/ssl/private-ca.pem``. They win over the arguments.
            socket_timeout: Seconds to wait for an answer; else 5.
            socket_connect_timeout: Seconds to wait for a connection; else 5.
            namespace: As for the class, and so for all others.

        Raises:
            ConfigurationError: The URL or an argument is malformed. It quotes nothing of the URL.
        """
        settings = _connect.url_of(url, socket_timeout, socket_connect_timeout)
        manner = {"namespace": namespace, "nan": nan, "default_ttl": default_ttl, "ttl_jitter": ttl_jitter}
        made = cls.__new__(cls)
        made.__setstate__((settings, manner))
        return made

    def _set_up(self, client: Any, settings: RedisSettings | Url | None, manner: dict[str, Any]) -> None:
        if not isinstance(manner["nan"], str) or manner["nan"] not in _NAN:
            choices = ", ".join(map(repr, _NAN))
            raise ConfigurationError(f"`nan` must be one of {choices}, not {shown(manner['nan'])}")
        self._options = Options(
            keys=Keys(manner["namespace"]),
            expiry=Expiry(manner["default_ttl"], manner["ttl_jitter"]),
            nan=cast("Nan", manner["nan"]),
            is_cluster=self._is_cluster(client),
        )
        self._client = client
        # What has redis-py leave bytes as they are, as it does by itself with our own settings.
        self._raw = _RAW if settings is None or isinstance(settings, _connect.Url) else DECODED
        self._settings = settings  # None if the client was given
        self._manner = manner

    def __repr__(self) -> str:
        place = _connect.place(self._settings, self._client)
        return f"{type(self).__name__}({place}, namespace={self._manner['namespace']!r})"

    def __getstate__(self) -> tuple[RedisSettings | Url, dict[str, Any]]:
        if self._settings is None:
            raise TypeError(
                f"a {type(self).__name__} made from `client` can't be pickled: "
                "its connections belong to this process"
            )
        return self._settings, self._manner

    def __setstate__(self, state: tuple[RedisSettings | Url, dict[str, Any]]) -> None:
        settings, manner = state
        self._set_up(self._connect(settings), settings, manner)

    def _translate(self, error: Exception, doing: str, subject: object) -> Exception:
        """Give our error for one of redis-py's."""
        what = f"{doing} {subject!r}" if isinstance(subject, str | bytes) else doing
        if isinstance(error, Incomplete):
            what = f"{what}, {error},"
            error = cast("Exception", error.__cause__)
        return translate(error, what, self._client.get_connection_kwargs().get("password"))

    def _meant(self, error: BaseException) -> BaseException:
        """Give what an error means that redis-py stumbles over in a reply.

        Of a given client, it may as well be one of its owner's, as of what gives its password. What a
        signal's handler raises, or a caller throws into a generator, does not come out of redis-py's code.
        """
        if self._settings is None or type(error) not in _STUMBLES:
            return error
        *_, (innermost, _) = traceback.walk_tb(error.__traceback__)
        if package_of(innermost) != "redis":
            return error
        meant = redis.InvalidResponse("the reply is none to this command")
        meant.__cause__ = error
        return meant

    def _told(self, error: BaseException, doing: str, subject: object) -> BaseException:
        """Give the error to raise for one that is none of redis-py's: itself, or ours with its cause."""
        meant = self._meant(error)
        if not isinstance(meant, THEIRS):
            return error
        told = self._translate(meant, doing, subject)
        told.__cause__ = meant
        return told

    # --- What the halves differ in ---

    @staticmethod
    def _connect(settings: RedisSettings | Url) -> Any:
        raise NotImplementedError

    @staticmethod
    def _check_given(client: object) -> None:
        raise NotImplementedError

    @staticmethod
    def _is_cluster(client: object) -> bool:
        raise NotImplementedError
