"""What `tags`, `fields` and `by` take: collections of any library, missing tags, and thousands of values."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from db_core.errors import InvalidArgumentError
from db_influx import _arguments, _flux

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from db_influx import InfluxManager
    from tests.influx.conftest import Store

START, STOP = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
T0 = 1_767_225_600_000_000_000  # START
HOUR = 3_600_000_000_000


class Meter(StrEnum):
    """Names as users keep them."""

    A = "a"
    B = "b"


def line(msname: str, meter: str, value: float, time: int = T0) -> str:
    """Give a line of line protocol."""
    escaped = re.sub("([,= ])", r"\\\1", meter)
    return f"{msname},meter={escaped} v={value} {time}"


# --- Collections --------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        "a",
        np.str_("a"),
        Meter.A,
        ["a", "a"],
        ("a",),
        {"a"},
        frozenset("a"),
        {"a": 1}.keys(),
        (name for name in "aa"),
        np.array(["a", "a"]),
        np.array(["a"], dtype=object),
        pd.Series(["a", "a"]),
        pd.Series(["a"], dtype="category"),
        pd.Index(["a"]),
        pl.Series(["a", "a"]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_any_collection_of_texts_is_one(given: Any) -> None:
    """For fields, `by`, and the values of a tag; what is repeated counts once, and all are plain texts."""
    kept = list(given) if not isinstance(given, str) and iter(given) is given else given
    names = _arguments.names(kept, "fields")
    [(key, values)] = _flux.conditions({"k": kept})

    assert ("a",) == names == values
    assert "k" == key
    assert {str} == {type(one) for one in (*names, *values)}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["b", "a", "b"], ("b", "a")),
        (np.array(["b", "a"]), ("b", "a")),
        (pd.Index(["b", "a"]), ("b", "a")),
        ([Meter.B, "a", "b"], ("b", "a")),
        pytest.param({"c", "a", "b"}, ("a", "b", "c"), id="set"),
        pytest.param(frozenset("cab"), ("a", "b", "c"), id="frozenset"),
    ],
    ids=repr,
)
def test_order_is_kept_and_a_set_is_sorted(given: Any, expected: tuple[str, ...]) -> None:
    """Names are columns, and a question with values must be the same text, whatever the run."""
    assert expected == _arguments.names(given, "fields")
    assert (("k", expected),) == _flux.conditions({"k": given})


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        [],
        [""],
        ["a", 5],
        b"ab",
        {"a": 1},
        5,
        "\ud800",
        ["\udfff"],
        np.array("a"),
        np.array([["a"]]),
    ],
)
def test_what_is_no_collection_of_names_is_refused_by_name(value: Any) -> None:
    """Bytes are no text, a mapping is no list, and a name is not empty."""
    with pytest.raises(InvalidArgumentError, match="`fields`") as caught:
        _arguments.names(value, "fields")

    assert "fields" == caught.value.argument


@pytest.mark.parametrize(
    "value",
    [[], b"a", {"x": 1}, object(), True, [True], ["a", b"b"], [["a"]], np.array([["a", "b"]]), ["\ud800"]],
)
def test_what_is_no_tag_value_is_refused_by_name(value: Any) -> None:
    """The error names the argument and the tag."""
    with pytest.raises(InvalidArgumentError, match=r"`tags`.*'meter'"):
        _flux.conditions({"meter": value})


@pytest.mark.parametrize(
    ("value", "told"), [(7, "'7'"), ([7], "'7'"), (np.array([7]), "'7'"), (pd.Series([1.5]), "'1.5'")]
)
def test_a_number_is_no_tag_value(value: Any, told: str) -> None:
    """Tags are text, so the error says how to write it."""
    with pytest.raises(
        InvalidArgumentError, match=rf"`tags` must have values of text: expected {told} for 'meter'"
    ):
        _flux.conditions({"meter": value})


def test_collections_select_series_and_columns(manager: InfluxManager, store: Store, msname: str) -> None:
    """As their texts do, in any argument of a read that takes several."""
    store.write(
        *(f"{msname},meter={name} x={number},y={number + 10} {T0}" for number, name in enumerate("abc"))
    )

    frame = manager.read(
        START, STOP, msname, {"y", "x"}, store.name, {"meter": {"a", "c"}}, None, by=np.array(["meter"])
    )

    assert ["x", "y"] == list(frame.columns)
    assert ["a", "c"] == list(frame.index.get_level_values("meter"))
    assert [[0.0, 10.0], [2.0, 12.0]] == frame.to_numpy().tolist()
    once = manager.read(
        START, STOP, msname, ["y", "x", "y"], store.name, {"meter": pd.Series(["b", "b"])}, None
    )
    assert (["y", "x"], [[11.0, 1.0]]) == (list(once.columns), once.to_numpy().tolist())
    one = manager.read(START, STOP, msname, "x", store.name, {"meter": "b"}, None, by=np.array([], dtype=str))
    assert [1.0] == one["x"].tolist()


# --- Missing tags ---------------------------------------------------------------------

MISSING: list[Any] = [
    None,
    "",
    [None],
    [""],
    [None, ""],
    np.array([None]),
    pd.Series(["a", None])[1:],
    [pd.NA],
]


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_none_and_an_empty_text_stand_for_no_such_tag(
    manager: InfluxManager, store: Store, msname: str, missing: Any
) -> None:
    """Alone or among values, in every read; an unknown tag is missing everywhere."""
    store.write(
        f"{msname} v=1 {T0}",
        f"{msname},house=x v=2 {T0}",
        f"{msname},meter=a v=4 {T0}",
        f"{msname},house=x,meter=b v=8 {T0}",
    )

    def read(tags: Any) -> float:
        return float(manager.read(START, STOP, msname, "v", store.name, tags, None)["v"].sum())

    assert 3.0 == read({"meter": missing})
    assert 2.0 == read({"meter": missing, "house": "x"})
    assert 15.0 == read({"unknown": missing})
    assert 7.0 == read({"meter": ["a", *([missing] if isinstance(missing, str | None) else missing)]})
    assert 3.0 == float(manager.read(START, STOP, msname, "v", store.name, {"meter": missing})["v"].sum())
    last = manager.read_last_data_point(store.name, msname, "v", {"meter": missing, "house": missing})
    assert {"v": 1.0} == last


def test_a_missing_tag_is_looked_for_by_the_storage_engine(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """The server's profiler tells of no other operator than the one that reads."""
    store.write(line(msname, "a", 1))
    selection = _flux.Selection(
        store.name, msname, ("v",), _flux.conditions({"meter": ["a", None], "unknown": None}), T0, T0 + HOUR
    )
    profiled = f'import "profiler"\noption profiler.enabledProfilers = ["operator"]\n{selection.flux()}'

    frames = manager.query(profiled, split=True)

    [operators] = [frame["Type"] for frame in frames if "Type" in frame]
    assert ["*influxdb.readFilterSource"] == operators.tolist()


