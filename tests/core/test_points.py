"""Single points as line protocol: the values of Python and numpy, and what is refused of them.

That lines arrive as they were, and refusals of names, are held in the native crate's tests.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections import OrderedDict
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db_core import InvalidArgumentError, to_line_protocol
from db_core.line_protocol import PointEncoder
from tests.strategies import floats, integers

BIG = 2**53 + 1
NOW = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z


class Mode(enum.StrEnum):
    """A text with a name."""

    AUTO = "auto"


class NoOffset(dt.tzinfo):
    """A zone that does not know its offset."""

    def utcoffset(self, _: dt.datetime | None) -> None:
        """Return nothing."""


class Level(enum.IntEnum):
    """An int with a name."""

    HIGH = 3


def encoder(measurement: str | None = "m", **layout: Any) -> PointEncoder:
    """Return an encoder without limits, whose other times are seven."""
    given = {"tag_columns": ["k"], "time_column": "time", "tags": [], "instant": lambda _: 7}
    return PointEncoder(measurement, **given | {"most_rows": 1_000, "most_bytes": 1 << 20} | layout)


def line(point: dict[str, Any], **layout: Any) -> str:
    """Return the line of a point."""
    one = encoder(**layout)
    one.add(point, NOW)
    body, rows = one.take()
    assert 1 == rows
    return body.decode()


VALUES: dict[str, tuple[str, object]] = {
    "float": ("1.5", 1.5),
    "int": ("1i", 1),
    "a large int": (f"{BIG}i", BIG),
    "bool": ("true", True),
    "text": ('"a\\"b"', 'a"b'),
    "empty text": ('""', ""),
    "StrEnum": ('"auto"', Mode.AUTO),
    "IntEnum": ("3i", Level.HIGH),
    "float64": ("0.1", np.float64(0.1)),
    "float32": ("0.10000000149011612", np.float32(0.1)),
    "float16": ("0.5", np.float16(0.5)),
    "int8": ("-1i", np.int8(-1)),
    "int64": (f"{BIG}i", np.int64(BIG)),
    "uint8": ("1u", np.uint8(1)),
    "uint64": ("18446744073709551615u", np.uint64(2**64 - 1)),
    "numpy bool": ("false", np.bool_(False)),  # noqa: FBT003
    "numpy text": ('"a"', np.str_("a")),
    "an array without dimensions": ("2i", np.array(2)),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_keeps_its_type(name: str) -> None:
    """An int is int64 and a bool is no int; only numpy's unsigned integers are unsigned."""
    text, value = VALUES[name]
    assert f"m v={text} {NOW}\n" == line({"v": value})
    assert f"m v={text} {NOW}\n" == line({"fields": {"v": value}})


