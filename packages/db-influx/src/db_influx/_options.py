"""The keywords of calls, the options that they set, and the transport to the server."""

from __future__ import annotations

from dataclasses import dataclass, replace
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar

from db_influx import _arguments, _progress, _times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from db_core.frame import Into
    from db_core.line_protocol import Duplicates
    from db_influx._progress import Progress, Tell

__all__ = [
    "Closed",
    "ConsumptionOptions",
    "CopyOptions",
    "Edge",
    "FetchOptions",
    "Gaps",
    "MeterOptions",
    "Missing",
    "OnReset",
    "Options",
    "PartitionOptions",
    "PerField",
    "PointOptions",
    "Protocol",
    "QueryOptions",
    "RangeOptions",
    "ReadOptions",
    "SendOptions",
    "SeriesOptions",
    "SliceOptions",
    "StoredConsumptionOptions",
    "StoredOptions",
    "TimeOptions",
    "Transport",
    "WriteOptions",
    "takes",
]

Edge: TypeAlias = Literal["start", "stop"]
Closed: TypeAlias = Literal["right", "left"]
Gaps: TypeAlias = Literal["book", "spread", "null"]
Missing: TypeAlias = Literal["warn", "raise", "ignore"]
OnReset: TypeAlias = Literal["null", "restart", "rollover", "keep"]
Protocol: TypeAlias = Literal["auto", "influxql", "flux"]
PerField: TypeAlias = "float | Mapping[str, float]"

_MISSING: tuple[Missing, ...] = ("warn", "raise", "ignore")
_PROTOCOLS: tuple[Protocol, ...] = ("auto", "influxql", "flux")


class QueryOptions(TypedDict, total=False):
    """Keywords of queries."""

    timeout: float | None


class FetchOptions(QueryOptions, total=False):
    """Keywords of queries and downloads that may take long."""

    progress: Callable[[Progress], object] | None


class TimeOptions(QueryOptions, total=False):
    """Keywords of calls with times that return no frame."""

    tz: str | ZoneInfo | None


class PointOptions(QueryOptions, total=False):
    """Keywords of reads that return no frame."""

    missing: Missing | None


class RangeOptions(PointOptions, TimeOptions, total=False):
    """Keywords of calls about a range that return no frame."""


class CopyOptions(RangeOptions, total=False):
    """Keywords of copies."""

    progress: Callable[[Progress], object] | None


class SliceOptions(RangeOptions, total=False):
    """Keywords of reads of all series."""

    max_parallel: int | None
    protocol: Protocol | None
    progress: Callable[[Progress], object] | None


class SeriesOptions(RangeOptions, total=False):
    """Keywords of reads that do not take long."""

    max_parallel: int | None
    protocol: Protocol | None
    by: Iterable[str] | None


class ReadOptions(SliceOptions, total=False):
    """Keywords of reads."""

    by: Iterable[str] | None


class StoredOptions(TypedDict, total=False):
    """Keywords of reads of a snapshot."""

    missing: Missing | None
    tz: str | ZoneInfo | None
    by: Iterable[str] | None


class MeterOptions(TypedDict, total=False):
    """Keywords about totals of meters."""

    on_reset: OnReset
    rollover: PerField | None
    max_rate: PerField | None
    gaps: Gaps
    quality: bool
    closed: Closed
    label: Edge


class ConsumptionOptions(ReadOptions, MeterOptions, total=False):
    """Keywords of reads of consumption."""


class PartitionOptions(SeriesOptions, total=False):
    """Keywords of partitions, also those for windows and consumption."""

    on_reset: OnReset
    rollover: PerField | None
    quality: bool
    closed: Closed
    label: Edge


class StoredConsumptionOptions(StoredOptions, MeterOptions, total=False):
    """Keywords of reads of consumption from a snapshot."""


class WriteOptions(TypedDict, total=False):
    """Keywords of writes."""

    tag_columns: Sequence[str]
    time_column: str | None
    duplicates: Duplicates
    timeout: float | None


class SendOptions(WriteOptions, total=False):
    """Keywords of writes that may take long."""

    progress: Callable[[Progress], object] | None


# Defaults of keywords. All others have the default None.
_DEFAULTS: dict[str, Any] = {
    "on_reset": "null",
    "gaps": "book",
    "quality": False,
    "closed": "right",
    "label": "stop",
    "tag_columns": (),
    "duplicates": "error",
}
_Method = TypeVar("_Method", bound="Callable[..., Any]")


