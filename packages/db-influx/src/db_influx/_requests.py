"""What each step becomes: requests to the server, their attempts, and errors of `db_core.errors`.

Everything here is a generator of `_io`'s steps, so that both wires share it.
"""

from __future__ import annotations

import gzip
import json
import sys
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from db_core.annotated_csv import BatchDecoder
from db_core.errors import ConnectionFailedError, ParseError, QueryError, WriteError
from db_core.observed import current_call, part_of_call
from db_influx._attempts import Again, attempts
from db_influx._exchange import Exchange
from db_influx._refusals import EXCERPT, read_start, refusal
from db_influx._steps import AskAtMost, AskJson, Batch, Change, Download, Post, Reduced, Report, Stream, Work

if TYPE_CHECKING:
    from db_core.annotated_csv import Answer
    from db_core.frame import Frame
    from db_influx._io import CallLimits, Io, Pool
    from db_influx._server import Server
    from db_influx._steps import Query, Step

__all__ = ["ask", "perform"]

_LONGEST_JSON = 1 << 26  # bytes
_UNTIL_IN_USE = 5.0  # seconds, so that three retries take longer than the ten in which InfluxDB finds it
_ROW = 16  # bytes that a decoded value takes
# The steps of which a call may have many, as for the slices of a read, and the names of their spans.
_PARTS: dict[type, str] = {AskAtMost: "query", Download: "download", Post: "write"}
# A page of a proxy, say. Other types are not looked at: some proxies send CSV as text/plain.
_NO_ANSWER = ("text/html", "application/xhtml+xml", "application/json")


def ask(server: Server, pool: Pool, query: Query | Reduced, limits: CallLimits) -> Io[Answer]:
    """Send a query and decode its answer as it arrives; a query whose answer breaks off is sent again."""
    sent = query.query if isinstance(query, Reduced) else query

    def attempt(limits: CallLimits) -> Io[Answer]:
        exchange = Exchange(server, pool, limits)
        try:
            yield from _begin_query(server, exchange, sent)
            decoder = sent.decoder()
            while data := (yield from exchange.read()):
                yield Work(partial(decoder.feed, data), len(data))
            answer = decoder.finish()
            exchange.rows = answer.rows
            return answer
        finally:
            exchange.close()

    answer = yield from attempts(limits, server.secret, attempt)
    if isinstance(query, Reduced):
        answer = yield Work(partial(query.reduce, answer), answer.rows * _ROW)
    return answer


def perform(server: Server, pool: Pool, step: Step, limits: CallLimits) -> Io[Any]:
    """Do a step that is one request; see `_steps`."""
    name = _PARTS.get(type(step))
    if name is None:
        return (yield from _perform(server, pool, step, limits))
    with part_of_call(name):
        return (yield from _perform(server, pool, step, limits))


def _perform(server: Server, pool: Pool, step: Step, limits: CallLimits) -> Io[Any]:
    match step:
        case AskAtMost():
            return (yield from attempts(limits, server.secret, partial(_ask_at_most, server, pool, step)))
        case AskJson():
            return (yield from attempts(limits, server.secret, partial(_ask_json, server, pool, step)))
        case Change():
            return (yield from attempts(limits, server.secret, partial(_change, server, pool, step)))
        case Download():
            return (yield from attempts(limits, server.secret, partial(_download, server, pool, step)))
        case Post():
            call = current_call()
            with nullcontext() if call is None else call.about(step.bucket):
                return (yield from attempts(limits, server.secret, partial(_post, server, pool, step)))
        case Stream():
            return (yield from _stream(server, pool, step, limits))
    raise TypeError(step)


def _ask_at_most(
    server: Server, pool: Pool, step: AskAtMost, limits: CallLimits
) -> Io[tuple[Answer, int] | None]:
    rows, size = step.limits or (sys.maxsize, sys.maxsize)
    exchange = Exchange(server, pool, limits)
    try:
        yield from _begin_query(server, exchange, step.query)
        decoder = step.query.decoder()
        held = 0
        while data := (yield from exchange.read()):
            yield Work(partial(decoder.feed, data), len(data))
            held += len(data)
            exchange.rows = decoder.rows
            if decoder.rows > rows or held > size:
                return None
        return decoder.finish(), held
    finally:
        exchange.close()


def _stream(server: Server, pool: Pool, step: Stream, limits: CallLimits) -> Io[None]:
    """Hand on an answer as it arrives. It is asked for again only before the first frame."""
    decoder = BatchDecoder(step.batch_rows, decoder=step.query.decoder())
    exchange = Exchange(server, pool, limits)

    def first(limits: CallLimits) -> Io[list[Frame]]:
        nonlocal decoder, exchange
        decoder = BatchDecoder(step.batch_rows, decoder=step.query.decoder())
        exchange = Exchange(server, pool, limits)
        try:
            yield from _begin_query(server, exchange, step.query)
            return (yield from _frames(exchange, decoder))
        except BaseException:
            exchange.close()
            raise

    try:
        frames = yield from attempts(limits, server.secret, first)
        exchange.rows = 0
        while frames:
            for frame in frames:
                rows = len(frame)
                exchange.rows += rows
                yield Batch((yield Work(partial(frame.release, step.into), rows * _ROW)))
                if limits.meter is not None:
                    limits.meter.report(Report(rows=rows))
            frames = yield from _frames(exchange, decoder)
    finally:
        exchange.close()


