"""How many points a measurement has, and the times of its first and its last.

Flux answers a query over shards in which a field has different types with the points of one type. So the
fields that were written with several types are read in InfluxQL, once for each type that it casts to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from db_core.errors import SchemaConflictError
from db_influx import _flux, _influxql
from db_influx._steps import Ask
from db_influx.plans.columns import TEXT, columns
from db_influx.plans.schema import Schema, influxql_rows

if TYPE_CHECKING:
    import pandas as pd

    from db_influx._flux import Selection
    from db_influx._options import Options
    from db_influx._steps import Steps
    from db_influx.plans.schema import Databases

__all__ = ["count", "time_range"]


def count(databases: Databases, selection: Selection, options: Options) -> Steps[dict[str, int]]:
    """Count the points of each field; fields without points are left out."""
    schema = yield from Schema.of(databases, selection, options)
    found: dict[str, int] = {}
    if (part := _of_one_type(schema, selection)) is not None:
        [answer] = yield Ask([_flux.counts(part)], 1)
        for rows, _ in columns(answer, _field=TEXT, _value=("int64",)):
            found |= zip(rows["_field"], rows["_value"], strict=True)
    if (part := _of_several(schema, selection)) is not None:
        stored = yield from schema.stored(part)
        found |= {field: sum(by_type.values()) for field, by_type in stored.items()}
    yield from schema.check_found(selection, options, nothing=not any(found.values()))
    return {field: points for field, points in sorted(found.items()) if points}


def time_range(
    databases: Databases, selection: Selection, options: Options
) -> Steps[tuple[pd.Timestamp, pd.Timestamp] | None]:
    """Find the times of the first and of the last point; None if there are none."""
    schema = yield from Schema.of(databases, selection, options)
    times: list[int] = []
    if (part := _of_one_type(schema, selection)) is not None:
        [answer] = yield Ask([_flux.edges(part)], 1)
        times += [time for rows, _ in columns(answer, _time=("timestamp",)) for time in rows["_time"]]
    if schema.database is not None and (part := _of_several(schema, selection)) is not None:
        for cast in schema.casts(part.fields or ()):
            for function in ("first", "last"):
                query = _influxql.edge(schema.database, part, function, cast)
                times += [row[0] for row in (yield from influxql_rows(query)) or ()]
    yield from schema.check_found(selection, options, nothing=not times)
    if not times:
        return None
    import pandas as pd

    first, last = (pd.Timestamp(time, unit="ns", tz="UTC") for time in (min(times), max(times)))
    return first, last


def _of_one_type(schema: Schema, selection: Selection) -> Selection | None:
    """Return the points of fields that have one type. Flux sees all of these. None if there are none."""
    mixed = schema.mixed(None)
    if not mixed:
        return selection
    fields = tuple(field for field in schema.types or () if field not in mixed)
    return replace(selection, fields=fields) if fields else None


def _of_several(schema: Schema, selection: Selection) -> Selection | None:
    """Return the points of fields that have several types; None if there are none.

    Raises:
        SchemaConflictError: InfluxQL can't read them.
    """
    mixed = schema.mixed(None)
    if not mixed or schema.database is None:
        return None
    part = replace(selection, fields=mixed)
    query = _influxql.raw(schema.database, part, dict.fromkeys(mixed, "float64"))
    if (reason := _influxql.why_not(part, query)) is not None:
        types = " and ".join((schema.types or {})[mixed[0]])
        message = f"field {mixed[0]!r} of {part.measurement!r} was written as {types}, and InfluxQL {reason}"
        raise SchemaConflictError(message)
    return part
