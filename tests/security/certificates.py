"""An authority, certificates that are right and wrong in one way each, and a way to show them."""

from __future__ import annotations

import datetime as dt
import select
import socket
import ssl
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

from tests.peer import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.peer import Turn

__all__ = ["Files", "Pki", "hands_on", "speak_old_tls"]


@dataclass(frozen=True)
class Files:
    """A certificate and its key, as paths: of both in one file, and of each."""

    both: str
    certificate: str
    key: str

    def context(self, demanded: str | None = None, *, old: bool = False) -> ssl.SSLContext:
        """Show this certificate as a server, and demand one of this authority; `old` is no TLS after 1.1."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=demanded)
        context.load_cert_chain(self.both)
        context.verify_mode = ssl.CERT_REQUIRED if demanded else ssl.CERT_NONE
        if old:
            speak_old_tls(context)
        return context


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


def hands_on(port: int) -> Turn:
    """Hand on both ways what comes, to a server that speaks no TLS itself."""

    def turn(near: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as far:
            # In one thread, as OpenSSL may crash where two use one connection.
            while ready := [near] if near.pending() else select.select([near, far], [], [], PATIENCE)[0]:  # type: ignore[attr-defined]
                source, target = (near, far) if ready[0] is near else (far, near)
                if not (chunk := source.recv(1 << 16)):
                    break
                target.sendall(chunk)

    return turn


def speak_old_tls(context: ssl.SSLContext) -> None:
    """Speak no TLS after 1.1, which is refused by default."""
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
