"""What it costs to be observed: a call without OpenTelemetry, and reads and gets with spans and durations.

    python -m tools.servers -- python -m benchmarks.observed

First prints the least time that a call takes for being known, where the program has not imported
OpenTelemetry. Then two managers and two clients do the same by turns, one with spans and durations and one
without. Printed are the medians of the ratios of each turn, and their middle halves.
"""

from __future__ import annotations

import sys
import timeit
import uuid

import pandas as pd

from benchmarks.turns import ratio
from db_core.observed import Observer, Place
from db_influx import InfluxManager

_ROWS = 1_000
_TURNS = 4_000
_CALLS = 300  # in a round, which is so short that some round is not disturbed
_BAR_CALL = 1.0  # microseconds
_BAR_READ = 1.02  # times the time without


def main() -> None:
    """Measure the three, and print each with its bar."""
    print(f"a call without OpenTelemetry: {_call():.2f} us (bar: below {_BAR_CALL:g} us)")
    name = f"bench-{uuid.uuid4()}"
    with InfluxManager(tracing=False) as without, InfluxManager(tracing=True) as traced:
        without.create_bucket(name)
        try:
            times = pd.date_range("2026-01-01", periods=_ROWS, freq="1min", tz="UTC")
            without.synchronous_write(name, pd.DataFrame({"v": range(_ROWS)}, times), "m")
            for what, set_up in (("spans", _keep_spans), ("spans and durations", _keep_durations)):
                set_up()
                told = ratio(lambda: _read(without, name), lambda: _read(traced, name), _TURNS)
                print(f"a read of {_ROWS:,} rows with {what}: {told} (bar: below {_BAR_READ:g})")
        finally:
            without.delete_bucket(name)
    print(f"a get of Redis with spans and durations: {_gets()}")


def _call() -> float:
    """Return the microseconds for which a call is known."""
    assert "opentelemetry.trace" not in sys.modules
    observer = Observer("db_influx", Place("influxdb", "localhost", 8086), on_retry=None, tracing=None)

    def call() -> None:
        with observer.call("read", "home", "load"):
            pass

    return min(timeit.repeat(call, number=_CALLS, repeat=3_000)) / _CALLS * 1e6


def _keep_durations() -> None:
    """Keep durations too."""
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))


def _keep_spans() -> None:
    """Keep spans as a program does, but for what leaves the process."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter

    class Nowhere(SpanExporter):
        """Drops what it is given."""

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(Nowhere()))
    trace.set_tracer_provider(tracers)


def _read(manager: InfluxManager, bucket: str) -> None:
    frame = manager.read("2026-01-01", "2026-01-02", "m", "v", bucket, interval=None)
    assert len(frame) == _ROWS


def _gets() -> str:
    from db_redis import RedisClient

    key = f"bench-{uuid.uuid4()}"
    with RedisClient(tracing=False) as without, RedisClient(tracing=True) as traced:
        without.save_in_redis_with_expiration(key, {"power": 12.5, "state": "on"}, 600)

        def gets(client: RedisClient) -> None:
            for _ in range(20):
                client.safe_read_from_redis(key)

        return ratio(lambda: gets(without), lambda: gets(traced), _TURNS)


if __name__ == "__main__":
    main()
