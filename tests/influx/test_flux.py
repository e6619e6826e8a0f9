"""Flux text from arguments, and that the real server reads every text and value as it is."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from db_core.errors import InvalidArgumentError, QueryError
from db_influx import _flux, _flux_params
from db_influx._windows import Windows

if TYPE_CHECKING:
    from db_influx import InfluxManager

T0 = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z

on_server = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# Any Unicode; the server's CSV loses carriage returns and makes two characters of a line feed.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n") | st.sampled_from('"\\${}\t\0,/'))


# --- Literals ---------------------------------------------------------------------


@on_server
@given(text=texts)
@example(text="${1 + 1}")
@example(text='") |> drop(columns: ["v"]) //')
@example(text="\\")
@example(text="\\x24{}")
@example(text="a\0b")
@example(text="\ufeff\u2028\U0001f600")
def test_the_server_reads_a_literal_as_the_text(manager: InfluxManager, text: str) -> None:
    """Whatever the text is, a query that holds its literal holds that text."""
    got = manager.query(
        f'import "array"\narray.from(rows: [{{v: {_flux.string(text)}, n: 1}}])', into="polars"
    )

    assert [text or None] == got["v"].to_list()


@pytest.mark.parametrize("text", ["\r", "\n", "\r\n", "a\rb\nc\r\n"])
def test_line_ends_are_kept_in_a_literal(manager: InfluxManager, text: str) -> None:
    """The server counts and compares them, since its answer would not show them."""
    literal = _flux.string(text)

    got = manager.query(
        'import "array"\nimport "strings"\n'
        f"array.from(rows: [{{n: strings.strlen(v: {literal}), same: {literal} == params.v}}])",
        {"v": text},
    )

    assert [len(text), True] == got[["n", "same"]].iloc[0].tolist()


@given(text=st.text())
def test_a_literal_has_one_end(text: str) -> None:
    """No quote, line end or interpolation inside is bare; undone by hand, the literal is the text."""
    literal = _flux.string(text)

    assert '"' == literal[0] == literal[-1]
    plain = {"\\\\": "\\", '\\"': '"', "\\n": "\n", "\\r": "\r", "\\t": "\t"}
    found, place = "", 1
    while place < len(literal) - 1:
        width = {"\\": 2}.get(literal[place], 1)
        if literal[place : place + 2] == "\\x":
            width = 4
            found += chr(int(literal[place + 2 : place + 4], 16))
        else:
            assert literal[place] not in '"\n\r$\0'
            found += plain.get(literal[place : place + width], literal[place : place + width])
        place += width
    assert text == found


# --- Queries ------------------------------------------------------------------------

SELECTION = _flux.Selection("b", "m", ("v", "w"), (("k", ("x", "y")),), T0, T0 + 86_400_000_000_000)


def hours(selection: _flux.Selection) -> Windows:
    """Cut a selection's range into hours."""
    return Windows("1h", "UTC", selection.start, selection.stop)


def test_a_selection_filters_what_the_storage_can_filter() -> None:
    """Bucket, range, measurement, fields and tags come first, each in its own step."""
    expected = (
        'from(bucket: "b")\n'
        "  |> range(start: 2026-01-01T00:00:00.000000000Z, stop: 2026-01-02T00:00:00.000000000Z)\n"
        '  |> filter(fn: (r) => r._measurement == "m")\n'
        '  |> filter(fn: (r) => (r["_field"] == "v" or r["_field"] == "w"))\n'
        '  |> filter(fn: (r) => (r["k"] == "x" or r["k"] == "y"))'
    )

    assert expected == SELECTION.flux()


def test_no_query_pivots_and_none_carries_what_is_known() -> None:
    """The pivot is ours, and the constant columns stay at the server."""
    queries = [
        _flux.raw(SELECTION),
        *_flux.windows(SELECTION, hours(SELECTION), "mean"),
        _flux.average(SELECTION),
        _flux.newest(SELECTION),
    ]

    for query in queries:
        assert "pivot" not in query.flux
        assert '"_start", "_stop", "_measurement"' in query.flux


def test_the_field_travels_only_where_there_are_several() -> None:
    """Of one field, every row would name it."""
    one = replace(SELECTION, fields=("v",))
    every = replace(SELECTION, fields=None)

    def drops_it(selection: _flux.Selection) -> list[bool]:
        queries = [_flux.raw(selection), *_flux.windows(selection, hours(selection), "mean")]
        return ['"_field"])' in query.flux for query in queries]

    assert [True, True] == drops_it(one)
    assert [False, False] == drops_it(SELECTION) == drops_it(every)


