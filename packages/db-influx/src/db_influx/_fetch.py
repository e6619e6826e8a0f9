"""Queries to decoded answers, several at once: where the transport meets the decoder."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from itertools import takewhile
from typing import TYPE_CHECKING

from db_core.annotated_csv import decode, decode_at_most, iter_annotated_csv

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from db_core.annotated_csv import Answer
    from db_core.frame import Frame
    from db_influx._flux import Query
    from db_influx._transport import Transport

__all__ = ["fetch", "fetch_at_most", "fetch_batches"]


def fetch(
    transport: Transport, queries: Sequence[Query], *, max_parallel: int, timeout: float | None
) -> list[Answer]:
    """Ask all queries, at most `max_parallel` at once, and decode their answers as they arrive.

    All answers, or the first error; then the other transfers are stopped.
    """
    stop = threading.Event()
    if len(queries) == 1:
        return [_answer(transport, queries[0], timeout, stop)]
    pool = ThreadPoolExecutor(min(max_parallel, len(queries)), thread_name_prefix="db-influx")
    try:
        pending = [pool.submit(_answer, transport, query, timeout, stop) for query in queries]
        done, _ = wait(pending, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        return [future.result() for future in pending]
    finally:
        # Also on Ctrl-C: a transfer sees this at its next chunk.
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)


def fetch_at_most(
    transport: Transport, query: Query, rows: int | None, *, timeout: float | None
) -> Answer | None:
    """Ask a query; None, and the transfer stopped, once its answer has more rows than that."""
    with closing(transport.query(query, timeout=timeout)) as chunks:
        return decode(chunks) if rows is None else decode_at_most(chunks, rows)


def fetch_batches(
    transport: Transport, query: Query, batch_rows: int, *, timeout: float | None
) -> Generator[Frame]:
    """Ask a query and yield its answer in frames; closing the iterator stops the transfer."""
    with closing(transport.query(query, timeout=timeout)) as chunks:
        yield from iter_annotated_csv(chunks, batch_rows=batch_rows)


def _answer(transport: Transport, query: Query, timeout: float | None, stop: threading.Event) -> Answer:
    with closing(transport.query(query, timeout=timeout)) as chunks:
        return decode(takewhile(lambda _: not stop.is_set(), chunks))
