"""Which calls have spans: the switch, what is loaded, and what a call without a span costs."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import textwrap
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.trace import TracerProvider

from db_core.errors import ConfigurationError
from db_core.observed import Aside, Call, Observer, Place, current_call
from db_influx import InfluxManager
from db_redis import RedisClient
from tests.traces import current_span

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
        (None, "yes", 1),
        (None, "no", 0),
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
    """It names the argument or the variable, whichever it is, when the client is made."""
    with pytest.raises(ConfigurationError, match="`tracing` must be True, False or None, not 'on'"):
        make("on")
    monkeypatch.setenv("DB_TRACING", "perhaps")
    words = "DB_TRACING is malformed: must be one of on, true, yes, 1, off, false, no, 0"
    with pytest.raises(ConfigurationError, match=f"^{words}$"):
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


def test_while_nothing_is_set_up_a_call_only_looks_for_the_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis-py imports the API wherever it is installed, so each call of db_redis does that."""
    tracers, meters = trace.NoOpTracerProvider(), metrics.NoOpMeterProvider()

    def get_tracer_provider() -> object:
        return tracers

    def get_meter_provider() -> object:
        return meters

    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", get_tracer_provider)
    monkeypatch.setattr("opentelemetry.metrics.get_meter_provider", get_meter_provider)
    watched = observer()

    def call() -> None:
        with watched.call("read"):
            pass

    call()
    names = [name.rpartition(".")[2] for name in functions_called(call)]
    assert ["call", "_find_tracing", "found", "get_tracer_provider", "get_meter_provider"] == names[:-4]


class Failing:
    """A tracer, a meter or a part of them, whose methods of these names raise an error."""

    def __init__(self, kind: type[Exception], *names: str) -> None:
        self.kind = kind
        self.names = names

    def __getattr__(self, name: str) -> Any:
        def method(*_: object, **__: object) -> Any:
            if name in self.names:
                raise self.kind(name)
            return self

        return method


def warnings_of(log: pytest.LogCaptureFixture) -> list[str]:
    """Return the texts of the warnings."""
    return [record.getMessage() for record in log.records if record.levelno == logging.WARNING]


TOLD = "OpenTelemetry failed, so spans or durations are missing. This is told once"


@pytest.mark.parametrize("name", ["get_meter", "create_histogram", "get_tracer"])
def test_a_set_up_that_fails_is_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """As with an older API in the program. The calls go on without spans."""

    class OwnError(Exception):
        pass

    failing = Failing(OwnError, name)
    for kind, module in (("tracer", "trace"), ("meter", "metrics")):
        monkeypatch.setattr(f"opentelemetry.{module}.get_{kind}_provider", lambda: failing)
    for watched in (observer(), observer(tracing=True)):
        for _ in range(2):
            with watched.call("read") as running:
                assert type(running) is Call

    assert [TOLD] == warnings_of(caplog)
    assert f"OwnError: {name}" in caplog.text


@pytest.mark.usefixtures("traces")
def test_a_package_without_metadata_is_not_traced(caplog: pytest.LogCaptureFixture) -> None:
    """As in a frozen program: its version is not known."""
    with Observer("db_frozen", PLACE, on_retry=None, tracing=None).call("read") as running:
        assert type(running) is Call

    assert [TOLD] == warnings_of(caplog)


def failing_processor(kind: type[Exception], name: str) -> Callable[[Traces], None]:
    """Return what adds a processor of spans that fails."""
    return lambda traces: traces.tracers.add_span_processor(cast("Any", Failing(kind, name)))


def failing_sampler(kind: type[Exception], name: str) -> Callable[[Traces], None]:
    """Return what sets a sampler that fails."""
    return lambda traces: setattr(traces, "tracers", TracerProvider(cast("Any", Failing(kind, name))))


def failing_histogram(kind: type[Exception], name: str) -> Callable[[Traces], None]:
    """Return what sets a histogram that fails."""
    return lambda traces: setattr(traces, "meters", Failing(kind, name))


@pytest.mark.parametrize(
    ("fail", "name"),
    [
        (failing_processor, "on_start"),
        (failing_processor, "on_end"),
        (failing_sampler, "should_sample"),
        (failing_histogram, "record"),
    ],
)
def test_a_part_of_opentelemetry_that_fails_does_not_change_a_call(
    traces: Traces, caplog: pytest.LogCaptureFixture, fail: Any, name: str
) -> None:
    """Its result or error reaches the caller, no context is left behind, and the log says so once."""

    class OwnError(Exception):
        pass

    with TracerProvider().get_tracer("job").start_as_current_span("job"):
        outer = current_span()
        fail(OwnError, name)(traces)
        watched = observer()
        with watched.call("read") as running, running.part("query"):
            running.retry(ValueError("refused"), 1, 0)
        assert (outer, None) == (current_span(), current_call())
        with pytest.raises(KeyError, match="own"), watched.call("read") as running, running.part("query"):
            raise KeyError("own")
        assert (outer, None) == (current_span(), current_call())

    assert [TOLD] == [text for text in warnings_of(caplog) if "attempt" not in text]
    assert f"OwnError: {name}" in caplog.text


def test_a_log_handler_that_fails_does_not_change_a_call(capfd: pytest.CaptureFixture[str]) -> None:
    """Its error is shown on stderr, as Python shows the errors of its own handlers."""

    class Full(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError(f"no space left for {record.levelname}")

    logger, full = logging.getLogger("db_influx"), Full()
    logger.addHandler(full)
    try:
        with observer(tracing=False).call("read") as running:
            running.request(status=200)
            running.retry(ValueError("refused"), 1, 0)
    finally:
        logger.removeHandler(full)

    assert "OSError: no space left for WARNING" in capfd.readouterr().err


def test_a_duration_has_not_the_time_between_frames(traces: Traces, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the caller runs, who is none of the server's business."""
    now = [0.0]
    monkeypatch.setattr("db_core.traced.time", SimpleNamespace(perf_counter=lambda: now[0]))

    with observer().call("read_batches") as running:
        for own, of_caller in ((1.0, 10.0), (2.0, 20.0)):
            now[0] += own
            with Aside(running):
                now[0] += of_caller
        now[0] += 4

    [duration] = traces.durations()
    assert 7 == duration.sum


def test_what_a_server_says_is_one_line_that_can_be_printed(caplog: pytest.LogCaptureFixture) -> None:
    """Line breaks are spaces. What a terminal would obey, or could not show, is escaped."""
    with observer(tracing=False).call("read") as running:
        running.retry(ValueError("\x1b[31mno\r\n\tüber\x00 \u202e\udc80"), 1, 0)

    [text] = warnings_of(caplog)
    assert r"ValueError: \x1b[31mno über\x00 \u202e\udc80" == text.partition(" s: ")[2]


class Awaited:
    """A hook that would have to be awaited."""

    async def __call__(self, _: object) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("hook", "words"),
    [
        ("x", "a function or None, not 'x'"),
        (5, "a function or None, not 5"),
        (Awaited(), "a function that is not async, as nothing awaits it. Got <"),
        (Awaited().__call__, "a function that is not async, as nothing awaits it. Got <"),
    ],
)
def test_an_unusable_hook_is_refused_with_its_reason(hook: Any, words: str) -> None:
    """It is no function, or nothing would await it."""
    with pytest.raises(ConfigurationError, match=f"^`on_retry` must be {re.escape(words)}"):
        observer(on_retry=hook)
