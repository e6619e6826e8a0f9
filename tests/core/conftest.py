"""A real InfluxDB, for what only it can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from tools import servers

# What an example takes depends on what else the machine does.
settings.register_profile("core", deadline=None)
settings.load_profile("core")


@pytest.fixture(scope="session")
def server(servers: ModuleType) -> Iterator[servers.InfluxDB]:
    """Give the InfluxDB that all tests share; it may hold data of others."""
    with servers.influxdb() as server:
        yield server
