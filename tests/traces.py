"""OpenTelemetry's own SDK, which keeps spans and durations for a test to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["Traces", "current_span"]


class Traces:
    """The spans that have ended, and the durations, since this was made."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self._durations = InMemoryMetricReader()
        self.meters = MeterProvider([self._durations])
        self.tracer = self.tracers.get_tracer("test")

    def clear(self) -> None:
        """Forget the spans."""
        self._spans.clear()

    @property
    def all(self) -> list[ReadableSpan]:
        """All spans, in the order of their ends."""
        return list(self._spans.get_finished_spans())

    @property
    def calls(self) -> list[ReadableSpan]:
        """The spans of kind CLIENT."""
        return [span for span in self.all if span.kind == SpanKind.CLIENT]

    def parts(self, name: str) -> list[ReadableSpan]:
        """The spans of kind INTERNAL with this name."""
        return [span for span in self.all if span.kind == SpanKind.INTERNAL and span.name == name]

    def durations(self) -> list[Any]:
        """The data points of the histogram, each with attributes, a count and a sum."""
        data = self._durations.get_metrics_data()
        metrics = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        assert {"db.client.operation.duration"} >= {metric.name for metric in metrics}
        assert {"s"} >= {metric.unit for metric in metrics}
        return [point for metric in metrics for point in metric.data.data_points]


def current_span() -> int:
    """Return the ID of the span that is current here; 0 if there is none."""
    return trace.get_current_span().get_span_context().span_id
