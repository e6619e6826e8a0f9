"""A Redis behind TLS: a real one, and a front that speaks TLS for it.

The redis-server that there is a wheel of is built without TLS. So the front is Python's own
ssl, which decrypts and hands on every byte: to a client it is what Redis with TLS is.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tools.servers import _redis, tls_front
from tools.servers._errors import ServerError
from tools.servers._process import Process, free_port
from tools.servers._server import Server

if TYPE_CHECKING:
    from tools.servers._redis import Redis


class RedisTls(Server):
    """A Redis that answers TLS only; stopped at the end of its `with` block.

    Attributes:
        host: Where it is, and the name in its certificate.
        port: Where it speaks TLS.
        password: Of its default user.
        ca_cert: Path of the certificate to trust.
        redis: The Redis behind it, without TLS.
    """

    def __init__(self, port: int, ca_cert: Path, behind: Redis, at_end: ExitStack) -> None:
        super().__init__(None)
        self.host = "localhost"
        self.port = port
        self.password = behind.password
        self.ca_cert = ca_cert
        self.redis = behind
        self._at_end = at_end

    def __repr__(self) -> str:
        return f"RedisTls({self.host!r}, {self.port})"

    def environment(self) -> dict[str, str]:
        return {"REDIS_HOST": self.host, "REDIS_PORT": str(self.port), "REDIS_SSL": "true"} | (
            {"REDIS_PASSWORD": self.password} if self.password else {}
        )

    def close(self) -> None:
        self._at_end.close()


def redis_tls(*, password: str | None = None) -> RedisTls:
    """Start a Redis behind TLS, with a certificate of its own.

    Raises:
        ServerError: There is no redis-server to start, or no openssl to make the certificate.
    """
    with ExitStack() as at_end:
        folder = Path(at_end.enter_context(tempfile.TemporaryDirectory(prefix="db-core-tls-")))
        certificate, key = _certificate(folder)
        behind = at_end.enter_context(_redis.start(password))
        port = free_port()

        def answers() -> bool:
            trusting = ssl.create_default_context(cafile=certificate)
            with (
                contextlib.suppress(OSError),
                socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
                trusting.wrap_socket(plain, server_hostname="localhost") as connection,
            ):
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
            return False

        order = [
            sys.executable,
            "-I",
            tls_front.__file__,
            str(port),
            str(behind.port),
            str(certificate),
            str(key),
        ]
        front = Process("redis-tls", order, answers=answers)
        at_end.callback(front.close)
        return RedisTls(port, certificate, behind, at_end.pop_all())
    raise AssertionError


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate that is signed by itself, and its key."""
    if not shutil.which("openssl"):
        raise ServerError("No certificate for TLS: it takes `openssl` on PATH to make one.")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ],
        capture_output=True,
        check=True,
    )
    return certificate, key
