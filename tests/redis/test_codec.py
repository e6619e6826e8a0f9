"""Values to JSON and back, against the standard library's json."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import math
import re
import sys
import uuid
from collections import OrderedDict, namedtuple
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db_core.errors import SerializationError
from db_redis._codec import decode, encode

# What breaks scanners: long runs of digits beside quotes, backslashes and signs.
TEXTS = st.text() | st.text('0123456789"\\-.e,:[]{} ', min_size=15, max_size=40)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
LEAVES = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(LEAVES, lambda parts: st.lists(parts) | st.dictionaries(TEXTS, parts), max_leaves=20)

without_deadline = settings(deadline=None)


def exact(value: object) -> str:
    """Give a text that tells 1, 1.0 and True apart, and -0.0 from 0.0."""
    return json.dumps(value, sort_keys=True)


# --- What is written ----------------------------------------------------------


@without_deadline
@given(VALUES)
def test_any_json_library_reads_what_is_written(value: object) -> None:
    """The standard library finds the very value in the text."""
    assert exact(value) == exact(json.loads(encode(value)))


@without_deadline
@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_what_any_json_library_writes_is_read(value: object, ascii_only: bool, indent: int | None) -> None:  # noqa: FBT001
    """A text of the standard library's, in any of its styles, gives the very value."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()

    assert exact(value) == exact(decode(text))


class Mode(enum.Enum):
    """A plain Enum; one member's value holds a value JSON has not."""

    HEATING = "heating"
    LIMITS = (1, 2)
    BROKEN = ("ok", math.nan)


class Level(enum.IntEnum):
    """An Enum that is an int."""

    HIGH = 3


class Kind(enum.StrEnum):
    """An Enum that is a str."""

    HEAT = "heat"


@dataclasses.dataclass
class Meter:
    """A dataclass of the usual kind."""

    name: str
    power: float | None = None
    _serial: int = 7
    kinds: ClassVar[int] = 2


@dataclasses.dataclass(slots=True)
class Slotted:
    """A dataclass without a `__dict__`."""

    power: float


@dataclasses.dataclass
class HalfSlotted(Slotted):
    """A dataclass with a `__dict__` that holds only some of its fields."""

    state: str = "on"


class Table(dict):  # type: ignore[type-arg]
    """A dict by another name."""


class Row(list):  # type: ignore[type-arg]
    """A list by another name."""


class Label(str):
    """A str by another name."""

    __slots__ = ()


Pair = namedtuple("Pair", "a b")  # noqa: PYI024  # the untyped kind knows least of itself


class Triple(tuple):  # type: ignore[type-arg]
    """A tuple by another name."""

    __slots__ = ()


class Celsius(float):
    """A float by another name."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Mode.HEATING, "heating"),
        (Mode.LIMITS, [1, 2]),
        (Level.HIGH, 3),
        (Kind.HEAT, "heat"),
        ((1, (2, "three")), [1, [2, "three"]]),
        (Table(a=Row([1])), {"a": [1]}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (Label("text"), "text"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (dt.date(2025, 3, 30), "2025-03-30"),
        (dt.time(1, 2, 3, 4), "01:02:03.000004"),
        (dt.datetime(2025, 3, 30, 1, 2, 3, 4), "2025-03-30T01:02:03.000004"),  # noqa: DTZ001
        (dt.datetime(2025, 3, 30, 1, 2, 3, tzinfo=dt.UTC), "2025-03-30T01:02:03+00:00"),
        (Meter("m1", 1.5), {"name": "m1", "power": 1.5, "_serial": 7}),
        ([Slotted(1.5)], [{"power": 1.5}]),
        (HalfSlotted(1.5, "off"), {"power": 1.5, "state": "off"}),
        ({"a": None, "b": "null", "null": [None, 1.0]}, {"a": None, "b": "null", "null": [None, 1.0]}),
        (Pair(1, (2, 3)), [1, [2, 3]]),
        (Triple((1, 2)), [1, 2]),
        (Celsius(1.5), 1.5),
        (Decimal("1.10"), "1.10"),
        (Decimal("1E+3"), "1E+3"),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
        ({3, 1, 2}, [1, 2, 3]),
        pytest.param(frozenset({"b", "a", None}), [None, "a", "b"], id="frozenset"),
        (dt.time(1, 2, tzinfo=dt.UTC), "01:02:00+00:00"),
        (dt.timedelta(0), "PT0S"),
        (dt.timedelta(days=1, hours=2, microseconds=1), "P1DT2H0.000001S"),
        (dt.timedelta(hours=-36), "-P1DT12H"),
        (dt.timedelta(minutes=61), "PT1H1M"),
        ({1: "a", 2.5: "b", None: "c"}, {"1": "a", "2.5": "b", "null": "c"}),
        ({False: 1, Level.HIGH: 2, Mode.HEATING: 3}, {"false": 1, "3": 2, "heating": 3}),
        ({dt.date(2025, 3, 30): {uuid.UUID(int=1): 1}}, {"2025-03-30": {str(uuid.UUID(int=1)): 1}}),
        ({Decimal("1.10"): 1, Label("a"): 2}, {"1.10": 1, "a": 2}),
        ([{1: {2: [{3: None}]}}], [{"1": {"2": [{"3": None}]}}]),
        (2**53 + 1, 9007199254740993),
        (2**64 - 1, 18446744073709551615),
        (-(2**63), -9223372036854775808),
    ],
    ids=repr,
)
def test_each_type_has_its_json_form(value: object, expected: object) -> None:
    """Types beyond JSON's own become what the table says; a dataclass is all its fields."""
    assert exact(expected) == exact(json.loads(encode(value)))


