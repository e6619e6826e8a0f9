"""The fields of a measurement and their types, and the names of a read that do not exist.

InfluxDB gives a field one type per shard. Flux (2.9.1) answers a query over shards of
different types with the points of one type, without an error. InfluxQL's `SHOW FIELD KEYS`
lists all types of a field in milliseconds, so it is sent before each read. Where a field has
several types, the points that Flux sees are compared with those that InfluxQL counts.

InfluxQL knows a bucket by a database and a retention policy. A mapping (DBRP) leads from
these to the bucket. Every bucket has a virtual mapping, but an explicit one of the same
name hides it and may lead to another bucket. So the mappings are read first, those of other
organizations too if the token may read them.

A field that does not exist has no types. Only a read that finds nothing, or no tag of a name in
`by`, asks Flux for its lists of measurements, tags and their values.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from db_core.errors import NotFoundError, ParseError, QueryError, SchemaConflictError
from db_influx import _flux, _influxql
from db_influx._field_types import KINDS
from db_influx._influxql import Database
from db_influx._steps import Ask, AskJson, Warn, Work
from db_influx.plans.columns import TEXT, columns
from db_influx.plans.query import listed, tag_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from db_core.frame import Frame
    from db_influx._field_types import FieldTypes
    from db_influx._flux import Selection
    from db_influx._options import Options
    from db_influx._steps import Steps

__all__ = ["Databases", "Schema", "influxql_rows", "no_database", "of_several_types", "similar", "unexpected"]

_KEPT = 60.0  # seconds that a mapping is used before it is read again
_MOST_SHARDS = 1_000  # of a read that is divided at their starts
_YEAR_1 = 62_135_596_800 * 1_000_000_000  # nanoseconds from there to the epoch; shards are counted from there
_MOST_NEAR = 3  # names in a message
_MOST_ORGANIZATIONS = 100  # of an answer
_NO_DATABASE = "database not found"  # the token may not read the bucket


class Databases:
    """The databases that are mapped to buckets; safe to share between threads."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Database | None]] = {}

    def of(self, bucket: str, *, insist: bool = False) -> Steps[Database | None]:
        """Return the database of a bucket; None if there is none, or no such bucket.

        It may be up to a minute old, see `leads`.

        Args:
            bucket: Name of the bucket.
            insist: Look again where there was none, as there may be one by now.
        """
        until, known = self._known.get(bucket, (0.0, None))
        if time.monotonic() < until and not (insist and known is None):
            return known
        databases = yield from _databases(bucket)
        if databases is None:
            return None
        known = databases[0] if databases else None
        self._known[bucket] = (time.monotonic() + _KEPT, known)
        if known is None:
            yield Warn(
                f"InfluxQL knows bucket {bucket!r} by no name of its own: a DBRP mapping of its name leads "
                "to another bucket, another organization of the token has this name, the name starts with "
                "a slash, or a proxy hides /api/v2/buckets. So the types of its fields are unknown, and a "
                "field with several types would lose points. Add a DBRP mapping for this bucket, let the "
                "proxy pass the address, or use a token of one organization."
            )
        return known

    def leads(self, database: Database, bucket: str) -> Steps[bool]:
        """Tell whether a database leads to a bucket right now; if not, it is looked up again next time.

        A bucket may have been renamed, deleted, made again or mapped otherwise. What other organizations
        have is not asked again.
        """
        if database in ((yield from _databases(bucket, elsewhere=False)) or ()):
            return True
        self._known.pop(bucket, None)
        return False

    def now(self, bucket: str) -> Steps[Database | None]:
        """Return the database of a bucket as it is right now; see `of`."""
        until, known = self._known.get(bucket, (0.0, None))
        if known is not None and time.monotonic() < until and (yield from self.leads(known, bucket)):
            return known
        return (yield from self.of(bucket, insist=True))


def no_database(bucket: str) -> NotFoundError:
    """Return the error about a bucket that InfluxQL can't read."""
    return NotFoundError(
        f"no database and retention policy are mapped to bucket {bucket!r} alone, or the token may not read "
        "it. Check `bucket`, or add a DBRP mapping"
    )


