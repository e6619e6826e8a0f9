"""Connections of a manager that many share, and what they say of themselves."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from db_core.errors import DatabaseError
from db_influx._io import numeric

if TYPE_CHECKING:
    from collections.abc import Callable

    from db_influx import InfluxManager
    from tests.peer import Peer

# Rows that fill more than the buffers on the way, so that the answer is under way until the last is read.
ROWS = (
    'import "generate"\n'
    "generate.from(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z, count: 5000, fn: (n) => n)"
)


def test_connections_that_are_used_at_once_are_all_kept(make_manager: Callable[..., InfluxManager]) -> None:
    """Twenty answers are under way at once, twice: the second time no connection has to be made."""
    manager = make_manager()
    for _ in range(2):
        answers = [manager.query_batches(ROWS, batch_rows=1_000) for _ in range(20)]
        first = [len(next(answer)) for answer in answers]
        rest = [sum(map(len, answer)) for answer in answers]

        assert [5_000] * 20 == [some + more for some, more in zip(first, rest, strict=True)]
        assert 20 == len(manager._wire._pool)


def test_requests_name_us_and_our_version(
    peer: Callable[..., Peer], call_peer: Callable[..., InfluxManager]
) -> None:
    """Logs of servers and proxies tell who asks; reads and writes alike."""
    server = peer(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    manager = call_peer(server)
    frame = pd.DataFrame({"v": [1.5]}, index=pd.DatetimeIndex(["2026-01-01"], tz="UTC"))

    with pytest.raises(DatabaseError):
        manager.query("buckets()")
    with pytest.raises(DatabaseError):
        manager.synchronous_write("b", frame, "m")

    workspace = tomllib.loads((Path(__file__).parents[2] / "Cargo.toml").read_text())
    version = workspace["workspace"]["package"]["version"]
    python = ".".join(sys.version.split(".")[:2])
    heads = [request.split(b"\r\n\r\n")[0].decode() for request in server.requests]
    told = [[line for line in head.splitlines() if line.startswith("User-Agent")] for head in heads]
    assert [[f"User-Agent: db-influx/{version} Python/{python}"]] * 2 == told


def test_an_address_is_told_as_text() -> None:
    """An address of IPv6 that is of one network interface keeps that, and ports go."""
    found = [
        (2, 1, 6, "", ("127.0.0.1", 8086)),
        (10, 1, 6, "", ("::1", 8086, 0, 0)),
        (10, 1, 6, "", ("fe80::1", 8086, 0, 2)),
    ]

    assert ["127.0.0.1", "::1", "fe80::1%2"] == numeric(found)
