"""What a manager sends, noted step by step, to be sent again without the work around it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import urllib3

from db_influx._steps import Ask, AskAtMost, Post, Reduced, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from db_influx import InfluxManager

_CHUNK = 1 << 17  # bytes


class Sent:
    """The queries and bodies of some calls, and how many were under way at once."""

    def __init__(self, manager: InfluxManager) -> None:
        inside: Any = manager
        self._wire = inside._wire
        settings = inside._settings
        self._url, self._org = settings.url, settings.org
        self._headers = {"Authorization": f"Token {settings.token.get_secret_value()}"}
        self._http = urllib3.PoolManager(maxsize=16)
        self.queries: list[Any] = []
        self.bodies: list[bytes] = []
        self.parallel = 0

    def run(self, plan: Any, *options: Any) -> Any:
        """Pass a plan on."""
        return self._wire.run(self._noted(plan), *options)

    def iterate(self, plan: Any, *options: Any) -> Iterator[Any]:
        """Pass a plan on whose frames are iterated."""
        return self._wire.iterate(self._noted(plan), *options)  # type: ignore[no-any-return]

    def _noted(self, plan: Any) -> Generator[Any, Any, Any]:
        """Do the same steps as a plan."""
        reply: Any = None
        failure: Exception | None = None
        try:
            while True:
                step = plan.send(reply) if failure is None else plan.throw(failure)
                reply = failure = None
                self._note(step)
                try:
                    reply = yield step
                except Exception as error:  # noqa: BLE001 - it is for the plan to handle
                    failure = error
        except StopIteration as end:
            return end.value
        finally:
            plan.close()

    def _note(self, step: Any) -> None:
        match step:
            case Ask(queries, at_once):
                self.queries += [one.query if isinstance(one, Reduced) else one for one in queries]
                self.parallel = max(self.parallel, min(at_once, len(queries)))
            case AskAtMost(query) | Stream(query):
                self.queries.append(query)
                self.parallel = max(self.parallel, 1)
            case Post(_, body):
                self.bodies.append(body)
                self.parallel = max(self.parallel, 1)

    def answer(self, query: Any) -> Iterator[bytes]:
        """Send a query and yield its answer as it arrives."""
        headers = {**self._headers, "Content-Type": "application/json", "Accept": "application/csv"}
        response = self._post("query", {}, query.body(), headers)
        while chunk := response.read(_CHUNK):
            yield chunk

    def write(self, bucket: str, body: bytes) -> None:
        """Send a body."""
        self._post("write", {"bucket": bucket, "precision": "ns"}, body, self._headers).drain_conn()

    def _post(self, path: str, parameters: dict[str, str], body: bytes, headers: dict[str, str]) -> Any:
        address = f"{self._url}/api/v2/{path}?{urlencode({'org': self._org, **parameters})}"
        response = self._http.request("POST", address, body=body, headers=headers, preload_content=False)
        if response.status not in (200, 204):
            raise RuntimeError(response.data)
        return response

    def discard_answers(self) -> int:
        """Send the queries again, as many at once, and drop their answers; return their bytes."""
        return sum(self._at_once(lambda query: sum(map(len, self.answer(query))), self.queries))

    def post(self, bucket: str) -> None:
        """Send the bodies again, as many at once."""
        self._at_once(lambda body: self.write(bucket, body), self.bodies)

    def _at_once(self, job: Callable[[Any], Any], items: list[Any]) -> list[Any]:
        if self.parallel == 1:
            return [job(item) for item in items]
        with ThreadPoolExecutor(self.parallel) as pool:
            return list(pool.map(job, items))


def sent_by(manager: InfluxManager, call: Callable[[], object]) -> Sent:
    """Note what `manager` sends during `call`."""
    noted = Sent(manager)
    inside: Any = manager
    real, inside._wire = inside._wire, noted
    try:
        call()
    finally:
        inside._wire = real
    return noted
