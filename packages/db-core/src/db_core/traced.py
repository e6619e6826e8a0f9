"""OpenTelemetry's span and duration of each call, for a program that has set OpenTelemetry up.

`observed` imports this module once the program has imported OpenTelemetry. The names of the attributes are
those of its stable conventions for clients of databases.
"""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Self

from opentelemetry import context, metrics, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanKind, StatusCode

from db_core.errors import DatabaseError
from db_core.observed import Call, Stopped, warn_of_tracing

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType

    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from db_core.observed import Observer, Place, Retry

__all__ = ["TracedCall", "Tracing"]

_BOUNDARIES = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]  # seconds, as the conventions advise
_HTTP_OK = 200
_SCHEMA = "https://opentelemetry.io/schemas/1.33.0"  # the first one in which the attributes are stable
# The modules of the providers that OpenTelemetry has until a program sets its own.
_UNSET = ("opentelemetry.trace", "opentelemetry.metrics")


class Tracing:
    """The tracer and the histogram of one client, and what all of its spans have."""

    # The providers that were found last, if they keep nothing.
    _idle: tuple[object, object] = (None, None)

    def __init__(self, package: str, place: Place, tracer: Tracer, durations: Histogram) -> None:
        self.guard = _Guard(logging.getLogger(package))
        self._tracer = tracer
        self._durations = durations
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
        if tracers is Tracing._idle[0] and meters is Tracing._idle[1]:
            return None
        if all(type(provider).__module__.startswith(_UNSET) for provider in (tracers, meters)):
            Tracing._idle = tracers, meters
            return None
        return cls(package, place, *_instruments(package, tracers, meters))

    def start(
        self,
        name: str,
        parent: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: dict[str, Any] | None = None,
    ) -> Span:
        """Return a new span. Where a sampler or processor fails, it is one that keeps nothing."""
        with self.guard:
            return self._tracer.start_span(name, parent, kind, attributes)
        return NonRecordingSpan(trace.get_current_span(parent).get_span_context())

    def end(self, span: Span, error: BaseException | None = None) -> None:
        """End a span."""
        with self.guard:
            if error is not None and (known := _told_of(error)):
                span.set_attributes(known)
                span.set_status(StatusCode.ERROR)
            span.end()

    def record(self, seconds: float, attributes: dict[str, Any]) -> None:
        """Keep the duration of a call."""
        with self.guard:
            self._durations.record(seconds, attributes)

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


class _Guard:
    """A block in which the errors of OpenTelemetry's parts, such as span processors, end."""

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        warn_of_tracing(self._logger, error)
        return True


@lru_cache(maxsize=16)
def _instruments(package: str, tracers: TracerProvider, meters: MeterProvider) -> tuple[Tracer, Histogram]:
    """Return a package's tracer and histogram, which all of its clients share."""
    release = version(package.replace("_", "-"))
    durations = metrics.get_meter(package, release, meters, _SCHEMA).create_histogram(
        "db.client.operation.duration",
        unit="s",
        description="Duration of database client operations.",
        explicit_bucket_boundaries_advisory=_BOUNDARIES,
    )
    return trace.get_tracer(package, release, tracers, _SCHEMA), durations


class TracedCall(Call):
    """A call with a span, which is the current one while the call runs."""

    __slots__ = ("_attached", "_attributes", "_began", "_is_root", "_left", "_name", "_span", "_tracing")

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
        parent = Context() if self._is_root else None
        self._span = self._tracing.start(self._name, parent, SpanKind.CLIENT, self._attributes)
        self._began = self._left = time.perf_counter()
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        attributes = self._attributes if error is None else {**self._attributes, **_told_of(error)}
        try:
            # The span is still the current one, as the histogram may keep it as an example.
            self._tracing.record(time.perf_counter() - self._began, attributes)
        finally:
            try:
                super().__exit__(kind, error, traceback)
            finally:
                self._tracing.end(self._span, error)

    def resume(self) -> None:
        """Become the current call, and have the span be the current one."""
        super().resume()
        self._began += time.perf_counter() - self._left  # the caller's own time is none of this call's
        self._attached = context.attach(trace.set_span_in_context(self._span))

    def leave(self) -> None:
        """Be the current call no more, nor have the span be the current one."""
        if self.is_current:
            context.detach(self._attached)
        super().leave()
        self._left = time.perf_counter()

    def _tell(self, retry: Retry) -> None:
        known: dict[str, str | float] = {
            "attempt": retry.attempt,
            "seconds": retry.seconds,
            "reason": _name_of(retry.error),
        }
        attributes = {f"db_core.retry.{name}": value for name, value in known.items()}
        self._tracing.end(self._tracing.start("retry", attributes=attributes))
        super()._tell(retry)

    def part(self, name: str) -> AbstractContextManager[object]:
        """Return a block with a span of its own, which is part of this one."""
        return _Part(self._tracing, self._tracing.start(name))


class _Part:
    """A block that is a part of a call. Its span is not the current one, as generators wait in the block."""

    __slots__ = ("_span", "_tracing")

    def __init__(self, tracing: Tracing, span: Span) -> None:
        self._tracing = tracing
        self._span = span

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._tracing.end(self._span, error)


def _told_of(error: BaseException) -> dict[str, str]:
    """Return the attributes that tell of the error that ends a span.

    They have no text of the error, which may quote a name or a value.
    """
    if isinstance(error, GeneratorExit):  # an iterator that is left early
        return {}
    known = {"error.type": _name_of(error)}
    if isinstance(error, DatabaseError):  # another's attributes may mean anything
        status = getattr(error, "status", None)
        code = getattr(error, "code", None) if status in (None, _HTTP_OK) else status
        if code is not None:
            known["db.response.status_code"] = str(code)
    return known


def _name_of(error: BaseException) -> str:
    """Return the full name of the class of an error; "_OTHER" for one that is none of users' business."""
    if isinstance(error, Stopped):
        error = error.error
    kind = type(error)
    if kind.__qualname__.startswith("_"):
        return "_OTHER"
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
