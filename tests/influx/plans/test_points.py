"""Plans of reads of points in InfluxQL: what they ask, when they turn to Flux, when they ask again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from db_core.errors import (
    ConnectionFailedError,
    InvalidArgumentError,
    NotFoundError,
    QueryError,
    SchemaConflictError,
)
from db_influx import _influxql
from db_influx._steps import Ask, AskAtMost, AskJson
from db_influx.plans import batches, influxql, read
from db_influx.plans.schema import Databases
from tests.influx.msgpack import document, series
from tests.influx.plans.played import (
    BUCKETS,
    HOUR,
    MAPPINGS,
    ORGANIZATIONS,
    T0,
    Played,
    csv,
    knows,
    options,
    selection,
    still,
)

NOTHING = document()
CSV = csv({"_time": "dateTime:RFC3339", "_value": "string"}, ("2026-01-01T00:00:00Z", "in Flux"))
ELSEWHERE = {"content": [{"database": "b", "retention_policy": "rp", "virtual": True, "bucketID": "0b"}]}
OTHERS = {"content": [{"database": "b", "retention_policy": "rp", "virtual": False, "bucketID": "0c"}]}


def rows(*values: object, column: str = "v", **tags: str) -> bytes:
    """Return an answer of rows a second apart from 2026-01-01 on."""
    listed = [[T0 + number * 1_000_000_000, value] for number, value in enumerate(values)]
    return document(series(["time", column], *listed, **tags))


def bound(query: Any) -> dict[str, Any]:
    """Return the parameters of a query."""
    values: dict[str, Any] = json.loads(query.params)
    return values


def test_points_are_asked_in_influxql_between_two_questions_for_their_database_and_types() -> None:
    """Names and values are parameters; the bucket's database and the types are asked before and after."""
    played = Played(*knows(v="float"), [rows(1.5, 2.5, k="x")], *still(v="float"))

    frame = played.run(
        read.stored(Databases(), selection("v", tags={"k": "x"}), options(protocol="influxql", by=("k",)))
    )

    assert ["AskJson"] * 4 + ["Ask"] + ["AskJson"] * 3 == played.kinds
    assert [played.steps[place] for place in (0, 1, 3)] == played.steps[5:]
    [query] = played.steps[4].queries
    assert ("b", "rp") == (query.database, query.policy)
    assert query.text == (
        "SELECT $p0::field FROM $p1 WHERE time >= $p2 AND time < $p3 AND ($p4::tag = $p5) GROUP BY *"
    )
    assert bound(query) == {
        "p0": {"ident": "v"},
        "p1": {"ident": "m"},
        "p2": T0,
        "p3": T0 + 24 * HOUR,
        "p4": {"ident": "k"},
        "p5": "x",
    }
    assert [("x", 1.5), ("x", 2.5)] == list(zip(frame.index.get_level_values("k"), frame["v"], strict=True))


@pytest.mark.parametrize("kind", ["float", "integer", "unsigned", "boolean"])
def test_what_flux_reads_exactly_is_read_in_flux(kind: str) -> None:
    """It takes the server less time. A read with text is InfluxQL's, as CSV has no carriage returns."""
    number = csv({"_time": "dateTime:RFC3339", "_value": "double"}, ("2026-01-01T00:00:00Z", 2.5))
    played = Played(*knows(v=kind), [number])
    assert [2.5] == played.run(read.stored(Databases(), selection("v"), options(protocol="auto")))[
        "v"
    ].tolist()

    known = {"s": "string", "v": kind}
    played = Played(*knows(**known), [NOTHING], *still(**known))
    played.run(read.stored(Databases(), selection("v", "s"), options(protocol="auto", missing="ignore")))
    assert "SELECT" == played.flux[0][0][:6]


def test_each_type_is_asked_for_so_that_no_later_one_hides_its_points() -> None:
    """Numbers are asked for as a field, since a cast would change them; text and booleans by their type."""
    kinds = {"f": "float", "i": "integer", "u": "unsigned", "s": "string", "b": "boolean"}
    played = Played(*knows(**kinds), [NOTHING], *still(**kinds))

    played.run(read.stored(Databases(), selection(*kinds), options(protocol="influxql", missing="ignore")))

    [[text]] = played.flux
    assert text.startswith("SELECT $p0::field, $p1::field, $p2::field, $p3::string, $p4::boolean FROM")


