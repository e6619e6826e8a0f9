"""Certificates: files that hold what they should, told when the manager is made, and TLS's context of them.

Each connection reads the files again, so a certificate that is replaced before it expires is taken up.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from db_core.errors import InvalidArgumentError
from db_influx import _arguments

if TYPE_CHECKING:
    from db_influx._options import Transport

__all__ = ["authorities", "client", "context"]


def authorities(path: object) -> str:
    """Give the path of a file of certificates to trust, for `ca_cert`."""
    checked = _arguments.file(path, "ca_cert")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(checked)
    except (OSError, ValueError) as error:
        message = f"`ca_cert` must be a file of certificates in PEM, which {checked!r} is not: {error}"
        raise InvalidArgumentError(message, argument="ca_cert") from error
    return checked


def client(paths: object) -> str | tuple[str, str]:
    """Give the path of a certificate and its key, or a pair of paths, for `client_cert`."""
    match paths:
        case (certificate, key):
            pair = _arguments.file(certificate, "client_cert"), _arguments.file(key, "client_cert")
            _load(*pair)
            return pair
        case _:
            path = _arguments.file(paths, "client_cert")
            _load(path)
            return path


def _load(certificate: str, key: str | None = None) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, _no_password)
    except _EncryptedError:
        message = "`client_cert` must have a key without a password, as there is nowhere to give one"
        raise InvalidArgumentError(message, argument="client_cert") from None
    except (OSError, ValueError) as error:
        message = f"`client_cert` must be a certificate and its key in PEM, in one file or two: {error}"
        raise InvalidArgumentError(message, argument="client_cert") from error


class _EncryptedError(Exception):
    pass


def _no_password() -> str:
    # Else OpenSSL asks for it, on the terminal, and waits.
    raise _EncryptedError


def context(transport: Transport) -> ssl.SSLContext:
    """Return TLS's context for a new connection.

    Raises:
        OSError: A file can't be read, or holds no certificate any more.
    """
    if transport.verify:
        made = ssl.create_default_context(cafile=transport.ca_cert)
    else:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    certificate, key = transport.cert_files
    if certificate is not None:
        made.load_cert_chain(certificate, key, _no_password)
    return made