@pytest.mark.parametrize("count", [1, 2, 100])
def test_alternatives_are_not_nested_deep(count: int) -> None:
    """Many values are halves of halves, since the server's parser refuses deep nesting."""
    values = tuple(
        f"v\x01{number}" for number in range(count * 50)
    )  # which no regular expression is used for
    flux = _flux.Selection("b", "m", None, (("k", values),), 0, 1).flux()

    depth = deepest = 0
    for character in flux:
        depth += {"(": 1, ")": -1}.get(character, 0)
        deepest = max(deepest, depth)
    assert 0 == depth
    assert deepest <= 3 + math.ceil(math.log2(len(values)))
    assert all(f'r["k"] == "v\x01{number}"' in flux for number in range(len(values)))


@given(days=st.integers(0, 400), rest=st.integers(1, 86_400_000_000_000), max_parallel=st.integers(1, 20))
def test_slices_are_the_range_cut(days: int, rest: int, max_parallel: int) -> None:
    """They follow each other without gap or overlap, of at least a day, and not too many are made."""
    stop = T0 + days * 86_400_000_000_000 + rest
    parts = _flux.slices(_flux.Selection("b", "m", ("v",), (), T0, stop), max_parallel)

    nanos = [(part.start, part.stop) for part in parts]
    assert (T0, stop) == (nanos[0][0], nanos[-1][1])
    assert all(one[1] == two[0] for one, two in pairwise(nanos))
    assert 1 <= len(nanos) <= max_parallel
    assert 1 == len(nanos) or all(end - begin >= 86_400_000_000_000 for begin, end in nanos)


@pytest.mark.parametrize(
    ("names", "days", "expected"), [(100, 13, [6.5, 6.5]), (101, 13, [13.0]), (101, 14, [7.0, 7.0])]
)
def test_slices_of_a_long_list_of_names_are_a_week_at_least(
    names: int, days: int, expected: list[float]
) -> None:
    """The server compares the list anew in each slice of a shard, which is a week."""
    day = 86_400_000_000_000
    selection = _flux.Selection(
        "b", "m", ("v",), (("k", tuple(map(str, range(names)))),), T0, T0 + days * day
    )

    assert expected == [(part.stop - part.start) / day for part in _flux.slices(selection, 2)]


def test_windows_of_a_zone_are_cut_by_the_storage_engine() -> None:
    """A location would have the server read every point; an offset does not."""
    tokyo = Windows("1d", "Asia/Tokyo", SELECTION.start, SELECTION.stop)
    lisbon = Windows("1d", "Europe/Lisbon", T0, T0 + 365 * 86_400_000_000_000)

    [query] = _flux.windows(SELECTION, tokyo, "mean")
    assert "offset: 54000000000000ns, " in query.flux  # days end at 15:00 UTC
    assert 5 == len(_flux.windows(SELECTION, lisbon, "mean"))
    assert not any("timezone" in query.flux for query in _flux.windows(SELECTION, lisbon, "mean"))


def test_a_body_asks_for_annotations() -> None:
    """What is sent is JSON with the query, the dialect the decoder needs, and the parameters."""
    body = json.loads(_flux_params.bind("buckets()", {"a": 1}).body())

    assert ("flux", "buckets()") == (body["type"], body["query"])
    assert {"header": True, "annotations": ["datatype", "group", "default"]} == body["dialect"]
    assert "File" == body["extern"]["type"]
    assert "extern" not in json.loads(_flux_params.bind("buckets()", None).body())


# --- Parameters -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (0, 0),
        (-5, -5),
        (2**63 - 1, 2**63 - 1),
        (-(2**63), -(2**63)),
        (0.1, 0.1),
        (-1.5, -1.5),
        (1e300, 1e300),
        (5e-324, 5e-324),
        (3.0, 3.0),
        ('é"\\${r}', 'é"\\${r}'),
        (datetime(2026, 1, 1, 1, 2, 3, 456_789, tzinfo=UTC), pd.Timestamp("2026-01-01T01:02:03.456789Z")),
        (datetime(2026, 1, 1), pd.Timestamp("2026-01-01T00:00:00Z")),  # noqa: DTZ001
        (pd.Timestamp(T0 + 1, tz="UTC"), pd.Timestamp(T0 + 1, tz="UTC")),
        (pd.Timestamp(T0 + 1, tz="Asia/Tokyo"), pd.Timestamp(T0 + 1, tz="UTC")),
        (datetime(1677, 9, 22, tzinfo=UTC), pd.Timestamp("1677-09-22T00:00:00Z")),
    ],
)
def test_a_parameter_is_its_value(manager: InfluxManager, value: Any, expected: Any) -> None:
    """Each type arrives as Flux's own, at its edges as well."""
    got = manager.query('import "array"\narray.from(rows: [{v: params.v, n: 1}])', {"v": value})

    assert expected == got["v"].iloc[0]
    if isinstance(value, float):
        assert "float64" == got["v"].dtype


