"""How long a key lives, from seconds to Redis's milliseconds. Only the jitter is random, all else is pure."""

from __future__ import annotations

import random
from datetime import timedelta
from fractions import Fraction
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, TypeAlias

from db_core.errors import ConfigurationError, InvalidArgumentError
from db_core.foreign import shown
from db_redis._values import NoJsonForm

if TYPE_CHECKING:
    import numpy as np  # need not be installed

__all__ = ["Expiration", "Expiry", "milliseconds"]

Expiration: TypeAlias = "float | timedelta | np.timedelta64"

_SHORTEST = 0.001  # seconds: Redis counts milliseconds
_LONGEST = 9e15  # seconds: Redis adds it to its clock, in milliseconds of 64 bits


def milliseconds(expiration: object, argument: str = "expiration_in_seconds") -> int:
    """Convert seconds, or a timedelta, to milliseconds.

    Raises:
        InvalidArgumentError: `expiration` is neither, or is out of range.
    """
    number: Any = expiration if type(expiration) in (int, float) else _seconds(expiration)
    if type(number) not in (int, float) and not _is_number(number):
        raise InvalidArgumentError(
            f"`{argument}` must be seconds or a timedelta of a fixed length, not {shown(expiration)}",
            argument=argument,
        )
    if not _SHORTEST <= number <= _LONGEST:  # also refuses NaN
        raise InvalidArgumentError(
            f"`{argument}` must be from {_SHORTEST} to {_LONGEST} seconds, not {shown(expiration)}",
            argument=argument,
        )
    # numpy's integers would overflow.
    return int(number) * 1000 if isinstance(number, Integral) else round(float(number) * 1000)


class Expiry:
    """A client's default lifetime of keys, and the jitter that keeps them from expiring together."""

    def __init__(self, default_ttl: object, ttl_jitter: object) -> None:
        """Check the client's two arguments.

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
                f"`ttl_jitter` must be a fraction, at least 0 and below 1, not {shown(ttl_jitter)}"
            )
        self._jitter = float(ttl_jitter)  # type: ignore[arg-type]

    def lifetime(self, expiration: object) -> int | None:
        """Return the milliseconds that one key shall live, jitter included; None if it never expires.

        Raises:
            InvalidArgumentError: The expiration is unusable.
        """
        return self.with_jitter(self.without_jitter(expiration))

    def without_jitter(self, expiration: object) -> int | None:
        """Return the milliseconds before the jitter: of `expiration` if it is given, else the default."""
        return self.default if expiration is None else milliseconds(expiration)

    def with_jitter(self, lifetime: int | None) -> int | None:
        """Shorten a lifetime by a random part of the jitter. At least one millisecond remains."""
        if lifetime is None or not self._jitter:
            return lifetime
        return lifetime - int(lifetime * self._jitter * random.random())  # noqa: S311 - it is no secret


def _is_fraction(value: object) -> bool:
    return _is_number(value) and bool(0 <= value < 1)  # type: ignore[operator]


def _is_number(value: object) -> bool:
    # numpy's timedelta64 is registered as a number.
    return isinstance(value, Real) and not isinstance(value, bool) and not _is_timedelta64(value)


def _is_timedelta64(value: object) -> bool:
    return type(value).__name__ == "timedelta64" and type(value).__module__ == "numpy"


def _seconds(expiration: object) -> object:
    if isinstance(expiration, timedelta):
        return expiration.total_seconds()
    if not _is_timedelta64(expiration):
        return expiration
    # Imported here, so that `import db_redis` does not load numpy.
    from db_redis._numpy import nanoseconds

    try:
        length = nanoseconds(expiration)
    except NoJsonForm:  # of months or years, or without a unit
        return None
    return None if length is None else Fraction(length, 10**9)