def test_a_dataclass_is_its_fields_only() -> None:
    """What else hangs on the instance is not stored."""
    meter = Meter("m1", 1.5)
    meter.note = "added later"  # type: ignore[attr-defined]

    assert {"name", "power", "_serial"} == set(json.loads(encode(meter)))


# --- What is refused, and where -----------------------------------------------


class Stranger:
    """Nothing JSON knows."""

    def __repr__(self) -> str:
        return "Stranger()"


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (2**64, "64-bit"),
        (-(2**63) - 1, "64-bit"),
        ("a\ud800", "surrogates"),
        ({"a\ud800": 1}, "surrogates"),
        ({(1, 2): 3}, "Dict key must be a text or a single value, not (1, 2)"),
        ({b"k": 3}, "bytes are not text"),
        ({"1": 2, 1: 3}, "two of its keys have the text '1'"),
        ({None: 2, "null": 3}, "two of its keys have the text 'null'"),
        (b"bytes", "bytes"),
        (1j, "complex"),
        (Stranger(), "Stranger"),
        (Meter, "type"),
        (len, "builtin"),
    ],
    ids=repr,
)
def test_what_json_has_not_is_refused_with_its_path(part: object, reason: str) -> None:
    """The error leads to the smallest part at fault and says what is wrong with it."""
    value = {"site": None, "meters": [1, {"power": 2.0}, None, {"state": "on", "power": part}]}

    with pytest.raises(SerializationError, match=re.escape(reason)) as caught:
        encode(value)

    assert "$.meters[3].power" == caught.value.path
    assert str(caught.value).startswith("$.meters[3].power ")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (math.nan, "$"),
        ([0.0, math.nan], "$[1]"),
        ((math.nan,), "$[0]"),
        (Table(a=math.nan), "$.a"),
        (Row([math.nan]), "$[0]"),
        (Mode.BROKEN, "$[1]"),
        (Meter("m1", math.inf), "$.power"),
        (Slotted(math.inf), "$.power"),
        (HalfSlotted(math.nan), "$.power"),
        ({"a b": {'"': {"größe": {"": math.nan}}}}, '$["a b"]["\\""].größe[""]'),
        ({"meter": Meter("m1", None), "last": [None, Mode.BROKEN]}, "$.last[1][1]"),
    ],
    ids=repr,
)
def test_a_number_that_is_not_finite_is_found_wherever_it_is(value: object, path: str) -> None:
    """Where they are to be errors, NaN and the infinities never become null."""
    with pytest.raises(SerializationError) as caught:
        encode(value, "error")

    assert path == caught.value.path
    assert re.search('"NaN"|"Infinity"', encode(value, "string").decode())
    assert not re.search("NaN|Infinity", encode(value).decode())


@st.composite
def values_with_a_flaw(draw: st.DrawFn) -> tuple[object, str]:
    """Draw a value with one part JSON has not, and the path to it, built from the inside out."""
    value: Any = draw(st.sampled_from([math.nan, math.inf, 2**64, 1j, b""]))
    path = ""
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            before = draw(st.lists(VALUES, max_size=3))
            value = [*before, value, *draw(st.lists(VALUES, max_size=2))]
            path = f"[{len(before)}]{path}"
        else:
            key = draw(st.text("abc_1 é.", max_size=3))
            value = {**draw(st.dictionaries(TEXTS, VALUES, max_size=2)), key: value}
            plain = re.fullmatch(r"[^\W\d]\w*", key)
            path = f".{key}{path}" if plain else f"[{json.dumps(key, ensure_ascii=False)}]{path}"
    return value, f"${path}"


