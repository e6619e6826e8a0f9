"""The server's address, the organization and the token: from arguments, else from `INFLUXDB_*`."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from db_core.settings import BackendSettings

__all__ = ["InfluxSettings"]


class InfluxSettings(BackendSettings):
    """Address, organization and token of an InfluxDB 2.x server."""

    model_config = SettingsConfigDict(env_prefix="influxdb_")

    url: str
    org: str = Field(min_length=1)
    token: SecretStr = Field(min_length=1)

    @field_validator("url")
    @classmethod
    def _address(cls, url: str) -> str:
        message = "must look like http://host:8086 or https://host"
        try:
            parts = urlsplit(url)
            is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # which may quote a secret
            raise ValueError(message) from None
        if not is_address or not url.isprintable() or " " in url:
            raise ValueError(message)
        if "@" in parts.netloc or "?" in url or "#" in url:  # also with nothing after them
            message = "must have no credentials, query or fragment. Give the token as `token`"
            raise ValueError(message)
        return url.rstrip("/")

    @field_validator("token")
    @classmethod
    def _printable(cls, token: SecretStr) -> SecretStr:
        secret = token.get_secret_value()
        if not (secret.isascii() and secret.isprintable()) or secret != secret.strip():
            message = "must be printable ASCII without spaces around it"
            raise ValueError(message)
        return token
