"""`AsyncInfluxManager`: the methods, each of which is awaited."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from db_influx._official import OfficialAsync, point_settings
from db_influx.methods import Methods

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping
    from types import TracebackType

    from influxdb_client.client.bucket_api import BucketsApi
    from influxdb_client.client.query_api_async import QueryApiAsync
    from influxdb_client.client.write_api_async import WriteApiAsync

    from db_influx._async_point_writer import AsyncPointWriter
    from db_influx._options import Options
    from db_influx._outbox import Job, Outbox
    from db_influx._point import PointLayout
    from db_influx._server import Server
    from db_influx._steps import Steps

__all__ = ["AsyncInfluxManager", "Opening"]

_SnapshotT = TypeVar("_SnapshotT")


class Opening(Generic[_SnapshotT]):
    """A snapshot in the making: await it, or enter it with ``async with``, which closes it at the end."""

    def __init__(self, made: Coroutine[Any, Any, _SnapshotT]) -> None:
        self._made = made
        self._snapshot: Any = None

    def __await__(self) -> Generator[Any, None, _SnapshotT]:
        return self._made.__await__()

    async def __aenter__(self) -> _SnapshotT:
        snapshot = self._snapshot = await self._made
        return snapshot

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._snapshot.close()


class AsyncInfluxManager(Methods):
    """`InfluxManager` for asyncio, with the same methods, arguments, results and errors. Await each call.

    Await `snapshot`, or enter it with ``async with manager.snapshot(…) as snapshot``. The methods of a
    `Snapshot` block: call them with `asyncio.to_thread`. `query_batches`, `query_influxql_batches` and
    `read_batches` return asynchronous iterators for ``async for``. If you leave one before its end, close it,
    for example with `contextlib.aclosing`. Slices of a long read are tasks. Long work, such as decoding and
    pivoting, runs in threads of the loop's default executor, so that the event loop stays responsive. A
    cancelled task closes its connections. If it was writing, some of the points may be stored.

    A manager can be made outside of a loop, and shared between tasks. Several loops can use it: each has its
    own connections. It is an asynchronous context manager, and can be pickled. `InfluxManager` describes the
    common arguments and errors.
    """

    def _make_wire(self, server: Server) -> Any:
        from db_core.loops import ClientsByLoop
        from db_influx._async_wire import AsyncWire

        make = partial(OfficialAsync, self._settings, self._transport)
        self._official_by_loop = ClientsByLoop(make(), make)
        return AsyncWire(server)

    def _enter(self, plan: Steps[Any], call: Options, method: str, bucket: str) -> Any:
        return Opening(self._run(plan, call, method, bucket))

    def _open_writer(
        self, outbox: Outbox, layout: PointLayout, deliver: Callable[[Job], Any]
    ) -> AsyncPointWriter:
        from db_influx._async_point_writer import AsyncPointWriter

        return AsyncPointWriter(outbox, layout, deliver, self._transport.deadline)

    async def _collect(
        self, plan: Steps[None], call: Options, method: str, bucket: str, measurement: str | None
    ) -> Any:
        return [one async for one in self._iterate(plan, call, method, bucket, measurement)]

    async def aclose(self) -> None:
        """Close all connections of the running loop; a later call opens new ones."""
        await self._wire.close()
        await self._official_by_loop.close()
        self._official.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    # The official client, on the same settings

    async def get_write_api(self, tags: Mapping[str, str] | None = None) -> WriteApiAsync:
        """Return influxdb-client's own asyncio write API, for the running loop; it needs aiohttp.

        Args:
            tags: Tags of every point that it writes.
        """
        found = await self._official_by_loop.of_running_loop()
        return found.client.client().write_api(point_settings=point_settings(tags))

    async def get_buckets_api(self) -> BucketsApi:
        """Return influxdb-client's own buckets API, which blocks, as it has none for asyncio.

        Call its methods with `asyncio.to_thread`.
        """
        return self._official.client().buckets_api()

    async def get_query_api(self) -> QueryApiAsync:
        """Return influxdb-client's own asyncio query API, for the running loop; it needs aiohttp."""
        found = await self._official_by_loop.of_running_loop()
        return found.client.client().query_api()
