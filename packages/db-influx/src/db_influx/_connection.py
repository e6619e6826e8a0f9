"""`Connection`: how another process finds a manager like this one. What is sent there has no secret."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from db_influx._arguments import invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx._manager import InfluxManager
    from db_influx._options import Transport

__all__ = ["Connection", "LocalToken", "made_by"]

_MOST_MANAGERS = 16  # that a process keeps


@dataclass(frozen=True, slots=True)
class Connection:
    """How a part of a read or write finds its manager, in any process.

    Attributes:
        url: Address of the server.
        org: Name or ID of the organization.
        transport: How to speak to the server.
        connect: Makes the manager instead; it is called for each part.
        token: API token. Pickles, texts and comparisons leave it out. None means that of the environment.
    """

    url: str
    org: str
    transport: Transport
    connect: Callable[[], InfluxManager] | None
    token: LocalToken

    def manager(self) -> InfluxManager:
        """Return a manager; those that this makes are kept, so that a process has few connections."""
        if self.connect is not None:
            return made_by(self.connect)
        environment = None if self.token.text else os.environ.get("INFLUXDB_TOKEN")
        return _manager(self.url, self.org, self.token.text, environment, self.transport)

    def __dask_tokenize__(self) -> Any:
        """Return a key that distinguishes this connection from others, for Dask: the same in every process.

        It has no secret. Of `connect` it is a digest, as the arguments of a partial function may be secret.
        """
        from dask.base import tokenize

        named = "" if self.connect is None else tokenize(self.connect)
        return repr((named, replace(self, connect=None)))


def made_by(connect: Callable[[], InfluxManager]) -> InfluxManager:
    """Return the manager that a user's function returns.

    Raises:
        InvalidArgumentError: It returns something else.
    """
    from db_influx._manager import InfluxManager

    manager = connect()
    if not isinstance(manager, InfluxManager):
        raise invalid("connect", f"must return an InfluxManager, not {type(manager).__name__}")
    return manager


class LocalToken:
    """A token that stays in its process: pickles of it have none, and all are equal."""

    __slots__ = ("text",)

    def __init__(self, text: str | None = None) -> None:
        self.text = text

    def __reduce__(self) -> tuple[type[LocalToken], tuple[()]]:
        return LocalToken, ()

    def __deepcopy__(self, memo: object) -> LocalToken:
        return self  # it stays in its process

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LocalToken)

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "LocalToken()"


@lru_cache(maxsize=_MOST_MANAGERS)
def _manager(
    url: str, org: str, token: str | None, environment: str | None, transport: Transport
) -> InfluxManager:
    """Return a manager; another one if the token in the environment is another one now."""
    del environment  # the manager reads it, and says what is wrong with it
    from db_influx._manager import InfluxManager

    return InfluxManager(url, org, token, **asdict(transport))
