"""Translation of redis-py's errors into those of `db_core`, without the password."""

from __future__ import annotations

import redis.exceptions as theirs

from db_core import errors as ours
from db_core.chain import empty_frames, links
from db_core.secret import Secret

__all__ = ["REFUSED", "THEIRS", "translate"]

# redis-py's cluster errors are not subclasses of `RedisError`.
THEIRS = (theirs.RedisError, theirs.RedisClusterException)

REFUSED = (
    theirs.AuthenticationError,
    theirs.AuthenticationWrongNumberOfArgsError,
    theirs.AuthorizationError,
    theirs.ExternalAuthProviderError,
    theirs.NoPermissionError,
)
_BROKEN = (
    theirs.ClusterError,
    theirs.ConnectionError,
    theirs.InvalidResponse,  # the peer does not speak Redis's protocol
    theirs.RedisClusterException,
)


def translate(error: Exception, doing: str | None, secret: object = None) -> ours.DatabaseError:
    """Return our error for one of redis-py's.

    Args:
        error: One of `THEIRS`. The secret is masked in it too, as it will be chained.
        doing: What the call was doing, as in ``"reading 'meters'"``. None leaves it out of the message.
        secret: The password. Servers before Redis 6 quote it, as they don't know HELLO.
    """
    if isinstance(secret, bytes):
        secret = secret.decode("utf-8", "replace")
    if isinstance(secret, str) and secret:
        _mask(Secret(secret), error)
    empty_frames(error, "redis")
    code, text = _code_and_text(error)
    message = text if doing is None else f"{doing} failed: {text}"
    # The order matters: redis-py's error for a refused password is also a ConnectionError, and that for a
    # Cluster that is down also a ResponseError.
    if isinstance(error, REFUSED):
        return ours.AuthenticationError(message, code=code)
    if isinstance(error, theirs.TimeoutError):
        return ours.OperationTimeoutError(message)
    if isinstance(error, theirs.ResponseError):
        return ours.QueryError(message, code=code)
    if isinstance(error, _BROKEN):
        return ours.ConnectionFailedError(message, code=code)
    return ours.QueryError(message)


def _code_and_text(error: Exception) -> tuple[str | None, str]:
    """Return the server's code, such as ``WRONGTYPE``, and its whole text.

    redis-py cuts a code that it knows off the text. One that it does not know is the text's first word.
    """
    text = str(error)
    if code := getattr(error, "status_code", None):
        return code, f"{code} {text}"
    first_word = text.partition(" ")[0]
    is_code = isinstance(error, theirs.ResponseError) and first_word.isupper()
    return (first_word if is_code else None), text


def _mask(secret: Secret, error: Exception) -> None:
    for link in links(error):
        if isinstance(link, THEIRS):  # the others are the system's or our caller's
            link.args = tuple(secret.masked(arg) if isinstance(arg, str) else arg for arg in link.args)
            for name, value in vars(link).items():
                if isinstance(value, str):
                    setattr(link, name, secret.masked(value))
