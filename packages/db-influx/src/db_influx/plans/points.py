"""Points as they are stored: which language reads them, InfluxQL or Flux, and by which queries.

InfluxQL's answers are exact for text, while Flux's CSV loses carriage returns, and they have a quarter of the
size. But they take the server more time. So numbers and booleans are read in Flux, unless the caller chooses
InfluxQL.
InfluxQL reads a database, which must be known to be this very bucket, and it casts the values of a field that
has several types. So both are asked before each read. As a type may be added meanwhile, or the database
become another bucket's, they are asked again after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from db_influx import _arguments, _flux, _influxql
from db_influx.plans.schema import no_database

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from db_core.errors import QueryError
    from db_influx._field_types import FieldTypes
    from db_influx._flux import Selection
    from db_influx._influxql import Database
    from db_influx._options import Options
    from db_influx._steps import Query, Steps
    from db_influx.plans.schema import Databases, Schema

__all__ = ["Source", "source"]

_LIMIT = "max-select-"  # begins the names of settings of the server, and errors about them


class Source(NamedTuple):
    """How the points of a selection are read.

    Attributes:
        schema: The fields of the measurement.
        kinds: The types of the selection's fields in a frame, as far as each has one.
        database: Where InfluxQL finds the points; None if Flux reads them.
    """

    schema: Schema
    kinds: Mapping[str, str]
    database: Database | None

    def must_leave(self, error: QueryError, options: Options) -> bool:
        """Tell whether a limit of the server for InfluxQL refused a read that Flux may do instead."""
        is_limit = self.database is not None and str(error).startswith(_LIMIT)
        return is_limit and options.protocol == "auto"

    def parts(self, parts: Sequence[Selection], *, may_divide: bool = True) -> Steps[list[Selection]]:
        """Return the parts of a range that are queried one by one; none if there is nothing to read.

        Args:
            parts: Parts of a range, one after the other.
            may_divide: They may be divided where shards begin.

        Raises:
            SchemaConflictError: Flux would leave out points of a field with several types.
        """
        if self.database is not None:
            return list(parts) if self.kinds else []
        parts = self.schema.apart(parts) if may_divide else list(parts)
        yield from self.schema.check_types(parts)
        return parts

    def query(self, part: Selection) -> Query:
        """Ask for the points of a part."""
        return _flux.raw(part) if self.database is None else _influxql.raw(self.database, part, self.kinds)

    def series(self, selection: Selection) -> Query:
        """Ask for a point of each series."""
        if self.database is None:
            return _flux.series(selection)
        return _influxql.raw(self.database, selection, self.kinds, limit=1)

    def is_current(self, databases: Databases, bucket: str) -> Steps[bool]:
        """Tell whether the database still leads to the bucket, and the fields have the types they had."""
        if self.database is None:
            return True
        if not (yield from databases.leads(self.database, bucket)):
            return False
        if not self.kinds:
            return True
        types = (yield from self.schema.ask_types()) or {}
        return all(types.get(field) == (self.schema.types or {})[field] for field in self.kinds)


def source(schema: Schema, selection: Selection, options: Options) -> Source:
    """Return how the points of a selection are read, as `protocol` says.

    Raises:
        InvalidArgumentError: `protocol` is "influxql", which can't read them.
        NotFoundError: `protocol` is "influxql", and no database leads to the bucket.
    """
    kinds = schema.kinds(selection.fields)
    by_flux = Source(schema, kinds, None)
    is_exact = "string" not in kinds.values()
    if options.protocol == "flux" or (options.protocol == "auto" and is_exact):
        return by_flux
    if schema.database is None or schema.types is None:
        if options.protocol == "influxql":
            raise no_database(selection.bucket)
        return by_flux
    reason = _why_not(schema.types, selection, _influxql.raw(schema.database, selection, kinds))
    if reason is None:
        return Source(schema, kinds, schema.database)
    if options.protocol == "influxql":
        raise _arguments.invalid("protocol", f"is 'influxql', but InfluxQL {reason}. Use 'auto' or 'flux'")
    return by_flux


def _why_not(types: FieldTypes, selection: Selection, query: _influxql.Query) -> str | None:
    """Return why InfluxQL can't read a selection; None if it can."""
    for field in types if selection.fields is None else selection.fields:
        if len(stored := types.get(field, ())) > 1:
            return f"would convert the values of field {field!r}, which was written as {' and '.join(stored)}"
    return _influxql.why_not(selection, query)