def _databases(bucket: str, *, elsewhere: bool = True) -> Steps[list[Database] | None]:
    """Read the databases that are mapped to a bucket and to no other; None if there is no such bucket.

    Args:
        bucket: Name of the bucket.
        elsewhere: Look for the same databases in other organizations too.
    """
    usable = []
    try:
        buckets = (yield AskJson("api/v2/buckets", (("name", bucket),)))["buckets"]
        named = next((one for one in buckets if one["name"] == bucket), None)
        if named is None:
            return None
        number = named["id"]
        shard = next((rule.get("shardGroupDurationSeconds", 0) for rule in named["retentionRules"]), 0)
        mappings = (yield AskJson("api/v2/dbrps", (("bucketID", number),)))["content"]
        # Explicit mappings first, since each leads to one bucket only.
        for mapping in sorted(mappings, key=itemgetter("virtual")):
            database = Database(mapping["database"], mapping["retention_policy"], shard * 1_000_000_000)
            if not mapping["virtual"]:
                usable.append(database)
                continue
            same = (yield AskJson("api/v2/dbrps", (("db", database.name),)))["content"]
            others = [(one["database"], one["retention_policy"]) for one in same if one["bucketID"] != number]
            if database.name and database[:2] not in others:
                usable.append(database)
        if usable and elsewhere:
            taken = yield from _elsewhere(named["orgID"])
            usable = [database for database in usable if database[:2] not in taken]
    except NotFoundError as error:
        # The query itself will report a missing bucket or organization. Any other 404 is not InfluxDB's.
        return None if "not found" in str(error) else []
    except (KeyError, TypeError) as error:
        raise unexpected("buckets or DBRP mappings") from error
    return usable


def _elsewhere(organization: str) -> Steps[set[tuple[str, str]]]:
    """Return the databases and policies of all other organizations that the token may read.

    InfluxQL reads in the organization that the token was made in, whichever the request names. So an
    operator's token, which may read all organizations, could find another one's bucket under the same name.
    """
    names = set()
    listed = (
        yield AskJson("api/v2/orgs", (("org", ""), ("orgID", ""), ("limit", str(_MOST_ORGANIZATIONS))))
    )["orgs"]
    for other in (one["id"] for one in listed if one["id"] != organization):
        mappings = (yield AskJson("api/v2/dbrps", (("org", ""), ("orgID", other))))["content"]
        names |= {(mapping["database"], mapping["retention_policy"]) for mapping in mappings}
    return names


