"""Keys as Redis has them: a namespace before each, and names of our own beside them; pure."""

from __future__ import annotations

import re
from typing import Any

from redis.crc import key_slot

from db_core.errors import ConfigurationError, InvalidArgumentError
from db_core.foreign import shown

__all__ = ["Key", "Keys", "slot_of"]

Key = str | bytes

# In the name of what is not a user's, in whatever namespace: locks, and frames that are being written.
_OWN = b"__db_redis__:"
_OWN_TEXT = _OWN.decode()
_TAGGED = re.compile(rb"\{[^}]+\}")


class Keys:
    """Turns keys into the names that Redis has, and back."""

    def __init__(self, namespace: object) -> None:
        """Take a namespace, or None.

        Raises:
            ConfigurationError: It is unusable.
        """
        self.prefix = _prefix(namespace)

    def name(self, key: object, argument: str = "key") -> bytes:
        """Give the name of a key.

        Raises:
            InvalidArgumentError: The key is unusable.
        """
        # The common case by itself: on the fastest of all calls the rest would be a twentieth.
        if type(key) is str and key and _OWN_TEXT not in key:
            try:
                return self.prefix + key.encode()
            except UnicodeEncodeError:
                pass  # told below
        if not isinstance(key, str | bytes) or not key:
            raise InvalidArgumentError(
                f"`{argument}` must be text or bytes, and not empty, not {shown(key)}", argument=argument
            )
        key = _encoded(key, argument)
        if _OWN in key:
            raise InvalidArgumentError(
                f"`{argument}` must not hold {_OWN_TEXT!r}, which is kept for locks",
                argument=argument,
            )
        return self.prefix + key

    def names(self, keys: object, argument: str = "keys") -> dict[bytes, Key]:
        """Give the names of several keys, each with its key as it was given; doubles are one.

        Raises:
            InvalidArgumentError: One is unusable, or `keys` is one key.
        """
        if isinstance(keys, str | bytes):
            raise InvalidArgumentError(f"`{argument}` must be several keys, not one text", argument=argument)
        try:
            listed: list[Any] = list(keys)  # type: ignore[call-overload]
        except TypeError:
            raise InvalidArgumentError(
                f"`{argument}` must be several keys, not {type(keys).__name__}", argument=argument
            ) from None
        return self._names_at_once(listed) or {self.name(key, argument): key for key in listed}

    def _names_at_once(self, keys: list[Any]) -> dict[bytes, Key] | None:
        """Do what `name` does, for texts without NUL: one by one is a fifth of the time of reading many."""
        try:
            joined = self.prefix + f"\0{self.prefix.decode()}".join(keys).encode()
        except (TypeError, UnicodeEncodeError):
            return None
        names = joined.split(b"\0")
        if len(names) != len(keys) or _OWN in joined:
            return None
        named = dict(zip(names, keys, strict=True))
        return None if self.prefix in named else named

    def key(self, name: bytes) -> Key | None:
        """Give the key of a name: text, or bytes that are no UTF-8; None for a name of our own."""
        if _OWN in name:
            return None
        key = name[len(self.prefix) :]
        try:
            return key.decode()
        except UnicodeDecodeError:
            return key

    def pattern(self, match: object) -> bytes:
        """Give the glob that finds the keys that `match` does, in this namespace only.

        Raises:
            InvalidArgumentError: It is unusable.
        """
        if not isinstance(match, str | bytes) or not match:
            raise InvalidArgumentError(
                f"`match` must be a pattern as Redis has them, such as 'meters:*', not {shown(match)}",
                argument="match",
            )
        return re.sub(rb"([\\*?\[\]])", rb"\\\1", self.prefix) + _encoded(match, "match")

    def lock(self, name: bytes) -> bytes:
        """Give the name of the lock of a name: in the same slot of a Cluster."""
        return self.prefix + _OWN + b"lock:" + _tagged(name)

    def draft(self, name: bytes, version: str) -> bytes:
        """Give the name under which something is prepared, to be renamed: in the same slot of a Cluster."""
        return self.prefix + _OWN + b"draft:" + _tagged(name) + b":" + version.encode()


def _encoded(text: str | bytes, argument: str) -> bytes:
    try:
        return text.encode() if isinstance(text, str) else text
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(f"`{argument}` has no UTF-8 form: {error}", argument=argument) from error


def _tagged(name: bytes) -> bytes:
    """Give a name within which a Cluster finds the slot of this one."""
    return name if _TAGGED.search(name) else b"{" + name + b"}"


def slot_of(name: bytes) -> int:
    """Give the slot of a name on a Cluster."""
    return key_slot(name)


def _prefix(namespace: object) -> bytes:
    if namespace is None:
        return b""
    if not isinstance(namespace, str) or not namespace:
        raise ConfigurationError("`namespace` must be text, and not empty")
    try:
        prefix = f"{namespace}:".encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"`namespace` has no UTF-8 form: {error}") from error
    if _OWN in prefix:
        raise ConfigurationError(f"`namespace` must not hold {_OWN_TEXT!r}, which is kept for locks")
    return prefix
