"""What a manager sends, noted on its way, to be sent again without the work around it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_influx import InfluxManager


class Sent:
    """The queries and bodies of one call, and how many were under way at once."""

    def __init__(self, manager: InfluxManager) -> None:
        self._transport: Any = manager._transport
        self._lock = threading.Lock()
        self._now = 0
        self.queries: list[Any] = []
        self.bodies: list[bytes] = []
        self.parallel = 0

    def call(self, **options: Any) -> Any:
        """Pass a call on."""
        return self._transport.call(**options)

    def ask_json(self, ask: Any, **options: Any) -> Any:
        """Pass a small request on."""
        return self._transport.ask_json(ask, **options)

    def query(self, query: Any, **options: Any) -> Iterator[bytes]:
        """Pass a query on."""
        self.queries.append(query)
        with self._under_way():
            yield from self._transport.query(query, **options)

    def write(self, bucket: str, body: bytes, **options: Any) -> None:
        """Pass a body on."""
        self.bodies.append(body)
        with self._under_way():
            self._transport.write(bucket, body, **options)

    def discard_answers(self) -> int:
        """Send the queries again, as many at once, and drop their answers; gives their bytes."""
        return sum(self._at_once(lambda query: sum(map(len, self._transport.query(query))), self.queries))

    def post(self, bucket: str) -> None:
        """Send the bodies again, as many at once."""
        self._at_once(lambda body: self._transport.write(bucket, body), self.bodies)

    def _at_once(self, job: Callable[[Any], Any], items: list[Any]) -> list[Any]:
        if self.parallel == 1:
            return [job(item) for item in items]
        with ThreadPoolExecutor(self.parallel) as pool:
            return list(pool.map(job, items))

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        with self._lock:
            self._now += 1
            self.parallel = max(self.parallel, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1


def sent_by(manager: InfluxManager, call: Callable[[], object]) -> Sent:
    """Note what `manager` sends during `call`."""
    noted = Sent(manager)
    real = manager._transport
    manager._transport = noted  # type: ignore[assignment]
    try:
        call()
    finally:
        manager._transport = real
    return noted
