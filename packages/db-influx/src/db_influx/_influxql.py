"""InfluxQL: statements as pure functions of checked arguments, and how they are sent.

No name, value or time of a caller stands in the text of a statement. They are bound parameters, a JSON
object that the server reads apart from the text. So no input can change a statement, and a name may
have any character, carriage returns and NULs too, which InfluxQL's own identifiers can't spell.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from numbers import Integral
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from urllib.parse import urlencode

from db_influx import _times
from db_influx._arguments import invalid, text
from db_influx._flux import alternatives, either

if TYPE_CHECKING:
    from collections.abc import Sequence

    from db_core.annotated_csv import Answer
    from db_core.influxql import SeriesDecoder
    from db_influx._flux import Selection

__all__ = [
    "SYSTEM",
    "AnyQuery",
    "Database",
    "Query",
    "bind",
    "counts",
    "edge",
    "field_keys",
    "raw",
    "series",
    "why_not",
]

_CHUNK_ROWS = 10_000
_MOST_BYTES = 10 << 20  # of a form; the server refuses more
# Measurements that InfluxQL takes for its own, and a field that it takes for the measurement.
SYSTEM = ("_fieldKeys", "_measurements", "_name", "_series", "_tagKey", "_tagKeys", "_tags")
_NAME = "_name"
# Fields that it does not look up: it returns the measurement, the key of the series, or its tags.
_OWN_FIELDS = (_NAME, "_seriesKey", "_tagKey", "_tagValue")
# How a query names a field. InfluxQL reads `::field` as the first type of this order that a shard has: float,
# integer, unsigned, string, boolean. If a shard with another type appears after the types were asked, then
# `::string` and `::boolean` still return all points of their own type.
_CASTS = {"string": "string", "bool": "boolean"}
_SILENT = re.compile(r"\b(?:DELETE|DROP)\b", re.IGNORECASE)
# Comments, and what parts statements.
_EMPTY = re.compile(r"--.*|(?s:/\*.*?\*/)|[\s;]")
_FLAGS = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}


class Database(NamedTuple):
    """InfluxQL's names of a bucket, and the nanoseconds that each of its shards covers, 0 if not known."""

    name: str
    policy: str
    shard: int


@dataclass(frozen=True, slots=True)
class Query:
    """InfluxQL as it is sent: a small value that can be pickled.

    Attributes:
        text: One statement or several.
        params: JSON of the values that the text uses as ``$name``.
        database: Database of the measurements that the text does not qualify.
        policy: Retention policy of these.
        fields: Names and types of the columns after the time, if they are known before the answer.
    """

    path: ClassVar[str] = "query"
    accept: ClassVar[str] = "application/x-msgpack"
    content_type: ClassVar[str] = "application/x-www-form-urlencoded"
    format: ClassVar[str] = "msgpack"

    text: str
    params: str = "{}"
    database: str = ""
    policy: str = ""
    fields: tuple[tuple[str, str], ...] | None = None

    def form(self) -> dict[str, str]:
        """Return what every answer needs: the text, its parameters, and where it reads."""
        named = {"db": self.database, "rp": self.policy} if self.database else {}
        return {**named, "epoch": "ns", "q": self.text, "params": self.params}

    def body(self) -> bytes:
        """Return the form of a request whose answer comes in pieces."""
        return urlencode({**self.form(), "chunked": "true", "chunk_size": str(_CHUNK_ROWS)}).encode()

    def decoder(self) -> SeriesDecoder:
        """Return a new decoder of the answer."""
        from db_core.influxql import SeriesDecoder  # it loads the native module

        return SeriesDecoder(self.fields)


@dataclass(frozen=True, slots=True)
class AnyQuery(Query):
    """InfluxQL of a caller, whose answer may hold messages.

    Attributes:
        said: Takes the messages, once the answer is complete.
    """

    said: list[str] = field(default_factory=list, compare=False)

    def decoder(self) -> _Listening:  # type: ignore[override]
        """Return a new decoder of the answer, which fills `said`."""
        # DELETE and DROP are answered with nothing at all.
        return _Listening(
            super(AnyQuery, self).decoder(), self.said, is_silent=bool(_SILENT.search(self.text))
        )


