"""Which fields a measurement has and of which types, and which of the names of a read do not exist.

InfluxDB gives a field one type per shard. Flux (2.9.1) answers a query over shards of
different types with the points of one type, and says nothing of the others. InfluxQL's
`SHOW FIELD KEYS` names all types of a field in milliseconds, so it is asked before each
read. Where a field has several, the points that Flux sees are counted against those that
InfluxQL sees.

InfluxQL knows a bucket by a database and a retention policy. A mapping (DBRP) leads from
these to the bucket. Every bucket has a virtual mapping, but an explicit one of the same
name hides it and may lead to another bucket. So the mappings are asked for first.

A name that does not exist is told from what was asked anyway, and, only where a read found
nothing, from Flux's lists of measurements, tags and their values.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from db_core.errors import NotFoundError, ParseError, QueryError, SchemaConflictError
from db_influx import _flux
from db_influx._field_types import KINDS
from db_influx._steps import Ask, AskJson, Warn, Work
from db_influx.plans.columns import TEXT, columns
from db_influx.plans.query import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from db_core.frame import Frame
    from db_influx._field_types import FieldTypes
    from db_influx._flux import Selection
    from db_influx._options import Options
    from db_influx._steps import Steps

__all__ = ["Database", "Databases", "Schema"]

_KEPT = 60.0  # seconds that a mapping is believed
_MOST_SHARDS = 1_000  # that a read is cut at
_YEAR_1 = 62_135_596_800 * 1_000_000_000  # nanoseconds from there to the epoch; shards are counted from there
_NEAR = 3  # names in a message
_NOT_ASKED = "database not found"  # the token may not read the bucket
_QUOTED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def identifier(name: str) -> str:
    """Return the InfluxQL identifier of a name, if InfluxQL can spell it; see `pattern`."""
    return f'"{name.translate(_QUOTED)}"'


def pattern(name: str) -> str:
    """Return the InfluxQL regular expression that finds this name alone, whatever is in it.

    Its scanner takes a carriage return for a line feed, and ends at a NUL, so these are spelled by number.
    """
    spelled = (c if c.isalnum() and c.isascii() else f"\\x{{{ord(c):x}}}" for c in name)
    return f"/^{''.join(spelled)}$/"


def is_spelled(name: str) -> bool:
    """Tell whether InfluxQL has an identifier for a name."""
    return "\r" not in name and "\0" not in name


class Database(NamedTuple):
    """What InfluxQL knows a bucket by, and the nanoseconds that each of its shards covers; 0 is unknown."""

    name: str
    policy: str
    shard: int


class Databases:
    """The databases that lead to buckets; safe to share between threads."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Database | None]] = {}

    def of(self, bucket: str) -> Steps[Database | None]:
        """Return the database of a bucket; None if there is none, or no such bucket."""
        until, known = self._known.get(bucket, (0.0, None))
        if time.monotonic() < until:
            return known
        found = yield from _databases(bucket)
        if found is None:
            return None
        known = found[0] if found else None
        self._known[bucket] = (time.monotonic() + _KEPT, known)
        if known is None:
            yield Warn(
                f"InfluxQL knows bucket {bucket!r} by no name of its own: a DBRP mapping leads from there to "
                "another bucket, the name starts with a slash, or a proxy hides /api/v2/buckets. So types "
                "of its fields can't be told, and a field with several types would lose points. Add a DBRP "
                "mapping for this bucket, or let the proxy pass the address."
            )
        return known


def _databases(bucket: str) -> Steps[list[Database] | None]:
    """Return the databases that lead to a bucket and to no other; None if there is no such bucket."""
    usable = []
    try:
        buckets = _listed((yield AskJson("api/v2/buckets", (("name", bucket),))), "buckets")
        found = next((one for one in buckets if one["name"] == bucket), None)
        if found is None:
            return None
        number = found["id"]
        shard = next((rule.get("shardGroupDurationSeconds", 0) for rule in found["retentionRules"]), 0)
        leading = _listed((yield AskJson("api/v2/dbrps", (("bucketID", number),))), "content")
        leading.sort(key=lambda mapping: mapping["virtual"])  # an explicit mapping leads to one bucket only
        for mapping in leading:
            known_by = Database(mapping["database"], mapping["retention_policy"], shard * 1_000_000_000)
            if not mapping["virtual"]:
                usable.append(known_by)
                continue
            others = _listed((yield AskJson("api/v2/dbrps", (("db", known_by.name),))), "content")
            names = [
                (one["database"], one["retention_policy"]) for one in others if one["bucketID"] != number
            ]
            if known_by.name and known_by[:2] not in names:
                usable.append(known_by)
    except NotFoundError as error:
        # Of the bucket or the organization, the query itself will tell; else it is not InfluxDB that answers.
        return None if "not found" in str(error) else []
    except (KeyError, TypeError) as error:
        raise _unexpected("the list of buckets or DBRP mappings") from error
    return usable


