"""The steps of plans, as small values: a plan waits for nothing, and a wire does its steps.

A plan is a generator. It yields a step, is sent the reply or thrown the error, and returns the result of
the call. So there is one `read`, and two managers that only know how to wait.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from db_core.annotated_csv import Answer
    from db_core.frame import Into
    from db_influx import _flux, _influxql

__all__ = [
    "Ask",
    "AskAtMost",
    "AskJson",
    "Batch",
    "Change",
    "Download",
    "Elsewhere",
    "Post",
    "Query",
    "Reduced",
    "Report",
    "Sink",
    "Steps",
    "Stream",
    "Warn",
    "Work",
    "part_of",
    "through",
]

# Each kind says how it is sent, which type of answer it accepts, and what decodes that.
Query: TypeAlias = "_flux.Query | _influxql.Query"


@dataclass(frozen=True, slots=True)
class Reduced:
    """A query whose answer becomes another, smaller one as soon as it is decoded."""

    query: Query
    reduce: Callable[[Answer], Answer]


class Ask(NamedTuple):
    """Send queries, at most `at_once` at a time; the reply is their decoded answers, in order.

    Attributes:
        queries: The queries.
        at_once: How many are sent at a time, at most.
        counts: They are the slices of the call, as its progress counts them.
    """

    queries: Sequence[Query | Reduced]
    at_once: int
    counts: bool = False


class AskAtMost(NamedTuple):
    """Send a query; the reply is its decoded answer and the number of bytes of its text.

    Once the answer has more rows or bytes than the limits, the transfer is stopped and the reply is None.
    """

    query: Query
    limits: tuple[int, int] | None


class AskJson(NamedTuple):
    """Send a small request; the reply is its JSON.

    Attributes:
        path: Path of the endpoint.
        parameters: Pairs of names and values for the address; the organization is added.
        form: Pairs for the body of a POST; None makes it a GET.
    """

    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    form: tuple[tuple[str, str], ...] | None = None


class Change(NamedTuple):
    """Send a small request that changes something; the reply is its JSON, None if it has none.

    Attributes:
        method: "POST" or "DELETE".
        path: Path of the endpoint.
        parameters: Pairs of names and values for the address; the organization is added.
        content: What becomes the JSON of the body; None is no body.
    """

    method: str
    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    content: dict[str, Any] | None = None


class Sink(Protocol):
    """Takes the body of a response as it arrives."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""

    def finish(self) -> Any:
        """Check that the body was whole, and return what was made of it."""

    def close(self) -> None:
        """Let go of files, wherever the body has come to."""


class Download(NamedTuple):
    """Send a GET and hand the body to a sink as it arrives; the reply is what the sink makes of it.

    A body that breaks off is asked for again, for another sink.

    Attributes:
        path: Path of the endpoint.
        sink: Makes the sink of an attempt, from the response's Content-Type.
        counts: The progress of the call counts its bytes.
    """

    path: str
    sink: Callable[[str], Sink]
    counts: bool = False


class Post(NamedTuple):
    """Write line protocol; the reply comes when the server has accepted every point.

    Attributes:
        bucket: Name of the bucket.
        body: The lines.
        rows: How many points they are, for the log; None if that is not known.
        meanwhile: A function to call beside it. It has ended when the reply or the error comes.
    """

    bucket: str
    body: bytes
    rows: int | None = None
    meanwhile: Callable[[], None] | None = None


class Stream(NamedTuple):
    """Send a query, and hand its answer to the caller as it arrives, in frames of `batch_rows` at most."""

    query: Query
    batch_rows: int
    into: Into


class Batch(NamedTuple):
    """Hand a frame to the caller of the iterator.

    Attributes:
        frame: The frame.
        stop: With it, all points of the range before these nanoseconds have been handed on; None where that
            is not known.
    """

    frame: Any
    stop: int | None = None


class Work(NamedTuple):
    """Call a function; the reply is its result. `size` is about the number of bytes that it goes through."""

    function: Callable[[], Any]
    size: int


class Elsewhere(NamedTuple):
    """Have the wire of another manager do a step that is one request; the reply is that of the step."""

    wire: Any
    step: Post


class Report(NamedTuple):
    """Tell the progress of the call, where the caller wants to know; there is no reply.

    Attributes:
        rows: How many more rows are done.
        slices: How many more slices are done.
        of_bytes: How many bytes there will be; None if that is as it was told before.
        of_rows: How many rows there will be; likewise.
        of_slices: How many slices there will be; likewise.
        share: The part of the call that is done; likewise.
        is_endless: Which part of the call is done will never be known.
    """

    rows: int = 0
    slices: int = 0
    of_bytes: int | None = None
    of_rows: int | None = None
    of_slices: int | None = None
    share: float | None = None
    is_endless: bool = False


class Warn(NamedTuple):
    """Warn the caller of the method; there is no reply."""

    message: str


_T = TypeVar("_T")
Step: TypeAlias = (
    Ask | AskAtMost | AskJson | Change | Download | Post | Elsewhere | Stream | Batch | Work | Report | Warn
)
Steps: TypeAlias = Generator[Step, Any, _T]


def part_of(plan: Steps[_T], begin: float, end: float) -> Steps[_T]:
    """Do a plan that is a part of another one, from one share of its progress to another."""

    def do(step: Step) -> Steps[Any]:
        if isinstance(step, Report) and step.share is not None:
            step = Report(step.rows, step.slices, share=begin + step.share * (end - begin))
        return (yield step)

    return through(plan, do)


def through(plan: Steps[_T], do: Callable[[Step], Steps[Any]]) -> Steps[_T]:
    """Do a plan each of whose steps `do` carries out; the plan may handle the errors of that."""
    reply: Any = None
    failure: Exception | None = None
    try:
        while True:
            step = plan.send(reply) if failure is None else plan.throw(failure)
            reply = failure = None
            try:
                reply = yield from do(step)
            except Exception as error:  # noqa: BLE001 - it is for the plan to handle
                failure = error
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    finally:
        failure = None  # or an error and this frame hold each other until garbage is collected
        plan.close()
