"""How long a key lives: from seconds to Redis's milliseconds; pure but for the dice of the jitter."""

from __future__ import annotations

import random
from datetime import timedelta
from numbers import Integral, Real
from typing import Any

from db_core.errors import ConfigurationError, InvalidArgumentError

__all__ = ["Expiration", "Expiry", "milliseconds"]

Expiration = float | timedelta

_SHORTEST = 0.001  # seconds: Redis counts milliseconds
_LONGEST = 9e15  # seconds: Redis adds it to its clock, in 64 bits of milliseconds


def milliseconds(expiration: object, argument: str = "expiration_in_seconds") -> int:
    """Give seconds, or a timedelta, in milliseconds.

    Raises:
        InvalidArgumentError: It is neither, or out of range.
    """
    seconds = expiration.total_seconds() if isinstance(expiration, timedelta) else expiration
    number: Any = seconds
    if isinstance(seconds, bool) or not isinstance(seconds, Real):
        raise InvalidArgumentError(
            f"`{argument}` must be int, float or timedelta, not {type(expiration).__name__}",
            argument=argument,
        )
    if not _SHORTEST <= number <= _LONGEST:  # NaN is never within
        raise InvalidArgumentError(
            f"`{argument}` must be from {_SHORTEST} to {_LONGEST} seconds", argument=argument
        )
    # numpy's integers would overflow.
    return int(number) * 1000 if isinstance(number, Integral) else round(float(number) * 1000)


class Expiry:
    """What a client says of expiry: the default, and how far keys written together spread."""

    def __init__(self, default_ttl: object, ttl_jitter: object) -> None:
        """Take the client's two arguments.

        Raises:
            ConfigurationError: One is unusable.
        """
        self.default: int | None = None
        if default_ttl is not None:
            try:
                self.default = milliseconds(default_ttl, "default_ttl")
            except InvalidArgumentError as error:
                raise ConfigurationError(str(error)) from error
        if not _is_fraction(ttl_jitter):
            raise ConfigurationError(
                f"`ttl_jitter` must be a fraction, at least 0 and below 1, not {ttl_jitter!r}"
            )
        self._jitter = float(ttl_jitter)  # type: ignore[arg-type]

    def draw(self, expiration: object) -> int | None:
        """Give the milliseconds for one key; None if it is to live for ever.

        Raises:
            InvalidArgumentError: The expiration is unusable.
        """
        return self.spread(self.fixed(expiration))

    def fixed(self, expiration: object) -> int | None:
        """Give the milliseconds before the jitter: what was given, else the default."""
        return self.default if expiration is None else milliseconds(expiration)

    def spread(self, lifetime: int | None) -> int | None:
        """Shorten by a random part of the jitter, which leaves a millisecond at least."""
        if lifetime is None or not self._jitter:
            return lifetime
        return lifetime - int(lifetime * self._jitter * random.random())  # noqa: S311 - no secret


def _is_fraction(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) < 1
