"""Queries to decoded answers, several at once: where the transport meets the decoder."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from db_core.annotated_csv import decode, decode_at_most, iter_annotated_csv, split
from db_core.errors import ParseError
from db_influx._call import Again

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterator, Sequence
    from concurrent.futures import Future

    from db_core.annotated_csv import Answer
    from db_core.frame import Frame
    from db_influx._call import Call
    from db_influx._flux import Query
    from db_influx._transport import JsonRequest, Transport

__all__ = [
    "TEXT",
    "VALUE",
    "Asking",
    "Reduced",
    "columns",
    "fetch",
    "fetch_at_most",
    "fetch_batches",
    "names",
]

TEXT = ("string", "dictionary")
VALUE = ("float64", "int64", "uint64", "bool", *TEXT)  # what a field may hold


@dataclass(frozen=True, slots=True)
class Reduced:
    """A query whose answer becomes another, smaller one as soon as it is decoded."""

    query: Query
    reduce: Callable[[Answer], Answer]


class Asking:
    """Asks the questions of one call; the time to its deadline runs from when this is made.

    Args:
        transport: The way to the server.
        max_parallel: How many queries are sent at once.
        timeout: Seconds the server may be silent; None is the settings'.
    """

    def __init__(self, transport: Transport, *, max_parallel: int, timeout: float | None) -> None:
        self._transport = transport
        self._max_parallel = max_parallel
        self._timeout = timeout
        self._since = time.monotonic()

    def __call__(self, queries: Sequence[Query | Reduced]) -> list[Answer]:
        """Send queries and return their answers, in order; see `fetch`."""
        return fetch(
            self._transport,
            queries,
            max_parallel=self._max_parallel,
            timeout=self._timeout,
            since=self._since,
        )

    def json(self, request: JsonRequest) -> Any:
        """Send a small request and return its JSON answer."""
        with self._transport.call(since=self._since) as call:
            return call.attempt(partial(self._transport.ask_json, request, timeout=self._timeout, call=call))


def fetch(
    transport: Transport,
    queries: Sequence[Query | Reduced],
    *,
    max_parallel: int,
    timeout: float | None,
    since: float | None = None,
) -> list[Answer]:
    """Ask all queries, at most `max_parallel` at once, and decode their answers as they arrive.

    All answers, or the first error; then, as on Ctrl-C, the other transfers are stopped. A query whose
    answer breaks off is asked again, whole. The time to the deadline runs from `since`, by
    `time.monotonic`, where this is not the first question of a read.
    """
    with transport.call(since=since) as call:
        if len(queries) == 1:
            return [_answer(transport, queries[0], timeout, call)]
        pool = ThreadPoolExecutor(min(max_parallel, len(queries)), thread_name_prefix="db-influx")
        # Not `concurrent.futures.wait`: Ctrl-C while it takes the futures' locks leaves them taken for ever.
        ended: SimpleQueue[int] = SimpleQueue()
        pending: list[Future[Answer]] = []

        def ask(number: int) -> Answer:
            try:
                return _answer(transport, queries[number], timeout, call)
            finally:
                ended.put(number)

        try:
            pending = [pool.submit(ask, number) for number in range(len(queries))]
            for _ in queries:
                pending[ended.get()].result()
            return [future.result() for future in pending]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            del pending  # or an error and they hold each other until garbage is collected


def fetch_at_most(
    transport: Transport, query: Query, limits: tuple[int, int] | None, *, timeout: float | None
) -> tuple[Answer, int] | None:
    """Ask a query and give its answer with the bytes of its text.

    None, and the transfer stopped, once it has more rows or bytes than the limits.
    """
    rows, size = limits or (sys.maxsize, sys.maxsize)

    def ask() -> tuple[Answer, int] | None:
        with closing(transport.query(query, timeout=timeout, call=call)) as chunks:
            return decode_at_most(chunks, rows, size)

    with transport.call() as call:
        return call.attempt(ask)


def fetch_batches(
    transport: Transport, query: Query, batch_rows: int, *, timeout: float | None
) -> Generator[Frame]:
    """Ask a query and yield its answer in frames; closing the iterator stops the transfer.

    It is asked again only before the first frame, and has no deadline, as the caller's time counts too.
    """

    def begin() -> tuple[Generator[bytes], Iterator[Frame], Frame | None]:
        with ExitStack() as on_failure:
            chunks = on_failure.enter_context(closing(transport.query(query, timeout=timeout, call=call)))
            frames = iter_annotated_csv(chunks, batch_rows=batch_rows)
            first = next(frames, None)
            on_failure.pop_all()
        return chunks, frames, first

    with transport.call(endless=True) as call:
        chunks, frames, first = call.attempt(begin)
        with closing(chunks):
            if first is not None:
                yield first
            error = None
            try:
                yield from frames
            except Again as again:
                error = again.error
            if error is not None:
                try:
                    raise error  # out here, or the two hold each other until garbage is collected
                finally:
                    del error


def columns(answer: Answer, **kinds: Container[str]) -> Iterator[tuple[dict[str, list[Any]], dict[str, str]]]:
    """Give the columns of an answer and what they hold, schema by schema.

    Args:
        answer: What was decoded.
        kinds: The columns that were asked for, and what each may hold.

    Raises:
        ParseError: It has not these columns: it is the answer to another question.
    """
    for frame in split(answer):
        for name, allowed in kinds.items():
            if frame.kinds.get(name) not in allowed:
                held = ", ".join(f"{one} ({kind})" for one, kind in frame.kinds.items())
                raise ParseError(
                    f"the answer is to another question: it has {held}, and no such {name}", offset=0
                )
        yield frame.to_pydict(), frame.kinds


def names(answer: Answer) -> list[str]:
    """Return the names that an answer lists, sorted."""
    return sorted(name for found, _ in columns(answer, _value=TEXT) for name in found["_value"])


def _answer(transport: Transport, query: Query | Reduced, timeout: float | None, call: Call) -> Answer:
    sent = query.query if isinstance(query, Reduced) else query

    def ask() -> Answer:
        with closing(transport.query(sent, timeout=timeout, call=call)) as chunks:
            return decode(chunks)

    answer = call.attempt(ask)
    return query.reduce(answer) if isinstance(query, Reduced) else answer
