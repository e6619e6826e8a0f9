"""A plan driven by replies given by hand, without a server, a socket or a wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from db_core.frame import Frame
from db_influx import _flux
from db_influx._flux import Selection
from db_influx._options import Options
from db_influx._steps import Ask, AskAtMost, Batch, Post, Reduced, Report, Stream, Warn, Work

if TYPE_CHECKING:
    from db_influx._steps import Step, Steps

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
SECOND, HOUR, DAY = 1_000_000_000, 3_600_000_000_000, 86_400_000_000_000
BUCKETS = {
    "buckets": [
        {
            "name": "b",
            "id": "0b",
            "orgID": "0a",
            "retentionRules": [{"shardGroupDurationSeconds": 604_800}],
        }
    ]
}
MAPPINGS = {"content": [{"database": "b", "retention_policy": "rp", "virtual": False, "bucketID": "0b"}]}
ORGANIZATIONS = {"orgs": [{"id": "0a"}]}
_ANSWERED = (Ask, AskAtMost)
_UNANSWERED = (Batch, Stream, Warn)


def selection(*fields: str, days: int = 1, tags: dict[str, str] | None = None) -> Selection:
    """Return days from 2026-01-01 on of fields of measurement "m" in bucket "b"."""
    chosen = tuple((key, (value,)) for key, value in (tags or {}).items())
    return Selection("b", "m", fields or None, chosen, T0, T0 + days * DAY)


def options(**given: Any) -> Options:
    """Return options as a manager has them, but with points read in Flux, and with these instead."""
    return Options.of(**{"protocol": "flux"} | given)


def csv(kinds: dict[str, str], *rows: tuple[object, ...], group: tuple[str, ...] = ()) -> bytes:
    """Return one table as the server would send it: its columns with their types, and its rows."""
    lines = [
        "#datatype,string,long," + ",".join(kinds.values()),
        "#group,false,false," + ",".join("true" if name in group else "false" for name in kinds),
        "#default,_result,," + "," * (len(kinds) - 1),
        ",result,table," + ",".join(kinds),
        *(",,0," + ",".join(map(str, row)) for row in rows),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def knows(**types: str) -> list[Any]:
    """Return the replies to what every read asks first: the bucket, its mapping and others, and the types."""
    return [BUCKETS, MAPPINGS, ORGANIZATIONS, _types(types)]


def still(**types: str) -> list[Any]:
    """Return the replies to what a read in InfluxQL asks once more after it: bucket, mapping and types."""
    return [BUCKETS, MAPPINGS, _types(types)]


def _types(types: dict[str, str]) -> dict[str, Any]:
    rows = [[name, kind] for name, kinds in types.items() for kind in kinds.split()]
    return {"results": [{"series": [{"values": rows}]} if rows else {}]}


class Played:
    """What a plan asked, handed on and warned of; a reply that is an error is raised where it is due.

    A reply to `Ask` is a list of answers in CSV or msgpack, one for each query; that to `AskAtMost` is one,
    or None.

    Attributes:
        steps: Everything asked, in order, without what is only computed or told.
        frames: What the plan handed on.
        warnings: What it warned of.
        left: The replies it never asked for.
    """

    def __init__(self, *replies: Any) -> None:
        self.steps: list[Any] = []
        self.frames: list[Any] = []
        self.warnings: list[str] = []
        self.left = list(replies)

    def run(self, plan: Steps[Any]) -> Any:
        """Drive a plan to its end, and return its result."""
        reply: Any = None
        failure: Exception | None = None
        while True:
            try:
                step = plan.send(reply) if failure is None else plan.throw(failure)
            except StopIteration as end:
                assert [] == self.left
                return end.value.release("pandas") if isinstance(end.value, Frame) else end.value
            reply = failure = None
            try:
                reply = self._reply(step)
            except Exception as error:  # noqa: BLE001 - it is for the plan to handle
                failure = error

    def _reply(self, step: Step) -> Any:
        if isinstance(step, Work):
            return step.function()
        if isinstance(step, Report):
            return None
        self.steps.append(step)
        if isinstance(step, Batch):
            self.frames.append(step.frame)
        elif isinstance(step, Warn):
            self.warnings.append(step.message)
        if isinstance(step, Post) and step.meanwhile is not None:
            step.meanwhile()
        if isinstance(step, _UNANSWERED):
            return None
        reply = self.left.pop(0)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(step, Ask):
            return [_answer(query, text) for query, text in zip(step.queries, reply, strict=True)]
        if isinstance(step, AskAtMost) and reply is not None:
            return _answer(step.query, reply), len(reply)
        return reply

    @property
    def flux(self) -> list[list[str]]:
        """The Flux or InfluxQL of each step that asked some, with each line break and indent as one space."""
        asked = [
            [step.query] if isinstance(step, AskAtMost) else step.queries
            for step in self.steps
            if isinstance(step, _ANSWERED)
        ]
        return [[_text(query) for query in queries] for queries in asked]

    @property
    def kinds(self) -> list[str]:
        """The steps' names, in order."""
        return [type(step).__name__ for step in self.steps]


def _answer(query: Any, data: bytes) -> Any:
    if isinstance(query, Reduced):
        return query.reduce(_answer(query.query, data))
    decoder = query.decoder()
    decoder.feed(data)
    return decoder.finish()


def _text(query: Any) -> str:
    sent = query.query if isinstance(query, Reduced) else query
    return " ".join((sent.flux if isinstance(sent, _flux.Query) else sent.text).split())
