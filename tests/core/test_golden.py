"""Answers that a real InfluxDB gave, read as what was written: `tests/golden/record.py` made them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from db_core import QueryError, SchemaConflictError, iter_annotated_csv, read_annotated_csv
from db_core.annotated_csv import decode, split

GOLDEN = Path(__file__).parents[1] / "golden"

FEBRUARY_29 = 1_709_164_800_000_000_000  # 2024-02-29T00:00:00Z
MARCH_1 = FEBRUARY_29 + 86_400_000_000_000
SECOND = 1_000_000_000

TEXT = 'a, "b"\nc\\d größe 🔌'
# The series (field, id, site) in the order of the answer, and their points.
EVERY_TYPE: dict[tuple[str, ...], list[tuple[int, Any]]] = {
    ("bool", "a", "north"): [(MARCH_1 - 1, True), (MARCH_1, False)],
    ("float", "a", "north"): [(MARCH_1 - 1, 1.5), (MARCH_1, -0.1)],
    ("int", "a", "north"): [(MARCH_1 - 1, 2**53 + 1), (MARCH_1, -(2**63))],
    # The server writes an empty string as it writes null.
    ("text", "a", "north"): [(MARCH_1 - 1, "plain"), (MARCH_1, None)],
    ("uint", "a", "north"): [(MARCH_1 - 1, 2**64 - 1), (MARCH_1, 0)],
    ("float", "b"): [(MARCH_1 + 1, 5e-324)],
    ("text", "b"): [(MARCH_1 + 1, TEXT)],
}


def columns(name: str) -> dict[str, list[Any]]:
    """Read an answer as one frame, without the columns that say nothing of the points."""
    frame = read_annotated_csv(GOLDEN / f"{name}.csv").to_pydict()
    return {name: values for name, values in frame.items() if name not in ("_start", "_stop", "table")}


def test_every_type_of_field_is_read_as_written() -> None:
    """Integers keep every bit, times their nanoseconds, texts their commas, quotes and line breaks."""
    found: dict[tuple[str, ...], list[tuple[int, Any]]] = {}
    for frame in iter_annotated_csv(GOLDEN / "every_type.csv"):
        values = frame.to_pydict()
        assert {FEBRUARY_29} == set(values["_start"])
        assert {MARCH_1 + 2 * SECOND} == set(values["_stop"])
        assert {"meter"} == set(values["_measurement"])
        sites = values.get("site", [None] * len(frame))
        for field, number, site, time, value in zip(
            values["_field"], values["id"], sites, values["_time"], values["_value"], strict=True
        ):
            found.setdefault(tuple(filter(None, (field, number, site))), []).append((time, value))

    assert EVERY_TYPE == found


def test_columns_of_several_types_are_one_frame_per_schema() -> None:
    """Split keeps apart what can't stand in one column; one frame of it is an error that names both."""
    frames = split(decode(GOLDEN / "every_type.csv"))

    assert [2, 2, 2, 2, 2, 1, 1] == [len(frame) for frame in frames]
    with pytest.raises(SchemaConflictError, match='"_value": boolean in table 0 and double in table 1'):
        read_annotated_csv(GOLDEN / "every_type.csv")


def test_a_pivot_by_the_server_has_nulls() -> None:
    """A series without a value at a time leaves its cell empty."""
    expected = {
        "result": ["_result", "_result"],
        "_time": [MARCH_1, MARCH_1 + 1],
        "a": [-0.1, None],
        "b": [None, 5e-324],
    }

    assert expected == columns("pivoted")


def test_special_floats_are_read_by_their_names() -> None:
    """Infinities, not a number and negative zero come as the words the server has for them."""
    found = columns("special_floats")

    assert ["+Inf", "-Inf", "NaN", "-0", "1e300"] == found["text"]
    assert ["inf", "-inf", "nan", "-0.0", "1e+300"] == [str(value) for value in found["v"]]


def test_names_are_read_unescaped() -> None:
    """Spaces, commas and equals signs of measurement, tag and field were escaped only on the way."""
    expected = {
        "result": ["_result"],
        "_time": [MARCH_1 + SECOND // 2],
        "_value": [7.0],
        "_field": ["sp eed"],
        "_measurement": ["wind park"],
        "ti,tle": ["x = y"],
    }

    assert expected == columns("names")


def test_several_results_are_one_frame() -> None:
    """Each result's name is its `#default`; what only one of them has is null in the other."""
    expected = {
        "result": ["las", "las", "cou", "cou"],
        "_time": [MARCH_1, MARCH_1 + 1, None, None],
        "_value": [-0.1, 5e-324, 1.0, 1.0],
        "_field": ["float"] * 4,
        "_measurement": ["meter"] * 4,
        "id": ["a", "b", "a", "b"],
        "site": ["north", None, "north", None],
    }

    assert expected == columns("two_results")


def test_windows_without_a_value_are_null() -> None:
    """An empty window has a time and no mean."""
    found = columns("empty_windows")

    assert [MARCH_1 + SECOND, MARCH_1 + 2 * SECOND] * 2 == found["_time"]
    assert [-0.1, None, 5e-324, None] == found["_value"]


def test_an_answer_without_rows_is_an_empty_frame() -> None:
    """The server says so with its end mark alone."""
    assert b"\r\n" == (GOLDEN / "nothing.csv").read_bytes()
    assert 0 == len(read_annotated_csv(GOLDEN / "nothing.csv"))


def test_an_error_after_rows_is_the_servers_error() -> None:
    """The rows before it are no answer: the error carries the server's own words."""
    with pytest.raises(QueryError, match="cannot convert string") as caught:
        read_annotated_csv(GOLDEN / "error_after_rows.csv")

    assert 200 == caught.value.status
    assert '\\"a number\\"' in str(caught.value)
