"""`Base`: what both managers share, which is settings, options, pickling, forks, and the use of a wire."""

from __future__ import annotations

import os
import warnings
import weakref
from typing import TYPE_CHECKING, Any

from db_influx import _arguments
from db_influx._official import Official
from db_influx._options import Options, Transport

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import GenericAlias
    from zoneinfo import ZoneInfo

    from db_core.frame import Into
    from db_core.observed import Call, OnRetry, Retry
    from db_influx._connection import Connection
    from db_influx._options import Missing, Protocol
    from db_influx._outbox import Job, Outbox
    from db_influx._point import PointLayout
    from db_influx._server import Server
    from db_influx._settings import InfluxSettings
    from db_influx._steps import Steps

__all__ = ["Base", "connection_of"]

_made: weakref.WeakSet[Base] = weakref.WeakSet()


def _open_anew() -> None:
    """In a forked process, leave the parent's connections, and locks held by its threads, alone."""
    for manager in list(_made):
        manager._open()  # noqa: SLF001 - of this file


if hasattr(os, "register_at_fork"):  # there is no fork on Windows
    os.register_at_fork(after_in_child=_open_anew)


class Base:
    """A manager without methods. It has the settings of the server, and the defaults of calls."""

    def __init__(
        self,
        url: str | None = None,
        org: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        connect_timeout: float = 10.0,
        deadline: float | None = 3_600.0,
        retries: int = 3,
        max_parallel: int = 4,
        gzip: bool = False,
        into: Into = "pandas",
        tz: str | ZoneInfo = "UTC",
        missing: Missing = "warn",
        protocol: Protocol = "auto",
        verify: bool = True,
        ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None,
        on_retry: Callable[[Retry], object] | None = None,
        tracing: bool | None = None,
    ) -> None:
        """Read the settings; no connection is opened yet.

        Args:
            url: Address of the server. None means ``INFLUXDB_URL``.
            org: Name or ID of the organization. None means ``INFLUXDB_ORG``.
            token: API token. None means ``INFLUXDB_TOKEN``.
            timeout: Seconds for which the server may neither send nor receive anything, in each attempt.
            connect_timeout: Seconds in which a connection must be made, including TLS.
            deadline: Seconds in which a call must end, including all its requests and retries. None means no
                limit. `query_batches` has no deadline, and in `read_batches` it holds for each slice.
            retries: How often a request is repeated if its connection failed or broke, or if the server
                answered with 429, 502, 503 or 504. Before a retry, the manager waits as long as the server's
                Retry-After says. Writing again changes nothing, since every point has its time.
            max_parallel: How many slices of a long read are fetched at the same time. 1 means no slices.
            gzip: Compress requests and answers. This helps if the network is slow.
            into: Kind of the frames; a call may name another.
            tz: Time zone; a call may name another.
            missing: What to do about names that do not exist; a call may say something else.
            protocol: Language in which stored points are read; a call may name another.
            verify: Check the server's certificate.
            ca_cert: Path of the certificates to trust instead of the system's.
            client_cert: Path of a client certificate with its key, or a pair of paths.
            on_retry: A function that is called with a `db_core.Retry` before each retry, in the thread that
                sends the request or in the event loop. An error that it raises ends the call, and is raised
                as it is. A pickle of the manager has the function, and partitions do not.
            tracing: Whether each call makes a span and a duration of OpenTelemetry, if the program has set
                that up. None means what ``DB_TRACING`` says, which is yes unless it is "off".

        Raises:
            ConfigurationError: A setting is missing or malformed. The message names the argument and the
                variable.
        """
        # Imported here, so that `import db_influx` does not load pydantic.
        from db_core.settings import load
        from db_influx import _certificates
        from db_influx._settings import InfluxSettings

        self._settings = load(InfluxSettings, {"url": url, "org": org, "token": token})
        self._transport = Transport(
            timeout=_arguments.positive(timeout, "timeout"),
            connect_timeout=_arguments.positive(connect_timeout, "connect_timeout"),
            deadline=None if deadline is None else _arguments.positive(deadline, "deadline"),
            retries=_arguments.count(retries, "retries"),
            gzip=_arguments.flag(gzip, "gzip"),
            verify=_arguments.flag(verify, "verify"),
            ca_cert=None if ca_cert is None else _certificates.authorities(ca_cert),
            client_cert=None if client_cert is None else _certificates.client(client_cert),
            tracing=tracing,
        )
        self._options = Options.of(
            into=into, tz=tz, max_parallel=max_parallel, missing=missing, protocol=protocol
        )
        if not verify and self._settings.url.startswith("https"):
            message = "verify=False: certificates are not checked, so the token may be sent to another server"
            warnings.warn(message, UserWarning, stacklevel=2)
        self._on_retry = on_retry
        self._open()
        _made.add(self)

    def _open(self) -> None:
        from db_core.observed import Observer, Place
        from db_influx._server import Server
        from db_influx.plans.schema import Databases

        server = Server(self._settings, self._transport)
        self._observer = Observer(
            "db_influx",
            Place("influxdb", server.host, server.port),
            on_retry=self._on_retry,
            tracing=self._transport.tracing,
        )
        self._wire = self._make_wire(server)
        self._databases = Databases()
        self._official = Official(self._settings, self._transport)

    def _make_wire(self, server: Server) -> Any:
        """Return the wire, which carries out the steps of plans."""
        raise NotImplementedError

    def _call(self, allowed: Any, keywords: Any, into: Into | None = None) -> Options:
        """Return the options of a call, checked."""
        return self._options.but(allowed, keywords, into=into)

    def _run(
        self,
        plan: Steps[Any],
        call: Options,
        method: str,
        bucket: str | None = None,
        measurement: str | None = None,
    ) -> Any:
        """Carry out the plan of a method and return its result.

        Args:
            plan: The plan.
            call: The options of the call.
            method: Name of the method.
            bucket: The bucket that it is about.
            measurement: The measurement that it is about.
        """
        observed = self._observed(method, bucket, measurement)
        return self._wire.run(plan, observed, call.timeout, call.progress)

    def _iterate(
        self,
        plan: Steps[None],
        call: Options,
        method: str,
        bucket: str | None = None,
        measurement: str | None = None,
    ) -> Any:
        """Carry out the plan of a method and return an iterator of the frames that it yields."""
        observed = self._observed(method, bucket, measurement)
        return self._wire.iterate(plan, observed, call.timeout, call.progress)

    def _observed(self, method: str, *names: str | None) -> Call:
        """Return the call of a method, by the plain text of names, which may be members of an enumeration."""
        return self._observer.call(method, *(None if name is None else str.__str__(name) for name in names))

    def _enter(self, plan: Steps[Any], call: Options, method: str, bucket: str) -> Any:
        """Carry out the plan of a method whose result is a context manager, and return this."""
        return self._run(plan, call, method, bucket)

    def _open_writer(self, outbox: Outbox, layout: PointLayout, deliver: Callable[[Job], Any]) -> Any:
        """Return a writer, which has jobs done by `deliver`."""
        raise NotImplementedError

    def _collect(
        self, plan: Steps[None], call: Options, method: str, bucket: str, measurement: str | None
    ) -> Any:
        """Carry out the plan of a method and return a list of the results that it yields."""
        return list(self._iterate(plan, call, method, bucket, measurement))

    def _wire_of(self, other: object, argument: str) -> Any:
        """Return the wire of another manager, which must be of the same kind."""
        wire = other._wire if isinstance(other, Base) else None  # noqa: SLF001 - of this class
        if type(wire) is not type(self._wire):
            kind = f"an {type(self).__name__}"
            raise _arguments.invalid(argument, f"must be {kind}, like the manager that reads, not {other!r}")
        return wire

    def __class_getitem__(cls, item: Any) -> GenericAlias:
        from types import GenericAlias

        return GenericAlias(cls, item)  # for annotations: the kind of frame that a read gives by default

    def __repr__(self) -> str:
        return f"{type(self).__name__}(url={self._settings.url!r}, org={self._settings.org!r})"

    def __getstate__(self) -> tuple[InfluxSettings, Transport, Options, OnRetry | None]:
        return self._settings, self._transport, self._options, self._on_retry

    def __setstate__(self, state: tuple[InfluxSettings, Transport, Options, OnRetry | None]) -> None:
        self._settings, self._transport, self._options, self._on_retry = state
        self._open()
        _made.add(self)


def connection_of(manager: Base, connect: Any) -> Connection:
    """Return the `Connection` by which other processes find a manager like this one.

    Args:
        manager: The manager.
        connect: A function that returns the manager in the other process, or None.
    """
    from db_influx._connection import Connection, LocalToken

    if connect is not None and not callable(connect):
        raise _arguments.invalid("connect", f"must be a function that returns a manager, not {connect!r}")
    settings = manager._settings  # noqa: SLF001 - of this file
    token = LocalToken(settings.token.get_secret_value())
    return Connection(settings.url, settings.org, manager._transport, connect, token)  # noqa: SLF001