def test_points_whose_field_got_another_type_meanwhile_are_read_again() -> None:
    """InfluxQL returns those of one type; the second read knows both types, and is Flux's."""
    both = "integer string"
    counted = {"results": [{"series": [{"values": [[0, 0, 1]]}]}]}
    seen = csv({"_field": "string", "_value": "long"}, ("v", 1))
    replies = [*still(v=both), *still(v=both)[2:], counted, [seen], [CSV]]
    played = Played(*knows(v="string"), [rows("in InfluxQL")], *replies)

    frame = played.run(read.stored(Databases(), selection("v"), options(protocol="auto")))

    assert ["in Flux"] == frame["v"].tolist()
    assert ["SELECT", "from(bu", "from(bu"] == [texts[0][:7].strip() for texts in played.flux]


def test_batches_whose_field_got_another_type_meanwhile_are_an_error() -> None:
    """The frames before that are handed on, and none after it."""
    known, both = still(v="float"), still(v="float integer")
    played = Played(*knows(v="float"), [rows(1.5)], *known, rows(1.5), *known, rows(2.5), *both)

    with pytest.raises(SchemaConflictError, match="a field of 'm' has another type, "):
        played.run(batches.batches(Databases(), selection("v"), 2, options(protocol="influxql")))

    assert [[1.5]] == [frame["v"].tolist() for frame in played.frames]


def test_batches_whose_last_slices_are_empty_are_an_error_too_if_a_type_is_new() -> None:
    """InfluxQL may have left out points of the new type."""
    known, both = still(v="string"), still(v="integer string")
    replies = [[rows("x")], *known, rows("x"), *known, *[NOTHING] * 3, *both]
    played = Played(*knows(v="string"), *replies)

    with pytest.raises(SchemaConflictError, match="has another type"):
        played.run(batches.batches(Databases(), selection("v"), 2, options(protocol="influxql")))

    assert [["x"]] == [frame["v"].tolist() for frame in played.frames]


def test_a_slice_is_asked_for_with_the_rows_of_its_frames() -> None:
    """InfluxQL returns one row for all fields of a time: two of a frame make eight for the slice."""
    kinds = {"a": "float", "b": "float", "c": "float"}
    known = still(**kinds)
    one = document(series(["time", *kinds], [T0, 1.0, None, 2.0]))
    played = Played(*knows(**kinds), [one], *known, one, *known, QueryError("no more"))

    with pytest.raises(QueryError, match="no more"):
        played.run(batches.batches(Databases(), selection(*kinds), 2, options(protocol="influxql")))

    [first, second] = [step for step in played.steps if isinstance(step, AskAtMost)]
    assert 8 == first.limits[0]
    assert [T0, T0 + HOUR] == [bound(step.query)["p4"] for step in (first, second)]
    [series_of] = next(step for step in played.steps if isinstance(step, Ask)).queries
    assert series_of.text.endswith("GROUP BY * LIMIT 1")


@pytest.mark.parametrize(
    "limit", ["max-select-point limit exceeed: (9/8)", "max-select-series limit exceeded: (2/1)"]
)
def test_what_a_limit_of_the_server_refuses_is_read_in_flux(limit: str) -> None:
    """Those limits are for InfluxQL alone; who insists on it gets the error."""
    played = Played(*knows(v="string"), QueryError(limit), *knows(v="string")[3:], [CSV])

    assert ["in Flux"] == played.run(read.stored(Databases(), selection("v"), options(protocol="auto")))[
        "v"
    ].tolist()

    insisting = Played(*knows(v="float"), QueryError(limit))
    with pytest.raises(QueryError, match="max-select"):
        insisting.run(read.stored(Databases(), selection("v"), options(protocol="influxql")))


