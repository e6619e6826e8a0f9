"""Line protocol as text: cut between points, and written as it is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from db_core.errors import AuthenticationError, ConnectionFailedError, NotFoundError, ParseError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from db_influx import InfluxManager

__all__ = ["LineWriter", "bodies"]

_BODY = 4 << 20  # bytes
_LONGEST = 64 << 20  # bytes of a point; InfluxDB takes texts of 1 MiB
_KEY = rb"(?:[^=\n\\]|\\.)+"
_VALUE = rb'(?:"(?:[^"\\]|\\.)*"|[^",\n])[^,\n]*'
_FIELD = _KEY + rb"=" + _VALUE
# A text may have line feeds; a quote elsewhere means nothing.
_POINT = re.compile(rb"(?:[^ \n\\]|\\.)+ +" + _FIELD + rb"(?:," + _FIELD + rb")*\n", re.DOTALL)


def bodies(path: Path) -> Iterator[bytes]:
    """Yield the text of a file in pieces of some 4 MiB, each of whole points.

    Raises:
        ParseError: A point has no end.
    """
    rest, offset = b"", 0
    with path.open("rb") as file:
        while data := file.read(_BODY):
            rest += data
            end = _end(rest)
            if end:
                yield rest[:end]
                rest, offset = rest[end:], offset + end
            elif len(rest) > _LONGEST:
                raise ParseError(
                    f"{path} is no line protocol: a point that begins here has no end", offset=offset
                )
    if rest.strip():
        yield rest


def _end(text: bytes) -> int:
    """Return where the last whole point ends; 0 if there is none."""
    if b'"' not in text:
        return text.rfind(b"\n") + 1
    at = 0
    while at < len(text):
        point = _POINT.match(text, at)
        if point is not None:
            at = point.end()
            continue
        line = text.find(b"\n", at) + 1
        # A comment, an empty line, or one that the server will refuse; unless it is a text that goes on.
        if not line or (not text.startswith((b"#", b"\n", b"\r\n"), at) and b'="' in text[at:line]):
            break
        at = line
    return at


class LineWriter:
    """Writes line protocol to a bucket, by the official client, as managers write frames alone."""

    def __init__(self, manager: InfluxManager, bucket: str, precision: str = "ns") -> None:
        self._api = manager.get_write_api()
        self._where: dict[str, Any] = {"bucket": bucket, "write_precision": precision}

    def write(self, body: bytes) -> None:
        """Write the points of a text.

        Raises:
            WriteError: The server refused points.
            AuthenticationError: It does not know the token, or the token may not write the bucket.
            NotFoundError: There is no such bucket.
            ConnectionFailedError: It can't be reached.
        """
        from influxdb_client.rest import ApiException
        from urllib3.exceptions import HTTPError

        try:
            self._api.write(**self._where, record=body)
        except ApiException as error:
            reason = _reason(error.body) or str(error.reason)
            kind = {401: AuthenticationError, 403: AuthenticationError, 404: NotFoundError}.get(error.status)
            if kind is not None:
                raise kind(reason) from None
            raise WriteError(reason, accepted=0, status=error.status) from None
        except HTTPError as error:
            raise ConnectionFailedError(f"the server can't be reached: {error}") from None


def _reason(body: object) -> str | None:
    try:
        return str(json.loads(body)["message"])  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError):
        return None
