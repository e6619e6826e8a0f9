"""The settings of a connection: arguments, then `REDIS_*` variables, then defaults.

This module is imported when the first client is made, as pydantic takes longer to load than
all of db-redis.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from db_core.settings import BackendSettings

__all__ = ["RedisSettings"]


def _host_name(host: str) -> str:
    # A URL may hold a password, and many errors quote the host.
    if not re.fullmatch(r"[^\s/@]+", host):
        raise ValueError("must be a host name or an address, not a URL")
    try:
        host.encode("idna")
    except UnicodeError:  # else the socket would raise it on every call
        raise ValueError("is not a valid host name") from None
    return host


def _no_bool(number: object) -> object:
    if isinstance(number, bool):  # pydantic accepts True as 1
        raise ValueError("must be a number, not a bool")  # noqa: TRY004 - pydantic expects a ValueError
    return number


_NoBool = BeforeValidator(_no_bool)
_Host = Annotated[str, AfterValidator(_host_name)]
_Seconds = Annotated[float, _NoBool, Field(gt=0, allow_inf_nan=False)]


class RedisSettings(BackendSettings):
    """All that a connection needs. There is always a timeout, so no call waits for ever."""

    model_config = SettingsConfigDict(env_prefix="REDIS_")

    host: _Host = "localhost"
    port: Annotated[int, _NoBool] = Field(default=6379, ge=1, le=65535)
    password: SecretStr | None = None
    username: str | None = Field(default=None, repr=False)
    db: Annotated[int, _NoBool] = Field(default=0, ge=0)
    ssl: bool = False
    socket_timeout: _Seconds = 5.0
    socket_connect_timeout: _Seconds = 5.0
