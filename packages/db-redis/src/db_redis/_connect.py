"""From settings to redis-py's clients, for `RedisClient` and `AsyncRedisClient` alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import printable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

import redis

from db_core.errors import ConfigurationError
from db_core.foreign import shown
from db_core.observed import Place
from db_redis._retries import Backoff

if TYPE_CHECKING:
    from collections.abc import Mapping

    from db_redis._settings import RedisSettings

__all__ = [
    "Url",
    "check_excluded",
    "check_given",
    "connection_options",
    "describe_place",
    "from_url",
    "load_settings",
    "place_of",
    "url_settings",
]

_TIMEOUT = 5.0  # seconds
_TRIES = 3
_FORM = "must be redis://, rediss:// or unix://, then [username:password@]host[:port][/db]"


@dataclass(frozen=True, slots=True)
class Url:
    """The URL of a Redis, which may hold a password, and the timeouts of its connections."""

    url: str
    socket_timeout: float
    socket_connect_timeout: float

    def __repr__(self) -> str:
        return "<Url>"


def load_settings(connection: Mapping[str, object]) -> RedisSettings:
    """Read the settings from arguments and environment.

    Raises:
        ConfigurationError: A setting is malformed.
    """
    # Imported here, so that `import db_redis` does not load pydantic.
    from db_core.settings import load
    from db_redis._settings import RedisSettings

    return load(RedisSettings, connection)


def connection_options(
    settings: RedisSettings | Url, retry: type[Any], max_connections: int
) -> dict[str, Any]:
    """Return the arguments of redis-py's client, or those that its `from_url` takes besides the URL.

    Args:
        settings: The settings, or a URL with its timeouts.
        retry: `Retry` or `AsyncRetry` of `_retries`.
        max_connections: Most connections at a time.
    """
    options: dict[str, Any] = {
        "socket_timeout": settings.socket_timeout,
        "socket_connect_timeout": settings.socket_connect_timeout,
        "max_connections": max_connections,
        # By default redis-py tries everything eleven times: a silent server would hold a call for a
        # minute. Here only a broken connection is tried again, for about a second. A timeout is not, so a
        # call waits no longer than the timeout says.
        "retry": retry(Backoff(base=0.05, cap=1), _TRIES, (redis.ConnectionError,)),
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


def url_settings(url: object, socket_timeout: object, socket_connect_timeout: object) -> Url:
    """Return the settings of a URL. `from_url` finds the faults that redis-py knows.

    Raises:
        ConfigurationError: `url` is not text, its address is malformed, or a timeout is unusable.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"`url` must be text, not {type(url).__name__}")
    timeouts = {"socket_timeout": socket_timeout, "socket_connect_timeout": socket_connect_timeout}
    for name, seconds in timeouts.items():
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if seconds is not None and not (is_number and 0 < cast("float", seconds) < float("inf")):
            raise ConfigurationError(f"`{name}` must be a number of seconds above 0, not {shown(seconds)}")
    given = {
        name: cast("float", _TIMEOUT if seconds is None else seconds) for name, seconds in timeouts.items()
    }
    _check_address(url)
    return Url(url, **given)


def _check_address(url: str) -> None:
    """Refuse parts that redis-py would ignore silently, such as a path that is not a number."""
    if any("\ud800" <= letter <= "\udfff" for letter in url):
        raise ConfigurationError("`url` must be valid Unicode")
    if "#" in url:
        raise ConfigurationError("`url` must not have a #. Write it as %23 in a name or password")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # redis-py raises it in `from_url`
        return
    if parts.scheme not in ("redis", "rediss"):
        return
    if not re.fullmatch("/?|/[0-9]+", parts.path):
        raise ConfigurationError("the path of `url` must be the number of a database, such as /0")
    if port == 0 or any(letter.isspace() for letter in unquote(parts.hostname or "")):
        raise ConfigurationError(f"`url` {_FORM}")


def from_url(client: type[Any], settings: Url, retry: type[Any], max_connections: int) -> Any:
    """Make redis-py's client from a URL, and check that its connections can be made.

    Raises:
        ConfigurationError: The URL is malformed, or has an option that redis-py does not know.
    """
    reason = _FORM
    try:
        made = client.from_url(settings.url, **connection_options(settings, retry, max_connections))
        pool = made.connection_pool
        pool.connection_class(**pool.connection_kwargs)
    except TypeError as error:  # an unknown option: redis-py's text names it and quotes no value
        reason = f"has an option that redis-py does not know: {str(error).rpartition(' ')[2]}"
    except (ValueError, redis.RedisError):  # the text may quote a part of the URL, even the password
        pass
    else:
        return made
    raise ConfigurationError(f"`url` {reason}")


def check_given(client: object, kinds: tuple[type, ...], excluded: tuple[type, ...], name: str) -> None:
    """Check that `client` is one of redis-py's clients, and of the right kind.

    Raises:
        ConfigurationError: It is not, or its encoding does not keep ASCII.
    """
    # A pipeline is a subclass of a client, but only queues commands.
    if not isinstance(client, kinds) or isinstance(client, excluded):
        raise ConfigurationError(
            f"`client` must be a {name}.Redis or {name}.RedisCluster, not {type(client).__name__}"
        )
    known: Any = client
    encoding = known.get_connection_kwargs().get("encoding", "utf-8")
    try:
        keeps_ascii = printable.encode(encoding) == printable.encode()
    except (LookupError, TypeError, UnicodeError):
        keeps_ascii = False
    if not keeps_ascii:  # redis-py encodes the commands, too
        raise ConfigurationError(
            "`client` must have an encoding that keeps ASCII unchanged, such as 'utf-8', "
            f"not {shown(encoding)}"
        )


def check_excluded(connection: Mapping[str, object]) -> None:
    """Refuse arguments of a connection together with `client`, which has its own connection.

    Raises:
        ConfigurationError: Such arguments are given. The message names all of them.
    """
    given = [f"`{name}`" for name, value in connection.items() if value is not None]
    if given:
        raise ConfigurationError(
            f"`client` has its own connection and retries. Pass either `client` or {', '.join(given)}"
        )


def describe_place(settings: RedisSettings | Url | None, client: Any) -> str:
    """Describe where a client's Redis is, without username and password."""
    if settings is None:
        return f"client=<{type(client).__name__}>"
    known = client.get_connection_kwargs()
    if "path" in known:
        return f"path={known['path']!r}, db={known.get('db', 0)}"
    host, port = known.get("host", "localhost"), known.get("port", 6379)
    return f"host={host!r}, port={port}, db={known.get('db', 0)}"


def place_of(client: Any) -> Place:
    """Return where a client's Redis is. The place has no address if redis-py asks others for it."""
    known = client.get_connection_kwargs()
    namespace = str(known.get("db") or 0)
    if "path" in known:
        return Place("redis", known["path"], None, namespace)
    return Place("redis", known.get("host"), known.get("port"), namespace)
