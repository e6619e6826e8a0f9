"""Any InfluxQL: statements, parameters, the bucket that is read, and errors."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from db_core.errors import InvalidArgumentError, NotFoundError, QueryError
from tests.influx.frames import T0

if TYPE_CHECKING:
    from db_influx import InfluxManager
    from tests.influx.conftest import Store

SECOND = 1_000_000_000
BIG = 2**53 + 1


@pytest.fixture
def filled(own_store: Store) -> str:
    """Store four points of two series with a field of each type; give the bucket's name."""
    own_store.write(
        f'm,k=a f=1.5,i={BIG}i,u={2**64 - 1}u,b=true,s="x" {T0}',
        f'm,k=a f=2.5,i=-2i,b=false,s="" {T0 + SECOND}',
        f"m,k=b f=1e-7 {T0}",
        f'm,k=b s="a\r\nb" {T0 + 2 * SECOND}',
    )
    return own_store.name


def test_series_are_one_frame_with_the_stored_types(manager: InfluxManager, filled: str) -> None:
    """Every bit of an integer survives; an empty text is none that is missing; tags are categories."""
    frame = manager.query_influxql("SELECT * FROM m GROUP BY k", bucket=filled)

    assert ["_measurement", "time", "b", "f", "i", "s", "u", "k"] == sorted(
        frame.columns, key=["_measurement", "time", "b", "f", "i", "s", "u", "k"].index
    )
    assert [BIG, -2] == frame["i"].dropna().tolist()
    assert [2**64 - 1] == frame["u"].dropna().tolist()
    assert ["x", "", "a\r\nb"] == frame["s"].dropna().tolist()
    assert [T0, T0 + SECOND, T0, T0 + 2 * SECOND] == frame["time"].astype("int64").tolist()
    assert ["a", "a", "b", "b"] == frame["k"].astype(str).tolist()
    assert isinstance(frame["k"].dtype, pd.CategoricalDtype)


PARAMETERS: dict[str, tuple[str, object, int]] = {
    "a float": ("f = $x", 1.5, 1),
    "a float without a point": ("f = $x", 1e-7, 1),
    "a float that is whole": ("f > $x", 1.0, 2),
    "a float of numpy": ("f = $x", np.float64(2.5), 1),
    "an integer": ("i = $x", -2, 1),
    "the least integer": ("i > $x", -(2**63), 2),
    "a bool": ("b = $x", False, 1),
    "a text": ("s = $x", "a\r\nb", 1),
    "an empty text": ("s = $x", "", 1),
    "a text that is a condition": ("s = $x", "x' OR 's' = 's", 0),
    "a time": ("time > $x", datetime(2026, 1, 1, tzinfo=UTC), 2),
    "a time of pandas": ("time > $x", pd.Timestamp(T0 + SECOND, tz="UTC"), 1),
    "a length of time": ("time < now() - $x", timedelta(seconds=1), 4),
    "a negative length": ("time < now() + $x", timedelta(microseconds=-1), 4),
    "a regular expression": ("k =~ $x", re.compile("^[b-z]$"), 2),
    "one with a flag and a slash": ("k =~ $x", re.compile("^A|/$", re.IGNORECASE), 2),
}


@pytest.mark.parametrize("case", PARAMETERS)
def test_a_parameter_is_a_value(manager: InfluxManager, filled: str, case: str) -> None:
    """Each finds as many of the four points as it should."""
    condition, value, count = PARAMETERS[case]

    frame = manager.query_influxql(f"SELECT * FROM m WHERE {condition}", {"x": value}, bucket=filled)

    assert count == len(frame)


@pytest.mark.parametrize(
    "value",
    [
        None,
        2**63,
        float("nan"),
        float("inf"),
        b"x",
        [1],
        {"ident": "f"},
        re.compile("x", re.VERBOSE),
        timedelta(days=106_752),
        timedelta(days=-106_752),
    ],
)
def test_what_is_no_value_of_influxql_is_refused(nowhere: InfluxManager, value: object) -> None:
    """Before anything is sent; a list or an object would become something else than a value."""
    with pytest.raises(InvalidArgumentError) as caught:
        nowhere.query_influxql("SELECT f FROM m WHERE f = $x", {"x": value})
    assert "params" == caught.value.argument


@pytest.mark.parametrize("text", ["", " \n", ";", "-- SELECT f FROM m", "/* SELECT\nf */ ; -- FROM m\n"])
def test_a_text_without_a_statement_is_refused(nowhere: InfluxManager, text: str) -> None:
    """Before anything is sent; the server's answer to it would look as if it were cut off."""
    with pytest.raises(InvalidArgumentError) as caught:
        nowhere.query_influxql(text)
    assert "influxql" == caught.value.argument