class Schema:
    """What a measurement holds, as far as it is asked for.

    Attributes:
        types: The types of each field, by InfluxQL's names; empty if there is no such measurement. None if
            InfluxQL does not know the bucket.
    """

    def __init__(self, bucket: str, measurement: str, database: Database | None, at_once: int) -> None:
        self._bucket = bucket
        self._measurement = measurement
        self._database = database
        self._at_once = at_once
        self.types: FieldTypes | None = None

    @classmethod
    def of(cls, databases: Databases, selection: Selection, options: Options) -> Steps[Schema]:
        """Ask which fields the measurement of a selection has, and of which types.

        Args:
            databases: The known mappings of the manager.
            selection: Names the bucket and the measurement.
            options: Say how many queries are sent at once.
        """
        database = yield from databases.of(selection.bucket)
        schema = cls(selection.bucket, selection.measurement, database, options.max_parallel)
        if (rows := (yield from schema._rows("SHOW FIELD KEYS"))) is not None:
            types: dict[str, tuple[str, ...]] = {}
            for name, kind in rows:
                types[name] = tuple(sorted({*types.get(name, ()), kind}))
            schema.types = types
        return schema

    def kinds(self, fields: Iterable[str] | None) -> dict[str, str]:
        """Return what a frame holds of those fields whose one type is known."""
        types = self.types or {}
        named = types if fields is None else [field for field in fields if field in types]
        return {field: KINDS[types[field][0]] for field in named if len(types[field]) == 1}

    def apart(self, parts: Sequence[Selection]) -> list[Selection]:
        """Cut the parts of a read of stored points so that a field has one type in each: where shards begin.

        Args:
            parts: Parts of a range, one after the other. They stay whole if each field has one type.
        """
        shard = self._database.shard if self._database else 0
        length = parts[-1].stop - parts[0].start
        if not shard or not self._mixed(parts[0].fields) or length // shard > _MOST_SHARDS:
            return list(parts)
        cuts = []
        for part in parts:
            begins = range(part.start + shard - (part.start + _YEAR_1) % shard, part.stop, shard)
            edges = [part.start, *begins, part.stop]
            cuts += [replace(part, start=start, stop=stop) for start, stop in pairwise(edges)]
        return cuts

    def _mixed(self, fields: Sequence[str] | None) -> tuple[str, ...]:
        """Return those of the fields, or of all, that have several types."""
        types = self.types or {}
        return tuple(
            field for field, held in types.items() if len(held) > 1 and (fields is None or field in fields)
        )

    def check_types(self, parts: Sequence[Selection], *, newest: bool = False) -> Steps[None]:
        """Make sure that Flux sees all points of fields with several types.

        Of these `types` keeps the ones that are in the range, as far as InfluxQL tells numbers apart.

        Args:
            parts: What the read asks, by itself: parts of a range, one after the other.
            newest: It asks for last points, for which Flux goes by the type of the last shard.

        Raises:
            SchemaConflictError: It does not; names the field and its types.
        """
        types, mixed = self.types or {}, self._mixed(parts[0].fields)
        if not mixed:
            return
        if newest:
            raise SchemaConflictError(
                f"field {mixed[0]!r} of {self._measurement!r} was written as "
                f"{' and '.join(types[mixed[0]])}, and InfluxDB may leave out last points of such a field. "
                "Write it again with one type, or read its points with interval=None."
            )
        # InfluxQL is asked before Flux: what is written meanwhile is then no difference.
        stored = yield from self._stored(mixed, parts[0].start, parts[-1].stop)
        seen: Counter[str] = Counter()
        queries = [_flux.counts(replace(part, fields=mixed, tags=())) for part in parts]
        for answer in (yield Ask(queries, self._at_once)):
            for found, _ in columns(answer, _field=TEXT, _value=("int64",)):
                for field, count in zip(found["_field"], found["_value"], strict=True):
                    seen[field] += count
        for field, by_cast in stored.items():
            count = sum(by_cast.values())
            if count > seen[field]:
                raise SchemaConflictError(
                    f"field {field!r} of {self._measurement!r} is {' and '.join(types[field])} in the range "
                    f"asked for, and InfluxDB would leave out {count - seen[field]} of its {count} points. "
                    "Read parts of the range in which it has one type, or write it again with one type."
                )
        there = {
            field: tuple(kind for kind in types[field] if by_cast[_cast(kind)])
            for field, by_cast in stored.items()
        }
        self.types = {**types, **{field: kinds for field, kinds in there.items() if kinds}}

    def _stored(self, fields: Sequence[str], start: int, stop: int) -> Steps[dict[str, Counter[str]]]:
        """Count the points of fields in a range, by what InfluxQL casts them to.

        It casts numbers to floats, but leaves out text and booleans unless it is asked for them.
        """
        types = self.types or {}
        casts = [(field, kind) for field in fields for kind in dict.fromkeys(map(_cast, types[field]))]
        rows = None
        if all(map(is_spelled, fields)):
            counts = ", ".join(f"count({identifier(field)}::{kind})" for field, kind in casts)
            rows = yield from self._rows(f"SELECT {counts}", f" WHERE time >= {start} AND time < {stop}")
        if rows is None:
            raise SchemaConflictError(
                f"field {fields[0]!r} of {self._measurement!r} was written as "
                f"{' and '.join(types[fields[0]])}, and nothing tells if InfluxDB leaves out points. "
                "Write it again with one type."
            )
        stored: dict[str, Counter[str]] = {field: Counter() for field in fields}
        for (field, kind), count in zip(casts, rows[0][1:] if rows else (), strict=bool(rows)):
            stored[field][kind] += count or 0
        return stored

    def check_frame(self, selection: Selection, frame: Frame, options: Options) -> Steps[None]:
        """Warn or raise, as `missing` says, if names that were asked for do not exist; see `check_found`."""
        empty_levels: Sequence[str] = options.by or ()
        if empty_levels and len(frame):
            empty_levels = yield Work(partial(_empty_levels, frame), len(frame) * len(empty_levels))
        yield from self.check_found(selection, options, nothing=not len(frame), empty_levels=empty_levels)

    def check_found(
        self, selection: Selection, options: Options, *, nothing: bool, empty_levels: Sequence[str] = ()
    ) -> Steps[None]:
        """Warn or raise, as `missing` says, if names that were asked for do not exist.

        Args:
            selection: What was read.
            options: Say what to do.
            nothing: There was nothing to read.
            empty_levels: Tags named as levels of the index that no series has that was read.

        Raises:
            NotFoundError: Something does not exist, and `missing` is "raise".
        """
        if options.missing == "ignore" or self.types is None:
            return
        problems = yield from self._unknown(selection, empty_levels, nothing=nothing)
        if problems and options.missing == "raise":
            raise NotFoundError("; ".join(problems))
        for problem in problems:
            yield Warn(problem)

    def _unknown(
        self, selection: Selection, empty_levels: Sequence[str], *, nothing: bool
    ) -> Steps[list[str]]:
        name, types = self._measurement, self.types or {}
        if not types:
            near = _near(name, (yield from listed(_flux.measurements(self._bucket))))
            return [f"no measurement {name!r} in bucket {self._bucket!r}{near}"]
        unknown = [field for field in selection.fields or () if field not in types]
        problems = [f"no field {field!r} in {name!r}{_near(field, list(types))}" for field in unknown]
        asked = dict(selection.tags) if nothing else {}
        keys: list[str] = []
        if asked or empty_levels:
            # Not by InfluxQL, which tells them of a database's default retention policy only.
            found = yield from listed(_flux.tag_keys(self._bucket, name))
            keys = [key for key in found if key not in _flux.OWN]
        for key in dict.fromkeys([*asked, *empty_levels]):
            if key in keys:
                problems += yield from self._unknown_values(key, asked.get(key, ()))
            elif any(asked.get(key, (key,))):  # it may have been asked not to be there
                problems.append(f"no tag {key!r} in {name!r}{_near(key, keys)}")
        return problems

    def _unknown_values(self, key: str, values: Sequence[str]) -> Steps[list[str]]:
        known = yield from listed(_flux.tag_values(self._bucket, self._measurement, key))
        known_or_none = {*known, ""}
        missing = [value for value in values if value not in known_or_none]
        return [
            f"no tag {key!r} with the value {value!r} in {self._measurement!r}{_near(value, known)}"
            for value in missing[:_NEAR]
        ]

    def _rows(self, what: str, condition: str = "") -> Steps[list[list[Any]] | None]:
        """Return the rows of a statement about the measurement; None if InfluxQL can't be asked."""
        if self._database is None:
            return None
        name = self._measurement
        source = identifier(name) if is_spelled(name) else pattern(name)
        text = ("q", f"{what} FROM {source}{condition}")
        form = (("db", self._database.name), ("rp", self._database.policy), ("epoch", "ns"), text)
        answer = yield AskJson("query", form=form)
        try:
            [result] = answer["results"]
            if "error" in result:
                if str(result["error"]).startswith(_NOT_ASKED):
                    return None
                raise QueryError(str(result["error"]))
            return [row for series in result.get("series", ()) for row in series["values"]]
        except (KeyError, TypeError, ValueError) as error:
            raise _unexpected("InfluxQL") from error


def _empty_levels(frame: Frame) -> list[str]:
    levels = zip(frame.index[:-1], frame.batch.columns(), strict=False)
    return [name for name, level in levels if (nulls := level.nulls()) is not None and all(bytes(nulls))]


def _cast(kind: str) -> str:
    return kind if kind in ("string", "boolean") else "float"


def _near(name: str, names: Sequence[str]) -> str:
    """Say which names there are that are near."""
    folded = {known.casefold(): known for known in names}
    near = [folded[one] for one in get_close_matches(name.casefold(), folded, _NEAR)]
    if not near:
        near = list(names[:_NEAR]) if len(names) <= _NEAR else []
    return f"; there is {' or '.join(map(repr, near))}" if near else ""


def _listed(answer: Any, name: str) -> list[dict[str, Any]]:
    return list(answer[name])


def _unexpected(what: str) -> ParseError:
    return ParseError(f"the answer of {what} has another shape than InfluxDB's", offset=0)