def test_no_series_has_an_empty_tag(store: Store, msname: str) -> None:
    """The server does not take one, so that an empty text can't mean anything else."""
    with pytest.raises(Exception, match="missing tag value"):
        store.write(f"{msname},meter= v=1 {T0}")


# --- Thousands of values ----------------------------------------------------------------

NASTY = [
    *(f"m{mark}1" for mark in r"""\.+*?()|[]{}^$/-"'`~!@#%&;:<>,= _"""),
    "${r._value}",
    "(?i)m",
    r"\d",
    r"\x41",
    ".*",
    "a|b",
    "^a$",
    "日本",
    "ß",
    "SS",
    "é",
    "e\u0301",
    "\U0001f600",
    "\ufffd",
    "\ufeff",
    "\u2028",
    "a\tb",
    "a\x01b",
    "a\u00a0b",
    "x" * 20_000,
]


def unescaped(found: re.Match[str]) -> str:
    """Give the character that is meant by a backslash and what stands behind it."""
    code, letter = found.groups()
    return chr(int(code, 16)) if code else {"t": "\t", "n": "\n", "r": "\r"}.get(letter, letter)


def matching(condition: str, names: Iterable[str]) -> set[str]:
    """Give the names for which a condition in Flux holds, worked out with Python's `re`."""
    patterns = re.findall(r"=~ /((?:[^/\\]|\\.)*)/", condition)
    compared = {
        re.sub(r"\\(?:x(..)|(.))", unescaped, text)
        for text in re.findall(r'== "((?:[^"\\]|\\.)*)"', condition)
    }
    return {
        name
        for name in names
        if name in compared or any(re.fullmatch(pattern, name, re.DOTALL) for pattern in patterns)
    }


