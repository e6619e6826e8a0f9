"""InfluxDB 2.x: found in the environment, or started and set up."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from tools.servers import _build, _compose
from tools.servers._errors import ServerError
from tools.servers._process import Process, free_port
from tools.servers._server import Server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_ORG = "development"
_BUCKET = "default"
_TIMEOUT = 10.0  # seconds


class InfluxDB(Server):
    """An InfluxDB that answers; stopped at the end of its `with` block.

    Attributes:
        url: Where it listens.
        org: Its organization.
        token: An operator token.
    """

    def __init__(self, url: str, org: str, token: str, process: Process | None = None) -> None:
        super().__init__(process)
        self.url = url
        self.org = org
        self.token = token

    def __repr__(self) -> str:
        return f"InfluxDB({self.url!r}, org={self.org!r})"

    def environment(self) -> dict[str, str]:
        return {"INFLUXDB_URL": self.url, "INFLUXDB_ORG": self.org, "INFLUXDB_TOKEN": self.token}


def influxdb(*, own: bool = False, engine: Path | None = None) -> InfluxDB:
    """Find InfluxDB, or start one.

    Args:
        own: Start one in any case, with nothing in it, that may be killed and restarted.
        engine: Start one in any case, from a program, that keeps its points in this folder.

    Raises:
        ServerError: There is none and none can be made; says what would help.
    """
    if not own and engine is None and (url := os.environ.get("INFLUXDB_URL")):
        return _given(url)
    return _made(_Place(free_port()), *(("--engine-path", str(engine)) if engine else ()))


def influxdb_tls(certificate: str, key: str, ca_cert: str) -> InfluxDB:
    """Start an InfluxDB that answers TLS only, from the program.

    Args:
        certificate: Path of a certificate of localhost.
        key: Path of its key.
        ca_cert: Path of the certificate to trust.

    Raises:
        ServerError: There is none and none can be made; says what would help.
    """
    trusting = ssl.create_default_context(cafile=ca_cert)
    return _made(_Place(free_port(), trusting), "--tls-cert", certificate, "--tls-key", key)


class _Place(NamedTuple):
    """Where one of ours listens, and whom to trust there if it speaks TLS."""

    port: int
    trusting: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}" if self.trusting else f"http://127.0.0.1:{self.port}"


def _made(place: _Place, *options: str) -> InfluxDB:
    token = secrets.token_urlsafe(24)
    process = _start(place, options)
    try:
        _set_up(place, token)
    except BaseException:
        process.close()
        raise
    return InfluxDB(place.url, _ORG, token, process)


def _given(url: str) -> InfluxDB:
    org, token = os.environ.get("INFLUXDB_ORG"), os.environ.get("INFLUXDB_TOKEN")
    if not org or not token:
        raise ServerError("INFLUXDB_URL is set; INFLUXDB_ORG and INFLUXDB_TOKEN must be set with it.")
    return InfluxDB(url, org, token)


def _start(place: _Place, options: Sequence[str]) -> Process:
    def answers() -> bool:
        try:
            status, _ = _request(place, "GET", "/health")
        except (OSError, http.client.HTTPException):
            return False
        return status == http.client.OK

    program = _on_path() or _build.built()
    if program is None and not options and _compose.engine_answers():
        return _compose.container("influxdb", place.port, answers, {"INFLUXDB_PORT": str(place.port)})
    if program is None and (missing := _build.missing_tools()):
        raise ServerError(
            "No InfluxDB to run against. There are three ways to have one:\n"
            "  1. Set INFLUXDB_URL, INFLUXDB_ORG and INFLUXDB_TOKEN to those of a running InfluxDB 2.x.\n"
            "  2. Put `influxd` 2.x on PATH, or start Docker (`docker info` and `docker compose` work).\n"
            "  3. Install Go, Rust and a C compiler: InfluxDB is then built, once, in about five minutes.\n"
            f"     Missing for that: {', '.join(missing)}."
        )
    command = [
        *(program or _build.build(),),
        *("--http-bind-address", f"127.0.0.1:{place.port}"),
        *("--bolt-path", "influxd.bolt", "--sqlite-path", "influxd.sqlite", "--engine-path", "engine"),
        "--reporting-disabled",
        *options,
    ]
    return Process("influxdb", command, answers=answers)


def _on_path() -> str | None:
    """Find an `influxd` on PATH, if it is one of the second generation."""
    program = shutil.which("influxd")
    if program is None:
        return None
    version = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout
    return program if re.match(r"InfluxDB v?2\.", version) else None


def _set_up(place: _Place, token: str) -> None:
    account = {"username": "developer", "password": secrets.token_urlsafe(24)}
    status, text = _request(
        place, "POST", "/api/v2/setup", account | {"org": _ORG, "bucket": _BUCKET, "token": token}
    )
    if status != http.client.CREATED:
        raise ServerError(f"InfluxDB refused its set-up with HTTP {status}: {text}")


def _request(place: _Place, method: str, path: str, body: object = None) -> tuple[int, str]:
    connection = (
        http.client.HTTPSConnection("localhost", place.port, timeout=_TIMEOUT, context=place.trusting)
        if place.trusting
        else http.client.HTTPConnection("127.0.0.1", place.port, timeout=_TIMEOUT)
    )
    try:
        connection.request(method, path, body=json.dumps(body) if body is not None else None)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    finally:
        connection.close()
