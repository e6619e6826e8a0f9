"""The rule for each type of numpy, pandas, polars and pydantic; what is expected is written by hand."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
import math
import subprocess
import sys
import uuid
import zoneinfo
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest

from db_core.errors import InvalidArgumentError, SerializationError
from db_redis._codec import encode
from db_redis._pydantic import decode_as

if TYPE_CHECKING:
    from db_redis import RedisClient

TWO_TIMES = pd.DatetimeIndex(["2025-03-30T00:30", "2025-03-30T03:30"], tz="Europe/Lisbon")
ODD_ORDER = np.array([1.5, 2.5], dtype=">f8")
STRIDED = np.arange(10)[::3]
TEXTS = np.dtypes.StringDType()
OF_LISTS = np.empty(2, dtype=object)
OF_LISTS[:] = [[1], None]


class Model(pydantic.BaseModel):
    """A pydantic model with an alias, a default and a part."""

    name: str = pydantic.Field(alias="meterName")
    price: Decimal = Decimal("0.10")
    seen: pd.Timestamp | None = None
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)


def json_of(value: object, nan: Any = "null") -> str:
    """Give the JSON, spaced as the standard library does it."""
    return json.dumps(json.loads(encode(value, nan)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.bool_(True), "true"),  # noqa: FBT003
        (np.int8(-128), "-128"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (np.float64(0.1), "0.1"),
        (np.float32(0.1), "0.10000000149011612"),  # the same number, not the same digits
        (np.float16(0.5), "0.5"),
        (np.longdouble(1.5), "1.5"),
        (np.str_("text"), '"text"'),
        (np.datetime64("2025-03-30"), '"2025-03-30"'),
        (np.datetime64("2025-03-30T01:02:03.000000004"), '"2025-03-30T01:02:03.000000004"'),
        (np.datetime64("NaT", "ns"), "null"),
        (np.timedelta64(90, "m"), '"PT1H30M"'),
        (np.timedelta64(-1, "ns"), '"-PT0.000000001S"'),
        (np.timedelta64(5, "25us"), '"PT0.000125S"'),
        (np.timedelta64("NaT", "ns"), "null"),
        (np.arange(6, dtype="i2").reshape(2, 3), "[[0, 1, 2], [3, 4, 5]]"),
        (np.array(7), "7"),
        (np.array([]), "[]"),
        (np.zeros((2, 0)), "[[], []]"),
        (np.array([True, False]), "[true, false]"),
        (np.array([0.1], dtype="f4"), "[0.10000000149011612]"),
        (ODD_ORDER, "[1.5, 2.5]"),
        (STRIDED, "[0, 3, 6, 9]"),
        (np.array([[1, 2], [3, 4]]).T, "[[1, 3], [2, 4]]"),
        (np.array(["a", "b"]), '["a", "b"]'),
        (OF_LISTS, "[[1], null]"),
        (np.array(["2025-03-30T01", "NaT"], dtype="M8[ns]"), '["2025-03-30T01:00:00.000000000", null]'),
        (np.array([[1], [2]], dtype="m8[h]"), '[["PT1H"], ["PT2H"]]'),
        (np.array([1, "NaT"], dtype=">M8[ns]"), '["1970-01-01T00:00:00.000000001", null]'),
        (np.array([1], dtype=">m8[ns]"), '["PT0.000000001S"]'),
        (np.array([1, -1], dtype=">i4"), "[1, -1]"),
        (np.array("2025-01", dtype="M8[M]"), '"2025-01"'),
        (np.array(["a", "größe"], dtype=TEXTS), '["a", "gr\\u00f6\\u00dfe"]'),
        (np.array([["a"], [None]], dtype=np.dtypes.StringDType(na_object=None)), '[["a"], [null]]'),
        (np.array(["a", np.nan], dtype=np.dtypes.StringDType(na_object=np.nan)), '["a", null]'),
        (np.ma.masked_array([1, 2], [False, True]), "[1, null]"),
        (np.ma.masked_array([[1.5, 2.5]], [[True, False]]), "[[null, 2.5]]"),
        (np.ma.masked_array(7, True), "null"),  # noqa: FBT003
        (np.ma.masked_array(7, False), "7"),  # noqa: FBT003
        (np.ma.masked, "null"),
        (list(np.ma.masked_array([1, 2], [False, True])), "[1, null]"),
        (np.array([np.ma.masked, 1], dtype=object), "[null, 1]"),
        (pd.Timestamp("2025-03-30T01:02:03.000000004"), '"2025-03-30T01:02:03.000000004"'),
        (pd.Timestamp("2025-03-30T02:30", tz="Europe/Lisbon"), '"2025-03-30T02:30:00+01:00"'),
        (pd.NaT, "null"),
        (pd.NA, "null"),
        (pd.Timedelta(days=-1, nanoseconds=1), '"-PT23H59M59.999999999S"'),
        (pd.Period("2025-03", "M"), '"2025-03"'),
        (pd.Series([1.5, 2.5]), "[1.5, 2.5]"),
        (pd.Series([1, 2], index=["b", "a"]), '{"b": 1, "a": 2}'),
        (pd.Series([1, 2], index=[3, 1]), '{"3": 1, "1": 2}'),
        (
            pd.Series([1, 2], index=TWO_TIMES),
            '{"2025-03-30T00:30:00+00:00": 1, "2025-03-30T03:30:00+01:00": 2}',
        ),
        (pd.Series([1, None], dtype="Int64"), "[1, null]"),
        (pd.Series(["a", None]), '["a", null]'),
        (pd.Series(["a", "b", None], dtype="category"), '["a", "b", null]'),
        (pd.Series([2**53 + 1, None], dtype="UInt64"), "[9007199254740993, null]"),
        (pd.Index([3, 1]), "[3, 1]"),
        (pd.array([True, None], dtype="boolean"), "[true, null]"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", None]}), '[{"a": 1, "b": "x"}, {"a": 2, "b": null}]'),
        (
            pd.DataFrame({"a": [1, 2]}, index=TWO_TIMES),
            '[{"time": "2025-03-30T00:30:00+00:00", "a": 1}, {"time": "2025-03-30T03:30:00+01:00", "a": 2}]',
        ),
        (pd.DataFrame({1: [1]}, index=pd.Index(["m"], name="meter")), '[{"meter": "m", "1": 1}]'),
        (
            pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_tuples([("m", 2)], names=["meter", None])),
            '[{"meter": "m", "level_1": 2, "a": 1}]',
        ),
        (pd.DataFrame(index=range(2)), "[{}, {}]"),
        (pd.DataFrame({"a": []}), "[]"),
        (pl.Series([1, None]), "[1, null]"),
        (pl.Series([[1], None]), "[[1], null]"),
        (
            pl.DataFrame({"t": [1], "d": [-1], "c": [1000]}).select(
                pl.col("t").cast(pl.Datetime("ns", "Europe/Lisbon")),
                pl.col("d").cast(pl.Duration("us")),
                pl.col("c").cast(pl.Time),
            ),
            '[{"t": "1970-01-01T01:00:00.000000001+01:00", "d": "-PT0.000001S", "c": "00:00:00.000001"}]',
        ),
        (pl.Series([1]).cast(pl.Datetime("us")), '["1970-01-01T00:00:00.000001"]'),
        (pl.Series([Decimal("1.10")]), '["1.10"]'),
        (pl.Series(["a", None], dtype=pl.Categorical), '["a", null]'),
        (Model(meterName="m"), '{"meterName": "m", "price": "0.10", "seen": null}'),
        (
            [Model(meterName="m", seen=pd.Timestamp(1, tz="UTC"))],
            '[{"meterName": "m", "price": "0.10", "seen": "1970-01-01T00:00:00.000000001+00:00"}]',
        ),
        ({"k": {np.int64(3): {pd.Timestamp("2025-03-30"): 1}}}, '{"k": {"3": {"2025-03-30T00:00:00": 1}}}'),
    ],
    ids=lambda value: f"{type(value).__name__}-{str(value)[:20]!r}",
)
def test_each_type_has_its_json_form(value: object, expected: str) -> None:
    """Alone and as a part, and whatever becomes of NaN, as there is none in it."""
    assert expected == json_of(value)
    assert f'{{"1": {expected}}}' == json_of({1: value})  # a key that is no text: the slow way
    assert expected == json_of(value, "error") == json_of(value, "string")


def test_an_offset_with_seconds_is_exact() -> None:
    """Of a zone before its country had one time, and of one that is made so; polars' nanoseconds can't be."""
    lisbon = dt.datetime(1900, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Lisbon"))
    odd = dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1, seconds=15)))
    texts = '["1900-01-01T00:00:00-00:36:45", "2020-01-01T00:00:00+01:00:15"]'
    assert texts == json_of([lisbon, odd]) == json_of((lisbon, odd), "error")
    assert f'{{"1": {texts}}}' == json_of({1: [lisbon, odd]})
    assert '{"1900-01-01T00:00:00-00:36:45": 1}' == json_of({lisbon: 1})

    series = pl.Series([lisbon]).cast(pl.Datetime("us", "Europe/Lisbon"))
    assert '["1900-01-01T00:00:00-00:36:45"]' == json_of(series)
    with pytest.raises(SerializationError, match="offset has seconds"):
        encode(series.cast(pl.Datetime("ns", "Europe/Lisbon")))


def test_equal_sets_of_sets_are_equal_texts() -> None:
    """Though neither of two sets may be the less, and they may be held in any order."""
    parts = [frozenset(texts) for texts in ("ab", "c", "b", "ac", "")]
    expected = json_of(set(parts))
    for order in itertools.permutations(parts):
        assert expected == json_of(set(order))
    assert json_of({(1, parts[0]), (1, parts[1])}) == json_of({(1, parts[1]), (1, parts[0])})
    assert '[["a", "b"], ["a", "c"], ["b"], ["c"], []]' == expected


class Device(pydantic.BaseModel):
    """A model that others build on, with a serializer of its own."""

    serial: Annotated[int, pydantic.PlainSerializer(str)]


class Heater(Device):
    """One that does."""

    power: float


class Plant(pydantic.BaseModel):
    """A model whose parts are declared as what they build on."""

    main: Device
    spare: list[Device]
    by_name: dict[str, Device]


def test_parts_of_a_model_are_dumped_as_what_they_are() -> None:
    """All their fields, not those alone of the class that was declared; by the serializers of both."""
    heater = Heater(serial=7, power=1.5)
    plant = Plant(main=heater, spare=[heater, Device(serial=8)], by_name={"a": heater})

    expected = {"serial": "7", "power": 1.5}
    assert {"main": expected, "spare": [expected, {"serial": "8"}], "by_name": {"a": expected}} == json.loads(
        encode(plant)
    )


class Raises(pydantic.BaseModel):
    """A model that can't be dumped."""

    value: int = 1

    @pydantic.field_serializer("value")
    def _serialize(self, _value: int) -> int:
        raise ZeroDivisionError("hopeless")