def _frames(exchange: Exchange, decoder: BatchDecoder) -> Io[list[Frame]]:
    """Return the next frames; none at the end of the answer."""
    while data := (yield from exchange.read()):
        frames: list[Frame] = yield Work(partial(decoder.feed, data), len(data))
        if frames:
            return frames
    return decoder.finish()


def _begin_query(server: Server, exchange: Exchange, query: Query) -> Io[None]:
    headers = {
        "Accept": query.accept,
        "Accept-Encoding": "gzip" if server.transport.gzip else "identity",
        "Content-Type": query.content_type,
    }
    head = yield from exchange.begin(server.request(query.path, {}, headers, query.body()))
    if head.status != HTTPStatus.OK:
        raise (yield from refusal(server, exchange, QueryError))
    if head.media_type in _NO_ANSWER:
        text = server.secret.masked((yield from read_start(exchange))).strip()
        raise ParseError(f"expected {query.format}, got {head.media_type}: {text[:EXCERPT]}", offset=0)
    # Some tables end as answers do, so that the text itself can't tell.
    exchange.check_end()
    exchange.unpack()


def _ask_json(server: Server, pool: Pool, step: AskJson, limits: CallLimits) -> Io[Any]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    body = None
    if step.form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urlencode(step.form).encode()
    exchange = Exchange(server, pool, limits)
    try:
        head = yield from exchange.begin(server.request(step.path, dict(step.parameters), headers, body))
        if head.status != HTTPStatus.OK:
            raise (yield from refusal(server, exchange, QueryError))
        return (yield from _json(server, exchange, step.path))
    finally:
        exchange.close()


def _change(server: Server, pool: Pool, step: Change, limits: CallLimits) -> Io[Any]:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    body = None
    if step.content is not None:
        headers["Content-Type"] = "application/json"
        body = json.dumps(step.content).encode()
    exchange = Exchange(server, pool, limits)
    try:
        request = server.request(step.path, dict(step.parameters), headers, body, step.method)
        head = yield from exchange.begin(request)
        if head.status == HTTPStatus.NO_CONTENT:
            return None
        if head.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise (yield from refusal(server, exchange, QueryError))
        return (yield from _json(server, exchange, step.path))
    finally:
        exchange.close()


def _json(server: Server, exchange: Exchange, path: str) -> Io[Any]:
    """Receive the body of a response, and return its JSON."""
    exchange.check_end()
    exchange.unpack()
    text = bytearray()
    while (data := (yield from exchange.read())) and len(text) <= _LONGEST_JSON:
        text += data
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        excerpt = server.secret.masked(text.decode("utf-8", "replace")).strip()[:EXCERPT]
        message = f"expected JSON from {path}, got {len(text)} bytes of other text: {excerpt}"
        raise ParseError(message, offset=0) from error


def _download(server: Server, pool: Pool, step: Download, limits: CallLimits) -> Io[Any]:
    # Not compressed: shards hold little that gzip makes smaller, and it takes longer than a fast network.
    headers = {"Accept-Encoding": "identity"}
    if not step.counts:
        limits = replace(limits, meter=None)
    exchange = Exchange(server, pool, limits)
    with ExitStack() as at_end:
        at_end.callback(exchange.close)
        head = yield from exchange.begin(server.request(step.path, {}, headers, None))
        if head.status != HTTPStatus.OK:
            error = yield from refusal(server, exchange, QueryError)
            # InfluxDB can't copy a shard while one of its files is replaced, or until it finds that a shard
            # which had no points is in use. It says no more than this status.
            if isinstance(error, QueryError) and head.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                raise Again(error, after=_UNTIL_IN_USE)
            raise error
        exchange.check_end()
        exchange.unpack()
        sink = step.sink(head.headers.get("content-type", ""))
        at_end.callback(sink.close)
        received = 0
        try:
            while data := (yield from exchange.read()):
                received += len(data)
                yield Work(partial(sink.write, data), len(data))
            return (yield Work(sink.finish, received))
        except Exception:
            if limits.meter is not None:
                limits.meter.forget(received)
            raise


def _post(server: Server, pool: Pool, step: Post, limits: CallLimits) -> Io[None]:
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    body = step.body
    if server.transport.gzip:
        body = yield Work(partial(gzip.compress, body, compresslevel=1), len(body))
        headers["Content-Encoding"] = "gzip"
    parameters = {"bucket": step.bucket, "precision": "ns"}
    exchange = Exchange(server, pool, limits)
    try:
        head = yield from exchange.begin(server.request("api/v2/write", parameters, headers, body))
        if head.status != HTTPStatus.NO_CONTENT:
            raise (yield from refusal(server, exchange, WriteError))
        if not exchange.is_sent:
            message = f"{server.url} answered before all points were sent. Check whether it is InfluxDB"
            raise Again(ConnectionFailedError(message))
        exchange.rows = step.rows
        if limits.meter is not None:
            limits.meter.received(len(body))
    finally:
        exchange.close()
