"""Which calls have spans: the switch, what is loaded, and what a call without a span costs."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from db_core.errors import ConfigurationError
from db_core.observed import Call, Observer, Place, current_call
from db_influx import InfluxManager
from db_redis import RedisClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.traces import Traces

PLACE = Place("influxdb", "host", 8086)


def observer(**options: Any) -> Observer:
    """Return an observer of a client."""
    return Observer("db_influx", PLACE, **({"on_retry": None, "tracing": None} | options))


def run(program: str) -> Any:
    """Run a program in a process of its own; return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("argument", "variable", "spans"),
    [
        (None, None, 1),
        (None, "", 1),
        (None, "on", 1),
        (None, "True", 1),
        (None, "off", 0),
        (None, "0", 0),
        (None, "FALSE", 0),
        (True, "off", 1),
        (False, None, 0),
        (False, "on", 0),
        (True, "nonsense", 1),
    ],
)
def test_the_argument_wins_over_the_variable(
    traces: Traces, monkeypatch: pytest.MonkeyPatch, argument: Any, variable: str | None, spans: int
) -> None:
    """And without either, a program that has set up OpenTelemetry gets spans."""
    monkeypatch.delenv("DB_TRACING", raising=False)
    if variable is not None:
        monkeypatch.setenv("DB_TRACING", variable)

    with observer(tracing=argument).call("read"):
        pass

    assert spans == len(traces.calls)


@pytest.mark.parametrize(
    "make",
    [
        lambda tracing: InfluxManager("http://127.0.0.1:9", "o", "t", tracing=tracing),
        lambda tracing: RedisClient(tracing=tracing),
        lambda tracing: RedisClient.from_url("redis://localhost", tracing=tracing),
    ],
)
def test_a_malformed_switch_is_an_error(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[Any], object]
) -> None:
    """It names the argument and the variable, when the client is made."""
    with pytest.raises(ConfigurationError, match="`tracing` must be True, False or None, not 'on'"):
        make("on")
    monkeypatch.setenv("DB_TRACING", "perhaps")
    with pytest.raises(
        ConfigurationError, match=r"`tracing` \(or DB_TRACING\) is malformed: must be on or off"
    ):
        make(None)


def test_without_the_api_only_who_asks_for_spans_is_refused() -> None:
    """The error says what to install."""
    assert [
        "`tracing` needs opentelemetry-api: pip install 'db-redis[otel]'",
        "DB_TRACING needs opentelemetry-api: pip install 'db-influx[otel]'",
        "made",
    ] == run("""
        import json, os, sys
        sys.modules["opentelemetry"] = None
        from db_core import ConfigurationError
        from db_influx import InfluxManager
        from db_redis import RedisClient
        told = []
        try:
            RedisClient(tracing=True)
        except ConfigurationError as error:
            told.append(str(error))
        os.environ["DB_TRACING"] = "on"
        try:
            InfluxManager("http://127.0.0.1:9", "o", "t")
        except ConfigurationError as error:
            told.append(str(error))
        del os.environ["DB_TRACING"]
        RedisClient(), InfluxManager("http://127.0.0.1:9", "o", "t")
        print(json.dumps([*told, "made"]))
    """)


def test_opentelemetry_is_not_loaded_for_a_program_that_does_not_use_it() -> None:
    """It takes longer to load than all of db_influx. Redis-py loads it by itself, where it is installed."""
    assert [] == run("""
        import json, sys
        from contextlib import suppress
        from db_core import ConnectionFailedError
        from db_influx import InfluxManager
        with suppress(ConnectionFailedError):
            InfluxManager("http://127.0.0.1:9", "o", "t", retries=0).list_buckets()
        print(json.dumps([name for name in sys.modules if name.startswith("opentelemetry")]))
    """)


def test_a_program_may_set_up_opentelemetry_late() -> None:
    """Clients that were made before have spans from then on, also where only durations are kept."""
    assert [0, ["read host:8086", "read host:8086"], 3] == run("""
        import json
        from db_core.observed import Observer, Place
        place = Place("influxdb", "host", 8086)
        first, second = (Observer("db_influx", place, on_retry=None, tracing=None) for _ in range(2))
        def call(observer):
            with observer.call("read"):
                pass
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        call(first)
        spans, durations = InMemorySpanExporter(), InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([durations]))
        call(first)
        before = len(spans.get_finished_spans())
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(spans))
        trace.set_tracer_provider(tracers)
        call(first)
        call(second)
        [resource] = durations.get_metrics_data().resource_metrics
        [scope] = resource.scope_metrics
        [metric] = scope.metrics
        [point] = metric.data.data_points
        print(json.dumps([before, [span.name for span in spans.get_finished_spans()], point.count]))
    """)


def functions_called(do: Callable[[], object]) -> list[str]:
    """Return the names of the Python functions that a call runs, in their order."""
    names: list[str] = []

    def note(frame: Any, event: str, _: object) -> None:
        if event == "call" and frame.f_code is not do.__code__:
            names.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        do()
    finally:
        sys.setprofile(None)
    return names


def test_a_call_without_a_span_runs_five_small_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them formats or copies anything, or looks up more than the name of a module."""
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    watched = observer()

    def call() -> None:
        with watched.call("read", "home", "load"):
            pass

    names = ["Observer.call", "Call.__init__", "Call.__enter__", "Call.__exit__", "Call.leave"]
    assert names == functions_called(call)


def test_a_request_that_is_not_logged_runs_three_functions(caplog: pytest.LogCaptureFixture) -> None:
    """They ask the level of the logger, which it keeps."""
    caplog.set_level(logging.INFO, "db_influx")
    with observer(tracing=False).call("read") as running:
        assert not running.is_logged

        def ask() -> None:
            found = current_call()
            assert found is not None
            assert not found.is_logged

        names = ["current_call", "Call.is_logged", "Observer.is_logged", "Logger.isEnabledFor"]
        assert names == functions_called(ask)


def test_a_call_in_another_context_is_left_without_a_complaint() -> None:
    """As a coroutine that is garbage is closed wherever the garbage is collected."""
    import contextvars

    running = Call(observer(tracing=False), "read", None)
    contextvars.copy_context().run(running.__enter__)
    running.__exit__(None, None, None)
    assert current_call() is None