@on_server
@given(value=st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts)
def test_any_parameter_is_its_value(manager: InfluxManager, value: Any) -> None:
    """Numbers bit by bit, texts character by character."""
    got = manager.query(
        'import "array"\narray.from(rows: [{v: params.v, n: 1}])', {"v": value}, into="polars"
    )

    assert [None if value == "" else value] == got["v"].to_list()


@pytest.mark.parametrize(
    ("value", "nanos"),
    [
        (timedelta(hours=1), 3_600_000_000_000),
        (timedelta(microseconds=-1), -1_000),
        (timedelta(days=40), 40 * 86_400_000_000_000),
        (timedelta(0), 0),
        (pd.Timedelta(-1, "ns"), -1),
        (pd.Timedelta(1_000_001, "ns"), 1_000_001),
    ],
)
def test_a_timedelta_is_a_duration(manager: InfluxManager, value: timedelta, nanos: int) -> None:
    """Positive or negative, to the nanosecond."""
    got = manager.query('import "array"\narray.from(rows: [{n: int(v: params.v)}])', {"v": value})

    assert nanos == got["n"].iloc[0]


def test_lists_and_mappings_nest(manager: InfluxManager) -> None:
    """A list of lists, a mapping of mappings, and one within the other."""
    got = manager.query(
        'import "array"\n'
        "array.from(rows: [{a: params.list[1][0], b: params.map.in.deep, c: params.rows[1].v, "
        'd: params.map["with space"], e: length(arr: params.list)}])',
        {
            "list": [[1, 2], [-3]],
            "map": {"in": {"deep": "x"}, "with space": -0.5},
            "rows": [{"v": 1}, {"v": 2**53 + 1}],
        },
    )

    assert [-3, "x", 2**53 + 1, -0.5, 2] == got[["a", "b", "c", "d", "e"]].iloc[0].tolist()


def test_rows_can_be_a_parameter(manager: InfluxManager) -> None:
    """A tuple is a list; what was given as rows comes back as rows."""
    rows = ({"v": 1, "s": '") |> drop()'}, {"v": -2, "s": "${v}"})

    got = manager.query('import "array"\narray.from(rows: params.rows)', {"rows": rows}, into="polars")

    assert list(rows) == got.select("v", "s").to_dicts()


def test_a_parameter_never_becomes_query_text(manager: InfluxManager) -> None:
    """An injection is a text, and a name that is none finds no parameter."""
    injection = '"}] ) |> drop(columns: ["v"]) //'

    got = manager.query('import "array"\narray.from(rows: [{v: params.v}])', {"v": injection})
    assert [injection] == got["v"].tolist()
    got = manager.query('import "array"\narray.from(rows: [{v: params["a\\"b"]}])', {'a"b': 1})
    assert [1] == got["v"].tolist()
    with pytest.raises(QueryError, match="missing"):
        manager.query('import "array"\narray.from(rows: [{v: params.nothing}])', {"v": 1})


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({"v": None}, "params['v']"),
        ({"v": math.nan}, "params['v']"),
        ({"v": math.inf}, "params['v']"),
        ({"v": 2**63}, "params['v']"),
        ({"v": -(2**63) - 1}, "params['v']"),
        ({"v": b"bytes"}, "params['v']"),
        ({"v": {1, 2}}, "params['v']"),
        ({"v": 1j}, "params['v']"),
        ({"v": object()}, "params['v']"),
        ({"v": pd.NaT}, "params['v']"),
        ({"v": [1, [2, None]]}, "params['v'][1][1]"),
        ({"v": {"w": [math.nan]}}, "params['v']['w'][0]"),
        ({"v": {"": 1}}, "params['v']"),
        ({5: 1}, "params"),
        ({"": 1}, "params"),
        ({"v": datetime(2500, 1, 1, tzinfo=UTC)}, "params['v']"),
        ([("v", 1)], "params"),
        ("v", "params"),
        ({"v": "\ud800"}, "params['v']"),
        ({"\ud800": 1}, "params"),
    ],
)
def test_what_cannot_be_a_parameter_is_refused_with_its_path(params: Any, path: str) -> None:
    """Before anything is sent, and never rounded, cut or replaced."""
    with pytest.raises(InvalidArgumentError) as caught:
        _flux_params.bind("buckets()", params)

    assert f"`{path}`" in str(caught.value)


@pytest.mark.parametrize("flux", ["", "  \n", None, 5, b"buckets()", "\ud800"])
def test_a_query_needs_its_text(flux: Any) -> None:
    """Nothing, blanks, what is no text and what no encoding holds are refused by name."""
    with pytest.raises(InvalidArgumentError, match="`flux`"):
        _flux_params.bind(flux, None)
