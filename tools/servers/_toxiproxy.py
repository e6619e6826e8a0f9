"""Toxiproxy: stands between a client and a server, and does to their connections what networks do.

Built once from its Go module. What is here of its HTTP API is what the tests need.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import urllib3

from tools.servers import _cache, _go
from tools.servers._errors import ServerError
from tools.servers._process import Process, free_port
from tools.servers._server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODULE = Path(__file__).parent / "toxiproxy"
_PACKAGE = "github.com/Shopify/toxiproxy/v2"
_ANY_PORT = "127.0.0.1:0"
_TIMEOUT = 10.0  # seconds


class Proxy:
    """A port that stands for a server's, with the faults that were added.

    Attributes:
        port: Where it listens, on 127.0.0.1.
    """

    def __init__(self, api: str, address: str) -> None:
        name = secrets.token_hex(8)
        made = _request("POST", f"{api}/proxies", {"name": name, "upstream": address, "listen": _ANY_PORT})
        self._path = f"{api}/proxies/{name}"
        self.port = int(made["listen"].rpartition(":")[2])

    @contextmanager
    def fault(
        self,
        kind: str,
        *,
        stream: Literal["upstream", "downstream"] = "downstream",
        toxicity: float = 1.0,
        **attributes: int,
    ) -> Iterator[None]:
        """Have a fault on all connections, until the end of the block.

        Args:
            kind: One of Toxiproxy's toxics.
            stream: What it is done to: what the server says, or what the client says.
            toxicity: Of how many connections.
            attributes: The toxic's own.
        """
        toxic = {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}
        name = _request("POST", f"{self._path}/toxics", toxic)["name"]
        try:
            yield
        finally:
            _request("DELETE", f"{self._path}/toxics/{name}")

    @contextmanager
    def cut(
        self, after: int, *, stream: Literal["upstream", "downstream"] = "downstream", reset: bool
    ) -> Iterator[None]:
        """End each connection after so many bytes in one direction, by an orderly close or a reset."""
        with ExitStack() as faults:
            if reset:
                # A fault of no connection, for its side effect: where it stands, Toxiproxy closes by a reset.
                faults.enter_context(self.fault("reset_peer", stream=stream, toxicity=0.0))
            faults.enter_context(self.fault("limit_data", stream=stream, bytes=after))
            yield

    def close(self) -> None:
        """End all connections, and listen no more."""
        _request("DELETE", self._path)


class Toxiproxy(Server):
    """A Toxiproxy that answers; stopped at the end of its `with` block.

    Attributes:
        url: Its HTTP API.
    """

    def __init__(self, port: int, process: Process) -> None:
        super().__init__(process)
        self.url = f"http://127.0.0.1:{port}"

    def __repr__(self) -> str:
        return f"Toxiproxy({self.url!r})"

    def environment(self) -> dict[str, str]:
        return {"TOXIPROXY_URL": self.url}

    @contextmanager
    def before(self, host: str, port: int) -> Iterator[Proxy]:
        """Give a port that stands for a server's, until the end of the block."""
        proxy = Proxy(self.url, f"{host}:{port}")
        try:
            yield proxy
        finally:
            proxy.close()


def toxiproxy() -> Toxiproxy:
    """Start Toxiproxy.

    Raises:
        ServerError: It can't be made; says what would help.
    """
    port = free_port()
    command = [_build(), "-host", "127.0.0.1", "-port", str(port), "-seed", "1"]

    def answers() -> bool:
        try:
            _request("GET", f"http://127.0.0.1:{port}/version")
        except urllib3.exceptions.HTTPError:
            return False
        return True

    return Toxiproxy(port, Process("toxiproxy", command, answers=answers, variables={"LOG_LEVEL": "error"}))


def prepare() -> None:
    """Build it, where that can be done: whoever needs it later does not wait."""
    if shutil.which("go"):
        _build()


def _build() -> str:
    program = _cache.place("toxiproxy", _go.version(_MODULE, _PACKAGE))
    if not program.is_file() and shutil.which("go") is None:
        raise ServerError("Toxiproxy is built from its Go module, once: install Go.")
    return _cache.make_once(program, _compile)


def _compile(folder: Path) -> Path:
    _cache.say(f"building Toxiproxy {_go.version(_MODULE, _PACKAGE)}, once; takes about a minute")
    program = folder / "toxiproxy"
    command = ["go", "build", "-v", "-o", str(program), "-ldflags", "-s -w", f"{_PACKAGE}/cmd/server"]
    _go.run(command, _MODULE, os.environ | {"CGO_ENABLED": "0"}, folder / "log")
    return program


def _request(method: str, url: str, body: object = None) -> Any:
    """Ask the API; give its answer."""
    with urllib3.PoolManager() as pool:
        options: dict[str, Any] = {} if body is None else {"json": body}
        response = pool.request(method, url, timeout=_TIMEOUT, retries=False, **options)
    if response.status >= 300:  # noqa: PLR2004 - where success ends
        raise ServerError(f"Toxiproxy refused {method} {url}: {response.data.decode()}")
    return response.json() if response.data.startswith(b"{") else None