@pytest.mark.parametrize("value", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_a_missing_value_is_left_out(value: object) -> None:
    """As a field and as a tag; a point of nothing else is an error."""
    assert f"m w=1i {NOW}\n" == line({"v": value, "w": 1, "k": value})
    with pytest.raises(InvalidArgumentError, match="no field has a value"):
        line({"v": value})


REFUSED: dict[str, tuple[str, dict[Any, Any]]] = {
    "infinite": ('field "v": inf', {"v": float("inf")}),
    "an int of more than 64 bits": ("18446744073709551615 exceeds 64 bits", {"v": 2**64 - 1}),
    "an int of 5,001 digits": ("an integer of 16610 bits exceeds 64 bits", {"v": 10**5_000}),
    "a decimal": ("a decimal.Decimal can't be stored", {"v": Decimal(1)}),
    "bytes": ("a builtins.bytes can't be stored", {"v": b"x"}),
    "a list": ("a builtins.list can't be stored", {"v": [1]}),
    "an array": ("a numpy.ndarray can't be stored", {"v": np.array([1, 2])}),
    "a datetime": ("a datetime.datetime can't be stored", {"v": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}),
    "a datetime64": ("a numpy.datetime64 can't be stored", {"v": np.datetime64("2026-01-01", "ns")}),
    "a complex number": ("a numpy.complex128 can't be stored", {"v": np.complex128(1)}),
    "half a surrogate pair": ("the text is not valid Unicode", {"v": "\ud800"}),
    "a float as a tag": ('tag "k": a tag is a text', {"v": 1, "k": 1.5}),
    "a key that is a number": ("a key must be text, not int", {1: 2}),
    "no field": ("no field has a value", {"k": "a"}),
    "nothing": ("no field has a value", {}),
    "a word that points do not have": ('not "tag"', {"fields": {"v": 1}, "tag": {}}),
    "tags in a list": ("its tags must be a mapping", {"fields": {"v": 1}, "tags": ["a"]}),
    "a measurement that is a number": (
        "the measurement must be text",
        {"fields": {"v": 1}, "measurement": 1},
    ),
    "a time that is too late": ("lies outside InfluxDB's times", {"v": 1, "time": 2**63 - 1}),
    "a time of more than 64 bits": ("exceeds 64 bits", {"v": 1, "time": 2**64}),
    "a time of 5,001 digits": ("an integer of 16610 bits, exceeds 64 bits", {"v": 1, "time": 10**5_000}),
    "the year 9999": ("lies outside", {"v": 1, "time": dt.datetime(9999, 1, 1, tzinfo=dt.UTC)}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_point_that_can_not_be_written_leaves_the_others_alone(name: str) -> None:
    """The error names `data` and the reason; what was there before stays, and more can come."""
    reason, point = REFUSED[name]
    one = encoder()
    one.add({"v": 1}, NOW)

    with pytest.raises(InvalidArgumentError, match=r"^`data`: ") as caught:
        one.add(point, NOW)
    assert "data" == caught.value.argument
    assert reason in str(caught.value)
    one.add({"v": 2}, NOW)
    assert (f"m v=1i {NOW}\nm v=2i {NOW}\n".encode(), 2) == one.take()
    assert (b"", 0) == one.take()


def test_both_forms_of_a_point_give_the_same_line() -> None:
    """A mapping of parts, with any kind of mapping inside, and a row with tag columns."""
    expected = f"m,host=a,k=b v=1.5,w=2i {NOW}\n"
    parts = {"measurement": "m", "tags": {"k": "b"}, "fields": {"v": 1.5, "w": 2}, "time": NOW}
    row = {"time": NOW, "v": 1.5, "k": "b", "w": 2}
    constant = {"tags": [("host", "a")]}
    assert expected == line(parts, measurement=None, **constant)
    proxies = {"tags": MappingProxyType({"k": "b"}), "fields": OrderedDict(v=1.5, w=2), "time": None}
    assert expected == line(proxies, **constant)
    assert expected == line(row, **constant)
    assert "m fields=1i 5\n" == line({"fields": 1, "when": 5}, time_column="when")
    with pytest.raises(InvalidArgumentError, match="it has no measurement"):
        line(row, measurement=None)


@pytest.mark.parametrize(
    "time",
    [
        dt.datetime(2026, 1, 1),  # noqa: DTZ001 - without a zone it is UTC
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2026, 1, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")),
        NOW,
        None,
    ],
)
def test_a_time_is_nanoseconds_since_the_epoch(time: object) -> None:
    """Of a datetime with a zone or without, an int, or the given time of now."""
    assert f"m v=1i {NOW}\n" == line({"v": 1, "time": time})


def test_other_times_are_asked_for() -> None:
    """Those that are no plain datetime and no int, and a datetime whose zone has no offset for it."""
    assert "m v=1i 7\n" == line({"v": 1, "time": pd.Timestamp("2026-01-01")})
    assert "m v=1i 7\n" == line({"v": 1, "time": "2026-01-01"})
    assert "m v=1i 7\n" == line({"v": 1, "time": True})
    assert "m v=1i 7\n" == line({"v": 1, "time": dt.datetime(2026, 1, 1, tzinfo=NoOffset())})


def test_it_tells_when_there_are_enough() -> None:
    """By rows or by bytes, and it begins anew once they are taken."""
    by_rows = encoder(most_rows=2)
    assert [False, True] == [by_rows.add({"v": 1}, NOW) for _ in range(2)]
    by_rows.take()
    assert not by_rows.add_text("m v=1", NOW)
    assert by_rows.add_lines(b"m v=1 1\nm v=2 2\n", 2)
    assert 3 == len(by_rows)
    by_bytes = encoder(most_bytes=40)  # a line has 25
    assert [False, True] == [by_bytes.add({"v": 1}, NOW) for _ in range(2)]


ROWS = st.fixed_dictionaries(
    {
        "f": floats.filter(math.isfinite),
        "i": integers,
        "b": st.booleans(),
        "s": st.text(st.characters(codec="utf-8"), max_size=5),
    }
)


@given(st.lists(ROWS, min_size=1, max_size=5))
def test_points_have_the_lines_of_a_frame(rows: list[dict[str, Any]]) -> None:
    """The same values in a frame, encoded by other code, give the same bytes."""
    index = pd.date_range("2026-01-01", periods=len(rows), freq="s", tz="UTC", unit="ns")
    rows = [{name: row[name] for name in "fibs"} for row in rows]  # the order of fields is that of the first
    frame = pd.DataFrame(rows, index=index).astype({"f": "float64", "i": "int64", "b": "bool", "s": "str"})
    one = encoder()
    for time, row in zip(index.asi8.tolist(), rows, strict=True):
        one.add({"time": time, **row}, NOW)
    assert to_line_protocol(frame, "m") == one.take()[0]
