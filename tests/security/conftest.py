"""Real servers, certificates of an authority of our own, and peers that misbehave."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.influx.conftest import make_manager, make_store, manager, official, peer, server
from tests.redis.conftest import peer as peer_port
from tests.security.certificates import Files, Front, Pki
from tools import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["make_manager", "make_store", "manager", "official", "peer", "peer_port", "server"]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide settings and proxies from the code under test; the servers have used them by then."""
    for variable in list(os.environ):
        if variable.upper().startswith(("INFLUXDB_", "REDIS_")) or variable.upper().endswith("_PROXY"):
            monkeypatch.delenv(variable)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[servers.Redis]:
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
def front() -> Iterator[Callable[..., Front]]:
    """Give a function that puts TLS before a port."""
    with ExitStack() as at_end:

        def start(target: int, shown: Files, demanded: str | None = None, *, old: bool = False) -> Front:
            made = Front(target, shown, demanded, old)
            thread = threading.Thread(target=made.serve)
            thread.start()
            at_end.callback(thread.join)
            at_end.callback(made.close)
            return made

        yield start


@pytest.fixture(scope="session")
def influx_tls(pki: Pki) -> Iterator[servers.InfluxDB]:
    """Give an InfluxDB that speaks TLS itself."""
    with servers.influxdb_tls(pki.server.certificate, pki.server.key, pki.ca_cert) as server:
        yield server
