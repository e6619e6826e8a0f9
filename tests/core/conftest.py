"""A real InfluxDB, for what only it can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tools import servers


@pytest.fixture(scope="session")
def server(servers: ModuleType) -> Iterator[servers.InfluxDB]:
    """Give the InfluxDB that all tests share; it may hold data of others."""
    with servers.influxdb() as server:
        yield server
