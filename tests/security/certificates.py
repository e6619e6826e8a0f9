"""An authority, certificates that are right and wrong in one way each, and a front that shows them."""

from __future__ import annotations

import datetime as dt
import select
import socket
import ssl
import threading
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Files", "Front", "Pki", "speak_old_tls"]


@dataclass(frozen=True)
class Files:
    """A certificate and its key, as paths: of both in one file, and of each."""

    both: str
    certificate: str
    key: str


class Pki:
    """An authority of our own, and files of certificates by what they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ours, another = trustme.CA(), trustme.CA()
        self.ca_cert = str(folder / "ca.pem")
        ours.cert_pem.write_to_path(self.ca_cert)
        yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        names = ("localhost", "127.0.0.1")
        self.server = self._write("server", ours.issue_cert(*names))
        self.client = self._write("client", ours.issue_cert("client.invalid"))
        self.strange_client = self._write("strange-client", another.issue_cert("client.invalid"))
        # A server's certificate, and what the refusal of it says.
        self.wrong: dict[str, tuple[Files, str]] = {
            "another host": (
                self._write("another", ours.issue_cert("elsewhere.invalid")),
                "(Hostname|IP address) mismatch",
            ),
            "expired": (
                self._write(
                    "expired",
                    ours.issue_cert(*names, not_before=yesterday - dt.timedelta(days=9), not_after=yesterday),
                ),
                "certificate has expired",
            ),
            "self-signed": (self._write_authority("self-signed", trustme.CA()), "self-signed certificate"),
            "unknown authority": (
                self._write("unknown", another.issue_cert(*names)),
                "unable to get local issuer certificate",
            ),
        }

    def _write(self, name: str, made: trustme.LeafCert) -> Files:
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        return self._files(name, chain, made.private_key_pem.bytes())

    def _write_authority(self, name: str, made: trustme.CA) -> Files:
        return self._files(name, made.cert_pem.bytes(), made.private_key_pem.bytes())

    def _files(self, name: str, certificate: bytes, key: bytes) -> Files:
        paths = [self._folder / f"{name}{end}.pem" for end in ("", "-certificate", "-key")]
        for path, text in zip(paths, (key + certificate, certificate, key), strict=True):
            path.write_bytes(text)
        return Files(*map(str, paths))


@dataclass
class Front:
    """Speaks TLS on a port of its own for a server that does not, and counts who connects.

    Args:
        target: The server's port.
        shown: The certificate it shows.
        demanded: Path of the authority of the certificate it demands of a client.
        old: Whether it knows no TLS after 1.1.
    """

    target: int
    shown: Files
    demanded: str | None = None
    old: bool = False
    connections: int = 0
    _open: list[socket.socket] = field(default_factory=list)
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.listener.getsockname()[1]
        return port

    def serve(self) -> None:
        """Serve until the listener is closed."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.demanded)
        context.load_cert_chain(self.shown.both)
        context.verify_mode = ssl.CERT_REQUIRED if self.demanded else ssl.CERT_NONE
        if self.old:
            speak_old_tls(context)
        threads = []
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:  # the test is over
                break
            self.connections += 1
            self._open.append(plain)
            threads.append(threading.Thread(target=self._hand_on, args=(plain, context)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def close(self) -> None:
        """Hang up on everybody, and let `serve` end."""
        for open_one in (self.listener, *self._open):
            with suppress(OSError):  # it is closed already
                socket.socket.shutdown(open_one, socket.SHUT_RDWR)
        self.listener.close()

    def _hand_on(self, plain: socket.socket, context: ssl.SSLContext) -> None:
        """Pass on both ways; in one thread, as OpenSSL may crash where two use one connection."""
        plain.settimeout(10)
        with plain, suppress(OSError), context.wrap_socket(plain, server_side=True) as near:
            self._open.append(near)
            with socket.create_connection(("127.0.0.1", self.target), timeout=10) as far:
                while ready := [near] if near.pending() else select.select([near, far], [], [], 10)[0]:
                    source, target = (near, far) if ready[0] is near else (far, near)
                    if not (chunk := source.recv(1 << 16)):
                        break
                    target.sendall(chunk)


def speak_old_tls(context: ssl.SSLContext) -> None:
    """Speak no TLS after 1.1, which is refused by default."""
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
