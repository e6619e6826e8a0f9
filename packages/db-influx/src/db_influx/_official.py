"""influxdb-client's own clients, on a manager's settings, made when one is asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from db_core.errors import MissingLibraryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from influxdb_client.client.influxdb_client import InfluxDBClient
    from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
    from influxdb_client.client.write_api import PointSettings

    from db_influx._options import Transport
    from db_influx._settings import InfluxSettings

__all__ = ["Official", "OfficialAsync", "point_settings"]


def point_settings(tags: Mapping[str, str] | None) -> PointSettings:
    """Return the tags of every point that an official write API writes, checked."""
    from influxdb_client.client.write_api import PointSettings

    from db_influx._points import constant_tags

    return PointSettings(**constant_tags(tags))


def _arguments_of(settings: InfluxSettings, transport: Transport) -> dict[str, Any]:
    cert, key = transport.cert_files
    return {
        "url": settings.url,
        "token": settings.token.get_secret_value(),
        "org": settings.org,
        "timeout": round(transport.timeout * 1_000),
        "enable_gzip": transport.gzip,
        "verify_ssl": transport.verify,
        "ssl_ca_cert": transport.ca_cert,
        "cert_file": cert,
        "cert_key_file": key,
    }


class Official:
    """The blocking client; safe to share between threads."""

    def __init__(self, settings: InfluxSettings, transport: Transport) -> None:
        self._arguments = _arguments_of(settings, transport)
        self._client: InfluxDBClient | None = None
        self._lock = threading.Lock()

    def client(self) -> InfluxDBClient:
        """Return the client."""
        from influxdb_client.client.influxdb_client import InfluxDBClient

        with self._lock:
            if self._client is None:
                self._client = InfluxDBClient(**self._arguments)
            return self._client

    def close(self) -> None:
        """Close it; a later call makes another."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()


class OfficialAsync:
    """The asyncio client of one event loop."""

    def __init__(self, settings: InfluxSettings, transport: Transport) -> None:
        self._arguments = _arguments_of(settings, transport)
        self._client: InfluxDBClientAsync | None = None

    def client(self) -> InfluxDBClientAsync:
        """Return the client, made on the running loop.

        Raises:
            MissingLibraryError: aiohttp is not installed, which influxdb-client uses there.
        """
        if self._client is None:
            try:
                from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

                # A redirect could carry the token to another host.
                self._client = InfluxDBClientAsync(**self._arguments, allow_redirects=False)
            except ImportError as error:
                message = (
                    "influxdb-client's asyncio client needs aiohttp, which is not installed: "
                    "pip install 'influxdb-client[async]'"
                )
                raise MissingLibraryError(message) from error
        return self._client

    async def aclose(self) -> None:
        """Close it."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
