"""Ways to ask a server without a client, and stand-ins for the programs that make one."""

from __future__ import annotations

import http.client
import os
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tools.servers import _compose, _wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from tools.servers import InfluxDB, Redis, Server

ROOT = Path(__file__).parents[2]
SYSTEM = "/usr/bin:/bin"  # what the stand-ins for programs need
KINDS = ("influxdb", "redis")
LONG = 60.0  # seconds; a limit for what is waited for, not a pause


def request(
    server: InfluxDB, method: str, path: str, body: str = "", token: str | None = None
) -> tuple[int, str]:
    """Ask InfluxDB something; give status and body."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=LONG)
    try:
        connection.request(method, path, body, {"Authorization": f"Token {token or server.token}"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def ask(server: Redis, *commands: str) -> str:
    """Send Redis inline commands; give the end of its answer."""
    with socket.create_connection((server.host, server.port), timeout=LONG) as connection:
        connection.sendall("".join(f"{command}\r\n" for command in (*commands, "QUIT")).encode())
        return connection.makefile("rb").read().decode()


def is_alive(pid: int) -> bool:
    """Say whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def folder_of(server: Server) -> Path:
    """Give the folder in which a server keeps its data."""
    assert server._process
    return server._process.folder


@pytest.fixture(params=KINDS)
def start(servers: ModuleType, request: pytest.FixtureRequest) -> Callable[[], Server]:
    """Start a server of our own, of either kind."""
    return partial(getattr(servers, request.param), own=True)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Leave nothing to be found but stand-ins for programs, each made of shell commands."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(_wheel, "_uv", list)

    def make(name: str, commands: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\nPATH={SYSTEM}\n{commands}\n")
        (folder / name).chmod(0o755)

    return make


@pytest.fixture(autouse=True)
def _engine_asked_anew() -> Iterator[None]:
    """Forget whether Docker answered, before and after."""
    _compose.engine_answers.cache_clear()
    yield
    _compose.engine_answers.cache_clear()
