"""Which server a command is about: from a profile, the environment, or the configuration of the `influx` CLI.

One source is used as a whole. A token of one source never goes to the address of another.
"""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db_core.errors import ConfigurationError, InvalidArgumentError

if TYPE_CHECKING:
    from db_influx import InfluxManager

__all__ = ["ProfileOption", "TokenFileOption", "connect", "settings_of"]

_FOLDER = "db-influx"
_DEFAULT = "default"
_VARIABLES = ("INFLUXDB_URL", "INFLUXDB_ORG", "INFLUXDB_TOKEN")
_OTHERS_MAY_READ = stat.S_IRWXG | stat.S_IRWXO

ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        envvar="DB_INFLUX_PROFILE",
        metavar="NAME",
        help="A profile of config.toml, or a configuration of the influx CLI.",
    ),
]
TokenFileOption = Annotated[
    str | None,
    typer.Option(
        "--token-file",
        metavar="PATH",
        help="A file with the token; - is standard input.",
    ),
]


def connect(profile: str | None = None, token_file: str | None = None, **options: Any) -> InfluxManager:
    """Return a manager for the server that the settings name.

    Args:
        profile: Name of a profile; None is the environment, or the profile that is there.
        token_file: Path of a file with the token; "-" is standard input.
        options: Options of the manager that win over those of a profile; None leaves one as it is.

    Raises:
        ConfigurationError: Settings are missing, malformed, or readable by others.
    """
    from db_influx import InfluxManager

    where, found = settings_of(profile)
    token = found.pop("token_file", None) if token_file is None else token_file
    if token is not None:
        if not isinstance(token, str):
            raise ConfigurationError(f"`token_file` must be the path of a file, not {token!r}: see {where}")
        found["token"] = _token(token)
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return InfluxManager(**{**found, **given})
    except TypeError as error:
        message = f"{where} has a key that is no option of a manager: {error}"
        raise ConfigurationError(message) from error
    except ConfigurationError as error:
        error.add_note(f"These are the settings of {where}.")
        raise
    except InvalidArgumentError as error:
        if error.argument not in found or error.argument in given:
            raise
        raise ConfigurationError(f"{error}\nThese are the settings of {where}.") from error


def settings_of(profile: str | None) -> tuple[str, dict[str, Any]]:
    """Return a name of the source of settings, and what it says; nothing leaves them to the environment."""
    own = _config_file()
    if profile is None and any(os.environ.get(name) for name in _VARIABLES):
        return "the environment", {}
    profiles = _read(own)
    name = _DEFAULT if profile is None else profile
    if name in profiles:
        return f"profile {name!r} of {own}", _table(profiles, name, own)
    others = _read(_influx_file())
    if profile is None:
        name = next((key for key, one in others.items() if isinstance(one, dict) and one.get("active")), "")
    if name in others:
        table = _table(others, name, _influx_file())
        return f"{name!r} of {_influx_file()}", {key: table.get(key) for key in ("url", "org", "token")}
    if profile is None:
        message = (
            f"no settings: set {', '.join(_VARIABLES)}, "
            f"or write url, org and token under [{_DEFAULT}] in the file {own}"
        )
        raise ConfigurationError(message)
    known = ", ".join([*profiles, *others]) or "none"
    message = f"no profile {profile!r} in {own} or {_influx_file()}; there are: {known}"
    raise ConfigurationError(message)


def _config_file() -> Path:
    return Path(typer.get_app_dir(_FOLDER)) / "config.toml"


def _influx_file() -> Path:
    return Path(os.environ.get("INFLUX_CONFIGS_PATH") or Path.home() / ".influxdbv2" / "configs")


def _read(path: Path) -> dict[str, Any]:
    """Return the tables of a file of settings, which nobody else may read; none if there is no file."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        place = str(error).rpartition("(")[2].rstrip(")") if "(at " in str(error) else "somewhere"
        message = f"{path} is not TOML ({place})"  # the error itself may quote a token
        raise ConfigurationError(message) from None
    if os.name == "posix" and mode & _OTHERS_MAY_READ and "token" in _keys(content):
        message = f"{path} has a token, and other users may read it: chmod 600 {path}"
        raise ConfigurationError(message)
    return content


def _keys(content: dict[str, Any]) -> set[str]:
    return {key for table in content.values() if isinstance(table, dict) for key in table}


def _table(content: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    table = content[name]
    if not isinstance(table, dict):
        message = f"{name!r} in {path} must be a table: write [{name}], and url, org and token under it"
        raise ConfigurationError(message)
    return dict(table)


def _token(path: str) -> str:
    """Return the token that a file holds, without the white space around it."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).expanduser().read_text(encoding="utf-8")
    except UnicodeDecodeError:
        text = ""  # the error would quote it
    if not (token := text.strip()):
        message = f"`token_file`: no token in {'standard input' if path == '-' else path}"
        raise ConfigurationError(message)
    return token