@dataclasses.dataclass
class RaisesToo:
    """A dataclass of which a field can't be looked at."""

    value: int

    @property  # type: ignore[no-redef]
    def value(self) -> int:  # noqa: D102
        raise ZeroDivisionError("hopeless")

    @value.setter
    def value(self, _value: int) -> None:
        pass


@pytest.mark.parametrize(
    "value",
    [
        {Decimal("NaN"), Decimal(1)},
        pl.Series([10**7]).cast(pl.Date),
        Raises(),
        RaisesToo(1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_fails_when_it_is_written_is_told_with_its_path(value: object) -> None:
    """Whatever is raised by a library, or by the user's own code."""
    for nan in ("null", "string"):
        with pytest.raises(SerializationError) as caught:
            encode([0, {"v": value}], nan)  # type: ignore[arg-type]
        assert "$[1].v" == caught.value.path


NANS = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize(
    "value",
    [
        NANS,
        tuple(NANS),
        [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")],
        np.array(NANS),
        np.array(NANS, dtype="f2"),
        [np.float64(number) for number in NANS],
        [np.float32(number) for number in NANS],
        pd.Series(NANS),
        pl.Series(NANS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_nan_and_the_infinities_are_what_was_chosen(value: object) -> None:
    """Null, a text that says which, or an error that leads to the first."""
    assert "[null, null, null]" == json_of(value)
    assert '["NaN", "Infinity", "-Infinity"]' == json_of(value, "string")
    with pytest.raises(SerializationError, match=r"JSON has no number (nan|NaN)") as caught:
        encode({"v": value}, "error")
    assert "$.v[0]" == caught.value.path


def test_nan_is_found_within_frames() -> None:
    """The path leads to row and column."""
    value = {"frames": [pd.DataFrame({"a": [1.0, math.inf]}), pl.DataFrame({"a": [math.nan]})]}

    assert '{"frames": [[{"a": 1.0}, {"a": "Infinity"}], [{"a": "NaN"}]]}' == json_of(value, "string")
    with pytest.raises(SerializationError) as caught:
        encode(value, "error")
    assert "$.frames[0][1].a" == caught.value.path


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.complex128(1j), "complex128 has no JSON form"),
        (np.array([1j]), "complex128 has no JSON form"),
        (np.bytes_(b"a"), "bytes are not text"),
        (np.array([b"a"]), "has no JSON form"),
        (np.zeros(1, dtype=[("a", "i4")]), "has no JSON form"),
        (np.zeros(1, dtype=[("a", "i4")])[0], "has no JSON form"),
        (np.array([1], dtype=">c16"), "has no JSON form"),
        (np.ma.masked_array(np.zeros(1, "M8[s]"), [True]), "masked datetime64.* has no JSON form"),
        (np.ma.masked_array([1j], [True]), "has no JSON form"),
        (np.array([1], dtype="m8[M]"), "no fixed length"),
        (dt.time(1, tzinfo=zoneinfo.ZoneInfo("Europe/Lisbon")), "no offset in Europe/Lisbon"),
        (np.timedelta64(1, "M"), "no fixed length"),
        (np.longdouble(1) + np.finfo(np.longdouble).eps, "more digits than a JSON number keeps"),
        (pd.Interval(0, 1), "Save its two ends"),
        (pd.Series([1, 2], index=["a", "a"]), "two labels of its index are named 'a'"),
        (
            pd.Series([1, 2], index=[pd.Timestamp("2025-03-30"), "2025-03-30T00:00:00"]),
            "two labels of its index have the same text",
        ),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are named 'a'"),
        (pd.DataFrame({"time": [1]}, index=TWO_TIMES[:1]), "two columns are named 'time'"),
        (pd.Series([1], index=pd.MultiIndex.from_tuples([("a", 1)])), "Dict key must be a text"),
        (pd.DataFrame({1: [1], "1": [2]}), "two of its keys have the text '1'"),
        (pl.Series([[1]]).cast(pl.List(pl.Datetime("ns"))), "nanoseconds inside"),
    ],
    ids=lambda value: f"{type(value).__name__}-{str(value)[:20]!r}",
)
def test_what_has_no_json_form_is_refused_with_its_path(value: object, reason: str) -> None:
    """Rather than changed."""
    with pytest.raises(SerializationError, match=reason) as caught:
        encode([0, {"v": value}])

    assert str(caught.value.path).startswith("$[1].v")


def test_a_part_of_an_array_is_found() -> None:
    """The path goes on into arrays of objects, Series and frames."""
    cells = np.empty(2, dtype=object)
    cells[:] = [1, {"a": 2**64}]
    for value in (cells, pd.Series(cells), list(cells)):
        with pytest.raises(SerializationError, match="64-bit") as caught:
            encode({"v": value})
        assert "$.v[1].a" == caught.value.path


# --- Reading back as a type ---------------------------------------------------


class Kind(Enum):
    """An Enum of texts."""

    HEAT = "heat"


@dataclasses.dataclass
class Meter:
    """A dataclass of all that is no JSON."""

    name: str
    kind: Kind
    price: Decimal
    serial: uuid.UUID
    seen: dt.datetime
    day: dt.date
    at: dt.time
    every: dt.timedelta
    pair: tuple[int, str]
    tags: set[str]
    parts: list[Meter]
    by_number: dict[int, float]
    nothing: float | None = None


METER = Meter(
    "m",
    Kind.HEAT,
    Decimal("1.10"),
    uuid.UUID(int=5),
    dt.datetime(2025, 3, 30, 1, 2, 3, 4, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    dt.date(2025, 3, 30),
    dt.time(1, 2, 3),
    dt.timedelta(days=-2, microseconds=7),
    (1, "a"),
    {"a", "b"},
    [],
    {7: 1.5},
)


def test_a_dataclass_is_read_back_whole() -> None:
    """All that became text is what it was again."""
    value = [dataclasses.replace(METER, parts=[METER])]

    assert value == decode_as(encode(value), list[Meter])


def test_a_pydantic_model_is_read_back_whole() -> None:
    """By its aliases."""

    class Plant(pydantic.BaseModel):
        name: str = pydantic.Field(alias="plantName")
        meters: list[Meter]

    plant = Plant(plantName="north", meters=[METER])
    assert plant == decode_as(encode(plant), Plant)


def test_what_is_not_of_the_type_is_an_error_with_its_path() -> None:
    """Nothing is bent to fit, and nothing stored is quoted."""

    @dataclasses.dataclass
    class Reading:
        power: float
        state: str

    for stored, path in [
        (b'{"readings": [{"power": "hunter2", "state": "on"}]}', "$.readings[0].power"),
        (b'{"readings": [{"power": "1.5", "state": "on"}]}', "$.readings[0].power"),
        (b'{"readings": [{"power": 1.5, "state": 1}]}', "$.readings[0].state"),
        (b'{"readings": [{"power": 1}]}', "$.readings[0].state"),
        (b'{"readings": "hunter2"}', "$.readings"),
        (b"hunter2", "$"),
    ]:
        with pytest.raises(SerializationError) as caught:
            decode_as(stored, dict[str, list[Reading]])
        assert path == caught.value.path
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None


class Picky(pydantic.BaseModel):
    """A model that says much of what it does not like."""

    name: Literal["picky"]
    value: int

    @pydantic.field_validator("value")
    @classmethod
    def _check(cls, _value: int) -> int:
        raise ValueError("not this one:\n  - too small\n  - too odd")


class Easy(pydantic.BaseModel):
    """Another one."""

    name: Literal["easy"]
    value: int | str


Either = Annotated[Picky | Easy, pydantic.Field(discriminator="name")]


@pytest.mark.parametrize(
    ("stored", "path", "reason"),
    [
        (b'[{"name": "picky", "value": 1}]', "$[0].value", "not this one: - too small - too odd"),
        (b'[{"name": "easy", "value": [1]}]', "$[0].value", "valid integer"),
        (b'[{"name": "easy"}]', "$[0].value", "Field required"),
        (b'[{"name": "hunter2"}]', "$[0]", "its tag is none of 'picky', 'easy'"),
        (
            b'[{"name": "easy"}, 1, 2, 3, 4, 5]',
            "$[0].value",
            r"also \$\[1\], \$\[2\], \$\[3\] and 2 more",
        ),
    ],
)
def test_what_is_not_of_the_type_is_told_in_a_line(stored: bytes, path: str, reason: str) -> None:
    """With the ways to what is at fault in what is stored, whatever members of unions lie between."""
    with pytest.raises(SerializationError, match=reason) as caught:
        decode_as(stored, list[Either])
    assert path == caught.value.path
    assert str(caught.value).startswith(f"{path} ")
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", [b"[18446744073709551616]", b"[NaN]", b"[Infinity]", b"[1e400]"])
def test_a_number_that_is_no_json_is_read_as_no_type(text: bytes) -> None:
    """As it is without one."""
    for kind in (list[int], list[float], list[Any]):
        with pytest.raises(SerializationError) as caught:
            decode_as(text, kind)
        assert "$" == caught.value.path


@dataclasses.dataclass
class Undefined:
    """A dataclass of which a name leads nowhere."""

    part: Nowhere  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("kind", [1, "no such type", len, Undefined, list[Undefined]], ids=repr)
def test_what_is_no_type_is_refused(kind: object) -> None:
    """The argument is named."""
    with pytest.raises(InvalidArgumentError, match="`type`") as caught:
        decode_as(b"1", kind)

    assert "type" == caught.value.argument
    assert "\n" not in str(caught.value)


def test_none_is_no_type(client: RedisClient) -> None:
    """Where one is asked for, that it was forgotten is no wish for any."""
    client.save_in_redis("k", {"a": 1})
    with pytest.raises(InvalidArgumentError, match="`type`") as caught:
        client.read_as("k", None)
    assert "type" == caught.value.argument


# --- Weight -------------------------------------------------------------------


def test_no_library_is_imported_for_values_of_others() -> None:
    """Only the library a value comes from has a say; this runs apart, as tests import them all."""
    code = (
        "import sys, datetime, decimal, db_redis\n"
        "from db_redis._codec import encode\n"
        "encode({1: [decimal.Decimal(1), {2}, datetime.timedelta(1), float('nan')], 'b': datetime.time(1)})\n"
        "before = set(sys.modules)\n"
        "import numpy\n"
        "encode([numpy.arange(3), numpy.float64(1)])\n"
        "print(*set(sys.modules) & {'pandas', 'polars', 'pydantic', 'pyarrow'})\n"
        "print(*before & {'numpy'})\n"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert "\n\n" == loaded.stdout
