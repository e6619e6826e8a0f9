"""Real servers, certificates of an authority of our own, and peers that misbehave."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import redis

from db_influx import InfluxManager
from tests.influx.conftest import make_manager, make_store, manager, official, server
from tests.peer import Peer, read_nothing
from tests.security.certificates import Files, Pki, hands_on
from tests.security.influx_world import filled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from influxdb_client import InfluxDBClient

    from tests.security.influx_world import World
    from tools import servers

__all__ = ["make_manager", "make_store", "manager", "official", "server"]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide settings and proxies from the code under test; the servers have used them by then."""
    for variable in list(os.environ):
        if variable.upper().startswith(("INFLUXDB_", "REDIS_")) or variable.upper().endswith("_PROXY"):
            monkeypatch.delenv(variable)


@pytest.fixture(scope="module")
def shared(server: servers.InfluxDB) -> Iterator[InfluxManager]:
    """Give a manager that a whole module shares."""
    with InfluxManager(server.url, server.org, server.token, missing="ignore") as manager:
        yield manager


@pytest.fixture(scope="module")
def world(official: InfluxDBClient, shared: InfluxManager) -> Iterator[World]:
    """Give what is written under each hostile text."""
    with filled(official, shared) as world:
        yield world


@pytest.fixture(scope="session")
def redis_server(servers: ModuleType) -> Iterator[servers.Redis]:
    """Give a Redis of our own, as every key of it is looked at."""
    with servers.redis(own=True) as server:
        yield server


@pytest.fixture
def plain(redis_server: servers.Redis) -> Iterator[Any]:
    """Give redis-py's client, and an empty Redis."""
    with redis.Redis(redis_server.host, redis_server.port, password=redis_server.password) as plain:
        plain.flushall()
        yield plain


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Give an authority of our own and its certificates."""
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def front(peer: Callable[..., Peer]) -> Callable[..., Peer]:
    """Give a function that puts TLS before a port; `demanded` is the authority of the clients."""

    def start(target: int, shown: Files, demanded: str | None = None, *, old: bool = False) -> Peer:
        return peer(hands_on(target), read=read_nothing, context=shown.context(demanded, old=old))

    return start


@pytest.fixture(scope="session")
def influx_tls(servers: ModuleType, pki: Pki) -> Iterator[servers.InfluxDB]:
    """Give an InfluxDB that speaks TLS itself."""
    with servers.influxdb_tls(pki.server.certificate, pki.server.key, pki.ca_cert) as server:
        yield server