@settings(deadline=None)
@given(
    names=st.sets(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8), max_size=40
    ),
    count=st.integers(101, 1_000),
)
@example(names=set(NASTY[:-1]), count=101)
@example(names={"name 1", "name.1"}, count=401)
@example(names={"\\t\ud7fc"}, count=101)
def test_a_condition_holds_for_the_values_alone(names: set[str], count: int) -> None:
    """However many there are and whatever they hold; names that are nearly the same are not meant."""
    wanted = names | {f"name.{number}" for number in range(count)}
    near = {
        changed for name in wanted for changed in (f"{name}x", f"x{name}", name[:-1], name.replace(".", "x"))
    }
    [(_, values)] = _flux.conditions({"k": wanted})
    condition = _flux.Selection("b", "m", None, (("k", values),), 0, 1).flux().split("\n")[-1]

    assert "=~" in condition
    assert wanted == matching(condition, wanted | near)


@pytest.mark.parametrize(
    ("count", "length"), [(1, 5), (100, 5), (101, 5), (30_000, 5), (1_000, 400), (300, 401)]
)
def test_patterns_are_no_larger_than_the_server_takes(count: int, length: int) -> None:
    """64 KiB; a hundred values are compared each, and so are those of more than 400 characters."""
    values = tuple(f"{number:0{length}d}" for number in range(count))
    condition = _flux.Selection("b", "m", None, (("k", values),), 0, 1).flux().split("\n")[-1]
    patterns = re.findall(r"/\^\(\?:([^/]*)\)\$/", condition)

    assert sorted(values) == sorted(
        [value for pattern in patterns for value in pattern.split("|")]
        + re.findall(r'== "([0-9]*)"', condition)
    )
    assert condition.count("==") <= 100 or length > 400
    assert all(100 < len(pattern.split("|")) for pattern in patterns)
    assert all(len(pattern) <= 65_536 for pattern in patterns)


def test_thousands_of_names_select_their_series_alone(
    manager: InfluxManager, store: Store, msname: str
) -> None:
    """With any character; names that differ by a character, an end or the case are not meant."""
    names = [*NASTY, *(f"meter.{number}" for number in range(2_000))]
    near = [
        "M.1",
        "mx1",
        "meterx7",
        "meter.1x",
        "xmeter.1",
        "METER.1",
        "meter.",
        "A|B",
        "b",
        "a",
        "A",
        "e",
        "E",
    ]
    store.write(
        *(line(msname, name, number) for number, name in enumerate(names) if number < 100 or number % 7 == 0),
        *(line(msname, name, -1) for name in near),
    )
    expected = sorted(float(number) for number in range(len(names)) if number < 100 or number % 7 == 0)
    tags = {"meter": names}

    def read(**options: Any) -> list[float]:
        return sorted(manager.read(START, STOP, msname, "v", store.name, tags, **options)["v"])

    assert expected == read(interval=None)
    assert expected == read(interval="1d", agg_func="last")
    batches = manager.read_batches(START, STOP, msname, "v", store.name, tags)
    assert expected == sorted(value for frame in batches for value in frame["v"])
    used = manager.read_accumulated_value(START, STOP, msname, "v", store.name, "1d", tags, closed="left")
    assert len(expected) == len(used.index.unique("meter"))
    found = manager.read(START, STOP, msname, "v", store.name, tags, None)
    assert {names[int(value)] for value in expected} == set(found.index.get_level_values("meter"))


@pytest.mark.parametrize(
    "name", [lambda count: "a" * count, lambda count: "ab" * count, lambda count: "a" * count + "b"]
)
def test_names_that_start_alike_are_not_nested_too_deep(
    manager: InfluxManager, store: Store, msname: str, name: Callable[[int], str]
) -> None:
    """Each is the start of the next one, which Go's regexp nests."""
    names = [text for count in range(1, 1_000) for text in (name(count), f"{name(count)}c")]
    store.write(*(line(msname, name(count), count) for count in (1, 399, 400, 401, 999, 1_001)))

    got = manager.read(START, STOP, msname, "v", store.name, {"meter": names}, None)["v"]

    assert [1.0, 399.0, 400.0, 401.0, 999.0] == sorted(got)


def test_hundreds_of_fields_can_be_asked_for(manager: InfluxManager, store: Store, msname: str) -> None:
    """Those that are not asked for stay away, and order is kept."""
    fields = [f"f.{number}" for number in reversed(range(600))]
    store.write(f"{msname} f.7=7,f.599=599,fx7=-1,f.600=-1 {T0}")

    frame = manager.read(START, STOP, msname, fields, store.name, interval=None, missing="ignore")

    assert fields == list(frame.columns)
    assert {"f.7": 7.0, "f.599": 599.0} == frame.iloc[0].dropna().to_dict()