class Schema:
    """The types of a measurement's fields, and the checks that need them.

    Attributes:
        database: InfluxQL's name of the bucket; None if it has none of its own.
        types: The types of each field, by InfluxQL's names; empty if there is no such measurement. None if
            InfluxQL does not know the bucket.
    """

    def __init__(self, bucket: str, measurement: str, database: Database | None, at_once: int) -> None:
        self._bucket = bucket
        self._measurement = measurement
        self.database = database
        self._at_once = at_once
        self.types: FieldTypes | None = None

    @classmethod
    def of(cls, databases: Databases, selection: Selection, options: Options) -> Steps[Schema]:
        """Ask which fields the measurement of a selection has, and of which types.

        Args:
            databases: The known mappings of the manager.
            selection: Names the bucket and the measurement.
            options: How many queries are sent at once, and whether InfluxQL has to read the bucket.
        """
        database = yield from databases.of(selection.bucket, insist=options.protocol == "influxql")
        schema = cls(selection.bucket, selection.measurement, database, options.max_parallel)
        schema.types = yield from schema.ask_types()
        return schema

    def ask_types(self) -> Steps[FieldTypes | None]:
        """Ask for the types of each field; see `types`."""
        if self.database is None:
            return None
        rows = yield from influxql_rows(_influxql.field_keys(self.database, self._measurement))
        if rows is None:
            return None
        types: dict[str, tuple[str, ...]] = {}
        for name, kind in rows:
            types[name] = tuple(sorted({*types.get(name, ()), kind}))
        return types

    def kinds(self, fields: Iterable[str] | None) -> dict[str, str]:
        """Return the types in a frame of those fields that have one known type."""
        types = self.types or {}
        named = types if fields is None else [field for field in fields if field in types]
        return {field: KINDS[types[field][0]] for field in named if len(types[field]) == 1}

    def apart(self, parts: Sequence[Selection]) -> list[Selection]:
        """Divide the parts of a read of points where shards begin, so that a field has one type in each.

        Args:
            parts: Parts of a range, one after the other. They stay whole if each field has one type.
        """
        shard = self.database.shard if self.database else 0
        length = parts[-1].stop - parts[0].start
        if not shard or not self.mixed(parts[0].fields) or length // shard > _MOST_SHARDS:
            return list(parts)
        divided = []
        for part in parts:
            begins = range(part.start + shard - (part.start + _YEAR_1) % shard, part.stop, shard)
            edges = [part.start, *begins, part.stop]
            divided += [replace(part, start=start, stop=stop) for start, stop in pairwise(edges)]
        return divided

    def mixed(self, fields: Sequence[str] | None) -> tuple[str, ...]:
        """Return those of the fields, or of all, that have several types."""
        types = self.types or {}
        return tuple(
            field for field in (types if fields is None else fields) if len(types.get(field, ())) > 1
        )

    def check_types(self, parts: Sequence[Selection], *, newest: bool = False) -> Steps[None]:
        """Make sure that Flux sees all points of fields with several types.

        `types` keeps those types that are in the range, as far as InfluxQL tells numbers apart.

        Args:
            parts: The parts of a range, one after the other, that the read queries one by one.
            newest: The read is about last points, which Flux looks up by the type of the last shard.

        Raises:
            SchemaConflictError: Flux may miss points; names the field and its types.
        """
        types, mixed = self.types or {}, self.mixed(parts[0].fields)
        if not mixed:
            return
        if newest:
            raise SchemaConflictError(
                f"field {mixed[0]!r} of {self._measurement!r} was written as "
                f"{' and '.join(types[mixed[0]])}, and InfluxDB may leave out last points of such a field. "
                "Write it again with one type, or read its points with interval=None."
            )
        # InfluxQL counts before Flux, so that points written meanwhile are not missed by Flux.
        whole = replace(parts[0], fields=mixed, tags=(), stop=parts[-1].stop)
        stored = yield from self.stored(whole)
        seen: Counter[str] = Counter()
        queries = [_flux.counts(replace(part, fields=mixed, tags=())) for part in parts]
        for answer in (yield Ask(queries, self._at_once)):
            for rows, _ in columns(answer, _field=TEXT, _value=("int64",)):
                for field, count in zip(rows["_field"], rows["_value"], strict=True):
                    seen[field] += count
        for field, by_cast in stored.items():
            count = sum(by_cast.values())
            if count > seen[field]:
                raise SchemaConflictError(
                    f"field {field!r} of {self._measurement!r} has the types {' and '.join(types[field])} in "
                    f"this range, and InfluxDB would leave out {count - seen[field]} of its {count} points. "
                    "Read parts of the range in which it has one type, or write it again with one type."
                )
        in_range = {
            field: tuple(kind for kind in types[field] if by_cast[_cast(kind)])
            for field, by_cast in stored.items()
        }
        self.types = {**types, **{field: kinds for field, kinds in in_range.items() if kinds}}

    def stored(self, selection: Selection) -> Steps[dict[str, Counter[str]]]:
        """Count the points of fields, which are named, by the type that InfluxQL casts them to.

        It casts all numbers to floats, and counts text and booleans only where the query casts to them.
        """
        fields = selection.fields or ()
        casts = self.casts(fields)
        rows = None
        if self.database is not None:
            rows = yield from influxql_rows(_influxql.counts(self.database, selection, casts))
        types = self.types or {}
        if rows is None:
            raise SchemaConflictError(
                f"field {fields[0]!r} of {self._measurement!r} was written as "
                f"{' and '.join(types[fields[0]])}, and InfluxQL can't count its points. "
                "Write it again with one type."
            )
        stored: dict[str, Counter[str]] = {field: Counter() for field in fields}
        for (field, kind), count in zip(casts, rows[0][1:] if rows else (), strict=bool(rows)):
            stored[field][kind] += count or 0
        return stored

    def casts(self, fields: Iterable[str]) -> list[tuple[str, str]]:
        """Return pairs of field and type by which InfluxQL finds all points of fields, each once."""
        types = self.types or {}
        return [(field, kind) for field in fields for kind in dict.fromkeys(map(_cast, types[field]))]

    def check_frame(self, selection: Selection, frame: Frame, options: Options) -> Steps[None]:
        """Warn or raise, as `missing` says, if names of the read do not exist; see `check_found`."""
        empty_levels: Sequence[str] = options.by or ()
        if empty_levels and len(frame):
            empty_levels = yield Work(partial(_empty_levels, frame), len(frame) * len(empty_levels))
        yield from self.check_found(selection, options, nothing=not len(frame), empty_levels=empty_levels)

    def check_found(
        self, selection: Selection, options: Options, *, nothing: bool, empty_levels: Sequence[str] = ()
    ) -> Steps[None]:
        """Warn or raise, as `missing` says, if names of the read do not exist.

        Args:
            selection: What was read.
            options: What to do.
            nothing: The read found no points.
            empty_levels: Tags of `by` that no series of the read has.

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
            near = similar(name, (yield from listed(_flux.measurements(self._bucket))))
            return [f"no measurement {name!r} in bucket {self._bucket!r}{near}"]
        unknown = [field for field in selection.fields or () if field not in types]
        problems = [f"no field {field!r} in {name!r}{similar(field, list(types))}" for field in unknown]
        conditions = dict(selection.tags) if nothing else {}
        keys: list[str] = []
        if conditions or empty_levels:
            # Not from InfluxQL, which lists those of a database's default retention policy only.
            keys = yield from tag_keys(self._bucket, name)
        for key in dict.fromkeys([*conditions, *empty_levels]):
            if key in keys:
                problems += yield from self._unknown_values(key, conditions.get(key, ()))
            elif any(conditions.get(key, (key,))):  # the condition may be that there is no such tag
                problems.append(f"no tag {key!r} in {name!r}{similar(key, keys)}")
        return problems

    def _unknown_values(self, key: str, values: Sequence[str]) -> Steps[list[str]]:
        known = yield from listed(_flux.tag_values(self._bucket, self._measurement, key))
        accepted = {*known, ""}
        missing = [value for value in values if value not in accepted]
        return [
            f"no tag {key!r} with the value {value!r} in {self._measurement!r}{similar(value, known)}"
            for value in missing[:_MOST_NEAR]
        ]


def influxql_rows(query: _influxql.Query) -> Steps[list[list[Any]] | None]:
    """Return the rows of an InfluxQL statement; None if InfluxQL can't read the bucket."""
    found = yield from _series_of(query)
    return None if found is None else [row for _, rows in found for row in rows]


