"""From settings to redis-py's clients: what the sync and the asyncio client share of being made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import printable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import ExponentialWithJitterBackoff

from db_core.errors import ConfigurationError
from db_core.foreign import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from db_redis._settings import RedisSettings

__all__ = [
    "Url",
    "check_excluded",
    "check_given",
    "connection_options",
    "from_url",
    "load_settings",
    "place",
    "url_of",
]

_TIMEOUT = 5.0  # seconds
_TRIES = 3
_FORM = "must be redis://, rediss:// or unix://, then [username:password@]host[:port][/db]"


@dataclass(frozen=True, slots=True)
class Url:
    """Where Redis is, as a URL, which may hold a password; and the arguments beside it."""

    url: str
    socket_timeout: float
    socket_connect_timeout: float

    def __repr__(self) -> str:
        return "<Url>"


def load_settings(connection: Mapping[str, object]) -> RedisSettings:
    """Read the settings from arguments and environment.

    Raises:
        ConfigurationError: One is malformed.
    """
    # Imported here, so that `import db_redis` does not load pydantic.
    from db_core.settings import load
    from db_redis._settings import RedisSettings

    return load(RedisSettings, connection)


def connection_options(settings: RedisSettings | Url, retry: type[Any], most: int) -> dict[str, Any]:
    """Give the arguments of redis-py's client, or of its `from_url` beside the URL.

    Args:
        settings: What is known.
        retry: `Retry` or `AsyncRetry` of `_retries`.
        most: Connections at a time.
    """
    options: dict[str, Any] = {
        "socket_timeout": settings.socket_timeout,
        "socket_connect_timeout": settings.socket_connect_timeout,
        "max_connections": most,
        # By default redis-py tries everything eleven times: a silent server would hold a call for a
        # minute. Here only a broken connection is tried again, for about a second at most, and a
        # timeout means what it says.
        "retry": retry(ExponentialWithJitterBackoff(base=0.05, cap=1), _TRIES, (redis.ConnectionError,)),
    }
    if isinstance(settings, Url):
        return options
    return options | {
        "host": settings.host,
        "port": settings.port,
        "db": settings.db,
        "username": settings.username,
        "password": settings.password.get_secret_value() if settings.password else None,
        "ssl": settings.ssl,
    }


def url_of(url: object, socket_timeout: object, socket_connect_timeout: object) -> Url:
    """Give the settings of a URL; what is wrong inside it is found when it is connected.

    Raises:
        ConfigurationError: It is no URL, its place is malformed, or a timeout is unusable.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"`url` must be text, not {type(url).__name__}")
    timeouts = {"socket_timeout": socket_timeout, "socket_connect_timeout": socket_connect_timeout}
    for name, seconds in timeouts.items():
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if seconds is not None and not (is_number and 0 < cast("float", seconds) < float("inf")):
            raise ConfigurationError(f"`{name}` must be seconds, above 0, not {shown(seconds)}")
    given = {
        name: cast("float", _TIMEOUT if seconds is None else seconds) for name, seconds in timeouts.items()
    }
    _check_place(url)
    return Url(url, **given)


def _check_place(url: str) -> None:
    """Refuse what redis-py would leave out without a word, such as a path that is no number."""
    if any("\ud800" <= letter <= "\udfff" for letter in url):
        raise ConfigurationError("`url` must be valid Unicode")
    if "#" in url:
        raise ConfigurationError("`url` has a # in it; in a name or password write it as %23")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # redis-py finds it too
        return
    if parts.scheme not in ("redis", "rediss"):
        return
    if not re.fullmatch("/?|/[0-9]+", parts.path):
        raise ConfigurationError("`url` must end with /db, which is the number of a database")
    if port == 0 or any(letter.isspace() for letter in unquote(parts.hostname or "")):
        raise ConfigurationError(f"`url` {_FORM}")


def from_url(client: type[Any], settings: Url, retry: type[Any], most: int) -> Any:
    """Make redis-py's client of a URL, and see that it could make a connection.

    Raises:
        ConfigurationError: The URL is malformed, or has an option that redis-py does not know.
    """
    reason = _FORM
    try:
        made = client.from_url(settings.url, **connection_options(settings, retry, most))
        pool = made.connection_pool
        pool.connection_class(**pool.connection_kwargs)
    except TypeError as error:  # an unknown option; redis-py's text names it, and quotes no value
        reason = f"has an option that redis-py does not know: {str(error).rpartition(' ')[2]}"
    except (ValueError, redis.RedisError):  # may quote a part of the URL, which may be the password
        pass
    else:
        return made
    raise ConfigurationError(f"`url` {reason}")


def check_given(client: object, kinds: tuple[type, ...], not_kinds: tuple[type, ...], name: str) -> None:
    """Refuse what is not one of redis-py's clients of the right half.

    Raises:
        ConfigurationError: It is not.
    """
    # A pipeline is a client too, but only queues.
    if not isinstance(client, kinds) or isinstance(client, not_kinds):
        raise ConfigurationError(
            f"`client` must be a {name}.Redis or {name}.RedisCluster, not {type(client).__name__}"
        )
    known: Any = client
    encoding = known.get_connection_kwargs().get("encoding", "utf-8")
    try:
        keeps_ascii = printable.encode(encoding) == printable.encode()
    except (LookupError, TypeError, UnicodeError):
        keeps_ascii = False
    if not keeps_ascii:  # of which the commands are
        raise ConfigurationError(
            "`client` must have an encoding that leaves ASCII as it is, such as 'utf-8', "
            f"not {shown(encoding)}"
        )


def check_excluded(connection: Mapping[str, object]) -> None:
    """Refuse arguments of a connection beside a client that has one.

    Raises:
        ConfigurationError: There are some; all are named.
    """
    given = [f"`{name}`" for name, value in connection.items() if value is not None]
    if given:
        raise ConfigurationError(f"`client` has its own connection; it excludes {', '.join(given)}")


def place(settings: RedisSettings | Url | None, client: Any) -> str:
    """Say where a client's Redis is; without names and passwords."""
    # The username is left out with the password: it is half of what gets one in.
    if settings is None:
        return f"client=<{type(client).__name__}>"
    known = client.get_connection_kwargs()
    if "path" in known:
        return f"path={known['path']!r}, db={known.get('db', 0)}"
    host, port = known.get("host", "localhost"), known.get("port", 6379)
    return f"host={host!r}, port={port}, db={known.get('db', 0)}"