@without_deadline
@given(values_with_a_flaw())
def test_the_path_leads_to_the_flaw(flawed: tuple[object, str]) -> None:
    """Anywhere in any value, one flaw is found, and only it."""
    value, path = flawed

    with pytest.raises(SerializationError) as caught:
        encode(value, "error")

    assert path == caught.value.path


def test_a_field_that_was_never_set_is_an_error() -> None:
    """A dataclass that lacks a field is refused, and the field named."""
    unset = Meter("m1")
    del unset.name

    with pytest.raises(SerializationError, match="Meter has no value for its field name") as caught:
        encode([unset])

    assert "$[0]" == caught.value.path


def test_a_value_within_itself_is_an_error() -> None:
    """The path is where the circle closes."""
    site: dict[str, object] = {"name": None}
    site["meters"] = [{"name": "m1", "site": site}]

    with pytest.raises(SerializationError, match=re.escape("it is the same object as $")) as caught:
        encode(site)

    assert "$.meters[0].site" == caught.value.path


def test_the_same_part_twice_is_no_circle() -> None:
    """What is shared is written out each time."""
    shared = [None]

    assert [[None], {"again": [None]}] == json.loads(encode([shared, {"again": shared}]))


def nested(levels: int) -> object:
    """Give a null inside so many lists."""
    value: object = None
    for _ in range(levels):
        value = [value]
    return value


def test_nesting_has_a_limit() -> None:
    """254 levels are written and read; more, up to any depth, is a clear error."""
    assert nested(254) == decode(encode(nested(254)))
    for levels in (255, 1000, 100_000):
        with pytest.raises(SerializationError, match="nested deeper than 254 levels") as caught:
            encode(nested(levels))
        assert "$" == caught.value.path


def test_a_flaw_is_found_at_any_depth_that_can_be_written() -> None:
    """253 levels down the path is as long."""
    value: object = [1j]
    for _ in range(253):
        value = [value]

    with pytest.raises(SerializationError, match="complex") as caught:
        encode(value)

    assert "$" + "[0]" * 254 == caught.value.path


def test_no_recursion_error_however_little_stack_is_left() -> None:
    """A caller deep in its own calls gets a result or our error."""

    def call_after(calls: int) -> None:
        if calls:
            call_after(calls - 1)
        else:
            with pytest.raises(SerializationError):
                encode([nested(250), 1j])

    call_after(sys.getrecursionlimit() - 200)


# --- What is read -------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hunter2",
        b"{'hunter2': 1}",
        b'{"hunter2": 1',
        b'"hunter2" 1',
        b"NaN",
        b"Infinity",
        b"[1,]",
        b"\xff\xfe",
        b"\x80\x04\x95hunter2",
        b'"\\ud800"',
        b"1e400",
        b"\xef\xbb\xbf1",
        b"[" * 2000 + b"]" * 2000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_what_is_not_json_is_an_error(text: bytes) -> None:
    """It is never taken for something else, nor quoted."""
    with pytest.raises(SerializationError, match="not JSON") as caught:
        decode(text)

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.__cause__)


@without_deadline
@given(st.integers() | st.integers(2**63 - 3, 2**64 + 3) | st.integers(-(2**64), -(2**63) + 3))
def test_an_integer_is_read_exactly_or_not_at_all(number: int) -> None:
    """64 bits, signed or unsigned, are exact; anything longer is an error, never a float."""
    for text in (f"{number}", f'{{"a":[1.5,{number}]}}', f'["\\"", {number} ]'):
        if -(2**63) <= number < 2**64:
            assert exact(json.loads(text)) == exact(decode(text.encode()))
        else:
            with pytest.raises(SerializationError, match=r"more than 64 bits|number is infinity"):
                decode(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        '"123456789012345678901234567890"',
        '{"-123456789012345678901": "\\\\"}',
        '["\\\\\\"", "99999999999999999999"]',
        "0.12345678901234567890123",
        "-1234567890123456789012.5",
        "1234567890123456789012e0",
        "1e00000000000000000000000001",
    ],
)
def test_long_digits_that_are_no_integer_are_fine(text: str) -> None:
    """In texts, keys, fractions and exponents, digits may go on."""
    assert exact(json.loads(text)) == exact(decode(text.encode()))