def of_several_types(database: Database, measurement: str) -> Steps[list[str] | None]:
    """List the measurements that have a field of several types; None if InfluxQL can't read the bucket.

    Args:
        database: Leads to the bucket.
        measurement: The only one to look at; it is empty for all of them.
    """
    found = yield from _series_of(_influxql.field_keys(database, measurement))
    if found is None:
        return None
    return [name for name, rows in found if len({field for field, _ in rows}) < len(rows)]


def _series_of(query: _influxql.Query) -> Steps[list[tuple[str, list[list[Any]]]] | None]:
    """Return the names and rows of an InfluxQL statement's series; None if InfluxQL can't read the bucket."""
    answer = yield AskJson(query.path, form=tuple(query.form().items()))
    try:
        [result] = answer["results"]
        if "error" in result:
            if str(result["error"]).startswith(_NO_DATABASE):
                return None
            raise QueryError(str(result["error"]))
        return [(series.get("name", ""), list(series["values"])) for series in result.get("series", ())]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise unexpected("an InfluxQL statement") from error


def _empty_levels(frame: Frame) -> list[str]:
    levels = zip(frame.index[:-1], frame.batch.columns(), strict=False)
    return [name for name, level in levels if (nulls := level.nulls()) is not None and all(bytes(nulls))]


def _cast(kind: str) -> str:
    return kind if kind in ("string", "boolean") else "float"


def similar(name: str, names: Sequence[str]) -> str:
    """Return a hint that lists similar names, or all if they are few."""
    folded = {known.casefold(): known for known in names}
    near = [folded[one] for one in get_close_matches(name.casefold(), folded, _MOST_NEAR)]
    if not near and len(names) <= _MOST_NEAR:
        near = list(names)
    return f"; there is {' or '.join(map(repr, near))}" if near else ""


def unexpected(what: str) -> ParseError:
    """Return the error about an answer that InfluxDB does not send."""
    message = f"unexpected answer about {what}: expected the JSON of InfluxDB 2.x. Check `url`"
    return ParseError(message, offset=0)
