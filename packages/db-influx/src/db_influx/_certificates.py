"""Certificate files: checked when the manager is made, and loaded into a TLS context for each connection.

So a certificate file that is replaced before the certificate expires is used from the next connection on.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from db_influx import _arguments

if TYPE_CHECKING:
    from db_influx._options import Transport

__all__ = ["authorities", "client", "context"]


def authorities(path: object) -> str:
    """Return the path of a file of certificates to trust, for `ca_cert`."""
    checked = _arguments.file(path, "ca_cert")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(checked)
    except (OSError, ValueError) as error:
        reason = f"must be a file of certificates in PEM, not {checked!r}: {error}"
        raise _arguments.invalid("ca_cert", reason) from error
    return checked


def client(paths: object) -> str | tuple[str, str]:
    """Return the path of a certificate with its key, or a pair of paths, for `client_cert`."""
    match paths:
        case (first, second):
            certificate = _arguments.file(first, "client_cert")
            key: str | None = _arguments.file(second, "client_cert")
        case _:
            certificate, key = _arguments.file(paths, "client_cert"), None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, _no_password)
    except _EncryptedError:
        reason = "must have a key without a password. Remove the password with `openssl pkey`"
        raise _arguments.invalid("client_cert", reason) from None
    except (OSError, ValueError) as error:
        reason = f"must be a certificate and its key in PEM, in one file or two: {error}"
        raise _arguments.invalid("client_cert", reason) from error
    return certificate if key is None else (certificate, key)


class _EncryptedError(Exception):
    pass


def _no_password() -> str:
    # Without this function OpenSSL would ask for the password on the terminal, and wait.
    raise _EncryptedError


def context(transport: Transport) -> ssl.SSLContext:
    """Return the TLS context of a new connection.

    Raises:
        OSError: A file can't be read, or has no certificate any more.
    """
    if transport.verify:
        tls = ssl.create_default_context(cafile=transport.ca_cert)
    else:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    certificate, key = transport.cert_files
    if certificate is not None:
        tls.load_cert_chain(certificate, key, _no_password)
    return tls
