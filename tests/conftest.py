"""What the tests of all packages share: a peer, and real servers, whose users are marked."""

from __future__ import annotations

import gc
import importlib
import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.peer import Peer
from tests.traces import Traces

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import ModuleType

    from tests.peer import Turn


# What an example takes depends on what else the machine does.
settings.register_profile("all", deadline=None)
settings.register_profile("some", deadline=None, max_examples=10)


def pytest_configure(config: pytest.Config) -> None:
    """Heed Ctrl-C, and choose how many examples of each property are tried.

    A job in the background ignores Ctrl-C, and so would the programs that tests start and interrupt. Where no
    server is wanted, fewer examples are tried: that run follows every change.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--hypothesis-profile") is None:
        settings.load_profile("some" if "not server" in config.getoption("markexpr") else "all")


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a real server, by the fixtures it uses."""
    for item in items:
        if "servers" in getattr(item, "fixturenames", ()):
            item.add_marker("server")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the server's log with a test that failed: it alone tells why InfluxDB answers 500."""
    report = yield
    server: Any = getattr(item, "funcargs", {}).get("server")
    # In a teardown the server, with its log, may be gone.
    if report.failed and report.when != "teardown" and hasattr(server, "log_tail"):
        report.sections.append(("the server", server.log_tail()))
    return report


def pytest_collection_finish() -> None:
    """Have garbage collections pass over what was imported, which takes them long and stays."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def servers() -> ModuleType:
    """Return `tools.servers`. Each test and fixture that starts a server takes it from here."""
    # A query takes InfluxDB a third less without profiles of its own, and with fewer collections of garbage.
    os.environ |= {"INFLUXD_PPROF_DISABLED": "true", "GOGC": "300"}
    # Its ports are marked by a socket, which no test is to be blamed for.
    importlib.import_module("tools.servers._process").free_port()
    return importlib.import_module("tools.servers")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what failed tried again without its random pause, in tests that are not about pauses."""
    monkeypatch.setattr("random.uniform", lambda least, _: least)
    monkeypatch.setattr("redis.backoff.ExponentialWithJitterBackoff.compute", lambda *_: 0)


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Return a function that starts a peer with this script, as `Peer` takes it."""
    with ExitStack() as at_end:

        def start(*turns: Turn, **options: Any) -> Peer:
            made = Peer(*turns, **options)
            at_end.callback(made.close)
            return made

        yield start


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Traces:
    """Return what keeps the spans and durations of a program that has set up OpenTelemetry."""
    made = Traces()
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: made.tracers)
    monkeypatch.setattr("opentelemetry.metrics.get_meter_provider", lambda: made.meters)
    return made
