"""Whom requests go to and who asks: what all of them need besides what they are about."""

from __future__ import annotations

import re
import sys
import time
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from db_core.secret import Secret
from db_influx._certificates import context
from db_influx._io import CallLimits, Tls

if TYPE_CHECKING:
    from db_influx._options import Transport
    from db_influx._progress import Meter
    from db_influx._settings import InfluxSettings

__all__ = ["Request", "Server"]

_SHORTEST_TOKEN = 8  # that errors do not show
_AGENT = f"db-influx/{version('db-influx')} Python/{sys.version_info.major}.{sys.version_info.minor}"
_ID = re.compile("[0-9a-fA-F]{16}")


class Server:
    """A server, who asks, and how: all that a request needs besides what it is about."""

    def __init__(self, settings: InfluxSettings, transport: Transport) -> None:
        token = settings.token.get_secret_value()
        self.secret = Secret(token, shortest=_SHORTEST_TOKEN)
        self.transport = transport
        self.url = settings.url
        parts = urlsplit(settings.url)
        self.host = parts.hostname or ""
        is_tls = parts.scheme == "https"
        self.port = parts.port or (443 if is_tls else 80)
        self._path = quote(parts.path, safe="/%!$&'()*+,;=:@~")
        # Queries and writes take what has the form of an ID for one; the lists of buckets and mappings don't.
        self._org = {"orgID" if _ID.fullmatch(settings.org) else "org": settings.org}
        name = self.host.rstrip(".")
        self.tls = Tls(partial(context, transport), name) if is_tls else None
        shown = f"[{name}]" if ":" in name else _ascii(name)
        self._headers = (
            ("Host", shown if parts.port is None else f"{shown}:{parts.port}"),
            ("Authorization", f"Token {token}"),
            ("User-Agent", _AGENT),
        )

    def request(
        self,
        path: str,
        parameters: dict[str, str],
        headers: dict[str, str],
        body: bytes | None,
        method: str | None = None,
    ) -> Request:
        """Return a request: unless `method` says otherwise a GET, or a POST if it has a body."""
        target = f"{self._path}/{path}?{urlencode(self._org | parameters)}"
        length = () if body is None else (("Content-Length", str(len(body))),)
        method = method or ("GET" if body is None else "POST")
        return Request(method, target, (*self._headers, *headers.items(), *length), body)

    def limits(
        self, silence: float | None, meter: Meter | None = None, *, endless: bool = False
    ) -> CallLimits:
        """Return the limits of a call that begins now.

        Args:
            silence: Seconds the server may be silent; None is the settings'.
            meter: Counts the progress of the call.
            endless: It has no deadline, as the caller's own time counts too.
        """
        transport = self.transport
        deadline = None if endless else transport.deadline
        end = None if deadline is None else time.monotonic() + deadline
        silence = transport.timeout if silence is None else silence
        return CallLimits(silence, deadline, end, transport.retries, meter)


def _ascii(name: str) -> str:
    """Return how a host's name is spelled in a header; one that has no such spelling can't be resolved."""
    with suppress(UnicodeError):
        return name.encode("idna").decode("ascii")
    return name


class Request(NamedTuple):
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None

    def __repr__(self) -> str:
        return (
            f"<{self.method} {self.target}>"  # tools show the locals of an error, and a header has the token
        )
