"""The options of the data source: texts, which become arguments of a manager's methods."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from db_core.errors import ConfigurationError
from db_core.settings import load
from db_influx._arguments import choice, invalid, text
from db_influx._connection import Connection, LocalToken, made_by
from db_influx._options import Transport
from db_influx._settings import InfluxSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from db_influx._manager import InfluxManager

__all__ = ["Connector", "Nanoseconds", "Place", "Reading", "Writing", "reading", "writing"]

Nanoseconds: TypeAlias = Literal["error", "truncate", "column"]
_NANOSECONDS: tuple[Nanoseconds, ...] = ("error", "truncate", "column")
_WRITTEN: tuple[Literal["error", "column"], ...] = ("error", "column")


@dataclass(frozen=True, slots=True)
class Connector:
    """A function that returns a manager, by its names, so that it can be pickled.

    Attributes:
        module: The module that has it, which must be importable on the driver and the workers.
        function: Its name.
    """

    module: str
    function: str

    def __call__(self) -> InfluxManager:
        """Return the manager that the function returns."""
        try:
            made = getattr(import_module(self.module), self.function)
        except (ImportError, AttributeError) as error:
            message = (
                f"`connect` names {self.module}:{self.function}, which can't be imported ({error}). "
                "The module must be importable on the driver and on the workers"
            )
            raise ConfigurationError(message) from error
        if not callable(made):
            raise invalid("connect", f"must name a function, and {self.module}:{self.function} is not one")
        manager: InfluxManager = made()
        return manager


@dataclass(frozen=True, slots=True)
class Place:
    """How to get a manager.

    Attributes:
        url: Address of the server. None means that of the environment.
        org: The organization. None means that of the environment.
        connect: Makes the manager instead.
    """

    url: str | None
    org: str | None
    connect: Connector | None

    def manager(self) -> InfluxManager:
        """Return a manager; those that this makes are kept, so that a process has few connections."""
        if self.connect is not None:
            return made_by(self.connect)
        settings = load(InfluxSettings, {"url": self.url, "org": self.org})
        token = LocalToken(settings.token.get_secret_value())
        return Connection(settings.url, settings.org, Transport(), None, token).manager()


@dataclass(frozen=True, slots=True)
class Reading:
    """What the options of a read say.

    Attributes:
        place: Where to read.
        nanoseconds: What becomes of times that Spark can't have.
        pushdown: Let filters of Spark narrow the partitions.
        arguments: Arguments of `InfluxManager.partitions`.
    """

    place: Place
    nanoseconds: Nanoseconds
    pushdown: bool
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Writing:
    """What the options of a write say.

    Attributes:
        place: Where to write.
        nanoseconds: "column" if the times are in a column of nanoseconds.
        bucket: The bucket.
        measurement: The measurement.
        arguments: More arguments of `InfluxManager.synchronous_write`.
    """

    place: Place
    nanoseconds: Literal["error", "column"]
    bucket: str
    measurement: str
    arguments: dict[str, Any]


def reading(options: Mapping[str, str]) -> Reading:
    """Return the options of a read, checked.

    Raises:
        InvalidArgumentError: One is unknown, missing or malformed.
    """
    found = _parsed(options, _READ, "reading", ("bucket", "measurement", "fields", "start"))
    place = _place(found)
    nanoseconds = choice(found.pop("nanoseconds", "error"), "nanoseconds", _NANOSECONDS)
    if "agg_func" in found and "interval" not in found:
        raise invalid("agg_func", "needs windows. Set `interval` too, or leave it out")
    found["msname"] = found.pop("measurement")
    found.setdefault("stop", None)
    return Reading(place, nanoseconds, found.pop("pushdown", False), found)


def writing(options: Mapping[str, str]) -> Writing:
    """Return the options of a write, checked.

    Raises:
        InvalidArgumentError: One is unknown, missing or malformed.
    """
    found = _parsed(options, _WRITE, "writing", ("bucket", "measurement"))
    place = _place(found)
    nanoseconds = choice(found.pop("nanoseconds", "error"), "nanoseconds", _WRITTEN)
    names = found.pop("bucket"), found.pop("measurement")
    return Writing(place, nanoseconds, *names, {"time_column": "time", "tag_columns": (), **found})


def _parsed(
    options: Mapping[str, str], known: Mapping[str, _Parser], doing: str, needed: tuple[str, ...]
) -> dict[str, Any]:
    """Return the values of options."""
    names = [name.lower() for name in options]  # Spark's options have no case
    if "token" in names:
        reason = (
            "is not an option, since Spark would show it in plans and logs. Set INFLUXDB_TOKEN where the "
            "driver and the workers run, or name a function that returns a manager as `connect`"
        )
        raise invalid("token", reason)
    if unknown := sorted(set(names) - set(known)):
        expected = ", ".join(sorted(known))
        raise invalid(unknown[0], f"is not an option of {doing}: expected one of {expected}")
    if missing := [name for name in needed if name not in names]:
        raise invalid(missing[0], f'must be given: .option("{missing[0]}", …)')
    return {name.lower(): known[name.lower()](text(value, name), name) for name, value in options.items()}


def _place(found: dict[str, Any]) -> Place:
    """Take the options about the connection out."""
    url, org, connect = (found.pop(name, None) for name in ("url", "org", "connect"))
    if connect is not None and not url is org is None:
        raise invalid(
            "connect", "returns a manager with an address and an organization: leave out `url` and `org`"
        )
    return Place(url, org, connect)


def _text(value: str, _: str) -> str:
    return value


def _names(value: str, name: str) -> list[str]:
    """Return the names of a list in JSON, or of a list with commas."""
    if value.lstrip().startswith("["):
        names = _json(value, name)
        if isinstance(names, list) and all(isinstance(one, str) for one in names):
            return names
        raise invalid(name, f"must be names with commas or a list of texts in JSON, not {value!r}")
    return [one.strip() for one in value.split(",")]


def _functions(value: str, name: str) -> object:
    """Return one function, several, or a mapping of fields in JSON."""
    if value.lstrip().startswith("{"):
        return _json(value, name)
    names = _names(value, name)
    return names if len(names) > 1 else names[0]


def _mapping(value: str, name: str) -> dict[str, Any]:
    found = _json(value, name)
    if not isinstance(found, dict):
        raise invalid(name, f'must be an object in JSON such as {{"meter": "a"}}, not {value!r}')
    return found


def _per_field(value: str, name: str) -> float | dict[str, Any]:
    return _mapping(value, name) if value.lstrip().startswith("{") else _number(value, name)


def _json(value: str, name: str) -> object:
    try:
        found: object = json.loads(value)
    except ValueError as error:
        raise invalid(name, f"must be JSON, not {value!r}: {error}") from error
    return found


def _number(value: str, name: str) -> float:
    try:
        return float(value)
    except ValueError as error:
        raise invalid(name, f"must be a number, not {value!r}") from error


def _whole(value: str, name: str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise invalid(name, f"must be a whole number, not {value!r}") from error


def _flag(value: str, name: str) -> bool:
    return choice(value.lower(), name, ("true", "false")) == "true"


def _length(value: str, _: str) -> int | str:
    """Return a length of time; a number alone is one of minutes, as in `partitions`."""
    return int(value) if value.isdecimal() else value


def _function(value: str, name: str) -> Connector:
    module, colon, function = value.partition(":")
    if not (colon and function.isidentifier() and all(part.isidentifier() for part in module.split("."))):
        raise invalid(name, f"must name a function as 'module:function', not {value!r}")
    return Connector(module, function)


_Parser: TypeAlias = "Callable[[str, str], Any]"
_BOTH: dict[str, _Parser] = {
    "bucket": _text,
    "connect": _function,
    "measurement": _text,
    "nanoseconds": _text,
    "org": _text,
    "tags": _mapping,
    "timeout": _number,
    "url": _text,
}
_READ: dict[str, _Parser] = {
    **_BOTH,
    "agg_func": _functions,
    "by": _names,
    "closed": _text,
    "dense": _flag,
    "every": _text,
    "fields": _names,
    "interval": _text,
    "label": _text,
    "max_parallel": _whole,
    "missing": _text,
    "on_reset": _text,
    "protocol": _text,
    "pushdown": _flag,
    "quality": _flag,
    "rollover": _per_field,
    "rows": _whole,
    "start": _text,
    "stop": _text,
    "timestep": _length,
    "tz": _text,
}
_WRITE: dict[str, _Parser] = {
    **_BOTH,
    "duplicates": _text,
    "tag_columns": _names,
    "time_column": _text,
}