def test_batches_go_on_in_flux_where_a_limit_refuses_influxql() -> None:
    """From the slice that was refused on; what was handed on before is not read again."""
    known = still(v="string")
    first, end = rows("in InfluxQL", k="a"), ConnectionFailedError("the rest of the day is of no interest")
    series_of = csv(
        {"_time": "dateTime:RFC3339", "_value": "string", "k": "string"},
        ("2026-01-01T01:00:00Z", "in Flux", "a"),
    )
    refused = QueryError("max-select-point limit exceeed: (9/8)")
    replies = [[first], *known, first, *known, refused, known[2], [series_of], series_of, end]
    played = Played(*knows(v="string"), *replies)

    with pytest.raises(ConnectionFailedError):
        played.run(batches.batches(Databases(), selection("v"), 9, options(protocol="auto")))

    assert [["in InfluxQL"], ["in Flux"]] == [frame["v"].tolist() for frame in played.frames]
    assert "range(start: 2026-01-01T01:00:00.000000000Z" in played.flux[-2][0]


def test_slices_without_points_are_checked_before_batches_go_on_in_flux() -> None:
    """InfluxQL may have left out points of a type that came meanwhile."""
    refused = QueryError("max-select-point limit exceeed: (9/8)")
    replies = [[rows("x")], *still(v="string"), NOTHING, refused, *still(v="integer string")]

    with pytest.raises(SchemaConflictError, match="has another type"):
        Played(*knows(v="string"), *replies).run(
            batches.batches(Databases(), selection("v"), 9, options(protocol="auto"))
        )


def test_another_error_of_the_server_is_raised() -> None:
    """Flux is no second attempt for what failed."""
    played = Played(*knows(v="string"), QueryError("engine: no more"))

    with pytest.raises(QueryError, match="engine"):
        played.run(read.stored(Databases(), selection("v"), options(protocol="auto")))


