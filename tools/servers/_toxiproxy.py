"""Toxiproxy: stands between a client and a server, and does to their connections what networks do.

Built once from its Go module. What is here of its HTTP API is what the tests need.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager
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
_TIMEOUT = 10.0  # seconds


class Proxy:
    """A port that stands for a server's, with the faults that were added.

    Attributes:
        port: Where it listens, on 127.0.0.1.
    """

    def __init__(self, api: str, address: str) -> None:
        self._proxies = f"{api}/proxies"
        self._made = {"name": secrets.token_hex(8), "upstream": address}
        self._path = f"{self._proxies}/{self._made['name']}"
        self._toxics: list[dict[str, Any]] = []
        self.port = free_port()
        self._open()

    @contextmanager
    def fault(
        self,
        kind: str,
        *,
        stream: Literal["upstream", "downstream"] = "downstream",
        toxicity: float = 1.0,
        **attributes: int,
    ) -> Iterator[None]:
        """Add a fault to all connections until the end of the block, which closes them.

        Args:
            kind: One of Toxiproxy's toxics.
            stream: The direction that it affects: what the server sends, or what the client sends.
            toxicity: Of how many connections.
            attributes: The toxic's own.
        """
        with self._having(_toxic(kind, stream, toxicity, **attributes)):
            yield

    @contextmanager
    def cut(
        self, after: int, *, stream: Literal["upstream", "downstream"] = "downstream", reset: bool
    ) -> Iterator[None]:
        """End each connection after so many bytes in one direction, by an orderly close or a reset."""
        # A fault of no connection, for its side effect: where it stands, Toxiproxy closes by a reset.
        resets = [_toxic("reset_peer", stream, 0.0)] if reset else []
        with self._having(*resets, _toxic("limit_data", stream, bytes=after)):
            yield

    @contextmanager
    def _having(self, *toxics: dict[str, Any]) -> Iterator[None]:
        """Add toxics until the end of the block, and then make the proxy anew without them.

        They are not removed, as Toxiproxy 2.12 then locks up for good if a connection is just ending or its
        client does not read.
        """
        before = len(self._toxics)
        try:
            for toxic in toxics:
                self._add(toxic)
                self._toxics.append(toxic)
            yield
        finally:
            del self._toxics[before:]
            self.close()
            self._open()
            for toxic in self._toxics:
                self._add(toxic)

    def _open(self) -> None:
        _request("POST", self._proxies, self._made | {"listen": f"127.0.0.1:{self.port}"})

    def _add(self, toxic: dict[str, Any]) -> None:
        _request("POST", f"{self._path}/toxics", toxic)

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
        """Open a port that stands for a server's, until the end of the block."""
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


def _toxic(kind: str, stream: str, toxicity: float = 1.0, **attributes: int) -> dict[str, Any]:
    return {"type": kind, "stream": stream, "toxicity": toxicity, "attributes": attributes}


def _request(method: str, url: str, body: object = None) -> Any:
    """Send a request to the API and return its response."""
    with urllib3.PoolManager() as pool:
        options: dict[str, Any] = {} if body is None else {"json": body}
        response = pool.request(method, url, timeout=_TIMEOUT, retries=False, **options)
    if response.status >= 300:  # noqa: PLR2004 - where success ends
        raise ServerError(f"Toxiproxy refused {method} {url}: {response.data.decode()}")
    return response.json() if response.data.startswith(b"{") else None
