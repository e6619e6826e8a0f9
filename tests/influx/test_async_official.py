"""The objects of influxdb-client that `AsyncInfluxManager` hands out, on its settings and for its loops."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from influxdb_client.rest import ApiException

from db_core.errors import InvalidArgumentError, MissingLibraryError
from db_influx import AsyncInfluxManager
from tests.peer import silence
from tests.security.conftest import front, pki

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.influx.conftest import Store
    from tests.peer import Peer
    from tests.security.certificates import Pki
    from tools import servers

__all__ = ["front", "pki"]

pytestmark = pytest.mark.usefixtures("nothing_left")

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z


async def use(manager: AsyncInfluxManager, store: Store, msname: str) -> None:
    """Write a point by one of the objects, and find it by the others."""
    write = await manager.get_write_api({"from": "here"})
    assert await write.write(store.name, record=f"{msname} v=1.5 {T0}")
    query = await manager.get_query_api()
    flux = (
        f'from(bucket: "{store.name}") |> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z) '
        f'|> filter(fn: (r) => r._measurement == "{msname}")'
    )
    [table] = await query.query(flux)
    assert [1.5] == [record.get_value() for record in table.records]
    buckets = await manager.get_buckets_api()
    assert store.number == (await asyncio.to_thread(buckets.find_bucket_by_name, store.name)).id


def test_they_work_on_each_loop_and_leave_nothing_open(
    make_async: Callable[..., AsyncInfluxManager], store: Store, msname: str
) -> None:
    """One loop after the other, beside our own methods."""
    manager = make_async()

    async def main() -> None:
        async with manager:
            await use(manager, store, msname)
            assert msname in await manager.get_measurements_on_bucket(store.name)

    for _ in range(2):
        asyncio.run(main())


def test_they_check_certificates_as_the_manager_does(
    server: servers.InfluxDB, store: Store, msname: str, pki: Pki, front: Callable[..., Peer]
) -> None:
    """By the authority that it is given."""
    before = front(int(server.url.rpartition(":")[2]), pki.server)
    url = f"https://localhost:{before.port}"

    async def main(**options: Any) -> None:
        async with AsyncInfluxManager(url, server.org, server.token, **options) as manager:
            await use(manager, store, msname)

    asyncio.run(main(ca_cert=pki.ca_cert))
    with pytest.raises(Exception, match="certificate verify failed"):
        asyncio.run(main())


def test_they_follow_no_redirect_with_the_token(peer: Callable[..., Peer]) -> None:
    """It could lead to another host."""
    other = peer(silence)
    moved = f"HTTP/1.1 307 Moved\r\nLocation: {other.url}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    server = peer(moved.encode())

    async def main() -> None:
        async with AsyncInfluxManager(server.url, "o", "t") as manager:
            query = await manager.get_query_api()
            await query.query_raw("any")

    with pytest.raises(ApiException):
        asyncio.run(main())
    assert 0 == other.connections


def test_wrong_tags_are_our_error(make_async: Callable[..., AsyncInfluxManager]) -> None:
    """As with the other manager."""
    with pytest.raises(InvalidArgumentError):
        asyncio.run(make_async().get_write_api({"": "v"}))


def test_a_missing_aiohttp_is_told(
    make_async: Callable[..., AsyncInfluxManager], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to install."""
    monkeypatch.setitem(sys.modules, "influxdb_client.client.influxdb_client_async", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'influxdb-client\[async\]'"):
        asyncio.run(make_async().get_query_api())
