"""Read the settings of a backend, from arguments first, then from environment variables.

A backend subclasses `BackendSettings` with its own fields and `env_prefix`.
`load` reads them, and reports all faults in one `ConfigurationError` that names
argument and variable. The error quotes no value, as any value may be a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from db_core.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BackendSettings", "load"]


class BackendSettings(BaseSettings):
    """Base class of a backend's settings. They are immutable, and errors don't quote their values."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    @field_validator("*")
    @classmethod
    def _has_bytes(cls, value: object) -> object:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str):
            try:
                text.encode()
            except UnicodeEncodeError:  # not chained, as it holds the text
                raise ValueError("must be valid Unicode") from None
        return value


_Settings = TypeVar("_Settings", bound=BackendSettings)


def load(settings: type[_Settings], arguments: Mapping[str, object]) -> _Settings:
    """Read `settings` from `arguments`, then from the environment.

    Args:
        settings: The class to fill.
        arguments: Values by argument name. None means that the argument was not given.

    Raises:
        ConfigurationError: A setting is missing or malformed.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return settings(**given)
    except ValidationError as error:
        reason = _faults(settings, error)
    # pydantic's error is not chained, as it keeps the values.
    raise ConfigurationError(reason)


def _faults(settings: type[BackendSettings], error: ValidationError) -> str:
    prefix = str(settings.model_config.get("env_prefix", "")).upper()
    faults = []
    for fault in error.errors(include_input=False, include_url=False):
        name = str(fault["loc"][0]) if fault["loc"] else "settings"
        reason = (
            "is missing"
            if fault["type"] == "missing"
            else f"is malformed: {fault['msg'].removeprefix('Value error, ')}"
        )
        faults.append(f"`{name}` (or {prefix}{name.upper()}) {reason}")
    return "; ".join(faults)