def takes(keywords: type) -> Callable[[_Method], _Method]:
    """Make help() and completion show each keyword that `**options` of a method stands for."""

    def decorate(method: _Method) -> _Method:
        known = signature(method)
        *named, _ = known.parameters.values()
        spelled = [
            Parameter(
                name, Parameter.KEYWORD_ONLY, default=_DEFAULTS.get(name), annotation=kind.__forward_arg__
            )
            for name, kind in keywords.__annotations__.items()
        ]
        method.__signature__ = known.replace(parameters=[*named, *spelled])  # type: ignore[attr-defined]
        return method

    return decorate


@dataclass(frozen=True, slots=True)
class Transport:
    """How requests are sent to the server.

    Attributes:
        timeout: Seconds for which the server may neither send nor receive anything, in each attempt.
        connect_timeout: Seconds in which a connection must be made.
        deadline: Seconds in which a call must end, including retries. None means no limit.
        retries: How often a request is repeated if its connection failed or broke, or if the server answered
            with 429, 502, 503 or 504.
        gzip: Compress requests and answers.
        verify: Check the server's certificate.
        ca_cert: Path of the certificates to trust instead of the system's.
        client_cert: Path of a client certificate with its key, or a pair of paths.
        tracing: Whether calls make spans. None means what the environment says.
    """

    timeout: float = 60.0
    connect_timeout: float = 10.0
    deadline: float | None = 3_600.0
    retries: int = 3
    gzip: bool = False
    verify: bool = True
    ca_cert: str | None = None
    client_cert: str | tuple[str, str] | None = None
    tracing: bool | None = None

    @property
    def cert_files(self) -> tuple[str | None, str | None]:
        """Paths of the client certificate and of its key."""
        if self.client_cert is None or isinstance(self.client_cert, str):
            return self.client_cert, None
        return self.client_cert


@dataclass(frozen=True, slots=True)
class Options:
    """How a read is made, and which kind of frame it returns.

    Attributes:
        into: Kind of the frames.
        tz: IANA name of the time zone.
        max_parallel: How many queries are sent at once.
        missing: What to do about names that do not exist.
        protocol: Language in which stored points are read.
        by: Tags that are index levels. None means the tags that differ.
        timeout: Seconds for which the server may send nothing. None means the manager's.
        progress: Function that is told how far the call is.
    """

    into: Into = "pandas"
    tz: str = "UTC"
    max_parallel: int = 4
    missing: Missing = "warn"
    protocol: Protocol = "auto"
    by: tuple[str, ...] | None = None
    timeout: float | None = None
    progress: Tell | None = None

    @classmethod
    def of(cls, **given: Any) -> Options:
        """Return checked options."""
        return cls(**{name: _CHECKS[name](value) for name, value in given.items()})

    def but(self, allowed: type, given: Mapping[str, Any], *, into: Into | None = None) -> Options:
        """Return these options, changed by those of a call, which are checked. None changes nothing.

        Args:
            allowed: The keywords that the call may have.
            given: The keywords that the call has.
            into: Kind of its frames.

        Raises:
            TypeError: A keyword is not one of `allowed`.
        """
        known = sorted(allowed.__annotations__)
        if unknown := [name for name in given if name not in known]:
            expected = f"expected a named parameter or one of {', '.join(known)}"
            raise TypeError(f"unexpected keyword argument {unknown[0]!r}, {expected}")
        found = {"into": into, **given}
        checked = {name: check(found[name]) for name, check in _CHECKS.items() if found.get(name) is not None}
        return replace(self, **checked)


def _into(into: object) -> Into:
    from db_core.frame import check_into  # which loads the native module

    return check_into(into)


_CHECKS: dict[str, Any] = {
    "into": _into,
    "tz": _times.zone,
    "max_parallel": _arguments.parallel,
    "missing": lambda missing: _arguments.choice(missing, "missing", _MISSING),
    "protocol": lambda protocol: _arguments.choice(protocol, "protocol", _PROTOCOLS),
    "by": lambda by: _arguments.names(by, "by", least=0),
    "timeout": _arguments.timeout,
    "progress": _progress.checked,
}
