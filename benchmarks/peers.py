"""Others that ask InfluxDB the same: a plain download, and the clients for Python, Rust and Go."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.servers import InfluxDB

_CHUNK = 1 << 16
_TIMEOUT = 300  # seconds
_GO = Path(__file__).parent / "go"


def download(server: InfluxDB, flux: str) -> Iterator[bytes]:
    """Give an answer's bytes as they arrive."""
    response = urllib3.request(
        "POST",
        f"{server.url}/api/v2/query?org={server.org}",
        body=json.dumps({"query": flux, "dialect": {"annotations": ["datatype", "group", "default"]}}),
        headers={"Authorization": f"Token {server.token}", "Content-Type": "application/json"},
        preload_content=False,
        timeout=_TIMEOUT,
    )
    assert response.status == 200, response.data
    yield from response.stream(_CHUNK)


def discard(server: InfluxDB, flux: str) -> int:
    """Download an answer and drop it; gives its bytes."""
    return sum(map(len, download(server, flux)))


def client(server: InfluxDB) -> InfluxDBClient:
    """Give influxdb-client."""
    return InfluxDBClient(server.url, server.token, org=server.org, timeout=_TIMEOUT * 1_000)


def query_data_frame(server: InfluxDB, flux: str) -> Any:
    """Read by influxdb-client, as its users do."""
    with client(server) as official:
        return official.query_api().query_data_frame(flux)


def query_influx_rust(server: InfluxDB, flux: str) -> list[dict[str, Any]]:
    """Read by influx-rust, as its users do."""
    import influx_rust  # type: ignore[import-untyped]

    rows: list[dict[str, Any]] = influx_rust.get_influx_data(server.url, server.token, server.org, flux)
    return rows


class Sums(NamedTuple):
    """What the Go program tells of what it read."""

    rows: int
    sums: dict[str, float]


def build_go_reader(folder: Path) -> Path | str:
    """Build the program that reads with the official Go client; where it can't be, say why."""
    program = folder / "reader"
    try:
        built = subprocess.run(
            ["go", "build", "-mod=readonly", "-o", str(program), "."],
            cwd=_GO,
            env=os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return "Go is not installed"
    if built.returncode:
        return f"go build failed: {built.stderr.strip().splitlines()[-1]}"
    return program


def query_go(program: Path, server: InfluxDB, flux: str, fields: list[str]) -> Sums:
    """Read by the official Go client."""
    done = subprocess.run(
        [str(program), flux, *fields],
        env=os.environ | server.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    return Sums(told["rows"], told["sums"])