class _Listening:
    """A decoder that hands on what the server says beside the answer."""

    def __init__(self, decoder: SeriesDecoder, said: list[str], *, is_silent: bool) -> None:
        self._decoder = decoder
        self._said = said
        self._may_be_empty = is_silent
        self.take = decoder.take

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the answer."""
        self._may_be_empty = False
        self._decoder.feed(data)

    @property
    def rows(self) -> int:
        """Rows decoded and not yet taken."""
        return self._decoder.rows

    @property
    def schemas(self) -> int:
        """Layouts of series met and not yet taken."""
        return self._decoder.schemas

    def finish(self, *, require_end: bool = True) -> Answer:
        """Return the last rows."""
        answer = self._decoder.finish(require_end=require_end and not self._may_be_empty)
        self._said += self._decoder.messages()
        return answer


class _Params:
    """Values that become bound parameters, in the order in which a statement uses them."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def name(self, name: str) -> str:
        """Bind the name of a measurement, a field or a tag, and return its placeholder."""
        return self.value({"ident": name})

    def value(self, value: object) -> str:
        """Bind a text, an integer, or an object that names the kind of its value."""
        key = f"p{len(self._values)}"
        self._values[key] = value
        return f"${key}"

    def json(self) -> str:
        """Return all of them as JSON."""
        return json.dumps(self._values)


def raw(
    database: Database, selection: Selection, kinds: Mapping[str, str], *, limit: int | None = None
) -> Query:
    """Ask for points as they are stored, series by series.

    Args:
        database: Leads to the bucket of the selection.
        selection: What to read.
        kinds: The types of the fields, as frames name them. Fields without one are not read.
        limit: Most rows of each series.
    """
    params = _Params()
    named = kinds if selection.fields is None else selection.fields
    fields = tuple((name, kinds[name]) for name in named if name in kinds)
    asked = ", ".join(f"{params.name(name)}::{_CASTS.get(kind, 'field')}" for name, kind in fields)
    source = params.name(selection.measurement)
    where = _where(selection, params)
    end = "" if limit is None else f" LIMIT {limit}"
    text = f"SELECT {asked} FROM {source} WHERE {where} GROUP BY *{end}"  # noqa: S608 - all are bound
    return Query(text, params.json(), database.name, database.policy, fields)


def _any_of(params: _Params, key: str, values: Sequence[str]) -> str:
    """Return the condition that a tag has one of the values; an empty value matches series without it."""
    cell = f"{params.name(key)}::tag"
    compared, patterns = alternatives(values)
    conditions = [f"{cell} =~ {params.value({'regex': pattern})}" for pattern in patterns]
    conditions += [f"{cell} = {params.value(value)}" for value in compared]
    return f"({either(conditions, 'OR')})"


def why_not(selection: Selection, query: Query) -> str | None:
    """Return why InfluxQL can't read a selection, for its user; None if it can.

    Args:
        selection: What to read.
        query: The query that would read it.
    """
    if selection.measurement in SYSTEM:
        return f"reserves the name {selection.measurement!r} of a measurement"
    for name, _ in query.fields or ():
        if name in _OWN_FIELDS:
            return f"reserves the name {name!r} of a field"
    for key, _ in selection.tags:
        if key.lower() == "time":
            return f"reserves the name {key!r} in conditions for its own column"
    if len(query.body()) > _MOST_BYTES:
        return f"accepts at most {_MOST_BYTES >> 20} MiB of names and tag values"
    return None


def field_keys(database: Database, measurement: str) -> Query:
    """Ask for the fields of a measurement and their types, over all time; an empty one stands for all."""
    params = _Params()
    source = f" FROM {params.name(measurement)}" if measurement else ""
    return Query(f"SHOW FIELD KEYS{source}", params.json(), database.name, database.policy)


