"""The text of InfluxQL: nothing of a caller's stands in it, and the form that is sent."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

from hypothesis import given
from hypothesis import strategies as st

from db_influx import _influxql
from db_influx._flux import Selection
from tests.influx.frames import T0

DATABASE = _influxql.Database("d&b", "r p", 0)
NAMES = st.text(min_size=1)


@given(measurement=NAMES, field=NAMES, key=NAMES, value=NAMES)
def test_no_name_or_value_stands_in_the_text(measurement: str, field: str, key: str, value: str) -> None:
    """The text is the same for all of them, and each is a parameter as it is."""
    chosen = Selection("b", measurement, (field,), ((key, (value, "")),), T0, T0 + 1)

    query = _influxql.raw(DATABASE, chosen, {field: "float64"})

    assert query.text == (
        "SELECT $p0::field FROM $p1 WHERE time >= $p2 AND time < $p3 "
        "AND (($p4::tag = $p5 OR $p4::tag = $p6)) GROUP BY *"
    )
    bound = json.loads(query.params)
    assert [{"ident": field}, {"ident": measurement}, T0, T0 + 1, {"ident": key}] == [
        bound[f"p{number}"] for number in range(5)
    ]
    assert {value, ""} == {bound["p5"], bound["p6"]}


def test_many_values_are_one_regular_expression() -> None:
    """Their own special characters are escaped; up to a hundred are compared one by one."""
    values = tuple(f"a.{number}" for number in range(101))
    chosen = Selection("b", "m", ("v",), (("k", values),), T0, T0 + 1)

    query = _influxql.raw(DATABASE, chosen, {"v": "float64"})

    assert query.text.endswith("AND ($p4::tag =~ $p5) GROUP BY *")
    pattern = json.loads(query.params)["p5"]["regex"]
    assert pattern.startswith(r"^(?:a\.0|a\.1|a\.10|a\.100|a\.11|")
    assert pattern.endswith(r"|a\.99)$")


def test_a_form_says_where_it_reads_and_how_it_is_answered() -> None:
    """Nanoseconds as integers, in pieces; without a database nothing is said of one."""
    chosen = Selection("b", "m", ("v",), (), T0, T0 + 1)

    form = parse_qs(_influxql.raw(DATABASE, chosen, {"v": "float64"}).body().decode())
    assert {"db": ["d&b"], "rp": ["r p"], "epoch": ["ns"], "chunked": ["true"], "chunk_size": ["10000"]} == {
        name: form[name] for name in ("db", "rp", "epoch", "chunked", "chunk_size")
    }
    assert {"epoch", "q", "params", "chunked", "chunk_size"} == set(
        parse_qs(_influxql.bind("SHOW DATABASES", None).body().decode())
    )