def test_a_measurement_is_qualified_by_the_text_or_by_the_bucket(manager: InfluxManager, filled: str) -> None:
    """Without either InfluxDB knows no database."""
    text = f'SELECT f FROM "{filled}"."autogen"."m"'

    assert len(manager.query_influxql("SELECT f FROM m", bucket=filled)) == len(manager.query_influxql(text))
    with pytest.raises(QueryError, match="database name required"):
        manager.query_influxql("SELECT f FROM m")
    with pytest.raises(NotFoundError, match="no-such-bucket"):
        manager.query_influxql("SELECT f FROM m", bucket="no-such-bucket")


def test_statements_are_one_frame_or_one_for_each_layout(manager: InfluxManager, filled: str) -> None:
    """SHOW statements have columns of their own; a statement that finds nothing adds none."""
    text = "SHOW MEASUREMENTS; SELECT nothing FROM m; SELECT mean(f) FROM m GROUP BY k"

    whole = manager.query_influxql(text, bucket=filled)
    assert ["m"] == whole["name"].dropna().tolist()
    assert [2.0, 1e-7] == whole["mean"].dropna().tolist()
    names, *means = manager.query_influxql(text, bucket=filled, split=True)
    assert ["m"] == names["name"].tolist()
    assert [2.0, 1e-7] == [value for frame in means for value in frame["mean"]]


def test_windows_subqueries_and_zones_are_the_servers(manager: InfluxManager, filled: str) -> None:
    """Whatever InfluxQL computes comes as it is."""
    frame = manager.query_influxql(
        "SELECT max(f) FROM (SELECT f FROM m) WHERE time >= $a AND time < $b GROUP BY time(1s) fill(0)",
        {"a": datetime(2026, 1, 1, tzinfo=UTC), "b": datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC)},
        bucket=filled,
    )
    assert [1.5, 2.5, 0.0] == frame["max"].tolist()


def test_what_was_deleted_is_gone(manager: InfluxManager, own_store: Store) -> None:
    """DELETE and DROP MEASUREMENT return a frame without rows, and do what they say."""
    own_store.write(f"m v=1 {T0}", f"n v=2 {T0}", f"n v=3 {T0 + SECOND}")

    gone = manager.query_influxql(
        "DELETE FROM n WHERE time > $t; DROP MEASUREMENT m",
        {"t": datetime(2026, 1, 1, tzinfo=UTC)},
        bucket=own_store.name,
    )

    assert 0 == len(gone)
    assert [("n", 2.0)] == [(point.measurement, point.value) for point in own_store.points()]


REFUSED = {
    "no InfluxQL": ("SELEC f FROM m", "failed to parse query"),
    "a later statement": (
        "SELECT f FROM m; SELECT f FROM nowhere.p.m; SELECT i FROM m",
        "database not found",
    ),
    "an earlier statement": ("SHOW STATS; SELECT f FROM m", "not implemented: SHOW STATS"),
    "into": ("SELECT f INTO other FROM m", "not implemented: SELECT INTO"),
    "a database": ("CREATE DATABASE d", "not implemented: CREATE DATABASE"),
    "a parameter that is missing": ("SELECT f FROM m WHERE f = $x", "missing parameter: x"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_statement_is_an_error(manager: InfluxManager, filled: str, case: str) -> None:
    """In the server's words, and without the rows of the statements before."""
    text, words = REFUSED[case]

    with pytest.raises(QueryError, match=words):
        manager.query_influxql(text, bucket=filled)
    with pytest.raises(QueryError, match=words):
        list(manager.query_influxql_batches(text, bucket=filled))


@pytest.mark.parametrize("gzip", [False, True])
def test_batches_are_the_whole_in_pieces(make_manager: Any, own_store: Store, *, gzip: bool) -> None:
    """No frame has more rows than asked for, and together they have all, in the order of the answer."""
    own_store.write(*(f"m,k={'ab'[n % 2]} v={n}i {T0 + n * SECOND}" for n in range(30_000)))

    frames = list(
        make_manager(gzip=gzip).query_influxql_batches(
            "SELECT v FROM m GROUP BY k", bucket=own_store.name, batch_rows=4_000
        )
    )

    assert max(map(len, frames)) <= 4_000
    assert [*range(0, 30_000, 2), *range(1, 30_000, 2)] == [value for frame in frames for value in frame["v"]]
