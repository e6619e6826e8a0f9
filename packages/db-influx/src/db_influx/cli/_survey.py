"""What a bucket has, and what of it can be exported exactly.

Flux loses carriage returns of texts and tags, and reads one type of a field that has several. InfluxQL casts
the values of such a field. So all names, types and tag values are first read in InfluxQL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from db_core.errors import InvalidArgumentError, NotFoundError, SchemaConflictError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from db_influx import InfluxManager

__all__ = ["survey"]

_TEXT = "string"


def survey(
    manager: InfluxManager, bucket: str, wanted: Iterable[str] | None
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Return the measurements of a bucket, and what of them can't be exported.

    Args:
        manager: The manager.
        bucket: Name of the bucket.
        wanted: Names of measurements; None is all of them.

    Returns:
        For each measurement its tags, the types of its fields, the language in which it must be read, and the
        columns with other names; and measurements and fields with the reason why they can't be exported.

    Raises:
        NotFoundError: There is no such bucket or measurement.
    """
    fields: dict[str, dict[str, list[str]]] = {}
    for name, field, kind in _shown(manager, bucket, "SHOW FIELD KEYS", "fieldKey", "fieldType"):
        fields.setdefault(name, {}).setdefault(field, []).append(kind)
    tags: dict[str, list[str]] = {}
    for name, key in _shown(manager, bucket, "SHOW TAG KEYS", "tagKey"):
        tags.setdefault(name, []).append(key)
    if unknown := [name for name in wanted or () if name not in fields]:
        known = ", ".join(map(repr, sorted(fields))) or "none"
        raise NotFoundError(f"bucket {bucket!r} has no measurement {unknown[0]!r}; it has {known}")
    with_return = set(_with_return(manager, bucket))
    chosen = sorted(fields if wanted is None else set(wanted))
    found: dict[str, dict[str, Any]] = {}
    refused: list[dict[str, Any]] = []
    for name in chosen:
        keys = sorted(tags.get(name, ()))
        types, reasons = {}, []
        for field, kinds in sorted(fields[name].items()):
            reason = _why_not(field, kinds, keys)
            if reason is None:
                types[field] = kinds[0]
            else:
                reasons.append({"measurement": name, "field": field, "reason": reason})
        needs = _TEXT in types.values() or name in with_return
        protocol = "influxql" if needs else "flux"
        reason = _why_no_measurement(name, keys)
        if reason is None and types and needs:
            reason = _why_no_influxql(manager, bucket, name, list(types), keys)
        if reason is not None:
            refused.append({"measurement": name, "field": None, "reason": reason})
            continue
        refused += reasons
        if types:
            columns = _columns([*keys, *types])
            found[name] = {"tags": keys, "fields": types, "protocol": protocol, "columns": columns}
    return found, refused


def _shown(manager: InfluxManager, bucket: str, statement: str, *columns: str) -> Iterator[tuple[str, ...]]:
    """Yield the measurement and the columns of each row of a SHOW statement."""
    for batch in manager.query_influxql_batches(statement, bucket=bucket, into="arrow"):
        cells = [batch.column(name).to_pylist() for name in ("_measurement", *columns)]
        yield from zip(*cells, strict=True)


def _with_return(manager: InfluxManager, bucket: str) -> Iterator[str]:
    """Yield the measurements that have a tag value with a carriage return."""
    for name, value in _shown(manager, bucket, "SHOW TAG VALUES WITH KEY =~ /.*/", "value"):
        if "\r" in value:
            yield name


def _columns(names: list[str]) -> dict[str, str]:
    """Return columns of files that are named otherwise than a field or tag: Arrow's names have no NUL."""
    return {name: name.replace("%", "%25").replace("\0", "%00") for name in names if "\0" in name}


def _why_not(field: str, kinds: list[str], tags: list[str]) -> str | None:
    if len(kinds) > 1:
        return f"it was written as {' and '.join(sorted(kinds))}, and a column of a file has one type"
    if field in tags:
        return "a tag has the same name"
    return "its name has a carriage return" if "\r" in field else None


def _why_no_measurement(name: str, tags: list[str]) -> str | None:
    if "\r" in name:
        return "its name has a carriage return"
    if odd := [key for key in tags if "\r" in key]:
        return f"the name of tag {odd[0]!r} has a carriage return"
    return None


def _why_no_influxql(
    manager: InfluxManager, bucket: str, name: str, fields: list[str], tags: list[str]
) -> str | None:
    """Return why InfluxQL can't read a measurement; None if it can. A read without points shows this."""
    first = "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000001Z"
    options: dict[str, Any] = {"by": tags, "protocol": "influxql", "missing": "ignore", "into": "pandas"}
    try:
        for _ in manager.read_batches(*first, name, fields, bucket, **options):
            pass
    except (InvalidArgumentError, SchemaConflictError) as error:
        return str(error)
    return None
