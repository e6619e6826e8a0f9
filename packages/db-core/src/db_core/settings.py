"""Settings of a backend: arguments first, then environment variables.

A backend subclasses `BackendSettings` with its own fields and `env_prefix`;
`load` reads them when the object is made and turns every fault into one
`ConfigurationError` that names argument and variable. No value is quoted in
an error, as any of them may be a secret.
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
    """Base of a backend's settings: immutable, and silent about values in errors."""

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
            except UnicodeEncodeError:  # which holds the text
                raise ValueError("must be valid Unicode") from None
        return value


_Settings = TypeVar("_Settings", bound=BackendSettings)


def load(settings: type[_Settings], arguments: Mapping[str, object]) -> _Settings:
    """Read `settings` from `arguments`, then from the environment.

    Args:
        settings: The class to fill.
        arguments: Argument names and values; `None` means not given.

    Raises:
        ConfigurationError: A setting is missing or malformed.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return settings(**given)
    except ValidationError as error:
        reason = _faults(settings, error)
    # Not chained: pydantic's error keeps the values, for whoever asks it or logs it.
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