UNREADABLE = {
    "a measurement of its own": (
        replace(selection("v"), measurement="_series"),
        "the name '_series' of a measurement",
    ),
    "a tag named time": (selection("v", tags={"Time": "x"}), "the name 'Time' in conditions"),
    "too many names": (selection("v", tags={"k": "x" * 11_000_000}), "at most 10 MiB"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_influxql_would_misread_is_read_in_flux(case: str) -> None:
    """Insisting on InfluxQL is an error that says why."""
    chosen, reason = UNREADABLE[case]

    played = Played(*knows(v="string"), [CSV])
    assert ["in Flux"] == played.run(read.stored(Databases(), chosen, options(protocol="auto")))["v"].tolist()

    with pytest.raises(InvalidArgumentError, match=re.escape(reason)) as caught:
        Played(*knows(v="float")).run(read.stored(Databases(), chosen, options(protocol="influxql")))
    assert "protocol" == caught.value.argument


def test_a_field_of_two_types_is_not_read_in_influxql() -> None:
    """It would cast the values of one type to the other."""
    with pytest.raises(InvalidArgumentError, match=r"convert the values of field 'v', .*float and integer"):
        Played(*knows(v="float integer")).run(
            read.stored(Databases(), selection("v"), options(protocol="influxql"))
        )


def test_a_bucket_whose_database_is_anothers_is_read_in_flux() -> None:
    """An explicit mapping leads from its name to another bucket, whose points InfluxQL would return."""
    played = Played(BUCKETS, ELSEWHERE, OTHERS, [CSV])

    assert ["in Flux"] == played.run(read.stored(Databases(), selection("v"), options(protocol="auto")))[
        "v"
    ].tolist()

    for plan in (
        read.stored(Databases(), selection("v"), options(protocol="influxql")),
        influxql.tables(Databases(), _influxql.bind("SELECT v FROM m", None), "b", options(), split=False),
    ):
        with pytest.raises(
            NotFoundError, match="no database and retention policy are mapped to bucket 'b' alone"
        ):
            Played(BUCKETS, ELSEWHERE, OTHERS).run(plan)


NO_BUCKET: dict[str, Any] = {"buckets": []}
MOVED = {"content": [{"database": "c", "retention_policy": "rp", "virtual": False, "bucketID": "0b"}]}


def test_points_whose_database_left_the_bucket_meanwhile_are_read_again() -> None:
    """What was read may be another bucket's; the second read is of the new database."""
    known = still(v="string")
    played = Played(*knows(v="string"), [rows("of another")])
    played.left += [BUCKETS, MOVED, BUCKETS, MOVED, ORGANIZATIONS, known[2], [rows("here")], BUCKETS, MOVED]
    played.left += [known[2]]

    frame = played.run(read.stored(Databases(), selection("v"), options(protocol="auto")))

    assert ["here"] == frame["v"].tolist()
    assert ["b", "c"] == [step.queries[0].database for step in played.steps if isinstance(step, Ask)]


def test_batches_whose_bucket_is_gone_are_no_empty_ones() -> None:
    """Its database of a minute ago has no such measurement, so the bucket is looked up again."""
    databases = Databases()
    Played(*knows(v="string")[:3]).run(databases.of("b"))
    nothing: dict[str, Any] = {"results": [{}]}
    played = Played(nothing, NO_BUCKET, NO_BUCKET)

    with pytest.raises(NotFoundError, match="no database and retention policy"):
        played.run(batches.batches(databases, selection("v"), 2, options(protocol="influxql")))


def test_a_statement_runs_where_the_bucket_is_now() -> None:
    """Not where it was a minute ago, which may be another bucket; nor is a missing database kept."""
    databases = Databases()
    Played(*knows(v="float")[:3]).run(databases.of("b"))
    statement = _influxql.bind("DELETE FROM m", None)

    def plan() -> Any:
        return influxql.tables(databases, statement, "b", options(), split=False)

    moved = Played(BUCKETS, MOVED, BUCKETS, MOVED, ORGANIZATIONS, [NOTHING])
    moved.run(plan())
    assert "c" == moved.steps[-1].queries[0].database
    with pytest.raises(NotFoundError, match="no database"):
        Played(*[BUCKETS, ELSEWHERE, OTHERS] * 2).run(plan())
    Played(BUCKETS, MOVED, ORGANIZATIONS, [NOTHING]).run(plan())


def test_a_bucket_that_another_organization_has_too_is_read_in_flux() -> None:
    """InfluxQL would read in the organization of an operator's token, and find the other bucket."""
    both = {"orgs": [{"id": "0a"}, {"id": "0d"}]}
    other = {"content": [{"database": "b", "retention_policy": "rp", "virtual": True, "bucketID": "0e"}]}
    played = Played(BUCKETS, MAPPINGS, both, other, [CSV])

    assert ["in Flux"] == played.run(read.stored(Databases(), selection("v"), options(protocol="auto")))[
        "v"
    ].tolist()
    assert AskJson("api/v2/dbrps", (("org", ""), ("orgID", "0d"))) == played.steps[3]

    unlike = {"content": [{"database": "c", "retention_policy": "rp", "virtual": True, "bucketID": "0e"}]}
    known = still(v="string")
    played = Played(BUCKETS, MAPPINGS, both, unlike, known[2], [rows("here")], *known)
    assert ["here"] == played.run(read.stored(Databases(), selection("v"), options(protocol="auto")))[
        "v"
    ].tolist()


def test_a_field_that_was_never_written_is_not_asked_for() -> None:
    """Nothing is asked for none; the frame has no rows, and a column for it."""
    played = Played(*knows(v="float"), BUCKETS, MAPPINGS)

    frame = played.run(
        read.stored(Databases(), selection("w"), options(protocol="influxql", missing="ignore"))
    )

    assert ([], ["w"]) == (frame.index.tolist(), list(frame.columns))
    assert ["AskJson"] * 6 == played.kinds


def test_what_the_server_says_beside_an_answer_is_a_warning() -> None:
    """InfluxDB 1.x said so of deprecated words; the frame is returned all the same."""
    said = [{"level": "warning", "text": "deprecated use of a word"}]
    answer = document(series(["time", "v"], [T0, 1.5]), messages=said)
    played = Played([answer])

    frame = played.run(
        influxql.tables(Databases(), _influxql.bind("SELECT v FROM m", None), None, options(), split=False)
    )

    assert [1.5] == frame["v"].tolist()
    assert ["InfluxDB warns about the query: warning: deprecated use of a word"] == played.warnings