def series(database: Database) -> Query:
    """Ask for the keys of all series, as the server writes them, over all time."""
    return Query("SHOW SERIES", database=database.name, policy=database.policy)


def counts(database: Database, selection: Selection, casts: Sequence[tuple[str, str]]) -> Query:
    """Ask how many points fields have, each by the type that it is cast to."""
    params = _Params()
    asked = ", ".join(f"count({params.name(name)}::{kind})" for name, kind in casts)
    return _of_all_series(database, selection, asked, params)


def edge(database: Database, selection: Selection, function: str, cast: tuple[str, str]) -> Query:
    """Ask for the time of the "first" or the "last" point of a field, by the type that it is cast to."""
    params = _Params()
    name, kind = cast
    return _of_all_series(database, selection, f"{function}({params.name(name)}::{kind})", params)


def _of_all_series(database: Database, selection: Selection, asked: str, params: _Params) -> Query:
    text = f"SELECT {asked} FROM {params.name(selection.measurement)} WHERE {_where(selection, params)}"  # noqa: S608 - all are bound
    return Query(text, params.json(), database.name, database.policy)


def _where(selection: Selection, params: _Params) -> str:
    conditions = [
        f"time >= {params.value(selection.start)}",
        f"time < {params.value(selection.stop)}",
        *(_any_of(params, key, values) for key, values in selection.tags),
    ]
    return " AND ".join(conditions)


def bind(influxql: object, params: object) -> AnyQuery:
    """Return any InfluxQL whose ``$name`` are bound to values, which never become text of it."""
    if not isinstance(influxql, str) or not _EMPTY.sub("", influxql):
        raise invalid("influxql", f"must be the text of a query, not {influxql!r}")
    if params is not None and not isinstance(params, Mapping):
        raise invalid("params", f"must map names to values, not {params!r}")
    bound = [
        f"{json.dumps(text(name, 'params', 'a name'))}: {_bound(value, name)}"
        for name, value in ({} if params is None else params).items()
    ]
    return AnyQuery(text(influxql, "influxql"), f"{{{', '.join(bound)}}}")


def _bound(value: object, name: str) -> str:  # noqa: PLR0911 - one for each type
    """Return the JSON from which the server makes a literal."""
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Integral) and -(2**63) <= int(value) < 2**63:
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return f'{{"float": {_decimal(float(value))}}}'
    if isinstance(value, str):
        return json.dumps({"string": text(value, "params", f"the value of {name!r}") if value else ""})
    if isinstance(value, datetime):
        return str(_times.instant(value, f"params[{name!r}]", 0))
    if isinstance(value, timedelta) and -(2**63) <= (length := _times.nanoseconds(value)) < 2**63:
        return f'{{"duration": {length}}}'
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        return json.dumps({"regex": _pattern(value, name)})
    raise invalid(
        "params",
        "must have values that are a bool, a 64-bit int, a finite float, text, a datetime, a timedelta of up "
        f"to 292 years or a compiled regular expression; {name!r} is {value!r}",
    )


def _decimal(value: float) -> str:
    """Return a JSON number with a point, without which the server takes it for an integer."""
    shown = repr(value)
    return shown if "." in shown else shown.replace("e", ".0e")


def _pattern(value: re.Pattern[str], name: str) -> str:
    """Return a regular expression with its flags as Go spells them."""
    flags = value.flags & ~re.UNICODE
    spelled = "".join(letter for flag, letter in _FLAGS.items() if flags & flag)
    if flags & ~(re.IGNORECASE | re.MULTILINE | re.DOTALL):
        known = "IGNORECASE, MULTILINE and DOTALL"
        raise invalid(
            "params", f"must have regular expressions with no flags but {known}: {name!r} is {value!r}"
        )
    return f"(?{spelled}){value.pattern}" if spelled else value.pattern
