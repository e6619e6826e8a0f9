"""Where Redis is and how to get in: arguments, then `REDIS_*` variables, then defaults.

Imported when the first client is made, as pydantic takes longer to load than
everything of ours together.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from db_core.settings import BackendSettings

__all__ = ["RedisSettings"]


def _host_name(host: str) -> str:
    # A URL pasted here may hold a password, and the host is part of many an error's text.
    if not re.fullmatch(r"[^\s/@]+", host):
        raise ValueError("must be a host name or an address, not a URL")
    try:
        host.encode("idna")
    except UnicodeError:  # else the socket raises it, on every call
        raise ValueError("is not a valid host name") from None
    return host


def _no_bool(number: object) -> object:
    if isinstance(number, bool):  # pydantic takes True for 1
        raise ValueError("must be a number, not a bool")  # noqa: TRY004 - what pydantic wants
    return number


_NoBool = BeforeValidator(_no_bool)
_Host = Annotated[str, AfterValidator(_host_name)]
_Seconds = Annotated[float, _NoBool, Field(gt=0, allow_inf_nan=False)]


class RedisSettings(BackendSettings):
    """Everything a connection needs; there is always a timeout, so no call hangs for ever."""

    model_config = SettingsConfigDict(env_prefix="REDIS_")

    host: _Host = "localhost"
    port: Annotated[int, _NoBool] = Field(default=6379, ge=1, le=65535)
    password: SecretStr | None = None
    username: str | None = Field(default=None, repr=False)
    db: Annotated[int, _NoBool] = Field(default=0, ge=0)
    ssl: bool = False
    socket_timeout: _Seconds = 5.0
    socket_connect_timeout: _Seconds = 5.0
