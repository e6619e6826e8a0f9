"""OpenTelemetry's span and duration of each call, for a program that has set OpenTelemetry up.

`observed` imports this module once the program has imported OpenTelemetry. The names of the attributes are
those of its stable conventions for clients of databases.
"""

from __future__ import annotations

import time
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import context, metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode

from db_core.errors import DatabaseError
from db_core.observed import Call, Stopped

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from db_core.observed import Observer, Place, Retry

__all__ = ["TracedCall", "Tracing"]

_BOUNDARIES = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]  # seconds, as the conventions advise
_HTTP_OK = 200
# The modules of the providers that OpenTelemetry has until a program sets its own.
_UNSET = ("opentelemetry.trace", "opentelemetry.metrics")


class Tracing:
    """The tracer and the histogram of one client, and what all of its spans have."""

    def __init__(self, place: Place, tracer: Tracer, durations: Histogram) -> None:
        self.tracer = tracer
        self.durations = durations
        known = {
            "db.system.name": place.system,
            "db.namespace": place.namespace,
            "server.address": place.address,
            "server.port": place.port,
        }
        self.attributes = {name: value for name, value in known.items() if value is not None}
        # The conventions leave the number of a Redis database out of names, as it looks confusing there.
        self.target = f" {place.address}:{place.port}" if place.namespace is None else ""

    @classmethod
    def found(cls, package: str, place: Place) -> Self | None:
        """Return the tracing of a client, or None while the program has set up nothing that keeps it."""
        tracers, meters = trace.get_tracer_provider(), metrics.get_meter_provider()
        if all(type(provider).__module__.startswith(_UNSET) for provider in (tracers, meters)):
            return None
        return cls(place, *_instruments(package, tracers, meters))

    def call(
        self, observer: Observer, method: str, bucket: str | None, measurement: str | None, *, is_root: bool
    ) -> TracedCall:
        """Return a call with a span."""
        attributes = {**self.attributes, "db.operation.name": method}
        target = self.target
        if bucket is not None:
            attributes["db.namespace"] = bucket
            target = f" {bucket}"
        if measurement is not None:
            attributes["db.collection.name"] = measurement
            target = f" {measurement}"
        return TracedCall(observer, method, bucket, self, f"{method}{target}", attributes, is_root=is_root)


@lru_cache(maxsize=16)
def _instruments(package: str, tracers: TracerProvider, meters: MeterProvider) -> tuple[Tracer, Histogram]:
    """Return a package's tracer and histogram, which all of its clients share."""
    release = version(package.replace("_", "-"))
    durations = metrics.get_meter(package, release, meters).create_histogram(
        "db.client.operation.duration",
        unit="s",
        description="Duration of database client operations.",
        explicit_bucket_boundaries_advisory=_BOUNDARIES,
    )
    return trace.get_tracer(package, release, tracers), durations


class TracedCall(Call):
    """A call with a span, which is the current one while the call runs."""

    __slots__ = ("_attached", "_attributes", "_began", "_is_root", "_name", "_span", "_tracing")

    def __init__(
        self,
        observer: Observer,
        method: str,
        bucket: str | None,
        tracing: Tracing,
        name: str,
        attributes: dict[str, Any],
        *,
        is_root: bool,
    ) -> None:
        super().__init__(observer, method, bucket)
        self._tracing = tracing
        self._name = name
        self._attributes = attributes
        self._is_root = is_root

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        parent = Context() if self._is_root else None
        self._span = self._tracing.tracer.start_span(self._name, parent, SpanKind.CLIENT, self._attributes)
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        attributes = self._attributes
        if error is not None:
            attributes = {**attributes, **_failed(self._span, error)}
        self._tracing.durations.record(time.perf_counter() - self._began, attributes)
        try:
            super().__exit__(kind, error, traceback)
        finally:
            self._span.end()

    def resume(self) -> None:
        """Become the current call, and have the span be the current one."""
        super().resume()
        self._attached = context.attach(trace.set_span_in_context(self._span))

    def leave(self) -> None:
        """Be the current call no more, nor have the span be the current one."""
        if self.is_current:
            context.detach(self._attached)
        super().leave()

    def _tell(self, retry: Retry) -> None:
        known: dict[str, str | float] = {
            "attempt": retry.attempt,
            "seconds": retry.seconds,
            "reason": _name_of(retry.error),
        }
        attributes = {f"db_core.retry.{name}": value for name, value in known.items()}
        self._tracing.tracer.start_span("retry", attributes=attributes).end()
        super()._tell(retry)

    def part(self, name: str) -> AbstractContextManager[object]:
        """Return a block with a span of its own, which is part of this one."""
        return _Part(self._tracing.tracer.start_span(name))


class _Part:
    """A block that is a part of a call. Its span is not the current one, as generators wait in the block."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _failed(self._span, error)
        self._span.end()


def _failed(span: Span, error: BaseException | None) -> dict[str, str]:
    """Note the error that ends a span, if there is one. Return the attributes that tell of it.

    They have no text of the error, which may quote a name or a value.
    """
    if error is None or isinstance(error, GeneratorExit):  # an iterator that is left early
        return {}
    known = {"error.type": _name_of(error)}
    status = getattr(error, "status", None)
    code = getattr(error, "code", None) if status in (None, _HTTP_OK) else status
    if isinstance(error, DatabaseError) and code is not None:
        known["db.response.status_code"] = str(code)
    span.set_attributes(known)
    span.set_status(StatusCode.ERROR)
    return known


def _name_of(error: BaseException) -> str:
    """Return the full name of the class of an error; "_OTHER" for one that is none of users' business."""
    if isinstance(error, Stopped):
        error = error.error
    kind = type(error)
    if kind.__qualname__.startswith("_"):
        return "_OTHER"
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
